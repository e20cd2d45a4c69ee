"""A draft's lists, read back from the log: a launch reads them like any other list (producers/lists/opening.py).

Numbers and values are those of the draft, each number once. An account of the route may have other limits by now, so
they are judged again like those of a file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import numpy as np
import polars as pl

from dispatcher.core import numbers as core
from dispatcher.core.numbers import REASONS, Numbers
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import InputError, LogDamaged
from dispatcher.log.port import Log, StoredRecord
from producers.drafts.lines import lines_of
from producers.lists.normalise import Block
from producers.lists.phone_column import PhoneColumn
from producers.lists.reader.blocks import ListBlock, Reading
from schemas.batch import BrokenBatch, Values, unpack_values
from schemas.packed_numbers import BrokenColumn
from schemas.records import DraftBatch, DraftList
from schemas.topics import RECIPIENTS

_ABROAD: Final = REASONS.index("international")
_FIXED: Final = REASONS.index("not a mobile number")


class ListOnLog:
    """One list of the draft of `campaign`. It can be read any number of times."""

    column: PhoneColumn | None = None
    header_line: int | None = None
    encoding = ""
    notes: tuple[str, ...] = ()
    hidden_rows = 0

    def __init__(self, log: Log, campaign: str, found: DraftList, reading: Reading | None = None) -> None:
        self.label: Final = found.label
        self.headers: Final[tuple[str, ...]] = () if reading is None else reading.names
        self._log: Final = log
        self._campaign: Final = campaign
        self._list: Final = found
        self._reading: Final = reading or Reading()

    def open(self, reading: Reading) -> ListOnLog:
        """The same, with the values that are wanted."""
        return ListOnLog(self._log, self._campaign, self._list, reading)

    async def parts(self) -> AsyncIterator[ListBlock]:
        """One for each batch. Raises InputError if it is not on the log any more, LogError."""
        for place in self._list.batches:
            try:
                stored = await self._log.fetch(RECIPIENTS.name, place.partition, place.offset)
                yield await asyncio.to_thread(self._part, stored, place)
            except (LogDamaged, BrokenBatch, BrokenColumn) as error:
                raise InputError(
                    'the recipients of draft "{campaign}" cannot be read from the log ({error}). Draft it again.',
                    campaign=self._campaign,
                    error=error,
                ) from error

    def _part(self, stored: StoredRecord, place: DraftBatch) -> ListBlock:
        wire, count, values = unpack_values(stored.value, stored.headers, place.sha256)
        numbers, lines = core.decode(wire), lines_of(stored.headers, count)
        frame = None
        if self._reading.names:
            columns = [] if values is None else value_columns(values, self._reading.names)
            frame = pl.DataFrame([pl.Series("number", [to_wire(each) for each in numbers.tolist()]), *columns])
        return ListBlock(_block(numbers, self._reading), frame, int(lines[0]), lines)


def _block(numbers: Numbers, reading: Reading) -> Block:
    """The numbers, without those that the accounts of the route do not take any more."""
    domestic, abroad = core.is_domestic(numbers), core.is_abroad(numbers)
    reasons = np.zeros(len(numbers), np.uint8)
    if not reading.international:
        reasons[abroad] = _ABROAD
    if not reading.phs:
        reasons[~domestic & ~abroad] = _FIXED
    odd = np.flatnonzero(reasons)
    written = "".join(f"{to_wire(number)}\n" for number in numbers[odd].tolist()).encode()
    return Block(np.where(reasons > 0, 0, numbers), odd.astype(np.uint32), written, reasons[odd])


def value_columns(values: Values, names: tuple[str, ...]) -> list[pl.Series]:
    """The recipients' values of these variables. Raises BrokenBatch if the batch has not all of them."""
    columns = []
    for name in names:
        if name not in values.names:
            raise BrokenBatch(f"the batch has no values for {{{name}}}")
        index = values.names.index(name)
        ends, text = np.frombuffer(values.ends[index], "<u4").tolist(), values.texts[index]
        entries = [text[start:end].decode() for start, end in zip([0, *ends], ends, strict=False)]
        rows = np.frombuffer(values.rows[index], "<u2").astype(np.uint32)
        columns.append(pl.Series(name, entries, dtype=pl.String).gather(rows).alias(f"{{{name}}}"))
    return columns
