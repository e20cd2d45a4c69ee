"""What share of an account's recipients usually fails, learnt from its healthy campaigns, and who fails more now.

Halted campaigns say nothing of healthy ones, follow-ups text those who failed before, messages of streams expire.
A stream is compared with its own earlier days, without the messages that expired.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from dispatcher.core.results.equation import Counts
from dispatcher.core.shanghai import SHANGHAI_MS
from dispatcher.core.waves.learnt import CAMPAIGNS_MAX, RECIPIENTS_MIN, Seen, learn
from dispatcher.core.waves.sequential import Learnt
from dispatcher.core.waves.unusual import UnusualRate, unusual_rate
from dispatcher.store.views import CampaignView, StreamDay

NOT_JUDGED: Final = ("finished", "holding", "cancelled")
"""Campaigns of which no report is expected any more."""


class UsualRates:
    """The failure rates of all accounts, from campaigns that were just read."""

    def __init__(self, views: Iterable[CampaignView]) -> None:
        self._before: dict[str, list[tuple[int, str, Seen]]] = {}
        for view in sorted(views, key=lambda view: -view.launched_ms):
            if not _says_what_is_usual(view):
                continue
            for account, counts in view.accounts.items():
                seen = Seen(counts.delivered + counts.failed, counts.failed)
                if seen.settled >= RECIPIENTS_MIN:
                    self._before.setdefault(account, []).append((view.launched_ms, view.id, seen))

    def of(self, view: CampaignView) -> dict[str, Learnt]:
        """The rate of each account of this campaign, from those that were launched before it."""
        return {account: self._learnt(account, view) for account in view.accounts}

    def unusual(self, view: CampaignView, at_ms: int) -> UnusualRate | None:
        """Whether more of a campaign fail than usual, of a stream on the day of `at_ms`; its `account` is "" then."""
        if view.test_of or view.follows is not None:
            return None
        if view.stream is not None:
            days = view.stream.days
            if not days or days[0].day != _day(at_ms):
                return None
            usual = learn([_seen(day) for day in days[1:]])
            return unusual_rate({"": _without_expired(days[0])}, {"": usual})
        return None if view.status in NOT_JUDGED else unusual_rate(view.accounts, self.of(view))

    def _learnt(self, account: str, of: CampaignView) -> Learnt:
        mine: list[Seen] = []
        for launched_ms, campaign, seen in self._before.get(account, ()):
            if launched_ms < of.launched_ms and campaign != of.id:
                mine.append(seen)
                if len(mine) == CAMPAIGNS_MAX:
                    break
        return learn(mine)


def _says_what_is_usual(view: CampaignView) -> bool:
    is_halted = view.waves is not None and any(said.verdict == "halted" for said in view.waves.decisions)
    return view.follows is None and view.stream is None and not is_halted


def _day(at_ms: int) -> str:
    return datetime.fromtimestamp((at_ms + SHANGHAI_MS) / 1000, UTC).date().isoformat()


def _without_expired(day: StreamDay) -> Counts:
    return msgspec.structs.replace(day.counts, failed=max(0, day.counts.failed - day.expired))


def _seen(day: StreamDay) -> Seen:
    counts = _without_expired(day)
    return Seen(counts.delivered + counts.failed, counts.failed)
