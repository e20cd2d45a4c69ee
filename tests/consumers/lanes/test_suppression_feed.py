"""The suppression list as the lanes of a process read it, also when it cannot be read for a while."""

from __future__ import annotations

import asyncio
import contextlib
import time

import numpy as np
import pytest

from consumers.lanes import suppression_feed
from consumers.lanes.suppression_feed import SuppressionFeed
from dispatcher.core.backoff import Backoff
from dispatcher.errors import LogUnavailable
from dispatcher.log.port import StoredRecord
from dispatcher.suppression.list import put
from tests.memory_log import MemoryLog

N = 13_800_138_000


class Away(MemoryLog):
    """A log that cannot be read while it is `away`."""

    away = False
    asked = 0

    async def was_asked(self) -> None:
        """It was read in vain."""
        asked = self.asked
        async with asyncio.timeout(60):
            while self.asked < asked + 2:
                await asyncio.sleep(0.001)

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 8_000_000
    ) -> list[StoredRecord]:
        if self.away:
            self.asked += 1
            raise LogUnavailable("away")
        return await super().read(topic, partition, offset, records_max=records_max, bytes_max=bytes_max)


async def changed(log: MemoryLog, *numbers: int, adds: bool = True) -> None:
    await put(log, np.array(numbers, np.int64), adds=adds, source="person", by="ann", why="", at_ms=0)


@contextlib.asynccontextmanager
async def followed(log: MemoryLog):
    feed = SuppressionFeed(log)
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()


async def until(feed: SuppressionFeed, *numbers: int) -> None:
    async with asyncio.timeout(60):
        while feed.suppressed.numbers.tolist() != sorted(numbers):
            await asyncio.sleep(0.001)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(suppression_feed, "EVERY_S", 0.001)
    monkeypatch.setattr(suppression_feed, "PAUSE", 0)
    monkeypatch.setattr(suppression_feed, "AGAIN", Backoff(0.001, 0.002))


async def test_changes_are_read_and_told():
    log, told = MemoryLog(), list[int]()
    await changed(log, N)
    async with followed(log) as feed:
        feed.listen(lambda: told.append(len(feed.suppressed.numbers)))
        await until(feed, N)
        await changed(log, N + 1, N + 2)
        await until(feed, N, N + 1, N + 2)
        await changed(log, N, adds=False)
        await until(feed, N + 1, N + 2)
        assert told == [1, 3, 2]


async def test_a_log_that_was_away_is_read_on_without_losing_a_change():
    log = Away()
    log.away = True
    await changed(log, N)
    async with followed(log) as feed:
        await log.was_asked()
        assert not feed.suppressed.is_current(time.monotonic())
        log.away = False
        await until(feed, N)
        assert feed.suppressed.is_current(time.monotonic())
        log.away = True
        await changed(log, N + 1)
        await log.was_asked()
        assert feed.suppressed.numbers.tolist() == [N]
        serial = feed.suppressed.serial
        log.away = False
        await until(feed, N, N + 1)
        assert feed.suppressed.touched_since(serial) is None, "which changes it lacked is not known"
