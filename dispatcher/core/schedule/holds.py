"""What holds a launched campaign that nobody paused: its hours, their end, and what else a person or a rule decides.

Pure functions of facts on the log and the wall clock. Lanes ask `Campaign.held` (dispatcher/core/campaigns.py) before
an intent and again right before the first byte; views ask the same.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from dispatcher.core.schedule.hours import END_OF_TIME_MS, Hours
from dispatcher.sentences import N_
from schemas.records import AtClosing

HoldWhy = Literal["hours", "closing", "halted", "wave", "text", "budget", "over"]

HOLDS: Final[dict[HoldWhy, str]] = {
    "hours": N_("outside its sending hours"),
    "halted": N_("halted in a wave; what is left waits until you release it: dispatcher campaign release {campaign}"),
    "budget": N_("its budget is spent; raise it: dispatcher campaign budget {campaign} CNY"),
    "closing": N_(
        "its sending hours ended; what is left waits until you resume it: dispatcher campaign resume {campaign}"
    ),
    "over": N_("its time is over; what is left is not sent"),
    "wave": N_("between waves; the next one waits for the reports of the one before"),
    "text": N_("the last wave waits until you decide its text: dispatcher campaign decide {campaign} --text LETTER"),
}
"""Every reason of a hold, as a sentence about `{campaign}`."""

BY_RESULTS: Final = frozenset[HoldWhy](("wave", "text", "budget"))
"""The holds that show in the results only: something is left, and none of it may be sent."""


class Hold(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why nothing of a campaign is sent now. `until_ms` 0: until a person, a report or another fact ends it.

    `also`: what else keeps it from sending, so that it is held still when `why` has ended.
    """

    why: HoldWhy
    until_ms: int = 0
    also: tuple[HoldWhy, ...] = ()


HALTED: Final = Hold("halted")
OVER: Final = Hold("over")
WAITS_FOR_REPORTS: Final = Hold("wave")
WAITS_FOR_TEXT: Final = Hold("text")


def without_budget(hold: Hold | None) -> Hold:
    """What holds a campaign whose budget is spent and that this holds, too: an opening of its hours ends nothing."""
    if hold is None or hold.why in ("budget", "over"):
        return hold or Hold("budget")
    return Hold("budget", also=(hold.why,))


def hold_sentence(hold: Hold, campaign: str) -> str:
    """Why this campaign is held, and what a person can do about it."""
    return "; ".join(HOLDS[why].format(campaign=campaign) for why in (hold.why, *hold.also))


def waits_for_a_person(hold: Hold | None) -> bool:
    """Whether `campaign resume` ends this hold."""
    return hold is not None and hold.why == "closing"


class Schedule:
    """The hours of one campaign. It began, or was resumed last, at `since_ms`.

    The session that is open then, or the next one, is its own. With `at_closing` pause nothing is sent after it.
    Nothing at all is sent from `over_ms` on; 0: there is no such time.
    """

    __slots__ = ("_closes_ms", "_known", "_over_ms", "at_closing", "hours", "since_ms")

    def __init__(self, hours: Hours, at_closing: AtClosing, since_ms: int, over_ms: int = 0) -> None:
        self.hours: Final = hours
        self.at_closing: Final = at_closing
        self.since_ms: Final = since_ms
        self._closes_ms: Final = hours.closes_ms(since_ms) if at_closing == "pause" else END_OF_TIME_MS
        self._over_ms: Final = over_ms or END_OF_TIME_MS
        self._known: tuple[int, int, Hold | None] = (0, 0, None)  # the last answer, and from when to when it holds

    @property
    def ends_ms(self) -> int:
        """When nothing more is sent, or nothing until it is resumed; END_OF_TIME_MS: never."""
        return min(self._closes_ms, self._over_ms)

    def hold(self, now_ms: int) -> Hold | None:
        """What holds it now."""
        from_ms, to_ms, hold = self._known
        if from_ms <= now_ms < to_ms:
            return hold
        if now_ms >= self._over_ms:
            self._known = (self._over_ms, END_OF_TIME_MS, OVER)
        elif now_ms >= self._closes_ms:
            self._known = (self._closes_ms, self._over_ms, Hold("closing"))
        else:
            opens_ms, closes_ms = self.hours.session(now_ms)
            if opens_ms <= now_ms:
                self._known = (opens_ms, min(closes_ms, self._over_ms), None)
            else:
                self._known = (now_ms, min(opens_ms, self._over_ms), Hold("hours", opens_ms))
        return self._known[2]
