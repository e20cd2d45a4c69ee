"""The fold of the log into the store: one transaction's worth of records at a time.

The caller begins and ends the transaction (transactions.py), has fetched the batches of all jobs that the journal
records name, and gives each partition's records in order and without gaps. An unreadable record is counted under
`oddities` and skipped; one of a newer release stops the fold (LogNewer), and nothing is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from dispatcher.core import numbers as phone_numbers
from dispatcher.core.launches.overtaken import is_overtaken
from dispatcher.core.ownership import Ownership
from dispatcher.core.results.journal import JoinedChunk, JoinedJob, JournalFold
from dispatcher.core.results.places import lane_place, segment_place, spread_place
from dispatcher.core.results.recipient_ids import IdRow, RecipientIds
from dispatcher.core.results.reports import Origin, ReportRows, flatten, unpark
from dispatcher.core.streams.segments import Segment, StreamKey, job_of, placed, stream_of
from dispatcher.errors import LogNewer
from dispatcher.log.port import StoredRecord
from dispatcher.store.fold.settle_reports import ReportJoin
from dispatcher.store.fold.tables import Tables
from dispatcher.store.fold.tallies import STATE_COLUMNS, Key, Tallies
from dispatcher.store.fold.working_set import WorkingSet
from schemas import codec
from schemas.records import (
    AnyRecord,
    Appended,
    Control,
    Dead,
    Drafted,
    Inbound,
    Job,
    Launched,
    Moved,
    Rejects,
    Reports,
    Scheduled,
)
from schemas.states import State

EXPIRE_CHUNKS_MAX: Final = 5_000
SLICE_BYTES: Final = 8_000_000
SLICE_BYTES_IN_ORDER: Final = 400_000
ROWS_PER_ID_IN_ORDER: Final = 16
"""Reports of few vendor ids touch few batches; the arrays of a small slice stay in the processor's cache.

In random order every slice touches all batches, so larger slices pay.
"""


Decoded = tuple[StoredRecord, AnyRecord | None]
"""A record, raw and decoded; None if it cannot be decoded."""


class Fold:
    """The state of the fold between transactions, and the one being written.

    `emits`: finished chunks are put into the outbox.
    """

    def __init__(self, tables: Tables, *, emits: bool) -> None:
        self._tables = tables
        self._emits = emits
        self._journals: dict[int, JournalFold] = {}
        self.working = WorkingSet(tables)
        self._tallies = Tallies()
        self._named: dict[str, list[RecipientIds | str]] = {}
        self._segments: dict[StreamKey, Segment] = {}  # those that got messages in this transaction
        self._grown: dict[int, list[tuple[bytes, int]]] = {}  # by batch: the numbers of its appends, and how many

    # --- inputs: everything that only has to be remembered -----------------------------------------------------------

    def inputs(self, topic: str, partition: int, records: Sequence[Decoded]) -> None:
        """Fold records of `campaigns`, `jobs`, `rejects`, `inbound` or `dead`."""
        for stored, record in self._sound(topic, records):
            match record:
                case Launched() if record.judged_upto is not None and is_overtaken(
                    record, self._tables.launches_since(record.judged_upto)
                ):
                    pass
                case Launched():
                    self._tables.launched(stored.offset, record, stored.value)
                case Drafted() | Scheduled():
                    self._tables.revised(record.campaign, record.revision)
                case _ if isinstance(record, Control):
                    self._tables.controlled(record, stored.value, stored.offset)
                case Job():
                    batch_id = spread_place(record.partition, record.offset)
                    self._tables.add_job(lane_place(partition, stored.offset), batch_id, record)
                case Appended():
                    self._appended(partition, stored.offset, record)
                case Rejects():
                    self._tables.add_rejects(record, stored.value)
                case Inbound():
                    self._tables.add_inbound(lane_place(partition, stored.offset), record)
                case Dead():
                    self._tables.add_dead(lane_place(partition, stored.offset), record)

    def _appended(self, partition: int, offset: int, record: Appended) -> None:
        """Messages of a stream, into their segment."""
        stream = stream_of(record)
        before = self._segments[stream] if stream in self._segments else self._tables.segment(stream)
        segment, start = placed(before, offset, record)
        self._segments[stream] = segment
        batch_id = segment_place(partition, segment.job)
        if not start:
            place = lane_place(partition, segment.job)
            job = msgspec.structs.replace(job_of(stream, segment), batch=place)
            self._tables.add_job(place, batch_id, job)
            self._tables.batches.add_segment(batch_id, segment.day)
        self._grown.setdefault(batch_id, []).append((record.numbers, record.count))
        key = record.campaign, record.attempt, record.account, segment.day
        self._tallies.of(key).appended += record.count

    def _save_segments(self) -> None:
        for batch_id, appended in self._grown.items():
            held = self._tables.batches.numbers(batch_id)
            self._tables.batches.grow(batch_id, np.concatenate((held, self._numbers(appended))))
            self.working.forget_batch(batch_id)
        self._grown.clear()
        for stream, segment in self._segments.items():
            self._tables.save_segment(stream, segment)
        self._segments.clear()

    def _numbers(self, appended: Sequence[tuple[bytes, int]]) -> phone_numbers.Numbers:
        """The numbers of these appends, all at once; 0 for those that cannot be read."""
        try:
            numbers = phone_numbers.decode(b",".join(wire for wire, _ in appended))
        except ValueError:
            numbers = np.zeros(0, np.int64)
        if len(numbers) == sum(count for _, count in appended):
            return numbers
        if len(appended) > 1:
            return np.concatenate([self._numbers([each]) for each in appended])
        self._tallies.odd("jobs", "messages of a stream whose numbers cannot be read")
        return np.zeros(appended[0][1], np.int64)

    def batch(self, batch_id: int, numbers: bytes | None, broken: str) -> None:
        """The plain bytes of a batch, or why they are missing."""
        values = None
        if numbers is not None:
            try:
                values = phone_numbers.decode(numbers)
            except ValueError as error:
                broken = f"the batch's numbers cannot be read: {error}"
        if values is None:
            self._tables.batches.save_broken(batch_id, broken)
        else:
            self._tables.batches.save_numbers(batch_id, values)
        self.working.forget_batch(batch_id)

    # --- the journal and the reports ---------------------------------------------------------------------------------

    def journal(self, partition: int, records: Sequence[Decoded]) -> None:
        """Fold records of `lanes`."""
        fold = self._journals.get(partition)
        if fold is None:
            found = [self.working.add_chunk(chunk) for chunk in self._tables.chunks.still_open(partition)]
            ownership = Ownership(self._tables.owner(partition))
            fold = self._journals[partition] = JournalFold(partition, ownership, {chunk.id: chunk for chunk in found})
        for stored, record in self._sound("lanes", records):
            fold.apply(stored.offset, record, self)
        self._tables.save_owner(partition, fold.ownership.owner)

    def parked(self) -> None:
        """Join the reports that waited for the ids that the journal has just named."""
        self.working.save_chunks()
        for account, named in self._named.items():
            if not self._tables.reports.has_parked(account):
                continue
            vendor_ids = dict.fromkeys(
                text for ids in named for text in ((ids,) if isinstance(ids, str) else ids.all_texts()) if text
            )
            waiting = self._tables.reports.unpark(account, list(vendor_ids))
            if waiting:
                self._join(unpark(waiting))
        self._named.clear()

    def reports(self, partition: int, records: Sequence[StoredRecord]) -> None:
        """Fold records of `reports`, a slice at a time: joining takes ten times their bytes. Raises LogNewer."""
        waiting: list[tuple[Origin, int, Reports]] = []
        size = rows = ids = 0
        for stored, record in self._sound("reports", decoded("reports", records)):
            if not isinstance(record, Reports):
                continue
            waiting.append(
                (Origin(record.account, lane_place(partition, stored.offset), record.at_ms), stored.offset, record)
            )
            size, rows, ids = size + len(stored.value), rows + len(record.states), ids + len(record.ids)
            if size >= (SLICE_BYTES_IN_ORDER if rows >= ids * ROWS_PER_ID_IN_ORDER else SLICE_BYTES):
                self._reports(waiting)
                waiting = []
                size = rows = ids = 0
        if waiting:
            self._reports(waiting)

    def _reports(self, records: Sequence[tuple[Origin, int, Reports]]) -> None:
        flat = flatten(records, self.working.held)
        for account, rows in flat.came.items():
            self._tallies.report(account).rows += rows
            self._tallies.report(account).waiting += flat.waiting[account]
        for _ in flat.damaged:
            self._tallies.odd("reports", "the columns of a record do not fit together")
        self._join(flat.rows)

    def _join(self, rows: ReportRows) -> None:
        ReportJoin(self._tables, self.working, self._tallies, emits=self._emits).join(rows)

    def expire(self, before_ms: int) -> int:
        """Mark accepted chunks sent before then, and those of closed campaigns: their time for reports is over.

        Returns how many were marked (call until 0).
        """
        overdue = self._tables.chunks.overdue(before_ms, EXPIRE_CHUNKS_MAX)
        for found in overdue:
            chunk = self.working.add_chunk(found)
            chunk.expired = True
            tally = self._tallies.of(self._key(chunk))
            tally.accepted -= chunk.pending
            tally.no_report += chunk.pending
            self.working.change(chunk)
        if self._emits:
            self._tables.chunks.put_out(chunk.id for chunk in overdue if self.working.add_chunk(chunk).pending)
        return len(overdue)

    def flush(self) -> None:
        """Write the transaction's changes, before its commit."""
        self._save_segments()
        self.working.save_chunks()
        self.working.save_columns()
        self.working.save_parts()
        self._tables.reports.save_sums(self._tallies)
        self._tallies = Tallies()

    def trim(self) -> None:
        """After the commit: keep to the limits of memory."""
        self.working.trim([chunk for fold in self._journals.values() for chunk in fold.open.values()])

    # --- Ledger: what the journal's fold asks and orders -------------------------------------------------------------

    def job(self, job: int) -> JoinedJob | None:
        return self.working.job(job)

    def chunk(self, chunk: int) -> JoinedChunk | None:
        return self.working.chunk(chunk)

    def pieces(self, chunk: int) -> list[JoinedChunk]:
        return self.working.pieces(chunk)

    def divided(self, chunk: JoinedChunk, rest: JoinedChunk) -> None:
        self.working.divide(chunk, rest)
        if chunk.reported:
            columns = self.working.columns(chunk.batch)
            rest.reported = columns.reported(rest.start, rest.count)
            chunk.reported -= rest.reported
        if chunk.proven:
            rest.proven = self._provable(rest)
            chunk.proven -= rest.proven
        self.working.change(chunk)
        self.working.change(rest)
        if self._emits and _is_told(chunk):
            self._tables.chunks.put_out(piece.id for piece in (chunk, rest) if _is_told(piece))

    def opened(self, chunk: JoinedChunk) -> None:
        self.working.add_chunk(chunk)
        if chunk.attempt and self.working.batch(chunk.batch).contested:
            chunk.reported = self.working.columns(chunk.batch).reported(chunk.start, chunk.count)
        self._tallies.of(self._key(chunk)).in_flight += chunk.pending
        self.working.change(chunk)

    def changed(self, chunk: JoinedChunk) -> None:
        self.working.change(chunk)

    def moved(self, chunk: JoinedChunk, before: State) -> None:
        key, state = self._key(chunk), State(chunk.state)
        tally = self._tallies.of(key)
        tally.add(STATE_COLUMNS[before], chunk.proven - chunk.pending)
        tally.accepted -= chunk.proven
        chunk.proven = 0
        if state is State.QUEUED:
            chunk.reported = 0
        else:
            tally.add(STATE_COLUMNS[state], chunk.pending)
        if state is State.FAILED:
            self._tallies.failed(key, "submit", chunk.code, chunk.pending)
        if self._emits and _is_told(chunk):
            self._tables.chunks.put_out([chunk.id])
        self.working.change(chunk)

    def named(self, chunk: JoinedChunk, vendor_id: str, ids: RecipientIds | None, place: int) -> None:
        if vendor_id:
            self.working.name(chunk, vendor_id, place)
            self._named.setdefault(chunk.account, []).append(vendor_id)
        if ids is not None:
            self._tables.chunks.save_recipient_ids(chunk.id, chunk.account, IdRow(place, ids))
            self._named.setdefault(chunk.account, []).append(ids)
            if chunk.state == State.UNKNOWN:
                self._prove(chunk)

    def _prove(self, chunk: JoinedChunk) -> None:
        """Whoever has an id was taken: these recipients count as accepted while the others are unknown."""
        more = self._provable(chunk) - chunk.proven
        tally = self._tallies.of(self._key(chunk))
        tally.accepted += more
        tally.unknown -= more
        chunk.proven += more
        self.working.change(chunk)

    def _provable(self, chunk: JoinedChunk) -> int:
        """How many recipients of the chunk have an id and no final report."""
        named = self.working.named_recipients(chunk)
        finals = self.working.columns(chunk.batch).finals[chunk.start : chunk.end]
        named[: len(finals)] &= finals == 0
        return int(np.count_nonzero(named))

    def contested(self, chunk: JoinedChunk) -> None:
        self.working.columns(chunk.batch).contest(chunk.start, chunk.count)
        self.working.batch(chunk.batch).contested = True

    def sent(self, chunk: JoinedChunk, sent_ms: int) -> None:
        self._tallies.of(self._key(chunk)).sent(sent_ms)

    def moved_away(self, job: JoinedJob, moved: Moved) -> None:
        key = job.campaign, job.attempt, moved.account, moved.as_job.account, str(moved.why), moved.back
        self._tallies.moved(key, moved.as_job.count, moved.at_ms)

    def odd(self, what: str) -> None:
        self._tallies.odd("lanes", what)

    def _key(self, chunk: JoinedChunk) -> Key:
        batch = self.working.batch(chunk.batch)
        return batch.campaign, batch.attempt, chunk.account, batch.day

    def _sound(self, topic: str, records: Iterable[Decoded]) -> Iterator[tuple[StoredRecord, AnyRecord]]:
        for stored, record in records:
            if record is None:
                self._tallies.odd(topic, "a record that cannot be decoded")
            else:
                yield stored, record


def _is_told(chunk: JoinedChunk) -> bool:
    """Whether it is written downstream: every recipient of it has a final word."""
    if chunk.state in (State.FAILED, State.SUPPRESSED, State.DUPLICATE):
        return True
    return chunk.state == State.ACCEPTED and (chunk.expired or not chunk.pending)


def decoded(topic: str, records: Sequence[StoredRecord]) -> Iterator[Decoded]:
    """The records of these values. Raises LogNewer."""
    for stored in records:
        try:
            yield stored, codec.decode(stored.value)
        except codec.BrokenRecord:
            yield stored, None
        except codec.NewerRecord as error:
            raise LogNewer(
                "{topic}: record {offset} was written by a newer release ({error}); update this dispatcher",
                topic=topic,
                offset=stored.offset,
                error=error,
            ) from error
