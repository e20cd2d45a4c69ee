"""The duty that notices what no record of the log says: campaigns that are finished or fail too much, and alerts.

dispatcher/core/callbacks/notices.py decides; what is new is appended to `callbacks`, from which it is delivered.
"""

from __future__ import annotations

import time
from typing import Final

import msgspec

from dispatcher.callbacks.on_log import CallbacksOnLog
from dispatcher.config.file import Config
from dispatcher.core.callbacks.notices import AlertNow, CampaignFigures, news_of_alerts, news_of_campaigns
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Log
from dispatcher.service.account_states import AccountWatch
from dispatcher.service.reports.alerts import Alert, look_for_alerts
from dispatcher.service.session import open_session
from dispatcher.store.views import CampaignView
from schemas.records import CallbackEvent

LOOK_EVERY_S: Final = 5.0
REST_SHARE: Final = 20
"""A look that takes long is repeated after this many times as long."""

NOTHING_S: Final = 3_600.0
KINDS: Final = frozenset({"finished", "failing", "alert"})
BEGAN: Final = "began"
OF_CAMPAIGNS: Final = frozenset({"unknown", "equation-broken", "held-for-a-person", "left-at-closing", "failing"})
"""Alerts whose subject is a campaign."""


class NoticeDuty:
    """See the module."""

    def __init__(self, config: Config, log: Log, feed: CampaignsFeed) -> None:
        self._config: Final = config
        self._log: Final = log
        self._known: Final = CallbacksOnLog(log)
        self._accounts: Final = AccountWatch()
        self._kinds: Final = KINDS & {kind for callback in config.callbacks.values() for kind in callback.events}

    async def look(self, now_ms: int) -> float:
        """Notice what is new. Raises LogError, StoreError."""
        if not self._kinds:
            return NOTHING_S
        began_s = time.monotonic()
        await self._known.catch_up()
        if not self._known.states.keys() >= self._config.callbacks.keys():
            return 0.2  # a callback that has no position yet would miss it
        async with open_session(self._config, log=self._log) as session:
            views = await session.read(lambda reader: reader.campaigns(now_ms))
            events = self._of_campaigns(views, now_ms)
            if "alert" in self._kinds:
                accounts = await self._accounts.look(session, views)
                alerts = [alert_now(alert) for alert in await look_for_alerts(session, views, accounts, now_ms)]
                events += news_of_alerts(self._known.events, alerts, now_ms)
        if events:
            await self._known.write_events(*events)
        return max(LOOK_EVERY_S, REST_SHARE * (time.monotonic() - began_s))

    def _of_campaigns(self, views: list[CampaignView], now_ms: int) -> list[CallbackEvent]:
        """News of campaigns; at the very first look what is finished already is only remembered."""
        began = CallbackEvent(kind=BEGAN, subject="", at_ms=now_ms, old=True)
        is_first = began.key not in self._known.events
        percents = {
            name: each.failing_percent for name, each in self._config.callbacks.items() if "failing" in each.events
        }
        figures = [
            CampaignFigures(view.id, view.status == "finished", _terms(view)) for view in views if not view.test_of
        ]
        news = news_of_campaigns(self._known.events, figures, percents, now_ms, old=is_first)
        return [*news, began] if is_first else news


def alert_now(alert: Alert) -> AlertNow:
    """An alert as callbacks send it."""
    campaign = alert.subject if alert.kind in OF_CAMPAIGNS else ""
    return AlertNow(word=alert.kind, subject=alert.subject, says=alert.says, figure=alert.figure, campaign=campaign)


def _terms(view: CampaignView) -> dict[str, int | float]:
    """The terms of its equation that are not zero."""
    return {name: value for name, value in msgspec.structs.asdict(view.counts).items() if value}
