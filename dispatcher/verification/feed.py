"""The codes on the log as one process knows them, and how it adds to them: append, read back, take what the log says.

A partition is read when a number of it is asked for, from READ_BACK_MS ago on: older codes do not matter any more.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from dispatcher.clock import now_ms
from dispatcher.core.verification import READ_BACK_MS, Codes, MadeAs, TriedAs, partition_of
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Entry, Log
from dispatcher.log.records import record_of
from schemas.codec import encode
from schemas.records import CodeMade, CodeTried
from schemas.topics import VERIFICATIONS

READ_RECORDS_MAX: Final = 5_000

Verdict = MadeAs | TriedAs


class _Partition:
    """What was read of a partition; `awaited` are this process's own records under way, by key."""

    def __init__(self) -> None:
        self.codes = Codes()
        self.position: int | None = None
        self.read_s = float("-inf")
        self.lock = asyncio.Lock()
        self.awaited: dict[bytes, Verdict | None] = {}


class VerificationFeed:
    """Serves one event loop, which may use it from many tasks."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log
        self._partitions: Final = [_Partition() for _ in range(VERIFICATIONS.partitions)]

    async def codes(self, subject: bytes) -> Codes:
        """The codes of this number's partition, as the log has them now. Raises LogError."""
        partition = self._partitions[partition_of(subject)]
        async with partition.lock:
            await self._read_on(partition, partition_of(subject))
        return partition.codes

    async def is_of_another_secret(self, mark: bytes) -> bool:
        """Whether there are codes, and none was made with the secret of this mark. Raises LogError."""
        marks: set[bytes] = set()
        for number, partition in enumerate(self._partitions):
            async with partition.lock:
                await self._read_on(partition, number)
            marks |= partition.codes.marks
        return bool(marks) and mark not in marks

    async def append(self, record: CodeMade | CodeTried, name: bytes) -> Verdict:
        """Append a record and read it back; returns what the log made of it. `name` makes its key unique.

        Raises LogError: then it may be on the log, and count.
        """
        number = partition_of(record.subject)
        partition = self._partitions[number]
        key = record.subject + record.id + name
        partition.awaited[key] = None
        try:
            await self._log.append(VERIFICATIONS.name, number, [Entry(key, encode(record))])
            async with partition.lock:
                if partition.awaited[key] is None:
                    await self._read_on(partition, number)
            verdict = partition.awaited[key]
        finally:
            del partition.awaited[key]
        if verdict is None:
            raise LogDamaged("verifications: the log at {url} lost a record that it had confirmed.", url=self._log.url)
        return verdict

    async def _read_on(self, partition: _Partition, number: int) -> None:
        """Read to the end. Starts anew after a long pause: the log may have deleted what comes next."""
        begun_s = time.monotonic()
        if partition.position is None or begun_s - partition.read_s > READ_BACK_MS / 1000:
            partition.codes.clear()
            partition.position = await self._log.offset_at(VERIFICATIONS.name, number, now_ms() - READ_BACK_MS)
        while records := await self._log.read(
            VERIFICATIONS.name, number, partition.position, records_max=READ_RECORDS_MAX
        ):
            for stored in records:
                verdict = partition.codes.apply(stored.at_ms, record_of(stored, VERIFICATIONS.name))
                if stored.key in partition.awaited and partition.awaited[stored.key] is None:
                    partition.awaited[stored.key] = verdict
            partition.position = records[-1].offset + 1
            await asyncio.sleep(0)
        partition.read_s = begun_s
