"""COSMS against its document, as tables (vendors.md 1): sending, logging in, balance, a new password."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.lane.answers.policy import POLICY, row_of
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.text import Split
from dispatcher.errors import TextError, UserError
from dispatcher.vendors.cosms.vendor import Cosms
from dispatcher.vendors.cosms.wire import one_time_password
from dispatcher.vendors.seam.vendor import Message, MessageKind, OperationResult, Request, Secret
from tests.vendors.cosms.cosms_flows import ACCOUNT as FLOWS
from tests.vendors.cosms.cosms_flows import run, sent

ACCOUNT = msgspec.structs.replace(FLOWS, login_name="Demo")
SECURE = msgspec.structs.replace(ACCOUNT, md5=True)
CHUNK = memoryview(b"13800138000,13800138001")
TWO_ROWS = b"100\r\n0,567890009\r\n0,567890010\r\n"
GBK = st.text(alphabet=st.characters(codec="gbk"), min_size=1, max_size=60)


def with_keys(**keys: Any) -> Cosms:
    """The account with other keys."""
    return msgspec.structs.replace(ACCOUNT, **keys)


def prepared(text: str, kind: MessageKind = "sms", *, account: Cosms = ACCOUNT, **options: str) -> dict[str, str]:
    """The parameters of the message, each value in Latin-1; `Mobs` last and open."""
    form = account.prepare(Message(text=text, kind=kind, options=options))
    assert form.endswith(b"&Mobs=")
    return sent(Request(path="/", prefix=form))


def submitted(body: bytes, *, count: int = 2, cut: bool = False) -> Verdict:
    _, verdict = run(ACCOUNT.submit(b"Mobs=", CHUNK, count), body, cut=cut)
    assert isinstance(verdict, Verdict)
    return verdict


# --- answers to a submit (1.5) ---------------------------------------------------------------------------------------

IDS = ("567890009", "567890010")
ANSWERS = [
    # name, body, kind, code, ids, whether it warns
    ("the document's success",      b"100\n0,567890009\n0,567890010",        Kind.ACCEPTED, "100", IDS, False),
    ("CRLF",                        TWO_ROWS,        Kind.ACCEPTED, "100", IDS, False),
    ("CR",                          b"100\r0,567890009\r0,567890010\r",        Kind.ACCEPTED, "100", IDS, False),
    ("its line 1, with a comma",    b"100,  \r\n0,567890009\r\n0,567890010",    Kind.ACCEPTED, "100", IDS, False),
    ("words on line 1",             b"100 OK\r\n0,567890009\r\n0,567890010",    Kind.ACCEPTED, "100", IDS, False),
    ("blanks everywhere",           b" 100 \n\n 0 , 567890009 \n0,\t567890010", Kind.ACCEPTED, "100", IDS, False),
    ("a byte order mark",           b"\xef\xbb\xbf" + TWO_ROWS,        Kind.ACCEPTED, "100", IDS, False),
    ("another first column",        b"100\n1,567890009\n,567890010",        Kind.ACCEPTED, "100", IDS, False),
    ("ids that are no numbers",   b"100\n0,A-1\n0,b_2",        Kind.ACCEPTED, "100", ("A-1", "b_2"), False),
    ("200 with every row",          b"200\n0,567890009\n0,567890010",        Kind.ACCEPTED, "200", IDS, True),
    ("200, as the log of changes",  b"200\n0,567890009",        Kind.PARTIAL,  "200", (),  True),
    ("a row too few",               b"100\n0,567890009",        Kind.PARTIAL,  "100", (),  True),
    ("a row too many",              b"100\n0,1\n0,2\n0,3",        Kind.PARTIAL,  "100", (),  True),
    ("no rows",                     b"100",        Kind.PARTIAL,  "100", (),  True),
    ("no rows of 200",              b"200\r\n",        Kind.PARTIAL,  "200", (),  True),
    ("the same id twice",           b"100\n0,567890009\n0,567890009",        Kind.PARTIAL,  "100", (),  True),
    ("a row without an id",         b"100\n0,567890009\n0,",        Kind.PARTIAL,  "100", (),  True),
    ("a row without a comma",       b"100\n0,567890009\n567890010",        Kind.PARTIAL,  "100", (),  True),
    ("a row with three columns",    b"100\n0,567890009\n0,567890010,1",        Kind.PARTIAL,  "100", (),  True),
    ("an id that is too long",      b"100\n0,567890009\n0," + b"9" * 65,        Kind.PARTIAL,  "100", (),  True),
    ("a row in another alphabet",   "100\n0,567890009\n0,号".encode("gbk"),      Kind.PARTIAL,  "100", (),  True),
    ("an error with words",         "503 余额不足".encode("gbk"),        Kind.BALANCE,  "503", (),  False),
    ("an error with rows",          TWO_ROWS.replace(b"100", b"404"),        Kind.REJECTED, "404", (),  False),
    ("a code nobody has heard of",  b"299",        Kind.UNKNOWN,  "299", (),  True),
    ("a proxy's 502",               b"502 Bad Gateway",        Kind.UNKNOWN,  "unreadable", (), True),
    ("a proxy's 404",               b"404 Not Found\n",        Kind.UNKNOWN,  "unreadable", (), True),
    ("empty",                       b"",        Kind.UNKNOWN,  "unreadable", (), True),
    ("blank",                       b" \r\n ",        Kind.UNKNOWN,  "unreadable", (), True),
    ("an HTML page",                b"<html>100</html>",        Kind.UNKNOWN,  "unreadable", (), True),
    ("four digits",                 b"1000\n0,1\n0,2",        Kind.UNKNOWN,  "unreadable", (), True),
    ("two digits",                  b"10\n0,1\n0,2",        Kind.UNKNOWN,  "unreadable", (), True),
    ("rows alone",                  b"0,567890009\n0,567890010",        Kind.UNKNOWN,  "unreadable", (), True),
    ("JSON",                        b'{"code":100}',        Kind.UNKNOWN,  "unreadable", (), True),
    ("wide digits",                 "１００".encode(),        Kind.UNKNOWN,  "unreadable", (), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "kind", "code", "ids", "warns"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
def test_an_answer_is_read_as_the_document_says(body, kind, code, ids, warns):
    verdict = submitted(body)
    assert (verdict.kind, verdict.code, verdict.vendor_ids) == (kind, code, ids)
    assert bool(verdict.warn) == warns
    assert verdict.vendor_id == ""
    assert len(verdict.text) <= 200


def test_an_error_in_gbk_can_be_read_by_people():
    assert submitted("503 余额不足".encode("gbk")).text == "503 余额不足"


def test_a_cut_answer_assigns_nothing():
    assert submitted(TWO_ROWS, cut=True).kind is Kind.PARTIAL


@given(ids=st.lists(st.integers(1, 10**20).map(str), min_size=1, max_size=50, unique=True), end=st.sampled_from("\r\n"))
def test_each_number_gets_the_id_of_its_row(ids, end):
    body = f"100{end}" + "".join(f"0,{vendor_id}{end}" for vendor_id in ids)
    verdict = submitted(body.encode(), count=len(ids))
    assert (verdict.kind, verdict.vendor_ids) == (Kind.ACCEPTED, tuple(ids))


CODES = [
    # code  class              effect      stops  divides
    ("200", Kind.PARTIAL,     "unknown",  False, False),
    ("201", Kind.AUTH,        "queued",   True,  False),
    ("202", Kind.AUTH,        "queued",   True,  False),
    ("203", Kind.AUTH,        "queued",   True,  False),
    ("204", Kind.AUTH,        "queued",   True,  False),
    ("205", Kind.AUTH,        "queued",   True,  False),
    ("206", Kind.AUTH,        "queued",   True,  False),
    ("207", Kind.AUTH,        "queued",   True,  False),
    ("208", Kind.AUTH,        "queued",   True,  False),
    ("300", Kind.RETRY_LATER, "queued",   False, False),
    ("400", Kind.AUTH,        "queued",   True,  False),
    ("401", Kind.REJECTED,    "failed",   False, False),
    ("402", Kind.REJECTED,    "failed",   False, False),
    ("403", Kind.REJECTED,    "failed",   False, True),
    ("404", Kind.REJECTED,    "failed",   False, True),
    ("405", Kind.CONTENT,     "failed",   False, False),
    ("406", Kind.CONTENT,     "failed",   False, False),
    ("407", Kind.CONTENT,     "failed",   False, False),
    ("408", Kind.REJECTED,    "failed",   False, False),
    ("409", Kind.REJECTED,    "failed",   False, False),
    ("410", Kind.REJECTED,    "failed",   False, False),
    ("411", Kind.REJECTED,    "failed",   False, True),
    ("412", Kind.CONTENT,     "failed",   False, False),
    ("413", Kind.REJECTED,    "failed",   False, True),
    ("414", Kind.REJECTED,    "failed",   False, False),
    ("415", Kind.REJECTED,    "failed",   False, False),
    ("416", Kind.REJECTED,    "failed",   False, False),
    ("417", Kind.REJECTED,    "failed",   False, False),
    ("501", Kind.RETRY_LATER, "queued",   False, False),
    ("502", Kind.THROTTLED,   "queued",   False, False),
    ("503", Kind.BALANCE,     "queued",   True,  False),
    ("504", Kind.BALANCE,     "queued",   True,  False),
    ("505", Kind.BALANCE,     "queued",   True,  False),
    ("506", Kind.BALANCE,     "queued",   True,  False),
]  # fmt: skip


@pytest.mark.parametrize(("code", "kind", "effect", "stops", "divides"), CODES, ids=[row[0] for row in CODES])
def test_every_code_of_the_document_has_its_class_its_meaning_and_what_to_do(code, kind, effect, stops, divides):
    verdict = submitted(code.encode())
    policy = POLICY[verdict.kind]
    assert (verdict.kind, policy.effect, policy.stops) == (kind, effect, stops)
    assert (verdict.code, verdict.divide) == (code, divides)
    row = ACCOUNT.codes.find(code)
    assert row is not None
    assert row.english
    assert re.search("[\u4e00-\u9fff]", row.chinese)
    assert row.advice


def test_the_table_has_the_codes_of_the_document_and_no_others():
    assert set(ACCOUNT.codes.rows) == {"100", *(row[0] for row in CODES)}


# --- what is sent (1.2, 1.4, 1.5) ------------------------------------------------------------------------------------


def test_a_submit_is_one_post_of_the_documents_parameters_with_the_slice_as_it_is():
    body = ACCOUNT.prepare(Message(text="hi"))
    (request,), _ = run(ACCOUNT.submit(body, CHUNK, 2), TWO_ROWS)
    assert (request.path, request.method, request.submits) == ("/sms/putMt/", "POST", True)
    assert request.tail is CHUNK
    assert not request.same_connection
    assert sent(request) == {
        "msgFormat": "1",
        "corpID": "100",
        "loginName": "Demo",
        "msg": "hi",
        "Mobs": "13800138000,13800138001",
        "mtLevel": "1",
        "password": "s3cret",
    }


LEVELS = [(1, "1"), (10, "1"), (11, "2"), (100, "2"), (101, "3"), (1000, "3")]


@pytest.mark.parametrize(("count", "level"), LEVELS)
def test_the_level_is_what_the_vendor_would_force(count, level):
    request = next(ACCOUNT.submit(b"Mobs=", CHUNK, count))
    assert sent(request)["mtLevel"] == level


@pytest.mark.parametrize(("count", "level"), [(1, "3"), (10, "3"), (11, "2"), (101, "3")])
def test_the_level_of_few_numbers_is_the_accounts(count, level):
    request = next(with_keys(mt_level=3).submit(b"Mobs=", CHUNK, count))
    assert sent(request)["mtLevel"] == level


TEXTS = [
    # text, msgFormat, msg on the wire
    ("企信专家#x", "1", "%C6%F3%D0%C5%D7%A8%BC%D2%23x"),
    ("镕", "1", "%E9%46"),
    ("a+b c", "1", "a%2Bb%20c"),
    ("~*!'()", "1", "%7E%2A%21%27%28%29"),
    ("A-z_0.9", "1", "A-z_0.9"),
    ("a&b=c%d,e;f", "1", "a%26b%3Dc%25d%2Ce%3Bf"),
    ("一\r\n二", "1", "%D2%BB%0D%0A%B6%FE"),
    ("€5", "2", "%E2%82%AC5"),
    ("好😀", "2", "%E5%A5%BD%F0%9F%98%80"),
]


@pytest.mark.parametrize(("text", "msg_format", "wire"), TEXTS, ids=[row[0] for row in TEXTS])
def test_a_text_goes_as_escaped_gbk_and_as_utf_8_only_where_gbk_cannot_carry_it(text, msg_format, wire):
    form = ACCOUNT.prepare(Message(text=text)).decode("ascii")
    fields = dict(pair.split("=") for pair in form.split("&"))
    assert (fields["msgFormat"], fields["msg"]) == (msg_format, wire)


@given(text=GBK.filter(str.strip))
def test_every_gbk_character_arrives_unchanged(text):
    fields = dict(pair.split("=") for pair in ACCOUNT.prepare(Message(text=text)).decode("ascii").split("&"))
    assert fields["msgFormat"] == "1"
    assert re.fullmatch(r"(?:[A-Za-z0-9._-]|%[0-9A-F]{2})*", fields["msg"])
    assert unquote_to_bytes(fields["msg"]).decode("gbk") == text


@given(text=st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=60).filter(str.strip))
def test_every_other_text_arrives_as_well(text):
    fields = dict(pair.split("=") for pair in ACCOUNT.prepare(Message(text=text)).decode("ascii").split("&"))
    charset = {"1": "gbk", "2": "utf-8"}[fields["msgFormat"]]
    assert unquote_to_bytes(fields["msg"]).decode(charset) == text


def test_the_category_is_encoded_like_the_text():
    form = prepared("hi", kind_flag="促销")
    assert (form["msgFormat"], form["kindFlag"]) == ("1", "促销".encode("gbk").decode("latin-1"))
    form = prepared("好", kind_flag="a😀")
    assert (form["msgFormat"], form["kindFlag"]) == ("2", "a😀".encode().decode("latin-1"))
    assert form["msg"] == "好".encode().decode("latin-1")


def test_options_are_the_campaigns_or_else_the_accounts_under_either_spelling():
    account = with_keys(sub_number="12", kind_flag="spring")
    form = prepared("hi", account=account)
    assert (form["subNumber"], form["kindFlag"]) == ("12", "spring")
    form = prepared("hi", account=account, subNumber="7", kindFlag="")
    assert (form["subNumber"], "kindFlag" in form) == ("7", False)
    assert prepared("hi", sub_number="007")["subNumber"] == "007"


REFUSED = [
    ("empty", "", {}, "the text is empty"),
    ("blank", " \r\n", {}, "the text is empty"),
    ("too long", "字" * 501, {}, "501 characters, this account takes 500. Shorten it by 1."),
    ("emoji count twice", "😀" * 251, {}, "502 characters"),
    ("a broken character", "ab\ud800", {}, "character 3 of the text is broken"),
    ("an option nobody has", "hi", {"extno": "1"}, 'no option "extno" (it has sub_number, kind_flag, mms_title)'),
    (
        "a sub-number with letters",
        "hi",
        {"sub_number": "1a"},
        "sub_number must be 1 to 6 digits (sub_number_digits_max says how many).",
    ),
    ("a sub-number that is too long", "hi", {"sub_number": "1" * 7}, "sub_number must be"),
    ("a category that is too long", "hi", {"kind_flag": "字" * 21}, "kind_flag must be at most 20 characters."),
    ("a broken category", "hi", {"kind_flag": "\udfff"}, "character 1 of kind_flag is broken"),
    ("a title of a text", "hi", {"mms_title": "x"}, "mms_title is for multimedia messages"),
]


@pytest.mark.parametrize(("text", "options", "sentence"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_the_vendor_would_not_take_is_refused_before_it_is_asked(text, options, sentence):
    with pytest.raises(TextError) as refused:
        ACCOUNT.prepare(Message(text=text, options=options))
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".")


def test_a_text_is_500_characters_or_what_is_configured_up_to_1000():
    ACCOUNT.prepare(Message(text="字" * 500))
    with_keys(text_chars_max=1000).prepare(Message(text="字" * 1000))
    assert with_keys(text_chars_max=1001).check() == "text_chars_max must be 1 to 1000."


def test_what_may_surprise_is_said_before_the_launch():
    assert ACCOUNT.notes(Message(text="好" * 500)) == ()
    assert "406" in ACCOUNT.notes(Message(text="好" * 501))[0]
    assert "GBK cannot carry '€', so the text goes as UTF-8 (msgFormat 2)" in ACCOUNT.notes(Message(text="5€"))


def test_the_limits_are_the_documents():
    limits = ACCOUNT.limits
    assert (limits.numbers_max, limits.mobiles_chars_max, limits.text_chars_max) == (1000, 13_000, 500)
    assert (limits.charset, limits.international) == ("utf-8", False)
    assert with_keys(international=True).limits.international
    assert ACCOUNT.split == Split(70, 67)
    assert ACCOUNT.ids_each
    assert ACCOUNT.kinds == ("sms", "wap", "mms")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"corp_id": ""}, "corp_id is empty"),
    ({"login_name": "a b"}, "login_name has a blank or a character that is not ASCII"),
    ({"password": Secret("密码")}, "password has a blank or a character that is not ASCII"),
    ({"mt_level": 4}, "mt_level must be 1"),
    ({"sub_number": "x"}, "sub_number must be"),
    ({"sub_number_digits_max": 21}, "sub_number_digits_max must be 1 to 20"),
    ({"kind_flag": "x" * 21}, "kind_flag must be"),
    ({"report_interval_s": -1.0}, "must be above 0 (seconds), or 0 to not ask."),
    ({"mo_interval_s": -1.0}, "must be above 0 (seconds), or 0 to not ask."),
    ({"push_key": Secret("short")}, "push_key must be"),
    ({"balance_interval_s": None}, "balance_interval_s must be"),
    ({"inflight_max": 21}, "inflight_max must be at most 20"),
    ({"inflight_max": 11, "md5": True}, "inflight_max must be at most 10"),
    ({"numbers_per_request": 1001}, "numbers_per_request must be 1 to 1000"),
]


@pytest.mark.parametrize(("keys", "sentence"), WRONG, ids=[row[1] for row in WRONG])
def test_a_wrong_key_is_named_in_one_sentence(keys, sentence):
    wrong = with_keys(**keys).check()
    assert wrong is not None
    assert sentence in wrong
    assert wrong.endswith(".")


# --- logging in (1.3) ------------------------------------------------------------------------------------------------


def test_the_one_time_password_is_the_documents():
    assert one_time_password("100", "JYT", "123456", "112233") == "fb73224840e396795873c019e852dd50"


def test_the_login_name_is_hashed_in_upper_case_and_the_inner_hash_in_lower():
    assert one_time_password("100", "jyt", "123456", "112233") == "fb73224840e396795873c019e852dd50"
    for wrong in ("2fc88a05cbf5f9d238a2141b9d5dfb6e", "d710c4cd36988275c77403b417520099"):
        assert one_time_password("100", "jyt", "123456", "112233") != wrong


def test_with_md5_the_string_is_fetched_first_and_the_password_is_never_on_the_wire():
    requests, verdict = run(SECURE.submit(SECURE.prepare(Message(text="hi")), CHUNK, 2), b"112233", TWO_ROWS)
    fetch, submit = requests
    assert (fetch.path, fetch.or_path, fetch.method) == ("/sms/getMD5str", "/sms/getMD5str/", "GET")
    assert not fetch.submits
    assert submit.submits
    assert submit.same_connection
    form = sent(submit)
    assert (form["loginName"], form["MD5str"]) == ("DEMO", "112233")
    assert form["password"] == one_time_password("100", "DEMO", "s3cret", "112233")
    for request in requests:
        assert b"s3cret" not in b"".join((request.prefix, request.suffix))
    assert verdict.kind is Kind.ACCEPTED


STRINGS = [
    ("as public clients see it", b"112233", "112233"),
    ("with a line end", b"112233\r\n", "112233"),
    ("behind a code line", b"100\r\n112233\r\n", "112233"),
    ("behind a code line with blanks", b"100 \n 112233", "112233"),
    ("ASCII that needs escaping", b"a+&%=#", "a+&%=#"),
    ("32 characters", b"x" * 32, "x" * 32),
    ("a string of one digit", b"7", "7"),
]


@pytest.mark.parametrize(("body", "string"), [row[1:] for row in STRINGS], ids=[row[0] for row in STRINGS])
def test_the_string_is_opaque_and_escaped(body, string):
    requests, _ = run(SECURE.submit(b"Mobs=", CHUNK, 2), body, TWO_ROWS)
    form = sent(requests[1])
    assert form["MD5str"] == string
    assert form["password"] == one_time_password("100", "Demo", "s3cret", string)


NO_STRINGS = [
    ("empty", b"", Kind.NOT_SENT, "not connected"),
    ("a page", b"<html></html>", Kind.NOT_SENT, "not connected"),
    ("two lines", b"112233\n445566", Kind.NOT_SENT, "not connected"),
    ("a code line alone", b"100\r\n", Kind.NOT_SENT, "not connected"),
    ("33 characters", b"x" * 33, Kind.NOT_SENT, "not connected"),
    ("no ASCII", "乱码".encode(), Kind.NOT_SENT, "not connected"),
    ("busy", b"501", Kind.RETRY_LATER, "501"),
    ("too fast", b"502\r\n", Kind.THROTTLED, "502"),
    ("a wrong address", b"204", Kind.AUTH, "204"),
    ("locked", b"205", Kind.AUTH, "205"),
]


@pytest.mark.parametrize(("body", "kind", "code"), [row[1:] for row in NO_STRINGS], ids=[row[0] for row in NO_STRINGS])
def test_without_a_string_nothing_is_sent(body, kind, code):
    requests, verdict = run(SECURE.submit(b"Mobs=", CHUNK, 2), body)
    assert (verdict.kind, verdict.code, POLICY[row_of(verdict)].effect) == (kind, code, "queued")
    assert not any(request.submits for request in requests)


def test_a_refused_string_is_replaced_once_and_then_the_account_stops():
    requests, verdict = run(SECURE.submit(b"Mobs=", CHUNK, 2), b"111111", b"208", b"222222", TWO_ROWS)
    assert verdict.kind is Kind.ACCEPTED
    assert [sent(request)["MD5str"] for request in requests if request.submits] == ["111111", "222222"]
    requests, verdict = run(SECURE.submit(b"Mobs=", CHUNK, 2), b"111111", b"208", b"222222", b"208")
    assert (verdict.kind, verdict.code) == (Kind.AUTH, "208")
    assert len(requests) == 4


@pytest.mark.parametrize("code", ["201", "202", "203", "205"])
def test_no_other_login_is_tried_twice(code):
    requests, verdict = run(SECURE.submit(b"Mobs=", CHUNK, 2), b"111111", code.encode())
    assert (verdict.kind, len(requests)) == (Kind.AUTH, 2)


def test_a_plain_login_that_is_answered_208_is_not_repeated():
    requests, verdict = run(ACCOUNT.submit(b"Mobs=", CHUNK, 2), b"208")
    assert (verdict.kind, len(requests)) == (Kind.AUTH, 1)


# --- balance (1.8) ---------------------------------------------------------------------------------------------------

BALANCES = [
    # name, body, messages, products
    ("eight lines", b"100\n12\n3\n40\n5\n0\n1\n7", 12.0, {"domestic": 12, "international": 5, "MMS": 7}),
    ("seven lines", b"100\r\n12\r\n3\r\n40\r\n5\r\n0\r\n1", 12.0, {"domestic": 12, "international": 5}),
    ("two lines", b"100\n12", 12.0, {"domestic": 12}),
    ("more lines", b"100\n0\n3\n40\n5\n0\n1\n7\n8\n9", 0.0, {"domestic": 0, "international": 5, "MMS": 7}),
    ("commas as in the examples", b"100 ,\n12 ,\n3,\n40,\n5,", 12.0, {"domestic": 12, "international": 5}),
    ("no balance", b"100\n", None, {}),
    ("words", b"100\nplenty\n1\n1\n5", None, {"international": 5}),
]


@pytest.mark.parametrize(
    ("body", "messages", "products"), [row[1:] for row in BALANCES], ids=[row[0] for row in BALANCES]
)
def test_a_balance_has_up_to_three_products_and_counts_domestic_messages(body, messages, products):
    (request,), balance = run(ACCOUNT.balance(), body)
    assert (request.path, request.submits) == ("/sms/corpCanSend/", False)
    assert sent(request) == {"corpID": "100", "loginName": "Demo", "password": "s3cret"}
    assert balance.verdict is None
    assert balance.messages == messages
    assert {product.name: product.messages for product in balance.products} == products
    assert bool(balance.warn) == (messages is None)


NO_BALANCES = [(b"300", Kind.RETRY_LATER), (b"203", Kind.AUTH), (b"502", Kind.THROTTLED), (b"<html>", Kind.RETRY_LATER)]


@pytest.mark.parametrize(("body", "kind"), NO_BALANCES, ids=[row[0].decode() for row in NO_BALANCES])
def test_a_failed_balance_query_says_why(body, kind):
    _, balance = run(ACCOUNT.balance(), body)
    assert balance.messages is None
    assert balance.verdict.kind is kind


def test_only_pages_are_read_where_they_break_off():
    assert not next(ACCOUNT.balance()).rows
    assert not next(ACCOUNT.submit(b"", CHUNK, 2)).rows


def test_a_balance_query_logs_in_as_a_submit_does():
    requests, balance = run(SECURE.balance(), b"111111", b"208", b"222222", b"100\n9")
    assert [request.path for request in requests] == ["/sms/getMD5str", "/sms/corpCanSend/"] * 2
    assert [request.same_connection for request in requests] == [False, True] * 2
    assert balance.messages == 9.0


# --- a new password (1.10) -------------------------------------------------------------------------------------------

NEW = Secret("n3w-pass")


def test_a_new_password_is_sent_once_and_never_shown():
    operation = ACCOUNT.change_login(NEW, "new_demo")
    assert dict(operation.shows) == {
        "corpID": "100",
        "loginName": "Demo",
        "password": "***",
        "newLoginName": "new_demo",
        "newPassWord": "***",
    }
    assert 'login_name = "new_demo"' in operation.afterwards
    (request,), result = run(operation.flow, b"100 n3w-pass")
    assert (request.path, request.submits) == ("/sms/changeLogin/", True)
    assert (sent(request)["newLoginName"], sent(request)["newPassWord"]) == ("new_demo", "n3w-pass")
    assert result.verdict.kind is Kind.ACCEPTED
    assert "n3w-pass" not in repr((operation.shows, operation.afterwards, operation.if_unknown, result))


def test_an_unchanged_name_is_left_out():
    operation = SECURE.change_login(NEW)
    assert "newLoginName" not in dict(operation.shows)
    assert "login_name" not in operation.afterwards
    requests, _ = run(operation.flow, b"112233", b"100")
    assert "newLoginName" not in sent(requests[1])
    assert requests[1].submits


CHANGES = [
    (b"415", Kind.REJECTED),
    (b"416", Kind.REJECTED),
    (b"417", Kind.REJECTED),
    (b"300", Kind.RETRY_LATER),
    (b"203", Kind.AUTH),
    (b"", Kind.UNKNOWN),
    (b"<html>", Kind.UNKNOWN),
]


@pytest.mark.parametrize(("body", "kind"), CHANGES, ids=[row[0].decode() or "empty" for row in CHANGES])
def test_the_result_of_a_change_is_said_or_unknown(body, kind):
    _, result = run(ACCOUNT.change_login(NEW).flow, body)
    assert isinstance(result, OperationResult)
    assert result.verdict.kind is kind
    assert bool(result.says) == (kind is not Kind.UNKNOWN)


@pytest.mark.parametrize(
    ("name", "password"),
    [("a", "x"), ("a" * 21, "x"), ("a-b", "x"), ("名字", "x"), (None, ""), (None, "a--b"), (None, "密")],
)
def test_a_name_or_password_that_the_vendor_would_not_take_is_refused(name, password):
    with pytest.raises(UserError, match=r"\.$"):
        ACCOUNT.change_login(Secret(password), name)
