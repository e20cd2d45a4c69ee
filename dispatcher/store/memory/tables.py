"""The fold's port over dicts (store/fold/tables.py defines the calls, rows.py the dicts)."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.campaigns import first_counts, kept_as
from dispatcher.core.results import inbound
from dispatcher.core.results.columns import Columns
from dispatcher.core.results.inbound import Bounds
from dispatcher.core.results.journal import JoinedChunk, JoinedJob
from dispatcher.core.results.places import chunk_of, intent_of, move_place
from dispatcher.core.results.recipient_ids import IdRow
from dispatcher.core.results.reports import Origin, ParkedReports
from dispatcher.core.streams.segments import Segment, StreamKey
from dispatcher.store.fold.tables import IdRange, JoinedBatch, Stretch
from dispatcher.store.fold.tallies import MoveSum, ReportTally, Tallies, Tally, summed
from dispatcher.store.memory.rows import Kept, KeptBatch, KeptCampaign, KeptIds, KeptMessage, KeptResults
from dispatcher.store.port import BatchPlace
from dispatcher.store.views import DeadCount, DeadLetter
from schemas.records import Control, Dead, Inbound, Job, Launched, Rejects
from schemas.states import State
from schemas.topics import LANE_PARTITIONS

_replaced = msgspec.structs.replace


class Memory:
    """The committed contents, and those being written: the same object between transactions."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.committed = Kept()
        self.kept = self.committed
        self.writer = False


class MemoryTables:
    """See dispatcher.store.fold.tables.Tables."""

    def __init__(self, memory: Memory, bounds: Bounds) -> None:
        self._memory = memory
        self._bounds = bounds
        self.batches = MemoryBatches(memory)
        self.chunks = MemoryChunks(memory)
        self.reports = MemoryReports(memory)

    @property
    def _kept(self) -> Kept:
        return self._memory.kept

    def offsets(self) -> dict[tuple[str, int], int]:
        return dict(self._kept.offsets)

    def advance(self, topic: str, partition: int, before: int, after: int) -> bool:
        if self._kept.offsets.get((topic, partition), 0) != before:
            return False
        self._kept.offsets[topic, partition] = after
        return True

    def owner(self, partition: int) -> str | None:
        return self._kept.owners.get(partition)

    def save_owner(self, partition: int, owner: str | None) -> None:
        self._kept.owners[partition] = owner

    def launched(self, offset: int, record: Launched, encoded: bytes) -> None:
        campaign = self._campaign(record.campaign)
        holds = not record.revision or (record.revision == campaign.revision and not campaign.cancelled)
        if campaign.launched is None and holds:
            self._kept.campaigns[record.campaign] = _replaced(campaign, launched=record, launched_offset=offset)
            others = [key for key in self._kept.rejects if key[0] == record.campaign and key[1] != record.attempt]
            for key in others:
                del self._kept.rejects[key]

    def launches_since(self, offset: int) -> list[Launched]:
        kept = self._kept.campaigns.values()
        return [each.launched for each in kept if each.launched is not None and each.launched_offset >= offset]

    def revised(self, campaign: str, revision: str) -> None:
        self._kept.campaigns[campaign] = _replaced(self._campaign(campaign), revision=revision)

    def controlled(self, record: Control, encoded: bytes, offset: int) -> None:
        campaign = self._campaign(record.campaign)
        word = kept_as(record, offset)
        if word not in campaign.controls or not first_counts(record):
            controls = campaign.controls | {word: record}
            self._kept.campaigns[record.campaign] = _replaced(campaign, controls=controls)

    def _campaign(self, campaign: str) -> KeptCampaign:
        return self._kept.campaigns.get(campaign, KeptCampaign())

    def add_job(self, job_id: int, batch_id: int, job: Job) -> None:
        joined = JoinedJob(job_id, job.campaign, job.attempt, job.account, batch_id, job.batch, move_place(job))
        self._kept.jobs.setdefault(job_id, joined)
        reach = job.start + job.count
        batch = self._kept.batches.get(batch_id)
        if batch is None:
            self._kept.batches[batch_id] = KeptBatch(job.campaign, job.attempt, job.batch, job.sha256, reach)
        elif not batch.loaded and reach > batch.recipients:
            self._kept.batches[batch_id] = _replaced(batch, recipients=reach)

    def segment(self, stream: StreamKey) -> Segment | None:
        return self._kept.segments.get(stream)

    def save_segment(self, stream: StreamKey, segment: Segment) -> None:
        self._kept.segments[stream] = segment

    def job(self, job_id: int) -> JoinedJob | None:
        return self._kept.jobs.get(job_id)

    def add_rejects(self, record: Rejects, encoded: bytes) -> None:
        launched = self._campaign(record.campaign).launched
        if launched is None or launched.attempt == record.attempt:
            self._kept.rejects.setdefault((record.campaign, record.attempt, record.part), record)

    def add_inbound(self, place: int, record: Inbound) -> None:
        message = inbound.checked(record)
        key = inbound.key(message)
        of_key = [each.held for _, each in sorted(self._kept.inbound.items(), reverse=True) if each.key == key]
        known = of_key[: inbound.CANDIDATES_MAX]
        found = inbound.placed(message, known, self._bounds)
        records, repeats = self._kept.inbound_counts.get(message.account, (0, 0))
        repeated = found is not None and found in known
        self._kept.inbound_counts[message.account] = (records + 1, repeats + repeated)
        if found is None:
            held = inbound.new(place, message)
            done = place if held.whole else None
            self._kept.inbound.setdefault(place, KeptMessage(key, message, held, message.flags, done))
        elif not repeated:
            before = self._kept.inbound[found.id]
            flags = tuple(dict.fromkeys((*before.flags, *message.flags)))
            done = place if found.whole else None
            self._kept.inbound[found.id] = _replaced(before, held=found, flags=flags, done=done)

    def add_dead(self, place: int, record: Dead) -> None:
        before = self._kept.dead.get(record.account)
        self._kept.dead[record.account] = DeadCount(
            account=record.account,
            count=1 if before is None else before.count + 1,
            last_ms=record.at_ms,
            last_why=record.why,
        )
        letter = DeadLetter(
            partition=place % LANE_PARTITIONS,
            offset=place // LANE_PARTITIONS,
            account=record.account,
            path=record.path,
            why=record.why,
            at_ms=record.at_ms,
        )
        self._kept.dead_letters.setdefault(place, letter)


class MemoryBatches:
    """See dispatcher.store.fold.tables.Batches. A batch's results are kept whole: `save_columns` copies them all."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def load(self, batch_id: int) -> JoinedBatch:
        batch = self._memory.kept.batches[batch_id]
        return JoinedBatch(
            batch_id, batch.campaign, batch.attempt, batch.number, batch.contested, batch.codes, batch.day
        )

    def to_load(self, batches_max: int) -> list[BatchPlace]:
        kept = self._memory.kept
        attempts = {name: each.launched.attempt for name, each in kept.campaigns.items() if each.launched is not None}
        found = [id_ for id_, each in kept.batches.items() if attempts.get(each.campaign) == each.attempt]
        return self._unloaded(found)[:batches_max]

    def of_jobs(self, jobs: Iterable[int]) -> list[BatchPlace]:
        found = [self._memory.kept.jobs.get(job) for job in jobs]
        return self._unloaded({job.batch for job in found if job is not None})

    def _unloaded(self, batch_ids: Iterable[int]) -> list[BatchPlace]:
        batches = self._memory.kept.batches
        return [BatchPlace(id_, batches[id_].sha256) for id_ in sorted(batch_ids) if not batches[id_].loaded]

    def save_numbers(self, batch_id: int, numbers: NDArray[np.int64]) -> None:
        self._memory.kept.numbers.setdefault(batch_id, numbers.tobytes())
        self._change(batch_id, loaded=True, recipients=len(numbers))

    def add_segment(self, batch_id: int, day: int) -> None:
        self._change(batch_id, loaded=True, recipients=0, day=day)

    def numbers(self, batch_id: int) -> NDArray[np.int64]:
        return np.frombuffer(self._memory.kept.numbers.get(batch_id, b""), np.int64)

    def grow(self, batch_id: int, numbers: NDArray[np.int64]) -> None:
        self._memory.kept.numbers[batch_id] = numbers.tobytes()
        self._change(batch_id, recipients=len(numbers))

    def save_broken(self, batch_id: int, why: str) -> None:
        self._change(batch_id, loaded=True, broken=why)

    def columns(self, batch: JoinedBatch) -> Columns:
        columns = Columns(np.frombuffer(self._memory.kept.numbers.get(batch.id, b""), np.int64))
        columns.codes = batch.codes
        if batch.contested:
            columns.contest(0, 0)
        if (results := self._memory.kept.results.get(batch.id)) is not None:
            columns.finals = results.finals.copy()
            columns.times = results.times.copy()
            columns.places_in_log = None if results.places_in_log is None else results.places_in_log.copy()
        columns.dirty.clear()
        return columns

    def save_columns(self, batch: JoinedBatch, columns: Columns) -> None:
        batch.codes = columns.codes
        places = columns.places_in_log
        self._change(batch.id, codes=columns.codes, contested=places is not None)
        self._memory.kept.results[batch.id] = KeptResults(
            columns.finals.copy(), columns.times.copy(), None if places is None else places.copy()
        )
        columns.dirty.clear()

    def stretch(self, batch: JoinedBatch, start: int, end: int) -> Stretch:
        numbers = self._memory.kept.numbers.get(batch.id, b"")[start * 8 : end * 8]
        end = start + len(numbers) // 8
        results = self._memory.kept.results.get(batch.id)
        if results is None:
            return Stretch(numbers, np.zeros(end - start, np.uint8), np.zeros(end - start, np.uint32))
        return Stretch(numbers, results.finals[start:end], results.times[start:end])

    def _change(self, batch_id: int, **fields: object) -> None:
        batches = self._memory.kept.batches
        batches[batch_id] = _replaced(batches[batch_id], **fields)


class MemoryChunks:
    """See dispatcher.store.fold.tables.Chunks. Kept chunks are copies: the fold keeps changing its own."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def load(self, chunk_ids: Iterable[int]) -> list[JoinedChunk]:
        chunks = self._memory.kept.chunks
        return [copy.copy(chunks[chunk_id]) for chunk_id in chunk_ids if chunk_id in chunks]

    def pieces(self, chunk_id: int) -> list[JoinedChunk]:
        found = sorted(self._memory.kept.chunks.items())
        return [copy.copy(chunk) for id_, chunk in found if chunk_of(id_) == chunk_id]

    def still_open(self, partition: int) -> list[JoinedChunk]:
        found = [
            chunk
            for id_, chunk in sorted(self._memory.kept.chunks.items())
            if intent_of(id_)[0] == partition and chunk.state in (State.IN_FLIGHT, State.UNKNOWN)
        ]
        return [copy.copy(chunk) for chunk in found]

    def covering(self, batch_id: int, position: int) -> int | None:
        for id_, chunk in self._memory.kept.chunks.items():
            if chunk.batch == batch_id and chunk.state != State.QUEUED and chunk.start <= position < chunk.end:
                return id_
        return None

    def save(self, chunks: Iterable[JoinedChunk]) -> None:
        for chunk in chunks:
            self._memory.kept.chunks[chunk.id] = _replaced(chunk, slot=-1)

    def save_reported(self, chunks: Iterable[JoinedChunk]) -> None:
        kept = self._memory.kept.chunks
        for chunk in chunks:
            kept[chunk.id] = _replaced(kept[chunk.id], reported=chunk.reported, proven=chunk.proven)

    def overdue(self, before_ms: int, chunks_max: int) -> list[JoinedChunk]:
        kept = self._memory.kept
        found = [
            copy.copy(chunk)
            for chunk in kept.chunks.values()
            if chunk.state == State.ACCEPTED
            and not chunk.expired
            and (
                max(chunk.sent_ms, kept.later_reports(kept.batches[chunk.batch]).get(chunk.account, 0)) <= before_ms
                or kept.closed(kept.batches[chunk.batch].campaign)
            )
        ]
        return found[:chunks_max]

    def add_vendor_ids(self, rows: Sequence[tuple[str, str, int, int]]) -> None:
        self._memory.kept.vendor_ids.update(rows)

    def has_vendor_ids(self, account: str) -> bool:
        return any(row[0] == account for row in self._memory.kept.vendor_ids)

    def named(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[str, int]]:
        asked = set(vendor_ids)
        found = [
            (place, chunk_id, vendor_id)
            for of, vendor_id, place, chunk_id in self._memory.kept.vendor_ids
            if of == account and vendor_id in asked
        ]
        return [(vendor_id, chunk_id) for _, chunk_id, vendor_id in sorted(found)]

    def vendor_ids_of(self, account: str, chunk_id: int) -> list[tuple[str, int]]:
        found = [row for row in self._memory.kept.vendor_ids if (row[0], row[3]) == (account, chunk_id)]
        return [(vendor_id, place) for _, vendor_id, place, _ in sorted(found, key=lambda row: row[2])]

    def save_recipient_ids(self, chunk_id: int, account: str, row: IdRow) -> None:
        self._memory.kept.recipient_ids[chunk_id, row.place] = KeptIds(account, row)

    def recipient_id_ranges(self, account: str, low: int, high: int) -> list[IdRange]:
        found = [
            IdRange(chunk_id, place, *kept.row.ids.bounds, kept.row.ids.parts)
            for (chunk_id, place), kept in self._memory.kept.recipient_ids.items()
            if kept.account == account
        ]
        return sorted(
            (each for each in found if each.high >= low and each.low <= high), key=lambda each: (each.place, each.chunk)
        )

    def recipient_ids(self, chunk_id: int) -> list[IdRow]:
        return self._memory.kept.ids_of(chunk_id)

    def recipient_ids_at(self, chunk_id: int, place: int) -> IdRow:
        return self._memory.kept.recipient_ids[chunk_id, place].row

    def save_part_states(self, rows: Iterable[tuple[int, int, bytes]]) -> None:
        for chunk_id, place, states in rows:
            kept = self._memory.kept.recipient_ids[chunk_id, place]
            row = kept.row._replace(states=states)
            self._memory.kept.recipient_ids[chunk_id, place] = KeptIds(kept.account, row)

    def has_recipient_ids(self, account: str) -> bool:
        return any(ids.account == account for ids in self._memory.kept.recipient_ids.values())

    def put_out(self, chunk_ids: Iterable[int]) -> None:
        self._memory.kept.outbox.update(chunk_ids)

    def outbox(self, chunks_max: int) -> list[int]:
        return sorted(self._memory.kept.outbox & self._memory.kept.chunks.keys())[:chunks_max]

    def take_out(self, chunk_ids: Iterable[int]) -> None:
        self._memory.kept.outbox.difference_update(chunk_ids)


class MemoryReports:
    """See dispatcher.store.fold.tables.Reports."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def park(self, rows: Iterable[tuple[Origin, str, ParkedReports]]) -> None:
        for origin, vendor_id, parked in rows:
            self._memory.kept.parked[origin.account, vendor_id, origin.place] = parked

    def has_parked(self, account: str) -> bool:
        return any(key[0] == account for key in self._memory.kept.parked)

    def unpark(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[Origin, int, str, ParkedReports]]:
        at = {vendor_id: number for number, vendor_id in enumerate(vendor_ids)}
        keys = [key for key in self._memory.kept.parked if key[0] == account and key[1] in at]
        found = []
        for key in sorted(keys, key=lambda key: (at[key[1]], key[2])):
            parked = self._memory.kept.parked.pop(key)
            _, vendor_id, place = key
            found.append((Origin(account, place, parked.at_ms), place // LANE_PARTITIONS, vendor_id, parked))
        return found

    def save_sums(self, tallies: Tallies) -> None:
        kept = self._memory.kept
        for key, tally in tallies.campaigns.items():
            kept.tallies[key] = summed((kept.tallies.get(key, Tally()), tally))
        for failure, recipients in tallies.failures.items():
            if (total := kept.failures.pop(failure, 0) + recipients) != 0:
                kept.failures[failure] = total
        for move, added in tallies.moves.items():
            total_moved = copy.copy(kept.moves.get(move, MoveSum()))
            total_moved.add(added.recipients, added.first_ms, added.last_ms)
            kept.moves[move] = total_moved
        for account, report in tallies.reports.items():
            before = kept.report_tallies.get(account, ReportTally())
            names = ReportTally.__struct_fields__
            kept.report_tallies[account] = ReportTally(*(getattr(before, n) + getattr(report, n) for n in names))
        for oddity, count in tallies.oddities.items():
            kept.oddities[oddity] = kept.oddities.get(oddity, 0) + count
