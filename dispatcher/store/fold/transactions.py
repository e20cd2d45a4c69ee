"""The writing side of every store (port.py: Store): transactions around the fold.

An adapter gives its tables (tables.py) and its transactions, and keeps other processes out. Offsets are still compared
when they are moved, so that a failing lock (a network file system) cannot make a report count twice.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final, Protocol, TypeVar

from dispatcher.core.results.journal import JoinedChunk
from dispatcher.core.results.places import lane_place
from dispatcher.errors import StoreError
from dispatcher.store.fold.finished import finished
from dispatcher.store.fold.fold import EXPIRE_CHUNKS_MAX, Decoded, Fold, decoded
from dispatcher.store.fold.tables import Tables
from dispatcher.store.port import INPUTS, BatchPlace, Delivery, LoadedBatch, Overtaken
from schemas.records import Finished, Intent, Moved, StreamIntent
from schemas.topics import LANE_PARTITIONS, TOPICS

T = TypeVar("T")

TOLD_RECIPIENTS_MAX: Final = 500_000
"""In one call of `outbox` (one chunk more at most): 6 MB."""

FOLLOWED: Final = frozenset((*INPUTS, "lanes", "reports"))


class Transactions(Protocol):
    """The transactions of an open store. Their own errors are StoreErrors."""

    @property
    def url(self) -> str:
        """Where the store is, without secrets."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Writes inside are committed at the end; after any exception none of them is kept."""
        ...

    def reading(self) -> AbstractContextManager[None]:
        """Reads inside raise StoreError on failure."""
        ...

    def close(self) -> None:
        """Release the store and its lock."""
        ...


class FoldingStore:
    """See dispatcher.store.port.Store. `emits`: finished chunks go to the outbox. Raises StoreError."""

    def __init__(self, tables: Tables, transactions: Transactions, *, emits: bool) -> None:
        self._tables = tables
        self._transactions = transactions
        self._emits = emits
        self._one_at_a_time = threading.Lock()
        self._fold = Fold(tables, emits=emits)
        with transactions.reading():
            self._offsets = tables.offsets()
        self._decoded: tuple[Delivery, dict[int, list[Decoded]]] | None = None

    @property
    def url(self) -> str:
        return self._transactions.url

    @property
    def memory_bytes(self) -> int:
        """Memory of the columns in use."""
        return self._fold.working.columns_bytes

    def close(self) -> None:
        with self._one_at_a_time:  # a cancelled caller may close while its thread still works
            self._transactions.close()

    def offsets(self) -> dict[tuple[str, int], int]:
        return {
            (topic.name, partition): self._offsets.get((topic.name, partition), 0)
            for topic in TOPICS
            for partition in range(topic.partitions)
            if topic.name in FOLLOWED
        }

    # --- folding -----------------------------------------------------------------------------------------------------

    def take_inputs(self, delivery: Delivery) -> None:
        def run() -> None:
            for topic in INPUTS:
                for (name, partition), records in delivery.items():
                    if name == topic and records:
                        self._fold.inputs(topic, partition, list(decoded(topic, records)))

        self._folding(delivery, run)

    def jobs_needed(self, delivery: Delivery) -> dict[int, int]:
        """A segment of a stream, as far as the intent has messages of it."""
        return {
            partition: max(record.appended if isinstance(record, StreamIntent) else record.job for record in named)
            for partition, records in self._journals(delivery).items()
            if (named := [record for _, record in records if isinstance(record, Intent | Moved)])
        }

    def moves_needed(self, delivery: Delivery) -> dict[int, int]:
        places = self._read(lambda: self._moves_named(delivery))
        needed: dict[int, int] = {}
        for place in places:
            offset, partition = divmod(place, LANE_PARTITIONS)
            records = delivery.get(("lanes", partition), ())
            end = records[-1].offset + 1 if records else self.offsets()["lanes", partition]
            if offset >= end:
                needed[partition] = max(offset, needed.get(partition, 0))
        return needed

    def _moves_named(self, delivery: Delivery) -> set[int]:
        """The places of the Moved that brought the recipients of these journals to their accounts."""
        jobs = (
            self._fold.working.job(lane_place(partition, record.job))
            for partition, records in self._journals(delivery).items()
            for _, record in records
            if isinstance(record, Intent | Moved)
        )
        return {job.moved for job in jobs if job is not None and job.moved >= 0}

    def batches_needed(self, delivery: Delivery) -> list[BatchPlace]:
        named = [lane_place(partition, job) for partition, jobs in self._jobs(delivery).items() for job in jobs]
        return self._read(lambda: self._tables.batches.of_jobs(named)) if named else []

    def batches_wanted(self, batches_max: int) -> list[BatchPlace]:
        return self._read(lambda: self._tables.batches.to_load(batches_max))

    def add_batches(self, batches: Sequence[LoadedBatch]) -> None:
        def run() -> None:
            for batch in batches:
                self._fold.batch(batch.id, batch.numbers, batch.broken)

        self._write(run)

    def take(self, delivery: Delivery) -> None:
        journals = self._journals(delivery)

        def run() -> None:
            for partition, journal in journals.items():
                self._fold.journal(partition, journal)
            self._fold.parked()
            for (topic, partition), records in delivery.items():
                if topic == "reports":
                    self._fold.reports(partition, records)

        self._folding(delivery, run)

    def expire(self, sent_before_ms: int) -> None:
        while self._write(lambda: self._fold.expire(sent_before_ms)) == EXPIRE_CHUNKS_MAX:
            pass

    def _jobs(self, delivery: Delivery) -> dict[int, set[int]]:
        return {
            partition: {record.job for _, record in records if isinstance(record, Intent)}
            for partition, records in self._journals(delivery).items()
        }

    def _journals(self, delivery: Delivery) -> dict[int, list[Decoded]]:
        """The delivery's journals, decoded once for all calls."""
        if self._decoded is None or self._decoded[0] is not delivery:
            found = {p: list(decoded(topic, records)) for (topic, p), records in delivery.items() if topic == "lanes"}
            self._decoded = (delivery, found)
        return self._decoded[1]

    def _folding(self, delivery: Delivery, run: Callable[[], None]) -> None:
        """Fold and move the offsets, or neither."""
        moves = {place: records[-1].offset + 1 for place, records in delivery.items() if records}

        def run_and_move() -> None:
            run()
            for (topic, partition), after in moves.items():
                if not self._tables.advance(topic, partition, self._offsets.get((topic, partition), 0), after):
                    raise Overtaken(
                        "another process folds {topic}/{partition} into the store {url} too",
                        topic=topic,
                        partition=partition,
                        url=self.url,
                    )

        self._write(run_and_move)
        self._offsets.update(moves)
        self._decoded = None

    # --- downstream --------------------------------------------------------------------------------------------------

    def outbox(self, chunks_max: int) -> list[tuple[int, Finished]]:
        return self._read(lambda: self._finished(chunks_max))

    def told(self, chunks: Sequence[int]) -> bool:
        self._write(lambda: self._tables.chunks.take_out(chunks))
        return bool(self._read(lambda: self._tables.chunks.outbox(1)))

    def carry_outbox(self, chunks: Sequence[int]) -> None:
        """Put these into the outbox."""
        self._write(lambda: self._tables.chunks.put_out(chunks))

    def _finished(self, chunks_max: int) -> list[tuple[int, Finished]]:
        working = self._fold.working
        by_batch: dict[int, list[JoinedChunk]] = {}
        recipients = 0
        for chunk in working.chunks_of(self._tables.chunks.outbox(chunks_max)):
            if recipients >= TOLD_RECIPIENTS_MAX:
                break
            by_batch.setdefault(chunk.batch, []).append(chunk)
            recipients += chunk.count
        return [
            (chunk.id, record)
            for batch, chunks in by_batch.items()
            for chunk, record in zip(chunks, finished(self._tables.batches, working.batch(batch), chunks), strict=True)
        ]

    # --- transactions ------------------------------------------------------------------------------------------------

    def _write(self, run: Callable[[], T]) -> T:
        with self._one_at_a_time:
            try:
                with self._transactions.writing():
                    result = run()
                    self._fold.flush()
            except BaseException:
                self._begin_again()
                raise
            self._fold.trim()
            return result

    def _begin_again(self) -> None:
        """Memory may be ahead of the store: drop it."""
        self._fold = Fold(self._tables, emits=self._emits)
        self._decoded = None
        with contextlib.suppress(StoreError), self._transactions.reading():  # the next call meets the same error
            self._offsets = self._tables.offsets()

    def _read(self, run: Callable[[], T]) -> T:
        with self._one_at_a_time, self._transactions.reading():
            return run()
