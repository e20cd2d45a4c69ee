"""Everything is paused in one append, drafts do not start by themselves, and what is still under way is known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher.clock import now_ms
from dispatcher.service.campaigns.drafts import schedule_campaign
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.control import control_campaign
from dispatcher.service.campaigns.orders.pausing import pause_everything, still_sending
from dispatcher.service.session import Session, open_session
from producers.drafts.api import draft
from schemas.records import Effect
from tests.service.place import ACCOUNT, FIRST, configured, launched
from tests.service.reports.test_spend import Lane


@pytest.fixture
async def session(tmp_path: Path) -> AsyncIterator[Session]:
    async with open_session(configured(tmp_path)) as found:
        yield found


async def test_all_that_is_not_over_is_paused_in_one_append(session: Session) -> None:
    for campaign in ("may", "june", "july", "august"):
        await launched(session, campaign)
    await control_campaign(session, "june", "cancel", by="ann")
    await control_campaign(session, "july", "pause", by="ann")
    before = await still_sending(session)
    assert before.campaigns == ["august", "may"]
    assert not before.is_quiet
    done = await pause_everything(session, by="bob")
    assert done.paused == ["august", "may"]
    async with open_session(session.config) as later:
        after = await still_sending(later)
    assert (after.campaigns, after.in_flight, after.last_sent_ms, after.is_quiet) == ([], 0, None, True)
    flowed = (await session.campaigns()).by_id["may"].flowed
    assert flowed is not None
    assert (flowed.paused, flowed.by) == (True, "bob")
    assert (await pause_everything(session, by="bob")).paused == []


async def test_a_campaign_that_is_sent_and_may_still_be_retried_is_paused_too(session: Session) -> None:
    lane = Lane(await session.log(create=True), ACCOUNT)
    await lane.owned()
    for campaign, retry in (("may", "temporary: 1 within 1 h"), ("june", "")):
        await launched(session, campaign, recipients=1, retry=retry)
        await lane.outcome(await lane.intent(campaign, 0, 1), Effect.FAILED)
    async with open_session(session.config) as later:
        assert (await still_sending(later)).campaigns == ["may"]
        assert (await pause_everything(later, by="bob")).paused == ["may"]
        assert (await still_sending(later)).campaigns == []


async def test_a_scheduled_draft_does_not_start_by_itself_any_more(session: Session) -> None:
    request = LaunchRequest(numbers=[FIRST], text="【Shop】hello", route=[ACCOUNT], id="soon", by="ann")
    await draft(session, request)
    await schedule_campaign(session, "soon", now_ms() + 3_600_000, by="ann")
    assert (await pause_everything(session, by="bob")).unscheduled == ["soon"]
    found = (await session.campaigns()).by_id["soon"].draft
    assert found is not None
    assert not found.start_ms
    assert (await pause_everything(session, by="bob")).unscheduled == []
