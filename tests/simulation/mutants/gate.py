"""Deliberate mistakes at the gate: with a slow machine, log or connection nothing would leave, or too much at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.flow.pacing import Pacer
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.effects import Effect, Go
from dispatcher.core.lane.gate import TimeToLive
from dispatcher.core.lane.next_sends import NextSends
from dispatcher.core.lane.owner import Owner
from dispatcher.core.lane.requests import Ready, Sending
from dispatcher.core.lane.state import Chunk

SLACK_S: Final = 0.005


def a_place_is_taken_before_the_request_is_built(patch: MonkeyPatch) -> None:
    """Whoever comes later than SLACK_S gives the place back, and its chunk waits for the next one from the start."""
    goes, ready_first = AccountLane.goes, AccountLane.next_ready

    def next_ready(self: AccountLane) -> Ready | None:
        found = ready_first(self)
        if found is None or self.pacer is None or found.read_s + self.ttl.s < _now_s[0]:
            return found
        units = self.units(found.chunk.count, found.parts)
        return found if self.pacer.earliest(units, _now_s[0]) <= _now_s[0] else None

    def goes_with_its_place(self: AccountLane, ready: Ready, now_s: float) -> Sending:
        sending = goes(self, ready, now_s)
        if self.pacer is not None:
            sending.ticket = self.pacer.left(sending.units, now_s)
        return sending

    def may_write(self: Owner, intent: int, account: str, now_s: float, now_ms: int) -> bool | None:
        lane = self.lanes[account]
        sending = lane.sending.get(intent)
        if sending is None or self._refusal(lane, sending, now_s, now_ms):
            return False
        if lane.pacer is not None and now_s - sending.handed_s > SLACK_S:
            lane.pacer.unanswered(sending.ticket, never_left=True)
            return False
        sending.written = True
        return True

    of = NextSends.of

    def timed_of(self: NextSends, lane: AccountLane, now_s: float, now_ms: int, *, draining: bool) -> Iterator[Effect]:
        _now_s[0] = now_s
        self.wake_s = min(self.wake_s, now_s + 0.01)
        return of(self, lane, now_s, now_ms, draining=draining)

    _now_s = [0.0]
    patch.setattr(NextSends, "of", timed_of)
    patch.setattr(AccountLane, "next_ready", next_ready)
    patch.setattr(AccountLane, "goes", goes_with_its_place)
    patch.setattr(Owner, "may_write", may_write)


def who_waits_at_the_gate_is_not_told_to_go(patch: MonkeyPatch) -> None:
    original = NextSends._let_go

    def let_go(self: NextSends, lane: AccountLane, now_s: float, now_ms: int, *, draining: bool) -> Iterator[Effect]:
        late = {sending.chunk.intent for sending in lane.unsent if draining or now_s > sending.deadline_s}
        for effect in original(self, lane, now_s, now_ms, draining=draining):
            if not isinstance(effect, Go) or effect.intent in late:
                yield effect

    patch.setattr(NextSends, "_let_go", let_go)


def everybody_at_the_gate_goes_at_once(patch: MonkeyPatch) -> None:
    patch.setattr(AccountLane, "opens_at", lambda self, sending, now_s: self.held_until_s)


def the_last_at_the_gate_goes_first(patch: MonkeyPatch) -> None:
    def first_at_gate(self: AccountLane) -> Sending | None:
        return next((each for each in reversed(list(self.at_gate))), None)

    patch.setattr(AccountLane, "first_at_gate", property(first_at_gate))


def a_place_is_counted_from_when_building_began(patch: MonkeyPatch) -> None:
    original = AccountLane.leaves
    left = Pacer.left

    def leaves(self: AccountLane, sending: Sending, now_s: float) -> None:
        patch.setattr(Pacer, "left", lambda pacer, units, _: left(pacer, units, sending.handed_s))
        original(self, sending, now_s)

    patch.setattr(AccountLane, "leaves", leaves)


def the_time_to_live_does_not_grow(patch: MonkeyPatch) -> None:
    patch.setattr(TimeToLive, "too_short", lambda self, was_s: None)


def a_new_owner_does_not_know_how_long_intents_live(patch: MonkeyPatch) -> None:
    def configured(self: Owner, chunk: Chunk) -> float:
        return self.settings.ttl_s

    patch.setattr(Owner, "_ttl_s", configured)


GATE_MUTANTS: Final = (
    a_place_is_taken_before_the_request_is_built,
    who_waits_at_the_gate_is_not_told_to_go,
    everybody_at_the_gate_goes_at_once,
    the_last_at_the_gate_goes_first,
    a_place_is_counted_from_when_building_began,
    the_time_to_live_does_not_grow,
    a_new_owner_does_not_know_how_long_intents_live,
)
