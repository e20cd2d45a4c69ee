"""GUODU against its document, as tables (vendors.md 5 and 8.4): every code, every worked example, every trap."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, unquote

import msgspec
import numpy as np
import pytest

from dispatcher.core.lane.answers.policy import POLICY
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.text import Split, parts
from dispatcher.errors import TextError
from dispatcher.vendors.guodu.codes import MoFields
from dispatcher.vendors.guodu.vendor import Guodu
from dispatcher.vendors.reading.escapes import url_encoded
from dispatcher.vendors.seam.vendor import Answer, Message, Partly, Push, Refusal, Secret
from schemas.records import Inbound, Reports
from schemas.states import REPORT_DELIVERED, REPORT_FAILED

ACCOUNT = Guodu(url="http://127.0.0.1:9103", oper_id="op", oper_pass=Secret("pw"))
KEY = Secret("k3y-of-the-url")
GUARDED = msgspec.structs.replace(ACCOUNT, push_key=KEY)
CHUNK = memoryview(b"13800138000,13800138001")
RECEIVED_MS = 1_700_000_000_000


def with_keys(**keys: Any) -> Guodu:
    """The account with other keys."""
    return msgspec.structs.replace(ACCOUNT, **keys)


def submitted(body: bytes, *, count: int = 2, cut: bool = False) -> Verdict:
    flow = ACCOUNT.submit(b"", CHUNK, count)
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Answer(body, "", cut))
    verdict = end.value.value
    assert isinstance(verdict, Verdict)
    return verdict


# --- answers to a submit (5.1, 5.2) ----------------------------------------------------------------------------------

ANSWERS = [
    # name, body, kind, code, id, whether it warns
    ("the document's success",    '{"ResultCode":"00","MsgId":"12345678"}',     Kind.ACCEPTED, "00", "12345678", False),
    ("the document's failure",    '{"ResultCode":"05"}',                        Kind.AUTH,     "05", "", False),
    ("personalised",              '{"ResultCode":"01","MsgId":"1"}',            Kind.ACCEPTED, "01", "1", False),
    ("the trap: 03 is a success", '{"ResultCode":"03","MsgId":"1"}',            Kind.ACCEPTED, "03", "1", False),
    ("the trap: 02 is a failure", '{"ResultCode":"02"}',                        Kind.AUTH,     "02", "", False),
    ("one digit",                 '{"ResultCode":"0","MsgId":"1"}',             Kind.ACCEPTED, "00", "1", False),
    ("a number",                  '{"ResultCode":0,"MsgId":"1"}',               Kind.ACCEPTED, "00", "1", False),
    ("the number 3",              '{"ResultCode":3,"MsgId":"1"}',               Kind.ACCEPTED, "03", "1", False),
    ("the number 2",              '{"ResultCode":2}',                           Kind.AUTH,     "02", "", False),
    ("-1 as a number",            '{"ResultCode":-1}',                          Kind.RETRY_LATER, "-1", "", False),
    ("11, of other material",     '{"ResultCode":"11"}',                        Kind.BALANCE,  "11", "", False),
    ("a code of no document",     '{"ResultCode":"12"}',                        Kind.REJECTED, "12", "", True),
    ("another one",               '{"ResultCode":"-7"}',                        Kind.REJECTED, "-7", "", True),
    ("no MsgId: no reports",      '{"ResultCode":"00"}',                        Kind.ACCEPTED, "00", "", True),
    ("an empty MsgId",            '{"ResultCode":"00","MsgId":""}',             Kind.ACCEPTED, "00", "", True),
    ("no MsgId but null",         '{"ResultCode":"00","MsgId":null}',           Kind.ACCEPTED, "00", "", True),
    ("a MsgId that is too long",  '{"ResultCode":"00","MsgId":"%s"}' % ("9" * 65), Kind.ACCEPTED, "00", "", True),
    ("a MsgId that is a number", '{"ResultCode":"00","MsgId":12345678901234567890123}',
     Kind.ACCEPTED, "00", "12345678901234567890123", False),
    ("a failure with a MsgId",    '{"ResultCode":"06","MsgId":"1"}',            Kind.REJECTED, "06", "", False),
    ("went wrong, with a MsgId",  '{"ResultCode":"-1","MsgId":"1"}',            Kind.UNKNOWN,  "-1", "", True),
    ("the other order",           '{"MsgId":"1","ResultCode":"00"}',            Kind.ACCEPTED, "00", "1", False),
    ("more keys",                 '{"ResultCode":"00","MsgId":"1","Desc":"ok"}', Kind.ACCEPTED, "00", "1", False),
    ("keys in another case",      '{"resultCode":"00","msgid":"1"}',            Kind.ACCEPTED, "00", "1", False),
    ("blanks and line breaks",    '\r\n {"ResultCode" : " 00 ",\n"MsgId":" 1 "}\n', Kind.ACCEPTED, "00", "1", False),
    ("a byte order mark",         '\ufeff{"ResultCode":"00","MsgId":"1"}',      Kind.ACCEPTED, "00", "1", False),
    ("empty",                     "",                                           Kind.UNKNOWN,  "unreadable", "", True),
    ("an empty object",           "{}",                                         Kind.UNKNOWN,  "unreadable", "", True),
    ("no ResultCode",             '{"MsgId":"1"}',                              Kind.UNKNOWN,  "unreadable", "", True),
    ("an empty ResultCode",       '{"ResultCode":"","MsgId":"1"}',              Kind.UNKNOWN,  "unreadable", "", True),
    ("words for a code",          '{"ResultCode":"ok","MsgId":"1"}',            Kind.UNKNOWN,  "unreadable", "", True),
    ("true for a code",           '{"ResultCode":true,"MsgId":"1"}',            Kind.UNKNOWN,  "unreadable", "", True),
    ("half a code",               '{"ResultCode":0.5,"MsgId":"1"}',             Kind.UNKNOWN,  "unreadable", "", True),
    ("wide digits",               '{"ResultCode":"００","MsgId":"1"}',           Kind.UNKNOWN,  "unreadable", "", True),
    ("a list",                    '[{"ResultCode":"00","MsgId":"1"}]',          Kind.UNKNOWN,  "unreadable", "", True),
    ("a string",                  '"00"',                                       Kind.UNKNOWN,  "unreadable", "", True),
    ("half an object",            '{"ResultCode":"00","MsgId":"1',              Kind.UNKNOWN,  "unreadable", "", True),
    ("an HTML page",              "<html>00</html>",                            Kind.UNKNOWN,  "unreadable", "", True),
    ("a code of 5000 digits",     '{"ResultCode":%s}' % ("1" * 5000),           Kind.UNKNOWN,  "unreadable", "", True),
    ("brackets without end",      "[" * 5000,                                   Kind.UNKNOWN,  "unreadable", "", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind", "code", "vendor_id", "warns"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_is_read_as_the_document_says(body, kind, code, vendor_id, warns):
    verdict = submitted(body.encode())
    assert (verdict.kind, verdict.code, verdict.vendor_id) == (kind, code, vendor_id)
    assert bool(verdict.warn) == warns
    assert len(verdict.text) <= 200


def test_an_answer_that_is_not_utf_8_or_was_cut_is_unknown():
    assert submitted(b'{"ResultCode":"00","MsgId":"\xff"}').kind is Kind.UNKNOWN
    assert submitted(b'{"ResultCode":"00","MsgId":"\\ud8"}').kind is Kind.UNKNOWN
    assert submitted(b'{"ResultCode":"00","MsgId":"1"}', cut=True).kind is Kind.UNKNOWN


def test_an_answer_with_words_in_gbk_is_still_read():
    verdict = submitted('{"ResultCode":"00","MsgId":"1","Desc":"提交成功"}'.encode("gbk"))
    assert (verdict.kind, verdict.vendor_id) == (Kind.ACCEPTED, "1")


CODES = [
    # code  class              effect      stops  doubtful
    ("00",  Kind.ACCEPTED,    "accepted", False, False),
    ("01",  Kind.ACCEPTED,    "accepted", False, False),
    ("03",  Kind.ACCEPTED,    "accepted", False, False),
    ("02",  Kind.AUTH,        "queued",   True,  False),
    ("04",  Kind.AUTH,        "queued",   True,  False),
    ("05",  Kind.AUTH,        "queued",   True,  False),
    ("06",  Kind.REJECTED,    "failed",   False, False),
    ("07",  Kind.REJECTED,    "failed",   False, False),
    ("08",  Kind.CONTENT,     "failed",   False, False),
    ("09",  Kind.REJECTED,    "failed",   False, False),
    ("10",  Kind.REJECTED,    "failed",   False, False),
    ("11",  Kind.BALANCE,     "queued",   True,  False),
    ("-1",  Kind.RETRY_LATER, "queued",   False, True),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "effect", "stops", "doubtful"), CODES, ids=[row[0] for row in CODES])
def test_every_code_of_the_document_has_its_class_and_its_meaning_in_both_languages(
    code, kind, effect, stops, doubtful
):
    verdict = submitted(json.dumps({"ResultCode": code}).encode())
    policy = POLICY[verdict.kind]
    assert (verdict.kind, policy.effect, policy.stops) == (kind, effect, stops)
    assert verdict.doubtful == doubtful
    row = ACCOUNT.codes.find(code)
    assert row is not None
    assert row.english == ACCOUNT.codes.meaning(code) != ""
    assert re.search("[\u4e00-\u9fff]", row.chinese)


def test_the_table_of_codes_has_no_code_that_is_not_in_the_document():
    assert sorted(ACCOUNT.codes.rows) == sorted(row[0] for row in CODES)


@pytest.mark.parametrize(("count", "divides"), [(1, False), (200, False), (201, True), (500, True)])
def test_a_wrong_parameter_is_cured_by_halves_only_above_the_smaller_maximum(count, divides):
    assert submitted(b'{"ResultCode":"06"}', count=count).divide == divides


# --- what is sent (5.1) ----------------------------------------------------------------------------------------------

VECTOR = (
    '{"OperID":"op","OperPass":"pw","SendTime":"","AppendID":"","DesMobile":"13800138000",'
    '"Content":"%E6%B5%8B%E8%AF%95%E6%B6%88%E6%81%AF1"}'
)


def body(text: str = "hi", account: Guodu = ACCOUNT, chunk: bytes = b"13800138000", **options: str) -> Any:
    """The JSON of a submit."""
    prepared = account.prepare(Message(text=text, options=options))
    request = next(account.submit(prepared, memoryview(chunk), chunk.count(b",") + 1))
    return json.loads(bytes(request.prefix) + bytes(request.tail) + request.suffix)


def test_the_documents_request():
    assert body("测试消息1") == json.loads(VECTOR)


def test_a_submit_is_one_post_of_json_around_the_slice_itself():
    prepared = ACCOUNT.prepare(Message(text="hi"))
    request = next(ACCOUNT.submit(prepared, CHUNK, 2))
    assert (request.method, request.path, request.submits) == ("POST", "/HttpQuickProcess/submitJson", True)
    assert request.content_type == "application/json; charset=UTF-8"
    assert request.tail is CHUNK
    assert bytes(request.prefix) + bytes(request.tail) + request.suffix == (
        b'{"OperID":"op","OperPass":"pw","SendTime":"","AppendID":"","Content":"hi",'
        b'"DesMobile":"13800138000,13800138001"}'
    )


def test_the_documents_encoding_vector():
    assert body("中文短信abc")["Content"] == "%E4%B8%AD%E6%96%87%E7%9F%AD%E4%BF%A1abc"


TEXTS = ["测试", "100%", "100%25", "a+b", "a b", "%E4", "a=b&c", '"\\/', "a\r\nb", "😀", "退订回T", "~*._-", "，。"]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_survives_being_unescaped_once_by_either_rule(text):
    """Java's rule reads + as a blank, JavaScript's does not; and some unescape only what has an escape in it."""
    content = body(text)["Content"]
    assert re.fullmatch(r"(?:[A-Za-z0-9.*_-]|%[0-9A-F]{2})*", content)
    assert unquote(content) == unquote(content.replace("+", " ")) == text
    assert content == url_encoded(text, "utf-8").replace("+", "%20")
    assert ("%" in content) or content == text


def test_account_and_password_may_hold_anything():
    account = with_keys(oper_id='o"p\\', oper_pass=Secret('密"}{:,'))
    sent = body(account=account)
    assert (sent["OperID"], sent["OperPass"]) == ('o"p\\', '密"}{:,')


FORMS = [
    ("nothing configured", {}, {}, ("", "")),
    ("the account's extension", {"append_id": "88"}, {}, ("", "88")),
    ("the campaign's extension", {"append_id": "88"}, {"append_id": "7"}, ("", "7")),
    ("five digits, where they fit", {"append_id_digits_max": 5}, {"append_id": "12345"}, ("", "12345")),
    ("the vendor sends later", {}, {"send_time": "20300101080000"}, ("20300101080000", "")),
]


@pytest.mark.parametrize(("keys", "options", "sent"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_the_json_carries_what_is_configured(keys, options, sent):
    fields = body(account=with_keys(**keys), **options)
    assert (fields["SendTime"], fields["AppendID"]) == sent


REFUSED = [
    ("empty", "", {}, "empty"),
    ("blank", " \n", {}, "empty"),
    ("501 characters", "好" * 501, {}, "501 characters"),
    ("251 emoji count two each", "😀" * 251, {}, "502 characters"),
    ("a broken character", "hi \ud83d", {}, "character 4"),
    ("an extension with letters", "hi", {"append_id": "1a"}, "append_id"),
    ("an empty extension", "hi", {"append_id": ""}, "append_id"),
    ("an extension of five digits", "hi", {"append_id": "12345"}, "append_id_digits_max"),
    ("an extension of wide digits", "hi", {"append_id": "１２"}, "append_id"),
    ("a time with dashes", "hi", {"send_time": "2030-01-01 08:00:00"}, "YYYYMMDDhhmmss"),
    ("a time without seconds", "hi", {"send_time": "203001010800"}, "send_time"),
    ("no such day", "hi", {"send_time": "20300230080000"}, "20300230080000"),
    ("no such hour", "hi", {"send_time": "20300101240000"}, "send_time"),
    ("no time at all", "hi", {"send_time": ""}, "send_time"),
    ("an unknown option", "hi", {"extno": "1"}, '"extno"'),
]


@pytest.mark.parametrize(("text", "options", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_the_vendor_cannot_carry_is_refused_here_with_what_to_do(text, options, words):
    with pytest.raises(TextError, match=re.escape(words)):
        ACCOUNT.prepare(Message(text=text, options=options))


@pytest.mark.parametrize("text", ["好" * 500, "😀" * 250, "x"])
def test_texts_up_to_the_limit_are_prepared(text):
    assert ACCOUNT.prepare(Message(text=text))


@pytest.mark.parametrize(("chars", "billed"), [(70, 1), (71, 2), (134, 2), (135, 3), (500, 8)])
def test_a_long_text_is_cut_into_parts_of_67_characters(chars, billed):
    assert ACCOUNT.split == Split(70, 67)
    assert parts("好" * chars, ACCOUNT.split) == parts("x" * chars, ACCOUNT.split) == billed


def test_a_launch_is_told_when_the_vendor_will_send():
    (note,) = ACCOUNT.notes(Message(text="hi", options={"send_time": "20300101080000"}))
    assert "2030-01-01 08:00:00" in note
    assert ACCOUNT.notes(Message(text="hi")) == ()


def test_the_wait_for_reports_begins_when_the_vendor_sends():
    begins_ms = 1_893_456_000_000  # 2030-01-01 00:00 UTC
    assert ACCOUNT.reports_from_ms({"send_time": "20300101080000"}) == begins_ms
    assert ACCOUNT.reports_from_ms({}) == 0


LIMITS = [({}, 200), ({"numbers_per_request": 100}, 100), ({"numbers_per_request": 500}, 500)]


@pytest.mark.parametrize(("keys", "numbers_max"), LIMITS)
def test_the_limits_are_the_safe_ones_unless_configured(keys, numbers_max):
    account = with_keys(**keys)
    assert account.check() is None
    assert (account.limits.numbers_max, account.limits.text_chars_max) == (numbers_max, 500)
    assert account.limits.charset == "utf-8"


WRONG_KEYS = [
    ({"oper_id": ""}, "oper_id"),
    ({"oper_pass": Secret("")}, "oper_pass"),
    ({"text_chars_max": 501}, "text_chars_max"),
    ({"text_chars_max": 0}, "text_chars_max"),
    ({"append_id_digits_max": 21}, "append_id_digits_max"),
    ({"append_id": "12345"}, "append_id_digits_max"),
    ({"append_id": "1a"}, "append_id"),
    ({"mo_fields": MoFields(mobile=())}, "mo_fields"),
    ({"mo_fields": MoFields(text=())}, "mo_fields"),
    ({"push_reply": "x" * 201}, "push_reply"),
    ({"push_key": Secret("short")}, "push_key"),
    ({"numbers_per_request": 501}, "500"),
    ({"numbers_per_request": 0}, "numbers_per_request"),
    ({"balance_interval_s": 30.0}, "balance_interval_s"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG_KEYS, ids=[str(row[0]) for row in WRONG_KEYS])
def test_a_key_that_cannot_be_is_named_with_what_to_do(keys, words):
    assert words in (with_keys(**keys).check() or "nothing wrong")


def test_there_is_no_balance_query():
    assert ACCOUNT.balance() is None
    assert ACCOUNT.balance_interval_s is None


# --- status pushes (5.3) ---------------------------------------------------------------------------------------------

EXAMPLE = (
    '[{"msg":"发送成功","mobile":"13800138000","msgId":"12345678","reportTime":"2022-12-12 12:00:00","status":0}];'
)
AT_S = 1_670_817_600  # 2022-12-12 12:00:00 at UTC+8
Row = tuple[str, int, int, str, int]
EXAMPLE_ROW: Row = ("12345678", 13_800_138_000, REPORT_DELIVERED, "0", AT_S)


def pushed(text: str | bytes, query: bytes = b"", method: str = "POST") -> Push:
    raw = text if isinstance(text, bytes) else text.encode()
    return Push("spring", method, query, raw, "application/json", RECEIVED_MS)


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


def report(**fields: Any) -> dict[str, Any]:
    """The document's example with other fields; None leaves one out."""
    example = {"msg": "发送成功", "mobile": "13800138000", "msgId": "12345678", "reportTime": "2022-12-12 12:00:00"}
    return {name: value for name, value in (example | {"status": 0} | fields).items() if value is not None}


def as_json(*entries: Any) -> str:
    return json.dumps(list(entries), ensure_ascii=False)


def row(state: int = REPORT_DELIVERED, code: str = "0", number: int = 13_800_138_000, time_s: int = AT_S) -> list[Row]:
    return [("12345678", number, state, code, time_s)]


FOREIGN = 10**15 + 4_915_112_345_678
REPORTS = [
    ("the document's example",     EXAMPLE,                                    row()),
    ("without the semicolon",      EXAMPLE[:-1],                               row()),
    ("blanks around",              f" \r\n{EXAMPLE[:-1]} ;\r\n",               row()),
    ("a byte order mark",          "\ufeff" + EXAMPLE,                         row()),
    ("a single object",            json.dumps(report()),                       row()),
    ("a single object and ;",      json.dumps(report()) + ";",                 row()),
    ("MsgId",                      as_json({"MsgId" if k == "msgId" else k: v for k, v in report().items()}), row()),
    ("keys in lower case",         as_json({k.lower(): v for k, v in report().items()}),                      row()),
    ("keys in upper case",         as_json({k.upper(): v for k, v in report().items()}),                      row()),
    ("more keys",                  as_json(report(operID="op", part=1)),       row()),
    ("status as a string",         as_json(report(status="0")),                row()),
    ("status with blanks",         as_json(report(status=" 0 ")),              row()),
    ("status as 0.0",              as_json(report(status=0.0)),                row()),
    ("msgId as a number",          as_json(report(msgId=12345678)),            row()),
    ("mobile as a number",         as_json(report(mobile=13800138000)),        row()),
    ("+86",                        as_json(report(mobile="+8613800138000")),   row()),
    ("86",                         as_json(report(mobile="8613800138000")),    row()),
    ("a foreign number",           as_json(report(mobile="4915112345678")),    row(number=FOREIGN)),
    ("a failure",                  as_json(report(status=5, msg="空号")),        row(REPORT_FAILED, "5 空号")),
    ("a failure as a string",      as_json(report(status="5", msg=" 空号 ")),    row(REPORT_FAILED, "5 空号")),
    ("a failure without words",    as_json(report(status=-1, msg=None)),       row(REPORT_FAILED, "-1")),
    ("a failure of null words",    as_json(report(status=-1) | {"msg": None}), row(REPORT_FAILED, "-1")),
    ("a word for a status",        as_json(report(status="UNDELIV", msg="")),  row(REPORT_FAILED, "UNDELIV")),
    ("a word that sounds well",    as_json(report(status="DELIVRD", msg="")),  row(REPORT_FAILED, "DELIVRD")),
    ("two zeros are not zero",     as_json(report(status="00", msg="")),       row(REPORT_FAILED, "00")),
    ("an empty status",            as_json(report(status="", msg="")),         row(REPORT_FAILED, "")),
    ("endless words",              as_json(report(status=5, msg="x" * 99)),    row(REPORT_FAILED, "5 " + "x" * 62)),
    ("a time of 14 digits",        as_json(report(reportTime="20221212120000")), row()),
    ("a time with slashes",        as_json(report(reportTime="2022/12/12 12:00:00")), row()),
    ("a time with a T",            as_json(report(reportTime="2022-12-12T12:00:00")), row()),
    ("no such day",                as_json(report(reportTime="2022-02-30 12:00:00")), row(time_s=0)),
    ("no seconds",                 as_json(report(reportTime="2022-12-12 12:00")), row(time_s=0)),
    ("no time",                    as_json(report(reportTime=None)),           row(time_s=0)),
    ("a line break in a time",     as_json(report(reportTime="2022-12-12\n12:00:00")), row(time_s=0)),
    ("written in GBK",             EXAMPLE.encode("gbk"),                      row()),
    ("words in GBK",               as_json(report(status=5, msg="空号")).encode("gbk"), row(REPORT_FAILED, "5 空号")),
    ("half an emoji",              as_json(report(status=5, msg="HALF")).replace("HALF", "\\ud83d"),
     row(REPORT_FAILED, "5 \ufffd")),
    ("a whole one",                as_json(report(status=5, msg="WHOLE")).replace("WHOLE", "\\uD83D\\uDE00\\uDE00"),
     row(REPORT_FAILED, "5 😀\ufffd")),
    ("what looks like half of one", as_json(report(status=5, msg="\\ud83d HALF")).replace("HALF", "\\udc00"),
     row(REPORT_FAILED, "5 \\ud83d \ufffd")),
    ("an emoji in two halves",     as_json(report(status=5, msg="HALVES")).encode().replace(
        b"HALVES", b"\xed\xa0\xbd\xed\xb8\x80"), row(REPORT_FAILED, "5 😀")),
    ("no reports",                 "[]",                                       []),
    ("no reports and ;",           "[];",                                      []),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in REPORTS], ids=[case[0] for case in REPORTS])
def test_a_status_push_is_read_as_the_document_says(text, expected):
    assert rows(ACCOUNT.report_push(pushed(text))) == expected


def test_success_has_a_meaning_in_both_languages():
    found = ACCOUNT.report_codes.find("0")
    assert found is not None
    assert found.english == ACCOUNT.report_codes.meaning("0") == "delivered"
    assert found.chinese == "发送成功"


def test_what_surely_fits_is_one_record_and_more_is_split_into_bounded_ones():
    for count, records in ((250, 1), (2_000, 1), (5_000, 4)):
        entries = [
            report(mobile=f"138{number:08}", msgId=f"{number:064}", status=number % 2) for number in range(count)
        ]
        for text in (as_json(*entries) + ";", as_json(*entries, report(status="0"))):
            parsed = ACCOUNT.report_push(pushed(text))
            assert isinstance(parsed, list)
            assert len(parsed) == records
            found = rows(parsed)[:count]
            assert [(row[0], row[1]) for row in found] == [(f"{n:064}", 13_800_000_000 + n) for n in range(count)]
            assert [row[2] for row in found] == [(REPORT_DELIVERED, REPORT_FAILED)[n % 2] for n in range(count)]


UNREADABLE = [
    ("no mobile", report(mobile=None), "mobile"),
    ("letters for a mobile", report(mobile="1380013800O"), "no number"),
    ("two mobiles", report(mobile="13800138000,13800138001"), "no number"),
    ("a list of mobiles", report(mobile=["13800138000"]), "mobile"),
    ("no msgId", report(msgId=None), "msgId"),
    ("an empty msgId", report(msgId=" "), "msgId"),
    ("an endless msgId", report(msgId="1" * 65), "too long"),
    ("no status", report(status=None), "status"),
    ("true for a status", report(status=True), "status"),
    ("a message from a phone", {"mobile": "13800138000", "content": "TD", "moTime": "2022-12-12 12:00:00"}, "msgId"),
    ("a number", 5, "no object"),
    ("null", None, "no object"),
    ("a list", [], "no object"),
]


@pytest.mark.parametrize(("bad", "words"), [case[1:] for case in UNREADABLE], ids=[case[0] for case in UNREADABLE])
def test_what_is_no_report_is_laid_aside_and_the_others_are_taken(bad, words):
    parsed = ACCOUNT.report_push(pushed(as_json(report(), bad, report(mobile="13800138001")) + ";"))
    assert isinstance(parsed, Partly)
    assert [row[1] for row in rows(parsed.rows)] == [13_800_138_000, 13_800_138_001]
    assert json.loads(parsed.rest) == bad
    assert parsed.count == 1
    assert words in parsed.why
    refused = ACCOUNT.report_push(pushed(as_json(bad)))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.authenticated, refused.keep) == (400, False, True)


NO_JSON = [
    b"",
    b";",
    b"hello",
    b"mobile=13800138000&status=0",
    b'"[]"',
    b"5",
    b"[{]",
    EXAMPLE.encode() + b";",
    EXAMPLE.replace("[", "[//a comment\n").encode(),
    EXAMPLE.encode().replace(b"12345678", b"\xff"),
    EXAMPLE.replace("发送成功", "\\ud8").encode(),
    b"[" * 5_000,
    b'[{"status":' + b"1" * 5_000 + b"}]",
]


@pytest.mark.parametrize("text", NO_JSON, ids=[repr(text[:20]) for text in NO_JSON])
def test_what_is_no_json_list_is_refused_and_kept(text):
    for parse in (ACCOUNT.report_push, ACCOUNT.inbound_push):
        refused = parse(pushed(text))
        assert isinstance(refused, Refusal)
        assert (refused.status, refused.authenticated, refused.keep) == (400, False, True)


# --- who may push ----------------------------------------------------------------------------------------------------


def test_where_a_key_is_configured_the_url_must_carry_it():
    assert rows(GUARDED.report_push(pushed(EXAMPLE, b"key=" + KEY.encode()))) == [EXAMPLE_ROW]
    for query in (b"", b"key=", b"key=wrong-key", b"k=" + KEY.encode(), b"key=" + KEY.encode() + b"2"):
        for parse in (GUARDED.report_push, GUARDED.inbound_push):
            refused = parse(pushed(EXAMPLE, query))
            assert isinstance(refused, Refusal)
            assert (refused.status, refused.authenticated, refused.keep) == (403, False, False)
    junk = GUARDED.report_push(pushed("?", b"key=" + KEY.encode()))
    assert isinstance(junk, Refusal)
    assert junk.authenticated


# --- messages from phones (5.4, 5.6) ---------------------------------------------------------------------------------


def mo(**fields: Any) -> dict[str, Any]:
    """A message as the default map guesses it; None leaves a field out."""
    guessed = {"mobile": "13800138000", "content": "TD", "moTime": "2022-12-12 12:00:00", "spCode": "10657"}
    return {name: value for name, value in (guessed | fields).items() if value is not None}


def inbound(text: str = "TD", flags: tuple[str, ...] = (), **other: Any) -> Inbound:
    fields: dict[str, Any] = {
        "account": "spring",
        "number": "13800138000",
        "text": text,
        "to": "10657",
        "at_ms": AT_S * 1000,
        "received_ms": RECEIVED_MS,
    }
    return Inbound(**fields | other, flags=flags)


def timeless() -> Inbound:
    return inbound(at_ms=RECEIVED_MS, flags=("no-time",))


INBOUND = [
    ("as guessed",              as_json(mo()),                                     inbound()),
    ("with a semicolon",        as_json(mo()) + ";",                               inbound()),
    ("a single object",         json.dumps(mo()),                                  inbound()),
    ("msg",                     as_json(mo(content=None, msg="TD")),               inbound()),
    ("content before msg",      as_json(mo(msg="x")),                              inbound()),
    ("time",                    as_json(mo(moTime=None, time="20221212120000")),   inbound()),
    ("destCode",                as_json(mo(spCode=None, destCode=10657)),          inbound()),
    ("appendId",                as_json(mo(spCode=None, appendId="57")),           inbound(to="57")),
    ("keys in another case",    as_json({k.upper(): v for k, v in mo().items()}),  inbound()),
    ("a number for a mobile",   as_json(mo(mobile=8613800138000)),                 inbound()),
    ("a number for a text",     as_json(mo(content=1)),                            inbound("1")),
    ("an empty text",           as_json(mo(content="")),                           inbound("")),
    ("Chinese",                 as_json(mo(content="退订")),                         inbound("退订")),
    ("Chinese, escaped",        as_json(mo(content=quote("退订"))),                  inbound("退订")),
    ("escaped in JSON",         json.dumps([mo(content="退订")]),                    inbound("退订")),
    ("a per cent sign",         as_json(mo(content="100%")),                       inbound("100%")),
    ("words and an escape",     as_json(mo(content="省50%20元")),                    inbound("省50%20元")),
    ("an endless text",         as_json(mo(content="x" * 20_000)),                 inbound("x" * 10_000, ("cut",))),
    ("no time",                 as_json(mo(moTime=None)),                  timeless()),
    ("a broken time",           as_json(mo(moTime="yesterday")),           timeless()),
    ("an unreadable sender",    as_json(mo(mobile="A1")),                inbound(flags=("no-number",), number="A1")),
    ("no receiver",             as_json(mo(spCode=None)),                          inbound(to="")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in INBOUND], ids=[case[0] for case in INBOUND])
def test_a_message_is_read_by_the_map_of_names(text, expected):
    assert ACCOUNT.inbound_push(pushed(text)) == [expected]


def test_the_map_of_names_and_the_texts_form_are_the_operators():
    names = MoFields(mobile=("src",), text=("body",), time=("at",), to=("dst",), id=("sn",))
    entry = {"src": "13800138000", "body": "50%20", "at": "2022-12-12 12:00:00", "dst": "10657", "sn": 77}
    account = with_keys(mo_fields=names, mo_text="plain")
    assert account.inbound_push(pushed(as_json(entry))) == [inbound("50%20", message_id="77")]
    assert with_keys(mo_fields=names).inbound_push(pushed(as_json(entry))) == [inbound("50 ", message_id="77")]


STRANGE = [
    ("no mobile", mo(mobile=None), "mobile"),
    ("no text", mo(content=None), "content, msg"),
    ("null for a text", mo() | {"content": None}, "mo_fields"),
    ("an object for a text", mo(content={"text": "TD"}), "mo_fields"),
    ("a report", report(), "a report"),
    ("a wrapper", {"messages": [mo()]}, "mobile"),
    ("a string", "TD", "no object"),
]


@pytest.mark.parametrize(("bad", "words"), [case[1:] for case in STRANGE], ids=[case[0] for case in STRANGE])
def test_an_unknown_shape_is_refused_and_kept_and_spoils_nobody_elses_message(bad, words):
    refused = ACCOUNT.inbound_push(pushed(as_json(bad)))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.keep) == (400, True)
    assert words in refused.why
    parsed = ACCOUNT.inbound_push(pushed(as_json(mo(), bad)))
    assert isinstance(parsed, Partly)
    assert parsed.rows == [inbound()]
    assert json.loads(parsed.rest) == bad


def test_the_answer_to_a_push_is_empty_unless_configured():
    assert ACCOUNT.push_answer() == b""
    assert with_keys(push_reply='{"code":0}').push_answer() == b'{"code":0}'
