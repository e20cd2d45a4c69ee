"""Reading a whole list: blocks in, recipients and rejected rows out. Its memory: producers/dedupe.py.

Reading goes on in one thread while the block before is judged in another; the event loop stays free, so that Ctrl-C is
heard at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Final, ParamSpec, TypeVar, cast

import msgspec
import numpy as np
import polars as pl

from dispatcher.core.numbers import REASONS
from dispatcher.errors import InputError
from producers.dedupe import Growing, Listed, Separated, separate, suppression_of
from producers.normalise import normalise
from producers.plan import Counts
from producers.rejects import Spool
from producers.sources import NumberList, Opened

Progress = Callable[[str, int, int | None], None]
"""Told (stage, done, of how many or None): `reading` in bytes or rows, `batches` in batches."""

READING: Final = "reading"

P = ParamSpec("P")
T = TypeVar("T")


def silent(stage: str, done: int, total: int | None) -> None:
    """Progress that nobody looks at."""


class Intake(msgspec.Struct):
    """A list that was read, and what to call it."""

    separated: Separated
    spool: Spool
    counts: Counts
    source: str
    column: str
    encoding: str
    notes: list[str]


async def read_list(
    numbers: object, column: str | int | None, suppress: Sequence[object], progress: Progress
) -> Intake:
    """The list, normalised, without duplicates and suppressed numbers. Raises InputError."""
    notes: list[str] = []
    barred = Growing()
    for item in suppress:
        notes.append(await _read_suppression(item, barred))
    spool = Spool()
    try:
        return await _read(numbers, column, barred, spool, notes, progress)
    except BaseException:
        spool.close()
        raise


async def _read(
    numbers: object, column: str | int | None, barred: Growing, spool: Spool, notes: list[str], progress: Progress
) -> Intake:
    listed, rows, reasons = Listed(), 0, np.zeros(len(REASONS), np.int64)

    def take(values: pl.Series, first_row: int) -> None:
        block = normalise(values)
        listed.add_block(block.numbers, first_row)
        spool.add(block, first_row)
        reasons[:] += np.bincount(block.odd_reasons, minlength=len(REASONS))

    with await _aside(Opened, numbers, column) as opened:
        async for values in _ahead(opened.list):
            await asyncio.to_thread(take, values, rows)
            rows += len(values)
            if opened.bytes_total:
                progress(READING, opened.list.bytes_read, opened.bytes_total)
            else:
                progress(READING, rows, None)
        source, encoding, found = opened.list.label, opened.list.encoding, opened.list.column
        notes += getattr(opened.list, "notes", ())
    if not rows:
        raise InputError(f"{source} has no rows{' below its header' if found else ''}. Give a list of phone numbers.")
    separated = await asyncio.to_thread(separate, listed, await asyncio.to_thread(suppression_of, barred))
    counts = Counts(
        rows=rows,
        recipients=len(separated.recipients),
        duplicate=len(separated.duplicates),
        suppressed=len(separated.suppressed),
        invalid_reasons={REASONS[code]: int(count) for code, count in enumerate(reasons) if code and count},
    )
    return Intake(separated, spool, counts, source, found.name if found else "", encoding, notes)


async def _read_suppression(numbers: object, barred: Growing) -> str:
    """Add a suppression list's numbers; returns what the plan should say of it."""

    def take(values: pl.Series) -> int:
        found = normalise(values).numbers
        found = found[found > 0]
        barred.add(found.view(np.uint64))
        return len(found)

    rows = good = 0
    with await _aside(Opened, numbers) as opened:
        async for values in _ahead(opened.list):
            rows += len(values)
            good += await asyncio.to_thread(take, values)
        if not good:
            raise InputError(f"suppression list {opened.list.label}: none of its {rows:,} rows is a mobile number.")
        return f"suppression list {opened.list.label}: {good:,} numbers in {rows:,} rows"


async def _ahead(source: NumberList) -> AsyncIterator[pl.Series]:
    """The blocks of a list, the next one being read while one is used."""
    blocks = source.blocks()
    if isinstance(blocks, AsyncIterator):
        async for values in blocks:
            yield values
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


def _next(blocks: Iterator[pl.Series]) -> pl.Series | None:
    return next(blocks, None)
