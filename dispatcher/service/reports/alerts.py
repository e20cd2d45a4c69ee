"""What needs a person's attention now, as values: pages and messages word it.

`urgent` alerts are first: those that keep something from being sent, or that say that figures are wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from dispatcher.accounts.holders import lane_holders
from dispatcher.config.file import AlertsConfig
from dispatcher.core.flow.forecast import Forecast
from dispatcher.core.schedule.holds import hold_sentence
from dispatcher.core.waves.unusual import UnusualRate
from dispatcher.service.account_states import AccountState
from dispatcher.service.campaigns.hindrances import AccountStop, stopped_since
from dispatcher.service.campaigns.progress import forecast, queues
from dispatcher.service.reports.usual_rates import UsualRates
from dispatcher.service.session import Session
from dispatcher.store.views import CampaignView
from dispatcher.vendors.seam.vendor import Vendor

AlertKind = Literal[
    "equation-broken",
    "account-stopped",
    "credit-low",
    "unknown",
    "held-for-a-person",
    "not-run",
    "left-at-closing",
    "failing",
]
DEFAULTS: Final = AlertsConfig()
PERSON_ENDS: Final = ("halted", "text", "budget", "over", "closing")
"""Holds that last until a person does something."""
URGENT: Final = ("equation-broken", "account-stopped", "credit-low", "not-run")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing. `subject` is an account or a campaign; `says` what is known in words; `figure` as `kind` needs it.

    `figure`: recipients (all others), hours of credit (credit low). `why`: the word of a hold. `at_ms`: when its hours
    end. `rate`: how much of a campaign fails, and how much usually does.
    """

    kind: AlertKind
    subject: str
    says: str = ""
    figure: float = 0.0
    why: str = ""
    stop: AccountStop | None = None
    rate: UnusualRate | None = None
    since_ms: int | None = None
    at_ms: int | None = None

    @property
    def urgent(self) -> bool:
        """Whether it is of the kinds that come first."""
        return self.kind in URGENT


async def look_for_alerts(
    session: Session, views: Sequence[CampaignView], accounts: Sequence[AccountState], at_ms: int
) -> list[Alert]:
    """The alerts of this moment, from all campaigns and accounts as they were just read. Raises ConfigError."""
    vendors = session.config.accounts

    def found() -> list[Alert]:
        return alerts_of(
            views,
            accounts,
            holders_known=lane_holders(session.places) is not None,
            forecasts=closing_forecasts(views, accounts, vendors, at_ms),
            unusual=unusual_rates(views, at_ms),
            settings=session.config.alerts,
        )

    return await asyncio.to_thread(found)


def closing_forecasts(
    views: Sequence[CampaignView], accounts: Iterable[AccountState], vendors: Mapping[str, Vendor], at_ms: int
) -> dict[str, Forecast]:
    """When the campaigns are sent whose hours end."""
    closing = [view for view in views if view.counts.queued and view.ends_ms is not None]
    if not closing:
        return {}
    stops = stopped_since(each.stopped for each in accounts if each.stopped is not None)
    waiting = queues(views, vendors, stops)
    return {view.id: forecast(view, waiting, vendors, stops, at_ms) for view in closing}


def unusual_rates(views: Sequence[CampaignView], at_ms: int) -> dict[str, UnusualRate]:
    """The campaigns that fail more than usual."""
    usual = UsualRates(views)
    found = {view.id: usual.unusual(view, at_ms) for view in views}
    return {campaign: rate for campaign, rate in found.items() if rate is not None}


def alerts_of(
    views: Iterable[CampaignView],
    accounts: Iterable[AccountState],
    *,
    holders_known: bool,
    forecasts: Mapping[str, Forecast] = {},
    unusual: Mapping[str, UnusualRate] = {},
    settings: AlertsConfig = DEFAULTS,
) -> list[Alert]:
    """The alerts of this moment, the urgent ones first, then the oldest.

    `holders_known` False: it is not known here which lanes are run (on Kafka the broker knows). `forecasts` and
    `unusual`: of campaigns.
    """
    found: list[Alert] = []
    for state in accounts:
        name = state.account
        if state.stopped is not None:
            stop = state.stopped
            found.append(
                Alert(kind="account-stopped", subject=name, says=stop.sentence, stop=stop, since_ms=stop.since_ms)
            )
        if state.queued and state.held_by is None and holders_known:
            found.append(Alert(kind="not-run", subject=name, figure=state.queued))
        if state.lasts_s is not None and state.lasts_s < settings.credit_hours * 3600 and state.queued:
            found.append(Alert(kind="credit-low", subject=name, figure=state.lasts_s / 3600))
    for view in views:
        counts = view.counts
        if not counts.adds_up:
            found.append(Alert(kind="equation-broken", subject=view.id, says=counts.line(zeros=True)))
        if counts.unknown:
            since_ms = view.unknown_since_ms
            found.append(Alert(kind="unknown", subject=view.id, figure=counts.unknown, since_ms=since_ms))
        if view.held is not None and view.held.why in PERSON_ENDS and counts.queued:
            says = hold_sentence(view.held, view.id)
            why = view.held.why
            found.append(Alert(kind="held-for-a-person", subject=view.id, says=says, why=why, figure=counts.queued))
        expected = forecasts.get(view.id)
        if expected is not None and expected.left_at_closing:
            left, at_ms = expected.left_at_closing, expected.closes_at_ms
            found.append(Alert(kind="left-at-closing", subject=view.id, figure=left, at_ms=at_ms))
        if (rate := unusual.get(view.id)) is not None:
            says = rate_sentence(rate)
            found.append(Alert(kind="failing", subject=view.id, says=says, figure=rate.failed, rate=rate))
    return sorted(found, key=lambda each: (not each.urgent, each.since_ms or 0, each.subject))


def rate_sentence(rate: UnusualRate) -> str:
    """The rate in English."""
    on = f" on account {rate.account}" if rate.account else ""
    share = rate.failed / rate.sent
    return f"{rate.failed:,} of {rate.sent:,} sent recipients failed{on} ({share:.1%}); usually {rate.usual:.1%} fail."
