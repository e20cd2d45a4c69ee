"""When the campaigns that share an account will have left it. Pure; a fluid model of the lane's fair shares.

An account's time is shared as the lane shares its flow limit (fairness.py): urgent campaigns before all others, then by
weight. Weak spot: later launches, throttling and stops are not known; a forecast is the earliest time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
SHANGHAI_MS: Final = 8 * HOUR_MS
"""Asia/Shanghai's offset from UTC, all year; sending hours are in its time."""


class Load(msgspec.Struct, frozen=True):
    """What one campaign still has to send over an account: `alone_s`, the time it takes at the whole flow limit."""

    campaign: str
    alone_s: float
    weight: int = 1
    urgent: bool = False


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """When the last message of a campaign leaves, at the earliest.

    `left_s`: from now on; None if something keeps an account from sending. `beside`: recipients of other campaigns that
    the same accounts send meanwhile. `alone_s`: how long it would take without them.
    """

    left_s: float | None
    finish_at_ms: int | None
    alone_s: float
    beside: int


def finish_s(loads: Iterable[Load]) -> dict[str, float]:
    """For each campaign, the seconds of sending until its last message leaves."""
    found: dict[str, float] = {}
    now_s = 0.0
    loads = list(loads)
    for urgent in (True, False):
        left = {load.campaign: load.alone_s for load in loads if load.urgent is urgent}
        weights = {load.campaign: max(load.weight, 1) for load in loads if load.urgent is urgent}
        while left:
            together = sum(weights[campaign] for campaign in left)
            step_s = min(rest * together / weights[campaign] for campaign, rest in left.items())
            now_s += step_s
            for campaign in list(left):
                left[campaign] -= step_s * weights[campaign] / together
                if left[campaign] <= 1e-9 * max(1.0, now_s):
                    del left[campaign]
                    found[campaign] = now_s
    return found


def sent_by_ms(start_ms: int, sending_s: float, hours: tuple[int, int] | None) -> int:
    """When an account that starts now has sent for this many seconds, within `hours` (from, to; Shanghai) if given."""
    left_ms = round(sending_s * 1000)
    if hours is None or hours[1] - hours[0] >= 24:
        return start_ms + left_ms
    opens, closes = (hour * HOUR_MS for hour in hours)
    a_day_ms = closes - opens
    midnight_ms = (start_ms + SHANGHAI_MS) // DAY_MS * DAY_MS - SHANGHAI_MS
    at_ms = max(start_ms, midnight_ms + opens)
    today_ms = max(0, midnight_ms + closes - at_ms)
    if left_ms <= today_ms:
        return at_ms + left_ms if today_ms else midnight_ms + DAY_MS + opens
    left_ms -= today_ms
    days, rest_ms = divmod(left_ms, a_day_ms)
    if not rest_ms:
        days, rest_ms = days - 1, a_day_ms
    return midnight_ms + (days + 1) * DAY_MS + opens + rest_ms
