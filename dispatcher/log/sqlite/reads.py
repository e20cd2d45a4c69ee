"""Reading the SQLite log: a few threads, each with its own connection, so that no read waits for a commit."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from dispatcher.errors import LogDamaged, LogUnavailable
from dispatcher.log.port import Headers, StoredRecord
from dispatcher.log.sqlite import file as sqlite_file
from schemas.topics import Topic

T = TypeVar("T")

THREADS: Final = 2

_headers: msgspec.msgpack.Decoder[Headers] = msgspec.msgpack.Decoder(Headers)


class Reads:
    """Runs `work(connection, ...)` in a reading thread."""

    def __init__(self, path: Path, busy_s: float) -> None:
        self._path, self._busy_s = path, busy_s
        self._closed = False
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="log-reader")
        self._mine = threading.local()
        self._connections: list[sqlite3.Connection] = []

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """The result of `work`. Raises LogError for every error of SQLite."""
        if self._closed:
            raise closed_error(self._path)

        def mapped() -> T:
            try:
                return work(self._connection(), *arguments)
            except sqlite3.Error as error:
                raise sqlite_file.mapped(error, self._path) from error

        return await asyncio.get_running_loop().run_in_executor(self._threads, mapped)

    async def close(self) -> None:
        """Wait for the reads under way, then close the connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        for connection in self._connections:
            connection.close()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = sqlite_file.connect(self._path, self._busy_s)
            connection.execute("PRAGMA query_only = ON")
            self._mine.connection = connection
            self._connections.append(connection)
        return connection


def read_records(
    connection: sqlite3.Connection, topic: Topic, partition: int, offset: int, records_max: int, bytes_max: int
) -> list[StoredRecord]:
    """The records from `offset` on, at least one if there is one. Raises LogDamaged if one is missing."""
    name = sqlite_file.table(topic.name, partition)
    rows = connection.execute(
        f"SELECT n - 1, at_ms, key, headers, value FROM {name} WHERE n > ? ORDER BY n LIMIT ?", (offset, records_max)
    )
    records: list[StoredRecord] = []
    size = 0
    for at, at_ms, key, headers, value in rows:
        size += len(value)
        if records and size > bytes_max:
            break
        if topic.cleanup == "delete" and at != offset + len(records):
            raise LogDamaged(
                "record {offset} of {topic}/{partition} is missing; the next is {at}",
                offset=offset + len(records),
                topic=topic.name,
                partition=partition,
                at=at,
            )
        records.append(StoredRecord(at, key, value, _headers.decode(headers) if headers else (), at_ms))
    rows.close()
    if not records and (end := sqlite_file.end(connection, topic.name, partition)) < offset:
        raise LogDamaged(
            "{topic}/{partition} ends at {end}, but a reader continues from {offset}: this is not the log it read",
            topic=topic.name,
            partition=partition,
            end=end,
            offset=offset,
        )
    return records


def offset_at(connection: sqlite3.Connection, topic: str, partition: int, at_ms: int) -> int:
    """The offset of the first record of this time or later, by halving: times are not indexed."""
    name = sqlite_file.table(topic, partition)
    first, last = connection.execute(f"SELECT min(n), max(n) FROM {name}").fetchone()
    if first is None:
        return 0
    before, after, found = int(first) - 1, int(last) + 1, int(last) + 1  # up to `before` all are older
    while after - before > 1:
        middle = (before + after) // 2
        row = connection.execute(f"SELECT n, at_ms FROM {name} WHERE n >= ? ORDER BY n LIMIT 1", (middle,)).fetchone()
        if row[1] < at_ms:
            before = int(row[0])
        else:
            after, found = middle, int(row[0])
    return found - 1


def closed_error(path: Path) -> LogUnavailable:
    """The error of a call after `close`."""
    return LogUnavailable("the log {path} was closed", path=path)
