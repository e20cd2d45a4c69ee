"""HEZHONG against its document, as tables (vendors.md 2 and 8.2): every code, every worked example, every trap."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import msgspec
import numpy as np
import pytest

from dispatcher.core.lane.answers.policy import POLICY
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.text import Split
from dispatcher.errors import TextError
from dispatcher.vendors.hezhong.vendor import Hezhong
from dispatcher.vendors.seam.vendor import Answer, Balance, Message, Partly, Push, Refusal, Secret
from schemas.records import Inbound, Reports
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING

ACCOUNT = Hezhong(url="http://127.0.0.1:9102", userid="1001", username="demo", password=Secret("s3cret"))
KEY = Secret("k3y-of-the-url")
GUARDED = msgspec.structs.replace(ACCOUNT, push_key=KEY)
CHUNK = memoryview(b"13800138000,13800138001")
RECEIVED_MS = 1_700_000_000_000


def with_keys(**keys: Any) -> Hezhong:
    """The account with other keys."""
    return msgspec.structs.replace(ACCOUNT, **keys)


def ended(flow: Any, body: bytes, *, cut: bool = False) -> Any:
    """What the flow returns when its one request is answered with this body."""
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Answer(body, "", cut))
    return end.value.value


def submitted(body: bytes, *, count: int = 2, cut: bool = False) -> Verdict:
    verdict = ended(ACCOUNT.submit(b"mobs=", CHUNK, count), body, cut=cut)
    assert isinstance(verdict, Verdict)
    return verdict


# --- answers to a submit (2.1) ---------------------------------------------------------------------------------------

ANSWERS = [
    # name, body, kind, code, id, whether it warns
    ("the document's success",       b"0,100001",              Kind.ACCEPTED, "0",          "100001", False),
    ("the table's, with a blank",    b"0, 100001",             Kind.ACCEPTED, "0",          "100001", False),
    ("CRLF",                         b"0,100001\r\n",          Kind.ACCEPTED, "0",          "100001", False),
    ("blanks around everything",     b" \r\n0 ,\t100001 \n\n", Kind.ACCEPTED, "0",          "100001", False),
    ("a byte order mark",            b"\xef\xbb\xbf0,100001",  Kind.ACCEPTED, "0",          "100001", False),
    ("an id that is no number",      b"0,AB-12_x",             Kind.ACCEPTED, "0",          "AB-12_x", False),
    ("an id beyond 64 bits",         b"0," + b"9" * 30,        Kind.ACCEPTED, "0",          "9" * 30, False),
    ("no id: no reports",            b"0",                     Kind.ACCEPTED, "0",          "",       True),
    ("an id that is too long",       b"0," + b"9" * 65,        Kind.ACCEPTED, "0",          "",       True),
    ("the document's failure",       b"-1",                    Kind.AUTH,     "-1",         "",       False),
    ("a failure with blanks",        b" -9 \r\n",              Kind.CONTENT,  "-9",         "",       False),
    ("a failure with an id",         b"-5,100001",             Kind.CONTENT,  "-5",         "",       False),
    ("a code nobody has heard of",   b"-77",                   Kind.REJECTED, "-77",        "",       True),
    ("an id alone",                  b"100001",                Kind.UNKNOWN,  "unreadable", "",       True),
    ("a positive code",              b"5,100001",              Kind.UNKNOWN,  "unreadable", "",       True),
    ("a comma, and no id",           b"0,",                    Kind.UNKNOWN,  "unreadable", "",       True),
    ("two ids",                      b"0,100001 100002",       Kind.UNKNOWN,  "unreadable", "",       True),
    ("two lines",                    b"0,100001\n0,100002",    Kind.UNKNOWN,  "unreadable", "",       True),
    ("empty",                        b"",                      Kind.UNKNOWN,  "unreadable", "",       True),
    ("blank",                        b"\r\n \r\n",             Kind.UNKNOWN,  "unreadable", "",       True),
    ("an HTML page",                 b"<html>0,100001</html>", Kind.UNKNOWN,  "unreadable", "",       True),
    ("JSON",                         b'{"code":0,"id":"1"}',   Kind.UNKNOWN,  "unreadable", "",       True),
    ("words in GBK",                 "系统错误".encode("gbk"),  Kind.UNKNOWN,  "unreadable", "",       True),
    ("a wide digit",                 "０,100001".encode(),     Kind.UNKNOWN,  "unreadable", "",       True),
    ("a sign by itself",             b"-",                     Kind.UNKNOWN,  "unreadable", "",       True),
    ("a code of a thousand digits",  b"-" + b"1" * 1000,       Kind.UNKNOWN,  "unreadable", "",       True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind", "code", "vendor_id", "warns"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_is_read_as_the_document_says(body, kind, code, vendor_id, warns):
    verdict = submitted(body)
    assert (verdict.kind, verdict.code, verdict.vendor_id) == (kind, code, vendor_id)
    assert bool(verdict.warn) == warns
    assert len(verdict.text) <= 200


def test_an_error_page_in_gbk_can_be_read_by_people():
    assert submitted("系统错误,请联系".encode("gbk")).text == "系统错误,请联系"


CODES = [
    # code  class              effect      stops  divides doubtful warns
    ("0",   Kind.ACCEPTED,    "accepted", False, False, False, False),
    ("-1",  Kind.AUTH,        "queued",   True,  False, False, False),
    ("-2",  Kind.AUTH,        "queued",   True,  False, False, False),
    ("-3",  Kind.AUTH,        "queued",   True,  False, False, False),
    ("-4",  Kind.BALANCE,     "queued",   True,  False, False, False),
    ("-5",  Kind.CONTENT,     "failed",   False, False, False, False),
    ("-6",  Kind.REJECTED,    "failed",   False, False, False, True),
    ("-7",  Kind.REJECTED,    "failed",   False, False, False, False),
    ("-8",  Kind.CONTENT,     "failed",   False, False, False, False),
    ("-9",  Kind.CONTENT,     "failed",   False, False, False, False),
    ("-10", Kind.REJECTED,    "failed",   False, True,  False, False),
    ("-11", Kind.REJECTED,    "failed",   False, False, False, False),
    ("-12", Kind.REJECTED,    "failed",   False, False, False, True),
    ("-13", Kind.REJECTED,    "failed",   False, False, False, True),
    ("-99", Kind.RETRY_LATER, "queued",   False, False, True,  False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "kind", "effect", "stops", "divides", "doubtful", "warns"), CODES, ids=[row[0] for row in CODES]
)
def test_every_code_of_the_document_has_its_class_and_its_meaning_in_both_languages(
    code, kind, effect, stops, divides, doubtful, warns
):
    verdict = submitted(code.encode() if code != "0" else b"0,100001")
    policy = POLICY[verdict.kind]
    assert (verdict.kind, policy.effect, policy.stops) == (kind, effect, stops)
    assert (verdict.divide, verdict.doubtful, bool(verdict.warn)) == (divides, doubtful, warns)
    row = ACCOUNT.codes.find(code)
    assert row is not None
    assert row.english == ACCOUNT.codes.meaning(code) != ""
    assert re.search("[\u4e00-\u9fff]", row.chinese)


def test_the_table_of_codes_has_no_code_that_is_not_in_the_document():
    assert sorted(ACCOUNT.codes.rows) == sorted(row[0] for row in CODES)


CUT = [
    (b"0,100001\n" + b" " * 100, Kind.ACCEPTED, "100001"),
    (b"0,100001\n<pad", Kind.ACCEPTED, "100001"),
    (b"0,1000", Kind.UNKNOWN, ""),
    (b"<html>\n0,1000", Kind.UNKNOWN, ""),
]


@pytest.mark.parametrize(("body", "kind", "vendor_id"), CUT)
def test_of_an_answer_that_was_cut_the_last_line_does_not_count(body, kind, vendor_id):
    verdict = submitted(body, cut=True)
    assert (verdict.kind, verdict.vendor_id) == (kind, vendor_id)


# --- what is sent (2.1) ----------------------------------------------------------------------------------------------

EXAMPLE = "【XX 科技】验证码:986710"
EXAMPLE_GBK = "%A1%BEXX+%BF%C6%BC%BC%A1%BF%D1%E9%D6%A4%C2%EB%3A986710"


def prepared(text: str = "hi", account: Hezhong = ACCOUNT, **options: str) -> str:
    return account.prepare(Message(text=text, options=options)).decode("ascii")


def test_a_submit_is_one_post_of_the_prepared_form_and_the_slice_itself():
    request = next(ACCOUNT.submit(ACCOUNT.prepare(Message(text=EXAMPLE)), CHUNK, 2))
    assert (request.method, request.path, request.submits) == ("POST", "/sms/api/SendMt.do", True)
    assert request.content_type == "application/x-www-form-urlencoded"
    assert request.tail is CHUNK
    body = bytes(request.prefix) + bytes(request.tail) + request.suffix
    form = f"userid=1001&username=demo&password=s3cret&msg={EXAMPLE_GBK}&msgFormat=0&mobs=13800138000,13800138001"
    assert body == form.encode()


TEXTS = [
    # name, text, as it is sent
    ("the document's vector",          EXAMPLE,   EXAMPLE_GBK),
    ("both bytes of a character",      "镕",      "%E9%46"),
    ("what Java leaves as it is",      ".-*_aZ9", ".-*_aZ9"),
    ("what Java escapes",              "~!()'",   "%7E%21%28%29%27"),
    ("what separates fields and pairs", "a&b=c+d%", "a%26b%3Dc%2Bd%25"),
    ("a line break",                   "a\r\nb",  "a%0D%0Ab"),
    ("full-width",                     "，。",     "%A3%AC%A1%A3"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "sent"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_a_text_is_escaped_as_javas_url_encoder_does_in_gbk(text, sent):
    form = prepared(text)
    assert f"&msg={sent}&msgFormat=0&" in form
    assert unquote_plus(sent, encoding="gbk") == text


def test_every_character_of_gbk_arrives_and_pythons_own_escapes_say_the_same():
    pairs = (bytes([high, low]) for high in range(0x81, 0xFF) for low in range(0x40, 0xFF) if low != 0x7F)
    characters = [pair.decode("gbk", "ignore") for pair in pairs]
    text = "".join(character for character in characters if len(character) == 1)
    assert len(text) > 21_000
    for at in range(0, len(text), 1_000):
        part = text[at : at + 1_000]
        sent = prepared(part).partition("&msg=")[2].partition("&")[0]
        assert unquote_plus(sent, encoding="gbk", errors="strict") == part
        assert unquote_plus(quote_plus(part, encoding="gbk"), encoding="gbk") == part


FORMS = [
    ("no extension", {}, {}, "&msg=hi&msgFormat=0&mobs="),
    ("the account's extension", {"sub": "88"}, {}, "&msgFormat=0&sub=88&mobs="),
    ("the campaign's extension", {"sub": "88"}, {"sub": "123"}, "&msgFormat=0&sub=123&mobs="),
    ("five digits", {}, {"sub": "12345"}, "&sub=12345&mobs="),
    ("six digits, where the vendor takes them", {"sub_max": 6}, {"sub": "123456"}, "&sub=123456&mobs="),
]


@pytest.mark.parametrize(("keys", "options", "end"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_the_form_carries_what_is_configured(keys, options, end):
    assert prepared(account=with_keys(**keys), **options).endswith(end)


def test_account_and_password_are_escaped_in_gbk_even_where_the_text_is_utf_8():
    account = with_keys(username="用户", password=Secret("p&w=+%密"), utf8=True)
    assert prepared("好€", account).startswith(
        "userid=1001&username=%D3%C3%BB%A7&password=p%26w%3D%2B%25%C3%DC&msg=%E5%A5%BD%E2%82%AC&msgFormat=2&"
    )


def test_a_text_that_gbk_can_carry_stays_gbk_where_utf_8_is_allowed():
    assert f"&msg={EXAMPLE_GBK}&msgFormat=0&" in prepared(EXAMPLE, with_keys(utf8=True))


REFUSED = [
    ("empty",                  {}, "", {}, "empty"),
    ("blank",                  {}, " \n", {}, "empty"),
    ("1001 characters",        {}, "好" * 1001, {}, "1001 characters"),
    ("over the account's own", {"text_chars_max": 500}, "好" * 501, {}, "Shorten it by 1"),
    ("501 emoji count two each", {"utf8": True}, "😀" * 501, {}, "1002 characters"),
    ("a euro sign",            {}, "nur 5 €", {}, "'€', character 7"),
    ("an emoji",               {}, "好😀", {}, "character 2"),
    ("a broken character",     {"utf8": True}, "hi \ud83d", {}, "character 4"),
    ("a sub with letters",     {}, "hi", {"sub": "1a"}, "sub"),
    ("an empty sub",           {}, "hi", {"sub": ""}, "sub"),
    ("a sub of six digits",    {}, "hi", {"sub": "123456"}, "sub_max"),
    ("a sub of wide digits",   {}, "hi", {"sub": "１２"}, "sub"),
    ("another vendor's option", {}, "hi", {"extno": "1"}, '"extno"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "text", "options", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_the_vendor_cannot_carry_is_refused_here_with_what_to_do(keys, text, options, words):
    with pytest.raises(TextError, match=re.escape(words)):
        with_keys(**keys).prepare(Message(text=text, options=options))


@pytest.mark.parametrize(("chars", "notes"), [(1, 0), (500, 0), (501, 1), (1000, 1)])
def test_a_text_that_may_be_too_long_is_sent_and_warned_of(chars, notes):
    message = Message(text="好" * chars)
    assert ACCOUNT.prepare(message)
    assert len(ACCOUNT.notes(message)) == notes


def test_the_limits_are_the_documents():
    limits = ACCOUNT.limits
    assert (limits.numbers_max, limits.text_chars_max, limits.charset) == (1000, 1000, "gbk")
    assert with_keys(utf8=True).limits.charset == "utf-8"
    assert with_keys(text_chars_max=500).limits.text_chars_max == 500
    assert ACCOUNT.split == Split(70, 67)


WRONG_KEYS = [
    ({"userid": ""}, "userid"),
    ({"username": ""}, "username"),
    ({"password": Secret("")}, "password"),
    ({"username": "😀"}, "username"),
    ({"password": Secret("€")}, "password"),
    ({"text_chars_max": 1001}, "text_chars_max"),
    ({"text_chars_max": 0}, "text_chars_max"),
    ({"sub_max": 7}, "sub_max"),
    ({"sub": "12a"}, "sub"),
    ({"sub": "123456"}, "sub_max"),
    ({"push_key": Secret("short")}, "push_key"),
    ({"push_key": Secret("a key with blanks")}, "push_key"),
    ({"numbers_per_request": 1001}, "1000"),
    ({"balance_interval_s": 29.9}, "balance_interval_s"),
    ({"balance_interval_s": None}, "balance_interval_s"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG_KEYS, ids=[str(row[0]) for row in WRONG_KEYS])
def test_a_key_that_cannot_be_is_named_with_what_to_do(keys, words):
    assert words in (with_keys(**keys).check() or "nothing wrong")


@pytest.mark.parametrize("keys", [{}, {"sub": "123456", "sub_max": 6}, {"push_key": KEY}, {"password": Secret("密")}])
def test_keys_that_are_fine_are_not_complained_about(keys):
    assert with_keys(**keys).check() is None


# --- balance (2.2) ---------------------------------------------------------------------------------------------------

BALANCES = [
    # body, messages, kind, code
    (b"1000",               1000.0, None,             ""),
    (b"0",                  0.0,    None,             ""),
    (b" 1000.5 \r\n",       1000.5, None,             ""),
    (b"\xef\xbb\xbf7",      7.0,    None,             ""),
    (b"-1",                 None,   Kind.AUTH,        "-1"),
    (b"-2",                 None,   Kind.AUTH,        "-2"),
    (b"-3\r\n",             None,   Kind.AUTH,        "-3"),
    (b"-4",                 None,   Kind.RETRY_LATER, "-4"),
    (b"-99",                None,   Kind.RETRY_LATER, "-99"),
    (b"error",              None,   Kind.RETRY_LATER, "unreadable"),
    (b"",                   None,   Kind.RETRY_LATER, "unreadable"),
    (b"nan",                None,   Kind.RETRY_LATER, "unreadable"),
    (b"1e9",                None,   Kind.RETRY_LATER, "unreadable"),
    (b"1,000",              None,   Kind.RETRY_LATER, "unreadable"),
    (b"0,1000",             None,   Kind.RETRY_LATER, "unreadable"),
    (b"<html>",             None,   Kind.RETRY_LATER, "unreadable"),
    ("１００".encode(),       None,   Kind.RETRY_LATER, "unreadable"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "messages", "kind", "code"), BALANCES)
def test_a_balance_is_a_number_and_everything_else_a_failure(body, messages, kind, code):
    balance = ended(ACCOUNT.balance(), body)
    assert isinstance(balance, Balance)
    assert balance.messages == messages
    assert (balance.verdict.kind if balance.verdict else None) is kind
    assert (balance.verdict.code if balance.verdict else "") == code


def test_a_balance_query_is_a_post_so_that_the_password_is_in_no_url():
    request = next(ACCOUNT.balance())
    assert (request.method, request.path, request.submits) == ("POST", "/sms/api/QueryBalance.do", False)
    assert bytes(request.prefix) == b"userid=1001&username=demo&password=s3cret"


def test_the_balance_is_asked_at_most_every_thirty_seconds():
    assert ACCOUNT.balance_interval_s == 30.0


# --- report pushes (2.3) ---------------------------------------------------------------------------------------------

TOLD = b"13000000000,UNDELIV,1001,20090422103324;13000000000,DELIVRD,1002,20090422094620"
PRINTED = b"13000000000, UNDELIV, 1001,\r\n20090422103324;13000000000,\n DELIVRD, 1002, 20090422094620"
FAILED_S, DELIVERED_S = 1_240_367_604, 1_240_364_780  # the example's times at UTC+8
Row = tuple[str, int, int, str, int]
EXAMPLE_ROWS: list[Row] = [
    ("1001", 13_000_000_000, REPORT_FAILED, "UNDELIV", FAILED_S),
    ("1002", 13_000_000_000, REPORT_DELIVERED, "DELIVRD", DELIVERED_S),
]


def pushed(query: bytes = b"", body: bytes = b"", method: str = "") -> Push:
    content_type = "application/x-www-form-urlencoded"
    return Push("spring", method or ("POST" if body else "GET"), query, body, content_type, RECEIVED_MS)


def escaped(value: bytes) -> bytes:
    return quote_plus(value).encode()


def rows(parsed: Any) -> list[Row]:
    """The columns as rows: (vendor id, number, state, code, time)."""
    found: list[Row] = []
    for reports in parsed:
        assert isinstance(reports, Reports)
        assert (reports.account, reports.at_ms) == ("spring", RECEIVED_MS)
        ids = [reports.ids[at] for at in np.frombuffer(reports.id_index, "<u4")]
        codes = [reports.codes[at] for at in np.frombuffer(reports.code_index, "<u2")]
        numbers, times = np.frombuffer(reports.numbers, "<i8").tolist(), np.frombuffer(reports.times, "<u4").tolist()
        found += zip(ids, numbers, list(reports.states), codes, times, strict=True)
    return found


def entry(phone: str = "13800138000", status: str = "DELIVRD", id: str = "1", time: str = "20090422094620") -> bytes:
    return f"{phone},{status},{id},{time}".encode()


WAYS = [
    ("POST form, escaped", lambda value: pushed(body=b"rpts=" + escaped(value))),
    ("POST form, not escaped", lambda value: pushed(body=b"rpts=" + value)),
    ("POST query", lambda value: pushed(b"rpts=" + escaped(value), method="POST")),
    ("POST query, a form beside it", lambda value: pushed(b"rpts=" + escaped(value), b"x=1")),
    ("GET query", lambda value: pushed(b"rpts=" + escaped(value))),
    ("GET query, not escaped", lambda value: pushed(b"rpts=" + value.replace(b" ", b"+"))),
    ("POST query, the field empty in a form beside it", lambda value: pushed(b"rpts=" + escaped(value), b"rpts=")),
    ("the body wins", lambda value: pushed(b"rpts=" + entry(), b"rpts=" + value)),
]


@pytest.mark.parametrize("way", [way[1] for way in WAYS], ids=[way[0] for way in WAYS])
@pytest.mark.parametrize("value", [TOLD, PRINTED, TOLD + b";", TOLD.replace(b";", b";\r\n") + b" ;\n"])
def test_the_documents_reports_are_read_whichever_way_they_come(way, value):
    assert rows(ACCOUNT.report_push(way(value))) == EXAMPLE_ROWS


SHAPES = [
    ("five fields: the platform's serial behind", TOLD.replace(b"24;", b"24,77001;") + b",77002", EXAMPLE_ROWS),
    ("four and five mixed", TOLD + b",77002", EXAMPLE_ROWS),
    ("blank entries between", TOLD.replace(b";", b"; ;\n;"), EXAMPLE_ROWS),
    ("no entries", b"", []),
    ("only separators", b" ;\r\n;", []),
    ("two phones, one id", entry() + b";" + entry("13800138001"), [
        ("1", 13_800_138_000, REPORT_DELIVERED, "DELIVRD", DELIVERED_S),
        ("1", 13_800_138_001, REPORT_DELIVERED, "DELIVRD", DELIVERED_S),
    ]),
    ("+86", entry("+8613800138000"), [("1", 13_800_138_000, 1, "DELIVRD", DELIVERED_S)]),
    ("86", entry("8613800138000"), [("1", 13_800_138_000, 1, "DELIVRD", DELIVERED_S)]),
    ("a foreign number", entry("4915112345678"), [("1", 10**15 + 4915112345678, 1, "DELIVRD", DELIVERED_S)]),
    ("an id that is no number", entry(id="AB-12_x"), [("AB-12_x", 13_800_138_000, 1, "DELIVRD", DELIVERED_S)]),
    ("no status", entry(status=""), [("1", 13_800_138_000, REPORT_FAILED, "", DELIVERED_S)]),
    ("an endless status", entry(status="E" * 99), [("1", 13_800_138_000, REPORT_FAILED, "E" * 64, DELIVERED_S)]),
    ("no such day", entry(time="20090230094620"), [("1", 13_800_138_000, 1, "DELIVRD", 0)]),
    ("no such second", entry(time="20090422094660"), [("1", 13_800_138_000, 1, "DELIVRD", 0)]),
    ("no such hour", entry(time="20090422240000"), [("1", 13_800_138_000, 1, "DELIVRD", 0)]),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_a_report_push_is_read_as_the_document_says(value, expected):
    assert rows(ACCOUNT.report_push(pushed(body=b"rpts=" + escaped(value)))) == expected


STAMP = "20090422094620"


def in_columns(parsed: Any) -> list[Reports]:
    assert all(isinstance(each, Reports) for each in parsed)
    return list(parsed)


EXTRAS = [
    # what one push says behind its four fields, and what is kept of it: a line for each report
    ("nothing", [entry(), entry()], b""),
    ("nothing but commas", [entry() + b",", entry() + b","], b""),
    ("serials of one length", [entry() + b",77001", entry("13800138001") + b",77002"], b"77001\n77002"),
    (
        "serials of any length",
        [entry() + b",7", entry("13800138001") + b",P-77002", entry() + b",88"],
        b"7\nP-77002\n88",
    ),
    ("a serial at one of them", [entry(), entry("13800138001") + b",77002"], b"\n77002"),
    ("still more fields", [entry() + b",77001,x,,y", entry()], b"77001,x,,y\n"),
    ("serials with blanks around", [entry() + b", 77001 ", entry() + b",\r\n77002"], b"77001\n77002"),
    ("serials with line breaks inside", [entry() + b",7\n1", entry() + b",72"], b"7 1\n72"),
    ("a serial that is a plus", [entry() + b",+", entry() + b",%"], b"+\n%"),
    ("an endless serial", [entry() + b"," + b"7" * 99, entry() + b",8"], b"7" * 64 + b"\n8"),
    ("serials beside what is no report", [b"x,DELIVRD,1,2,77000", entry() + b",77001", b"hello"], b"77001"),
]


@pytest.mark.parametrize(("entries", "extras"), [row[1:] for row in EXTRAS], ids=[row[0] for row in EXTRAS])
def test_what_stands_behind_the_fields_is_kept_beside_its_report_and_decides_nothing(entries, extras):
    pushes = [pushed(body=b"rpts=" + escaped(b";".join(entries))), pushed(body=b"rpts=" + entry())]
    parsed = ACCOUNT.report_push(pushes[0])
    [found] = in_columns(parsed.rows if isinstance(parsed, Partly) else parsed)
    assert found.extras == extras
    assert {state for _, _, state, _, _ in rows([found])} == {REPORT_DELIVERED}
    together = ACCOUNT.report_pushes([pushes[0], pushes[0]])
    if together is not None:
        [found] = together[0]
        assert found.extras == (b"\n".join([extras, extras]) if extras else b"")


def test_what_stands_behind_the_fields_stays_beside_its_report_when_there_are_many():
    numbers = range(13_800_000_000, 13_800_004_000)
    value = b";".join(f"{number},DELIVRD,{number},{STAMP},S{number}".encode() for number in numbers)
    for escape in (bytes, escaped):
        records = in_columns(ACCOUNT.report_push(pushed(body=b"rpts=" + escape(value))))
        assert len(records) > 1
        for record in records:
            of_record = np.frombuffer(record.numbers, "<i8").tolist()
            assert record.extras == b"\n".join(b"S%d" % number for number in of_record)


def test_serials_of_one_length_are_kept_of_pushes_read_together():
    value = b";".join(entry(str(number)) + b",S%d" % number for number in range(13_800_000_000, 13_800_000_500))
    for escape in (bytes, escaped):
        together = ACCOUNT.report_pushes([pushed(body=b"rpts=" + escape(value))] * 3)
        assert together is not None
        [record] = together[0]
        assert record.extras.split(b"\n") == [b"S%d" % number for number in range(13_800_000_000, 13_800_000_500)] * 3


ANNEX_A = ("MA", "MB", "MC", "CA", "CB", "DA", "DB", "SA", "SB", "IA", "IB", "IC")
REPORT_CODES = [
    # status    state             cause
    ("DELIVRD", REPORT_DELIVERED, ""),
    ("delivrd", REPORT_DELIVERED, ""),
    ("EXPIRED", REPORT_FAILED,    ""),
    ("DELETED", REPORT_FAILED,    ""),
    ("UNDELIV", REPORT_FAILED,    ""),
    ("ACCEPTD", REPORT_WAITING,   ""),
    ("UNKNOWN", REPORT_FAILED,    ""),
    ("REJECTD", REPORT_FAILED,    ""),
    *[(f"{prefix}:0001", REPORT_FAILED, "operator") for prefix in ANNEX_A],
    ("0",       REPORT_DELIVERED, ""),
    ("000",     REPORT_DELIVERED, ""),
    ("1",       REPORT_WAITING,   ""),
    ("2",       REPORT_FAILED,    ""),
    *[(str(code), REPORT_FAILED, "content") for code in (3, 4, 11)],
    *[(str(code), REPORT_FAILED, "channel") for code in (8, 20, 23, 99)],
    *[(str(code), REPORT_FAILED, "number") for code in (15, 16)],
    *[(str(code), REPORT_FAILED, "auth") for code in (10, 21)],
    *[(str(code), REPORT_FAILED, "")
      for code in (5, 7, 12, 13, 14, 17, 18, 25, 26, 29, 30, 31, 35, 38, 39, 40, 46)],
]  # fmt: skip


@pytest.mark.parametrize(("status", "state", "cause"), REPORT_CODES, ids=[case[0] for case in REPORT_CODES])
def test_every_report_status_has_its_state_and_a_plain_meaning(status, state, cause):
    parsed = ACCOUNT.report_push(pushed(body=b"rpts=" + entry(status=status)))
    assert rows(parsed) == [("1", 13_800_138_000, state, status, DELIVERED_S)]
    found = ACCOUNT.report_codes.find(status)
    assert found is not None
    assert (found.state, found.cause) == (state, cause)
    assert found.english == ACCOUNT.report_codes.meaning(status) != ""
    assert re.search("[\u4e00-\u9fff]", found.chinese)


@pytest.mark.parametrize("status", ["6", "9", "48", "00", "0000", "HD:0001", "MK:0001", "DELIVRD1", "成功"])
def test_a_status_of_no_annex_has_failed(status):
    assert rows(ACCOUNT.report_push(pushed(body=b"rpts=" + entry(status=status))))[0][2] == REPORT_FAILED


@pytest.mark.parametrize(
    ("status", "state"),
    [("DELIVRD", REPORT_DELIVERED), ("0", REPORT_FAILED), ("000", REPORT_FAILED), ("1", REPORT_WAITING)],
)
def test_an_operators_zero_is_no_delivery_where_the_account_says_so(status, state):
    account = with_keys(accept_operator_zero=False)
    assert rows(account.report_push(pushed(body=b"rpts=" + entry(status=status))))[0][2] == state


UNREADABLE = [
    ("three fields", b"13800138000,DELIVRD,1001", "3 fields"),
    ("no commas", b"hello", "1 fields"),
    ("no phone", entry(""), "no number"),
    ("letters for a phone", entry("1380013800O"), "no number"),
    ("an endless phone", entry("1" * 400), "no number"),
    ("no id", entry(id=""), "no message id"),
    ("an endless id", entry(id="1" * 65), "no message id"),
    ("id and serial changed places (AMB-HZ-1)", b"13800138000,DELIVRD,,20090422094620,1001", "no message id"),
    ("time and id changed places", b"13800138000,DELIVRD,20090422094620,1001", "14 digits"),
    ("the prose's order", b"13800138000,DELIVRD,1001,77001,20090422094620", "14 digits"),
    ("no time", entry(time=""), "14 digits"),
    ("a time of 12 digits", entry(time="200904220946"), "14 digits"),
    ("a time with dashes", entry(time="2009-04-22 09:"), "14 digits"),
]


@pytest.mark.parametrize(("bad", "words"), [row[1:] for row in UNREADABLE], ids=[row[0] for row in UNREADABLE])
def test_what_is_no_report_is_laid_aside_and_the_others_are_taken(bad, words):
    first, second = TOLD.split(b";")
    for value in (b";".join((first, bad, second)), b";".join((bad, first, second + b";"))):
        parsed = ACCOUNT.report_push(pushed(body=b"rpts=" + escaped(value)))
        assert isinstance(parsed, Partly)
        assert rows(parsed.rows) == EXAMPLE_ROWS
        assert (parsed.rest, parsed.count) == (bad, 1)
        assert words in parsed.why
    refused = ACCOUNT.report_push(pushed(body=b"rpts=" + escaped(bad)))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.authenticated, refused.keep) == (400, False, True)
    assert words in refused.why


def test_a_push_without_its_field_is_refused_and_kept():
    for parse, field in ((ACCOUNT.report_push, "rpts"), (ACCOUNT.inbound_push, "mos")):
        for push in (pushed(), pushed(b"x=1"), pushed(body=b"hello")):
            refused = parse(push)
            assert isinstance(refused, Refusal)
            assert (refused.status, refused.keep) == (400, True)
            assert field in refused.why


def test_five_hundred_reports_are_one_record_and_more_are_split_into_bounded_ones():
    for count, records in ((500, 1), (1_500, 1), (4_000, 3)):
        value = b";".join(entry(f"138{number:08}", "DELIVRD", str(number // 7)) for number in range(count))
        parsed = ACCOUNT.report_push(pushed(body=b"rpts=" + escaped(value)))
        assert isinstance(parsed, list)
        assert len(parsed) == records
        assert [(row[0], row[1]) for row in rows(parsed)] == [(str(n // 7), 13_800_000_000 + n) for n in range(count)]


# --- who may push ----------------------------------------------------------------------------------------------------

KEYED = [
    ("a form behind the URL with the key", pushed(b"key=" + KEY.encode(), b"rpts=" + TOLD)),
    ("appended with &", pushed(b"key=" + KEY.encode() + b"&rpts=" + TOLD)),
    ("appended with another ?", pushed(b"key=" + KEY.encode() + b"?rpts=" + TOLD)),
    ("the key behind", pushed(b"rpts=" + TOLD + b"&key=" + KEY.encode())),
]
STRANGERS = [
    ("no key", pushed(b"rpts=" + TOLD)),
    ("a wrong key", pushed(b"key=wrong-key&rpts=" + TOLD)),
    ("an empty key", pushed(b"key=&rpts=" + TOLD)),
    ("a key that only begins right", pushed(b"key=" + KEY.encode() + b"2&rpts=" + TOLD)),
    ("the key in the body", pushed(b"", b"key=" + KEY.encode() + b"&rpts=" + TOLD)),
]


@pytest.mark.parametrize("push", [row[1] for row in KEYED], ids=[row[0] for row in KEYED])
def test_a_push_with_the_key_of_the_url_is_taken(push):
    assert rows(GUARDED.report_push(push)) == EXAMPLE_ROWS
    assert rows(ACCOUNT.report_push(push)) == EXAMPLE_ROWS


@pytest.mark.parametrize("push", [row[1] for row in STRANGERS], ids=[row[0] for row in STRANGERS])
def test_a_push_without_the_key_is_refused_and_kept_nowhere(push):
    for parse in (GUARDED.report_push, GUARDED.inbound_push):
        refused = parse(push)
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.authenticated, refused.keep) == (403, False, False)


# --- inbound pushes (2.4) --------------------------------------------------------------------------------------------

MO = b"13000000000,001,hello,20151221121046;\r\n13000000000,001,hello2,20151221121046;"
MO_S = 1_450_671_046


def inbound(text: str = "hello", flags: tuple[str, ...] = (), **other: Any) -> Inbound:
    fields: dict[str, Any] = {
        "account": "spring",
        "number": "13000000000",
        "text": text,
        "to": "001",
        "at_ms": MO_S * 1000,
        "received_ms": RECEIVED_MS,
    }
    return Inbound(**fields | other, flags=flags)


@pytest.mark.parametrize("way", [way[1] for way in WAYS[:-1]], ids=[way[0] for way in WAYS[:-1]])
def test_the_documents_messages_are_read_whichever_way_they_come(way):
    push = way(MO)
    push = msgspec.structs.replace(
        push, query=push.query.replace(b"rpts=", b"mos="), body=push.body.replace(b"rpts=", b"mos=")
    )
    assert ACCOUNT.inbound_push(push) == [inbound("hello"), inbound("hello2")]


def messages(text: bytes, account: Hezhong = ACCOUNT) -> Any:
    """What is read of one entry with this text, as it is in the form; escaping the form is left to us."""
    value = b"13000000000,001," + text + b",20151221121046"
    return account.inbound_push(pushed(body=b"mos=" + escaped(value)))


TYPED = [
    "你好", "100%", "a+b", "1,2;3", "😀", "退订 TD", "50%20", "100%25", "%E4", "a;b,c;,", "=&?#/", "\"<'>", "*~_-.",
]  # fmt: skip


@pytest.mark.parametrize("typed", TYPED)
def test_a_text_that_is_escaped_twice_arrives_as_it_was_typed(typed):
    assert messages(escaped(typed.encode())) == [inbound(typed)]
    assert messages(escaped(typed.encode()), with_keys(mo_text="escaped")) == [inbound(typed)]


AMBIGUOUS = {"50%20": "50 ", "100%25": "100%"}
"""What looks escaped once it was typed so: nobody can tell (AMB-HZ-5), unless mo_text says it."""


@pytest.mark.parametrize("typed", TYPED)
def test_a_text_that_is_escaped_once_arrives_as_it_was_typed(typed):
    if typed == "%E4":
        assert messages(typed.encode()) == [inbound("\\xe4", ("broken-text",))]
    else:
        assert messages(typed.encode()) == [inbound(AMBIGUOUS.get(typed, typed))]
    assert messages(typed.encode(), with_keys(mo_text="plain")) == [inbound(typed)]


INBOUND = [
    ("GBK, escaped twice", messages(b"%CD%CB%B6%A9"), [inbound("退订", ("gbk",))]),
    ("GBK, escaped once", messages("退订".encode("gbk")), [inbound("退订", ("gbk",))]),
    ("neither", messages(b"\xff\xff"), [inbound("\\xff\\xff", ("broken-text",))]),
    ("blanks and letters, escaped twice: nobody can tell", messages(b"a+b"), [inbound("a+b")]),
    ("the same, where it is known", messages(b"a+b", with_keys(mo_text="escaped")), [inbound("a b")]),
    ("an empty text", messages(b""), [inbound("")]),
    ("blanks around", messages(b" hello\r\n"), [inbound("hello")]),
    ("a broken escape stays", messages(b"5%zz%4"), [inbound("5%zz%4")]),
    ("an endless text", messages(b"x" * 20_000), [inbound("x" * 10_000, ("cut",))]),
    ("a time typed by a person", messages(b"a,20151221121046"), [inbound("a,20151221121046")]),
]


@pytest.mark.parametrize(("found", "expected"), [row[1:] for row in INBOUND], ids=[row[0] for row in INBOUND])
def test_an_inbound_text_is_read_or_flagged(found, expected):
    assert found == expected


ODD = [
    ("+86", b"+8613000000000,001,hello,20151221121046", inbound()),
    ("an unreadable sender", b"A1,001,hello,20151221121046", inbound(number="A1", flags=("no-number",))),
    ("no extension", b"13000000000,,hello,20151221121046", inbound(to="")),
    ("no such day", b"13000000000,001,hello,20150230121046", inbound(at_ms=RECEIVED_MS, flags=("no-time",))),
]


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_what_is_odd_about_a_message_is_a_flag_and_no_reason_to_refuse_it(value, expected):
    assert ACCOUNT.inbound_push(pushed(body=b"mos=" + escaped(value))) == [expected]


BROKEN = [
    ("no time", b"13900139000,001,hi"),
    ("a time of 12 digits", b"13900139000,001,hi,201512211210"),
    ("three fields", b"13900139000,hi,20151221121046"),
    ("not even commas", b"hello"),
]


@pytest.mark.parametrize("bad", [row[1] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_what_is_no_message_is_laid_aside_and_never_put_into_another_persons_mouth(bad):
    first, second, _ = MO.split(b";")
    parsed = ACCOUNT.inbound_push(pushed(body=b"mos=" + escaped(b";".join((first, bad, second)))))
    assert isinstance(parsed, Partly)
    assert parsed.rows == [inbound("hello"), inbound("hello2")]
    assert (parsed.rest, parsed.count) == (bad, 1)
    refused = ACCOUNT.inbound_push(pushed(body=b"mos=" + bad))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.keep) == (400, True)


def test_no_messages_are_no_mistake():
    assert ACCOUNT.inbound_push(pushed(body=b"mos=")) == []


def test_the_answer_to_a_push_is_empty():
    assert ACCOUNT.push_answer() == b""
