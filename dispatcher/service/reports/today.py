"""The figures of today (Asia/Shanghai) over all campaigns, cheap enough to show them every second.

A campaign that began today counts whole. Of one that began earlier, what was sent before today is taken off; that part
changes only by late reports, so it is counted anew every few minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS
from dispatcher.service.reports.outcomes import OutcomeRow, OutcomesWanted, report_outcomes
from dispatcher.service.session import Session
from dispatcher.store.views import CampaignView

BEFORE_AGAIN_S: Final = 300.0
EARLIER_MAX: Final = 50
"""Campaigns of earlier days whose part of before today is counted at a time; of others all counts as of today."""


class Today(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients since `since_ms`: `sent`, and what became of them. `queued` wait to be sent, of all days."""

    since_ms: int
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    unknown: int = 0
    no_report: int = 0
    waiting: int = 0
    queued: int = 0
    campaigns: int = 0


class TodayCounts:
    """Keeps what was sent before today; one lives as long as the process that shows the figures."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s: Final = now_s
        self._before: dict[tuple[str, int], tuple[float, OutcomeRow]] = {}

    async def look(self, session: Session, now_ms: int, views: Iterable[CampaignView]) -> Today:
        """The figures now. Raises LogError, StoreError."""
        since_ms = begin_of_day(now_ms)
        views = list(views)
        today = [view for view in views if view.last_sent_ms is not None and view.last_sent_ms >= since_ms]
        earlier = [view for view in today if (view.first_sent_ms or 0) < since_ms][:EARLIER_MAX]
        before = [await self._sent_before(session, view, since_ms) for view in earlier]
        self._before = {key: kept for key, kept in self._before.items() if key[1] == since_ms}

        def count(term: str, of_before: str) -> int:
            whole: int = sum(getattr(view.counts, term) for view in today)
            taken_off: int = sum(getattr(each, of_before) for each in before)
            return whole - taken_off

        figures = {
            "delivered": count("delivered", "delivered"),
            "failed": count("failed", "failed"),
            "unknown": count("unknown", "unknown"),
            "no_report": count("no_report", "no_report"),
            "waiting": count("accepted", "waiting") + sum(view.counts.in_flight for view in today),
        }
        return Today(
            since_ms=since_ms,
            sent=sum(figures.values()),
            queued=sum(view.counts.queued for view in views if not view.cancelled),
            campaigns=len(today),
            **figures,
        )

    async def _sent_before(self, session: Session, view: CampaignView, since_ms: int) -> OutcomeRow:
        key = (view.id, since_ms)
        at_s, kept = self._before.get(key, (float("-inf"), OutcomeRow()))
        if self._now_s() - at_s < BEFORE_AGAIN_S:
            return kept
        found = await report_outcomes(
            session, OutcomesWanted(since_ms=0, until_ms=since_ms, by=("campaign",), campaign=view.id)
        )
        row = found.rows[0] if found.rows else OutcomeRow()
        self._before[key] = (self._now_s(), row)
        return row


def begin_of_day(now_ms: int) -> int:
    """Midnight in Asia/Shanghai."""
    return (now_ms + SHANGHAI_MS) // DAY_MS * DAY_MS - SHANGHAI_MS
