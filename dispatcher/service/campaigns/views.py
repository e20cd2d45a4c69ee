"""Queries about campaigns: all of them, everything about one, one while it runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import asdict, replace

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.drafts import DraftStatus
from dispatcher.core.flow.forecast import Forecast
from dispatcher.core.results.equation import Status
from dispatcher.errors import NotFound, UserError
from dispatcher.i18n import plural
from dispatcher.service.campaigns.cost import CampaignCost, campaign_cost
from dispatcher.service.campaigns.drafts import DraftView, find_draft, is_draft, list_drafts
from dispatcher.service.campaigns.hindrances import AccountStop, Hindrances, hindrances, stopped_since
from dispatcher.service.campaigns.progress import Pace, Speed, forecast, over, pace, queues
from dispatcher.service.campaigns.retries import RetryTable, retry_table
from dispatcher.service.campaigns.wave_table import WaveTable, wave_table
from dispatcher.service.session import Session
from dispatcher.store.meanings import advice
from dispatcher.store.port import StoreReader
from dispatcher.store.views import CampaignView

LOOK_EVERY_S: Final = 0.3
CHECK_EVERY_S: Final = 3.0
DRAFT_LOOK_EVERY_S: Final = 1.0
NAMED_MAX: Final = 5


class CampaignPage(CampaignView, frozen=True, kw_only=True):
    """Everything about one campaign. Times are Unix milliseconds; failures have their advice.

    `waits_until_ms`: the end of the wait for reports; None if no report is awaited.
    """

    settled: bool
    equation: str
    adds_up: bool
    waits_until_ms: int | None


class ShownCampaign(CampaignPage, frozen=True, kw_only=True):
    """A campaign, what keeps its accounts from sending, and how many records this is behind the log."""

    records_behind: int
    stopped: tuple[AccountStop, ...]
    not_run: tuple[str, ...]
    forecast: Forecast
    wave_table: WaveTable | None
    cost: CampaignCost | None = None
    retries: RetryTable | None = None

    @property
    def hindrances(self) -> Hindrances:
        """What keeps its accounts from sending."""
        return Hindrances(stopped=self.stopped, not_run=self.not_run)


class CampaignWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which campaigns: `contains` is in their id, name or text, whatever the case; launched since and before a time.

    `by`: launched or drafted by this person. `limit`: at most this many, the newest ones after the first `skip`; None:
    all. `tests`: those of drafts, too. `streams`: only streams.
    """

    contains: str = ""
    by: str = ""
    statuses: frozenset[Status | DraftStatus] = frozenset()
    since_ms: int | None = None
    until_ms: int | None = None
    tests: bool = False
    streams: bool = False
    limit: int | None = None
    skip: int = 0

    def takes(self, view: CampaignView) -> bool:
        """Whether it is one of these."""
        if self.streams and view.stream is None:
            return False
        return (self.tests or not view.test_of) and self._takes(
            (view.id, view.name, view.text), view.status, view.launched_ms, view.launched_by
        )

    def takes_draft(self, draft: DraftView) -> bool:
        """Whether this draft is one of these; its time is that of its drafting."""
        return not self.streams and self._takes(
            (draft.campaign, draft.name, draft.text), draft.status, draft.drafted_ms, draft.drafted_by
        )

    def _takes(self, texts: Sequence[str], status: str, at_ms: int, by: str) -> bool:
        words = self.contains.casefold()
        return (
            (not words or any(words in each.casefold() for each in texts))
            and (not self.statuses or status in self.statuses)
            and (not self.by or by == self.by)
            and (self.since_ms is None or at_ms >= self.since_ms)
            and (self.until_ms is None or at_ms < self.until_ms)
        )


class CampaignList(msgspec.Struct, frozen=True, kw_only=True):
    """Campaigns, newest first. `more`: how many older ones were wanted, too; `campaigns_in_all`: on this log.

    `owners`: who launched or drafted something on this log.
    `drafts` are not launched yet, or were cancelled before.
    """

    records_behind: int
    campaigns_in_all: int
    more: int
    campaigns: list[CampaignPage]
    drafts: list[DraftView]
    stopped: tuple[AccountStop, ...]
    not_run: tuple[str, ...]
    owners: list[str] = []

    @property
    def hindrances(self) -> Hindrances:
        """What keeps their accounts from sending."""
        return Hindrances(stopped=self.stopped, not_run=self.not_run)


ALL: Final = CampaignWanted()


class CampaignLook(msgspec.Struct, frozen=True, kw_only=True):
    """A running campaign at one moment. `is_over`: nothing changes any more unless a person acts."""

    view: CampaignView
    pace: Pace
    forecast: Forecast
    hindrances: Hindrances
    records_behind: int
    is_over: bool


async def list_campaigns(session: Session, wanted: CampaignWanted = ALL) -> CampaignList:
    """The campaigns that are wanted. Raises ConfigError if there is no log yet, LogError, StoreError."""
    records_behind = await session.behind()
    every = await session.read(lambda reader: reader.campaigns())
    found = [view for view in every if wanted.takes(view)]
    found, drafts = found[wanted.skip :], await list_drafts(session)
    views = found[: wanted.limit]
    return CampaignList(
        records_behind=records_behind,
        campaigns_in_all=len(every),
        more=len(found) - len(views),
        campaigns=[page_of(view, session) for view in views],
        drafts=[draft for draft in drafts if wanted.takes_draft(draft)],
        owners=sorted({*(view.launched_by for view in every), *(draft.drafted_by for draft in drafts)}),
        **asdict(await hindrances(session, views)),
    )


async def show_campaign(session: Session, campaign: str) -> ShownCampaign:
    """One campaign. Raises UserError for an unknown id, and the errors of `list_campaigns`."""
    records_behind = await session.behind()
    view = await view_of(session, campaign)
    kept = await hindrances(session, [view])
    views = await session.read(lambda reader: reader.campaigns())
    return ShownCampaign(
        **asdict(page_of(view, session)),
        records_behind=records_behind,
        **asdict(kept),
        forecast=_forecast(session, view, views, kept),
        cost=campaign_cost(view),
        wave_table=await wave_table(session, view),
        retries=retry_table(await session.campaigns(), campaign),
    )


class CampaignWatch:
    """Looks at one launched campaign again and again; its speed is measured between the looks.

    `is_fresh`: the results were brought up to date right before, so the first look does not wait for that.
    """

    def __init__(self, session: Session, campaign: str, *, is_fresh: bool = False) -> None:
        self._session: Final = session
        self._campaign: Final = campaign
        self._is_fresh: Final = is_fresh
        self._speed: Final = Speed()
        self._checked_s = float("-inf")
        self._records_behind = 0
        self._views: list[CampaignView] = []
        self._found = Hindrances()

    async def look(self) -> CampaignLook:
        """The campaign now; every CHECK_EVERY_S also what stands beside it. Raises the errors of `show_campaign`."""
        session = self._session
        if not self._views and not self._is_fresh:
            await session.behind()
        view, now_s = await view_of(session, self._campaign), time.monotonic()
        if now_s - self._checked_s >= CHECK_EVERY_S:
            self._records_behind = await session.late() if self._views else 0
            self._views = await session.read(lambda reader: reader.campaigns())
            self._found = await hindrances(session, [view])
            self._checked_s = now_s
        self._speed.saw(view.counts, now_s)
        expected = _forecast(session, view, self._views, self._found)
        now = pace(view, self._speed, session.config.accounts, expected)
        return CampaignLook(
            view=view,
            pace=replace(now, waits_until_ms=waits_until_ms(view, session)),
            forecast=expected,
            hindrances=self._found,
            records_behind=self._records_behind,
            is_over=over([view]),
        )


async def watch_campaign(session: Session, campaign: str) -> AsyncGenerator[CampaignLook, None]:
    """One campaign repeatedly, until it is over; a draft that starts by itself from its launch on.

    Raises the errors of `show_campaign`, and UserError for a draft that does not start by itself.
    """
    await _until_launched(session, campaign)
    watch = CampaignWatch(session, campaign)
    while True:
        look = await watch.look()
        yield look
        if look.is_over:
            return
        await asyncio.sleep(LOOK_EVERY_S)


async def _until_launched(session: Session, campaign: str) -> None:
    while (draft := await find_draft(session, campaign)) is not None:
        if draft.status != "scheduled":
            await check_not_drafts(session, [campaign])
        await asyncio.sleep(DRAFT_LOOK_EVERY_S)


async def view_of(session: Session, campaign: str) -> CampaignView:
    """The results' view of a campaign. Raises UserError for an unknown id and for a draft."""
    try:
        return await session.read(lambda reader: view_in(reader, campaign))
    except UserError:
        await check_not_drafts(session, [campaign])
        raise


async def check_not_drafts(session: Session, campaigns: Iterable[str]) -> None:
    """Raises UserError if one of these is a draft, LogError."""
    known = await session.campaigns()
    for each in map(known.get, campaigns):
        if each is not None and each.draft is not None:
            raise is_draft(each)


def view_in(reader: StoreReader, campaign: str) -> CampaignView:
    """The view of a campaign in these results. Raises UserError for an unknown id. Blocks."""
    view = reader.campaign(campaign)
    if view is None:
        raise no_campaign(campaign, [each.id for each in reader.campaigns()])
    return view


def not_launched(known: Campaigns, campaign: str) -> UserError:
    """The error for an id that is a draft's, or that is not on the log."""
    found = known.get(campaign)
    if found is not None and found.draft is not None:
        return is_draft(found)
    return no_campaign(campaign, sorted(each.id for each in known.by_id.values() if each.launched is not None))


def no_campaign(campaign: str, there: Iterable[str]) -> UserError:
    """The error for an id that is not among those `there`."""
    names = list(there)
    shown = f"{', '.join(names[:NAMED_MAX])}{', …' if len(names) > NAMED_MAX else ''}"
    if not names:
        return NotFound('there is no campaign "{campaign}" on this log. Nothing was launched yet.', campaign=campaign)
    return NotFound(
        'there is no campaign "{campaign}" on this log.',
        campaign=campaign,
        shown=shown,
        do="There are: {shown} (dispatcher campaign list).",
    )


def _forecast(session: Session, view: CampaignView, views: Iterable[CampaignView], kept: Hindrances) -> Forecast:
    """When this campaign is sent, beside the others; `view` may be newer than `views`."""
    accounts = session.config.accounts
    stops = stopped_since(kept.stopped)
    waiting = queues([view, *(each for each in views if each.id != view.id)], accounts, stops)
    held = {*kept.not_run, *stops}
    return forecast(view, waiting, accounts, held, now_ms())


def waits_until_ms(view: CampaignView, session: Session) -> int | None:
    """When the last recipient without a report becomes `no_report`."""
    if not view.counts.accepted or view.last_sent_ms is None:
        return None
    later = [leg.reports_from_ms for leg in view.legs if view.accounts[leg.account].accepted]
    return max([view.last_sent_ms, *later]) + round(session.places.store.no_report_after_s * 1000)


def page_of(view: CampaignView, session: Session) -> CampaignPage:
    """The view with derived values."""
    failures = tuple(
        replace(failure, advice=advice(failure.vendor, failure.source, failure.code)) for failure in view.failures
    )
    counts = view.counts
    return CampaignPage(
        **asdict(view) | {"failures": failures},
        settled=counts.settled,
        equation=counts.line(),
        adds_up=counts.adds_up,
        waits_until_ms=waits_until_ms(view, session),
    )


def stale(records: int) -> str:
    """The note about results that are this many records behind the log, or ""."""
    if not records:
        return ""
    return plural(
        "these results are {n:,} record behind the log: is `dispatcher run` (role results) keeping up?",
        "these results are {n:,} records behind the log: is `dispatcher run` (role results) keeping up?",
        records,
    )
