"""What a gateway or a stranger may send to a link: it ends or is counted, and what is kept of it is bounded."""

from __future__ import annotations

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FRAME_BYTES_MAX
from dispatcher.cmpp.layout import HEADER, Pdu
from dispatcher.cmpp.link import DELIVERIES_MAX, Answers, Delivered, Ended, Refused, State, Unanswered
from tests.cmpp.link_kit import Wire


def framed(frame: bytes) -> bytes:
    """The frame with the length that it has."""
    return len(frame).to_bytes(4, "big") + frame[4:]


BREAKS = [
    ("length 0", bytes(12)),
    ("length 11", HEADER.pack(11, pdus.SUBMIT_RESP, 2)),
    ("length 4,097", HEADER.pack(4_097, pdus.DELIVER, 2)),
    ("length 2^31 - 1", HEADER.pack(0x7FFFFFFF, pdus.DELIVER, 2)),
    ("length 2^32 - 1", HEADER.pack(0xFFFFFFFF, pdus.DELIVER, 2)),
    ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00"),
]


@pytest.mark.parametrize(("what", "octets"), BREAKS, ids=[what for what, _ in BREAKS])
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one byte at a time"])
def test_what_is_no_frame_ends_the_link_and_its_first_bytes_are_told_in_hex(
    what: str, octets: bytes, at_once: bool
) -> None:
    wire = Wire().open()
    sequences = wire.submit(3)
    wire.answers(sequences[0])
    for piece in [octets] if at_once else [octets[place : place + 1] for place in range(len(octets))]:
        wire.gets(piece)
    [end] = wire.all(Ended)
    assert end.unknown == [1, 2]
    assert octets[:4].hex(" ") in end.reason
    assert "Bad" not in end.reason
    assert wire.link.counts["malformed"] == 1
    assert wire.link._reader.pending_bytes == 0
    wire.answers(*sequences)
    assert len(wire.events) == 2  # the first answer and the end


COUNTED = [
    ("unknown_command", HEADER.pack(12, 0x0000000A, 1)),
    ("unknown_command", HEADER.pack(14, 0x7FFFFFFF, 1) + b"ab"),
    ("unexpected_request", pdus.Submit().pack(1)),
    ("unexpected_request", pdus.Fwd().pack(1)),
    ("unexpected_answer", pdus.SubmitResp().pack(0x40000000)),
    ("unexpected_answer", pdus.ActiveTestResp().pack(7)),
    ("unexpected_answer", pdus.QueryResp().pack(2)),
    ("unexpected_answer", pdus.ConnectResp().pack(1)),
    ("malformed", framed(pdus.SubmitResp().pack(2)[:-1])),
    ("malformed", framed(pdus.SubmitResp().pack(2) + b"\0")),
    ("malformed", framed(pdus.Deliver(msg_content=b"12345").pack(3)[:-1])),
    ("malformed", framed(pdus.ActiveTest().pack(3) + b"\0")),
]


@pytest.mark.parametrize(("name", "frame"), COUNTED, ids=[f"{n} {f[4:].hex()[:16]}" for n, f in COUNTED])
def test_a_sound_frame_that_means_nothing_is_counted_and_the_link_goes_on(name: str, frame: bytes) -> None:
    wire = Wire().open()
    sequences = wire.submit(2)
    for place in range(len(frame)):
        wire.gets(frame[place : place + 1])
    assert wire.events == []
    assert {counted: n for counted, n in wire.link.counts.items() if n} == {name: 1}
    wire.answers(*sequences)
    assert [answers.tokens for answers in wire.all(Answers)] == [[0, 1]]


def test_a_peer_that_takes_the_connection_and_never_answers_the_login() -> None:
    wire = Wire()
    wire.connect()
    wire.wait(60)
    assert [type(event) for event in wire.events] == [Ended]


def test_a_peer_that_takes_the_login_and_then_never_answers() -> None:
    wire = Wire(unanswered_max=3).open()
    wire.submit(16)
    for _ in range(3):
        wire.wait(60)
    assert wire.all(Unanswered) == [Unanswered(list(range(16)))]
    [end] = wire.all(Ended)
    assert "had no answer" in end.reason


@pytest.mark.parametrize(
    "wrong",
    [
        lambda sequence: pdus.SubmitResp(1, 0).pack(sequence ^ 0x40000000),
        lambda sequence: pdus.QueryResp().pack(sequence),
        lambda sequence: pdus.CancelResp().pack(sequence),
        lambda sequence: framed(pdus.SubmitResp(1, 0).pack(sequence)[:-1]),
        lambda sequence: framed(pdus.SubmitResp(1, 0).pack(sequence) + b"\0"),
        lambda sequence: HEADER.pack(12, 0x80000099, sequence),
    ],
    ids=["another Sequence_Id", "QUERY_RESP", "CANCEL_RESP", "too short", "too long", "no such command"],
)
def test_a_peer_that_answers_everything_wrong_leaves_everything_unknown_once(wrong) -> None:
    wire = Wire(unanswered_max=3).open()
    sequences = wire.submit(5)
    for _ in range(3):
        wire.gets(b"".join(map(wrong, sequences)))
        wire.wait(60)
    assert wire.all(Answers) == []
    assert wire.all(Unanswered) == [Unanswered([0, 1, 2, 3, 4])]
    assert wire.link.state is State.ENDED


@pytest.mark.parametrize("asked", [pdus.ActiveTest(), pdus.Deliver()])
def test_what_a_peer_asks_before_the_login_is_not_answered_and_ends_nothing(asked: Pdu) -> None:
    wire = Wire()
    sequence, _ = wire.connect()
    wire.gets(asked.pack(sequence))
    assert (wire.events, wire.link.state) == ([], State.LOGIN)


@pytest.mark.parametrize("answer", [pdus.SubmitResp(), pdus.Terminate(), pdus.QueryResp()])
def test_a_peer_that_answers_the_login_with_something_else(answer: Pdu) -> None:
    wire = Wire()
    sequence, _ = wire.connect()
    wire.gets(answer.pack(sequence))
    [end] = wire.events
    assert isinstance(end, Ended | Refused)


def test_a_flood_of_deliveries_fills_no_memory_and_holds_up_no_answer() -> None:
    wire = Wire().open()
    sequences = wire.submit(16)
    octets = b"".join(pdus.Deliver(msg_id=n, msg_content=b"x" * 140).pack(n) for n in range(3 * DELIVERIES_MAX))
    for at in range(0, len(octets), FRAME_BYTES_MAX):
        wire.gets(octets[at : at + FRAME_BYTES_MAX])
        assert wire.link._reader.pending_bytes < FRAME_BYTES_MAX
    wire.answers(*sequences)
    assert len(wire.all(Delivered)) == len(wire.link._deliveries) == DELIVERIES_MAX
    assert wire.link.counts["deliveries_refused"] == 2 * DELIVERIES_MAX
    assert [answers.tokens for answers in wire.all(Answers)] == [list(range(16))]


def test_answers_to_nothing_without_end_are_counted_alone() -> None:
    wire = Wire().open()
    wire.gets(b"".join(pdus.SubmitResp().pack(sequence) for sequence in range(100, 5_100)))
    assert wire.events == []
    assert wire.link.counts["unexpected_answer"] == 5_000
    assert wire.link.room == 16


@pytest.mark.parametrize("more", [1, 256, 5_120])
def test_reports_whose_length_does_not_fit_their_content_are_no_reports(more: int) -> None:
    wire = Wire().open()
    report = pdus.Deliver(registered_delivery=1, msg_content=bytes(60)).pack(1)
    wire.gets(2 * (HEADER.pack(len(report) + more, pdus.DELIVER, 1) + report[12:] + bytes(more)))
    if len(report) + more > FRAME_BYTES_MAX:
        assert [type(event) for event in wire.events] == [Ended]
    else:
        assert wire.events == []
        assert [pdu.result for _, pdu in wire.written()] == [4, 4]
