"""Ids, codes and other short fields are read in one way, wherever a vendor writes them: answers, reports, messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.vendors.reading.identifiers import identifier, identifiers
from dispatcher.vendors.registry import find
from dispatcher.vendors.seam.vendor import Answer, HttpVendor, Push
from tests.vendors.test_every_vendor import made, report_rows, run, taken

HOSTILE = [b"a\x1b[2Jb", b"a\x7fb", b"a\x1b]0x\x07", b"a\x1cb", b"\x01\x02"]
REFUSED_BY_SOME = [b"a\xc2\x9bb", b"\xe2\x80\xaeab"]
"""COSMS takes ASCII alone for an id."""
PLAIN = b"20090422-1001_x"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"1001", "1001"),
        (b" 1001\r\n", "1001"),
        (b"a b", "a b"),
        (b"a\x1b[2Jb", "a\u241b[2Jb"),
        (b"\x7f", "\u2421"),
        (b"a\tb\nc", "a\u2409b\u240ac"),
        (b"\xc2\x9b1m", "\ufffd1m"),
        (b"\xe2\x80\xae1", "\ufffd1"),
        (b"\xff", "\ufffd"),
        ("短信".encode(), "短信"),
        (b"\x1c", "\u241c"),
        (b"  ", ""),
        (b"", ""),
    ],
)
def test_control_characters_become_signs_that_show_them(written, read):
    assert identifier(written) == read
    assert identifiers([written, b"1001"]) == [read, "1001"]


@given(st.text(max_size=70))
def test_a_field_that_was_read_is_read_as_it_is(text):
    once = identifier(text)
    assert identifier(once) == once
    assert len(once) <= len(text)


# --- an id in an answer and in its report ----------------------------------------------------------------------------

Written = Callable[[bytes], bytes]


def batch_report(vendor_id: bytes) -> Push:
    query = b"msgid=%b&mobile=13800138000&status=DELIVRD&reportTime=0904221033" % escaped(vendor_id)
    return Push("spring", "GET", query, b"", "", 1_700_000_000_000)


def hezhong_report(vendor_id: bytes) -> Push:
    body = b"rpts=" + escaped(b"13800138000,DELIVRD,%b,20090422103324;" % vendor_id)
    return Push("spring", "POST", b"", body, "", 1_700_000_000_000)


def guodu_report(vendor_id: bytes) -> Push:
    entry = {"mobile": "13800138000", "msgId": vendor_id.decode(), "status": "0", "reportTime": "2022-12-12 12:00:00"}
    return Push("spring", "POST", b"", json.dumps([entry], ensure_ascii=False).encode(), "", 1_700_000_000_000)


def cosms_report(vendor_id: bytes) -> Push:
    return Push("spring", "GET", b"mtReport=DELIVRD&mtID=" + escaped(vendor_id), b"", "", 1_700_000_000_000)


def escaped(value: bytes) -> bytes:
    return quote_from_bytes(value, safe="").encode()


def guodu_answer(vendor_id: bytes) -> bytes:
    return json.dumps({"ResultCode": "00", "MsgId": vendor_id.decode()}).encode()


VENDORS: dict[str, tuple[Written, Callable[[bytes], Push]]] = {
    "batch-a": (lambda vendor_id: b"20090422103324,0\n" + vendor_id, batch_report),
    "batch-b": (lambda vendor_id: b"20090422103324,0\n" + vendor_id, batch_report),
    "hezhong": (lambda vendor_id: b"0," + vendor_id, hezhong_report),
    "guodu": (guodu_answer, guodu_report),
    "cosms": (lambda vendor_id: b"100\r\n0," + vendor_id + b"\r\n", cosms_report),
}


def account(tag: str) -> HttpVendor:
    kind = find(tag)
    assert kind is not None
    assert issubclass(kind, HttpVendor)
    return made(kind, guarded=False)


def id_of_answer(tag: str, body: bytes) -> str:
    # COSMS asks for its one-time login string first.
    answers = [Answer(b"100\r\nabcdef"), Answer(body)] if tag == "cosms" else [Answer(body)]
    _, verdict = run(account(tag).submit(b"", memoryview(b"13800138000"), 1), answers)
    return "".join(verdict.vendor_ids) or verdict.vendor_id


@pytest.mark.parametrize("tag", VENDORS)
@pytest.mark.parametrize("vendor_id", [PLAIN, *HOSTILE, *REFUSED_BY_SOME])
def test_an_id_is_the_same_in_the_answer_and_in_its_report(tag, vendor_id):
    answered, pushed = VENDORS[tag]
    vendor = account(tag)
    of_answer = id_of_answer(tag, answered(vendor_id))
    (row,) = report_rows(taken(vendor.report_push(pushed(vendor_id))))
    assert row.vendor_id == identifier(vendor_id)
    assert of_answer == row.vendor_id or (vendor_id in REFUSED_BY_SOME and not of_answer)
    together = vendor.report_pushes([pushed(vendor_id)])
    if together is not None:
        assert [each.vendor_id for each in report_rows(together[0])] == [row.vendor_id]
    assert (row.vendor_id == vendor_id.decode()) == (vendor_id == PLAIN)


def test_a_page_of_reports_and_the_history_have_the_same_id():
    vendor = account("cosms")
    page = b"100\r\na\x1b[2Jb,DELIVRD\r\n"
    (poll, _) = vendor.polls()
    _, found = run(poll.flow(1), [Answer(b"100\r\nabcdef"), Answer(page)])
    assert [row.vendor_id for row in found.reports] == ["a\u241b[2Jb"]
    history = b"100\r\n1,a\x1b[2Jb,20090422103324,13800138000,86,1,0\x1b,hi\r\n"
    flow = vendor.history(0, 1_800_000)
    assert flow is not None
    _, rows = run(flow, [Answer(b"100\r\nabcdef"), Answer(history)])
    assert [(row.vendor_id, row.code) for row in rows.rows] == [("a\u241b[2Jb", "0\u241b")]
