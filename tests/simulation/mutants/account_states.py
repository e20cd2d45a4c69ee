"""Deliberate mistakes in whether an account may send: the circuit breaker, what it costs, and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from pytest import MonkeyPatch  # noqa: PT013

from dispatcher.core.backoff import Backoff
from dispatcher.core.lane import account_states
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.account_states import ACCOUNT, TROUBLES, AccountEvent, AccountState, Standing
from dispatcher.core.lane.answers import consequences, policy
from dispatcher.core.lane.answers.policy import POLICY, Mark
from dispatcher.core.lane.owner import Owner
from dispatcher.core.lane.spec import LaneSpec
from schemas.records import Effect


def an_account_is_never_held_back(patch: MonkeyPatch) -> None:
    _without(patch, [(state, event) for state, event in ACCOUNT if event in TROUBLES])


def an_account_that_is_held_back_never_opens(patch: MonkeyPatch) -> None:
    _without(patch, [(AccountState.TRYING, AccountEvent.ANSWERED), (AccountState.HELD_BACK, AccountEvent.ANSWERED)])


def an_account_that_is_held_back_is_never_tried(patch: MonkeyPatch) -> None:
    _without(patch, [(AccountState.HELD_BACK, AccountEvent.DUE), (AccountState.HELD_BACK, AccountEvent.CHECKED)])


def a_pause_that_is_over_opens_the_account(patch: MonkeyPatch) -> None:
    patch.setitem(ACCOUNT, (AccountState.HELD_BACK, AccountEvent.DUE), AccountState.OPEN)


def a_trial_goes_to_as_many_as_any_request(patch: MonkeyPatch) -> None:
    original = AccountLane.chunk_max

    def chunk_max(self: AccountLane, *given: Any, **named: Any) -> int:
        tried, self.spec = self.spec, msgspec.structs.replace(self.spec, numbers_min=self.spec.numbers_max)
        try:
            return original(self, *given, **named)
        finally:
            self.spec = tried

    patch.setattr(AccountLane, "chunk_max", chunk_max)
    patch.setattr(AccountLane, "may_send", lambda self, count: self.standing.sends)


def what_is_built_already_is_let_out(patch: MonkeyPatch) -> None:
    patch.setattr(Standing, "lets_out", lambda self, *, trial: True)


def two_trials_at_a_time(patch: MonkeyPatch) -> None:
    patch.setattr(Standing, "alone", property(lambda self: False))


def pauses_do_not_grow(patch: MonkeyPatch) -> None:
    patch.setattr(account_states, "HOLD_BACK", Backoff(1.0, 1.0))


def an_answer_does_not_end_a_row_of_troubles(patch: MonkeyPatch) -> None:
    original = Standing._counted

    def counted(self: Standing, event: AccountEvent) -> AccountEvent:
        row = self._row
        found = original(self, event)
        self._row = max(row, self._row)
        return found

    patch.setattr(Standing, "_counted", counted)


def a_busy_vendor_fails_recipients(patch: MonkeyPatch) -> None:
    original = policy.consequence

    def consequence(verdict: Any, chunk: Any, spec: LaneSpec, *times: float) -> Any:
        return original(verdict, chunk, msgspec.structs.replace(spec, give_up_after_s=0.0), *times)

    patch.setattr(consequences, "consequence", consequence)


def a_web_server_s_refusal_fails_recipients(patch: MonkeyPatch) -> None:
    patch.setitem(POLICY, Mark.WEB, msgspec.structs.replace(POLICY[Mark.WEB], effect=Effect.FAILED, retry=None))


def a_web_server_s_refusals_stop_no_account(patch: MonkeyPatch) -> None:
    _without(patch, [(state, event) for state, event in ACCOUNT if event is AccountEvent.NOBODY_THERE])


def a_new_owner_forgets_what_stopped_the_account(patch: MonkeyPatch) -> None:
    patch.setattr(AccountLane, "inherit", lambda *_: None)


def what_keeps_an_account_from_sending_is_told_to_nobody(patch: MonkeyPatch) -> None:
    patch.setattr(Owner, "_notice", lambda self, lane, now_s, now_ms: None)


STANDING_MUTANTS: Final = (
    an_account_is_never_held_back,
    an_account_that_is_held_back_never_opens,
    an_account_that_is_held_back_is_never_tried,
    a_pause_that_is_over_opens_the_account,
    a_trial_goes_to_as_many_as_any_request,
    what_is_built_already_is_let_out,
    two_trials_at_a_time,
    pauses_do_not_grow,
    an_answer_does_not_end_a_row_of_troubles,
    a_busy_vendor_fails_recipients,
    a_web_server_s_refusal_fails_recipients,
    a_web_server_s_refusals_stop_no_account,
    a_new_owner_forgets_what_stopped_the_account,
    what_keeps_an_account_from_sending_is_told_to_nobody,
)


def _without(patch: MonkeyPatch, rows: Sequence[tuple[AccountState, AccountEvent]]) -> None:
    for row in rows:
        patch.delitem(ACCOUNT, row)
