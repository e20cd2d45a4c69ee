"""The figures that monitoring reads: every account, the busiest campaigns, how far the results are behind the log.

Bounded whatever is on the log: accounts are those of the configuration, campaigns the CAMPAIGNS_MAX with the longest
queues; all others together are one more. No value names a phone number.

Weak spots: a campaign with a short queue may be among the others, and then is not forecast. Ages of polls are those of
polls that this process runs.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, get_args

import msgspec

from dispatcher.accounts.holders import lane_holders
from dispatcher.accounts.poll_times import POLL_TIMES, PollTimes
from dispatcher.callbacks.on_log import CallbacksOnLog
from dispatcher.core.results.equation import STATUSES, Counts, Status, total
from dispatcher.core.schedule.holds import HoldWhy
from dispatcher.masking import masked_mobiles
from dispatcher.service.account_states import AccountState, AccountWatch
from dispatcher.service.callbacks import callback_views
from dispatcher.service.campaigns.hindrances import stopped_since
from dispatcher.service.campaigns.progress import AccountQueue, Speed, forecast, pace, queues
from dispatcher.service.freshness import FOLDED, Ends, ends_of
from dispatcher.service.reports.alerts import AlertKind, look_for_alerts
from dispatcher.service.session import Session
from dispatcher.store.views import CampaignView
from dispatcher.vendors.seam.vendor import Vendor
from schemas.records import Why

CAMPAIGNS_MAX: Final = 20
NOT_RUN: Final = "not-run"
STOP_WHYS: Final = (*(why.value for why in Why), NOT_RUN)
"""Every reason why an account does not send; `not-run`: it has a queue, and no process here runs its lane."""
ALERT_KINDS: Final[tuple[AlertKind, ...]] = get_args(AlertKind)
HOLD_WHYS: Final[tuple[HoldWhy, ...]] = get_args(HoldWhy)


class AccountFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One account: its part of the equation over all campaigns, and its state.

    `stops`: the reasons for which nothing is sent; `held`: recipients that wait for another reason each.
    The rest as in AccountState.
    """

    account: str
    counts: Counts
    allowed_per_s: float | None
    sent_per_s: float
    queued_messages: int
    credit: float | None
    credit_age_s: float | None
    credit_lasts_s: float | None
    stops: frozenset[str]
    held: dict[str, int]


class CampaignFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign: its equation, and its pace in recipients per second (`allowed_per_s` None: without a limit).

    `left_s`: how long sending will still take, if known. `left_at_closing`: recipients that its hours leave unsent.
    """

    campaign: str
    counts: Counts
    sent_per_s: float
    allowed_per_s: float | None
    left_s: float | None
    left_at_closing: int
    hold: HoldWhy | None


class CallbackFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One outgoing callback: records that it has not passed, events that are tried again, events that were given up.

    `stopped`: its receiver wants no more.
    """

    callback: str
    lag: int
    failing: int
    aside: int
    stopped: bool


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment. `counts`: all campaigns, with the rows that no account got.

    `behind`: records that the results have not read, by topic; `late`: those that were on the log at the last look.
    `former`: accounts that are not in the configuration any more. `others`: the `others_number` campaigns that are not
    among `campaigns`. `broken`: campaigns whose equation does not hold. `poll_ages_s`: by account and poll. `alerts`:
    how many of each kind the overview shows.
    """

    counts: Counts
    broken: int
    statuses: dict[Status, int]
    behind: dict[str, int]
    late: int
    accounts: tuple[AccountFigures, ...]
    former: Counts
    campaigns: tuple[CampaignFigures, ...]
    others: Counts
    others_number: int
    poll_ages_s: dict[tuple[str, str], float]
    alerts: dict[AlertKind, int]
    callbacks: tuple[CallbackFigures, ...]


class MetricsWatch:
    """Measures them, look by look: one look at a time. Lives as long as the process that shows them."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic, polls: PollTimes = POLL_TIMES) -> None:
        self._now_s: Final = now_s
        self._polls: Final = polls
        self._accounts: Final = AccountWatch(now_s)
        self._speeds: dict[str, Speed] = {}
        self._ends: Ends = {}
        self._callbacks: CallbacksOnLog | None = None

    async def look(self, session: Session, now_ms: int) -> Metrics:
        """The figures now; they are computed in a thread. Raises ConfigError, LogError, StoreError."""
        views = await session.read(lambda reader: reader.campaigns())
        states = await self._accounts.look(session, views)
        before, self._ends = self._ends, await ends_of(await session.log())
        offsets = await session.read(lambda reader: reader.offsets())
        holders_known = await asyncio.to_thread(lane_holders, session.places) is not None
        ages_s, vendors = self._polls.ages_s(now_ms), session.config.accounts
        counted = Counter(alert.kind for alert in await look_for_alerts(session, views, states, now_ms))
        alerts = {kind: counted[kind] for kind in ALERT_KINDS}
        callbacks = await self._callback_figures(session)

        def measure() -> Metrics:
            found = self._measure(views, states, vendors, now_ms, holders_known=holders_known)
            behind = {topic.name: 0 for topic in FOLDED}
            for place, records in _missing(offsets, self._ends).items():
                behind[place[0]] += records
            late = sum(_missing(offsets, before).values())
            return msgspec.structs.replace(
                found, behind=behind, late=late, poll_ages_s=ages_s, alerts=alerts, callbacks=callbacks
            )

        return await asyncio.to_thread(measure)

    async def _callback_figures(self, session: Session) -> tuple[CallbackFigures, ...]:
        if not session.config.callbacks:
            return ()
        if self._callbacks is None:
            self._callbacks = CallbacksOnLog(await session.log())
        return tuple(
            CallbackFigures(
                callback=each.callback,
                lag=each.lag,
                failing=each.failing,
                aside=each.aside,
                stopped=each.status == "stopped",
            )
            for each in await callback_views(session, self._callbacks)
        )

    def _measure(
        self,
        views: Sequence[CampaignView],
        states: Sequence[AccountState],
        vendors: Mapping[str, Vendor],
        now_ms: int,
        *,
        holders_known: bool,
    ) -> Metrics:
        by_account: dict[str, list[Counts]] = {}
        statuses = dict.fromkeys(STATUSES, 0)
        for view in views:
            statuses[view.status] += 1
            for account, counts in view.accounts.items():
                by_account.setdefault(account, []).append(counts)
        accounts = tuple(
            account_figures(state, total(by_account.pop(state.account, [])), now_ms, holders_known=holders_known)
            for state in states
        )
        stopped = {each.account for each in accounts if each.stops}
        shown = busiest(views)
        waiting = queues(views, vendors, stopped_since(each.stopped for each in states if each.stopped is not None))
        self._speeds = {view.id: self._speeds.get(view.id, Speed()) for view in shown}
        names = {view.id for view in shown}
        others = [view for view in views if view.id not in names]
        return Metrics(
            counts=total(view.counts for view in views),
            broken=sum(not view.counts.adds_up for view in views),
            statuses=statuses,
            behind={},
            late=0,
            accounts=accounts,
            former=total(counts for every in by_account.values() for counts in every),
            campaigns=tuple(self._campaign(view, waiting, vendors, stopped, now_ms) for view in shown),
            others=total(view.counts for view in others),
            others_number=len(others),
            poll_ages_s={},
            alerts={},
            callbacks=(),
        )

    def _campaign(
        self,
        view: CampaignView,
        waiting: Mapping[str, AccountQueue],
        vendors: Mapping[str, Vendor],
        stopped: Iterable[str],
        now_ms: int,
    ) -> CampaignFigures:
        speed = self._speeds[view.id]
        speed.saw(view.counts, self._now_s())
        expected = forecast(view, waiting, vendors, stopped, now_ms)
        now = pace(view, speed, vendors, expected)
        return CampaignFigures(
            campaign=view.id,
            counts=view.counts,
            sent_per_s=round(now.sent_per_s, 1),
            allowed_per_s=None if now.unpaced else now.allowed_per_s,
            left_s=now.left_s,
            left_at_closing=expected.left_at_closing,
            hold=None if view.held is None else view.held.why,
        )


def account_figures(state: AccountState, counts: Counts, now_ms: int, *, holders_known: bool) -> AccountFigures:
    """One account. `holders_known` False: it is not known here which lanes are run (on Kafka the broker knows)."""
    stops, held = set[str](), dict[str, int]()
    for stop in () if state.stopped is None else state.stopped.stops:
        why = Why(stop["why"]).value
        if stop["recipients"]:
            held[why] = held.get(why, 0) + stop["recipients"]
        else:
            stops.add(why)
    if state.queued and state.held_by is None and holders_known:
        stops.add(NOT_RUN)
    return AccountFigures(
        account=state.account,
        counts=counts,
        allowed_per_s=state.allowed_per_s,
        sent_per_s=state.sent_per_s,
        queued_messages=state.queued_messages,
        credit=state.credit,
        credit_age_s=None if state.credit_ms is None else max(0.0, (now_ms - state.credit_ms) / 1000),
        credit_lasts_s=state.lasts_s,
        stops=frozenset(stops),
        held=held,
    )


def busiest(views: Iterable[CampaignView], campaigns_max: int = CAMPAIGNS_MAX) -> list[CampaignView]:
    """The campaigns that something is to be done for, longest queues first; none whose id contains a phone number."""
    under_way = [view for view in views if not view.counts.settled and masked_mobiles(view.id) == view.id]
    return sorted(under_way, key=_busy)[:campaigns_max]


def _busy(view: CampaignView) -> tuple[int, int, int, str]:
    return -(view.counts.queued + view.counts.in_flight), -view.counts.open, -view.launched_ms, view.id


def _missing(offsets: Mapping[tuple[str, int], int], ends: Ends) -> dict[tuple[str, int], int]:
    return {place: max(0, end - offsets.get(place, 0)) for place, end in ends.items()}
