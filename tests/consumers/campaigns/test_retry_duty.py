"""The conductor's automatic retries on a real log and results: who is in one, once, and what ends them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from rich.console import Console

from consumers.campaigns import retry_duty
from consumers.campaigns.retry_duty import RetryDuty
from dispatcher.config.file import CapsConfig, Config
from dispatcher.errors import ServiceUnavailable, UserError
from dispatcher.log.campaigns_feed import CampaignsFeed, read_campaigns
from dispatcher.log.port import Log
from dispatcher.service.campaigns.follow_ups import FollowUpRequest
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.control import cancel_campaign, close_campaign
from dispatcher.service.campaigns.orders.pausing import pause_everything, still_sending
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.session import Session, open_session
from dispatcher.terminal.campaigns import campaign_page
from producers.launch.api import launch, plan_launch
from producers.launch.prepare import prepare
from producers.segments import retry
from producers.segments.follow_up import follow_up
from schemas.records import Effect
from tests.producers.launch import launched as on_log
from tests.producers.segments.answered import answered, reported
from tests.service.place import ACCOUNT, configured

N = 13_800_138_000
H = 3_600_000


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


class Conducted:
    """One conductor's duty; retries are launched in this process, at the time of the look."""

    def __init__(self, config: Config, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
        self.config, self.log = config, log
        self.feed = CampaignsFeed(log)
        self.duty = RetryDuty(config, log, self.feed, self._start)
        self._patch = monkeypatch

    async def _start(self, campaign: str, number: int) -> Any:
        async with open_session(self.config, log=self.log) as session:
            return msgspec.to_builtins(await retry.start_retry(session, campaign, number))

    async def look(self, at_ms: int) -> float:
        for module in (retry, retry_duty):
            self._patch.setattr(module, "now_ms", lambda: at_ms)
        await self.feed.catch_up()
        await self.duty.look(at_ms)
        await self.feed.catch_up()
        return await self.duty.look(at_ms)


async def may(session: Session, **wanted: Any) -> tuple[Log, int]:
    """Four recipients: 0 delivered, 1 and 2 phone off, 3 an unlisted code; the log, and when the time begins."""
    usual: dict[str, Any] = {"numbers": list(range(N, N + 4)), "text": "【Shop】hi {{all}}", "campaign_class": "notice"}
    usual |= {"retry": "temporary: 2 within 6 h"}
    await launch(session, LaunchRequest(route=[ACCOUNT], id="may", **(usual | wanted)))
    log = await session.log()
    vendor_id = await answered(log, "may", Effect.ACCEPTED, 0, 4)
    for person, state, code in ((0, 1, "DELIVRD"), (1, 2, "UNDELIV"), (2, 2, "UNDELIV"), (3, 2, "never seen")):
        await reported(log, ACCOUNT, vendor_id, [N + person], state, code)
    return log, (await on_log.launched(log, "may")).at_ms


async def texted(log: Log, campaign: str) -> list[int]:
    record = await on_log.find_launched(log, campaign)
    found = {} if record is None else await on_log.recipients(log, record)
    return sorted(int(number) - N for number in found.get(ACCOUNT, []))


async def test_who_failed_like_that_is_texted_again_twice_at_most(config: Config, monkeypatch: pytest.MonkeyPatch):
    async with open_session(config) as session:
        log, at_ms = await may(session)
        conductor = Conducted(config, log, monkeypatch)
        assert await conductor.look(at_ms + H + H // 2) == 1800
        await conductor.look(at_ms + 2 * H)
        assert await texted(log, "may.retry-1") == [1, 2]
        record, first = await on_log.launched(log, "may.retry-1"), await on_log.launched(log, "may")
        assert (record.text, record.ends_ms, record.by) == ("【Shop】hi {all}", at_ms + 6 * H, first.by)
        vendor_id = await answered(log, "may.retry-1", Effect.ACCEPTED, 0, 2)
        await reported(log, ACCOUNT, vendor_id, [N + 1], 1, "DELIVRD")
        await reported(log, ACCOUNT, vendor_id, [N + 2], 2, "UNDELIV")
        await conductor.look(at_ms + 4 * H)
        assert await texted(log, "may.retry-2") == [2]
        await answered(log, "may.retry-2", Effect.FAILED, 0, 1, "107")
        await conductor.look(at_ms + 5 * H)
        campaigns = await read_campaigns(log)
        assert campaigns.follow_ups_of("may") == ["may.retry-1", "may.retry-2"]
        shown = await show_campaign(session, "may")
        assert shown.retries is not None
        assert [(each.campaign, each.state, each.recipients) for each in shown.retries.retries] == [
            ("may.retry-1", "launched", 2),
            ("may.retry-2", "launched", 1),
        ]
        assert (shown.retries.next_ms, shown.retries.ends_ms) == (None, at_ms + 6 * H)
        drawn = Console(width=200, record=True)
        drawn.print(campaign_page(shown))
        assert "retries of temporary failures: 2 at most, until" in (text := drawn.export_text())
        assert "may.retry-2  is launched" in text
        assert (await show_campaign(session, "may.retry-1")).retries is None


async def test_pausing_everything_holds_a_finished_campaign_whose_retries_are_to_come(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    async with open_session(config) as session:
        log, at_ms = await may(session)
        before = await still_sending(session)
        assert (before.campaigns, before.is_quiet) == (["may"], False)
        assert (await show_campaign(session, "may")).status == "finished"
        assert (await pause_everything(session)).paused == ["may"]
        assert (await still_sending(session)).campaigns == []
        await Conducted(config, log, monkeypatch).look(at_ms + 2 * H)
        assert await on_log.find_launched(log, "may.retry-1") is None
        drawn = Console(width=200, record=True)
        drawn.print(campaign_page(await show_campaign(session, "may")))
        assert "To resume: dispatcher campaign resume may" in drawn.export_text()


async def test_a_campaign_that_is_paused_while_its_retry_is_prepared_is_not_retried(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    async def paused_meanwhile(session: Session, request: LaunchRequest) -> Any:
        async with open_session(config) as other:
            await pause_everything(other)
        return await prepare(session, request)

    async with open_session(config) as session:
        log, at_ms = await may(session)
        monkeypatch.setattr(retry, "prepare", paused_meanwhile)
        with pytest.raises(ServiceUnavailable, match="may was paused while"):
            await Conducted(config, log, monkeypatch).look(at_ms + 2 * H)
        assert await on_log.find_launched(log, "may.retry-1") is None


async def test_recipients_keep_their_values(config: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    people = tmp_path / "people.csv"
    people.write_text("mobile,name\n" + "".join(f"{N + at},name{at}\n" for at in range(4)), "utf-8")
    async with open_session(config) as session:
        log, at_ms = await may(session, numbers=str(people), text="【Shop】Dear {name}")
        await Conducted(config, log, monkeypatch).look(at_ms + 2 * H)
        record = await on_log.launched(log, "may.retry-1")
        assert (record.variables, record.recipients, record.text) == (("name",), 2, "【Shop】Dear {name}")


async def test_two_conductors_launch_it_once(config: Config, monkeypatch: pytest.MonkeyPatch):
    async with open_session(config) as session:
        log, at_ms = await may(session)
        both = [Conducted(config, log, monkeypatch) for _ in range(2)]
        await asyncio.gather(*(each.look(at_ms + 2 * H) for each in both))
        assert (await read_campaigns(log)).follow_ups_of("may") == ["may.retry-1"]
        assert await texted(log, "may.retry-1") == [1, 2]


async def test_who_is_in_a_persons_follow_up_is_not_retried_and_the_other_way_round(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    async with open_session(config) as session:
        log, at_ms = await may(session, numbers=list(range(N, N + 4)))
        await follow_up(session, FollowUpRequest(campaign="may", to=["failed"], classes=["temporary"], id="hand"))
        await Conducted(config, log, monkeypatch).look(at_ms + 2 * H)
        assert await texted(log, "hand") == [1, 2]
        assert await texted(log, "may.retry-1") == []
        assert await texted(log, "may.retry-2") == []


async def test_a_retry_without_anybody_is_skipped_and_shown(config: Config, monkeypatch: pytest.MonkeyPatch):
    async with open_session(config) as session:
        log, at_ms = await may(session, retry="channel: 1 within 6 h")
        await Conducted(config, log, monkeypatch).look(at_ms + 3 * H)
        [skipped] = (await read_campaigns(log)).by_id["may"].retries_skipped.values()
        assert (skipped.number, skipped.why) == (1, "nobody")
        shown = await show_campaign(session, "may")
        assert shown.retries is not None
        assert [(each.state, each.why) for each in shown.retries.retries] == [("skipped", "nobody")]


async def test_a_mistake_is_kept_and_an_error_that_may_pass_is_tried_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    tries: list[Exception] = [UserError("no credit."), ServiceUnavailable("the log is away")]
    async with open_session(config) as session:
        log, at_ms = await may(session)

        async def fails(campaign: str, number: int) -> Any:
            raise tries[-1]

        conductor = Conducted(config, log, monkeypatch)
        conductor.duty = RetryDuty(config, log, conductor.feed, fails)
        with pytest.raises(ServiceUnavailable):
            await conductor.look(at_ms + 2 * H)
        tries.pop()
        await conductor.look(at_ms + 2 * H)
        shown = await show_campaign(session, "may")
        assert shown.retries is not None
        assert (await read_campaigns(log)).by_id["may"].retries_skipped[1].says == "no credit."


async def test_cancelling_or_closing_ends_what_is_left_of_a_retry(config: Config, monkeypatch: pytest.MonkeyPatch):
    async with open_session(config) as session:
        log, at_ms = await may(session)
        conductor = Conducted(config, log, monkeypatch)
        await conductor.look(at_ms + 2 * H)
        assert (await cancel_campaign(session, "may")).changed, "nothing of it is left, but its retries are"
        await conductor.look(at_ms + 2 * H + 1)
        assert (await show_campaign(session, "may.retry-1")).counts.cancelled == 2
        await conductor.look(at_ms + 4 * H)
        assert await texted(log, "may.retry-2") == []
    async with open_session(config) as session:
        closed = await close_campaign(session, "may.retry-1")
        assert not closed.changed


async def test_at_the_end_of_the_time_what_is_left_is_cancelled(config: Config, monkeypatch: pytest.MonkeyPatch):
    async with open_session(config) as session:
        log, at_ms = await may(session)
        conductor = Conducted(config, log, monkeypatch)
        await conductor.look(at_ms + 2 * H)
        await answered(log, "may.retry-1", Effect.ACCEPTED, 0, 1)
        await conductor.look(at_ms + 6 * H)
        counts = (await show_campaign(session, "may.retry-1")).counts
        assert (counts.accepted, counts.cancelled, counts.queued) == (1, 1, 0)


async def test_a_retry_is_no_new_campaign_for_the_caps(config: Config, monkeypatch: pytest.MonkeyPatch):
    capped = replace(config, caps=CapsConfig(notice="2 per 7 d"))
    async with open_session(capped) as session:
        log, at_ms = await may(session)
        conductor = Conducted(capped, log, monkeypatch)
        await conductor.look(at_ms + 2 * H)
        assert await texted(log, "may.retry-1") == [1, 2]
        june = LaunchRequest(numbers=[N + 1, N + 2], text="x", route=[ACCOUNT], id="june", campaign_class="notice")
        assert (await launch(session, june)).recipients == 2
        vendor_id = await answered(log, "may.retry-1", Effect.ACCEPTED, 0, 2)
        await reported(log, ACCOUNT, vendor_id, [N + 1, N + 2], 2, "UNDELIV")
        await launch(session, replace(june, id="july", numbers=[N + 1, N + 9], text="y"))
        assert await texted(log, "july") == [9], "may with its retry, and june"
        await conductor.look(at_ms + 4 * H)
        assert await texted(log, "may.retry-2") == [1, 2], "only june is another campaign"


async def test_what_cannot_be_retried_is_refused_in_a_sentence(config: Config):
    async with open_session(config) as session:
        plain: dict[str, Any] = {"numbers": [N], "text": "【Shop】hi", "route": [ACCOUNT]}
        rule = "temporary: 2 within 6 h"
        for wrong, says in (
            ({"retry": "sometimes"}, "--retry .* Write it like this"),
            ({"retry": rule, "more_texts": ["【Shop】ho"]}, "Leave --retry out, or give one --text"),
            ({"retry": rule, "id": "x" * 60}, "with --retry the id has at most 56 characters"),
        ):
            with pytest.raises(UserError, match=says):
                await plan_launch(session, LaunchRequest(**plain | wrong))
        plan = await plan_launch(session, LaunchRequest(**plain, retry=rule))
        assert any(note.startswith("retries: who fails with a code of the class temporary") for note in plan.notes)
        await launch(session, LaunchRequest(**plain, id="may", retry=rule))
        with pytest.raises(UserError, match="other retries"):
            await launch(session, LaunchRequest(**plain, id="may"))
