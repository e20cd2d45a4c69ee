"""A link asks for every few messages of a chunk; its answer is in runs, and each run has its own consequence."""

from __future__ import annotations

import pytest

from dispatcher.core.lane.account_states import AccountState
from dispatcher.core.lane.answers.verdict import AnswerRun, Kind, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Append, Go, Send
from dispatcher.core.lane.gate import Grant
from schemas.records import Flowed, Outcomes, Owned
from tests.core.lane.test_gate import TTL_S, Lane

TAKEN = Verdict(kind=Kind.ACCEPTED)
REFUSED = Verdict(kind=Kind.REJECTED, code="9", text="no such number")
TOO_FAST = Verdict(kind=Kind.THROTTLED, code="8")
BUSY = Verdict(kind=Kind.RETRY_LATER, code="11")
SILENT = Verdict(kind=Kind.UNKNOWN, code="no answer")
UNWRITTEN = Verdict(kind=Kind.NOT_SENT, code="not connected", text="the link broke")


def sent(lane: Lane, now_s: float = 0.0) -> Send:
    """The first chunk that is handed to the driver."""
    return lane.sends(now_s)[0]


def grant(lane: Lane, send: Send, messages: int, now_s: float = 0.0, *, started: bool = False) -> Grant | None:
    return lane.owner.grant(send.intent, "spring", messages, now_s, 0, started=started)


def answered(lane: Lane, send: Send, *runs: tuple[int, Verdict], now_s: float = 0.0, ids: bytes = b"") -> Outcomes:
    """The link's answer on a chunk; the record that it became, which is read back."""
    answer = RunsAnswer(tuple(AnswerRun(*run) for run in runs), ids=ids)
    lane.owner.runs_answered(send.intent, "spring", answer, now_s, 0)
    lane.poll(now_s)
    [record] = [each for each in lane.journal if isinstance(each, Outcomes) and each.intent == send.intent]
    return record


def returned(lane: Lane) -> list[tuple[int, int, int]]:
    """(start, count, strikes) of what waits to be sent again."""
    return [(piece.start, piece.count, piece.strikes) for piece in lane.owner.state.jobs[0].returned]


def test_each_run_gets_its_own_effect_and_its_own_wait():
    lane = Lane(limit=None)
    send = sent(lane)
    assert grant(lane, send, 10) == Grant(10, 0)
    lane.owner.draining = True
    record = answered(lane, send, (4, TAKEN), (1, REFUSED), (2, TOO_FAST), (2, BUSY), (1, SILENT), ids=bytes(80))
    assert [(run.start, run.count, run.effect, run.code) for run in record.runs] == [
        (0, 4, "accepted", ""),
        (4, 1, "failed", "9"),
        (5, 2, "queued", "8"),
        (7, 2, "queued", "11"),
        (9, 1, "unknown", "no answer"),
    ]
    assert record.ids == bytes(80)
    assert lane.owner.state.open[send.intent].open_ranges == ((9, 1),)
    assert returned(lane) == [(5, 2, 0), (7, 2, 1)]
    waits = {piece.start: piece.not_before_s for piece in lane.account.work["may"].returned}
    assert waits[5] == 0.0
    assert waits[7] > 0.0


def test_a_recipient_with_an_id_is_never_sent_again():
    lane = Lane(limit=None)
    send = sent(lane)
    lane.owner.draining = True
    ids = bytes(8 * 2 * 4) + (7).to_bytes(8, "little") + bytes(8 * 11)
    answer = RunsAnswer((AnswerRun(4, TOO_FAST), AnswerRun(1, TOO_FAST), AnswerRun(5, UNWRITTEN)), ids=ids, parts=2)
    lane.owner.runs_answered(send.intent, "spring", answer, 0.0, 0)
    lane.poll(0.0)
    assert lane.owner.state.open[send.intent].open_ranges == ((4, 1),)
    assert [(start, count) for start, count, _ in returned(lane)] == [(0, 4), (5, 5)]


def test_an_answer_that_does_not_cover_its_chunk_is_refused():
    lane = Lane(limit=None)
    send = sent(lane)
    with pytest.raises(ValueError, match="about 4 recipients, its request has 10"):
        lane.owner.runs_answered(send.intent, "spring", RunsAnswer((AnswerRun(4, TAKEN),)), 0.0, 0)


def test_each_grant_takes_its_own_place_in_the_flow_limit():
    lane = Lane(limit=100)
    send = sent(lane)
    assert grant(lane, send, 16) == Grant(10, 1), "a tenth of a window leaves together"
    assert grant(lane, send, 16) == Grant(10, 2)
    assert grant(lane, send, 16) is None
    assert [effect for effect in lane.poll(0.05) if isinstance(effect, Go)] == []
    assert [effect for effect in lane.poll(0.1) if isinstance(effect, Go)] == [Go(send.intent)]
    granted = 20
    for step in range(1, 100):
        granted += (grant(lane, send, 16, step / 100) or Grant(0, 0)).messages
    assert granted == 100


def test_an_answered_grant_frees_its_place_one_window_after_it_arrived():
    lane = Lane(limit=10)
    send = sent(lane)
    first = grant(lane, send, 1)
    assert first is not None
    lane.owner.messages_answered("spring", first.ticket, 0.0, 0.001)
    for n in range(1, 10):
        assert grant(lane, send, 1, 0.1 * n) == Grant(1, n + 1)
    assert grant(lane, send, 1, 1.001) is None
    assert grant(lane, send, 1, 1.01) == Grant(1, 11)


@pytest.mark.parametrize("stopped", ["paused", "draining", "deposed", "late"])
def test_what_may_not_be_written_any_more_is_never_granted_and_comes_back(stopped: str):
    lane = Lane(limit=None)
    send = sent(lane)
    assert grant(lane, send, 4) == Grant(4, 0)
    now_s = 1.0
    match stopped:
        case "paused":
            lane.campaigns.apply(1, Flowed(campaign="may", paused=True, at_ms=0, by=""))
        case "draining":
            lane.owner.drain(0)
        case "deposed":
            lane.owner.journal_read(len(lane.journal), Owned(owner="other", at_ms=0, where=""), now_s, 0)
        case "late":
            now_s = TTL_S + 0.01
    assert grant(lane, send, 6, now_s) == Grant(0, 0)
    lane.owner.runs_answered(
        send.intent, "spring", RunsAnswer((AnswerRun(4, TAKEN), AnswerRun(6, UNWRITTEN))), now_s, 0
    )
    if stopped == "deposed":
        [append] = [effect for effect in lane.owner.poll(now_s, 0) if isinstance(effect, Append)]
        record = append.record
        assert isinstance(record, Outcomes)
    else:
        lane.poll(now_s)
        [record] = [each for each in lane.journal if isinstance(each, Outcomes)]
    assert [(run.count, run.effect) for run in record.runs] == [(4, "accepted"), (6, "queued")]
    assert record.runs[1].text != UNWRITTEN.text, "it says why we did not let it out"


def test_the_rest_of_a_recipient_whose_first_message_is_out_is_written_in_spite_of_a_pause():
    lane = Lane(limit=None)
    send = sent(lane)
    assert grant(lane, send, 3) == Grant(3, 0)
    lane.campaigns.apply(1, Flowed(campaign="may", paused=True, at_ms=0, by=""))
    assert grant(lane, send, 2, TTL_S, started=True) == Grant(2, 0)
    assert grant(lane, send, 2, TTL_S) == Grant(0, 0), "another recipient"


def test_the_rest_of_a_recipient_may_be_written_until_the_newest_valid_intent_is_over():
    lane = Lane(limit=None, inflight_max=1)
    send, later_s = sent(lane), TTL_S - 1.0
    assert grant(lane, send, 3) == Grant(3, 0)
    for ready in lane.account.ready:
        ready.ttl_s = 0.0
    intents = len(lane.intents())
    lane.poll(later_s)
    assert len(lane.intents()) > intents, "what was ready is too late, and proposed again"
    assert grant(lane, send, 1, later_s + TTL_S, started=True) == Grant(1, 0)
    assert grant(lane, send, 1, later_s + TTL_S + 0.01, started=True) == Grant(0, 0)


def test_the_rest_of_a_recipient_is_not_written_by_a_deposed_owner():
    lane = Lane(limit=None)
    send = sent(lane)
    assert grant(lane, send, 3) == Grant(3, 0)
    lane.owner.journal_read(len(lane.journal), Owned(owner="other", at_ms=0, where=""), 0.1, 0)
    assert grant(lane, send, 2, 0.2, started=True) == Grant(0, 0)


def test_what_waits_at_the_gate_when_another_process_owns_the_lane_is_told_to_ask_again():
    lane = Lane(limit=10)
    send = sent(lane)
    assert grant(lane, send, 1) == Grant(1, 1)
    assert grant(lane, send, 1) == Grant(1, 2)
    assert grant(lane, send, 1) is None
    lane.owner.journal_read(len(lane.journal), Owned(owner="other", at_ms=0, where=""), 0.01, 0)
    assert [effect for effect in lane.owner.poll(0.01, 0) if isinstance(effect, Go)] == [Go(send.intent)]
    assert grant(lane, send, 1, 0.02) == Grant(0, 0)


def test_a_grant_of_a_chunk_that_is_over_has_no_messages():
    lane = Lane(limit=None)
    send = sent(lane)
    answered(lane, send, (10, TAKEN))
    assert grant(lane, send, 1) == Grant(0, 0)


def test_too_fast_counts_at_once_and_not_again_at_the_end_of_its_chunk():
    lane = Lane(limit=100)
    send = sent(lane)
    pacer = lane.account.pacer
    assert pacer is not None
    lane.owner.heard("spring", TOO_FAST, 0.0, 0, intent=send.intent)
    cut = pacer.rate
    assert cut < 1.0
    answered(lane, send, (9, TAKEN), (1, TOO_FAST), now_s=10.0)
    assert pacer.allowed(10.0) >= int(pacer.limit * cut), "the end of the chunk does not cut it again"


def test_one_chunk_counts_one_trouble_in_a_row_however_many_it_has():
    lane = Lane(limit=None)
    for chunk, send in enumerate(lane.sends(0.0)[:3]):
        for _ in range(5 * (chunk == 1)):
            lane.owner.heard("spring", BUSY, 0.0, 0, intent=send.intent)
        answered(lane, send, *((2, each) for each in (BUSY, SILENT, BUSY, UNWRITTEN, SILENT)))
        assert (lane.account.standing.state is AccountState.HELD_BACK) is (chunk == 2)


def test_an_answer_ends_a_row_of_troubles_although_the_link_broke_behind_it():
    lane = Lane(limit=None)
    for send in lane.sends(0.0)[:6]:
        answered(lane, send, (9, TAKEN), (1, SILENT))
    assert lane.account.standing.state is AccountState.OPEN


def test_credit_and_shares_of_what_was_not_taken_come_back_run_by_run():
    lane = Lane(limit=None)
    send = sent(lane)
    spent = lane.account.spent_since_poll
    lane.owner.draining = True
    answered(lane, send, (4, TAKEN), (3, UNWRITTEN), (1, REFUSED), (2, SILENT))
    assert lane.account.spent_since_poll == spent - 4


def test_people_are_told_of_the_recipients_that_come_back_unwritten_and_not_of_those_that_were_written():
    lane = Lane(limit=None)
    first, second = lane.sends(0.0)[:2]
    lane.owner.draining = True
    answered(lane, first, (4, TAKEN), (6, UNWRITTEN))
    answered(lane, second, (10, UNWRITTEN))
    assert {key: each.recipients for key, each in lane.account.unwritten.items()} == {(0, 4): 6, (0, 10): 10}
    [chunk] = [sending.chunk for sending in lane.account.sending.values()][:1]
    lane.account.was_written(chunk, -chunk.start, 12)
    assert not lane.account.unwritten


def test_an_owner_that_takes_over_finds_unknown_only_what_has_no_result():
    lane = Lane(limit=None)
    send = sent(lane)
    answered(lane, send, (4, TAKEN), (6, SILENT))
    lane.owner.journal_read(len(lane.journal), Owned(owner="other", at_ms=0, where=""), 0.0, 0)
    assert lane.owner.state.open[send.intent].open_ranges == ((4, 6),)
