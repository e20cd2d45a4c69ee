"""Reading a whole list: blocks in, recipients and rejected rows out. Its memory: producers/lists/dedupe.py.

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

from dispatcher.core.messages.template import Template
from dispatcher.core.numbers import Numbers
from dispatcher.errors import EmptyInput, InputError
from dispatcher.vendors.seam.vendor import Vendor
from producers.launch.personal_texts import PersonalRows
from producers.launch.personal_values import Judge
from producers.launch.plan import ListOrigin, RowCounts
from producers.lists.columns import Choice
from producers.lists.dedupe import Growing, Listed, Separated, separate, suppression_of
from producers.lists.normalise import barred as without
from producers.lists.opening import Opened, OpenList
from producers.lists.reader.blocks import ListBlock, Reading
from producers.lists.rejects import REASONS_MAX, Spool
from schemas.states import BY_FILE_SHOWN, ON_LIST

Progress = Callable[[str, int, int | None], None]
"""Told (stage, done, of how many or None): `reading` in bytes or rows, `batches` in batches."""

READING: Final = "reading"

P = ParamSpec("P")
T = TypeVar("T")


def silent(stage: str, done: int, total: int | None) -> None:
    """Progress without a display."""


class PersonalText(msgspec.Struct, frozen=True):
    """A text with placeholders, and the route that has to carry what stands for them."""

    template: Template
    route: Mapping[str, Vendor]


class Intake(msgspec.Struct):
    """A list that was read, and where from. `personal_texts`: its rows' values, if the campaign is personalised."""

    separated: Separated
    spool: Spool
    counts: RowCounts
    origin: ListOrigin
    headers: tuple[str, ...]
    notes: list[str]
    personal_texts: PersonalRows | None = None


async def read_list(
    numbers: object,
    choice: Choice,
    suppress: Sequence[object],
    suppress_choice: Choice,
    on_list: Numbers,
    progress: Progress,
    personal: PersonalText | None = None,
    *,
    international: bool = False,
    phs: bool = False,
) -> Intake:
    """The list, normalised, without duplicates and suppressed numbers. Raises InputError.

    `suppress` are suppression files, `on_list` the numbers (ascending) of the suppression list. `international`: every
    account of the route takes numbers abroad; `phs`: with an area code in China.
    """
    notes: list[str] = []
    barred = Growing()
    for item in suppress:
        notes += await _read_suppression(item, suppress_choice, barred)
    spool = Spool()
    try:
        return await _read(numbers, choice, barred, on_list, spool, notes, progress, personal, international, phs)
    except BaseException:
        spool.close()
        raise


async def _read(
    numbers: object,
    choice: Choice,
    barred: Growing,
    on_list: Numbers,
    spool: Spool,
    notes: list[str],
    progress: Progress,
    personal: PersonalText | None,
    international: bool,
    phs: bool,
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

    names = personal.template.names if personal is not None else ()
    reading = Reading(choice=choice, names=names, international=international, phs=phs)
    with await _aside(Opened, numbers, reading) as opened:
        async for part in parts_of(opened):
            await asyncio.to_thread(take, part, rows)
            rows += len(part.block.numbers)
            if opened.bytes_total:
                progress(READING, part.bytes_read, opened.bytes_total)
            else:
                progress(READING, rows, None)
        numbers_from, headers = _origin(opened.list, choice), tuple(opened.list.headers)
    notes += opened.list.notes
    source, found = numbers_from.source, numbers_from.column
    if not rows:
        raise InputError(f"{source} has no rows{' below its header' if found else ''}. Give a list of phone numbers.")
    separated = await asyncio.to_thread(separate, listed, await asyncio.to_thread(suppression_of, barred), on_list)
    invalid_reasons = {spool.reasons[code]: int(count) for code, count in enumerate(reasons) if code and count}
    counts = count(rows, separated, invalid_reasons)
    return Intake(separated, spool, counts, numbers_from, headers, notes, personal_texts)


def _origin(found: OpenList, choice: Choice) -> ListOrigin:
    column = found.column
    return ListOrigin(
        source=found.label,
        column=column.name if column else "",
        encoding=found.encoding,
        header_line=found.header_line,
        first_numbers=column.samples if column else (),
        other_columns=column.others if column else (),
        hidden_rows=found.hidden_rows,
        hidden_rows_skipped=choice.hidden_rows == "skip",
    )


def count(rows: int, separated: Separated, invalid_reasons: dict[str, int]) -> RowCounts:
    """What became of a list's rows."""
    reasons = {BY_FILE_SHOWN: len(separated.suppressed), ON_LIST: len(separated.on_list)}
    return RowCounts(
        rows=rows,
        recipients=len(separated.recipients),
        duplicate=len(separated.duplicates),
        suppressed_reasons={reason: many for reason, many in reasons.items() if many},
        invalid_reasons=invalid_reasons,
    )


async def _read_suppression(numbers: object, choice: Choice, barred: Growing) -> list[str]:
    """Add a suppression list's numbers; returns what the plan should say of it."""

    def take(part: ListBlock) -> int:
        found = part.block.numbers[part.block.numbers > 0]
        barred.add(found.view(np.uint64))
        return len(found)

    rows = good = 0
    try:
        opening = await open_suppression(numbers, choice)
    except EmptyInput:
        label = numbers if isinstance(numbers, str) else "the numbers"
        return [f"suppression list {label} is empty: nobody is suppressed by it"]
    with opening as opened:
        async for part in parts_of(opened):
            rows += len(part.block.numbers)
            good += await asyncio.to_thread(take, part)
    label, column = opened.list.label, opened.list.column
    if not rows:
        return [f"suppression list {label} has no rows: nobody is suppressed by it"]
    if not good:
        raise InputError(f"suppression list {label}: none of its {rows:,} rows is a mobile number.")
    where = f", {column.name}" if column else ""
    hidden = opened.list.hidden_rows
    notes = [f"suppression list {label}{where}: {good:,} numbers in {rows:,} rows"]
    if hidden:
        notes.append(f"suppression list {label}: {hidden:,} of its rows are hidden in the sheet, and count, too")
    return notes + [f"suppression list {label}: {note}" for note in opened.list.notes]


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
