"""The conductor performs its duties while it holds the partition: when time says so, and when a campaign changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from consumers.campaigns import conductor
from consumers.campaigns.conductor import Conductor, Duty
from dispatcher.core.backoff import Backoff
from dispatcher.errors import LogUnavailable
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Entry
from schemas.codec import encode
from schemas.records import Flowed
from tests.memory_log import MemoryLog


class Counted:
    """Looks as often as it is asked to; the first `errors` looks fail."""

    def __init__(self, again_s: float, errors: int = 0) -> None:
        self.again_s, self.errors = again_s, errors
        self.looks = 0
        self.looked = asyncio.Event()

    async def look(self, now_ms: int) -> float:
        assert now_ms > 0
        self.looks += 1
        self.looked.set()
        if self.looks <= self.errors:
            raise LogUnavailable("the log is away")
        return self.again_s

    async def after(self, looks: int) -> None:
        """Wait until it has looked this often."""
        while self.looks < looks:
            self.looked.clear()
            await asyncio.wait_for(self.looked.wait(), 20)


@asynccontextmanager
async def conducting(log: MemoryLog, *duties: Duty) -> AsyncIterator[asyncio.Task[None]]:
    stop = asyncio.Event()
    task = asyncio.create_task(Conductor(log, CampaignsFeed(log), duties).run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=20)


async def test_a_duty_looks_again_when_its_time_has_come() -> None:
    duty = Counted(0.001)
    async with conducting(MemoryLog(), duty):
        await duty.after(4)


async def test_a_duty_looks_at_once_when_a_campaign_changes() -> None:
    log, duty = MemoryLog(), Counted(3600.0)
    async with conducting(log, duty):
        await duty.after(1)
        paused = Flowed(campaign="may", paused=True, at_ms=1, by="li")
        await log.append("campaigns", 0, [Entry(b"may!flow", encode(paused))])
        await duty.after(2)


async def test_the_wall_clock_may_jump_so_no_duty_waits_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "LOOK_S_MAX", 0.001)
    duty = Counted(3600.0)
    async with conducting(MemoryLog(), duty):
        await duty.after(3)


async def test_a_duty_that_fails_is_tried_again_and_the_others_continue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conductor, "AGAIN", Backoff(0.001, 0.001))
    failing, other = Counted(0.001, errors=3), Counted(0.001)
    async with conducting(MemoryLog(), failing, other) as task:
        await failing.after(5)
        await other.after(3)
        assert not task.done()


async def test_a_mistake_in_a_duty_fails_the_role() -> None:
    class Broken:
        async def look(self, now_ms: int) -> float:
            raise ZeroDivisionError

    async with conducting(MemoryLog(), Broken()) as task:
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(task, 20)


async def test_a_duty_under_way_is_cancelled_when_the_partition_is_given_back() -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    class Long:
        async def look(self, now_ms: int) -> float:
            try:
                begun.set()
                await asyncio.sleep(3600)
            finally:
                ended.set()
            return 0.0

    async with conducting(MemoryLog(), Long()):
        await asyncio.wait_for(begun.wait(), 20)
    assert ended.is_set()
