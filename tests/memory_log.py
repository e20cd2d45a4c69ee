"""A log in memory, for tests of what writes to one. It keeps what the port promises (dispatcher/log/port.py), no file.

`failures` are for the next appends, one each: `(error, written)`; error None means that one works, written says whether
the records got there all the same, as after a time-out.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from dispatcher.errors import LogDamaged
from dispatcher.log.port import Claim, Entry, StoredRecord
from schemas.topics import TOPIC


class MemoryLog:
    """See `dispatcher.log.port.Log`."""

    url = "memory:"

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], list[StoredRecord]] = defaultdict(list)
        self.failures: deque[tuple[BaseException | None, bool]] = deque()
        self.appends = 0
        self.closed = False
        self._grown = asyncio.Condition()

    async def close(self) -> None:
        self.closed = True

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        assert partition < TOPIC[topic].partitions
        self.appends += 1
        await asyncio.sleep(0)
        error, written = self.failures.popleft() if self.failures else (None, True)
        offsets = self._write(topic, partition, entries) if written else []
        async with self._grown:
            self._grown.notify_all()
        if error is not None:
            raise error
        return offsets

    async def end(self, topic: str, partition: int) -> int:
        return len(self.records.get((topic, partition), ()))

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        records = self.records.get((topic, partition), [])
        return next((stored.offset for stored in records if stored.at_ms >= at_ms), len(records))

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 8_000_000
    ) -> list[StoredRecord]:
        found: list[StoredRecord] = []
        size = 0
        for stored in self.records.get((topic, partition), [])[offset : offset + records_max]:
            size += len(stored.value)
            if found and size > bytes_max:
                break
            found.append(stored)
        return found

    async def fetch(self, topic: str, partition: int, offset: int) -> StoredRecord:
        records = self.records.get((topic, partition), [])
        if not 0 <= offset < len(records):
            raise LogDamaged(f"{topic}/{partition}: there is no record at offset {offset}")
        return records[offset]

    async def follow(self, topic: str, partition: int, offset: int) -> AsyncGenerator[list[StoredRecord], None]:
        while True:
            records = await self.read(topic, partition, offset)
            if records:
                offset = records[-1].offset + 1
                yield records
                continue
            async with self._grown:
                while await self.end(topic, partition) <= offset:
                    await self._grown.wait()

    async def claim(
        self,
        group: str,
        topic: str,
        assigned: Callable[[frozenset[int]], Awaitable[None]],
        revoked: Callable[[frozenset[int]], Awaitable[None]],
    ) -> Claim:
        held = frozenset(range(TOPIC[topic].partitions))
        await assigned(held)
        return _WholeClaim(held, revoked)

    async def maintain(self, now_ms: int) -> int:
        return 0  # it keeps everything

    def _write(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        records = self.records[topic, partition]
        first, at_ms = len(records), time.time_ns() // 1_000_000
        for entry in entries:
            assert len(entry.value) <= TOPIC[topic].record_bytes_max
            records.append(StoredRecord(len(records), entry.key, entry.value, entry.headers, at_ms))
        return list(range(first, len(records)))


class _WholeClaim:
    """One process holds everything."""

    def __init__(self, held: frozenset[int], revoked: Callable[[frozenset[int]], Awaitable[None]]) -> None:
        self._held, self._revoked = held, revoked

    async def release(self) -> None:
        held, self._held = self._held, frozenset()
        if held:
            await self._revoked(held)
