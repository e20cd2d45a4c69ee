"""Pausing, resuming, cancelling and weighing: values in, a record on the log, values out; no command, no terminal."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from dispatcher.core.schedule.holds import WAITS_FOR_REPORTS
from dispatcher.errors import UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.os_user import os_user
from dispatcher.service.campaigns.orders.control import (
    ControlResult,
    before_control,
    cancel_campaign,
    close_campaign,
    pause_campaign,
    resume_campaign,
    weigh_campaign,
)
from dispatcher.service.campaigns.views import show_campaign
from dispatcher.service.session import open_session
from schemas.records import Cancelled, Closed, Effect, Flowed, Weighed
from tests.producers.segments.answered import answered
from tests.service.place import configured, launched, written


async def test_pausing_and_resuming_change_a_campaign_once_each(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        assert (await resume_campaign(session, "may")).changed is False
        assert (await pause_campaign(session, "may", by="ann")).changed is True
        assert (await pause_campaign(session, "may")).changed is False
        assert (await before_control(session, "may")).now.paused
        assert (await resume_campaign(session, "may")).changed is True
        flows = [record for record in await written(await session.log()) if isinstance(record, Flowed)]
        assert [(record.paused, record.by) for record in flows] == [(True, "ann"), (False, os_user())]


async def test_resuming_says_that_a_campaign_waits_between_its_waves(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", 10, waves="50 %, rest")
        assert (await resume_campaign(session, "may")).held is None
        await answered(await session.log(), "may", Effect.ACCEPTED, 0, 5)
        await show_campaign(session, "may")  # brings the results up to date
        assert await resume_campaign(session, "may") == ControlResult(
            campaign="may", action="resume", changed=False, held=WAITS_FOR_REPORTS
        )


async def test_cancelling_is_final(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        assert (await cancel_campaign(session, "may")).changed is True
        assert (await cancel_campaign(session, "may")).changed is False
        for order in (pause_campaign, resume_campaign):
            with pytest.raises(UserError, match="is cancelled, and that is final"):
                await order(session, "may")
        with pytest.raises(UserError, match="is cancelled, and that is final"):
            await weigh_campaign(session, "may", weight=2)
        records = await written(await session.log())
        assert len([record for record in records if isinstance(record, Cancelled)]) == 1


async def test_a_campaign_that_was_never_launched_is_not_controlled(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        for order in (pause_campaign, resume_campaign, cancel_campaign, close_campaign, weigh_campaign):
            with pytest.raises(UserError, match=r'there is no campaign "june" on this log. There are: may'):
                await order(session, "june")


async def test_what_is_still_to_be_sent_keeps_a_campaign_from_being_closed(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        with pytest.raises(UserError, match=r'"may" still has 3 recipients to send.*dispatcher campaign cancel may'):
            await close_campaign(session, "may")
        await cancel_campaign(session, "may")
        done = await close_campaign(session, "may")
        assert (done.changed, done.no_report, done.counts.cancelled) == (False, 0, 3)
        assert not [record for record in await written(await session.log()) if isinstance(record, Closed)]


async def test_weight_and_urgency_change_apart_from_each_other(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", weight=2)
        first = await weigh_campaign(session, "may", weight=5, by="ann")
        assert (first.weight, first.urgent, first.changed) == (5, False, True)
        second = await weigh_campaign(session, "may", urgent=True)
        assert (second.weight, second.urgent, second.changed) == (5, True, True)
        third = await weigh_campaign(session, "may", weight=5, urgent=True)
        assert (third.weight, third.urgent, third.changed) == (5, True, False)
        weighed = [record for record in await written(await session.log()) if isinstance(record, Weighed)]
        assert [(record.weight, record.urgent) for record in weighed] == [(5, False), (5, True)]
        assert weighed[0].by == "ann"
        may = (await read_campaigns(await session.log())).get("may")
        assert may is not None
        assert (may.weight, may.urgent) == (5, True)


async def test_the_last_change_of_a_weight_is_what_compaction_keeps(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        await weigh_campaign(session, "may", weight=5)
        await weigh_campaign(session, "may", weight=7)
        keys = [stored.key for stored in await (await session.log()).read("campaigns", 0, 0)]
        assert keys[1:] == [b"may!weight", b"may!weight"]


@pytest.mark.parametrize("weight", [0, -1, 1001])
async def test_a_weight_out_of_bounds_is_refused(tmp_path: Path, weight: int) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        with pytest.raises(UserError, match=f"the weight {weight} must be 1 to 1000"):
            await weigh_campaign(session, "may", weight=weight)


async def test_orders_are_plain_values(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may")
        paused = msgspec.to_builtins(await pause_campaign(session, "may"))
        assert paused == {"campaign": "may", "action": "pause", "changed": True}
        weighed = msgspec.to_builtins(await weigh_campaign(session, "may", weight=3))
        assert weighed == {"campaign": "may", "weight": 3, "urgent": False, "changed": True}
