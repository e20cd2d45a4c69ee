"""What users of CMPP and SMPP libraries complain of, one test each."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, read
from dispatcher.cmpp.link import DELIVERIES_MAX, Answers, Delivered, Ended, LoggedIn
from dispatcher.cmpp.login import authenticator_ismg
from dispatcher.core.results import inbound
from dispatcher.core.results.inbound import Bounds, Held
from dispatcher.vendors.cmpp.vendor import Cmpp
from dispatcher.vendors.seam.vendor import Message, ReportRow, Secret
from schemas.records import Inbound
from tests.cmpp.link_kit import NUMBERS, SECRET, Wire

NOW_MS = 1_800_000_000_000
TEXTS = ["字" * 71, "字" * 67 + "😀" * 40, "a" * 160, "a" * 134 * 3]


def account(**keys: Any) -> Cmpp:
    needed = {"url": "cmpp://127.0.0.1:7890", "sp_id": "901234", "secret": Secret("sim-secret")}
    return Cmpp(**needed | keys)


def frames_of(text: str, numbers: list[bytes], **keys: Any) -> list[tuple[int, pdus.Submit]]:
    """Sequence_Id and SUBMIT of each part, as they would be written."""
    template = account(**keys).prepare(Message(text=text, options={}))
    octets = template.pack(numbers, range(1, 1 + template.parts * len(numbers)), list(range(len(numbers))))
    found = [(sequence, read((command, sequence, body))) for command, sequence, body in FrameReader().feed(octets)]
    assert all(isinstance(pdu, pdus.Submit) for _, pdu in found)
    return found  # type: ignore[return-value]


def test_the_window_is_in_step_after_every_reconnect() -> None:
    for broken_with in (16, 1, 7, 0):
        wire = Wire().open()
        assert wire.link.room == 16
        sequences = wire.submit(16)
        wire.answers(*sequences[broken_with:])
        assert wire.link.room == 16 - broken_with
        [end] = wire.link.lost("reset by peer")
        assert end == Ended("reset by peer", list(range(broken_with)))
        assert wire.link.room == 0


def test_the_parts_of_a_message_stay_on_one_connection_and_each_answer_has_its_request() -> None:
    one, other = Wire().open(), Wire().open()
    template = account().prepare(Message(text="字" * 150, options={}))
    batches = [wire.link.prepare(template, NUMBERS[:5], 0, [1] * 5) for wire in (one, other)]
    for wire, batch in zip((one, other), batches, strict=True):
        while batch.left:
            wire.link.send(batch, min(2, batch.left), 0.0)  # in pieces that end amid a message
        written = wire.written()
        assert [pdu.pk_number for _, pdu in written] == [1, 2, 3] * 5
        wire.answers(*(sequence for sequence, _ in reversed(written)))
        assert [answers.tokens for answers in wire.all(Answers)] == [list(reversed(range(15)))]
        assert wire.link.counts["unexpected_answer"] == 0


def test_the_msg_ids_of_a_long_messages_parts_are_tied_to_one_recipient() -> None:
    wire = Wire().open()
    template = account().prepare(Message(text="字" * 100, options={}))
    wire.link.send(wire.link.prepare(template, NUMBERS[:3], 0, [1, 2, 3]), 6, 0.0)
    sequences = [sequence for sequence, _ in wire.written()]
    random.Random(7).shuffle(sequences)
    wire.gets(b"".join(pdus.SubmitResp(1_000 + sequence).pack(sequence) for sequence in sequences))
    [answers] = wire.all(Answers)
    ids: dict[int, dict[int, int]] = {}
    for token, msg_id in zip(answers.tokens, answers.msg_ids, strict=True):
        ids.setdefault(token // 2, {})[token % 2] = msg_id
    first = min(sequences)
    assert ids == {recipient: {part: 1_000 + first + 2 * recipient + part for part in (0, 1)} for recipient in range(3)}


@pytest.mark.parametrize("seed", range(5))
def test_the_parts_of_long_messages_from_phones_are_joined_though_four_connections_bring_them(seed: int) -> None:
    """The same reference from two phones, of 8 and of 16 bits from one phone: each text comes out whole."""
    vendor, dice = account(), random.Random(seed)
    texts: dict[tuple[bytes, int], str] = {}
    delivers = []
    for phone, bits in itertools.product((b"13800138000", b"8613900139000"), (8, 16)):
        pieces = [f"{phone[-4:].decode()}.{bits}.{number} " for number in range(1, 5)]
        texts[phone, bits] = "".join(pieces)
        for number, piece in enumerate(pieces, 1):
            head = bytes((5, 0, 3, 9, 4, number)) if bits == 8 else bytes((6, 8, 4, 0, 9, 4, number))
            content = head + piece.encode("utf-16-be")
            delivers.append(
                pdus.Deliver(
                    dice.getrandbits(64), b"106900", tp_udhi=1, msg_fmt=8, src_terminal_id=phone, msg_content=content
                )
            )
    dice.shuffle(delivers)
    held: dict[int, list[Held]] = {}
    for place, deliver in enumerate(delivers):
        message = vendor.read(deliver, "spring", NOW_MS + place)
        assert isinstance(message, Inbound)
        known = held.setdefault(inbound.key(message), [])
        found = inbound.placed(message, known, BOUNDS)
        known[:] = [found if found and each.id == found.id else each for each in known]
        if found is None:
            known.append(inbound.new(place, message))
    joined = [each for known in held.values() for each in known]
    assert all(each.whole for each in joined)
    assert sorted(each.text for each in joined) == sorted(texts.values())


BOUNDS = Bounds(parts_within_ms=86_400_000, repeats_within_ms=86_400_000)


def test_a_report_names_its_own_message_however_large_the_ids_are_and_whatever_stands_around_its_number() -> None:
    vendor, ids = account(), [(1 << 63) + 1, (1 << 63) + 2, (1 << 64) - 1, 1, 0x7FFFFFFFFFFFFFFF]
    for place, (msg_id, prefix) in enumerate(itertools.product(ids, (b"", b"86", b"+86"))):
        body = pdus.ReportBody(msg_id, b"DELIVRD", b"2601311200", b"2601311201", prefix + NUMBERS[place], place)
        deliver = pdus.Deliver(7, registered_delivery=1, src_terminal_id=b"10086", msg_content=body.pack(0)[12:])
        row = vendor.read(deliver, "spring", NOW_MS)
        assert isinstance(row, ReportRow)
        assert (row.vendor_id, row.number) == (str(msg_id), int(NUMBERS[place]))


@pytest.mark.parametrize("extra", range(-3, 4))
@pytest.mark.parametrize(("character", "one", "octets"), [("字", 70, 2), ("a", 159, 1), ("字", 134, 2), ("a", 268, 1)])
def test_no_part_is_longer_than_140_octets_with_its_header(character: str, one: int, octets: int, extra: int) -> None:
    text = character * (one + extra)
    found = [pdu for _, pdu in frames_of(text, NUMBERS[:1])]
    contents = [pdu.msg_content[6:] if pdu.tp_udhi else pdu.msg_content for pdu in found]
    assert b"".join(contents) == text.encode("utf-16-be" if octets == 2 else "ascii")
    for number, pdu in enumerate(found, 1):
        assert len(pdu.msg_content) <= (140 if pdu.tp_udhi or octets == 2 else 159)
        if len(found) > 1:
            assert pdu.msg_content[:6] == bytes((5, 0, 3, 0, len(found), number))


@pytest.mark.parametrize("text", TEXTS)
def test_no_field_is_lost_in_the_later_parts(text: str) -> None:
    keys = {"service_id": "SVC", "src_id": "1069000101", "fee_type": "02", "fee_code": "000010", "msg_level": 3}
    found = frames_of(text, NUMBERS[:3], **keys, tp_pid=1, fee_user_type=3, fee_terminal_id="13800138000")
    own = {"pk_number", "msg_content", "dest_terminal_ids"}
    rest = [{name: getattr(pdu, name) for name in pdu.__struct_fields__ if name not in own} for _, pdu in found]
    assert all(each == rest[0] for each in rest)
    assert (rest[0]["service_id"], rest[0]["src_id"], rest[0]["fee_code"]) == (b"SVC", b"1069000101", b"000010")
    parts = rest[0]["pk_total"]
    assert parts > 1
    assert [pdu.pk_number for _, pdu in found] == [*range(1, parts + 1)] * 3
    assert [pdu.dest_terminal_ids for _, pdu in found] == [(number,) for number in NUMBERS[:3] for _ in range(parts)]


@pytest.mark.parametrize("text", ["hi", *TEXTS])
@pytest.mark.parametrize("wanted", [0, 1])
def test_a_report_is_asked_for_in_every_part_unless_the_account_wants_none(text: str, wanted: int) -> None:
    keys = {} if wanted else {"registered_delivery": 0}
    assert {pdu.registered_delivery for _, pdu in frames_of(text, NUMBERS[:2], **keys)} == {wanted}


@pytest.mark.parametrize("seed", range(5))
def test_every_delivery_is_served_once_and_in_order_however_the_bytes_are_cut(seed: int) -> None:
    dice, wire = random.Random(seed), Wire().open()
    octets = b"".join(pdus.Deliver(msg_id=n, msg_content=bytes(n % 141)).pack(n) for n in range(DELIVERIES_MAX))
    while octets:
        size = dice.choice([1, 11, 12, 13, 200, 5_000])
        wire.gets(octets[:size])
        octets = octets[size:]
    served = wire.all(Delivered)
    assert [each.deliver.msg_id for each in served] == list(range(DELIVERIES_MAX))
    for each in served:
        wire.link.acknowledge([each.sequence], 0, 0.0)
    assert [(sequence, pdu.msg_id, pdu.result) for sequence, pdu in wire.written()] == [
        (n, n, 0) for n in range(DELIVERIES_MAX)
    ]


def test_every_login_and_every_end_of_a_connection_is_an_event() -> None:
    for _ in range(3):
        wire = Wire()
        sequence, login = wire.connect()
        wire.gets(pdus.ConnectResp(0, authenticator_ismg(0, login.authenticator, SECRET)).pack(sequence))
        wire.events += wire.link.lost("reset by peer")
        assert wire.events == [LoggedIn("spec", 0x20), Ended("reset by peer", [])]


def test_a_whole_window_may_be_under_way_to_one_number() -> None:
    wire = Wire().open()
    template = account().prepare(Message(text="hi", options={}))
    wire.link.send(wire.link.prepare(template, [NUMBERS[0]] * 16, 0), 16, 0.0)
    assert wire.link.outstanding == 16
    assert {pdu.dest_terminal_ids for _, pdu in wire.written()} == {(NUMBERS[0],)}
