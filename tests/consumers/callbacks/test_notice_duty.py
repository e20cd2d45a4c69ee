"""The duty on a real log and store: what is finished, fails too much, or is an alert is noticed once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from consumers.callbacks.notice_duty import NoticeDuty
from dispatcher.callbacks.on_log import CallbacksOnLog, write_state
from dispatcher.config.callbacks import read_callbacks
from dispatcher.config.file import Config
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.session import open_session
from schemas.records import CallbackEvent, CallbackState
from tests.consumers.campaigns.test_wave_duty import Lane
from tests.service.place import configured, launched

BOT = {"url": "https://bot.example/", "format": "wecom", "events": ["finished", "failing", "alert"]}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    callbacks, _ = read_callbacks({"team": BOT}, "dispatcher.toml")
    return msgspec.structs.replace(configured(tmp_path), callbacks=callbacks)


@pytest.fixture
async def log(config: Config) -> AsyncIterator[Log]:
    log = await open_log(config.log.url, create=True)
    yield log
    await log.close()


async def noticed(config: Config, log: Log, duty: NoticeDuty, now_ms: int) -> list[CallbackEvent]:
    """What is on the log after it looked."""
    await duty.look(now_ms)
    found = CallbacksOnLog(log)
    await found.catch_up()
    return list(found.events.values())


async def test_campaigns_are_noticed_once_and_those_of_before_are_not_delivered(config: Config, log: Log) -> None:
    lane, at_ms = Lane(log), 1_700_000_000_000
    async with open_session(config, log=log) as session:
        await launched(session, "before", 5)
        await lane.sends(0, at_ms, failed=0.0)
        duty = NoticeDuty(config, log, CampaignsFeed(log))
        assert await noticed(config, log, duty, at_ms) == []  # the callback has no position yet
        await write_state(log, CallbackState(callback="team", at_ms=at_ms, since_ms=at_ms, positions={}))
        first = await noticed(config, log, duty, at_ms)
        assert [(event.kind, event.subject) for event in first if event.old] == [("finished", "before"), ("began", "")]
        await launched(session, "may", 200)
    alerts = [event for event in await noticed(config, log, duty, at_ms) if event.kind == "alert"]
    assert [(event.word, event.subject) for event in alerts] == [("not-run", "spring")]


async def test_a_campaign_that_fails_and_ends_is_noticed_by_both_and_another_conductor_repeats_nothing(
    config: Config, log: Log
) -> None:
    at_ms = 1_700_000_000_000
    await write_state(log, CallbackState(callback="team", at_ms=at_ms, since_ms=at_ms, positions={}))
    duty = NoticeDuty(config, log, CampaignsFeed(log))
    await duty.look(at_ms)
    async with open_session(config, log=log) as session:
        await launched(session, "may", 200)
    await Lane(log).sends(0, at_ms, failed=0.5)
    found = await noticed(config, log, duty, at_ms)
    of_may = {event.kind: event for event in found if event.campaign == "may"}
    assert of_may["finished"].figures.items() >= {"rows": 201, "delivered": 100, "failed": 100}.items()
    assert (of_may["failing"].to, of_may["failing"].figures) == ("team", {"failed": 100, "settled": 200})
    end = await log.end("callbacks", 0)
    await NoticeDuty(config, log, CampaignsFeed(log)).look(at_ms + 10_000)
    assert await log.end("callbacks", 0) == end
