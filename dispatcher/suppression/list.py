"""The suppression list on the log: changing it, reading it to the end of its topic, and snapshots of the whole.

Readers start at the newest snapshot, which `campaigns` names, else at the beginning. A snapshot is a fold of what lies
before it; an incomplete one is skipped. Changes are never deleted: who put which number on the list, when and why,
stays on the log.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ListChange, Listing, ascending_once, bare, contains, empty, folded, keys
from dispatcher.errors import LogDamaged
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry, Log, StoredRecord
from dispatcher.log.records import record_of
from schemas.codec import encode
from schemas.packed_numbers import (
    NUMBERS_MAX,
    BrokenColumn,
    pack_ascending,
    pack_u32,
    unpack_ascending,
    unpack_u32,
)
from schemas.records import (
    Suppression,
    SuppressionOrigin,
    SuppressionSnapshot,
    SuppressionSnapshotAt,
    SuppressionSource,
)
from schemas.topics import CAMPAIGNS, SUPPRESSION

SNAPSHOT_KEY: Final = b"suppression!snapshot"
PIECE_NUMBERS: Final = NUMBERS_MAX // 2  # of a snapshot: three columns must fit into a record
APPEND_RECORDS: Final = 8
READ_RECORDS_MAX: Final = 5_000
FOLD_NUMBERS: Final = 1_000_000
"""Changes are folded when they have this many numbers: unfolded changes cost memory."""

SNAPSHOT_AFTER_RECORDS: Final = 5_000
SNAPSHOT_AFTER_NUMBERS: Final = 200_000


class SuppressionList:
    """The list as far as it was read. `detailed`: with author, time and reason of each number (16 bytes a number)."""

    def __init__(self, *, detailed: bool = False) -> None:
        self.origins: list[SuppressionOrigin] = []
        self.position = 0
        self._listing: Listing | None = None  # None: not read yet, or its snapshot is incomplete
        self._detailed = detailed
        self._numbered: dict[SuppressionOrigin, int] = {}
        self._snapshot: SuppressionSnapshotAt | None = None
        self._pieces: list[SuppressionSnapshot] = []
        self._pending: list[ListChange] = []
        self._pending_numbers = self._tail_records = self._tail_numbers = 0
        self._is_read = False

    @property
    def listing(self) -> Listing:
        """The list itself."""
        return empty(detailed=self._detailed) if self._listing is None else self._listing

    @property
    def snapshot_due(self) -> bool:
        """Whether a snapshot would shorten reading by much. All snapshots together are about as long as the changes."""
        size = len(self.listing)
        return (
            self._tail_records > max(SNAPSHOT_AFTER_RECORDS, size // 200)
            or self._tail_numbers > SNAPSHOT_AFTER_NUMBERS + 2 * size
        )

    async def read_on(self, log: Log) -> Numbers:
        """Read what the log has now. Returns the numbers that changes since the last call put on the list.

        Raises LogError, LogDamaged and LogNewer: a list that cannot be read must not be taken for an empty one.
        """
        touched = await self.read_changes(log)
        return touched[contains(self.listing.numbers, touched)]

    async def read_changes(self, log: Log) -> Numbers:
        """Read what the log has now. Returns the numbers that were put on the list or taken off since the last call.

        The first call returns the whole list. Raises as `read_on`.
        """
        if not self._is_read:
            self._snapshot = (await read_campaigns(log)).suppression_snapshot
            if self._snapshot is None or not await self._read_from(log, self._snapshot.upto, None):
                self._snapshot = None
                await self._read_from(log, 0, empty(detailed=self._detailed))
            self._is_read = True
            return self.listing.numbers
        named = await self._read_to_end(log)
        return ascending_once(np.concatenate(named)) if named else np.empty(0, np.int64)

    def only_reported(self) -> Numbers:
        """The numbers of a detailed list that are there because of a report, and for no other reason, ascending."""
        return self.listing.numbers[np.isin(self.listing.origins, self._weak)]

    @property
    def _weak(self) -> list[int]:
        """The indices of origins that any other origin of a number replaces."""
        return [index for index, origin in enumerate(self.origins) if origin.source == "report"]

    def origin(self, at: int) -> SuppressionOrigin:
        """Who put the number at index `at` on the list."""
        return self.origins[int(self.listing.origins[at])]

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read_from(self, log: Log, position: int, listing: Listing | None) -> bool:
        """Read from there; False if the snapshot there is incomplete."""
        self.position, self._listing = position, listing
        self._pieces, self._pending = [], []
        self._pending_numbers = self._tail_records = self._tail_numbers = 0
        await self._read_to_end(log)
        return self._listing is not None

    async def _read_to_end(self, log: Log) -> list[Numbers]:
        """The numbers of every change read."""
        named: list[Numbers] = []
        end = await log.end(SUPPRESSION.name, 0)
        while self.position < end:
            records = await log.read(SUPPRESSION.name, 0, self.position, records_max=READ_RECORDS_MAX)
            if not records:
                break
            named += await asyncio.to_thread(self._take, records)
            self.position = records[-1].offset + 1
        await asyncio.to_thread(self._fold)
        return named if self._is_read else []

    def _take(self, records: Sequence[StoredRecord]) -> list[Numbers]:
        named = []
        for stored in records:
            match record_of(stored, SUPPRESSION.name):
                case Suppression() as record:
                    numbers = _ascending(stored, record.numbers, record.count)
                    origin = self._number_of(SuppressionOrigin(record.source, record.by, record.why))
                    self._pending.append(ListChange(numbers, record.adds, record.at_ms // 1000, origin))
                    self._tail_records += 1
                    self._tail_numbers += len(numbers)
                    self._pending_numbers += len(numbers)
                    if self._is_read:
                        named.append(numbers)
                    if self._pending_numbers >= FOLD_NUMBERS:
                        self._fold()
                case SuppressionSnapshot() as piece:
                    self._piece(stored, piece)
        return named

    def _piece(self, stored: StoredRecord, piece: SuppressionSnapshot) -> None:
        wanted = self._snapshot
        if wanted is None or piece.snapshot != wanted.snapshot or piece.part != len(self._pieces):
            return  # a part of another snapshot, or one that was appended twice
        self._pieces.append(piece)
        if len(self._pieces) == wanted.parts:
            pieces, self._pieces = self._pieces, []
            self._listing = self._joined(stored, pieces)

    def _joined(self, stored: StoredRecord, pieces: Sequence[SuppressionSnapshot]) -> Listing:
        numbers = np.concatenate([_ascending(stored, piece.numbers, piece.count) for piece in pieces])
        if not self._detailed:
            return bare(numbers)
        times = np.concatenate([_u32(stored, piece.times, piece.count) for piece in pieces])
        origins = []
        for piece in pieces:
            known = np.array([self._number_of(origin) for origin in piece.origins], np.uint32)
            origins.append(known[_u32(stored, piece.origin_index, piece.count)])
        return Listing(numbers, times, np.concatenate(origins))

    def _fold(self) -> None:
        if self._listing is not None:
            pending, self._pending, self._pending_numbers = self._pending, [], 0
            self._listing = folded(self._listing, pending, self._weak)

    def _number_of(self, origin: SuppressionOrigin) -> int:
        if not self._detailed:
            return 0
        number = self._numbered.setdefault(origin, len(self.origins))
        if number == len(self.origins):
            self.origins.append(origin)
        return number


# --- writing ---------------------------------------------------------------------------------------------------------


async def put(
    log: Log, numbers: Numbers, *, adds: bool, source: SuppressionSource, by: str, why: str, at_ms: int
) -> int:
    """Put these numbers on the list, or take them off; returns how many different ones. Durable when it returns.

    Raises LogError: then some of them may be on the log; repeating the call does no harm.
    """
    ascending = ascending_once(keys(numbers))
    entries = []
    for start in range(0, len(ascending), NUMBERS_MAX):
        entries.append(_change_of(ascending[start : start + NUMBERS_MAX], adds, source, by, why, at_ms))
        if len(entries) == APPEND_RECORDS:
            await log.append(SUPPRESSION.name, 0, entries)
            entries = []
    if entries:
        await log.append(SUPPRESSION.name, 0, entries)
    return len(ascending)


def _change_of(ascending: Numbers, adds: bool, source: SuppressionSource, by: str, why: str, at_ms: int) -> Entry:
    packed = pack_ascending(ascending)
    record = Suppression(adds=adds, count=len(ascending), numbers=packed, source=source, by=by, at_ms=at_ms, why=why)
    return Entry(source.encode(), encode(record))


async def snapshot_if_due(log: Log) -> bool:
    """Append a snapshot if it would shorten reading by much; returns whether it did. A LogError does no harm."""
    read = SuppressionList(detailed=True)
    await read.read_on(log)
    if not read.snapshot_due or not len(read.listing):
        return False
    name, parts = secrets.token_hex(8), range(0, len(read.listing), PIECE_NUMBERS)
    for part, start in enumerate(parts):
        piece = await asyncio.to_thread(_piece_of, read, name, part, start)
        await log.append(SUPPRESSION.name, 0, [Entry(name.encode(), encode(piece))])
    at = SuppressionSnapshotAt(snapshot=name, upto=read.position, parts=len(parts), numbers=len(read.listing))
    await log.append(CAMPAIGNS.name, 0, [Entry(SNAPSHOT_KEY, encode(at))])
    return True


def _piece_of(read: SuppressionList, name: str, part: int, start: int) -> SuppressionSnapshot:
    piece = slice(start, start + PIECE_NUMBERS)
    used, index = np.unique(read.listing.origins[piece], return_inverse=True)
    numbers = read.listing.numbers[piece]
    return SuppressionSnapshot(
        snapshot=name,
        part=part,
        count=len(numbers),
        numbers=pack_ascending(numbers),
        times=pack_u32(read.listing.times[piece]),
        origins=[read.origins[origin] for origin in used.tolist()],
        origin_index=pack_u32(index.astype(np.uint32)),
    )


# --- records ---------------------------------------------------------------------------------------------------------


def _ascending(stored: StoredRecord, packed: bytes, count: int) -> Numbers:
    try:
        return unpack_ascending(packed, count)
    except BrokenColumn as error:
        raise _damaged(stored, str(error)) from error


def _u32(stored: StoredRecord, packed: bytes, count: int) -> NDArray[np.uint32]:
    try:
        return unpack_u32(packed, count)
    except BrokenColumn as error:
        raise _damaged(stored, str(error)) from error


def _damaged(stored: StoredRecord, why: str) -> LogDamaged:
    return LogDamaged(
        "the suppression list: the record at offset {offset} cannot be read ({why}).", offset=stored.offset, why=why
    )
