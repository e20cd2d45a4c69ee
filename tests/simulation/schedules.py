"""Campaigns with sending hours: in some histories a minute of the week closes while they are sent.

The hours leave out one or two minutes of the week, which begin during the history. Some campaigns wait then until they
are resumed, or get other hours; others continue. Judged at each first byte, by the calendar and not by the code that
ships: nothing leaves in those minutes, nor after the end of a session until a person says so.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from dispatcher.core.schedule.hours import WEEK_MIN, of_spans
from schemas.records import Flowed, HoursChanged, Launched
from tests.simulation.launches import Plan
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.world import CLOCK_AHEAD_MS, World

SHARE: Final = 0.2
RESUMED_S: Final = (25.0, 60.0)
"""When a person ends the waiting, after the war."""


def has_hours(seed: int) -> bool:
    """Whether campaigns of this history have hours."""
    return random.Random(f"{seed}, hours").random() < SHARE


class Schedules:
    """The hours of a history's campaigns, and when each of them began or was resumed last."""

    def __init__(self, world: World, log: SimLog, plans: Sequence[Plan], war_s: float) -> None:
        self.world, self.log = world, log
        self.held = 0
        self._rng = rng = random.Random(f"{world.seed}, hours")
        self.acts = rng.random() < SHARE  # as `has_hours` says
        self._closed: dict[str, range] = {}  # minutes of the week
        self._pauses: dict[str, bool] = {}
        self._since_ms: dict[str, int] = {}
        self.plans = list(plans)
        if not self.acts:
            return
        world.wall_skew_s = rng.uniform(5.0, 55.0)  # so that a minute begins during the war
        first = minute_of_week(world.now_ms) + 1
        for index, plan in enumerate(self.plans):
            if rng.random() < 0.3:
                continue
            closed = self._closed[plan.name] = range(first, first + rng.choice([1, 2]))
            self._pauses[plan.name] = rng.random() < 0.6
            hours = of_spans([(closed.stop, closed.start + WEEK_MIN)])
            at_closing = "pause" if self._pauses[plan.name] else "continue"
            self.plans[index] = msgspec.structs.replace(plan, hours=hours.spans, at_closing=at_closing)
            world.after(war_s + rng.uniform(*RESUMED_S), partial(self._resumes, plan.name))
        log.listeners.append(self._written)

    def writes(self, campaign: str, now_ms: int) -> None:
        """A first byte of this campaign leaves at this moment of the sender's clock. Raises Broken."""
        closed = self._closed.get(campaign)
        if closed is None:
            return
        if _is_in(minute_of_week(now_ms), closed):
            raise self.world.broken(f"{campaign} is sent outside its hours")
        if self._pauses[campaign] and now_ms >= self._session_ends_ms(campaign, closed):
            raise self.world.broken(f"{campaign} is sent after its session, and nobody resumed it")

    def _session_ends_ms(self, campaign: str, closed: range) -> int:
        since_ms = self._since_ms[campaign]
        ahead = (closed.start - minute_of_week(since_ms)) % WEEK_MIN
        if _is_in(minute_of_week(since_ms), closed):
            ahead = ahead or WEEK_MIN
        return since_ms // 60_000 * 60_000 + ahead * 60_000

    def _resumes(self, campaign: str) -> None:
        """A person resumes it, or gives it other hours; their clock is behind no lane's, else the session is over."""
        at_ms = self.world.now_ms + CLOCK_AHEAD_MS
        if self._rng.random() < 0.5:
            self.log.put("campaigns", [Flowed(campaign=campaign, paused=False, at_ms=at_ms, by="t")])
        else:
            self.log.put(
                "campaigns", [HoursChanged(campaign=campaign, hours=(), at_closing="pause", at_ms=at_ms, by="t")]
            )

    def _written(self, topic: str, offset: int, record: Any) -> None:
        match record:
            case Launched():
                self._since_ms.setdefault(record.campaign, record.at_ms)
            case Flowed(paused=False) if record.at_ms:
                self._since_ms[record.campaign] = max(record.at_ms, self._since_ms.get(record.campaign, 0))
            case HoursChanged():
                self._closed.pop(record.campaign, None)


def minute_of_week(at_ms: int) -> int:
    """The minute of the week in Asia/Shanghai, by the calendar."""
    local = datetime.fromtimestamp(at_ms / 1000, UTC) + timedelta(hours=8)
    return local.weekday() * 1_440 + local.hour * 60 + local.minute


def _is_in(minute: int, closed: range) -> bool:
    return minute in closed or minute + WEEK_MIN in closed
