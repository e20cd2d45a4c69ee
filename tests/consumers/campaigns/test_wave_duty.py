"""The conductor judges waves: it releases the next one when reports cover it, and halts what fails too much."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from consumers.campaigns.wave_duty import OptOuts, WaveDuty
from dispatcher.config.file import Config
from dispatcher.errors import UserError
from dispatcher.log.campaigns_feed import CampaignsFeed, read_campaigns
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.waves import decide_text, halt_wave, release_wave
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.session import open_session
from dispatcher.suppression.list import put
from producers.launch.api import launch
from schemas.batch import unpack
from schemas.codec import decode, encode
from schemas.records import AnyRecord, Intent, Job, Outcome, Owned, WaveDecided
from schemas.topics import lane_partition
from tests.service.place import ACCOUNT, FIRST, configured, written
from tests.store.joined_history import reports_record

PARTITION = lane_partition(ACCOUNT)
DELIVERED, FAILED = 1, 2


class Lane:
    """The lane of the account, written by hand."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.intents = 0

    async def sends(self, wave: int, at_ms: int, *, failed: float, reported: float = 1.0) -> None:
        """A whole wave is taken; of its recipients this share is reported, and this share of these as failed."""
        if not self.intents:
            await self._append(Owned(owner="o", at_ms=at_ms, where="test"))
        for stored in await self.log.read("jobs", PARTITION, 0):
            job = decode(stored.value)
            if isinstance(job, Job) and job.wave == wave:
                await self._sends(stored.offset, job, at_ms, failed, reported)

    async def _sends(self, offset: int, job: Job, at_ms: int, failed: float, reported: float) -> None:
        intent = Intent(
            owner="o", n=self.intents, account=ACCOUNT, campaign=job.campaign, job=offset, batch=job.batch,
            start=job.start, count=job.count, attempt=0, at_ms=at_ms,
        )  # fmt: skip
        self.intents += 1
        place, name = await self._append(intent), f"v{self.intents}"
        taken = {"effect": "accepted", "kind": "accepted", "code": "0", "sent_ms": at_ms, "vendor_id": name}
        await self._append(msgspec.convert({"account": ACCOUNT, "intent": place, "at_ms": at_ms, **taken}, Outcome))
        batch = await self.log.read("recipients", job.partition, job.offset, records_max=1)
        numbers = [int(number) for number in unpack(batch[0].value, batch[0].headers)[0].split(b",")]
        rows = [
            (name, number, *((FAILED, "UNDELIV") if index < failed * job.count else (DELIVERED, "DELIVRD")), 0)
            for index, number in enumerate(numbers[: round(reported * job.count)])
        ]
        await self.log.append("reports", PARTITION, [Entry(b"", encode(reports_record(ACCOUNT, rows, at_ms)))])

    async def _append(self, record: AnyRecord) -> int:
        return (await self.log.append("lanes", PARTITION, [Entry(ACCOUNT.encode(), encode(record))]))[0]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


@pytest.fixture
async def log(config: Config) -> AsyncIterator[Log]:
    log = await open_log(config.log.url, create=True)
    yield log
    await log.close()


async def in_waves(config: Config, log: Log, waves: str = "10 %, 20 %, rest", **more: Any) -> int:
    """Launch a campaign to 1,000 numbers; when it was launched."""
    numbers = range(FIRST, FIRST + 1_000)
    async with open_session(config, log=log) as session:
        request = LaunchRequest(numbers=numbers, text="hi", route=[ACCOUNT], id="may", waves=waves, **more)
        await launch(session, request)
    launched = (await read_campaigns(log)).launched("may")
    assert launched is not None
    return launched.at_ms


async def looked(config: Config, log: Log, now_ms: int) -> list[WaveDecided]:
    """The decisions on the log after the duty looked once."""
    feed = CampaignsFeed(log)
    await feed.catch_up()
    await WaveDuty(config, log, feed).look(now_ms)
    return [record for record in await written(log) if isinstance(record, WaveDecided)]


async def test_the_next_wave_is_released_when_reports_cover_the_one_before(config: Config, log: Log) -> None:
    at_ms, lane = await in_waves(config, log), Lane(log)
    assert await looked(config, log, at_ms) == []
    await lane.sends(1, at_ms, failed=0.02, reported=0.89)
    assert await looked(config, log, at_ms + 1_000) == []
    assert [decided.why for decided in await looked(config, log, at_ms + 7_200_000)] == ["waited"]
    await lane.sends(2, at_ms, failed=0.02, reported=0.95)
    decided = (await looked(config, log, at_ms + 1_000))[-1]
    assert (decided.wave, decided.verdict, decided.why, decided.by_person) == (2, "released", "covered", False)
    assert (decided.recipients, decided.settled) == (200, 190)
    assert (await read_campaigns(log)).by_id["may"].waves.released == 3


async def test_a_wave_that_fails_too_much_halts_the_campaign_and_a_person_releases_it(config: Config, log: Log) -> None:
    at_ms, lane = await in_waves(config, log), Lane(log)
    await lane.sends(1, at_ms, failed=0.5)
    [decided] = await looked(config, log, at_ms + 1_000)
    assert (decided.wave, decided.verdict, decided.why) == (1, "halted", "found")
    first = decided.findings[0]
    assert (first.statistic, first.account, first.trials, first.events) == ("failures", ACCOUNT, 100, 50)
    async with open_session(config, log=log) as session:
        shown = await show_campaign(session, "may")
        assert (shown.status, shown.held and shown.held.why) == ("held", "halted")
        assert shown.wave_table is not None
        assert [(row.state, row.sent, row.failed) for row in shown.wave_table.waves] == [
            ("halted", 100, 50), ("not released", 0, 0), ("not released", 0, 0),
        ]  # fmt: skip
        assert (await release_wave(session, "may", by="ann")).released == 2
    await lane.sends(2, at_ms, failed=0.0, reported=0.5)
    assert len(await looked(config, log, at_ms + 1_000)) == 2


async def test_a_failing_wave_is_halted_also_if_it_was_released_and_more_reports_come(config: Config, log: Log) -> None:
    at_ms, lane = await in_waves(config, log), Lane(log)
    await lane.sends(1, at_ms, failed=0.02)
    await looked(config, log, at_ms)
    await lane.sends(2, at_ms, failed=0.5)
    assert [(each.wave, each.verdict) for each in await looked(config, log, at_ms)] == [(1, "released"), (2, "halted")]


async def test_opt_outs_of_its_recipients_halt_it_and_those_of_others_do_not(config: Config, log: Log) -> None:
    at_ms, lane = await in_waves(config, log), Lane(log)
    await lane.sends(1, at_ms, failed=0.0, reported=0.5)
    others = range(FIRST + 5_000, FIRST + 5_500)
    await put(log, np.array(others), adds=True, source="opt-out", by=ACCOUNT, why="T", at_ms=at_ms + 1)
    assert await looked(config, log, at_ms + 60_000) == []
    mine = range(FIRST, FIRST + 1_000)
    await put(log, np.array(mine), adds=True, source="opt-out", by="another", why="T", at_ms=at_ms + 2)
    assert await looked(config, log, at_ms + 60_000) == []
    await put(log, np.array(mine), adds=True, source="opt-out", by=ACCOUNT, why="T", at_ms=at_ms + 3)
    [decided] = await looked(config, log, at_ms + 60_000)
    assert (decided.verdict, decided.findings[0].statistic, decided.findings[0].events) == ("halted", "opt-outs", 100)
    async with open_session(config, log=log) as session:
        await release_wave(session, "may", by="ann")
    assert len(await looked(config, log, at_ms + 120_000)) == 2, "what a person released is no reason to halt again"


async def test_opt_outs_are_read_from_the_launch_on(log: Log) -> None:
    for at_ms in range(100, 200, 10):
        await put(log, np.array([FIRST + at_ms]), adds=True, source="opt-out", by=ACCOUNT, why="T", at_ms=at_ms)
    opt_outs, accounts = OptOuts(log), frozenset({ACCOUNT})
    assert len(await opt_outs.since(150, accounts)) == 5
    assert len(await opt_outs.since(170, accounts)) == 3
    assert len(await opt_outs.since(0, accounts)) == 10


async def test_the_text_that_is_decided_is_sent_to_the_rest(config: Config, log: Log) -> None:
    at_ms, lane = await in_waves(config, log, waves="", more_texts=["ho"]), Lane(log)
    await lane.sends(1, at_ms, failed=0.02)
    await looked(config, log, at_ms)
    async with open_session(config, log=log) as session:
        shown = await show_campaign(session, "may")
        assert (shown.status, shown.held and shown.held.why) == ("held", "text")
        assert shown.wave_table is not None
        assert [(row.label, row.text, row.sent, row.failed) for row in shown.wave_table.texts] == [
            ("A", "hi", 50, 1), ("B", "ho", 50, 1),
        ]  # fmt: skip
        with pytest.raises(UserError, match="waits for its text"):
            await release_wave(session, "may")
        with pytest.raises(UserError, match='no text "C"'):
            await decide_text(session, "may", "C")
        done = await decide_text(session, "may", "b", by="ann")
        assert (done.changed, done.text, done.released) == (True, "B", 2)
        assert not (await decide_text(session, "may", "B")).changed
        with pytest.raises(UserError, match="that is final"):
            await decide_text(session, "may", "A")


async def test_a_person_halts_and_releases_by_name(config: Config, log: Log) -> None:
    await in_waves(config, log)
    async with open_session(config, log=log) as session:
        assert (await halt_wave(session, "may", by="ann")).changed
        assert not (await halt_wave(session, "may", by="bob")).changed
        assert (await release_wave(session, "may", by="bob")).released == 2
        assert (await release_wave(session, "may", by="bob")).released == 3
        with pytest.raises(UserError, match="all 3 waves"):
            await release_wave(session, "may")
        with pytest.raises(UserError, match="no campaign"):
            await halt_wave(session, "june")
    said = [(each.wave, each.verdict, each.by) for each in await written(log) if isinstance(each, WaveDecided)]
    assert said == [(1, "halted", "ann"), (1, "released", "bob"), (2, "released", "bob")]
