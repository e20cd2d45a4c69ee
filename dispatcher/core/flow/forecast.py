"""When the campaigns that share an account will have left it. Pure; a fluid model of the lane's fair shares.

An account's time is shared as the lane shares its flow limit (fairness.py): urgent campaigns before all others, then by
weight, each of them only while its own hours and the account's are open. Weak spot: later launches, throttling and
stops are not known; a forecast is the earliest time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from dispatcher.core.schedule.hours import ALWAYS, END_OF_TIME_MS, Hours
from dispatcher.core.shanghai import DAY_MS

HORIZON_MS: Final = 366 * DAY_MS
"""What is not sent within a year of windows is forecast as never sent."""


class Load(msgspec.Struct, frozen=True):
    """What one campaign still has to send over an account: `alone_s`, the time it takes at the whole flow limit.

    It is sent within `hours`, not before `from_ms`, and not from `ends_ms` on. `recipients`: how many, if known.
    """

    campaign: str
    alone_s: float
    weight: int = 1
    urgent: bool = False
    hours: Hours = ALWAYS
    from_ms: int = 0
    ends_ms: int = END_OF_TIME_MS
    recipients: int = 0


class Sent(msgspec.Struct, frozen=True):
    """When the last message of a load leaves; None: never, and `left_s` of its time alone is left."""

    at_ms: int | None
    left_s: float = 0.0


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """When the last message of a campaign leaves, at the earliest.

    `left_s`: from now on; None if something keeps an account from sending, or if its hours end first: then
    `left_at_closing` recipients are left at `closes_at_ms`. `beside`: recipients of other campaigns that the same
    accounts send meanwhile. `alone_s`: how long it would take without them.
    """

    left_s: float | None
    finish_at_ms: int | None
    alone_s: float
    beside: int
    closes_at_ms: int | None = None
    left_at_closing: int = 0


def recipients_beside(loads: Iterable[Load], campaign: str, now_ms: int, end_ms: int) -> int:
    """The recipients of other campaigns of an account that may be sent before this campaign is, at `end_ms`."""
    others = [load for load in loads if load.campaign != campaign]
    return sum(load.recipients for load in others if load.hours.opens_ms(max(now_ms, load.from_ms)) <= end_ms)


def when_sent(loads: Iterable[Load], start_ms: int, hours: Hours = ALWAYS) -> dict[str, Sent]:
    """For each campaign of an account that sends from `start_ms` on within `hours`, when it is sent."""
    found: dict[str, Sent] = {}
    pending = {load.campaign: load for load in loads}
    left_ms = {load.campaign: load.alone_s * 1000 for load in pending.values()}
    windows = [each for each in (hours, *(load.hours for load in pending.values())) if not each.always]
    horizon_ms = HORIZON_MS if windows else END_OF_TIME_MS
    passed_ms = 0.0
    while pending:
        now_ms = start_ms + int(passed_ms)
        over = passed_ms > horizon_ms
        for load in [load for load in pending.values() if over or now_ms >= load.ends_ms]:
            found[load.campaign] = Sent(None, left_ms[load.campaign] / 1000)
            del pending[load.campaign]
        serving = _served(pending.values(), now_ms, hours)
        step_ms = float(_next_change_ms(pending.values(), now_ms, hours) - start_ms) - passed_ms
        if serving:
            together = sum(max(load.weight, 1) for load in serving)
            whole_ms = min(left_ms[load.campaign] * together / max(load.weight, 1) for load in serving)
            step_ms = min(step_ms, whole_ms)
            for load in serving:
                left_ms[load.campaign] -= step_ms * max(load.weight, 1) / together
        passed_ms += step_ms
        for load in serving:
            if left_ms[load.campaign] <= 1e-9 * max(1000.0, passed_ms):
                found[load.campaign] = Sent(start_ms + round(passed_ms))
                del pending[load.campaign]
    return found


def _served(loads: Iterable[Load], now_ms: int, hours: Hours) -> list[Load]:
    """The loads that share the account at this moment."""
    if not hours.is_open(now_ms):
        return []
    is_open = {each: each.is_open(now_ms) for each in {load.hours for load in loads}}
    able = [load for load in loads if load.from_ms <= now_ms and is_open[load.hours]]
    return [load for load in able if load.urgent] or able


def _next_change_ms(loads: Iterable[Load], now_ms: int, hours: Hours) -> int:
    """The first moment after this one at which other loads may be served."""
    found = END_OF_TIME_MS
    for each in {hours, *(load.hours for load in loads)}:
        opens_ms, closes_ms = each.session(now_ms)
        found = min(found, closes_ms if opens_ms <= now_ms else opens_ms)
    for load in loads:
        found = min(found, load.ends_ms, load.from_ms if load.from_ms > now_ms else END_OF_TIME_MS)
    return found
