"""The SQLite store, writing side (port.py: Store): transactions around the fold.

One process at a time writes: it holds a lock on `PATH.lock` from opening to closing, which the operating system lets
go of if it dies. The offsets are compared when they are moved all the same, so that a lock that fails (a network file
system) cannot make a report count twice.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final, TypeVar

from dispatcher.core.results.inbound import Bounds
from dispatcher.core.results.journal import JoinedChunk, lane_place
from dispatcher.errors import StoreError
from dispatcher.private_files import make_folder, open_to_lock
from dispatcher.store.fold.fold import EXPIRE_CHUNKS_MAX, Decoded, Fold, decoded
from dispatcher.store.port import INPUTS, BatchPlace, Delivery, LoadedBatch, Overtaken
from dispatcher.store.sqlite import file as sqlite_file
from dispatcher.store.sqlite.finished import finished
from dispatcher.store.sqlite.tables import Tables
from schemas.records import Finished, Intent
from schemas.topics import TOPICS

T = TypeVar("T")

TOLD_RECIPIENTS_MAX: Final = 500_000
"""In one call of `outbox` (one chunk more at most): 6 MB."""


class StoreBusy(StoreError):
    """Another process writes to this store: a dispatcher runs, or a command just brings the store up to date."""

    retryable = True


class SqliteStore:
    """See dispatcher.store.port.Store; made by `open_sqlite`. `emits`: finished chunks go to the outbox."""

    def __init__(
        self, path: Path, connection: sqlite3.Connection, lock: IO[str], *, emits: bool, bounds: Bounds
    ) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock
        self._emits = emits
        self._one_at_a_time = threading.Lock()
        self._tables = Tables(connection, bounds)
        self._fold = Fold(self._tables, emits=emits)
        self._offsets = self._tables.offsets()
        self._decoded: tuple[Delivery, dict[int, list[Decoded]]] | None = None

    @property
    def url(self) -> str:
        return f"sqlite:{self._path}"

    @property
    def memory_bytes(self) -> int:
        """Memory of the columns in use."""
        return self._fold.working.columns_bytes

    def close(self) -> None:
        with self._one_at_a_time:  # whoever was cancelled while a thread worked for him may close before it is done
            self._connection.close()
            self._lock.close()

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
        return {partition: max(jobs) for partition, jobs in self._jobs(delivery).items() if jobs}

    def batches_needed(self, delivery: Delivery) -> list[BatchPlace]:
        named = [lane_place(partition, job) for partition, jobs in self._jobs(delivery).items() for job in jobs]
        return self._read(lambda: self._tables.batches.of_jobs(named)) if named else []

    def batches_wanted(self, batches_max: int) -> list[BatchPlace]:
        return self._read(lambda: self._tables.batches.to_load(batches_max))

    def add_batches(self, batches: Sequence[LoadedBatch]) -> None:
        def run() -> None:
            for batch in batches:
                self._fold.batch(batch.id, batch.numbers, batch.broken)

        self._transaction(run)

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
        while self._transaction(lambda: self._fold.expire(sent_before_ms)) == EXPIRE_CHUNKS_MAX:
            pass

    def _jobs(self, delivery: Delivery) -> dict[int, set[int]]:
        return {
            partition: {record.job for _, record in records if isinstance(record, Intent)}
            for partition, records in self._journals(delivery).items()
        }

    def _journals(self, delivery: Delivery) -> dict[int, list[Decoded]]:
        """The delivery's journals, decoded once for all the calls about it."""
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
                    raise Overtaken(f"another process folds {topic}/{partition} into the store {self._path} too")

        self._transaction(run_and_move)
        self._offsets.update(moves)
        self._decoded = None

    # --- downstream --------------------------------------------------------------------------------------------------

    def outbox(self, chunks_max: int) -> list[tuple[int, Finished]]:
        return self._read(lambda: self._finished(chunks_max))

    def told(self, chunks: Sequence[int]) -> bool:
        self._transaction(lambda: self._tables.chunks.take_out(chunks))
        return bool(self._read(lambda: self._tables.chunks.outbox(1)))

    def carry_outbox(self, chunks: Sequence[int]) -> None:
        """Put these into the outbox."""
        self._transaction(lambda: self._tables.chunks.put_out(chunks))

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
            for chunk, record in zip(chunks, finished(self._connection, working.batch(batch), chunks), strict=True)
        ]

    # --- transactions ------------------------------------------------------------------------------------------------

    def _transaction(self, run: Callable[[], T]) -> T:
        with self._one_at_a_time:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                result = run()
                self._fold.flush()
                self._connection.execute("COMMIT")
            except BaseException as error:
                sqlite_file.rollback(self._connection)
                self._begin_again()
                if isinstance(error, sqlite3.Error):
                    raise sqlite_file.mapped(error, self._path) from error
                raise
            self._fold.trim()
            return result

    def _begin_again(self) -> None:
        """What is in memory may be ahead of the file: forget it."""
        self._fold = Fold(self._tables, emits=self._emits)
        self._decoded = None
        try:
            self._offsets = self._tables.offsets()
        except sqlite3.Error:
            return  # the next call meets the same trouble

    def _read(self, run: Callable[[], T]) -> T:
        with self._one_at_a_time:
            try:
                return run()
            except sqlite3.Error as error:
                raise sqlite_file.mapped(error, self._path) from error


DEFAULT_BOUNDS: Final = Bounds()
FOLLOWED: Final = frozenset((*INPUTS, "lanes", "reports"))


def open_sqlite(path: Path, *, emits: bool, bounds: Bounds = DEFAULT_BOUNDS) -> SqliteStore:
    """Open the store at `path` for writing, made new if there is none. Raises StoreBusy, StoreError or ConfigError."""
    held = lock(path)
    try:
        connection = sqlite_file.open_writer(path)
        try:
            return SqliteStore(path, connection, held, emits=emits, bounds=bounds)
        except sqlite3.Error as error:
            connection.close()
            raise sqlite_file.mapped(error, path) from error
    except BaseException:
        held.close()
        raise


def lock(path: Path) -> IO[str]:
    """The locked file beside the store. Raises StoreBusy with who holds it."""
    try:
        make_folder(path.parent)
        file = open_to_lock(path.with_name(path.name + ".lock"))
    except OSError as error:
        raise sqlite_file.mapped(error, path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StoreBusy(f"the store {path} is being written by another process (pid {holder})") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
