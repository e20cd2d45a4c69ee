"""What holds for every vendor that speaks HTTP, whatever it is answered or pushed. A new vendor needs no line here."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.lane.answers.verdict import NO_ANSWER, NOT_CONNECTED, Verdict
from dispatcher.core.messages.template import parse
from dispatcher.core.wire_number import from_wire, to_wire
from dispatcher.errors import TextError
from dispatcher.vendors.registry import BUILT_IN, find
from dispatcher.vendors.seam.vendor import (
    Answer,
    Balance,
    History,
    HttpVendor,
    Message,
    Partly,
    PolledPage,
    Push,
    Refusal,
    ReportRow,
    Request,
    Secret,
)
from dispatcher.wording import CONTROLS as CONTROLS_OF_TERMINALS
from schemas.records import Inbound, Reports
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING

REQUESTS_MAX = 100
VENDORS = [kind for tag in BUILT_IN if (kind := find(tag)) is not None and issubclass(kind, HttpVendor)]


def made(kind: type[HttpVendor], *, guarded: bool = True) -> HttpVendor:
    """An account of this vendor with what must be written, and, if `guarded`, every secret set."""
    keys: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        secret = Secret in (field.type, *getattr(field.type, "__args__", ()))
        if field.required or (secret and guarded):
            keys[field.name] = Secret("s3cret-word") if secret else "demo"
    return kind(**keys | {"url": "http://127.0.0.1:9101"})


ACCOUNTS = [made(kind) for kind in VENDORS]
every_vendor = pytest.mark.parametrize("vendor", ACCOUNTS, ids=[vendor.tag for vendor in ACCOUNTS])
UNGUARDED = [made(kind, guarded=False) for kind in VENDORS]

CHUNK = b"13800138000,13800138001"
ANSWERS = st.one_of(
    st.binary(max_size=200),
    st.text(alphabet='0123456789,-\r\n {}<>"abc&=|\x1b\x9b\x7f', max_size=80).map(str.encode),
)
CONTROLS = [b"\x1b[2J", b"\xc2\x9b", b"\x7f", b"\x1c", b"\xe2\x80\xae"]
LISTED = [b",", b";", b"13800138000", b"20090422103324", b"20090230103324", b"DELIVRD", b"1001", b"\r\n", b"%", b"\xff"]
LISTED += CONTROLS
PAIRS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "a",
                "mobile",
                "msgid",
                "status",
                "pswd",
                "receiver",
                "msg",
                "isems",
                "emshead",
                "moTime",
                "key",
                "rpts",
                "mos",
                "mtID",
                "mtReport",
                "mobs",
                "msgFormat",
            ]
        ),
        st.one_of(
            st.binary(max_size=20),
            st.sampled_from([b"s3cret-word", b"13800138000", b"1", b"2,2,1", b"%", b""]),
            st.lists(st.sampled_from(LISTED), max_size=24).map(b"".join),
        ),
    ),
    max_size=12,
)
FORMS = st.one_of(st.binary(max_size=300), PAIRS.map(lambda ps: b"&".join(name.encode() + b"=" + v for name, v in ps)))
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([0, 13_800_138_000, "13800138000", "0", "2022-12-12 12:00:00", "20221212120000"]),
    st.lists(st.integers(), max_size=2),
)
ENTRIES = st.lists(
    st.one_of(
        VALUES,
        st.dictionaries(
            st.sampled_from(["msg", "mobile", "msgId", "MsgId", "reportTime", "status", "content", "time", "appendId"]),
            VALUES,
            max_size=6,
        ),
    ),
    max_size=4,
)
LISTS = st.tuples(ENTRIES, st.sampled_from([";", ";;", "", "\n"])).map(lambda e: (json.dumps(e[0]) + e[1]).encode())


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
    check_short(verdict.vendor_id, verdict.code, *verdict.vendor_ids)


ROADS = [vendor for vendor in ACCOUNTS if vendor.variable_limits is not None]
WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=2, max_size=2)


@pytest.mark.parametrize("vendor", ROADS, ids=[vendor.tag for vendor in ROADS])
@given(answer=ANSWERS, values=st.lists(WORDS, min_size=2, max_size=2))
def test_many_texts_go_in_one_request_that_submits_and_any_answer_ends_in_a_verdict(vendor, answer, values):
    prepared = vendor.prepare_variable(Message(text="hi {a}, {b}"), parse("hi {a}, {b}"))
    requests, verdict = run(vendor.submit_variable(prepared, memoryview(CHUNK), 2, values), [Answer(answer)])
    assert [request.submits for request in requests].count(True) == 1
    assert isinstance(verdict, Verdict)
    assert len(verdict.text) <= 200
    assert vendor.variable_limits.recipients_max >= 1
    assert "s3cret" not in "".join(request.path for request in requests)


@every_vendor
def test_an_http_status_has_a_meaning_and_an_advice_though_it_is_in_no_document(vendor):
    assert "web server" in vendor.codes.meaning("http 404")
    assert "url" in vendor.codes.advice("http 404")


@every_vendor
def test_a_code_outside_the_tables_has_a_meaning_and_an_advice(vendor):
    for table in (vendor.codes, vendor.report_codes):
        assert table.meaning("no such code") == "not in the vendor's document; ask the vendor"
        assert table.advice("no such code") == "ask the vendor"
        assert table.chinese("no such code")
        assert (table.meaning(""), table.chinese(""), table.advice("")) == ("", "", "")


@every_vendor
def test_codes_that_the_dispatcher_gives_are_not_taken_for_the_vendor_s(vendor):
    for code in (NO_ANSWER, NOT_CONNECTED, "unreadable", "local"):
        assert "document; ask" not in vendor.codes.meaning(code) != ""


@every_vendor
def test_what_extends_the_senders_number_is_an_option_that_is_taken_and_checked(vendor):
    if not vendor.extension:
        return
    assert vendor.prepare(Message(text="hi", options={vendor.extension: "12"}))
    with pytest.raises(TextError, match=vendor.extension):
        vendor.prepare(Message(text="hi", options={vendor.extension: "1a"}))


@every_vendor
@given(answers=st.lists(ANSWERS, min_size=1, max_size=3))
def test_any_answer_to_a_balance_query_ends_in_a_balance(vendor, answers):
    flow = vendor.balance()
    assert (flow is None) == (vendor.balance_interval_s is None)
    if flow is not None:
        requests, balance = run(flow, [Answer(body) for body in answers])
        assert isinstance(balance, Balance)
        assert not any(request.submits for request in requests)


PAGES = st.one_of(
    ANSWERS,
    st.lists(st.sampled_from([*LISTED, b"100", b"300", b"0", b"1,", b"\n", b"20090422103324,"]), max_size=40).map(
        lambda found: b"100\n" + b"".join(found)
    ),
)


@every_vendor
@given(answers=st.lists(st.tuples(PAGES, st.booleans()), min_size=1, max_size=3))
def test_any_page_of_a_poll_or_of_history_is_rows_or_says_why_not(vendor, answers):
    given_answers = [Answer(body, "", cut) for body, cut in answers]
    for poll in vendor.polls():
        requests, page = run(poll.flow(1_700_000_000_000), given_answers)
        assert isinstance(page, PolledPage)
        assert bool(page.count) == bool(page.rest) == bool(page.why)
        for row in page.reports:
            assert row.vendor_id
            check_short(row.vendor_id, row.code)
        for message in page.inbound:
            check_short(message.number, message.to, message.message_id)
        assert not any(request.submits or b"s3cret" in request.path.encode() for request in requests)
    flow = vendor.history(0, 1_800_000)
    assert (flow is None) == (vendor.history_limits is None)
    if flow is not None:
        _, history = run(flow, given_answers)
        assert isinstance(history, History)
        assert not (history.complete and (history.count or history.verdict))
        for found in history.rows:
            assert found.vendor_id
            check_short(found.vendor_id, found.code, found.destination)
            assert from_wire(to_wire(found.number)) == found.number


@every_vendor
@given(text=st.text(max_size=600))
def test_any_text_is_prepared_or_refused_with_a_sentence(vendor, text):
    try:
        refused, prepared = "", vendor.prepare(Message(text=text))
    except TextError as error:
        refused, prepared = str(error), b""
    assert refused.endswith(".") or (prepared and prepared.isascii())


@every_vendor
@given(query=FORMS, body=st.one_of(FORMS, LISTS), method=st.sampled_from(["GET", "POST"]))
def test_any_push_is_rows_or_a_refusal_never_an_exception(vendor, query, body, method):
    push = Push("spring", method, query, body if method == "POST" else b"", "", 1_700_000_000_000)
    for account in (vendor, UNGUARDED[ACCOUNTS.index(vendor)]):
        for row in report_rows(taken(account.report_push(push))):
            assert row.state in (REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING)
            check_short(row.vendor_id, row.code)
            assert 0 <= row.time_s < 2**32
            assert row.number == 0 or from_wire(to_wire(row.number)) == row.number
        for message in taken(account.inbound_push(push)):
            assert isinstance(message, Inbound)
            assert message.account == "spring"
            check_short(message.number, message.to, message.message_id)


def check_short(*fields: str) -> None:
    """Ids, codes and other short fields are bounded, and do nothing to a terminal."""
    for field in fields:
        assert len(field) <= 64
        assert not any(ord(character) in CONTROLS_OF_TERMINALS or character in "\t\n" for character in field)


def taken(parsed: Any) -> list[Any]:
    """What of a push is taken; what is not has a reason."""
    if isinstance(parsed, Refusal):
        assert 400 <= parsed.status < 500
        assert parsed.why
        return []
    if isinstance(parsed, Partly):
        assert parsed.count >= 1
        assert parsed.rest
        assert parsed.why
        parsed = parsed.rows
        assert parsed
    return parsed if isinstance(parsed, list) else [parsed]


def report_rows(items: list[Any]) -> list[ReportRow]:
    """Rows, whether they came as such or in columns."""
    found: list[ReportRow] = []
    for item in items:
        if isinstance(item, ReportRow):
            found.append(item)
            continue
        assert isinstance(item, Reports)
        assert item.account == "spring"
        ids = [item.ids[at] for at in np.frombuffer(item.id_index, "<u4")]
        codes = [item.codes[at] for at in np.frombuffer(item.code_index, "<u2")]
        columns = (np.frombuffer(item.numbers, "<i8"), item.states, codes, np.frombuffer(item.times, "<u4"))
        for vendor_id, number, state, code, time_s in zip(ids, *columns, strict=True):
            found.append(ReportRow(vendor_id, int(number), state, code, int(time_s)))
    return found


@every_vendor
def test_a_push_without_any_secret_is_refused_where_secrets_are_configured(vendor):
    for parsed in (vendor.report_push, vendor.inbound_push):
        refused = parsed(Push("spring", "GET", b"msgid=1&mobile=13800138000&status=DELIVRD&msg=x", b"", "", 1))
        assert isinstance(refused, Refusal)
        assert not refused.authenticated
