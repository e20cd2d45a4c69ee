"""Reads a list of numbers to suppress: any file that a launch takes, with numbers abroad and fixed lines."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np

from dispatcher.core.numbers import REASONS, Numbers
from dispatcher.core.suppression import key_as_written
from dispatcher.errors import InputError
from producers.lists.columns import Choice, check_hidden_rows
from producers.lists.dedupe import Growing
from producers.lists.normalise import Block
from producers.lists.reading import open_suppression, parts_of


class NumberList(msgspec.Struct, frozen=True):
    """A list that was read: its numbers (keys as in dispatcher/core/suppression.py), and its unusable rows."""

    label: str
    column: str
    rows: int
    numbers: Numbers
    invalid_reasons: dict[str, int]
    header_line: int | None = None
    hidden_rows: int = 0
    notes: tuple[str, ...] = ()


async def read_numbers(source: object, choice: Choice) -> NumberList:
    """The numbers of this list, with repetitions. Raises InputError, also for a list without numbers."""
    found, reasons = Growing(), np.zeros(len(REASONS), np.int64)

    def take(block: Block) -> None:
        found.add(block.numbers[block.numbers > 0].view(np.uint64))
        others = _others(block)
        found.add(np.array(list(others.values()), np.int64).view(np.uint64))
        reasons[:] += np.bincount(np.delete(block.odd_reasons, list(others)), minlength=len(REASONS))

    rows = 0
    with await open_suppression(source, choice) as opened:
        async for part in parts_of(opened):
            rows += len(part.block.numbers)
            await asyncio.to_thread(take, part.block)
    label, where = opened.list.label, opened.list.column
    check_hidden_rows(opened.list.hidden_rows, choice.hidden_rows, label, "suppressed")
    invalid = {REASONS[code]: int(many) for code, many in enumerate(reasons) if code and many}
    if not len(found):
        raise InputError(
            "{label}: none of its {rows:,} rows is a phone number.",
            label=label,
            rows=rows,
            about="--column",
            do="Check the file, or name a column with {about}.",
        )
    return NumberList(
        label,
        where.name if where else "",
        rows,
        found.taken().view(np.int64),
        invalid,
        opened.list.header_line,
        opened.list.hidden_rows,
        tuple(opened.list.notes),
    )


def _others(block: Block) -> dict[int, int]:
    """The keys of the rows with a fixed line instead of a mobile or a number abroad."""
    odd = np.flatnonzero(block.odd_reasons).tolist()
    if not odd:
        return {}
    written = block.odd_values.decode().split("\n")
    keys = {at: key_as_written(written[at]) for at in odd if written[at].lstrip().startswith("0")}
    return {at: key for at, key in keys.items() if key}
