"""BATCH-B against its document: what differs from edition A (test_edition_a.py), and HttpVarSM (vendors.md 4, 8.3)."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.lane.answers.policy import POLICY
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.messages.template import parse
from dispatcher.core.messages.text import Split
from dispatcher.errors import TextError
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.batch.edition_b import BatchB
from dispatcher.vendors.batch.platform import BatchPlatform
from dispatcher.vendors.registry import find
from dispatcher.vendors.seam.vendor import Answer, Balance, Message, Product, Push, ReportRow, Secret, VariableLimits
from schemas.records import Inbound
from schemas.states import REPORT_DELIVERED

ACCOUNT = BatchB(url="http://127.0.0.1:9104", account="demo", pswd=Secret("s3cret"))
EDITION_A = BatchA(url="http://127.0.0.1:9101", account="demo", pswd=Secret("s3cret"))
CHUNK = memoryview(b"13800138000,13800138001")
AT_S = 1_293_156_120  # 2010-12-24 10:02 at UTC+8


def with_keys(**keys: Any) -> BatchB:
    """The account with other keys."""
    return msgspec.structs.replace(ACCOUNT, **keys)


def ended(flow: Any, body: bytes) -> Any:
    """What the flow returns when its one request is answered with this body."""
    next(flow)
    with pytest.raises(StopIteration) as end:
        flow.send(Answer(body))
    return end.value.value


def test_it_is_registered_under_its_own_name():
    assert find("batch-b") is BatchB


# --- codes (3.1, 4.1) ------------------------------------------------------------------------------------------------

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
]  # fmt: skip
FLOWS = {
    "HttpBatchSendSM": lambda: ACCOUNT.submit(b"mobile=", CHUNK, 2),
    "HttpVarSM": lambda: ACCOUNT.submit_variable(b"params=", CHUNK, 2, [["a"], ["b"]]),
}


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS)
@pytest.mark.parametrize(("code", "kind", "effect", "stops", "divides"), CODES, ids=[row[0] for row in CODES])
def test_every_code_has_its_class_and_its_meaning_in_both_languages(flow, code, kind, effect, stops, divides):
    verdict = ended(flow(), f"20110725160412,{code}\n77".encode())
    assert isinstance(verdict, Verdict)
    policy = POLICY[verdict.kind]
    assert (verdict.kind, policy.effect, policy.stops) == (kind, effect, stops)
    divides = divides or (code in ("105", "106", "108", "115") and flow is FLOWS["HttpVarSM"])
    assert (verdict.divide, verdict.vendor_id) == (divides, "77" if code == "0" else "")
    row = ACCOUNT.codes.find(code)
    assert row is not None
    assert row.english == ACCOUNT.codes.meaning(code) != ""
    assert re.search("[\u4e00-\u9fff]", row.chinese)


def test_the_table_has_the_documents_codes_and_120_is_edition_as_alone():
    assert sorted(ACCOUNT.codes.rows) == sorted(row[0] for row in CODES)
    assert set(EDITION_A.codes.rows) - set(ACCOUNT.codes.rows) == {"120"}


@pytest.mark.parametrize("code", ["114", "120", "121", "999"])
def test_a_code_that_is_not_in_the_document_is_refused_for_good_and_warned_of(code):
    verdict = ended(FLOWS["HttpVarSM"](), f"20110725160412,{code}".encode())
    assert verdict.kind is Kind.REJECTED
    assert code in verdict.warn


@pytest.mark.parametrize("code", [b"105", b"106", b"108", b"115"])
def test_what_may_be_the_fault_of_one_text_is_sought_by_halves_so_that_the_others_get_theirs(code):
    refused = b"20110725160412," + code
    assert ended(ACCOUNT.submit_variable(b"params=", CHUNK, 2, [["a"], ["b"]]), refused).divide
    assert not ended(ACCOUNT.submit_variable(b"params=", CHUNK[:11], 1, [["a"]]), refused).divide
    assert not ended(ACCOUNT.submit(b"mobile=", CHUNK, 2), refused).divide


def test_a_wrong_count_may_be_one_below_the_accounts_minimum_which_halves_do_not_cure():
    assert ACCOUNT.codes.rows["108"].english != EDITION_A.codes.rows["108"].english
    assert not ended(ACCOUNT.submit(b"mobile=", CHUNK, 200), b"20110725160412,108").divide


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"<html>", Kind.UNKNOWN), (b"", Kind.UNKNOWN), (b"20110725160412,0", Kind.ACCEPTED)],
)
def test_an_answer_to_variable_texts_is_read_as_any_other(body, kind):
    verdict = ended(FLOWS["HttpVarSM"](), body)
    assert verdict.kind is kind
    assert verdict.warn


# --- limits (4.1, 8.3) -----------------------------------------------------------------------------------------------

LIMITS = [({}, 1_000, 1), ({"numbers_per_request": 50_000}, 50_000, 1), ({"numbers_min": 5}, 1_000, 5)]


@pytest.mark.parametrize(("keys", "numbers_max", "numbers_min"), LIMITS)
def test_the_limits_are_the_safe_ones_unless_configured(keys, numbers_max, numbers_min):
    limits = with_keys(**keys).limits
    assert (limits.numbers_max, limits.numbers_min) == (numbers_max, numbers_min)
    assert (limits.text_chars_max, limits.charset, limits.mobiles_chars_max) == (500, "utf-8", None)
    assert ACCOUNT.split == Split(70, 67)


WRONG_KEYS = [
    ({"text_chars_max": 537}, "up to 700"),
    ({"text_chars_hard_max": 701}, "700"),
    ({"extno": "1234"}, "extno_digits_max"),
    ({"extno": "12a"}, "extno"),
    ({"numbers_per_request": 50_001}, "50000"),
    ({"numbers_min": 1_001}, "numbers_min"),
    ({"balance_interval_s": 29.9}, "30"),
    ({"balance_interval_s": None}, "balance_interval_s"),
    ({"variable_placeholder": " "}, "variable_placeholder"),
    ({"variable_recipients_max": 0}, "variable_recipients_max"),
]


@pytest.mark.parametrize(("keys", "words"), WRONG_KEYS, ids=[str(row[0]) for row in WRONG_KEYS])
def test_a_key_that_cannot_be_is_named_with_what_to_do(keys, words):
    assert words in (with_keys(**keys).check() or "nothing wrong")


FINE = [
    {},
    {"text_chars_max": 585, "text_chars_hard_max": 585},
    {"text_chars_max": 700, "text_chars_hard_max": 700},
    {"extno": "123456", "extno_digits_max": 6},
    {"balance_interval_s": 30.0},
]


@pytest.mark.parametrize("keys", FINE)
def test_keys_that_are_fine_are_not_complained_about(keys):
    assert with_keys(**keys).check() is None


def test_several_products_count_as_the_configured_one_or_as_their_sum_with_a_warning():
    body = b"20130303180000,0\n1234567,1000\n1234531,2000"
    both = (Product("1234567", 1000.0), Product("1234531", 2000.0))
    assert ended(with_keys(product="1234531").balance(), body) == Balance(messages=2000.0, products=both)
    summed = ended(ACCOUNT.balance(), body)
    assert summed.messages == 3000.0
    assert "product" in summed.warn


def test_reports_and_messages_come_as_in_edition_a():
    query = b"msgid=12345&reportTime=1012241002&mobile=13800138000&status=DELIVRD"
    push = Push("winter", "GET", query, b"", "", 0)
    assert ACCOUNT.report_push(push) == [ReportRow("12345", 13_800_138_000, REPORT_DELIVERED, "DELIVRD", AT_S)]
    query = b"moTime=1012241002&destcode=1&mobile=13800138000&msg=hi&isems=1&emshead=234,4,1"
    messages = ACCOUNT.inbound_push(Push("winter", "GET", query, b"", "", 0))
    assert isinstance(messages, list)
    [message] = messages
    assert isinstance(message, Inbound)
    assert (message.text, message.part) == ("hi", (234, 4, 1))


# --- HttpVarSM (4.4) -------------------------------------------------------------------------------------------------

DOCUMENT = "【测试】您于{when}预订的{what}，{count}张，订单号：{order}已取消"


def sent(account: BatchPlatform, text: str, values: list[list[str]], **options: str) -> dict[str, str]:
    """The fields of the request, as a server reads them."""
    prepared = account.prepare_variable(Message(text=text, options=options), parse(text))
    request = next(account.submit_variable(prepared, CHUNK[: 12 * len(values) - 1], len(values), values))
    assert (request.method, request.path, request.submits) == ("POST", "/msg/HttpVarSM", True)
    form = (request.prefix + bytes(request.tail) + request.suffix).decode("ascii")
    return {name: value for name, [value] in parse_qs(form, keep_blank_values=True, strict_parsing=True).items()}


def test_the_documents_example_is_sent_with_its_lost_characters_put_back():
    values = [["2015-01-01", "成园温泉山庄门票", "2", "AC20150127"]]
    assert sent(ACCOUNT, DOCUMENT, values) == {
        "account": "demo",
        "pswd": "s3cret",
        "msg": "【测试】您于{$var}预订的{$var}，{$var}张，订单号：{$var}已取消",
        "needstatus": "true",
        "params": "13800138000,2015-01-01,成园温泉山庄门票,2,AC20150127",
    }


def test_groups_are_divided_by_semicolons_and_options_go_along():
    form = sent(ACCOUNT, "hi {a} {a}", [["1", "1"], ["2", "2"]], extno="7", product="9")
    assert form["params"] == "13800138000,1,1;13800138001,2,2"
    assert (form["extno"], form["product"]) == ("7", "9")


def test_the_placeholder_is_the_one_that_is_configured():
    assert sent(with_keys(variable_placeholder="{var}"), "a{x}b", [["1"]])["msg"] == "a{var}b"


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=",;"), max_size=20)


@given(VALUES, VALUES)
def test_no_value_changes_what_the_server_reads_of_the_others(first, second):
    params = sent(ACCOUNT, "a{x}b", [[first], [second]])["params"]
    assert params == f"13800138000,{first};13800138001,{second}"


def test_what_can_go_this_way_is_known_before():
    limits = VariableLimits(recipients_max=1_000, separators=(",", ";", "{$var}", "{var}"))
    assert ACCOUNT.variable_limits == limits
    other = with_keys(variable_placeholder="##", variable_recipients_max=5).variable_limits
    assert other == VariableLimits(recipients_max=5, separators=(",", ";", "##", "{$var}", "{var}"))
    assert with_keys(variable_sms=False).variable_limits is None


def test_edition_a_does_not_have_it_unless_configured():
    assert EDITION_A.variable_limits is None
    assert msgspec.structs.replace(EDITION_A, variable_sms=True).variable_limits == ACCOUNT.variable_limits


REFUSED = [
    ("the vendor's placeholder in the text", "{{$var}} {a}", {}, 'holds "{$var}"'),
    ("the damaged one", "{{var}} {a}", {}, 'holds "{var}"'),
    ("too long with the placeholders", "x" * 490 + "{a}{b}", {}, "502 characters"),
    ("an extno of four digits", "{a}", {"extno": "1234"}, "extno"),
    ("an unknown option", "{a}", {"colour": "red"}, '"colour"'),
]


@pytest.mark.parametrize(("text", "options", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_the_vendor_cannot_carry_is_refused_here_with_what_to_do(text, options, words):
    with pytest.raises(TextError, match=re.escape(words)):
        ACCOUNT.prepare_variable(Message(text=text, options=options), parse(text))
