"""BATCH-A against its document, as tables (vendors.md 3 and 8.3): every code, every worked example, every trap."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from dispatcher.core.lane.answers.policy import POLICY
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.text import Split
from dispatcher.errors import TextError
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.seam.vendor import Answer, Balance, Message, Product, Push, Refusal, ReportRow, Secret
from schemas.records import Inbound
from schemas.states import REPORT_DELIVERED, REPORT_FAILED

ACCOUNT = BatchA(url="http://127.0.0.1:9101", account="demo", pswd=Secret("s3cret"))
GUARDED = msgspec.structs.replace(ACCOUNT, receiver="admin", push_pswd=Secret("12345"))
CHUNK = memoryview(b"13800138000,13800138001")


def with_keys(**keys: Any) -> BatchA:
    """The account with other keys."""
    return msgspec.structs.replace(ACCOUNT, **keys)


def ended(flow: Any, body: bytes, *, cut: bool = False) -> Any:
    """What the flow returns when its one request is answered with this body."""
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Answer(body, "", cut))
    return end.value.value


def submitted(body: bytes, *, count: int = 2, account: BatchA = ACCOUNT, cut: bool = False) -> Verdict:
    verdict = ended(account.submit(b"mobile=", CHUNK, count), body, cut=cut)
    assert isinstance(verdict, Verdict)
    return verdict


# --- answers to a submit (3.1) ---------------------------------------------------------------------------------------

BIG_ID = "98765432109876543210"
ANSWERS = [
    # name, body, kind, code, id
    ("the document's success",      b"20110725160412,0\n1234567890100",        Kind.ACCEPTED,   "0",   "1234567890100"),
    ("the document's failure",      b"20110725160412,101",                     Kind.AUTH,       "101", ""),
    ("CRLF",                        b"20110725160412,0\r\n1234567890100\r\n",  Kind.ACCEPTED,   "0",   "1234567890100"),
    ("blank lines behind",          b"20110725160412,0\n77\n\n\n \n",          Kind.ACCEPTED,   "0",   "77"),
    ("blank lines before",          b"\n\n20110725160412,0\n77",               Kind.ACCEPTED,   "0",   "77"),
    ("blanks around",               b" 20110725160412 , 0 \n 77 ",             Kind.ACCEPTED,   "0",   "77"),
    ("an id that is no number",     b"20110725160412,0\nAB-12_x",              Kind.ACCEPTED,   "0",   "AB-12_x"),
    ("an id beyond 64 bits",        b"20110725160412,0\n" + BIG_ID.encode(),       Kind.ACCEPTED,   "0",   BIG_ID),
    ("no time",                     b",0\n77",                                 Kind.ACCEPTED,   "0",   "77"),
    ("a time with separators",      b"2011-07-25 16:04:12,0\n77",              Kind.ACCEPTED,   "0",   "77"),
    ("a byte order mark",           b"\xef\xbb\xbf20110725160412,0\n77",       Kind.ACCEPTED,   "0",   "77"),
    ("a negative code",             b"20110725160412,-1",                      Kind.REJECTED,   "-1",  ""),
    ("empty",                       b"",                                       Kind.UNKNOWN,    "unreadable", ""),
    ("only blank lines",            b"\r\n\r\n",                               Kind.UNKNOWN,    "unreadable", ""),
    ("an HTML page",                b"<html><body>ok</body></html>",           Kind.UNKNOWN,    "unreadable", ""),
    ("an HTML page with a comma",   b"<p>sorry,0\n77</p>",                     Kind.UNKNOWN,    "unreadable", ""),
    ("a word before the comma",     b"ok,0\n77",                               Kind.UNKNOWN,    "unreadable", ""),
    ("a code that is no number",    b"20110725160412,OK",                      Kind.UNKNOWN,    "unreadable", ""),
    ("no code",                     b"20110725160412,",                        Kind.UNKNOWN,    "unreadable", ""),
    ("no comma",                    b"20110725160412",                         Kind.UNKNOWN,    "unreadable", ""),
    ("half the first line",         b"2011072516",                             Kind.UNKNOWN,    "unreadable", ""),
    ("everything in one line",      b"20110725160412,0,77",                    Kind.UNKNOWN,    "unreadable", ""),
    ("JSON",                        b'{"status":0,"msgid":"77"}',              Kind.UNKNOWN,    "unreadable", ""),
    ("not UTF-8",                   b"\xff\xfe\x00\x80",                       Kind.UNKNOWN,    "unreadable", ""),
    ("GBK words",                   "系统错误,请联系".encode("gbk"),            Kind.UNKNOWN,    "unreadable", ""),
    ("a wide digit",                "20110725160412,０\n77".encode(),          Kind.UNKNOWN,    "unreadable", ""),
    ("a code of a thousand digits", b"20110725160412," + b"1" * 1000,          Kind.UNKNOWN,    "unreadable", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind", "code", "vendor_id"), [row[1:] for row in ANSWERS], ids=[r[0] for r in ANSWERS]
)
def test_an_answer_is_read_as_the_document_says(body, kind, code, vendor_id):
    verdict = submitted(body)
    assert (verdict.kind, verdict.code, verdict.vendor_id) == (kind, code, vendor_id)
    assert bool(verdict.warn) == (kind is Kind.UNKNOWN or code == "-1")


CODES = [
    # code  class                effect      stops  divides
    ("0",   Kind.ACCEPTED,       "accepted", False, False),
    ("101", Kind.AUTH,           "queued",   True,  False),
    ("102", Kind.AUTH,           "queued",   True,  False),
    ("103", Kind.THROTTLED,      "queued",   False, False),
    ("104", Kind.RETRY_LATER,    "queued",   False, False),
    ("105", Kind.CONTENT,        "failed",   False, False),
    ("106", Kind.CONTENT,        "failed",   False, False),
    ("107", Kind.REJECTED,       "failed",   False, True),
    ("108", Kind.REJECTED,       "failed",   False, False),
    ("109", Kind.BALANCE,        "queued",   True,  False),
    ("110", Kind.RETRY_LATER,    "queued",   False, False),
    ("111", Kind.BALANCE,        "queued",   True,  False),
    ("112", Kind.REJECTED,       "failed",   False, False),
    ("113", Kind.REJECTED,       "failed",   False, False),
    ("115", Kind.CONTENT,        "failed",   False, False),
    ("116", Kind.CONTENT,        "failed",   False, False),
    ("117", Kind.AUTH,           "queued",   True,  False),
    ("118", Kind.AUTH,           "queued",   True,  False),
    ("119", Kind.AUTH,           "queued",   True,  False),
    ("120", Kind.CONTENT,        "failed",   False, False),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "effect", "stops", "divides"), CODES, ids=[row[0] for row in CODES])
def test_every_code_of_the_document_has_its_class_and_its_meaning_in_both_languages(code, kind, effect, stops, divides):
    verdict = submitted(f"20110725160412,{code}\n77".encode())
    policy = POLICY[verdict.kind]
    assert (verdict.kind, policy.effect, policy.stops) == (kind, effect, stops)
    assert verdict.divide == divides
    row = ACCOUNT.codes.find(code)
    assert row is not None
    assert row.english == ACCOUNT.codes.meaning(code) != ""
    assert re.search("[\u4e00-\u9fff]", row.chinese)


def test_the_table_of_codes_has_no_code_that_is_not_in_the_document():
    assert sorted(ACCOUNT.codes.rows) == sorted(row[0] for row in CODES)


@pytest.mark.parametrize("code", ["114", "121", "999", "1", "-5"])
def test_a_code_that_is_not_in_the_document_is_refused_for_good_and_warned_of(code):
    verdict = submitted(f"20110725160412,{code}".encode())
    assert (verdict.kind, verdict.code) == (Kind.REJECTED, code)
    assert code in verdict.warn


@pytest.mark.parametrize(("count", "divides"), [(1, False), (200, False), (201, True), (50_000, True)])
def test_a_wrong_count_is_cured_by_halves_only_above_the_smallest_maximum_of_the_documents(count, divides):
    assert submitted(b"20110725160412,108", count=count).divide == divides


def test_not_inside_the_sending_time_holds_the_lane_for_minutes():
    assert submitted(b"20110725160412,110").hold_s >= 60


def test_a_success_without_an_id_is_accepted_and_warned_of():
    verdict = submitted(b"20110725160412,0")
    assert (verdict.kind, verdict.vendor_id) == (Kind.ACCEPTED, "")
    assert "reports" in verdict.warn


@pytest.mark.parametrize(("body", "vendor_id"), [(b"20110725160412,0", ""), (b"20110725160412,0\n77", "77")])
def test_without_needstatus_both_forms_of_success_are_fine(body, vendor_id):
    verdict = submitted(body, account=with_keys(needstatus=False))
    assert (verdict.kind, verdict.vendor_id, verdict.warn) == (Kind.ACCEPTED, vendor_id, "")


def test_an_id_that_cannot_be_one_is_not_stored():
    verdict = submitted(b"20110725160412,0\n" + b"x" * 1000)
    assert (verdict.kind, verdict.vendor_id) == (Kind.ACCEPTED, "")
    assert verdict.warn


CUT = [
    (b"20110725160412,0\n1234567890100\n<pad", Kind.ACCEPTED, "1234567890100"),
    (b"20110725160412,0\n12345", Kind.ACCEPTED, ""),
    (b"20110725160412,10", Kind.UNKNOWN, ""),
]


@pytest.mark.parametrize(("body", "kind", "vendor_id"), CUT)
def test_of_an_answer_that_was_cut_the_last_line_does_not_count(body, kind, vendor_id):
    verdict = submitted(body, cut=True)
    assert (verdict.kind, verdict.vendor_id) == (kind, vendor_id)


def test_the_answer_is_kept_for_people_and_bounded():
    assert submitted(b"20110725160412,105").text == "20110725160412,105"
    assert len(submitted(b"<html>" + b"x" * 5000).text) == 200


# --- what is sent (3.1) ----------------------------------------------------------------------------------------------


def test_a_submit_is_one_post_of_the_prepared_form_and_the_slice_itself():
    prepared = ACCOUNT.prepare(Message(text="您好 & 100%"))
    request = next(ACCOUNT.submit(prepared, CHUNK, 2))
    assert (request.method, request.path, request.submits) == ("POST", "/msg/HttpBatchSendSM", True)
    assert request.tail is CHUNK
    assert request.prefix + bytes(request.tail) + request.suffix == (
        b"account=demo&pswd=s3cret&msg=%E6%82%A8%E5%A5%BD%20%26%20100%25&needstatus=true&mobile=13800138000,13800138001"
    )


FORMS = [
    ("product and extno", {"product": "123", "extno": "88"}, {}, b"&needstatus=true&product=123&extno=88&mobile="),
    ("no reports", {"needstatus": False}, {}, b"&needstatus=false&mobile="),
    ("the campaign's own extno", {"extno": "88"}, {"extno": "7"}, b"&needstatus=true&extno=7&mobile="),
    ("the campaign's own product", {}, {"product": "9"}, b"&needstatus=true&product=9&mobile="),
]


@pytest.mark.parametrize(("keys", "options", "end"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_the_form_carries_what_is_configured(keys, options, end):
    assert with_keys(**keys).prepare(Message(text="hi", options=options)).endswith(end)


def test_a_password_with_special_characters_is_escaped():
    assert b"&pswd=p%26w%3D%2B%25%E5%AF%86&" in with_keys(pswd=Secret("p&w=+%密")).prepare(Message(text="hi"))


REFUSED = [
    ("empty", "", {}, "empty"),
    ("blank", " \n", {}, "empty"),
    ("501 characters", "好" * 501, {}, "501 characters"),
    ("251 emoji count two each", "😀" * 251, {}, "502 characters"),
    ("a broken character", "hi \ud83d", {}, "character 4"),
    ("an extno with letters", "hi", {"extno": "1a"}, "extno"),
    ("an extno of four digits", "hi", {"extno": "1234"}, "extno"),
    ("an unknown option", "hi", {"colour": "red"}, '"colour"'),
]


@pytest.mark.parametrize(("text", "options", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_the_vendor_cannot_carry_is_refused_here_with_what_to_do(text, options, words):
    with pytest.raises(TextError, match=re.escape(words)):
        ACCOUNT.prepare(Message(text=text, options=options))


@pytest.mark.parametrize("text", ["好" * 500, "😀" * 250, "x"])
def test_texts_up_to_the_limit_are_prepared(text):
    assert ACCOUNT.prepare(Message(text=text))


LIMITS = [({}, 50_000, 1), ({"numbers_per_request": 1000}, 1000, 1), ({"numbers_min": 5}, 50_000, 5)]


@pytest.mark.parametrize(("keys", "numbers_max", "numbers_min"), LIMITS)
def test_the_limits_are_the_documents_unless_configured_lower(keys, numbers_max, numbers_min):
    limits = with_keys(**keys).limits
    assert (limits.numbers_max, limits.numbers_min) == (numbers_max, numbers_min)
    assert (limits.text_chars_max, limits.charset, limits.mobiles_chars_max) == (500, "utf-8", None)


def test_parts_are_counted_as_configured():
    assert ACCOUNT.split == Split(70, 67)
    assert with_keys(text_split=(60, 57)).split == Split(60, 57)


WRONG_KEYS = [
    ({"account": ""}, "account"),
    ({"pswd": Secret("")}, "pswd"),
    ({"text_chars_max": 537}, "text_chars_hard_max"),
    ({"text_chars_max": 0}, "text_chars_max"),
    ({"text_chars_hard_max": 701}, "700"),
    ({"extno": "12a"}, "extno"),
    ({"extno": "1234"}, "extno_digits_max"),
    ({"extno": "１２"}, "extno"),
    ({"text_split": (0, 67)}, "text_split"),
    ({"numbers_min": 0}, "numbers_min"),
    ({"numbers_min": 11, "numbers_per_request": 10}, "numbers_min"),
    ({"numbers_per_request": 50_001}, "50000"),
    ({"numbers_per_request": 0}, "numbers_per_request"),
    ({"balance_interval_s": 9.9}, "balance_interval_s"),
    ({"balance_interval_s": None}, "balance_interval_s"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG_KEYS, ids=[str(row[0]) for row in WRONG_KEYS])
def test_a_key_that_cannot_be_is_named_with_what_to_do(keys, words):
    assert words in (with_keys(**keys).check() or "nothing wrong")


@pytest.mark.parametrize("keys", [{}, {"text_chars_max": 700, "text_chars_hard_max": 700}, {"extno": "123"}])
def test_keys_that_are_fine_are_not_complained_about(keys):
    assert with_keys(**keys).check() is None


# --- balance (3.4) ---------------------------------------------------------------------------------------------------

BOTH = (Product("1234567", 1000.0), Product("1234531", 2000.0))
TWO = b"20130303180000,0\n1234567,1000\n1234531,2000"
HALF = (Product("1", 10.5),)
BALANCES = [
    # name, configured product, body, messages, products, whether it warns
    ("the document's, summed",    "",        TWO,                                        3000.0,   BOTH, True),
    ("the configured product",    "1234531", TWO,                                        2000.0,   BOTH, False),
    ("one product",               "",        b"20130303180000,0\n1234567,1000\n",        1000.0,   BOTH[:1], False),
    ("CRLF and blanks",           "",        b"20130303180000,0\r\n 1234567 , 1000\r\n", 1000.0,   BOTH[:1], False),
    ("a fraction",                "",        b"20130303180000,0\n1,10.5",                10.5,     HALF, False),
    ("not the configured one",    "9",       TWO,                                        None,     BOTH, True),
    ("no product at all",         "",        b"20130303180000,0",                        None,     (), True),
    ("words for an amount",       "",        b"20130303180000,0\n1,nan\n2,inf\n3,1_0",  None,     (), True),
    ("a line that is no balance", "",        b"20130303180000,0\n1234567,1000\nbye",     1000.0,   BOTH[:1], True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("product", "body", "messages", "products", "warns"), [row[1:] for row in BALANCES], ids=[r[0] for r in BALANCES]
)
def test_a_balance_is_the_configured_products_else_the_sum(product, body, messages, products, warns):
    balance = ended(with_keys(product=product).balance(), body)
    assert isinstance(balance, Balance)
    assert (balance.messages, balance.products, balance.verdict) == (messages, products, None)
    assert bool(balance.warn) == warns


REFUSED_BALANCES = [
    (b"20130303180000,101", Kind.AUTH),
    (b"20130303180000,102", Kind.AUTH),
    (b"20130303180000,103", Kind.THROTTLED),
    (b"<html>", Kind.RETRY_LATER),
]


@pytest.mark.parametrize(("body", "kind"), REFUSED_BALANCES)
def test_a_refused_balance_query_says_why(body, kind):
    balance = ended(ACCOUNT.balance(), body)
    assert balance.messages is None
    assert balance.verdict.kind is kind


def test_a_balance_query_is_a_post_so_that_the_password_is_in_no_url():
    request = next(ACCOUNT.balance())
    assert (request.method, request.path, request.submits) == ("POST", "/msg/QueryBalance", False)
    assert bytes(request.prefix) == b"account=demo&pswd=s3cret"


def test_the_balance_is_asked_every_thirty_seconds_though_this_edition_says_ten():
    assert ACCOUNT.balance_interval_s == 30.0  # AMB-BATCH-7: the longer one is safe with both editions
    assert with_keys(balance_interval_s=10.0).check() is None


# --- report pushes (3.2) ---------------------------------------------------------------------------------------------

EXAMPLE = b"receiver=admin&pswd=12345&msgid=12345&reportTime=1012241002&mobile=13800138000&status=DELIVRD"
AT_S = 1_293_156_120  # 2010-12-24 10:02 at UTC+8


def pushed(query: bytes, body: bytes = b"", method: str = "GET") -> Push:
    return Push("spring", method, query, body, "application/x-www-form-urlencoded", 1_700_000_000_000)


def report(**fields: str) -> bytes:
    """The document's example with other fields."""
    form = {"receiver": "admin", "pswd": "12345", "msgid": "12345", "reportTime": "1012241002"}
    form |= {"mobile": "13800138000", "status": "DELIVRD"} | fields
    return "&".join(f"{name}={value}" for name, value in form.items()).encode()


def without(name: str) -> bytes:
    return b"&".join(pair for pair in EXAMPLE.split(b"&") if not pair.startswith(name.encode() + b"="))


def row(
    state: int = REPORT_DELIVERED, code: str = "DELIVRD", number: int = 13_800_138_000, time_s: int = AT_S
) -> ReportRow:
    return ReportRow("12345", number, state, code, time_s)


FOREIGN = 10**15 + 4_915_112_345_678
REPORTS = [
    ("the document's example",  pushed(EXAMPLE),                                       row()),
    ("as a POST form",          pushed(b"", EXAMPLE, "POST"),                          row()),
    ("query and body together", pushed(EXAMPLE[:25], EXAMPLE[26:], "POST"),            row()),
    ("the body wins",           pushed(b"status=REJECT", EXAMPLE, "POST"),             row()),
    ("lower case",              pushed(report(status="delivrd")),                      row(code="delivrd")),
    ("blanks around",           pushed(report(status="+DELIVRD%20")),                  row()),
    ("+86",                     pushed(report(mobile="%2B8613800138000")),             row()),
    ("+86, not escaped",        pushed(report(mobile="+8613800138000")),               row()),
    ("86",                      pushed(report(mobile="8613800138000")),                row()),
    ("0086",                    pushed(report(mobile="008613800138000")),              row()),
    ("a foreign number",        pushed(report(mobile="4915112345678")),                row(number=FOREIGN)),
    ("no status text",          pushed(report(status="")),                             row(REPORT_FAILED, "")),
    ("a gateway's state",       pushed(report(status="MK%3A0001")),                    row(REPORT_FAILED, "MK:0001")),
    ("a gateway's, unescaped",  pushed(report(status="ID:0076")),                      row(REPORT_FAILED, "ID:0076")),
    ("almost delivered",        pushed(report(status="DELIVRD1")),                     row(REPORT_FAILED, "DELIVRD1")),
    ("not UTF-8",               pushed(report(status="%FF")),                          row(REPORT_FAILED, "\ufffd")),
    ("seconds, 12 digits",      pushed(report(reportTime="101224100205")),             row(time_s=AT_S + 5)),
    ("a full year, 12 digits",  pushed(report(reportTime="202512241002")),             row(time_s=1_766_541_720)),
    ("14 digits",               pushed(report(reportTime="20101224100205")),           row(time_s=AT_S + 5)),
    ("no such day",             pushed(report(reportTime="1013241002")),               row(time_s=0)),
    ("a time in words",         pushed(report(reportTime="now")),                      row(time_s=0)),
    ("no time",                 pushed(without("reportTime")),                         row(time_s=0)),
]  # fmt: skip


@pytest.mark.parametrize(("push", "expected"), [case[1:] for case in REPORTS], ids=[case[0] for case in REPORTS])
def test_a_report_push_is_read_as_the_document_says(push, expected):
    assert GUARDED.report_push(push) == [expected]


ANNEX_A = ("MA", "MB", "MC", "CA", "CB", "DA", "DB", "SA", "SB", "IA", "IB", "IC")
REPORT_CODES = [
    # status       state             cause
    ("DELIVRD",    REPORT_DELIVERED, ""),
    ("EXPIRED",    REPORT_FAILED,    ""),
    ("UNDELIV",    REPORT_FAILED,    ""),
    ("UNKNOWN",    REPORT_FAILED,    ""),
    ("REJECTD",    REPORT_FAILED,    ""),
    ("MBBLACK",    REPORT_FAILED,    "blacklist"),
    ("DTBLACK",    REPORT_FAILED,    "blacklist"),
    ("ROUTEERR",   REPORT_FAILED,    "channel"),
    ("REJECT",     REPORT_FAILED,    "content"),
    ("DISTURB",    REPORT_FAILED,    "frequency"),
    ("EMSERR",     REPORT_FAILED,    ""),
    ("SIGNERR",    REPORT_FAILED,    "content"),
    ("KEYWORD",    REPORT_FAILED,    "content"),
    ("ERR:104",    REPORT_FAILED,    "channel"),
    *[(f"{prefix}:0001", REPORT_FAILED, "operator") for prefix in ANNEX_A],
]  # fmt: skip


@pytest.mark.parametrize(("status", "state", "cause"), REPORT_CODES, ids=[case[0] for case in REPORT_CODES])
def test_every_report_status_has_its_state_and_a_plain_meaning(status, state, cause):
    assert GUARDED.report_push(pushed(report(status=status))) == [row(state, status)]
    found = GUARDED.report_codes.find(status)
    assert found is not None
    assert (found.state, found.cause) == (state, cause)
    assert found.english == GUARDED.report_codes.meaning(status) != ""
    assert re.search("[\u4e00-\u9fff]", found.chinese)


def test_only_delivrd_is_success():
    delivered = [code for code in GUARDED.report_codes.rows if GUARDED.report_codes.state(code) == REPORT_DELIVERED]
    assert delivered == ["DELIVRD"]


STRANGERS = [
    ("a wrong receiver", report(receiver="root")),
    ("a wrong password", report(pswd="54321")),
    ("a password that only begins right", report(pswd="123456")),
    ("an empty password", report(pswd="")),
    ("no password", without("pswd")),
    ("no receiver", without("receiver")),
    ("nothing at all", b""),
]


@pytest.mark.parametrize("query", [case[1] for case in STRANGERS], ids=[case[0] for case in STRANGERS])
def test_a_push_that_is_not_from_the_vendor_is_refused_with_403_and_kept_nowhere(query):
    for parsed in (GUARDED.report_push(pushed(query)), GUARDED.inbound_push(pushed(query + b"&msg=hi"))):
        assert isinstance(parsed, Refusal)
        assert (parsed.status, parsed.authenticated) == (403, False)


@pytest.mark.parametrize("key", ["receiver", "push_pswd"])
def test_a_secret_of_pushes_that_is_empty_is_a_mistake(key):
    assert with_keys(**{key: Secret("")}).check() == (
        f"{key} is empty, as if any push carried it: write what was agreed, or leave the key out."
    )
    assert with_keys(**{key: Secret("agreed")}).check() is None


def test_what_is_not_configured_is_not_asked_for():
    assert ACCOUNT.report_push(pushed(without("pswd"))) == [row()]
    assert ACCOUNT.report_push(pushed(report(receiver="", pswd="anything"))) == [row()]


JUNK = [
    ("no msgid", without("msgid"), "msgid"),
    ("an empty msgid", report(msgid=""), "msgid"),
    ("a blank msgid", report(msgid="+%20"), "msgid"),
    ("an endless msgid", report(msgid="1" * 500), "msgid"),
    ("no mobile", without("mobile"), "mobile"),
    ("an empty mobile", report(mobile=""), "mobile"),
    ("letters for a mobile", report(mobile="1380013800O"), "mobile"),
    ("an endless mobile", report(mobile="1" * 500), "mobile"),
    ("no status", without("status"), "status"),
]


@pytest.mark.parametrize(("query", "words"), [case[1:] for case in JUNK], ids=[case[0] for case in JUNK])
def test_junk_from_the_vendor_is_refused_with_400_and_kept_and_from_strangers_not(query, words):
    refused = GUARDED.report_push(pushed(query))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.authenticated) == (400, True)
    assert words in refused.why
    unguarded = ACCOUNT.report_push(pushed(query))
    assert isinstance(unguarded, Refusal)
    assert not unguarded.authenticated


# --- inbound pushes (3.3) --------------------------------------------------------------------------------------------

HEAD = b"receiver=admin&pswd=12345&moTime=1012241002&destcode=10657&mobile=13800138000"


def inbound(text: str = "hello", flags: tuple[str, ...] = (), **other: Any) -> Inbound:
    fields: dict[str, Any] = {
        "account": "spring",
        "number": "13800138000",
        "text": text,
        "to": "10657",
        "at_ms": AT_S * 1000,
        "received_ms": 1_700_000_000_000,
    }
    return Inbound(**fields | other, flags=flags)


EMS = b"&msg=hello&isems=1&emshead="
INBOUND = [
    ("the document's example",  HEAD + b"&msg=hello",                       inbound()),
    ("the document's long one", HEAD + EMS + b"255,5,5",                    inbound(part=(255, 5, 5))),
    ("the prose's order",       HEAD + EMS + b"234,4,1",                    inbound(part=(234, 4, 1))),
    ("escaped commas",          HEAD + EMS + b"234%2C4%2C1",                inbound(part=(234, 4, 1))),
    ("a part beyond the total", HEAD + EMS + b"234,4,5",                    inbound(flags=("broken-emshead",))),
    ("a part 0",                HEAD + EMS + b"234,4,0",                    inbound(flags=("broken-emshead",))),
    ("a head of two",           HEAD + EMS + b"234,4",                      inbound(flags=("broken-emshead",))),
    ("a head in words",         HEAD + EMS + b"a,b,c",                      inbound(flags=("broken-emshead",))),
    ("no head",                 HEAD + b"&msg=hello&isems=1",               inbound(flags=("broken-emshead",))),
    ("a head but not a part",   HEAD + b"&msg=hello&isems=0&emshead=2,2,1", inbound()),
    ("Chinese",                 HEAD + b"&msg=%E9%80%80%E8%AE%A2",          inbound("退订")),
    ("Chinese, not escaped",    HEAD + "&msg=退订".encode(),                  inbound("退订")),
    ("GBK",                     HEAD + b"&msg=%CD%CB%B6%A9",                inbound("退订", ("gbk",))),
    ("no charset",              HEAD + b"&msg=a%FF%FE",                     inbound("a\\xff\\xfe", ("broken-text",))),
    ("an escape in the text",   HEAD + b"&msg=100%2525",                    inbound("100%25")),
    ("an endless text",         HEAD + b"&msg=" + b"x" * 20_000,            inbound("x" * 10_000, ("cut",))),
    ("an empty text",           HEAD + b"&msg=",                            inbound("")),
    ("+ is a blank",            HEAD + b"&msg=a+b%2Bc",                     inbound("a b+c")),
    ("+86",                     HEAD.replace(b"=138", b"=%2B86138") + b"&msg=hello", inbound()),
    ("an unreadable sender",    HEAD.replace(b"13800138000", b"A1") + b"&msg=hello",
     inbound(number="A1", flags=("no-number",))),
    ("no time",                 HEAD.replace(b"1012241002", b"") + b"&msg=hello",
     inbound(at_ms=1_700_000_000_000, flags=("no-time",))),
]  # fmt: skip


@pytest.mark.parametrize(("query", "expected"), [case[1:] for case in INBOUND], ids=[case[0] for case in INBOUND])
def test_an_inbound_push_is_read_as_the_document_says(query, expected):
    assert GUARDED.inbound_push(pushed(query)) == [expected]
    assert GUARDED.inbound_push(pushed(b"", query, "POST")) == [expected]


@pytest.mark.parametrize("query", [HEAD, HEAD.replace(b"13800138000", b"") + b"&msg=hi"])
def test_an_inbound_push_without_text_or_sender_is_junk(query):
    refused = GUARDED.inbound_push(pushed(query))
    assert isinstance(refused, Refusal)
    assert (refused.status, refused.authenticated) == (400, True)


def test_the_answer_to_a_push_is_empty():
    assert ACCOUNT.push_answer() == b""
