"""Reading a whole list: blocks in, recipients and rejected rows out. Its memory: producers/lists/dedupe.py.

Reading goes on in one thread while the block before is judged in another; the event loop stays free, so that Ctrl-C is
heard at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Final, ParamSpec, TypeVar, cast

import msgspec
import numpy as np
import polars as pl

from dispatcher.core.messages.template import Template
from dispatcher.core.numbers import Numbers
from dispatcher.errors import EmptyInput, InputError
from dispatcher.vendors.seam.vendor import Vendor
from producers.launch.personal_texts import LetterRows
from producers.launch.personal_values import Judge, find_columns
from producers.launch.plan import Counts
from producers.lists.dedupe import Growing, Listed, Separated, separate, suppression_of
from producers.lists.normalise import barred as without
from producers.lists.normalise import normalise
from producers.lists.opening import Columned, NumberList, Opened
from producers.lists.rejects import REASONS_MAX, Spool
from schemas.states import BY_FILE_SHOWN, ON_LIST

Progress = Callable[[str, int, int | None], None]
"""Told (stage, done, of how many or None): `reading` in bytes or rows, `batches` in batches."""

READING: Final = "reading"

P = ParamSpec("P")
T = TypeVar("T")


def silent(stage: str, done: int, total: int | None) -> None:
    """Progress that nobody looks at."""


class Personal(msgspec.Struct, frozen=True):
    """A text with placeholders, and the route that has to carry what stands for them."""

    template: Template
    route: Mapping[str, Vendor]


class Intake(msgspec.Struct):
    """A list that was read, and what to call it. `letters`: its rows' values, if the campaign is personalised."""

    separated: Separated
    spool: Spool
    counts: Counts
    source: str
    column: str
    encoding: str
    notes: list[str]
    letters: LetterRows | None = None


async def read_list(
    numbers: object,
    column: str | int | None,
    suppress: Sequence[object],
    on_list: Numbers,
    progress: Progress,
    personal: Personal | None = None,
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
        notes.append(await _read_suppression(item, barred))
    spool = Spool()
    try:
        return await _read(numbers, column, barred, on_list, spool, notes, progress, personal, international, phs)
    except BaseException:
        spool.close()
        raise


async def _read(
    numbers: object,
    column: str | int | None,
    barred: Growing,
    on_list: Numbers,
    spool: Spool,
    notes: list[str],
    progress: Progress,
    personal: Personal | None,
    international: bool,
    phs: bool,
) -> Intake:
    listed, rows, reasons = Listed(), 0, np.zeros(REASONS_MAX, np.int64)
    letters = judge = None
    if personal is not None:
        letters, judge = LetterRows(personal.template), Judge(personal.template, personal.route, spool)

    def take(columns: list[pl.Series], first_row: int) -> None:
        block = normalise(columns[0], international=international, phs=phs)
        if judge is not None and letters is not None:
            judged = judge.judge(columns[1:])
            letters.add(judged)
            block = without(block, columns[0], judged.codes)
        listed.add_block(block.numbers, first_row)
        spool.add(block, first_row)
        reasons[:] += np.bincount(block.odd_reasons, minlength=REASONS_MAX)

    with await _aside(Opened, numbers, column) as opened:
        async for columns in _ahead(_blocks(opened.list, personal)):
            await asyncio.to_thread(take, columns, rows)
            rows += len(columns[0])
            if opened.bytes_total:
                progress(READING, opened.list.bytes_read, opened.bytes_total)
            else:
                progress(READING, rows, None)
        source, encoding, found = opened.list.label, opened.list.encoding, opened.list.column
        notes += getattr(opened.list, "notes", ())
    if not rows:
        raise InputError(f"{source} has no rows{' below its header' if found else ''}. Give a list of phone numbers.")
    separated = await asyncio.to_thread(separate, listed, await asyncio.to_thread(suppression_of, barred), on_list)
    invalid_reasons = {spool.reasons[code]: int(count) for code, count in enumerate(reasons) if code and count}
    counts = count(rows, separated, invalid_reasons)
    return Intake(separated, spool, counts, source, found.name if found else "", encoding, notes, letters)


def count(rows: int, separated: Separated, invalid_reasons: dict[str, int]) -> Counts:
    """What became of a list's rows."""
    reasons = {BY_FILE_SHOWN: len(separated.suppressed), ON_LIST: len(separated.on_list)}
    return Counts(
        rows=rows,
        recipients=len(separated.recipients),
        duplicate=len(separated.duplicates),
        suppressed_reasons={reason: many for reason, many in reasons.items() if many},
        invalid_reasons=invalid_reasons,
    )


async def _read_suppression(numbers: object, barred: Growing) -> str:
    """Add a suppression list's numbers; returns what the plan should say of it."""

    def take(values: pl.Series) -> int:
        found = normalise(values, international=True, phs=True).numbers
        found = found[found > 0]
        barred.add(found.view(np.uint64))
        return len(found)

    rows = good = 0
    try:
        opening = await _aside(Opened, numbers)
    except EmptyInput:
        label = numbers if isinstance(numbers, str) else "the numbers"
        return f"suppression list {label} is empty: nobody is suppressed by it"
    with opening as opened:
        async for [values] in _ahead(_blocks(opened.list, None)):
            rows += len(values)
            good += await asyncio.to_thread(take, values)
        if not rows:
            return f"suppression list {opened.list.label} has no rows: nobody is suppressed by it"
        if not good:
            raise InputError(f"suppression list {opened.list.label}: none of its {rows:,} rows is a mobile number.")
        return f"suppression list {opened.list.label}: {good:,} numbers in {rows:,} rows"


async def opened_aside(numbers: object, column: str | int | None = None) -> Opened:
    """An open list; opening it may take long. Raises InputError."""
    return await _aside(Opened, numbers, column)


async def blocks_of(opened: Opened) -> AsyncIterator[pl.Series]:
    """The phone column of an open list, a block at a time. Raises InputError."""
    async for [values] in _ahead(_blocks(opened.list, None)):
        yield values


Blocks = Iterator[list[pl.Series]]


def _blocks(source: NumberList, personal: Personal | None) -> Blocks | AsyncIterator[pl.Series]:
    """The blocks of a list: the phone column and behind it the variables, if there are any. Raises InputError."""
    if personal is None:
        blocks = source.blocks()
        return blocks if isinstance(blocks, AsyncIterator) else ([values] for values in blocks)
    columned = source if isinstance(source, Columned) else None
    found = find_columns(personal.template, columned.headers if columned else (), source.label)
    assert columned is not None  # without columns there is no variable
    return (table.get_columns() for table in columned.tables(found))


async def _ahead(blocks: Blocks | AsyncIterator[pl.Series]) -> AsyncIterator[list[pl.Series]]:
    """The blocks of a list, the next one being read while one is used."""
    if isinstance(blocks, AsyncIterator):
        async for values in blocks:
            yield [values]
        return
    coming = _aside(_next, blocks)
    while (block := await coming) is not None:
        coming = _aside(_next, blocks)
        yield block


def _aside(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> asyncio.Future[T]:
    """Call it in a thread that nobody has to wait for: one that reads a pipe may never end, and Ctrl-C must."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():  # cancelled: nobody waits any more
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


def _next(blocks: Blocks) -> list[pl.Series] | None:
    return next(blocks, None)
