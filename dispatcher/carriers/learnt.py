"""Ported numbers, as reports teach: their records on the log, and the fold that look-ups use as overrides.

A report table says which codes mean that a number moved (`ReportCode.ported_to`). Only what is new is appended, so the
topic has about as many numbers as were learnt; the fold keeps the NUMBERS_MAX newest. A code that does not say to which
carrier a number moved never replaces one that did. A lost record is learnt again with the number's next report.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.carriers.lookup import Overrides
from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ascending_once, domestic, keys
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Entry, Log, StoredRecord
from dispatcher.log.records import record_of
from dispatcher.vendors.seam.outcomes import ReportCodes
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.codec import encode
from schemas.packed_numbers import NUMBERS_MAX as COLUMN_NUMBERS_MAX
from schemas.packed_numbers import BrokenColumn, pack_ascending, unpack_ascending
from schemas.records import CarrierLearnt, Reports
from schemas.topics import CARRIERS

NUMBERS_MAX: Final = 1_000_000
"""Ported numbers that are remembered: 17 bytes each."""

READ_RECORDS_MAX: Final = 5_000
_CARRIERS: Final = frozenset(int(carrier) for carrier in Carrier)
CODES_MAX: Final = 4_096
"""Different codes of a vendor whose row is remembered."""


class Lesson(msgspec.Struct, frozen=True):
    """The account and the code of the report that said where a number is."""

    account: str
    code: str


class _Columns(NamedTuple):
    """Ported numbers: their carriers, when that was learnt, and from which lesson."""

    numbers: Numbers
    carriers: NDArray[np.uint8]
    times: NDArray[np.uint32]
    lesson_index: NDArray[np.uint32]


class LearntCarriers:
    """The fold of the topic: `numbers` ascending, each with its carrier, its time (Unix seconds) and its lesson."""

    def __init__(self, numbers_max: int = NUMBERS_MAX) -> None:
        self.numbers: Numbers = np.empty(0, np.int64)
        self.carriers: NDArray[np.uint8] = np.empty(0, np.uint8)
        self.times: NDArray[np.uint32] = np.empty(0, np.uint32)
        self.lesson_index: NDArray[np.uint32] = np.empty(0, np.uint32)
        self.lessons: list[Lesson] = []
        self._index_of: dict[Lesson, int] = {}
        self._numbers_max: Final = numbers_max
        self._position = 0
        self._reading: Final = asyncio.Lock()

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def overrides(self) -> Overrides:
        """What look-ups need of it."""
        return Overrides(self.numbers, self.carriers)

    async def read_on(self, log: Log) -> None:
        """Read what the log has now. Raises LogError, LogDamaged and LogNewer."""
        end = await log.end(CARRIERS.name, 0)
        async with self._reading:
            while self._position < end:
                records = await log.read(CARRIERS.name, 0, self._position, records_max=READ_RECORDS_MAX)
                if not records:
                    break
                await asyncio.to_thread(self._take, records)
                self._position = records[-1].offset + 1

    def news(self, numbers: Numbers, carrier: Carrier) -> Numbers:
        """The mobiles among these about which the lesson says something new, ascending."""
        ascending = domestic(ascending_once(keys(numbers)))
        if not len(self.numbers):
            return ascending
        at = np.searchsorted(self.numbers, ascending)
        at[at == len(self.numbers)] = 0
        known = self.numbers[at] == ascending
        if carrier is not Carrier.UNKNOWN:
            known &= self.carriers[at] == carrier
        news: Numbers = ascending[~known]
        return news

    def _take(self, records: Sequence[StoredRecord]) -> None:
        parts = [_Columns(self.numbers, self.carriers, self.times, self.lesson_index), *map(self._columns, records)]
        numbers, carriers, times, lessons = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        order = np.lexsort((carriers != Carrier.UNKNOWN, numbers))  # stable: the last that counts comes last
        ordered = numbers[order]
        kept = order[np.append(ordered[1:] != ordered[:-1], True)] if len(order) else order
        if len(kept) > self._numbers_max:
            newest = np.argsort(times[kept], kind="stable")[-self._numbers_max :]
            kept = kept[np.sort(newest)]
        self.numbers, self.carriers = numbers[kept], carriers[kept]
        self.times, self.lesson_index = times[kept], lessons[kept]

    def _columns(self, stored: StoredRecord) -> _Columns:
        record = record_of(stored, CARRIERS.name)
        if not isinstance(record, CarrierLearnt):
            raise LogDamaged(
                "ported numbers: the record at offset {offset} is not about carriers.", offset=stored.offset
            )
        try:
            numbers = unpack_ascending(record.numbers, record.count)
        except BrokenColumn as error:
            raise LogDamaged(
                "ported numbers: the record at offset {offset} cannot be read ({error}).",
                offset=stored.offset,
                error=error,
            ) from error
        carrier = record.carrier if record.carrier in _CARRIERS else Carrier.UNKNOWN
        lesson = Lesson(record.account, record.code)
        index = self._index_of.setdefault(lesson, len(self.lessons))
        if index == len(self.lessons):
            self.lessons.append(lesson)
        size = len(numbers)
        return _Columns(
            numbers,
            np.full(size, carrier, np.uint8),
            np.full(size, record.at_ms // 1000, np.uint32),
            np.full(size, index, np.uint32),
        )


class PortingReports:
    """The reports of one vendor that say that a number was ported. `learnt` is shared by all vendors of a process."""

    def __init__(self, codes: ReportCodes, learnt: LearntCarriers) -> None:
        self._codes: Final = codes
        self._learnt: Final = learnt
        self._carriers: dict[str, Carrier | None] = {}

    async def take(self, log: Log, account: str, items: Sequence[ReportRow | Reports], at_ms: int) -> None:
        """Append what these reports teach. Raises LogError."""
        found = self._lessons(items)
        if not found:
            return
        await self._learnt.read_on(log)
        entries = [
            Entry(account.encode(), encode(record))
            for code, (carrier, numbers) in found.items()
            for record in _records(account, code, carrier, self._learnt.news(numbers, carrier), at_ms)
        ]
        if entries:
            await log.append(CARRIERS.name, 0, entries)

    def _lessons(self, items: Sequence[ReportRow | Reports]) -> dict[str, tuple[Carrier, Numbers]]:
        """By code: the carrier it names, and the numbers of its reports."""
        found: dict[str, list[Numbers]] = {}
        for item in items:
            for code, numbers in self._of(item):
                found.setdefault(code, []).append(numbers)
        return {
            code: (self._ported_to(code) or Carrier.UNKNOWN, np.concatenate(parts)) for code, parts in found.items()
        }

    def _of(self, item: ReportRow | Reports) -> Iterator[tuple[str, Numbers]]:
        if isinstance(item, ReportRow):
            if item.number and self._ported_to(item.code) is not None:
                yield _named(item.code), np.array([item.number], np.int64)
            return
        meant = [index for index, code in enumerate(item.codes) if self._ported_to(code) is not None]
        if not meant:
            return
        numbers: Numbers = np.frombuffer(item.numbers, "<i8").astype(np.int64, copy=False)
        codes: NDArray[np.uint16] = np.frombuffer(item.code_index, "<u2")
        for index in meant:
            named = numbers[(codes == index) & (numbers != 0)]
            if len(named):
                yield _named(item.codes[index]), named

    def _ported_to(self, code: str) -> Carrier | None:
        """The carrier that the code names, UNKNOWN if it names none; None: it is not about a ported number."""
        try:
            return self._carriers[code]
        except KeyError:
            row = self._codes.find(code)
            found = CARRIER_WORDS[row.ported_to] if row is not None and row.ported_to else None
            if len(self._carriers) < CODES_MAX:
                self._carriers[code] = found
            return found


def _named(code: str) -> str:
    return code.strip().upper()


def _records(account: str, code: str, carrier: Carrier, numbers: Numbers, at_ms: int) -> Iterator[CarrierLearnt]:
    for start in range(0, len(numbers), COLUMN_NUMBERS_MAX):
        piece = numbers[start : start + COLUMN_NUMBERS_MAX]
        yield CarrierLearnt(
            account=account,
            code=code,
            carrier=int(carrier),
            count=len(piece),
            numbers=pack_ascending(piece),
            at_ms=at_ms,
        )
