"""Whether an account may send: what stops it, what holds it back, and what has it send again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import AccountLane
from dispatcher.core.lane.account_states import (
    ACCOUNT,
    CREDIT_RETRY_S,
    FEW,
    HOLD_BACK,
    SAME_STOP_S,
    SENDING,
    TROUBLES,
    WHY,
    AccountEvent,
    AccountState,
    Standing,
)
from dispatcher.core.lane.spec import LaneSpec
from schemas.records import Stop, Why

NOW_S = 100.0
NOW_MS = 1_790_000_000_000


class At:
    """One account's standing, and its clock."""

    def __init__(self, **fields: object) -> None:
        spec = LaneSpec(**{"account": "spring", "numbers_max": 500, "limit": 500, **fields})  # type: ignore[arg-type]
        self.standing = Standing(spec)
        self.now_s = NOW_S

    def tell(self, event: AccountEvent, times: int = 1, *, code: str = "", hold_s: float = 0.0) -> At:
        for _ in range(times):
            self.standing.tell(event, self.now_s, self.now_ms, code=code, hold_s=hold_s)
        return self

    def wait(self, seconds: float) -> At:
        self.now_s += seconds
        if self.now_s >= self.standing.until_s:
            self.tell(AccountEvent.DUE)
        return self

    @property
    def now_ms(self) -> int:
        return NOW_MS + round((self.now_s - NOW_S) * 1000)

    @property
    def state(self) -> AccountState:
        return self.standing.state

    @property
    def stop(self) -> Stop:
        assert self.standing.stop is not None
        return self.standing.stop


@pytest.mark.parametrize("trouble", [each for each in TROUBLES if each is not AccountEvent.TOO_FAST])
def test_a_few_troubles_in_a_row_hold_the_account_back_and_one_answer_opens_it(trouble):
    at = At()
    for _ in range(5):
        at.tell(AccountEvent.ANSWERED).tell(trouble, FEW - 1)
        assert at.standing.stop is None, "an answer begins the row anew"
    at.tell(trouble, code="104")
    assert at.state == AccountState.HELD_BACK
    assert at.stop == Stop(
        why=WHY[trouble], code="104", since_ms=NOW_MS, until_ms=NOW_MS + round(HOLD_BACK.first_s * 1000), row=FEW
    )
    at.wait(HOLD_BACK.first_s).tell(AccountEvent.ANSWERED)
    assert (at.standing.state, at.standing.stop) == (AccountState.OPEN, None)


def test_while_it_is_held_back_one_small_request_is_tried_after_ever_longer_pauses():
    at, pauses = At().tell(AccountEvent.NO_ANSWER, FEW), []
    for _ in range(8):
        assert not at.standing.sends
        pauses.append(at.standing.until_s - at.now_s)
        at.wait(pauses[-1] / 2)
        assert at.state == AccountState.HELD_BACK
        at.wait(pauses[-1])
        assert (at.state, at.standing.alone, at.stop.trying) == (AccountState.TRYING, True, True)
        at.tell(AccountEvent.NO_ANSWER)
    assert pauses == [HOLD_BACK.pause_s(times) for times in range(1, 9)]
    assert at.stop.since_ms == NOW_MS, "it is one outage"


def test_answers_to_requests_that_were_under_way_lengthen_no_pause():
    at = At().tell(AccountEvent.BUSY, FEW + 10)
    assert at.standing.until_s - at.now_s == HOLD_BACK.first_s


def test_without_a_limit_of_ours_one_throttle_holds_the_account_back_and_with_one_none_does():
    assert At(limit=None).tell(AccountEvent.TOO_FAST).state is AccountState.HELD_BACK
    assert At().tell(AccountEvent.TOO_FAST, 100).state is AccountState.STARTING


def test_a_row_of_refusals_by_a_web_server_stops_the_account_until_a_person_checks_it():
    at = At().tell(AccountEvent.ANSWERED).tell(AccountEvent.WEB_REFUSED, FEW - 1, code="http 404")
    assert at.state is AccountState.OPEN
    at.tell(AccountEvent.WEB_REFUSED, code="http 404")
    assert (at.state, at.stop.why, at.stop.code, at.stop.row) == (
        AccountState.STOPPED_ADDRESS, Why.ADDRESS, "http 404", FEW,
    )  # fmt: skip
    assert not at.standing.answers_queries
    assert at.tell(AccountEvent.CHECKED).state is AccountState.TRYING


def test_a_web_server_that_refuses_after_errors_of_its_own_holds_back_before_it_stops():
    at = At().tell(AccountEvent.NO_ANSWER, FEW - 1).tell(AccountEvent.WEB_REFUSED)
    assert at.state == AccountState.HELD_BACK


def test_a_refused_login_outlives_everything_but_a_check():
    at = At().tell(AccountEvent.LOGIN_REFUSED, code="102")
    for event in AccountEvent:
        if event is not AccountEvent.CHECKED:
            at.tell(event)
    assert (at.state, at.stop.why, at.stop.code) == (AccountState.STOPPED_LOGIN, Why.LOGIN, "102")
    assert at.tell(AccountEvent.CHECKED).state is AccountState.STARTING


def test_an_empty_balance_without_a_query_is_tried_again_later_with_one_small_request():
    at = At(polls_balance=False).tell(AccountEvent.NO_CREDIT, code="11")
    assert at.standing.until_s == NOW_S + CREDIT_RETRY_S
    assert at.wait(CREDIT_RETRY_S).state is AccountState.TRYING
    at.tell(AccountEvent.NO_CREDIT, code="11")
    assert (at.state, at.stop.since_ms) == (AccountState.STOPPED_CREDIT, NOW_MS)


def test_credit_opens_no_account_whose_last_requests_were_not_answered():
    at = At().tell(AccountEvent.NO_CREDIT).tell(AccountEvent.NO_ANSWER, FEW).tell(AccountEvent.CREDIT)
    assert (at.state, at.stop.why) == (AccountState.TRYING, Why.NO_ANSWER)
    assert at.tell(AccountEvent.CREDIT).state is AccountState.TRYING
    at.tell(AccountEvent.NO_ANSWER)
    assert at.standing.until_s - at.now_s == HOLD_BACK.pause_s(2), "its first pause was spent without credit"


def test_credit_opens_no_account_that_was_held_back_since_it_was_open():
    at = At().tell(AccountEvent.NO_ANSWER, FEW).wait(HOLD_BACK.pause_s(1)).tell(AccountEvent.NOT_REACHED)
    at.wait(HOLD_BACK.pause_s(2)).tell(AccountEvent.NO_CREDIT).tell(AccountEvent.CREDIT)
    assert (at.state, at.stop.why) == (AccountState.TRYING, Why.UNREACHABLE)
    assert at.tell(AccountEvent.ANSWERED).state is AccountState.OPEN


def test_the_vendor_s_closing_time_is_waited_out_and_a_check_ends_it_at_once():
    at = At().tell(AccountEvent.VENDOR_CLOSED, code="110", hold_s=300.0)
    assert (at.state, at.stop.why, at.stop.until_ms) == (
        AccountState.VENDOR_CLOSED, Why.VENDOR_HOURS, NOW_MS + 300_000,
    )  # fmt: skip
    assert at.wait(299.0).state is AccountState.VENDOR_CLOSED
    assert at.tell(AccountEvent.CHECKED).state is AccountState.TRYING
    at.tell(AccountEvent.VENDOR_CLOSED, code="110", hold_s=300.0)
    assert at.wait(300.0).state is AccountState.TRYING
    assert at.stop.since_ms == NOW_MS


def test_outside_its_own_hours_an_account_is_closed_until_the_morning():
    at = At(send_hours=(8, 20)).tell(AccountEvent.NIGHT)
    assert (at.state, at.stop.why) == (AccountState.CLOSED, Why.HOURS)
    assert at.tell(AccountEvent.DAY).state is AccountState.STARTING


@pytest.mark.parametrize(
    ("hours", "time", "night", "morning"),
    [
        ((8, 20), "07:59", True, "08:00"),
        ((8, 20), "08:00", False, None),
        ((8, 20), "19:59", False, None),
        ((8, 20), "20:00", True, "32:00"),
        ((0, 24), "00:00", False, None),
    ],
)
def test_the_hours_are_those_of_china(hours, time, night, morning):
    spec = LaneSpec(account="spring", numbers_max=1, send_hours=hours)
    midnight_ms = 1_789_948_800_000 - 8 * 3_600_000

    def at_ms(words: str) -> int:
        hour, minute = map(int, words.split(":"))
        return midnight_ms + (hour * 60 + minute) * 60_000

    assert spec.is_night(at_ms(time)) is night
    if morning is not None:
        assert spec.morning_ms(at_ms(time)) == at_ms(morning)


def test_where_wrong_logins_lock_the_account_there_is_one_request_at_a_time_until_the_vendor_answered():
    lane = AccountLane(LaneSpec(account="spring", numbers_max=10, locks_out=True), Campaigns(), NOW_S)
    assert (lane.requests_max, lane.may_ask) == (1, True)
    for event in (AccountEvent.BUSY, AccountEvent.NOT_REACHED):
        lane.tell(event, NOW_S, NOW_MS)
        assert lane.requests_max == 1, "that may be said before a login was looked at"
    lane.queries += 1
    assert lane.requests_max == 0
    lane.queries -= 1
    lane.tell(AccountEvent.LET_IN, NOW_S, NOW_MS)
    assert lane.requests_max == lane.spec.inflight_max
    lane.tell(AccountEvent.LOGIN_REFUSED, NOW_S, NOW_MS)
    assert not lane.may_ask
    lane.checked(NOW_S, NOW_MS)
    assert (lane.requests_max, lane.may_ask) == (1, True)


@pytest.mark.parametrize("why", [why for why in Why if why not in (Why.HOURS, Why.SUPPRESSION)])
def test_a_new_owner_tries_one_small_request_where_the_old_one_was_stopped(why):
    at = At()
    at.standing.inherit(Stop(why=why, since_ms=5, until_ms=9), 0.0, 9)
    assert (at.state, at.stop) == (AccountState.TRYING, Stop(why=why, since_ms=5, trying=True))
    at.tell(AccountEvent.ANSWERED)
    assert at.state is AccountState.OPEN


@pytest.mark.parametrize(
    ("why", "event"),
    [(Why.LOGIN, AccountEvent.LET_IN), (Why.CREDIT, AccountEvent.CREDIT), (Why.UNREACHABLE, AccountEvent.LET_IN)],
)
def test_what_shows_that_a_stop_is_over_opens_an_account_that_has_nothing_to_try(why, event):
    at = At()
    at.standing.inherit(Stop(why=why, since_ms=5), 0.0, 9)
    assert at.tell(event).state is AccountState.OPEN


def test_a_stop_that_is_back_at_once_was_never_over():
    at = At().tell(AccountEvent.NO_CREDIT).tell(AccountEvent.CREDIT)
    assert at.state is AccountState.OPEN
    at.wait(SAME_STOP_S / 2).tell(AccountEvent.NO_CREDIT)
    assert at.stop.since_ms == NOW_MS
    at.tell(AccountEvent.CREDIT).wait(2 * SAME_STOP_S).tell(AccountEvent.NO_CREDIT)
    assert at.stop.since_ms == at.now_ms


def test_every_state_can_be_entered_and_left_for_one_that_sends():
    assert set(ACCOUNT.values()) == set(AccountState)
    leads: dict[AccountState, set[AccountState]] = {}
    for (state, _), becomes in ACCOUNT.items():
        leads.setdefault(state, set()).add(becomes)
    for state in AccountState:
        seen, ahead = {state}, [state]
        while ahead:
            more = leads.get(ahead.pop(), set()) - seen
            seen |= more
            ahead += more
        assert AccountState.OPEN in seen, state


@given(st.lists(st.sampled_from(AccountEvent), max_size=60), st.booleans(), st.booleans())
def test_an_account_has_a_stop_exactly_while_it_does_not_send_at_full_speed(events, polls_balance, locks_out):
    at = At(polls_balance=polls_balance, locks_out=locks_out, limit=None)
    for event in events:
        at.wait(0.7).tell(event, hold_s=300.0)
        full = at.state in SENDING and at.state is not AccountState.TRYING
        assert (at.standing.stop is None) is full
        if at.state in (AccountState.HELD_BACK, AccountState.VENDOR_CLOSED):
            assert at.standing.until_s < float("inf"), "it is tried again by itself"
