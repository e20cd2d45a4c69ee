"""Launching as a service: a request in, a plan or a result out; a repeated launch changes no share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dispatcher.errors import InputError, UserError
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.orders.control import weigh_campaign
from dispatcher.service.session import open_session
from producers.launch.api import launch, plan_launch
from schemas.records import Launched
from tests.service.place import ACCOUNT, FIRST, configured, launched, written


async def test_a_plan_launches_nothing(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        request = LaunchRequest(numbers=[FIRST, FIRST, "x"], text="hello", route=[ACCOUNT], id="may")
        plan = await plan_launch(session, request)
        assert (plan.campaign, plan.rows, plan.recipients, plan.duplicate, plan.invalid) == ("may", 3, 1, 1, 1)
    assert not (tmp_path / "log.db").exists()


async def test_a_plan_on_a_log_that_is_there_launches_nothing(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await session.log(create=True)
        plan = await plan_launch(session, LaunchRequest(numbers=[FIRST], text="hello", route=[ACCOUNT], id="may"))
        assert plan.recipients == 1
        assert not [record for record in await written(await session.log()) if isinstance(record, Launched)]


async def test_a_launch_reports_its_result_and_who_ordered_it(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        result = await launched(session, "may", by="ann")
        assert (result.campaign, result.rows, result.recipients, result.invalid) == ("may", 4, 3, 1)
        assert result.plan.fields() == result.fields()
        [record] = [each for each in await written(await session.log()) if isinstance(each, Launched)]
        assert (record.by, record.weight, record.recipients) == ("ann", 1, 3)
        assert (await launched(session, "may")).already_launched


async def test_a_request_that_cannot_be_launched_leaves_nothing(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        with pytest.raises(InputError, match="none of 1 rows"):
            await launch(session, LaunchRequest(numbers=["x"], text="hello", route=[ACCOUNT]))
    assert not (tmp_path / "log.db").exists()


@pytest.mark.parametrize(
    ("first", "again", "advice"),
    [
        ({}, {"weight": 5}, "has weight 1. To change that: dispatcher campaign weight may 5"),
        ({"weight": 5}, {"weight": 2}, "has weight 5. To change that: dispatcher campaign weight may 2"),
        ({}, {"urgent": True}, "has weight 1. To change that: dispatcher campaign weight may --urgent"),
        ({}, {"weight": 3, "urgent": True}, "dispatcher campaign weight may 3 --urgent"),
    ],
)
async def test_a_launch_that_is_repeated_with_another_share_is_refused_with_the_command_that_changes_it(
    tmp_path: Path, first: dict[str, Any], again: dict[str, Any], advice: str
) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", **first)
        with pytest.raises(UserError) as refused:
            await launched(session, "may", **again)
        assert advice in str(refused.value)


async def test_a_launch_that_is_repeated_as_it_was_or_as_it_is_now_is_no_mistake(tmp_path: Path) -> None:
    async with open_session(configured(tmp_path)) as session:
        await launched(session, "may", weight=2)
        await weigh_campaign(session, "may", weight=5)
        for weight in (None, 2, 5):
            assert (await launched(session, "may", weight=weight)).already_launched
        with pytest.raises(UserError, match="has weight 5"):
            await launched(session, "may", weight=3)
