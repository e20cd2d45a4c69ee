"""What holds for every vendor in the registry, whatever it is answered or pushed. A new vendor needs no line here."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core import numbers
from dispatcher.core.verdict import Verdict
from dispatcher.errors import TextError
from dispatcher.vendors.registry import VENDORS
from dispatcher.vendors.seam import Answer, Balance, Message, Push, Refused, ReportRow, Request, Secret, Vendor
from schemas.records import Inbound, Reports
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING

REQUESTS_MAX = 100


def made(kind: type[Vendor]) -> Vendor:
    """An account of this vendor with what must be written, and every secret set."""
    keys: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        secret = Secret in (field.type, *getattr(field.type, "__args__", ()))
        if field.required or secret:
            keys[field.name] = Secret("s3cret-word") if secret else "demo"
    return kind(**keys | {"url": "http://127.0.0.1:9101"})


ACCOUNTS = [made(kind) for kind in VENDORS]
every_vendor = pytest.mark.parametrize("vendor", ACCOUNTS, ids=[vendor.tag for vendor in ACCOUNTS])

CHUNK = b"13800138000,13800138001"
ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet='0123456789,-\r\n {}<>"abc&=|', max_size=80).map(str.encode),
)
PAIRS = st.lists(
    st.tuples(
        st.sampled_from([*"abc", "mobile", "msgid", "status", "pswd", "receiver", "msg", "isems", "emshead", "moTime"]),
        st.one_of(st.binary(max_size=20), st.sampled_from([b"s3cret-word", b"13800138000", b"1", b"2,2,1", b"%", b""])),
    ),
    max_size=12,
)
FORMS = st.one_of(st.binary(max_size=300), PAIRS.map(lambda ps: b"&".join(name.encode() + b"=" + v for name, v in ps)))


def run(flow: Any, answers: list[Answer]) -> tuple[list[Request], Any]:
    """The requests of a flow that gets these answers (the last repeats), and what it returned."""
    requests: list[Request] = []
    try:
        requests.append(next(flow))
        while len(requests) < REQUESTS_MAX:
            requests.append(flow.send(answers[min(len(requests), len(answers)) - 1]))
    except StopIteration as done:
        return requests, done.value
    raise AssertionError(f"a flow of more than {REQUESTS_MAX} requests")


@every_vendor
def test_an_account_with_what_must_be_written_is_a_valid_one(vendor):
    assert vendor.check() is None
    assert vendor.limits.numbers_max >= vendor.limits.numbers_min >= 1
    assert vendor.limits.text_chars_max >= 1
    assert vendor.split.single >= vendor.split.multi >= 1


@every_vendor
def test_every_code_has_a_meaning_in_english_and_in_chinese(vendor):
    for row in [*vendor.codes.rows.values(), *vendor.report_codes.rows.values()]:
        assert row.english
        assert re.search("[\u4e00-\u9fff]", row.chinese), row


@every_vendor
def test_no_secret_is_printed_or_in_a_path(vendor):
    assert "s3cret" not in repr(vendor)
    prepared = vendor.prepare(Message(text="hi"))
    requests, _ = run(vendor.submit(prepared, memoryview(CHUNK), 2), [Answer(b"")])
    flow = vendor.balance()
    if flow is not None:
        requests += run(flow, [Answer(b"")])[0]
    for request in requests:
        assert request.path.startswith("/")
        assert "s3cret" not in request.path


@every_vendor
def test_a_submit_carries_the_slice_itself_in_one_request_that_submits(vendor):
    chunk = memoryview(CHUNK)
    requests, _ = run(vendor.submit(vendor.prepare(Message(text="hi")), chunk, 2), [Answer(b"")])
    submitting = [request for request in requests if request.submits]
    assert len(submitting) <= 1
    assert all(request.tail is chunk for request in submitting)


@every_vendor
@given(answers=st.lists(st.tuples(ANSWERS, st.booleans()), min_size=1, max_size=3), count=st.integers(1, 50_000))
def test_any_answer_ends_in_a_verdict_that_fits_on_the_journal(vendor, answers, count):
    flow = vendor.submit(b"", memoryview(CHUNK), count)
    _, verdict = run(flow, [Answer(body, "", cut) for body, cut in answers])
    assert isinstance(verdict, Verdict)
    assert len(verdict.text) <= 200
    assert len(verdict.vendor_id) <= 64
    assert len(verdict.vendor_ids) in (0, count)


@every_vendor
@given(answers=st.lists(ANSWERS, min_size=1, max_size=3))
def test_any_answer_to_a_balance_query_ends_in_a_balance(vendor, answers):
    flow = vendor.balance()
    assert (flow is None) == (vendor.balance_interval_s is None)
    if flow is not None:
        requests, balance = run(flow, [Answer(body) for body in answers])
        assert isinstance(balance, Balance)
        assert not any(request.submits for request in requests)


@every_vendor
@given(text=st.text(max_size=600))
def test_any_text_is_prepared_or_refused_with_a_sentence(vendor, text):
    try:
        refused, prepared = "", vendor.prepare(Message(text=text))
    except TextError as error:
        refused, prepared = str(error), b""
    assert refused.endswith(".") or (prepared and prepared.isascii())


@every_vendor
@given(query=FORMS, body=FORMS, method=st.sampled_from(["GET", "POST"]))
def test_any_push_is_rows_or_a_refusal_never_an_exception(vendor, query, body, method):
    push = Push("spring", method, query, body if method == "POST" else b"", "", 1_700_000_000_000)
    reports = vendor.report_push(push)
    if isinstance(reports, list):
        for row in reports:
            assert isinstance(row, ReportRow)
            assert row.state in (REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING)
            assert len(row.vendor_id) <= 64 >= len(row.code)
            assert 0 <= row.time_s < 2**32
            assert row.number == 0 or numbers.from_wire(numbers.to_wire(row.number)) == row.number
    else:
        assert isinstance(reports, Reports) or 400 <= reports.status < 500
    messages = vendor.inbound_push(push)
    if isinstance(messages, Refused):
        assert 400 <= messages.status < 500
    else:
        assert all(isinstance(message, Inbound) and message.account == "spring" for message in messages)


@every_vendor
def test_a_push_without_any_secret_is_refused_where_secrets_are_configured(vendor):
    for parsed in (vendor.report_push, vendor.inbound_push):
        refused = parsed(Push("spring", "GET", b"msgid=1&mobile=13800138000&status=DELIVRD&msg=x", b"", "", 1))
        assert isinstance(refused, Refused)
        assert not refused.authenticated
