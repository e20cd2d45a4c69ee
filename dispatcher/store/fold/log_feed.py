"""Feeds the store from the log: batches and jobs that records refer to, the order of topics, the records downstream.

Used by the running joiner (consumers/results/role.py), by commands without a joiner (service/freshness.py) and by a
rebuild. The store's calls block, so they run in a thread, one at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from dispatcher.errors import LogDamaged
from dispatcher.log.port import Entry, Log, StoredRecord
from dispatcher.loggers import get_logger
from dispatcher.store.port import INPUTS, BatchPlace, Delivery, LoadedBatch, OtherLog, Store
from schemas import batch, codec
from schemas.topics import SPREAD_PARTITIONS, TOPIC, spread_partition

READ_RECORDS_MAX: Final = 10_000
READ_BYTES_MAX: Final = 32_000_000
"""In one transaction while catching up, of all partitions together."""

BATCHES_AT_ONCE: Final = 16
TELL_CHUNKS_MAX: Final = 5_000

CUT_OFF: Final = ("rejects", "inbound", "dead")
"""Topics whose beginning may be deleted (schemas/topics.py, retention): a new store has less of them.

If a journal or the reports began later, results would be wrong, so reading them raises LogDamaged.
"""

_logger = get_logger("join")

Places = list[tuple[str, int]]


def places(*topics: str) -> Places:
    """Every partition of these topics."""
    return [(topic, partition) for topic in topics for partition in range(TOPIC[topic].partitions)]


class Joining:
    """One store, fed from one log. `now_ms` is the wall clock, for the rule of `no_report_after_s`."""

    def __init__(
        self,
        log: Log,
        store: Store,
        *,
        no_report_after_s: float,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._log = log
        self._store = store
        self._no_report_after_ms = int(no_report_after_s * 1000)
        self._now_ms = now_ms
        self._kept_from: dict[tuple[str, int], int] = {}

    async def fold(self, delivery: Delivery) -> None:
        """Fold these records, the inputs first. Some may have been folded before.

        Raises errors of log and store; then the same delivery can be given again.
        """
        offsets = self._store.offsets()
        news = {place: _from(records, offsets[place]) for place, records in delivery.items()}
        inputs = {place: records for place, records in news.items() if place[0] in INPUTS and records}
        joined: Delivery = {place: records for place, records in news.items() if place[0] not in INPUTS and records}
        if inputs:
            await asyncio.to_thread(self._store.take_inputs, inputs)
        if joined:
            await self._read_jobs(joined)
            while moves := await asyncio.to_thread(self._store.moves_needed, joined):
                joined = await self._with_moves(joined, moves)
                await self._read_jobs(joined)
            await self._load(await asyncio.to_thread(self._store.batches_needed, joined))
            await asyncio.to_thread(self._store.take, joined)

    async def catch_up(self, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Fold everything that is in the log now. `progress` is called with (done, all) offsets.

        First the topics that are only kept, then all journals, then the reports: so hardly any report is parked.
        Raises OtherLog, and errors of log and store.
        """
        stages = (places(*INPUTS), places("lanes"), places("reports"))
        ends = {place: await self._log.end(*place) for stage in stages for place in stage}
        await self._pass_over(ends)
        offsets = self.offsets()
        if any(offsets[place] > end for place, end in ends.items()):
            raise OtherLog(
                "the store {store} was made from another log than {log}: it has read "
                "further than that log goes. Name the right one in the configuration, "
                "or rebuild the store.",
                store=self._store.url,
                log=self._log.url,
                do="To rebuild it: dispatcher store rebuild",
            )
        total = sum(max(0, end - offsets[place]) for place, end in ends.items())
        for stage in stages:
            await self._read_to(stage, ends, lambda left: progress(total - left, total))
        while await self.load_wanted():
            pass
        await self.expire()
        progress(total, total)

    def offsets(self) -> dict[tuple[str, int], int]:
        """Where to continue reading: the store's offsets, or behind deleted records of the topics in CUT_OFF."""
        return {place: max(offset, self._kept_from.get(place, 0)) for place, offset in self._store.offsets().items()}

    async def load_wanted(self) -> bool:
        """Load some batches of launched campaigns into the store; returns whether there may be more."""
        wanted = await asyncio.to_thread(self._store.batches_wanted, BATCHES_AT_ONCE)
        await self._load(wanted)
        return len(wanted) == BATCHES_AT_ONCE

    async def expire(self) -> None:
        """Mark recipients that waited too long for a report as `no_report`."""
        await asyncio.to_thread(self._store.expire, self._now_ms() - self._no_report_after_ms)

    async def tell(self) -> bool:
        """Append finished chunks to `results`, then drop them (at least once); returns whether there may be more."""
        told, by_partition = await asyncio.to_thread(self._to_tell)
        if not told:
            return False
        appends = (self._log.append("results", partition, entries) for partition, entries in by_partition.items())
        await asyncio.gather(*appends)
        return await asyncio.to_thread(self._store.told, told)

    def _to_tell(self) -> tuple[list[int], dict[int, list[Entry]]]:
        """Finished chunks, and their records by partition of `results`."""
        told: list[int] = []
        by_partition: dict[int, list[Entry]] = {}
        for chunk, record in self._store.outbox(TELL_CHUNKS_MAX):
            partition = spread_partition(record.campaign, record.batch)
            by_partition.setdefault(partition, []).append(Entry(record.campaign.encode(), codec.encode(record)))
            told.append(chunk)
        return told, by_partition

    # --- reading -----------------------------------------------------------------------------------------------------

    async def _read_to(self, stage: Places, ends: dict[tuple[str, int], int], progress: Callable[[int], None]) -> None:
        """Read these partitions up to their ends, a piece of each at a time."""
        at = {place: offset for place, offset in self.offsets().items() if place in stage}
        while behind := [place for place in stage if at[place] < ends[place]]:
            each = READ_BYTES_MAX // len(behind)
            reads = (
                self._log.read(*place, at[place], records_max=READ_RECORDS_MAX, bytes_max=each) for place in behind
            )
            delivery = dict(zip(behind, await asyncio.gather(*reads), strict=True))
            await self.fold(delivery)
            for place, records in delivery.items():
                at[place] = records[-1].offset + 1 if records else ends[place]  # a compacted end has no record
            offsets = {**self.offsets(), **at}
            progress(sum(max(0, end - offsets[place]) for place, end in ends.items()))

    async def _pass_over(self, ends: dict[tuple[str, int], int]) -> None:
        """Find where the topics in CUT_OFF begin now, if the store has not read so far."""
        offsets = self.offsets()
        for place in places(*CUT_OFF):
            if offsets[place] < ends[place] and not await self._is_there(place, offsets[place]):
                gone, there = offsets[place], ends[place]
                while there - gone > 1:  # the port can only say whether an offset is still there
                    middle = (gone + there) // 2
                    if await self._is_there(place, middle):
                        there = middle
                    else:
                        gone = middle
                self._kept_from[place] = there
                _logger.info("retention has deleted records that were not read", topic=place[0], partition=place[1])

    async def _is_there(self, place: tuple[str, int], offset: int) -> bool:
        try:
            await self._log.read(*place, offset, records_max=1)
        except LogDamaged:
            return False
        return True

    async def _read_jobs(self, joined: Delivery) -> None:
        """Fold `jobs` as far as these journals refer to it; the author of an intent had read its job."""
        needed = await asyncio.to_thread(self._store.jobs_needed, joined)
        for partition, offset in needed.items():
            place = ("jobs", partition)
            while (at := self._store.offsets()[place]) <= offset:
                records = await self._log.read(*place, at, records_max=READ_RECORDS_MAX)
                if not records:
                    break  # the journal names a missing job: the fold counts it as odd
                await asyncio.to_thread(self._store.take_inputs, {place: records})

    async def _with_moves(self, joined: Delivery, moves: Mapping[int, int]) -> Delivery:
        """These records, and other journals as far as they moved recipients here: whoever is announced left before."""
        more = dict(joined)
        for partition, offset in moves.items():
            place = ("lanes", partition)
            records = list(more.get(place, ()))
            while (at := records[-1].offset + 1 if records else self._store.offsets()[place]) <= offset:
                found = await self._log.read(*place, at, records_max=READ_RECORDS_MAX)
                if not found:
                    raise LogDamaged(
                        "lanes/{partition} ends before offset {offset}, which moved jobs name",
                        partition=partition,
                        offset=offset,
                    )
                records.extend(found)
            more[place] = records
        return more

    async def _load(self, wanted: list[BatchPlace]) -> None:
        for start in range(0, len(wanted), BATCHES_AT_ONCE):
            fetches = (self._fetch(place) for place in wanted[start : start + BATCHES_AT_ONCE])
            await asyncio.to_thread(self._store.add_batches, await asyncio.gather(*fetches))

    async def _fetch(self, place: BatchPlace) -> LoadedBatch:
        partition, offset = place.id % SPREAD_PARTITIONS, place.id // SPREAD_PARTITIONS
        try:
            stored = await self._log.fetch("recipients", partition, offset)
            numbers, _ = batch.unpack(stored.value, stored.headers, place.sha256)
        except (LogDamaged, batch.BrokenBatch) as error:
            return LoadedBatch(place.id, None, str(error))
        return LoadedBatch(place.id, numbers)


def _from(records: Sequence[StoredRecord], offset: int) -> Sequence[StoredRecord]:
    """Records that were not folded yet."""
    return records if not records or records[0].offset >= offset else [r for r in records if r.offset >= offset]
