"""The SQLite log: the embedded default, one file, several processes.

See docs/ARCHITECTURE.md, "The log adapters"; the format of the file is in file.py.

One thread writes (writer.py), a few others read with their own connections, followers read from memory (following.py).
Claims are file locks (claim.py). Nothing here blocks the event loop.

An append waits at most `timeout_s` for other processes' locks (LogUnavailable: nothing was written), and at most that
plus STUCK_S for the disk (LogTimeout: it may have been written).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from dispatcher.errors import LogDamaged, LogError, LogTimeout
from dispatcher.log.limits import check_entries, check_offset, checked_topic
from dispatcher.log.port import Claim, Entry, StoredRecord
from dispatcher.log.sqlite import file as sqlite_file
from dispatcher.log.sqlite.claim import FileClaim, Holder, holders
from dispatcher.log.sqlite.following import Follower
from dispatcher.log.sqlite.reads import Reads, closed_error, offset_at, read_records
from dispatcher.log.sqlite.upkeep import SLICE_RECORDS, upkeep
from dispatcher.log.sqlite.writer import Append, Call, CommittedGroup, Place, Writer
from schemas.topics import TOPIC, TOPICS

STUCK_S: Final = 30.0
TIMEOUT_S: Final = 5.0


async def open_sqlite(path: Path, *, create: bool = True, timeout_s: float = TIMEOUT_S) -> SqliteLog:
    """Open the log at `path` (absolute), created if missing. Raises the errors of `open_file` in file.py."""
    connection = await asyncio.to_thread(sqlite_file.open_file, path, create=create, busy_s=timeout_s)
    return SqliteLog(path, connection, timeout_s)


class SqliteLog:
    """See `dispatcher.log.port.Log`; made by `open_sqlite`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._followers: dict[Place, set[Follower]] = {}
        self._claims: set[FileClaim] = set()
        self._unconfirmed: deque[Append] = deque()
        self._watchdog: asyncio.TimerHandle | None = None
        self._closed = False
        self._reads = Reads(path, timeout_s)
        connection.execute("PRAGMA busy_timeout = 0")  # the writer waits in its own way
        self._writer = Writer(
            path,
            connection,
            lock_wait_s=timeout_s,
            committed=self._from_thread(self._on_committed),
            called=self._from_thread(self._on_called),
            reached=self._from_thread(self._on_reached),
        )
        self._writer.start()

    @property
    def url(self) -> str:
        return f"sqlite:{self._path}"

    @property
    def commits(self) -> int:
        """How many groups this process has committed."""
        return self._writer.commits

    @property
    def looks(self) -> int:
        """How often this process has looked for other processes' commits."""
        return self._writer.looks

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for claim in list(self._claims):
            await claim.release()
        self._writer.stop()
        await asyncio.to_thread(self._writer.join)
        await self._reads.close()
        if self._watchdog is not None:
            self._watchdog.cancel()
        for follower in [follower for followers in self._followers.values() for follower in followers]:
            follower.fail(closed_error(self._path))

    # --- appending ---------------------------------------------------------------------------------------------------

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        check_entries(checked_topic(topic, partition), entries)
        self._check_open()
        if not entries:
            return []
        done: asyncio.Future[list[int]] = self._loop.create_future()
        append = Append((topic, partition), tuple(entries), done)
        self._unconfirmed.append(append)
        self._writer.put(append)
        if self._watchdog is None:
            self._watch_confirmations()
        return await done

    def _on_committed(self, group: CommittedGroup) -> None:
        for append in group.appends:
            if self._unconfirmed and self._unconfirmed[0] is append:  # unless the watchdog gave them up
                self._unconfirmed.popleft()
        if group.error is not None:
            for append in group.appends:
                _fail(append.done, group.error)
            return
        for append, first in zip(group.appends, group.firsts, strict=True):
            if not append.done.done():
                append.done.set_result(list(range(first, first + len(append.entries))))
            for follower in self._followers.get(append.place, ()):
                follower.offer(first, append.entries, group.at_ms)

    def _watch_confirmations(self) -> None:
        """Check later whether the oldest append is still the oldest: then the disk is stuck."""
        oldest = self._unconfirmed[0].done
        self._watchdog = self._loop.call_later(self._timeout_s + STUCK_S, self._give_up_if_stuck, oldest)

    def _give_up_if_stuck(self, oldest: asyncio.Future[list[int]]) -> None:
        self._watchdog = None
        if self._unconfirmed and self._unconfirmed[0].done is oldest:
            error = LogTimeout(
                "the disk of the log {path} does not answer; an append may still get there", path=self._path
            )
            while self._unconfirmed:
                _fail(self._unconfirmed.popleft().done, error)
        if self._unconfirmed:
            self._watch_confirmations()

    # --- reading -----------------------------------------------------------------------------------------------------

    async def end(self, topic: str, partition: int) -> int:
        checked_topic(topic, partition)
        return await self._reads.run(sqlite_file.end, topic, partition)

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        checked_topic(topic, partition)
        return await self._reads.run(offset_at, topic, partition, at_ms)

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 8_000_000
    ) -> list[StoredRecord]:
        spec = checked_topic(topic, partition)
        check_offset(offset)
        return await self._reads.run(read_records, spec, partition, offset, records_max, bytes_max)

    async def fetch(self, topic: str, partition: int, offset: int) -> StoredRecord:
        spec = checked_topic(topic, partition)
        check_offset(offset)
        records = await self._reads.run(read_records, spec, partition, offset, 1, 0)
        if not records or records[0].offset != offset:
            raise LogDamaged(
                "record {offset} of {topic}/{partition} is not in the log {path} (any more)",
                offset=offset,
                topic=topic,
                partition=partition,
                path=self._path,
            )
        return records[0]

    async def follow(self, topic: str, partition: int, offset: int) -> AsyncGenerator[list[StoredRecord], None]:
        checked_topic(topic, partition)
        check_offset(offset)
        place, follower = (topic, partition), Follower(offset)
        self._followers.setdefault(place, set()).add(follower)
        self._writer.watch(place)
        try:
            follower.reach(await self.end(topic, partition))
            if follower.cursor >= follower.end:
                await self.read(topic, partition, offset)  # raises if the log ends before it
            while True:
                await follower.more()
                if records := follower.take():
                    yield records
                elif records := await self.read(topic, partition, follower.cursor):
                    follower.passed(records)
                    yield records
                else:
                    follower.settle()
        finally:
            self._followers[place].discard(follower)
            if not self._followers[place]:
                self._writer.unwatch(place)

    def _on_reached(self, place: Place, end: int) -> None:
        for follower in self._followers.get(place, ()):
            follower.reach(end)

    # --- upkeep and claims -------------------------------------------------------------------------------------------

    async def maintain(self, now_ms: int) -> int:
        """Delete what retention and compaction allow, in small transactions between appends; returns how many."""
        deleted = 0
        for topic in TOPICS:
            for partition in range(topic.partitions):
                slice_of = functools.partial(upkeep, topic=topic, partition=partition, now_ms=now_ms)
                while (count := await self._in_transaction(slice_of)) == SLICE_RECORDS:
                    deleted += count
                deleted += count
        return deleted

    async def _in_transaction(self, run: Callable[[sqlite3.Connection], int]) -> int:
        self._check_open()
        done: asyncio.Future[int] = self._loop.create_future()
        self._writer.put(Call(run, done))
        return await done

    def _on_called(self, call: Call, result: Any, error: LogError | None) -> None:
        if error is not None:
            _fail(call.done, error)
        elif not call.done.done():
            call.done.set_result(result)

    async def claim(
        self,
        group: str,
        topic: str,
        assigned: Callable[[frozenset[int]], Awaitable[None]],
        revoked: Callable[[frozenset[int]], Awaitable[None]],
    ) -> Claim:
        checked_topic(topic, 0)
        self._check_open()
        claim = FileClaim(self._claim_folder(group, topic), TOPIC[topic].partitions, assigned, revoked)
        try:
            await claim.start()
        except OSError as error:
            raise sqlite_file.mapped(error, self._path) from error
        self._claims.add(claim)
        return claim

    def holders(self, group: str, topic: str) -> dict[int, Holder]:
        """The current holder of each partition, for people."""
        return holders(self._claim_folder(group, topic))

    def _claim_folder(self, group: str, topic: str) -> Path:
        return sqlite_file.locks_folder(self._path) / "claims" / group / topic

    # --- the threads' side -------------------------------------------------------------------------------------------

    def _from_thread(self, callback: Callable[..., None]) -> Callable[..., None]:
        """`callback`, called on the event loop when a thread calls this."""

        def call(*arguments: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop was closed before the log
                self._loop.call_soon_threadsafe(callback, *arguments)

        return call

    def _check_open(self) -> None:
        if self._closed:
            raise closed_error(self._path)


def _fail(done: asyncio.Future[Any], error: LogError) -> None:
    """A separate error for each waiter: a raised error collects the tracebacks of its catchers."""
    if not done.done():
        done.set_exception(type(error)(*error.args))
