"""Reading whole lists: blocks in, recipients and rejected rows out. Its memory: producers/lists/dedupe.py.

One thread reads while another judges the block before; the event loop stays free for Ctrl-C.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final, ParamSpec, TypeVar, cast

import msgspec
import numpy as np

from dispatcher.caps.number_set import NumberSet, SetOfMany
from dispatcher.core.messages.template import Template
from dispatcher.core.numbers import Numbers
from dispatcher.errors import EmptyInput, InputError
from dispatcher.vendors.seam.vendor import Vendor
from producers.launch.frequency import FrequencyCap
from producers.launch.personal_texts import PersonalRows
from producers.launch.personal_values import Judge
from producers.launch.planning.plan import NO_ROWS, ListOrigin, OneList, RowCounts
from producers.lists.columns import Choice
from producers.lists.dedupe import Growing, Listed, Separated, ascending_of, separate
from producers.lists.normalise import barred as without
from producers.lists.opening import Opened, OpenList
from producers.lists.reader.blocks import ListBlock, Reading
from producers.lists.rejects import REASONS_MAX, Spool
from schemas.states import BY_FILE, EXCLUDED, FREQUENCY_CAP, IN_CAMPAIGN, shown_reason

Progress = Callable[[str, int, int | None], None]
"""Told (stage, done, of how many or None): `reading` in bytes or rows, `batches` in batches."""

READING: Final = "reading"

LISTS_MAX: Final = 200

P = ParamSpec("P")
T = TypeVar("T")


def silent(stage: str, done: int, total: int | None) -> None:
    """Progress without a display."""


class PersonalText(msgspec.Struct, frozen=True):
    """A text with placeholders, and the route that has to carry what stands for them."""

    template: Template
    route: Mapping[str, Vendor]


class NotTexted(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that are set aside: `suppress` and `exclude` are lists, `known` has others by reason, ascending."""

    suppress: Sequence[object] = ()
    suppress_choice: Choice = Choice()
    exclude: Sequence[object] = ()
    exclude_choice: Choice = Choice()
    known: Mapping[str, Numbers] = {}


class Intake(msgspec.Struct):
    """Lists that were read, and where from. `personal_texts`: the rows' values, if the campaign is personalised.

    `before` are rows that were set aside before these were read: when the lists were drafted.
    """

    separated: Separated
    spool: Spool
    counts: RowCounts
    origin: ListOrigin
    lists: tuple[OneList, ...]
    headers: tuple[str, ...]
    notes: list[str]
    personal_texts: PersonalRows | None = None
    before: RowCounts = NO_ROWS

    @property
    def all_counts(self) -> RowCounts:
        """What became of all rows."""
        return self.before + self.counts


async def read_lists(
    lists: Sequence[object],
    choice: Choice,
    not_texted: NotTexted,
    progress: Progress,
    personal: PersonalText | None = None,
    *,
    international: bool = False,
    phs: bool = False,
    frequency: FrequencyCap | None = None,
) -> Intake:
    """The lists as one, normalised, without duplicates and numbers that are not texted. Raises InputError.

    `choice` is for each of them. `international`: every account of the route takes numbers abroad; `phs`: with an area
    code in China. `frequency`: who is over this cap is set aside, too, if the lists are so long that this is judged
    while they are read.
    """
    if len(lists) > LISTS_MAX:
        raise InputError(
            "{count:,} lists are too many: at most {max} are launched together.",
            count=len(lists),
            max=LISTS_MAX,
        )
    notes: list[str] = []
    set_aside: dict[str, Numbers] = {}
    for reason, what, files, its_choice in (
        (BY_FILE, "suppression list", not_texted.suppress, not_texted.suppress_choice),
        (EXCLUDED, "excluded list", not_texted.exclude, not_texted.exclude_choice),
    ):
        numbers = Growing()
        for item in files:
            notes += await _read_numbers(item, what, its_choice, numbers)
        set_aside[reason] = await asyncio.to_thread(ascending_of, numbers)
    set_aside |= not_texted.known
    spool = Spool([reason for reason in set_aside if reason.startswith(IN_CAMPAIGN)])
    try:
        names = personal.template.names if personal is not None else ()
        reading = Reading(choice=choice, names=names, international=international, phs=phs)
        return await _read(lists, reading, set_aside, spool, notes, progress, personal, frequency)
    except BaseException:
        spool.close()
        raise


async def _read(
    lists: Sequence[object],
    reading: Reading,
    set_aside: Mapping[str, Numbers],
    spool: Spool,
    notes: list[str],
    progress: Progress,
    personal: PersonalText | None,
    frequency: FrequencyCap | None,
) -> Intake:
    listed, rows, reasons = Listed(), 0, np.zeros(REASONS_MAX, np.int64)
    personal_texts = judge = None
    if personal is not None:
        personal_texts, judge = PersonalRows(personal.template), Judge(personal.template, personal.route, spool)

    def take(part: ListBlock, first_row: int) -> None:
        block = part.block
        if judge is not None and personal_texts is not None and part.values is not None:
            columns = part.values.get_columns()
            judged = judge.judge(columns[1:])
            personal_texts.add(judged)
            block = without(block, columns[0], judged.codes)
        listed.add_block(block.numbers, first_row)
        spool.add(block, first_row, part.first, part.lines)
        reasons[:] += np.bincount(block.odd_reasons, minlength=REASONS_MAX)

    found: list[OneList] = []
    headers: list[str] = []
    for numbers in lists:
        first = rows
        with await _aside(Opened, numbers, reading) as opened:
            spool.begin_list(opened.list.label, first)
            async for part in parts_of(opened):
                await asyncio.to_thread(take, part, rows)
                rows += len(part.block.numbers)
                if frequency is not None:
                    frequency.expect(rows)
                if opened.bytes_total:
                    progress(READING, part.bytes_read, opened.bytes_total)
                else:
                    progress(READING, rows, None)
            origin = _origin(opened.list, reading.choice, rows - first)
            headers += [header for header in opened.list.headers if header not in headers]
        notes += [f"{origin.source}: {note}" if len(lists) > 1 else note for note in opened.list.notes]
        if not origin.rows:
            where = " below its header" if origin.column else ""
            raise InputError(
                "{source} has no rows{where}. Give a list of phone numbers.", source=origin.source, where=where
            )
        found.append(origin)
    separated = await _separated(listed, set_aside, frequency)
    invalid_reasons = {spool.reasons[code]: int(count) for code, count in enumerate(reasons) if code and count}
    counts = count(rows, separated, invalid_reasons)
    several = tuple(found) if len(found) > 1 else ()
    return Intake(separated, spool, counts, _together(found), several, tuple(headers), notes, personal_texts)


async def _separated(listed: Listed, set_aside: Mapping[str, Numbers], frequency: FrequencyCap | None) -> Separated:
    if frequency is None:
        return await asyncio.to_thread(separate, listed, set_aside)
    over = await frequency.over_of_all()
    reasons: Mapping[str, Numbers | NumberSet] = set_aside if over is None else {**set_aside, FREQUENCY_CAP: over}
    recipients, any_abroad = SetOfMany(), len(listed.abroad) > 0
    separated = await asyncio.to_thread(separate, listed, reasons, recipients)
    if not any_abroad:  # a number abroad may be another form of a domestic one
        frequency.remember(separated.recipients, recipients)
    return separated


def _origin(found: OpenList, choice: Choice, rows: int) -> OneList:
    column = found.column
    return OneList(
        source=found.label,
        column=column.name if column else "",
        encoding=found.encoding,
        header_line=found.header_line,
        first_numbers=column.samples if column else (),
        other_columns=column.others if column else (),
        hidden_rows=found.hidden_rows,
        hidden_rows_skipped=choice.hidden_rows == "skip",
        rows=rows,
    )


def _together(found: Sequence[OneList]) -> ListOrigin:
    """What is to be said of all lists."""
    if len(found) == 1:
        return found[0]
    return ListOrigin(
        source=", ".join(each.source for each in found),
        hidden_rows=sum(each.hidden_rows for each in found),
        hidden_rows_skipped=found[0].hidden_rows_skipped,
    )


def count(rows: int, separated: Separated, invalid_reasons: dict[str, int]) -> RowCounts:
    """What became of the lists' rows."""
    return RowCounts(
        rows=rows,
        recipients=len(separated.recipients),
        duplicate=len(separated.duplicates),
        suppressed_reasons={
            shown_reason(reason): len(aside) for reason, aside in separated.aside.items() if len(aside)
        },
        invalid_reasons=invalid_reasons,
    )


async def _read_numbers(numbers: object, what: str, choice: Choice, into: Growing) -> list[str]:
    """Add the numbers of a list that are not texted; returns what the plan should say of it."""

    def take(part: ListBlock) -> int:
        found = part.block.numbers[part.block.numbers > 0]
        into.add(found.view(np.uint64))
        return len(found)

    rows = good = 0
    nobody = "nobody is suppressed by it" if what == "suppression list" else "it excludes nobody"
    try:
        opening = await open_suppression(numbers, choice)
    except EmptyInput:
        label = numbers if isinstance(numbers, str) else "the numbers"
        return [f"{what} {label} is empty: {nobody}"]
    with opening as opened:
        async for part in parts_of(opened):
            rows += len(part.block.numbers)
            good += await asyncio.to_thread(take, part)
    label, column = opened.list.label, opened.list.column
    if not rows:
        return [f"{what} {label} has no rows: {nobody}"]
    if not good:
        raise InputError(
            "{what} {label}: none of its {rows:,} rows is a mobile number.", what=what, label=label, rows=rows
        )
    where = f", {column.name}" if column else ""
    hidden = opened.list.hidden_rows
    notes = [f"{what} {label}{where}: {good:,} numbers in {rows:,} rows"]
    if hidden:
        notes.append(f"{what} {label}: {hidden:,} of its rows are hidden in the sheet, and count, too")
    return notes + [f"{what} {label}: {note}" for note in opened.list.notes]


async def open_suppression(numbers: object, choice: Choice) -> Opened:
    """An open list of numbers that must not be texted, also those abroad and fixed lines. Raises InputError."""
    return await _aside(Opened, numbers, Reading(choice=choice, international=True, phs=True))


async def parts_of(opened: Opened) -> AsyncIterator[ListBlock]:
    """The parts of an open list, the next being read while one is used. Raises InputError."""
    parts = opened.list.parts()
    if isinstance(parts, AsyncIterator):
        async for part in parts:
            yield part
        return
    coming = _aside(_next, parts)
    while (read := await coming) is not None:
        coming = _aside(_next, parts)
        yield read


def _aside(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> asyncio.Future[T]:
    """Call it in a daemon thread: one that reads a pipe may never end, and Ctrl-C must."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():  # cancelled
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("T", result))

    def run() -> None:
        result, error = None, None
        try:
            result = function(*args, **options)
        except BaseException as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="reading", daemon=True).start()
    return future


def _next(parts: Iterator[ListBlock]) -> ListBlock | None:
    return next(parts, None)
