"""Follow-ups: to whom they go, what they say, and that nobody who got the text gets it again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatcher import clock
from dispatcher.config.file import Config
from dispatcher.config.places import ApprovalConfig
from dispatcher.errors import InputError, UserError
from dispatcher.log.port import Log
from dispatcher.service.campaigns.drafts import approve_campaign
from dispatcher.service.campaigns.follow_ups import FollowUpRequest
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.control import cancel_campaign, close_campaign
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.session import Session, open_session
from producers.drafts.api import launch_draft, plan_draft
from producers.launch import commit
from producers.launch.api import launch
from producers.segments import follow_up as following
from producers.segments.follow_up import draft_follow_up, follow_up, plan_follow_up, prepare_follow_up
from schemas.records import Effect, Follows
from tests.producers.launch import launched as on_log
from tests.producers.segments.answered import answered, reported
from tests.service.place import ACCOUNT, configured

N = 13_800_138_000


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return configured(tmp_path)


async def may(session: Session, **wanted: Any) -> Log:
    """Ten recipients: 0 delivered, 1 phone off, 2 unlisted code, 3 refused, 4 unknown, 5 accepted, 6 to 9 queued."""
    usual: dict[str, Any] = {"numbers": list(range(N, N + 10)), "text": "【Shop】hi {{all}}"}
    await launch(session, LaunchRequest(route=[ACCOUNT], id="may", **(usual | wanted)))
    log = await session.log()
    vendor_id = await answered(log, "may", Effect.ACCEPTED, 0, 3)
    await answered(log, "may", Effect.FAILED, 3, 1, "107")
    await answered(log, "may", Effect.UNKNOWN, 4, 1)
    await answered(log, "may", Effect.ACCEPTED, 5, 1)
    await reported(log, ACCOUNT, vendor_id, [N], 1, "DELIVRD")
    await reported(log, ACCOUNT, vendor_id, [N + 1], 2, "UNDELIV")
    await reported(log, ACCOUNT, vendor_id, [N + 2], 2, "never seen")
    return log


async def texted(log: Log, campaign: str) -> list[int]:
    found = await on_log.recipients(log, await on_log.launched(log, campaign))
    return [int(number) - N for number in found.get(ACCOUNT, [])]


def wanted(*to: str, **fields: Any) -> FollowUpRequest:
    return FollowUpRequest(campaign="may", to=to, **fields)


async def test_the_failed_get_the_same_text_on_the_same_route_as_a_linked_campaign(config: Config):
    async with open_session(config) as session:
        log = await may(session)
        notes = (await plan_follow_up(session, wanted("failed"))).notes
        assert not any("THE SAME TEXT AGAIN" in note for note in notes), "a follow-up repeats what it follows"
        result = await follow_up(session, wanted("failed"))
        assert (result.campaign, result.recipients) == ("may.follow-1", 3)
        assert await texted(log, "may.follow-1") == [1, 2, 3]
        record, first = await on_log.launched(log, "may.follow-1"), await on_log.launched(log, "may")
        assert (record.text, record.legs[0].account) == (first.text, ACCOUNT)
        assert record.text == "【Shop】hi {all}"
        assert record.follows == Follows(campaign="may", attempt=first.attempt, states=("failed",))
        shown = await show_campaign(session, "may.follow-1")
        assert shown.follows == record.follows
        assert shown.adds_up


async def test_a_follow_up_has_a_budget_and_hours_only_if_it_is_given_them(config: Config):
    async with open_session(config) as session:
        await may(session)
        plan = await plan_follow_up(session, wanted("failed", between="00:00-23:00"))
        assert (plan.hours, plan.budget_micro_yuan) == ("00:00-23:00", 0)
        with pytest.raises(UserError, match=f'account "{ACCOUNT}" has no price, so a budget cannot be kept'):
            await plan_follow_up(session, wanted("failed", budget="5"))


async def test_of_the_failed_only_those_with_codes_of_a_class(config: Config):
    async with open_session(config) as session:
        log = await may(session)
        await follow_up(session, wanted("failed", classes=["temporary"], id="again"))
        assert await texted(log, "again") == [1]
        await follow_up(session, wanted("failed", classes=["other"], id="others"))
        assert await texted(log, "others") == [2, 3]
        with pytest.raises(InputError, match="no failed recipient of may has a code of the class content"):
            await follow_up(session, wanted("failed", classes=["content"], id="texts"))


async def test_recipients_keep_their_own_values_also_with_another_text(config: Config, tmp_path: Path):
    people = tmp_path / "people.csv"
    rows = "".join(f"{N + at},name{at},{at}\n" for at in range(10))
    people.write_text(f"mobile,name,order\n{rows}", "utf-8")
    async with open_session(config) as session:
        log = await may(session, numbers=str(people), text="Dear {name}, order {order}")
        plan = await plan_follow_up(session, wanted("failed", text="{name}: sorry for {order} {{again}}"))
        assert set(plan.samples) == {f"name{at}: sorry for {at} {{again}}" for at in (1, 2, 3)}
        assert await on_log.find_launched(log, "may.follow-1") is None
        plan = await plan_follow_up(session, wanted("failed"))
        assert plan.samples == ("Dear name1, order 1", "Dear name2, order 2", "Dear name3, order 3")
        with pytest.raises(InputError, match=r"placeholder \{city\}"):
            await plan_follow_up(session, wanted("failed", text="{city}"))


async def test_a_drafted_follow_up_is_approved_launched_and_leaves_out_who_got_the_text_meanwhile(config: Config):
    guarded = msgspec.structs.replace(config, approval=ApprovalConfig(above=2))
    async with open_session(config) as session:
        await may(session)
    async with open_session(guarded) as session:
        log = await session.log()
        late = await answered(log, "may", Effect.ACCEPTED, 6, 1)
        await cancel_campaign(session, "may")
        await close_campaign(session, "may")  # 5 and 6 have no report
        drafted = await draft_follow_up(session, wanted("failed", "no-report", by="olga"))
        assert (drafted.campaign, drafted.recipients, drafted.lacks_approval) == ("may.follow-1", 5, True)
        with pytest.raises(UserError, match="another person than its author"):
            await launch_draft(session, "may.follow-1", by="olga")
        second = await draft_follow_up(session, wanted("failed", classes=["temporary"], by="olga"))
        assert second.campaign == "may.follow-2", "a draft keeps its id"
        assert not (await approve_campaign(session, "may.follow-1", by="arno")).changed_since_approval
        await reported(log, ACCOUNT, late, [N + 6], 1, "DELIVRD")
        await launch_draft(session, "may.follow-2", by="olga")
        assert await texted(log, "may.follow-2") == [1]
        assert (await plan_draft(session, "may.follow-1")).recipients == 3
        await launch_draft(session, "may.follow-1", by="olga")
        assert await texted(log, "may.follow-1") == [2, 3, 5]
        shown = await show_campaign(session, "may.follow-1")
        assert (shown.follows is not None and shown.follows.campaign, shown.approved_by) == ("may", "arno")
        assert shown.adds_up


async def test_another_list_of_a_follow_up_voids_its_approval(config: Config):
    guarded = msgspec.structs.replace(config, approval=ApprovalConfig(above=1))
    async with open_session(config) as session:
        await may(session)
    async with open_session(guarded) as session:
        log = await session.log()
        await draft_follow_up(session, wanted("failed", id="again", by="olga"))
        await approve_campaign(session, "again", by="arno")
        await reported(log, ACCOUNT, await answered(log, "may", Effect.ACCEPTED, 6, 1), [N + 6], 2, "UNDELIV")
        drafted = await draft_follow_up(session, wanted("failed", id="again", by="olga"))
        assert (drafted.recipients, drafted.lacks_approval, drafted.approval_void) == (4, True, ("list",))


async def test_the_same_follow_up_is_one_launch_whatever_was_reported_meanwhile(config: Config):
    async with open_session(config) as session:
        log = await may(session)
        await follow_up(session, wanted("failed", id="again"))
        await reported(log, ACCOUNT, await answered(log, "may", Effect.ACCEPTED, 6, 1), [N + 6], 2, "UNDELIV")
    async with open_session(config) as session:
        again = await follow_up(session, wanted("failed", id="again"))
        assert again.already_launched
        assert again.recipients == 3
        assert await texted(await session.log(), "again") == [1, 2, 3]
        with pytest.raises(UserError, match='the id "again" is taken: it was launched with another part of a campaign'):
            await follow_up(session, wanted("failed", "no-report", id="again"))
        with pytest.raises(UserError, match='the id "may" is taken'):
            await follow_up(session, wanted("failed", id="may"))


async def test_two_at_once_with_one_id_are_one_launch(config: Config):
    async with open_session(config) as one, open_session(config) as other:
        log = await may(one)
        results = await asyncio.gather(follow_up(one, wanted("failed")), follow_up(other, wanted("failed")))
        assert sorted(result.already_launched for result in results) == [False, True]
        assert await texted(log, "may.follow-1") == [1, 2, 3]


async def test_who_is_in_a_follow_up_is_not_in_the_next(config: Config):
    async with open_session(config) as session:
        log = await may(session)
        await follow_up(session, wanted("failed", classes=["temporary"]))
        second = await follow_up(session, wanted("failed"))
        assert second.campaign == "may.follow-2"
        assert second.suppressed_reasons == {"in campaign may.follow-1": 1}
        assert await texted(log, "may.follow-2") == [2, 3]
        with pytest.raises(
            InputError, match=r"all 3 numbers are suppressed \(1 in campaign may.follow-1, 2 in campaign"
        ):
            await follow_up(session, wanted("failed"))


async def test_a_follow_up_that_is_committed_while_another_is_appended_sets_its_recipients_aside(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    append_jobs = commit._append_jobs
    async with open_session(config) as session, open_session(config) as other:
        log = await may(session)
        prepared = await prepare_follow_up(session, wanted("failed", id="slow"), ask_balance=False)

        async def slow(*args: Any) -> Any:
            monkeypatch.setattr(commit, "_append_jobs", append_jobs)
            await follow_up(other, wanted("failed", classes=["temporary"], id="fast"))
            return await append_jobs(*args)

        monkeypatch.setattr(commit, "_append_jobs", slow)
        result = await commit.commit(prepared, log)
        prepared.close()
        assert await texted(log, "fast") == [1]
        assert await texted(log, "slow") == [2, 3]
        assert result.suppressed_reasons == {"in campaign fast": 1}


async def test_two_that_are_committed_in_the_same_moment_never_have_the_same_recipient(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    append_launch = commit._append_launch
    async with open_session(config) as session, open_session(config) as other:
        log = await may(session)

        async def late(*args: Any) -> Any:
            monkeypatch.setattr(commit, "_append_launch", append_launch)
            await follow_up(other, wanted("failed", classes=["temporary"], id="first"))
            return await append_launch(*args)

        monkeypatch.setattr(commit, "_append_launch", late)
        result = await follow_up(session, wanted("failed", id="second"))
        assert await texted(log, "first") == [1]
        assert await texted(log, "second") == [2, 3]
        assert result.suppressed_reasons == {"in campaign first": 1}


async def test_unknown_recipients_need_a_persons_word(config: Config):
    async with open_session(config) as session:
        log = await may(session)
        with pytest.raises(UserError, match="may text them twice"):
            await follow_up(session, wanted("failed", "unknown"))
        await follow_up(session, wanted("unknown", may_text_twice=True, id="again"))
        assert await texted(log, "again") == [4]


async def test_who_is_left_is_texted_only_when_the_campaign_cannot_send_any_more(
    config: Config, monkeypatch: pytest.MonkeyPatch
):
    async with open_session(config) as session:
        await may(session)
        with pytest.raises(UserError, match=r"4 recipients that are left\. Cancel it first"):
            await follow_up(session, wanted("left"))
        await cancel_campaign(session, "may")
    async with open_session(config) as session:
        with pytest.raises(UserError, match="less than a minute ago"):
            await follow_up(session, wanted("left"))
        later = clock.now_ms() + 60_001
        monkeypatch.setattr(following, "now_ms", lambda: later)
        result = await follow_up(session, wanted("left", "failed"))
        assert sorted(await texted(await session.log(), result.campaign)) == [1, 2, 3, 6, 7, 8, 9]


@pytest.mark.parametrize("word", ["delivered", "accepted", "queued", "everybody", "no_report"])
async def test_who_got_the_text_is_never_followed_up(config: Config, word: str):
    async with open_session(config) as session:
        await may(session)
        with pytest.raises(UserError, match="a follow-up goes to failed, no-report, unknown, left"):
            await follow_up(session, wanted(word))


async def test_a_campaign_that_compared_texts_is_followed_up_with_a_text_that_is_named(config: Config):
    async with open_session(config) as session:
        people = list(range(N, N + 40))
        log = await may(session, numbers=people, more_texts=["【Shop】hello"], waves="50 %, rest")
        with pytest.raises(UserError, match="compared 2 texts"):
            await follow_up(session, wanted("failed"))
        await follow_up(session, wanted("failed", text="【Shop】hello again"))
        assert (await on_log.launched(log, "may.follow-1")).text == "【Shop】hello again"


async def test_mistakes_are_one_sentence(config: Config):
    async with open_session(config) as session:
        await may(session)
        with pytest.raises(UserError, match='there is no campaign "june"'):
            await follow_up(session, FollowUpRequest(campaign="june", to=["failed"]))
        with pytest.raises(UserError, match="say whom to text again"):
            await follow_up(session, wanted())
        with pytest.raises(UserError, match="a class of code is temporary"):
            await follow_up(session, wanted("failed", classes=["bad"]))
        with pytest.raises(UserError, match="no recipient of may is no-report"):
            await follow_up(session, wanted("no-report"))
