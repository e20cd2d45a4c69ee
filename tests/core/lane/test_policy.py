"""What each class of answer means for the chunk and for the account."""

from __future__ import annotations

import pytest

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.account import BALANCE_RETRY_S, REFUSALS_MAX, AccountLane, LaneSpec
from dispatcher.core.lane.policy import APART_RETRY_S, consequence, not_sent, outcome_of
from dispatcher.core.lane.state import Chunk, ChunkState
from dispatcher.core.lane.verdict import NOT_CONNECTED, Kind, Verdict
from schemas.records import Effect

NOW_S = 100.0


def a_lane(**fields: object) -> AccountLane:
    spec = LaneSpec(**{"account": "spring", "numbers_max": 500, "limit": 500, **fields})  # type: ignore[arg-type]
    return AccountLane(spec, Campaigns(), NOW_S)


def a_chunk(count: int = 10, strikes: int = 0) -> Chunk:
    return Chunk(7, "spring", "may", 0, 0, 0, count, strikes, strikes, ChunkState.IN_FLIGHT)


@pytest.mark.parametrize(
    ("kind", "effect", "stopped"),
    [
        (Kind.ACCEPTED, "accepted", None),
        (Kind.PARTIAL, "unknown", None),
        (Kind.RETRY_LATER, "queued", None),
        (Kind.THROTTLED, "queued", None),
        (Kind.REJECTED, "failed", None),
        (Kind.CONTENT, "failed", None),
        (Kind.AUTH, "queued", "auth"),
        (Kind.BALANCE, "queued", "balance"),
        (Kind.UNKNOWN, "unknown", None),
        (Kind.NOT_SENT, "queued", None),
    ],
)
def test_every_class_has_its_effect(kind, effect, stopped):
    lane = a_lane()
    result = consequence(lane, a_chunk(), Verdict(kind=kind, code="x"), NOW_S)
    assert result.effect == effect
    assert lane.stopped == stopped


def test_a_refusal_for_now_waits_longer_each_time_and_fails_in_the_end():
    lane = a_lane(attempts_max=4)
    waits = [
        consequence(lane, a_chunk(strikes=n), Verdict(kind=Kind.RETRY_LATER), NOW_S).not_before_s for n in range(3)
    ]
    assert waits == [NOW_S + 1, NOW_S + 2, NOW_S + 4]
    assert consequence(lane, a_chunk(strikes=3), Verdict(kind=Kind.RETRY_LATER), NOW_S).effect == "failed"


def test_a_refusal_that_the_document_does_not_explain_is_unknown_in_the_end():
    lane, verdict = a_lane(attempts_max=4), Verdict(kind=Kind.RETRY_LATER, code="-99", doubtful=True)
    effects = [consequence(lane, a_chunk(strikes=strikes), verdict, NOW_S).effect for strikes in range(4)]
    assert effects == ["queued", "queued", "queued", "unknown"]


def test_not_inside_the_sending_time_holds_the_lane_and_is_never_given_up():
    lane = a_lane(attempts_max=1)
    result = consequence(lane, a_chunk(strikes=9), Verdict(kind=Kind.RETRY_LATER, hold_s=300.0), NOW_S)
    assert result.effect == "queued"
    assert lane.held_until_s == NOW_S + 300.0


def test_a_vendor_that_cannot_be_reached_is_tried_again_at_growing_distances_and_for_ever():
    lane = a_lane()
    held = []
    for _ in range(12):
        assert consequence(lane, a_chunk(), Verdict(kind=Kind.NOT_SENT, code=NOT_CONNECTED), NOW_S).effect == "queued"
        held.append(lane.held_until_s - NOW_S)
    assert held == sorted(held)
    assert held[-1] == 30.0
    consequence(lane, a_chunk(), Verdict(kind=Kind.ACCEPTED), NOW_S)
    assert lane.troubles == 0


def test_too_fast_cuts_the_rate():
    lane = a_lane()
    assert lane.pacer is not None
    consequence(lane, a_chunk(), Verdict(kind=Kind.THROTTLED, code="103"), NOW_S)
    assert lane.pacer.rate < 1.0


def test_without_a_limit_of_ours_a_vendor_that_goes_on_throttling_is_left_alone_for_longer_each_time():
    lane, fast = a_lane(limit=None), Verdict(kind=Kind.THROTTLED, code="103")
    now_s, rests = NOW_S, []
    for _ in range(7):
        for _under_way_together in range(3):
            consequence(lane, a_chunk(), fast, now_s)
        rests.append(lane.held_until_s - now_s)
        now_s = lane.held_until_s
    assert rests == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    consequence(lane, a_chunk(), Verdict(kind=Kind.ACCEPTED), now_s)
    consequence(lane, a_chunk(), fast, now_s)
    assert lane.held_until_s - now_s == 1.0


def test_one_bad_number_that_refuses_the_whole_request_is_searched_by_halves():
    divided = Verdict(kind=Kind.REJECTED, code="107", divide=True)
    assert consequence(a_lane(), a_chunk(10), divided, NOW_S).effect == "queued"
    assert outcome_of(a_chunk(10), divided, Effect.QUEUED, 1, 1).divide
    assert consequence(a_lane(), a_chunk(1), divided, NOW_S).effect == "failed"


def test_a_row_of_http_refusals_stops_the_account_before_it_burns_the_whole_campaign():
    lane = a_lane()
    not_found = Verdict(kind=Kind.REJECTED, code="http 404")
    for _ in range(REFUSALS_MAX - 1):
        assert consequence(lane, a_chunk(), not_found, NOW_S).effect == "failed"
        assert lane.stopped is None
    consequence(lane, a_chunk(), Verdict(kind=Kind.ACCEPTED), NOW_S)
    for _ in range(REFUSALS_MAX):
        consequence(lane, a_chunk(), not_found, NOW_S)
    assert lane.stopped == "auth"
    assert "check `url`" in lane.stopped_why
    assert "dispatcher account check spring" in lane.stopped_why


@pytest.mark.parametrize(("kind", "effect"), [(Kind.REJECTED, "failed"), (Kind.UNKNOWN, "unknown")])
def test_a_row_of_redirects_stops_the_account_too_and_leaves_each_chunk_what_its_verdict_says(kind, effect):
    lane, redirected = a_lane(), Verdict(kind=kind, code="http 302")
    found = [consequence(lane, a_chunk(), redirected, NOW_S) for _ in range(REFUSALS_MAX)]
    assert [each.effect for each in found] == [effect] * REFUSALS_MAX
    assert [each.stopped for each in found] == [""] * (REFUSALS_MAX - 1) + ["auth"]
    assert lane.stopped == "auth"


def test_what_is_unknown_because_a_gateway_failed_stops_nothing():
    lane = a_lane()
    for code in ("http 502", "http 408", "no answer") * REFUSALS_MAX:
        consequence(lane, a_chunk(), Verdict(kind=Kind.UNKNOWN, code=code), NOW_S)
    assert lane.stopped is None


def test_a_refused_login_stays_refused_when_another_request_says_that_there_is_no_credit():
    lane = a_lane()
    consequence(lane, a_chunk(), Verdict(kind=Kind.AUTH, code="102"), NOW_S)
    consequence(lane, a_chunk(), Verdict(kind=Kind.BALANCE, code="109"), NOW_S)
    lane.balance_is(1_000, 0.0, 0)
    assert lane.stopped == "auth"


def test_an_empty_balance_without_a_query_is_tried_again_later():
    lane = a_lane(polls_balance=False)
    consequence(lane, a_chunk(), Verdict(kind=Kind.BALANCE, code="11"), NOW_S)
    assert lane.retry_balance_s == NOW_S + BALANCE_RETRY_S


def test_what_never_went_out_has_no_sending_time():
    record = not_sent(a_chunk(), "stopping", 5)
    assert (record.effect, record.kind, record.sent_ms) == ("queued", "not-sent", 0)


def test_an_empty_balance_that_is_not_the_account_s_own_lets_only_that_slice_wait():
    lane = a_lane()
    result = consequence(lane, a_chunk(strikes=99), Verdict(kind=Kind.BALANCE, code="505", apart=True), NOW_S)
    assert (result.effect, result.not_before_s) == ("queued", NOW_S + APART_RETRY_S)
    assert lane.stopped is None
    assert lane.balance is None


@pytest.mark.parametrize(
    ("kind", "code", "let_in"),
    [
        (Kind.ACCEPTED, "100", True),
        (Kind.PARTIAL, "200", True),
        (Kind.CONTENT, "405", True),
        (Kind.REJECTED, "404", True),
        (Kind.BALANCE, "503", True),
        (Kind.REJECTED, "http 404", False),
        (Kind.THROTTLED, "502", False),
        (Kind.RETRY_LATER, "501", False),
        (Kind.UNKNOWN, "no answer", False),
        (Kind.NOT_SENT, NOT_CONNECTED, False),
        (Kind.AUTH, "203", False),
    ],
)
def test_until_a_login_was_let_in_there_is_one_request_at_a_time_where_wrong_ones_lock_the_account(kind, code, let_in):
    lane = a_lane(locks_out=True)
    assert lane.requests_max == 1
    consequence(lane, a_chunk(), Verdict(kind=kind, code=code), NOW_S)
    assert lane.let_in is let_in
    assert lane.requests_max == (lane.spec.inflight_max if let_in else 1)


def test_a_refused_login_has_the_next_one_tried_alone_again():
    lane = a_lane(locks_out=True)
    consequence(lane, a_chunk(), Verdict(kind=Kind.ACCEPTED), NOW_S)
    consequence(lane, a_chunk(), Verdict(kind=Kind.AUTH, code="203"), NOW_S)
    assert not lane.may_ask
    lane.go_on()
    assert (lane.requests_max, lane.may_ask) == (1, True)
