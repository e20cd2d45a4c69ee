"""CMPP as a vendor: its keys, the SUBMITs of a text, what answers mean, what is delivered (vendors.md 6, 8.5)."""

from __future__ import annotations

import re
from datetime import datetime

import pytest

from dispatcher.cmpp import pdus
from dispatcher.cmpp.frames import FrameReader, read
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.core.messages.text import parts
from dispatcher.core.results import inbound
from dispatcher.errors import TextError
from dispatcher.vendors.cmpp.codes import CODES, REPORT_CODES
from dispatcher.vendors.cmpp.vendor import Cmpp
from dispatcher.vendors.seam.link import Unreadable
from dispatcher.vendors.seam.vendor import Flow, Message, ReportRow, Secret
from schemas.codec import encode
from schemas.records import Inbound
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING
from tests.cmpp.vectors import FRAMES

NUMBER = b"13800138000"
NOW_MS = 1_800_000_000_000
HUGE_ID = 12_878_564_852_798_914_561


def account(**keys):
    needed = {"url": "cmpp://127.0.0.1:7890", "sp_id": "901234", "secret": Secret("sim-secret")}
    return Cmpp(**needed | keys)


def submits(text="hi", options=None, references=(0xA5,), **keys):
    template = account(**keys).prepare(Message(text=text, options=options or {}))
    octets = template.pack([NUMBER], range(5, 5 + template.parts), references)
    return [read(frame) for frame in FrameReader().feed(octets)]


KEYS = [
    ("no scheme of ours", {"url": "http://127.0.0.1"}, "url must be cmpp://HOST"),
    ("a path", {"url": "cmpp://127.0.0.1/x"}, "without anything behind it"),
    ("a bad port", {"url": "cmpp://127.0.0.1:x"}, "url must be"),
    ("a long sp_id", {"sp_id": "9012345"}, "sp_id must be"),
    ("no secret", {"secret": Secret("")}, "secret is empty"),
    ("a version", {"version": 256}, "version must be"),
    ("a long src_id", {"src_id": "1" * 21}, "src_id must be"),
    ("letters in src_id", {"src_id": "106a"}, "src_id must be"),
    ("a long service", {"service_id": "x" * 11}, "service_id must be"),
    ("a fee code", {"fee_code": "1234567"}, "fee_code must be"),
    ("a level", {"msg_level": 256}, "msg_level must be"),
    ("a number that does not pay", {"fee_terminal_id": "1380013800"}, "fee_terminal_id is the number that pays"),
    ("nobody who pays", {"fee_user_type": 3}, "fee_terminal_id is the number that pays"),
    ("a payer", {"fee_user_type": 4}, "fee_user_type must be 0 to 3"),
    ("a length", {"ascii_bytes_max": 161}, "159 or 160"),
    ("parts", {"parts_max": 0}, "parts_max must be"),
    ("a Result of the document", {"results": {"8": "content"}}, '"8" is no Result of the operator'),
    ("no window", {"window": 0}, "window must be"),
    ("no connection", {"connections": 0}, "connections must be"),
    ("no time", {"timeout_s": 0.0}, "timeout_s must be above 0"),
    ("a flow in numbers", {"flow": Flow(limit=100)}, 'unit = "parts"'),
    ("a flow of nothing", {"flow": Flow(limit=0, unit="parts")}, "limit of 1 or more"),
]


@pytest.mark.parametrize(("keys", "says"), [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_a_wrong_key_is_named_in_a_sentence(keys, says):
    assert says in account(**keys).check()
    assert account(**keys).check().endswith(".")


def test_an_account_with_what_must_be_written_is_right_and_hides_its_secret():
    assert account().check() is None
    assert "sim-secret" not in repr(account())
    assert account(url="cmpp://gate.example").address == ("gate.example", 7890)
    assert account(connections=3).chunks_max == 6


def test_the_documents_vectors_are_what_this_account_sends():
    keys = {"service_id": "SVC", "src_id": "1069000101"}
    hello = account(**keys).prepare(Message(text="hello")).pack([NUMBER], [2])
    assert hello in FRAMES
    gbk = account(**keys, coding="gb18030").prepare(Message(text="测试")).pack([NUMBER], [4])
    assert gbk in FRAMES


TEXTS = [
    ("ASCII", "a" * 159, {}, 0, 1),
    ("ASCII of 160", "a" * 160, {}, 0, 2),
    ("ASCII of 160, if it may", "a" * 160, {"ascii_bytes_max": 160}, 0, 1),
    ("Chinese", "测" * 70, {}, 8, 1),
    ("Chinese of 71", "测" * 71, {}, 8, 2),
    ("Chinese of 135", "测" * 135, {}, 8, 3),
    ("ASCII in UCS2", "a" * 71, {"coding": "ucs2"}, 8, 2),
    ("GB18030", "测" * 71, {"coding": "gb18030"}, 15, 2),
]


@pytest.mark.parametrize(("text", "keys", "msg_fmt", "count"), [row[1:] for row in TEXTS], ids=[r[0] for r in TEXTS])
def test_a_text_is_sent_in_as_many_parts_as_a_plan_counts(text, keys, msg_fmt, count):
    sent = submits(text, **keys)
    assert [(each.pk_total, each.pk_number) for each in sent] == [(count, place) for place in range(1, count + 1)]
    assert {each.msg_fmt for each in sent} == {msg_fmt}
    assert {each.tp_udhi for each in sent} == {int(count > 1)}
    assert parts(text, account(**keys).split) == count


def test_every_part_has_all_fields_and_the_reference():
    options = {"src_id_extension": "77", "at_time": "20300101080000", "valid_time": "20300102080000"}
    sent = submits("测" * 71, options, src_id="1069", service_id="SVC", fee_code="000010", registered_delivery=1)
    for number, each in enumerate(sent, 1):
        assert (each.src_id, each.service_id, each.fee_code) == (b"106977", b"SVC", b"000010")
        assert (each.registered_delivery, each.msg_src, each.fee_type) == (1, b"901234", b"01")
        assert each.at_time == b"300101080000032+"
        assert each.valid_time == b"300102080000032+"
        assert each.msg_content[:6] == bytes((5, 0, 3, 0xA5, 2, number))
        assert each.dest_terminal_ids == (NUMBER,)


OPTIONS = [
    ({"at_time": "2030"}, "at_time"),
    ({"valid_time": "20301301080000"}, "valid_time"),
    ({"src_id_extension": "1a"}, "src_id_extension"),
    ({"src_id_extension": "1" * 17}, "16 digits"),
    ({"sub": "1"}, 'no option "sub"'),
]


@pytest.mark.parametrize(("options", "says"), OPTIONS, ids=str)
def test_an_option_that_it_does_not_take_is_refused_with_a_sentence(options, says):
    with pytest.raises(TextError, match=re.escape(says)):
        account(src_id="1069").prepare(Message(text="hi", options=options))


@pytest.mark.parametrize("text", ["", " ", "\ud800", "测" * 671, "a" * 1341])
def test_a_text_that_it_cannot_carry_is_refused_with_a_sentence(text):
    with pytest.raises(TextError, match=r"\.$"):
        account().prepare(Message(text=text))


def test_a_schedule_is_shown_before_the_launch():
    notes = account().notes(Message(text="hi", options={"at_time": "20300101080000", "valid_time": "20300102080000"}))
    assert "2030-01-01 08:00:00" in notes[0]
    assert "2030-01-02 08:00:00" in notes[1]
    assert account().notes(Message(text="hi")) == ()


SCHEDULES = [
    ({}, "1970-01-01 08:00"),
    ({"at_time": "20300101080000"}, "2030-01-01 08:00"),
    ({"at_time": "20300101080000", "valid_time": "20300102080000"}, "2030-01-02 08:00"),
    ({"valid_time": "20300102080000"}, "2030-01-02 08:00"),
]


@pytest.mark.parametrize(("options", "begins"), SCHEDULES)
def test_the_wait_for_reports_begins_when_the_gateway_has_sent_and_tries_no_longer(options, begins):
    begins_ms = datetime.fromisoformat(f"{begins}:00+08:00").timestamp() * 1000
    assert account().reports_from_ms(options) == begins_ms


def test_a_number_is_written_with_the_prefix_of_the_account():
    assert account().number(NUMBER) == NUMBER
    assert account(number_prefix="+86").number(NUMBER) == b"+8613800138000"


RESULTS = [
    (0, 1, Kind.ACCEPTED),
    (1, 1, Kind.REJECTED),
    (3, 1, Kind.REJECTED),
    (3, 2, Kind.UNKNOWN),
    (6, 1, Kind.CONTENT),
    (8, 3, Kind.THROTTLED),
    (9, 1, Kind.RETRY_LATER),
    (11, 1, Kind.REJECTED),
]


@pytest.mark.parametrize(("result", "transmissions", "kind"), RESULTS)
def test_a_result_has_the_class_of_the_document_or_of_the_account(result, transmissions, kind):
    verdict = account(results={"9": "retry-later"}).answer(result, transmissions)
    assert (verdict.kind, verdict.code) == (kind, str(result))


@pytest.mark.parametrize(("keys", "numbers"), [({}, 99), ({"group_numbers_max": 20}, 20)])
def test_several_numbers_are_in_one_submit_only_where_no_report_is_wanted(keys, numbers):
    assert account(**keys).prepare(Message(text="hi")).numbers_max == 1
    assert account(registered_delivery=0, **keys).prepare(Message(text="hi")).numbers_max == numbers


def test_a_refusal_that_may_be_about_one_number_of_a_group_divides_it():
    group = account(registered_delivery=0, results={"10": "throttled", "11": "rejected-permanent"})
    assert [result for result in range(256) if group.answer(result, 1).divide] == [1, 4, 9, *range(11, 256)]
    assert not any(account().answer(result, 1).divide for result in range(256))


@pytest.mark.parametrize("most", [0, 100])
def test_a_group_of_no_numbers_or_of_more_than_the_document_allows_is_a_wrong_key(most):
    assert account(group_numbers_max=most).check() == "group_numbers_max must be 1 to 99."


def test_result_3_to_a_message_that_was_sent_once_is_an_alert():
    assert "once" in account().answer(3, 1).warn


LOGINS = [(1, Kind.AUTH), (2, Kind.AUTH), (3, Kind.AUTH), (4, Kind.AUTH), (5, Kind.RETRY_LATER), (9, Kind.RETRY_LATER)]


@pytest.mark.parametrize(("status", "kind"), LOGINS)
def test_a_refused_login_keeps_the_messages_whatever_its_status(status, kind):
    verdict = account().login_refused(status)
    assert (verdict.kind, verdict.code) == (kind, f"login {status}")
    assert CODES.meaning(f"login {status}")


def report(stat=b"DELIVRD", *, wide=False, number=NUMBER, msg_id=HUGE_ID):
    kind = pdus.ReportBodyWide if wide else pdus.ReportBody
    body = kind(msg_id, stat, b"2601312359", b"2602010000", number, 1)
    return pdus.Deliver(registered_delivery=1, src_terminal_id=number, msg_content=body.pack(0)[12:])


STATS = [
    (b"DELIVRD", REPORT_DELIVERED),
    (b"delivrd", REPORT_DELIVERED),
    (b"EXPIRED", REPORT_FAILED),
    (b"UNDELIV", REPORT_FAILED),
    (b"ACCEPTD", REPORT_WAITING),
    (b"UNKNOWN", REPORT_FAILED),
    (b"MA:0001", REPORT_FAILED),
    (b"MK:0001", REPORT_FAILED),
    (b"", REPORT_FAILED),
]


@pytest.mark.parametrize(("stat", "state"), STATS)
@pytest.mark.parametrize("wide", [False, True])
def test_a_report_is_read_in_both_layouts_with_its_id_unsigned(stat, state, wide):
    row = account().read(report(stat, wide=wide), "polar", NOW_MS)
    assert isinstance(row, ReportRow)
    assert (row.vendor_id, row.number, row.state) == ("12878564852798914561", 13_800_138_000, state)
    assert (row.code, row.time_s) == (stat.decode(), 1_769_875_200)
    assert REPORT_CODES.state(row.code) == state


@pytest.mark.parametrize("number", [b"8613800138000", b"+8613800138000", b"13800138000      "])
def test_a_number_with_a_prefix_is_the_same_number(number):
    assert account().read(report(number=number), "polar", NOW_MS).number == 13_800_138_000


def test_a_report_of_another_length_is_kept_as_it_came():
    odd = pdus.Deliver(registered_delivery=1, msg_content=b"x" * 59)
    assert account().read(odd, "polar", NOW_MS) == Unreadable("a report of 59 octets", b"x" * 59)
    assert isinstance(account(report_layout="2.0").read(report(wide=True), "polar", NOW_MS), ReportRow)
    assert isinstance(account(report_layout="3.0").read(report(), "polar", NOW_MS), Unreadable)


def mo(content, msg_fmt, **fields):
    fields = {"src_terminal_id": b"8613800138000", "dest_id": b"1069000101"} | fields
    return account().read(pdus.Deliver(msg_content=content, msg_fmt=msg_fmt, **fields), "polar", NOW_MS)


MESSAGES = [
    ("ASCII", b"TD", 0, "TD", ("no-time",)),
    ("UCS2", "退订".encode("utf-16-be"), 8, "退订", ("no-time",)),
    ("GB", "退订".encode("gb18030"), 15, "退订", ("no-time",)),
    ("binary", b"\x01\xff", 4, "01ff", ("msg-fmt-4", "no-time")),
    ("an unknown format", b"\x01", 246, "01", ("msg-fmt-246", "no-time")),
    ("GB labelled UCS2", "退订".encode("gb18030"), 8, "退订", ("gb-as-ucs2", "no-time")),
    ("GB labelled UCS2, which is no UCS2", "谢谢，再见".encode("gb18030"), 8, "谢谢，再见", ("gb-as-ucs2", "no-time")),
    ("GB labelled ASCII", "退订".encode("gb18030"), 0, "退订", ("gb-as-ascii", "no-time")),
    ("Latin-1 labelled ASCII", b"caf\xe9", 0, "caf\ufffd", ("msg-fmt-0", "no-time")),
    ("Hangul", "안녕하세요".encode("utf-16-be"), 8, "안녕하세요", ("no-time",)),
    ("English in UCS2", "stop".encode("utf-16-be"), 8, "stop", ("no-time",)),
    ("an emoji", "好😀".encode("utf-16-be"), 8, "好😀", ("no-time",)),
    ("a wrong label", b"\xcd", 8, "\ufffd", ("msg-fmt-8", "no-time")),
]


@pytest.mark.parametrize(
    ("content", "msg_fmt", "text", "flags"), [r[1:] for r in MESSAGES], ids=[r[0] for r in MESSAGES]
)
def test_a_message_is_read_in_every_format(content, msg_fmt, text, flags):
    message = mo(content, msg_fmt)
    assert isinstance(message, Inbound)
    assert (message.number, message.text, message.to, message.flags) == ("13800138000", text, "1069000101", flags)
    assert (message.account, message.at_ms, message.part) == ("polar", NOW_MS, None)


def test_a_message_again_has_the_same_id_and_another_text_under_the_same_msg_id_has_another():
    first, again, other = (mo(content, 0, msg_id=7) for content in (b"TD", b"TD", b"hello"))
    assert first.message_id == again.message_id != other.message_id
    assert mo(b"TD", 0, msg_id=8).message_id != first.message_id


def test_the_parts_of_a_long_message_are_known_by_references_of_8_and_of_16_bits():
    short, wide = bytes((5, 0, 3, 7, 2, 1)), bytes((6, 8, 4, 0, 7, 2, 2))
    first, second = mo(short + b"one", 0, tp_udhi=1), mo(wide + b"two", 0, tp_udhi=1)
    assert (first.text, first.part[1:]) == ("one", (2, 1))
    assert (second.text, second.part[1:]) == ("two", (2, 2))
    assert first.part[0] != second.part[0]
    assert mo(b"\x01", 0, tp_udhi=1).part is None


def test_a_character_that_a_gateway_cut_in_two_is_whole_again_in_the_joined_message():
    octets = "好😀".encode("utf-16-be")
    parts = [
        mo(bytes((5, 0, 3, 7, 2, number)) + piece, 8, tp_udhi=1) for number, piece in ((1, octets[:4]), (2, octets[4:]))
    ]
    assert [part.flags for part in parts] == [("no-time",)] * 2
    held = inbound.new(1, parts[1]).with_part(inbound.part_of(parts[0]))
    assert held.text == "好😀"
    assert inbound.new(1, parts[0]).text == "好\ufffd[…]"
    encode(parts[0])  # a record has no half of a pair
