"""The gate: requests that are built and connected wait here until the flow limit has a place for them. Pure.

Whatever takes time lies before the gate: reading the intent back, taking the values, building the body, connecting,
logging in. The place is taken as the first byte is written, so a slow step delays its own request and costs it nothing
else. A link asks for the messages of a chunk that fit its window, again and again; each such grant has its own place.

What these steps take is learned here, for each account by itself: how far ahead of its moment an intent is asked for
(`Lead`), how long it lives and how many wait (`TimeToLive`). Without the second, a step that takes longer than the
configured time to live would have every intent expire, for ever.
"""

from __future__ import annotations

from typing import Final

import msgspec

LEAD_FIRST_S: Final = 0.05
LEAD_MIN_S: Final = 0.005
LEAD_OF_LIFE: Final = 0.5
"""No intent is asked for earlier than this share of its time to live before its moment."""

WEIGHT: Final = 0.125
DEVIATIONS: Final = 4
"""As a TCP sender estimates its time-out: a moving mean and four times the moving mean deviation."""

LATE: Final = 3
AHEAD_MAX: Final = 64
TTL_MAX_S: Final = 600.0
EASY: Final = 4
"""A request written within this fraction of its time to live says that half of it would do."""


class Grant(msgspec.Struct, frozen=True):
    """What a link may write of a chunk now: this many messages (0: none of its rest ever), under this `ticket`."""

    messages: int
    ticket: int


NOTHING_EVER: Final = Grant(0, 0)


class Lead:
    """How long before its moment an intent is asked for: what bringing its request to the gate usually takes."""

    def __init__(self) -> None:
        self._mean_s = 0.0
        self._deviation_s = 0.0
        self._straggler = False
        self.s = LEAD_FIRST_S

    @property
    def late_s(self) -> float:
        """The time after which a request that has not reached the gate is a straggler."""
        return LATE * self.s

    def took(self, seconds: float) -> None:
        """Record the time from the demand for an intent to its request at the gate.

        A single straggler counts as no more than the lead, so that the next chunks are not announced far ahead because
        of one slow connection; the second in a row counts in full.
        """
        straggler = seconds > self.s
        if straggler and not self._straggler:
            seconds = self.s
        self._straggler = straggler
        if not self._mean_s:
            self._mean_s, self._deviation_s = seconds, seconds / DEVIATIONS
        else:
            self._deviation_s += WEIGHT * (abs(seconds - self._mean_s) - self._deviation_s)
            self._mean_s += WEIGHT * (seconds - self._mean_s)
        self.s = max(LEAD_MIN_S, self._mean_s + DEVIATIONS * self._deviation_s)


class TimeToLive:
    """How long the account's intents may wait to be written: as configured, and longer where that is too short.

    `ahead`: how many may wait for a request to end. Those that waited in vain say that they are too many.
    """

    def __init__(self, least_s: float) -> None:
        self._least_s: Final = least_s
        self.s = least_s
        self.ahead = AHEAD_MAX

    def too_short(self, was_s: float) -> None:
        """An intent that lived for `was_s` came too late, though nothing held it back."""
        self.s = max(self.s, min(2 * was_s, TTL_MAX_S))

    def waited_in_vain(self, was_s: float) -> None:
        """An intent that lived for `was_s` was over before the driver could take it."""
        if not self.ahead:
            self.too_short(was_s)
        self.ahead //= 2

    def enough(self, took_s: float) -> None:
        """Record the time from the demand for an intent to the write of its request."""
        if took_s * EASY < self.s:
            self.s = max(self._least_s, self.s / 2)
            self.ahead = min(self.ahead + 1, AHEAD_MAX)
