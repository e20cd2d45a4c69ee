"""Followers of an in-process log: they get this process's commits from memory and read what they missed.

A follower that keeps up needs no reads; one that falls behind by more than a bounded amount of memory catches up by
reading. Everything here runs on the event loop; nothing here knows a database.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from dispatcher.errors import LogError
from dispatcher.log.port import Entry, StoredRecord

KEPT_BYTES_MAX: Final = 4_000_000  # offered from memory and not yet taken, per follower
NEAR_RECORDS: Final = 1000  # up to this distance a read under way may close the gap; beyond it nothing is kept


class Follower:
    """One reader's place: `cursor` is the next offset to read, `end` the known end of the log."""

    def __init__(self, cursor: int) -> None:
        self.cursor = cursor
        self.end = cursor
        self._kept: deque[list[StoredRecord]] = deque()
        self._kept_bytes = 0
        self._woken = asyncio.Event()
        self._failed: LogError | None = None

    def offer(self, first: int, entries: Sequence[Entry], at_ms: int) -> None:
        """This process committed `entries` at `first` and following offsets."""
        self.end = max(self.end, first + len(entries))
        self._woken.set()
        follows = self._kept[-1][-1].offset + 1 == first if self._kept else first - self.cursor <= NEAR_RECORDS
        if follows and self._kept_bytes < KEPT_BYTES_MAX:
            records = [StoredRecord(first + i, e.key, e.value, e.headers, at_ms) for i, e in enumerate(entries)]
            self._kept.append(records)
            self._kept_bytes += sum(len(entry.value) for entry in entries)

    def reach(self, end: int) -> None:
        """The log ends at `end` now, by a commit of any process."""
        if end > self.end:
            self.end = end
            self._woken.set()

    def fail(self, error: LogError) -> None:
        """No more records will come."""
        self._failed = error
        self._woken.set()

    def take(self) -> list[StoredRecord]:
        """The kept records that continue exactly at the cursor; [] if they must be read."""
        while self._kept:
            records = self._kept.popleft()
            self._kept_bytes -= sum(len(record.value) for record in records)
            if records[0].offset > self.cursor:  # there is a gap: read it; these will be read with it
                self._kept.clear()
                self._kept_bytes = 0
                return []
            if records[-1].offset >= self.cursor:
                records = records[self.cursor - records[0].offset :]
                self.passed(records)
                return records
        return []

    def passed(self, records: list[StoredRecord]) -> None:
        """These were handed to the reader."""
        self.cursor = records[-1].offset + 1
        self.end = max(self.end, self.cursor)

    async def more(self) -> None:
        """Return when a record is at or after the cursor. Raises the error given to `fail`."""
        while self.cursor >= self.end and self._failed is None:
            self._woken.clear()
            await self._woken.wait()
        if self._failed is not None:
            raise self._failed

    def settle(self) -> None:
        """Record that there was nothing to read."""
        self.end = self.cursor
