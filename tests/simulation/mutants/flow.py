"""Deliberate mistakes in when it is sent: the flow limit, the sharing between campaigns, the balance, the clock."""

from __future__ import annotations

from typing import Any, Final

from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.campaigns import Campaign
from dispatcher.core.flow import fairness
from dispatcher.core.flow.fairness import FairShare, UrgentFirst
from dispatcher.core.flow.pacing import Pacer
from dispatcher.core.lane import account_states
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.account_states import ACCOUNT, AccountEvent
from dispatcher.core.lane.owner import Owner
from tests.simulation.world.world import WALL_S


def pacing_is_not_seeded_after_recovery(patch: MonkeyPatch) -> None:
    patch.setattr(AccountLane, "took_over", lambda self, now_s, ttl_s: None)


def pacing_counts_from_leaving_not_from_arrival(patch: MonkeyPatch) -> None:
    original = Pacer.answered
    patch.setattr(Pacer, "answered", lambda self, ticket, wrote_s, answered_s: original(self, ticket, wrote_s, wrote_s))


def pacing_catches_up_in_a_burst(patch: MonkeyPatch) -> None:
    def earliest(self: Pacer, units: int, now_s: float, **_: Any) -> float:
        return max(self._held_until_s, self._arrival_s - 4 * self._interval(units, self.limit))

    patch.setattr(Pacer, "earliest", earliest)


def parts_are_counted_as_messages(patch: MonkeyPatch) -> None:
    original = Pacer.left
    patch.setattr(Pacer, "left", lambda self, units, now_s: original(self, 1 + units // 3, now_s))


def the_first_campaign_is_always_served(patch: MonkeyPatch) -> None:
    patch.setattr(FairShare, "pick", lambda self, ready: next(iter(ready))[0])


def weights_are_ignored(patch: MonkeyPatch) -> None:
    original = FairShare.charge

    def charge(self: FairShare, campaign: str, units: int, weight: int, *, urgent: bool) -> None:
        original(self, campaign, units, 1, urgent=urgent)

    patch.setattr(FairShare, "charge", charge)


def weight_changes_are_ignored(patch: MonkeyPatch) -> None:
    patch.setattr(Campaign, "weight", property(lambda self: self.launched.weight if self.launched else 1))


def who_was_idle_catches_up(patch: MonkeyPatch) -> None:
    original = FairShare.charge

    def charge(self: FairShare, campaign: str, units: int, weight: int, *, urgent: bool) -> None:
        original(self, campaign, units, weight, urgent=urgent)
        self._now = {False: 0.0, True: 0.0}

    patch.setattr(FairShare, "charge", charge)


def urgent_campaigns_take_it_all(patch: MonkeyPatch) -> None:
    patch.setattr(fairness, "URGENT_RUN", 10**9)


def urgent_campaigns_wait_their_turn(patch: MonkeyPatch) -> None:
    patch.setattr(fairness, "URGENT_RUN", 2)


def what_is_ready_and_urgent_always_goes_first(patch: MonkeyPatch) -> None:
    original = UrgentFirst.leaves

    def leaves(self: UrgentFirst, chunk: Any) -> None:
        original(self, chunk)
        self._urgent_row = 0

    patch.setattr(UrgentFirst, "leaves", leaves)


def who_becomes_urgent_keeps_the_clock_it_had(patch: MonkeyPatch) -> None:
    class OneClock(dict[Any, float]):
        def get(self, key: Any, default: Any = None) -> Any:
            return super().get(key[0], default)

        def __setitem__(self, key: Any, value: float) -> None:
            super().__setitem__(key[0], value)

    original = FairShare.__init__

    def init(self: FairShare) -> None:
        original(self)
        self._clock = OneClock()

    patch.setattr(FairShare, "__init__", init)


def an_empty_balance_does_not_stop_the_lane(patch: MonkeyPatch) -> None:
    for state, event in [each for each in ACCOUNT if each[1] is AccountEvent.NO_CREDIT]:
        patch.delitem(ACCOUNT, (state, event))


def the_balance_does_not_bound_a_chunk(patch: MonkeyPatch) -> None:
    patch.setattr(AccountLane, "balance", property(lambda self: None, lambda self, value: None), raising=False)


def what_was_spent_since_is_forgotten(patch: MonkeyPatch) -> None:
    original = AccountLane.balance_is

    def balance_is(self: AccountLane, messages: float, mark: float, now_s: float, now_ms: int) -> None:
        original(self, messages, mark, now_s, now_ms)
        self.spent_since_poll = 0.0

    patch.setattr(AccountLane, "balance_is", balance_is)


def what_was_under_way_when_it_was_asked_is_forgotten(patch: MonkeyPatch) -> None:
    patch.setattr(AccountLane, "balance_asked", lambda self: self.spent_since_poll)


def a_top_up_is_not_seen(patch: MonkeyPatch) -> None:
    patch.setattr(AccountLane, "balance_is", lambda self, messages, mark, now_s, now_ms: None)
    patch.setattr(account_states, "CREDIT_RETRY_S", 10.0**9)


def time_is_read_off_the_wall_clock(patch: MonkeyPatch) -> None:
    polled, read = Owner.poll, Owner.journal_read

    def poll(self: Owner, now_s: float, now_ms: int) -> Any:
        return polled(self, now_ms / 1000 - WALL_S, now_ms)

    def journal_read(self: Owner, offset: int, record: Any, now_s: float, now_ms: int) -> None:
        read(self, offset, record, now_ms / 1000 - WALL_S, now_ms)

    patch.setattr(Owner, "poll", poll)
    patch.setattr(Owner, "journal_read", journal_read)


BALANCE_MUTANTS: Final = (
    an_empty_balance_does_not_stop_the_lane,
    the_balance_does_not_bound_a_chunk,
    what_was_spent_since_is_forgotten,
    what_was_under_way_when_it_was_asked_is_forgotten,
    a_top_up_is_not_seen,
)
FLOW_MUTANTS: Final = (
    pacing_is_not_seeded_after_recovery,
    pacing_counts_from_leaving_not_from_arrival,
    pacing_catches_up_in_a_burst,
    parts_are_counted_as_messages,
    the_first_campaign_is_always_served,
    weights_are_ignored,
    weight_changes_are_ignored,
    who_was_idle_catches_up,
    urgent_campaigns_take_it_all,
    urgent_campaigns_wait_their_turn,
    what_is_ready_and_urgent_always_goes_first,
    who_becomes_urgent_keeps_the_clock_it_had,
    *BALANCE_MUTANTS,
    time_is_read_off_the_wall_clock,
)
