"""A lane's notices of what keeps its recipients from being sent: a lasting stop is written once, and its end once.

Pure. The record is for people, and for the lane's next owner, which starts carefully if the last one was stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

from dispatcher.core.lane.account_states import NEVER
from schemas.records import Stop, Why

if TYPE_CHECKING:
    from dispatcher.core.lane.work import Piece

LASTS_S: Final = 0.5
"""Shorter stops are not written."""

AGAIN_S: Final = 10.0
"""How often a changed number of waiting recipients is written."""

OldWord = Literal["auth", "balance", "hours", "unreachable", ""]

_OLD_WORDS: Final[dict[Why, OldWord]] = {
    Why.LOGIN: "auth",
    Why.ADDRESS: "auth",
    Why.CREDIT: "balance",
    Why.HOURS: "hours",
    Why.VENDOR_HOURS: "hours",
}


def old_word(stops: Iterable[Stop]) -> OldWord:
    """The words of releases before `Stopped.stops`: only stops of the whole account count for them."""
    stop = whole(stops)
    return "" if stop is None else _OLD_WORDS.get(stop.why, "unreachable")


def whole(stops: Iterable[Stop]) -> Stop | None:
    """The stop of the whole account, if any."""
    return next((stop for stop in stops if not stop.recipients), None)


class Notices:
    """The notices of one account. `told`: the last one on the log, by any owner. `wake_s`: when to call `due` again."""

    def __init__(self, told: tuple[Stop, ...]) -> None:
        self.wake_s = NEVER
        self._told = told
        self._told_s = -NEVER
        self._whys = {stop.why for stop in told}
        self._whys_s = -NEVER
        self._some: dict[Why, Stop] = {}  # stops of some recipients
        self._looked_s = -NEVER

    def looks_again(self, now_s: float) -> bool:
        """Whether it is time to look for waiting recipients."""
        return now_s >= self._looked_s + LASTS_S

    def saw(self, waiting: Iterable[Piece], now_s: float, now_ms: int) -> None:
        """These recipients wait now."""
        self._looked_s = now_s
        before, self._some = self._some, {}
        for piece in waiting:
            why, wait = piece.wait.why, piece.wait
            if why is None:
                continue
            known = self._some.get(why) or before.get(why)
            counted = self._some[why].recipients if why in self._some else 0
            since_ms = now_ms if known is None else known.since_ms
            until_ms = now_ms + round((wait.not_before_s - now_s) * 1000) if wait.not_before_s else 0
            if why in self._some:
                until_ms = min(until_ms, self._some[why].until_ms)
            recipients = counted + piece.end - piece.start
            self._some[why] = Stop(why=why, code=wait.code, since_ms=since_ms, until_ms=until_ms, recipients=recipients)

    def log_says(self, stops: tuple[Stop, ...], now_s: float) -> None:
        """The newest notice on the log: if it is another one for long, a former owner's came late, and ours is due."""
        if now_s >= self._told_s + AGAIN_S and {stop.why for stop in stops} != {stop.why for stop in self._told}:
            self._told = stops

    def due(self, whole: Stop | None, now_s: float) -> tuple[Stop, ...] | None:
        """The notice to write now, which then counts as written; None: nothing."""
        stops = (*(() if whole is None else (whole,)), *self._some.values())
        if whole is not None:  # recipients refused for now wait for the whole account
            stops = tuple(stop for stop in stops if stop is whole or stop.why is not Why.BUSY)
        whys = {stop.why for stop in stops}
        if whys != self._whys:
            self._whys, self._whys_s = whys, now_s
        at_s = max(self._whys_s, self._told_s) + LASTS_S
        if whys == {stop.why for stop in self._told} and _wholes(stops) == _wholes(self._told):
            at_s = NEVER if stops == self._told else max(at_s, self._told_s + AGAIN_S)
        self.wake_s = min(at_s, self._looked_s + LASTS_S if self._some else NEVER)
        if now_s < at_s:
            return None
        self._told, self._told_s = stops, now_s
        self.wake_s = NEVER
        return stops


def _wholes(stops: tuple[Stop, ...]) -> tuple[Stop, ...]:
    return tuple(stop for stop in stops if not stop.recipients)
