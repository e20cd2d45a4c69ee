"""The log port: all that the rest of the dispatcher knows of a log.

See docs/LANE.md, "The log is the lock", and docs/ARCHITECTURE.md, "The log adapters".

A log is a set of topics (schemas/topics.py), each a number of partitions, each an ordered sequence of records with
growing offsets. Offsets may have holes (a compacted topic); the next one to read is always the last one plus one.
Two adapters: SQLite (`dispatcher/log/sqlite/log.py`) and Kafka (`dispatcher/log/kafka/log.py`);
both pass `tests/log/contract.py`.

Errors are those of dispatcher/errors.py (LogError and below), never a driver's own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

Headers = tuple[tuple[str, bytes], ...]


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A record to append: the key decides compaction, headers carry a batch's metadata."""

    key: bytes
    value: bytes
    headers: Headers = ()


class StoredRecord(msgspec.Struct, frozen=True, gc=False):
    """A read record: an entry with its offset. `at_ms` is the log's own append time (wall clock, for people)."""

    offset: int
    key: bytes
    value: bytes
    headers: Headers
    at_ms: int


class Claim(Protocol):
    """A running claim on partitions; see `Log.claim`."""

    async def release(self) -> None:
        """Return everything (calls `revoked` for held partitions and waits for it) and stop."""
        ...


class Log(Protocol):
    """An open log. Safe for concurrent use by the tasks of one event loop."""

    @property
    def url(self) -> str:
        """Where it is, without secrets."""
        ...

    async def close(self) -> None:
        """Flush and close; appends under way finish or fail first."""
        ...

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        """Append in order, together; returns the offsets once durable.

        Calls of many tasks share few commits and keep their order.
        Raises LogTimeout (may have been written, or be written later), LogFull, LogUnavailable.
        A cancelled call may still be written.
        """
        ...

    async def end(self, topic: str, partition: int) -> int:
        """The offset after the last record: the next one gets it, or a later one."""
        ...

    async def offset_at(self, topic: str, partition: int, at_ms: int) -> int:
        """The offset of the first kept record that was appended at `at_ms` or later; the end if there is none.

        Of a clock that was set back, some such record.
        """
        ...

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 8_000_000
    ) -> list[StoredRecord]:
        """The records from `offset` on that exist now, at most that many, at least one if there is one.

        [] at the end. Raises LogDamaged if `offset` lies before the first kept record of a topic that is not compacted,
        or behind the end (then it is another log).
        """
        ...

    async def fetch(self, topic: str, partition: int, offset: int) -> StoredRecord:
        """Exactly this record. Raises LogDamaged if it is missing or deleted."""
        ...

    def follow(self, topic: str, partition: int, offset: int) -> AsyncGenerator[list[StoredRecord], None]:
        """Records from `offset` on, in order, each once; waits at the end for more, and never ends by itself.

        This process's own appends are handed on right after their commit. Close the iterator (`aclose`) or cancel
        the task to stop. Raises LogUnavailable after the adapter's own bounded attempts to reconnect.
        """
        ...

    async def claim(
        self,
        group: str,
        topic: str,
        assigned: Callable[[frozenset[int]], Awaitable[None]],
        revoked: Callable[[frozenset[int]], Awaitable[None]],
    ) -> Claim:
        """Take part in distributing a topic's partitions between the processes of a group.

        `assigned` is called with newly held partitions, `revoked` with partitions to give back, and is awaited (the
        holder drains within its own bound). Only a hint which process should try: the journal decides ownership.
        """
        ...

    async def maintain(self, now_ms: int) -> int:
        """Delete what retention and compaction allow, in small steps; returns how many records (a broker does it: 0).

        Call it about once an hour. Raises LogError and below; deleted records stay deleted.
        """
        ...
