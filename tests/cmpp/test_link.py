"""One link: login, window, timers, answers, deliveries, and every way in which it ends."""

from __future__ import annotations

from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.link import (
    DELIVERIES_MAX,
    Answers,
    Asked,
    Delivered,
    Ended,
    LoggedIn,
    Refused,
    Reported,
    State,
    Unanswered,
)
from dispatcher.cmpp.login import authenticator_ismg
from dispatcher.cmpp.results import Effect, effect
from dispatcher.cmpp.submits import SubmitTemplate
from tests.cmpp.link_kit import NUMBERS, SECRET, TEMPLATE, Wire

ONE = 1 << 63


# login


@pytest.mark.parametrize(
    ("verify", "proof", "expected"),
    [
        ("warn", "spec", "spec"),
        ("warn", "empty", "empty"),
        ("warn", "wrong", "wrong"),
        ("off", "wrong", "not looked at"),
        ("strict", "spec", "spec"),
        ("strict", "empty", None),
        ("strict", "wrong", None),
    ],
)
def test_how_the_gateway_proves_itself(verify: str, proof: str, expected: str | None) -> None:
    wire = Wire(verify=verify)
    sequence, login = wire.connect()
    right = authenticator_ismg(0, login.authenticator, SECRET)
    given = {"spec": right, "empty": bytes(16), "wrong": bytes(range(16))}[proof]
    wire.gets(pdus.ConnectResp(0, given).pack(sequence))
    if expected is None:
        [end] = wire.all(Ended)
        assert "did not prove" in end.reason
    else:
        assert wire.events == [LoggedIn(expected, 0x20)]
        assert wire.link.room == 16


@pytest.mark.parametrize(
    ("status", "words"),
    [(1, "structure"), (2, "sp_id"), (3, "secret"), (4, "version"), (5, "status 5"), (99, "status 99")],
)
def test_a_login_that_is_refused(status: int, words: str) -> None:
    wire = Wire()
    sequence, _ = wire.connect()
    wire.gets(pdus.ConnectResp(status).pack(sequence))
    [refused] = wire.all(Refused)
    assert refused.status == status
    assert words in refused.reason
    assert wire.link.state is State.ENDED


def test_answers_of_other_versions_and_sequences_are_taken_and_counted() -> None:
    wire = Wire()
    sequence, _ = wire.connect()
    wire.gets(pdus.ConnectRespWide(0, version=0x30).pack(sequence ^ 0x40000000))
    assert wire.events == [LoggedIn("empty", 0x30)]
    assert wire.link.counts == {"login_sequence_wrong": 1, "login_wide": 1}


@pytest.mark.parametrize(
    "octets", [(29).to_bytes(4, "big") + pdus.ConnectResp().pack(1)[4:29], pdus.SubmitResp().pack(1), bytes(12)]
)
def test_an_answer_to_a_login_that_is_none(octets: bytes) -> None:
    wire = Wire()
    wire.connect()
    wire.gets(octets)
    assert len(wire.all(Ended)) == 1


def test_a_login_that_is_never_answered() -> None:
    wire = Wire()
    wire.connect()
    assert wire.link.due_s == 60
    wire.wait(59)
    assert wire.events == []
    wire.wait(1)
    assert wire.events == [Ended("the login was not answered", [])]


# requests and their answers


def test_the_window_bounds_what_is_outstanding_and_answers_free_it_by_sequence() -> None:
    wire = Wire(window=4).open()
    sequences = wire.submit(4)
    assert (wire.link.room, wire.link.outstanding) == (0, 4)
    with pytest.raises(ValueError, match="room for 0"):
        wire.submit(1)
    wire.answers(sequences[3], sequences[1])
    assert wire.events == [Answers([3, 1], (ONE + sequences[3], ONE + sequences[1]), (0, 0))]
    assert wire.link.room == 2


def test_the_parts_of_a_long_message_are_answered_each() -> None:
    parts = [pdus.Submit(tp_udhi=1, pk_total=2, pk_number=n, msg_content=bytes((5, 0, 3, 0, 2, n, 65))) for n in (1, 2)]
    wire = Wire(window=4).open()
    sequences = wire.submit(2, template=SubmitTemplate(parts))
    assert len(sequences) == 4
    wire.answers(*sequences)
    [answers] = wire.all(Answers)
    assert answers.tokens == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="6 SUBMITs do not fit"):
        wire.submit(3, template=SubmitTemplate(parts))


def test_a_request_without_an_answer_is_sent_again_as_it_was_and_given_up_after_n() -> None:
    wire = Wire().open()
    wire.link.send(wire.link.prepare(TEMPLATE, NUMBERS[:2], 0), 2, wire.now_s)
    first = wire.link.take_output()
    for _ in range(2):
        wire.wait(60)
        assert wire.link.take_output() == first
        assert wire.events == []
    wire.wait(60)
    assert wire.events == [Unanswered([0, 1])]
    assert (wire.link.room, wire.link.take_output()) == (16, b"")


def test_an_answer_after_a_repetition_says_so_and_one_after_giving_up_is_late() -> None:
    wire = Wire(transmissions=2, unanswered_max=9).open()
    [first, second] = wire.submit(2)
    wire.wait(60)
    wire.answers(first, result=3)
    assert wire.all(Answers)[0] == Answers([0], (ONE + first,), (3,), 2, False)
    wire.wait(60)
    assert wire.all(Unanswered) == [Unanswered([1])]
    wire.answers(second)
    assert wire.all(Answers)[1] == Answers([1], (ONE + second,), (0,), 2, True)
    wire.answers(second)
    assert wire.link.counts["unexpected_answer"] == 1


def test_after_result_3_to_a_repetition_the_first_copys_own_answer_still_counts() -> None:
    wire = Wire().open()
    [sequence] = wire.submit(1)
    wire.wait(60)
    wire.answers(sequence, result=3)
    assert (wire.link.room, wire.link.outstanding) == (16, 0)
    wire.answers(sequence)
    assert wire.events == [
        Answers([0], (ONE + sequence,), (3,), 2, False),
        Answers([0], (ONE + sequence,), (0,), 2, True),
    ]
    wire.answers(sequence)
    assert wire.link.counts["unexpected_answer"] == 1


def test_resend_never_sends_once() -> None:
    wire = Wire(resend="never").open()
    wire.submit(1)
    wire.wait(60)
    assert wire.events == [Unanswered([0])]
    assert wire.link.take_output() == b""


def test_too_many_unanswered_requests_in_a_row_end_the_link() -> None:
    wire = Wire(resend="never").open()
    wire.submit(4)
    wire.wait(60)
    assert wire.events == [Unanswered([0, 1, 2, 3]), Ended("4 requests in a row had no answer", [])]


def test_a_sequence_id_that_is_still_waited_for_is_not_used_again() -> None:
    wire = Wire(window=3).open()
    wire.link._sequence = 0xFFFFFFFE
    assert wire.submit(1) == [0xFFFFFFFF]
    wire.link._sequence = 0xFFFFFFFE
    assert wire.submit(2) == [1, 2]


@pytest.mark.parametrize("parts", [1, 3])
def test_every_request_has_the_next_sequence_id_whatever_leaves_between_the_frames_of_a_batch(parts: int) -> None:
    pieces = [(n, bytes((5, 0, 3, 0, 3, n)) * n) for n in (1, 2, 3)]
    long = [pdus.Submit(tp_udhi=1, pk_total=3, pk_number=n, msg_content=content) for n, content in pieces]
    wire = Wire(window=100).open()
    template = TEMPLATE if parts == 1 else SubmitTemplate(long)
    batch, other = (wire.link.prepare(template, numbers, 0, range(20)) for numbers in (NUMBERS[:20], NUMBERS[20:40]))
    sent = []
    for count in (1, 4, 2, 7):
        wire.link.send(batch, count, 0.0)
        wire.link.send(other, 1, 0.0)
        wire.link.ask("day", pdus.Query(), 0.0)
        sent += wire.written()
    assert [sequence for sequence, _ in sent] == list(range(2, 2 + len(sent)))
    frames = [pdu for _, pdu in sent if isinstance(pdu, pdus.Submit)]
    for first, count in ((0, 14), (20, 4)):
        numbers = NUMBERS[first : first + 20]
        its = [(numbers.index(to), pdu.pk_number) for pdu in frames if (to := pdu.dest_terminal_ids[0]) in numbers]
        assert its == [(frame // parts, frame % parts + 1) for frame in range(count)]
    assert all(pdu.msg_content[3] == NUMBERS.index(pdu.dest_terminal_ids[0]) % 20 for pdu in frames if pdu.tp_udhi)


def test_the_frames_of_a_batch_leave_as_the_window_allows() -> None:
    wire = Wire(window=4).open()
    wire.link._sequence = 0xFFFFFFFC  # 4 do not fit before the largest Sequence_Id, so they begin at 1
    batch = wire.link.prepare(TEMPLATE, NUMBERS[:6], 100)
    wire.link.send(batch, 4, 0.0)
    assert (batch.left, wire.link.room) == (2, 0)
    wire.answers(4, 1)
    wire.link.send(batch, 2, 0.0)
    assert [(sequence, pdu.dest_terminal_ids) for sequence, pdu in wire.written()] == [
        (place + 1, (NUMBERS[place],)) for place in range(6)
    ]
    wire.answers(6, 2, 3, 5)
    assert [event.tokens for event in wire.all(Answers)] == [[103, 100], [105, 101, 102, 104]]
    with pytest.raises(ValueError, match="5 SUBMITs do not fit: the window has room for 4"):
        wire.link.send(batch, 5, 0.0)


def test_answers_among_other_frames_and_cut_anywhere_come_in_order() -> None:
    wire = Wire(window=8).open()
    sequences = wire.submit(8)
    answers = [pdus.SubmitResp(s, 0).pack(s) for s in sequences]
    octets = b"".join([*answers[:3], pdus.Deliver(msg_id=1).pack(1), answers[3], bytes(0), *answers[4:]])
    for at in range(0, len(octets), 50):
        wire.gets(octets[at : at + 50])
    assert [token for event in wire.all(Answers) for token in event.tokens] == list(range(8))
    assert len(wire.all(Delivered)) == 1


def test_queries_and_cancellations_count_in_the_window() -> None:
    wire = Wire(window=2, transmissions=1, unanswered_max=9).open()
    wire.link.ask("day", pdus.Query(b"20260131"), 0.0)
    wire.link.ask("gone", pdus.Cancel(7), 0.0)
    [query, _] = wire.sends(pdus.Query, pdus.Cancel)
    assert wire.link.room == 0
    with pytest.raises(ValueError, match="full"):
        wire.link.ask("more", pdus.Cancel(8), 0.0)
    wire.gets(pdus.QueryResp(b"20260131", mt_messages=5).pack(query))
    wire.wait(60)
    assert wire.events == [Asked("day", pdus.QueryResp(b"20260131", mt_messages=5)), Asked("gone", None)]


def test_an_answer_of_another_kind_is_no_answer() -> None:
    wire = Wire().open()
    [sequence] = wire.submit(1)
    wire.link.ask("gone", pdus.Cancel(7), 0.0)
    [cancel] = wire.sends(pdus.Cancel)
    wire.gets(pdus.QueryResp().pack(sequence) + pdus.QueryResp().pack(cancel) + pdus.SubmitResp().pack(cancel))
    assert wire.events == []
    assert (wire.link.outstanding, wire.link.counts["unexpected_answer"]) == (2, 3)


@pytest.mark.parametrize(
    ("result", "transmissions", "expected"),
    [
        (0, 1, Effect.ACCEPTED),
        (0, 3, Effect.ACCEPTED),
        (1, 1, Effect.REJECTED),
        (3, 1, Effect.REJECTED),
        (3, 2, Effect.UNKNOWN),
        (6, 1, Effect.CONTENT),
        (8, 2, Effect.THROTTLED),
        (9, 1, Effect.REJECTED),
        (77, 1, Effect.THROTTLED),
    ],
)
def test_what_a_result_means(result: int, transmissions: int, expected: Effect) -> None:
    assert effect(result, transmissions, {77: Effect.THROTTLED, 3: Effect.ACCEPTED}) is expected


# deliveries


def test_a_delivery_is_answered_only_when_it_is_acknowledged() -> None:
    wire = Wire().open()
    deliver = pdus.Deliver(msg_id=ONE, msg_content=b"TD")
    wire.gets(deliver.pack(0))
    assert wire.events == [Delivered(0, deliver)]
    assert wire.link.take_output() == b""
    wire.link.acknowledge([0], 8, wire.now_s)
    assert wire.written() == [(0, pdus.DeliverResp(ONE, 8))]
    wire.link.acknowledge([0], 0, wire.now_s)
    assert wire.written() == []


def test_a_flood_of_deliveries_is_told_to_come_again() -> None:
    wire = Wire().open()
    wire.gets(b"".join(pdus.Deliver(msg_id=n).pack(n) for n in range(DELIVERIES_MAX + 5)))
    assert len(wire.all(Delivered)) == DELIVERIES_MAX
    assert {pdu.result for _, pdu in wire.written()} == {8}
    assert wire.link.counts["deliveries_refused"] == 5


def report(msg_id: int) -> bytes:
    body = pdus.ReportBody(msg_id, b"DELIVRD", b"2601312359", b"2601312359", NUMBERS[0]).pack(0)[12:]
    return pdus.Deliver(msg_id, registered_delivery=1, msg_content=body).pack(msg_id)


def test_reports_that_come_together_leave_together_and_are_acknowledged_together() -> None:
    wire = Wire().open()
    sequences = wire.submit(4)
    answers = b"".join(pdus.SubmitResp(s, 0).pack(s) for s in sequences)
    reports = b"".join(map(report, range(1, 101)))
    wire.gets(answers + reports + pdus.Deliver(msg_id=200).pack(200) + report(201))
    assert [type(event) for event in wire.events] == [Answers, Reported, Reported, Delivered, Delivered]
    assert [len(event.sequences) for event in wire.all(Reported)] == [64, 36]
    assert b"".join(event.frames for event in wire.all(Reported)) == reports
    assert [each.msg_id for event in wire.all(Reported) for each in event.delivers()] == list(range(1, 101))
    assert wire.link.unacknowledged == 102
    wire.link.acknowledge(range(1, 102), 0, 0.0)
    assert wire.written() == [(n, pdus.DeliverResp(n, 0)) for n in range(1, 101)]
    wire.link.acknowledge([200, 201, 200], 8, 0.0)
    assert wire.written() == [(n, pdus.DeliverResp(n, 8)) for n in (200, 201)]


@pytest.mark.parametrize("cut", [1, 11, 12, 13, 144, 145, 146, 1_000])
def test_reports_are_the_same_however_their_bytes_are_cut(cut: int) -> None:
    wire = Wire().open()
    octets = b"".join(map(report, range(1, 41)))
    for at in range(0, len(octets), cut):
        wire.gets(octets[at : at + cut])
    found = {event.deliver.msg_id for event in wire.all(Delivered)}
    found |= {each.msg_id for event in wire.all(Reported) for each in event.delivers()}
    assert found == set(range(1, 41))
    assert wire.link.unacknowledged == 40


def test_a_flood_of_reports_is_told_to_come_again() -> None:
    wire = Wire().open()
    wire.gets(b"".join(map(report, range(1, DELIVERIES_MAX + 6))))
    assert wire.link.unacknowledged == DELIVERIES_MAX
    assert {pdu.result for _, pdu in wire.written()} == {8}
    assert wire.link.counts["deliveries_refused"] == 5


def test_a_malformed_delivery_is_answered_so() -> None:
    wire = Wire().open()
    frame = pdus.Deliver(msg_id=ONE, msg_content=b"12345").pack(9)[:-1]
    wire.gets(len(frame).to_bytes(4, "big") + frame[4:])
    assert wire.written() == [(9, pdus.DeliverResp(ONE, 4))]
    assert wire.events == []


# timers and ends


def test_what_is_due_is_done_when_it_is_due_whatever_the_rounding() -> None:
    for start_s in (0.1, 1_234.567, 98_765.4321, 3.3e6 + 0.7):
        wire = Wire(timeout_s=0.3, idle_s=0.7, transmissions=2, unanswered_max=99).open()
        wire.now_s = start_s
        wire.submit(1)
        wire.link.ask("day", pdus.Query(b"20260131"), wire.now_s)
        for _ in range(12):
            due_s = wire.link.due_s
            assert due_s is not None
            wire.now_s = due_s
            wire.events += wire.link.tick(wire.now_s)
            assert wire.link.due_s is None or wire.link.due_s > due_s
            if wire.link.state is State.ENDED:
                break
        assert wire.link.state is State.ENDED


def test_an_idle_link_asks_whether_the_gateway_is_there_and_ends_without_an_answer() -> None:
    wire = Wire().open()
    assert wire.link.due_s == 180
    wire.wait(179)
    assert wire.written() == []
    wire.wait(1)
    [sequence] = wire.sends(pdus.ActiveTest)
    wire.gets(pdus.ActiveTestRespBare().pack(sequence))
    wire.wait(180)
    [sequence] = wire.sends(pdus.ActiveTest)
    for _ in range(2):
        wire.wait(60)
        assert wire.sends(pdus.ActiveTest) == [sequence]
    wire.wait(60)
    assert wire.events == [Ended("the gateway does not answer ACTIVE_TEST", [])]


def test_the_gateways_own_test_is_answered_with_13_octets() -> None:
    wire = Wire().open()
    wire.gets(pdus.ActiveTest().pack(5))
    assert wire.link.take_output() == pdus.ActiveTestResp().pack(5)


@pytest.mark.parametrize("how", ["lost", "terminated", "broken"])
def test_what_was_outstanding_at_a_broken_link_is_unknown_exactly(how: str) -> None:
    wire = Wire().open()
    sequences = wire.submit(5)
    wire.answers(sequences[1], sequences[3])
    wire.events.clear()
    match how:
        case "lost":
            wire.events += wire.link.lost("reset by peer")
        case "terminated":
            wire.gets(pdus.Terminate().pack(1))
            wire.sends(pdus.TerminateResp)
        case _:
            wire.gets(bytes(12))
    [end] = wire.all(Ended)
    assert end.unknown == [0, 2, 4]
    wire.answers(*sequences)
    wire.wait(1_000)
    assert wire.events == [end]
    assert wire.link.lost("again") == []


def test_what_comes_with_the_gateways_terminate_still_counts() -> None:
    wire = Wire().open()
    sequences = wire.submit(3)
    wire.gets(pdus.Terminate().pack(1) + b"".join(pdus.SubmitResp(ONE, 0).pack(each) for each in sequences[:2]))
    assert wire.events == [Answers([0, 1], (ONE, ONE), (0, 0)), Ended("the gateway ended the session", [2])]
    wire.sends(pdus.TerminateResp)


def test_a_drained_link_waits_for_its_answers_and_leaves_nothing_unknown() -> None:
    wire = Wire().open()
    sequences = wire.submit(2)
    assert wire.link.drain(0.0) == []
    assert wire.link.room == 0
    wire.answers(*sequences)
    [sequence] = wire.sends(pdus.Terminate)
    wire.gets(pdus.TerminateResp().pack(sequence))
    assert wire.events[1:] == [Ended("", [])]


def test_a_drained_link_waits_for_deliveries_to_be_acknowledged() -> None:
    wire = Wire().open()
    wire.gets(pdus.Deliver(msg_id=1).pack(1))
    wire.link.drain(0.0)
    assert wire.written() == []
    wire.link.acknowledge([1], 0, 0.0)
    wire.sends(pdus.DeliverResp, pdus.Terminate)


def test_a_drain_ends_after_t_though_answers_are_missing() -> None:
    wire = Wire().open()
    wire.now_s = 30.0
    wire.submit(1)
    wire.link.drain(wire.now_s)
    wire.wait(60)
    wire.sends(pdus.Submit, pdus.Terminate)
    assert wire.events == [Unanswered([0])]
    wire.answers(2)
    assert wire.events[1:] == [Answers([0], (ONE + 2,), (0,), 2, True)]
    wire.wait(60)
    assert wire.events[2:] == [Ended("", [])]


def test_what_nobody_asked_for_is_counted_and_never_answered() -> None:
    wire = Wire().open()
    strange: list[Any] = [pdus.SubmitResp().pack(99), pdus.ActiveTestResp().pack(98), pdus.QueryResp().pack(97)]
    strange += [pdus.Fwd().pack(1), bytes.fromhex("0000000c0000000a00000001"), pdus.Submit().pack(3)]
    wire.gets(b"".join(strange) + (22).to_bytes(4, "big") + pdus.SubmitResp().pack(1)[4:] + b"\0")
    assert wire.events == []
    assert wire.link.take_output() == b""
    expected = {"unexpected_answer": 3, "unexpected_request": 2, "unknown_command": 1, "malformed": 1}
    assert {name: n for name, n in wire.link.counts.items() if n} == expected
