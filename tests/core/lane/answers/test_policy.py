"""What each class of answer means for the chunk and for the account."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.core.lane.account_states import AccountEvent
from dispatcher.core.lane.answers.policy import (
    OTHER_CREDIT_RETRY,
    POLICY,
    Mark,
    consequence,
    not_sent,
    outcome_of,
)
from dispatcher.core.lane.answers.verdict import Kind, Origin, Verdict
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import Chunk, ChunkState
from schemas.records import Effect, Why

NOW_S = 10_000.0
OF_NO_TABLE = (Mark.WEB, Mark.REDIRECTED, Mark.OURS, Mark.UNFIT)
TRIES = 4
HOUR_S = 3_600.0
SPEC = LaneSpec(account="spring", numbers_max=500, attempts_max=TRIES)


def a_chunk(count: int = 10, strikes: int = 0) -> Chunk:
    return Chunk(7, "spring", "may", 0, 0, 0, count, strikes, strikes, ChunkState.IN_FLIGHT)


def judged(verdict: Verdict, *, count: int = 10, strikes: int = 0, refused_s: float = 0.0):
    """What becomes of a chunk that was refused for now `refused_s` ago the first time."""
    return consequence(verdict, a_chunk(count, strikes), SPEC, NOW_S - refused_s, NOW_S)


@pytest.mark.parametrize(
    ("kind", "effect", "event"),
    [
        (Kind.ACCEPTED, "accepted", AccountEvent.ANSWERED),
        (Kind.PARTIAL, "unknown", AccountEvent.ANSWERED),
        (Kind.RETRY_LATER, "queued", AccountEvent.BUSY),
        (Kind.THROTTLED, "queued", AccountEvent.TOO_FAST),
        (Kind.REJECTED, "failed", AccountEvent.ANSWERED),
        (Kind.CONTENT, "failed", AccountEvent.ANSWERED),
        (Kind.AUTH, "queued", AccountEvent.LOGIN_REFUSED),
        (Kind.BALANCE, "queued", AccountEvent.NO_CREDIT),
        (Kind.UNKNOWN, "unknown", AccountEvent.NO_ANSWER),
        (Kind.NOT_SENT, "queued", AccountEvent.NOT_REACHED),
    ],
)
def test_every_class_has_its_effect_and_its_event(kind, effect, event):
    result = judged(Verdict(kind=kind, code="x", origin=Origin.VENDOR))
    assert (result.effect, result.event) == (effect, event)


def test_the_table_has_a_row_for_every_class_and_every_mark():
    assert set(POLICY) == {*Kind, *Mark}


def test_a_refusal_for_now_waits_longer_each_time_and_fails_only_after_its_tries_and_an_hour():
    busy = Verdict(kind=Kind.RETRY_LATER, code="104")
    waits = [judged(busy, strikes=strikes) for strikes in range(3)]
    assert [each.not_before_s - NOW_S for each in waits] == [1.0, 2.0, 4.0]
    assert {each.waits for each in waits} == {Why.BUSY}
    assert judged(busy, strikes=1_000, refused_s=HOUR_S - 1).effect == "queued"
    assert judged(busy, strikes=TRIES - 2, refused_s=HOUR_S).effect == "queued"
    assert judged(busy, strikes=TRIES - 1, refused_s=HOUR_S).effect == "failed"


def test_a_refusal_that_the_document_does_not_explain_is_unknown_in_the_end():
    verdict = Verdict(kind=Kind.RETRY_LATER, code="-99", doubtful=True)
    effects = [judged(verdict, strikes=strikes, refused_s=HOUR_S).effect for strikes in range(TRIES)]
    assert effects == ["queued", "queued", "queued", "unknown"]


def test_not_inside_the_sending_time_closes_the_account_and_is_never_given_up():
    result = judged(Verdict(kind=Kind.RETRY_LATER, hold_s=300.0), strikes=99, refused_s=2 * HOUR_S)
    assert (result.effect, result.event, result.hold_s) == ("queued", AccountEvent.VENDOR_CLOSED, 300.0)


def test_one_bad_number_that_refuses_the_whole_request_is_searched_by_halves():
    divided = Verdict(kind=Kind.REJECTED, code="107", divide=True)
    assert judged(divided).effect == "queued"
    assert outcome_of(a_chunk(10), divided, Effect.QUEUED, 1, 1).divide
    assert judged(divided, count=1).effect == "failed"


def test_a_web_server_that_is_no_vendor_fails_no_chunk_within_an_hour_and_has_the_account_stopped():
    not_found = Verdict(kind=Kind.REJECTED, code="http 404", origin=Origin.HTTP, wrong_server=True)
    result = judged(not_found, strikes=TRIES, refused_s=HOUR_S - 1)
    assert (result.effect, result.event) == ("queued", AccountEvent.WEB_REFUSED)
    assert judged(not_found, strikes=TRIES, refused_s=HOUR_S).effect == "failed"


def test_a_redirected_submit_is_unknown_and_still_stops_the_account():
    redirected = Verdict(kind=Kind.UNKNOWN, code="http 302", origin=Origin.HTTP, wrong_server=True)
    assert (judged(redirected).effect, judged(redirected).event) == ("unknown", AccountEvent.WEB_REFUSED)


def test_what_the_dispatcher_did_not_let_out_says_nothing_of_the_vendor():
    for kind in (Kind.NOT_SENT, Kind.CONTENT):
        assert judged(Verdict(kind=kind, origin=Origin.OURS)).event is None


def test_what_never_went_out_has_no_sending_time():
    record = not_sent(a_chunk(), "stopping", 5)
    assert (record.effect, record.kind, record.sent_ms) == ("queued", "not-sent", 0)


def test_an_empty_balance_that_is_not_the_account_s_own_lets_only_that_slice_wait():
    result = judged(Verdict(kind=Kind.BALANCE, code="505", separate_credit=True), strikes=99)
    assert (result.effect, result.event, result.waits) == ("queued", None, Why.OTHER_CREDIT)
    assert result.not_before_s == NOW_S + OTHER_CREDIT_RETRY.first_s


def test_the_page_about_adding_a_vendor_shows_this_table():
    page = (Path(__file__).parents[4] / "docs" / "ADDING_A_VENDOR.md").read_text("utf-8")
    of_a_code_table = [row for row in POLICY if row not in (Kind.NOT_SENT, *OF_NO_TABLE)]
    rows = [f"   | `{row.value}` | {POLICY[row].says[0]} | {POLICY[row].says[1]} |\n" for row in of_a_code_table]
    assert "".join(rows) in page
