"""Watches one process at the wire: what it may still write during an outage of the vendor.

After three troubles in a row (busy, an error, no answer or connection) nothing is written for a pause, then one request
at a time to one recipient, after pauses that double up to half a minute, until one is answered. After three refusals of
a web server in a row nothing is written at all, until a person has checked the account. A new owner that could read
that its predecessor was stopped begins in the same way. The rules are written down here a second time, from the
promise, not from the core.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from dispatcher.core.lane.answers.verdict import Kind, Origin, Verdict
from dispatcher.core.lane.effects import Send
from dispatcher.core.lane.spec import LaneSpec
from schemas.records import Stop, Why

IN_A_ROW: Final = 3
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
TOLERANCE_S: Final = 1e-6
TROUBLES: Final = (Kind.RETRY_LATER, Kind.UNKNOWN)
ANSWERS: Final = (Kind.ACCEPTED, Kind.PARTIAL, Kind.CONTENT, Kind.BALANCE)


class HeldWatch:
    """One ownership of an account of this `spec`, whose former owner told the log `stops`. `broken` raises."""

    def __init__(self, broken: Callable[[str, list[int]], None], spec: LaneSpec, stops: tuple[Stop, ...]) -> None:
        self._broken = broken
        self._few = spec.numbers_min
        self._unpaced = spec.limit is None
        self._row = 0
        self._web_row = 0
        self._held = any(not stop.recipients and stop.why is not Why.SUPPRESSION for stop in stops)
        self._is_paid = all(stop.why is not Why.CREDIT for stop in stops)
        self._pauses = 0
        self._not_before_s = float("-inf")
        self._elsewhere = False
        self._trials: set[int] = set()
        self._no_credit = False
        self._credit_trials: set[int] = set()  # sent to find out whether there is credit again

    def writes(self, send: Send, now_s: float) -> None:
        """The first byte of this request is written."""
        intent = [send.intent]
        if self._elsewhere:
            self._broken("a request is written though no vendor is there, and nobody has checked", intent)
        if self._no_credit:
            self._credit_trials.add(send.intent)
        if not self._held:
            return
        if now_s < self._not_before_s - TOLERANCE_S:
            self._broken(f"a request is written {self._not_before_s - now_s:.1f} s before the pause is over", intent)
        if send.count > self._few:
            self._broken(f"an account that is held back sends to {send.count} recipients at once", intent)
        if self._trials:
            self._broken("an account that is held back sends two requests at a time", intent)
        self._trials.add(send.intent)

    def answered(self, send: Send, verdict: Verdict, now_s: float) -> None:
        """What came of a request, written or not."""
        trial = send.intent in self._trials | self._credit_trials
        self._trials.discard(send.intent)
        self._credit_trials.discard(send.intent)
        if verdict.kind in ANSWERS:
            self.works()
            self._no_credit = verdict.kind is Kind.BALANCE
        elif self._is_trouble(verdict):
            self._web_row = self._web_row + 1 if verdict.wrong_server else self._web_row
            self._row += 1
            if verdict.kind is Kind.RETRY_LATER:
                self._web_row = 0
            if self._web_row >= IN_A_ROW and verdict.wrong_server:
                self._elsewhere = True
            elif trial or (not self._held and (self._row >= IN_A_ROW or verdict.kind is Kind.THROTTLED)):
                self._hold(now_s)
            elif verdict.kind is Kind.NOT_SENT:  # a trial that found nobody: credit does not end this any more
                self._is_paid = True

    def answered_in_runs(self, send: Send, verdicts: list[Verdict], now_s: float) -> None:
        """What came of the runs of a request: an answer first, then "too fast", then its last trouble, once each."""
        answers = [verdict for verdict in verdicts if verdict.kind in ANSWERS]
        throttled = [verdict for verdict in verdicts if verdict.kind is Kind.THROTTLED]
        others = [verdict for verdict in verdicts if verdict.kind not in (*ANSWERS, Kind.THROTTLED)]
        told = [*answers[:1], *throttled[:1], *others[-1:]]
        for verdict in told:
            self.answered(send, verdict, now_s)

    def works(self) -> None:
        """The vendor has answered, or is known to work in another way."""
        self._row = self._web_row = self._pauses = 0
        self._held = self._no_credit = False
        self._is_paid = True

    @property
    def may_send_all(self) -> bool:
        """Whether nothing keeps the account from sending at full speed, as far as answers go."""
        return not self._held and not self._elsewhere

    def paid(self) -> None:
        """The balance covers messages."""
        self._no_credit = False
        self._credit_trials.clear()
        if not self._is_paid:
            self.works()

    def checked(self) -> None:
        """A person looked after the account."""
        self._elsewhere = False
        self._not_before_s = float("-inf")

    def _is_trouble(self, verdict: Verdict) -> bool:
        if verdict.kind is Kind.THROTTLED:
            return self._unpaced or self._held
        unreachable = verdict.kind is Kind.NOT_SENT and verdict.origin is not Origin.OURS
        return verdict.kind in TROUBLES or verdict.wrong_server or unreachable

    def _hold(self, now_s: float) -> None:
        self._held = self._is_paid = True  # credit does not end it
        self._no_credit = False
        self._not_before_s = now_s + min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._pauses)
        self._pauses += 1
