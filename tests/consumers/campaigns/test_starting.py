"""Scheduled drafts start when they are due: once, by whichever conductor, late after a down time, or visibly not."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from consumers.campaigns import starting
from consumers.campaigns.starting import Start, StartDrafts
from dispatcher.config.places import ApprovalConfig
from dispatcher.core.backoff import Backoff
from dispatcher.errors import ServiceFailed, ServiceUnavailable, UserError
from dispatcher.log.campaigns_feed import CampaignsFeed, read_campaigns
from dispatcher.log.port import Log
from dispatcher.service.campaigns.drafts import approve_campaign, schedule_campaign, show_draft
from dispatcher.service.campaigns.orders.control import cancel_campaign
from dispatcher.service.session import open_session
from dispatcher.suppression.list import put
from producers.drafts import api
from schemas.records import Launched
from tests.memory_log import MemoryLog
from tests.producers.drafts.test_drafts import UnwantedEnd, draft
from tests.producers.launch.test_launch import CONFIG

NINE = 1_800_000_000_000
LATER = NINE + 3_600_000


class Conducted:
    """One conductor's duty on this log; starts happen in this process."""

    def __init__(self, log: Log, start: Start | None = None, config: Any = CONFIG) -> None:
        self.log, self.config = log, config
        self.feed = CampaignsFeed(log)
        self.started: list[str] = []
        self.duty = StartDrafts(config, log, self.feed, start or self._start)

    async def _start(self, campaign: str, revision: str) -> Any:
        self.started.append(campaign)
        async with open_session(self.config, log=self.log) as session:
            return await api.start_draft(session, campaign, revision)

    async def look(self, now_ms: int) -> float:
        """Look until nothing is due; how long it would wait then."""
        await self.feed.catch_up()
        while (again_s := await self.duty.look(now_ms)) == 0.0:
            await self.feed.catch_up()
        return again_s


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


async def scheduled(log: Log, campaign: str = "may", start_ms: int = NINE, **terms: Any) -> None:
    await draft(log, terms.pop("numbers", ["13800138000"]), id=campaign, start_ms=start_ms, **terms)


async def launched(log: Log, campaign: str = "may") -> Launched | None:
    return (await read_campaigns(log)).launched(campaign)


async def status_of(log: MemoryLog, campaign: str = "may", config: Any = CONFIG) -> tuple[str, str]:
    async with open_session(config, log=log) as session:
        view = await show_draft(session, campaign)
        return view.status, view.failure


async def test_it_starts_at_its_time_and_not_before(log: MemoryLog) -> None:
    await scheduled(log)
    conductor = Conducted(log)
    assert await conductor.look(NINE - 90_000) == 90.0
    assert await launched(log) is None
    await conductor.look(NINE)
    record = await launched(log)
    assert record is not None
    assert record.by == "ann"
    await conductor.look(NINE + 1)
    assert conductor.started == ["may"]


async def test_after_a_down_time_it_starts_late_and_within_its_hours(log: MemoryLog) -> None:
    await scheduled(log)
    night = NINE - (NINE + 8 * 3_600_000) % 86_400_000 + 86_400_000 + 3 * 3_600_000  # 03:00 in Asia/Shanghai
    await scheduled(log, "june", between="08:00-20:00")
    conductor = Conducted(log)
    assert await conductor.look(night) == starting.LOOK_S
    assert conductor.started == ["may"]
    await conductor.look(night + 5 * 3_600_000)
    assert conductor.started == ["may", "june"]


async def test_several_start_in_the_order_of_their_times_and_the_smallest_first(log: MemoryLog) -> None:
    await scheduled(log, "large", numbers=["13800138000", "13800138001"])
    await scheduled(log, "small")
    await scheduled(log, "early", NINE - 1)
    conductor = Conducted(log)
    await conductor.look(NINE)
    assert conductor.started == ["early", "small", "large"]


async def test_a_conductor_that_dies_while_it_starts_one_leaves_it_to_the_next_and_it_is_launched_once(
    log: MemoryLog,
) -> None:
    await scheduled(log)
    for dies_after in (0, 1, 2, 3):  # rows, batches, jobs, launch
        log.failures.extend([(None, True)] * dies_after)
        log.failures.append((UnwantedEnd(), True))
        if await launched(log) is None:
            with pytest.raises(UnwantedEnd):
                await Conducted(log).look(NINE)
        log.failures.clear()
    await Conducted(log).look(NINE)
    record = await launched(log)
    assert record is not None
    await Conducted(log).look(NINE)
    assert await launched(log) == record


async def test_two_conductors_at_once_launch_it_once(log: MemoryLog) -> None:
    await scheduled(log)
    one, other = Conducted(log), Conducted(log)
    await asyncio.gather(one.look(NINE), other.look(NINE))
    assert one.started == other.started == ["may"]
    assert await launched(log) is not None
    assert await status_is_launched(log)


async def status_is_launched(log: MemoryLog) -> bool:
    known = (await read_campaigns(log)).by_id["may"]
    return known.launched is not None and known.draft is None


@pytest.mark.parametrize("order", ["moved", "cancelled", "drafted again", "taken off"])
async def test_what_a_person_orders_while_it_starts_counts_or_comes_too_late_and_says_so(
    log: MemoryLog, order: str
) -> None:
    """At every append of the start: either the campaign is launched, or the order is in force; never both silently."""
    came_first = []
    for at in range(6):
        log = MemoryLog()
        await scheduled(log)
        append, left = log.append, at

        async def meanwhile(
            topic: str, partition: int, entries: Any, log: MemoryLog = log, append: Any = append
        ) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                await _order(log, order)
            return await append(topic, partition, entries)

        log.append = meanwhile  # type: ignore[method-assign]
        await Conducted(log).look(NINE)
        log.append = append  # type: ignore[method-assign]
        known = (await read_campaigns(log)).by_id["may"]
        if known.launched is not None and known.launched.text == "ho":
            came_first.append(at)  # it is drafted again, and due
        elif known.launched is None:
            came_first.append(at)
            word, failure = await status_of(log)
            assert (word, failure) == {
                "moved": ("scheduled", ""),
                "cancelled": ("cancelled", ""),
                "taken off": ("draft", ""),
            }[order]
        else:
            assert known.launched.text == "hi"
    assert came_first
    assert len(came_first) < 6


async def _order(log: MemoryLog, order: str) -> None:
    async with open_session(CONFIG, log=log) as session:
        match order:
            case "moved":
                await schedule_campaign(session, "may", LATER)
            case "taken off":
                await schedule_campaign(session, "may", None)
            case "cancelled":
                assert (await cancel_campaign(session, "may")).was_draft
            case _:
                await draft(log, ["13900139000"], text="ho")


async def test_a_draft_that_was_replaced_while_it_started_starts_as_it_is_now(log: MemoryLog) -> None:
    await scheduled(log)
    conductor = Conducted(log)
    await conductor.feed.catch_up()
    await draft(log, ["13900139000"], text="ho")
    with pytest.raises(UserError, match="drafted again or moved"):
        async with open_session(CONFIG, log=log) as session:
            await api.start_draft(session, "may", conductor.feed.campaigns.by_id["may"].revision)
    await conductor.look(NINE)
    record = await launched(log)
    assert record is not None
    assert record.text == "ho"


async def test_a_start_that_cannot_be_is_a_visible_state_and_no_loop(log: MemoryLog) -> None:
    await scheduled(log)
    await put(log, np.array([13_800_138_000], np.int64), adds=True, source="opt-out", by="x", why="TD", at_ms=1)
    conductor = Conducted(log)
    await conductor.look(NINE)
    await conductor.look(NINE + 5_000)
    await Conducted(log).look(NINE + 10_000)
    assert conductor.started == ["may"]
    word, failure = await status_of(log)
    assert word == "not started"
    assert "all 1 numbers are suppressed" in failure
    await draft(log, ["13900139000"], id="may")
    assert (await status_of(log))[0] == "scheduled"
    await conductor.look(NINE + 15_000)
    assert await launched(log) is not None


async def test_it_does_not_start_without_the_approval_it_needs_and_starts_when_it_comes(log: MemoryLog) -> None:
    config = replace(CONFIG, approval=ApprovalConfig(above=0))
    await draft(log, ["13800138000"], id="may", start_ms=NINE, config=config)
    conductor = Conducted(log, config=config)
    await conductor.look(NINE)
    assert (conductor.started, (await status_of(log, config=config))[0]) == ([], "awaits approval")
    async with open_session(config, log=log) as session:
        assert (await approve_campaign(session, "may", by="bob")).status == "scheduled"
    await conductor.look(NINE + 60_000)
    record = await launched(log)
    assert record is not None
    assert (record.by, record.approved_by) == ("ann", "bob")


ERRORS = [
    ("the log is away", ServiceUnavailable("the log is away"), 5, "scheduled"),
    ("its process dies", ServiceFailed("the process ended"), 3, "not started"),
    ("a person must do something", UserError("no credit"), 1, "not started"),
]


@pytest.mark.parametrize(("error", "tries", "word"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
async def test_an_error_that_may_pass_is_tried_again_and_another_is_shown(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch, error: Exception, tries: int, word: str
) -> None:
    monkeypatch.setattr(starting, "AGAIN", Backoff(1e-6, 1e-6))
    await scheduled(log)
    tried = 0

    async def start(campaign: str, revision: str) -> None:
        nonlocal tried
        tried += 1
        if tried < 5:
            raise error

    conductor = Conducted(log, start)
    for _ in range(50):
        await conductor.feed.catch_up()
        await conductor.duty.look(NINE)
    assert tried == tries
    assert (await status_of(log))[0] == word


async def test_one_that_must_wait_does_not_hold_up_another(log: MemoryLog) -> None:
    await scheduled(log, "may")
    await scheduled(log, "june")

    async def start(campaign: str, revision: str) -> None:
        if campaign == "june":
            raise ServiceUnavailable("away")
        started.append(campaign)

    started: list[str] = []
    again_s = await Conducted(log, start).look(NINE)
    assert started == ["may"]
    assert 0 < again_s <= starting.AGAIN.first_s
