"""Launching one automatic retry of a campaign (dispatcher/core/launches/retries.py): a follow-up of its own.

It has who failed with a code of the rule's classes and is in no later follow-up, with the campaign's text, route,
options, hours, weight and policy, and with what is left of its budget.
"""

from __future__ import annotations

from contextlib import closing
from typing import Literal

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.launches.overtaken import retry_id
from dispatcher.core.launches.retries import budget_left, ends_ms, follows_of, sources, step
from dispatcher.core.money.amounts import written
from dispatcher.core.schedule.hours import to_record
from dispatcher.errors import ServiceUnavailable, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import not_launched
from dispatcher.service.session import Session
from dispatcher.store.meanings import failure_class
from dispatcher.store.port import StoreReader
from dispatcher.store.views import CampaignView
from producers.launch.commit import commit
from producers.launch.planning.plan_text import shortage
from producers.launch.prepare import prepare
from producers.segments.campaign_rows import CampaignRows, Wanted
from producers.segments.excluded import check_up_to_date
from producers.segments.follow_up import options_of, text_of
from schemas.states import State


class RetryStart(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the start of a retry: it is launched (`recipients`), or nobody failed like that."""

    campaign: str
    recipients: int
    why: Literal["launched", "nobody"]


async def start_retry(session: Session, campaign: str, number: int) -> RetryStart:
    """Launch this retry, unless it is launched. Raises UserError if it is not due or cannot be launched, LogError;
    ServiceUnavailable if its campaign was paused meanwhile."""
    campaigns = await read_campaigns(await session.log())
    known = campaigns.get(campaign)
    if known is None or known.launched is None or known.launched.retry is None:
        raise not_launched(campaigns, campaign)
    name = retry_id(campaign, number)
    before = campaigns.launched(name)
    if before is not None and before.follows == follows_of(known.launched, number):
        return RetryStart(campaign=name, recipients=before.recipients, why="launched")
    if step(campaigns, known, now_ms()).launch != number:
        raise UserError("retry {number} of {campaign} is not due.", number=number, campaign=campaign)
    await check_up_to_date(session)
    lists = await _lists(session, campaigns, known, number)
    if not lists:
        return RetryStart(campaign=name, recipients=0, why="nobody")
    request = _request(campaigns, known, number, lists)
    with closing(await prepare(session, request)) as prepared:
        if lacking := shortage(prepared.plan):
            raise UserError("{lacking} It was not launched.", lacking=lacking)
        if await _is_paused(session, campaign):
            raise ServiceUnavailable(
                "{campaign} was paused while its retry {number} was prepared.", campaign=campaign, number=number
            )
        result = await commit(prepared, await session.log())
    return RetryStart(campaign=name, recipients=result.recipients, why="launched")


async def _is_paused(session: Session, campaign: str) -> bool:
    known = (await session.campaigns()).get(campaign)
    return known is not None and known.paused


async def _lists(session: Session, campaigns: Campaigns, campaign: Campaign, number: int) -> list[CampaignRows]:
    """Whom the retry has, one list for each campaign in which somebody failed last."""
    launched = campaign.launched
    assert launched is not None
    assert launched.retry is not None
    classes, found = frozenset(launched.retry.classes), []
    for source in sources(campaigns, launched, number):

        def read(reader: StoreReader, name: str = source.campaign) -> CampaignView | None:
            return reader.campaign(name)

        view = await session.read(read)
        if view is not None and _some_failed(view, classes):
            rows = CampaignRows(session, view, Wanted(frozenset({State.FAILED}), classes, source.but))
            if await rows.has_some():
                found.append(rows)
    return found


def _some_failed(view: CampaignView, classes: frozenset[str]) -> bool:
    return any(failure_class(each.vendor, each.source, each.code) in classes for each in view.failures)


def _request(campaigns: Campaigns, campaign: Campaign, number: int, lists: list[CampaignRows]) -> LaunchRequest:
    launched = campaign.launched
    assert launched is not None
    left = budget_left(campaigns, campaign, number)
    if left == 0:
        raise UserError("the budget of {campaign} leaves nothing for a retry.", campaign=campaign.id)
    route = launched.route
    return LaunchRequest(
        numbers=lists[0],
        more_lists=lists[1:],
        text=text_of(launched),
        route=route,
        id=retry_id(campaign.id, number),
        name=f"retry {number} of {launched.name or campaign.id}",
        weight=campaign.weight,
        urgent=campaign.urgent,
        unknown=launched.unknown,
        options=options_of(launched, route),
        kind=launched.kind,
        campaign_class=launched.campaign_class or "marketing",
        within=to_record(campaign.schedule.hours),
        at_closing=campaign.schedule.at_closing,
        budget="" if left is None else written(left),
        follows=follows_of(launched, number),
        known_follow_ups=sorted({name for source in sources(campaigns, launched, number) for name in source.but}),
        ends_ms=ends_ms(launched),
        by=launched.by,
    )
