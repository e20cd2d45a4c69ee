"""Recharge and UserManage: the vectors of vendors.md 4.2, the requests on the wire, every code, what is never shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.errors import InputError
from dispatcher.masking import Masker
from dispatcher.vendors.batch.agent import RECHARGE_CODES, USER_CODES, Agent, NewUser, add_user, delete_user, recharge
from dispatcher.vendors.batch.agent_wire import encrypted, signature, timestamp
from dispatcher.vendors.reading.forms import SHANGHAI
from dispatcher.vendors.seam.vendor import Answer, Operation, OperationResult, Request, Secret

KEY = "12345678"
AGENT = Agent(username="123456", secret_key=Secret("123456"), des_key=Secret(KEY), operator="ann")
NOW_S = 1_365_389_940  # 2013-04-08 10:59:00 in Shanghai, the moment of the document's example
USER = NewUser(company="春天公司", contact_mobile="13800138000", products=("1234567", "1234531"), expires="20301231")


# --- vectors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "base64"),
    [
        ("jishu01", "LW4Zjb8dOww="),
        ("Jishu01", "P4igVYHVh8Y="),
        ("testacct", "c/2fPj2UVNt99PtBiM2B0g=="),
        ("", "RDHMAmeVSGY="),
        ("p@ss w0rd+/", "+yIsusMFPQINfeCrrvZcjA=="),
    ],
)
def test_an_account_is_encrypted_as_the_document_does_it(text: str, base64: str) -> None:
    assert encrypted(text, KEY, KEY) == base64


def test_the_iv_is_the_key_and_not_zero() -> None:
    assert encrypted("jishu01", KEY, "\0" * 8) == "EM4Z13IXwno="
    assert AGENT.encrypted("jishu01") == "LW4Zjb8dOww="


def test_another_iv_can_be_agreed() -> None:
    other = Agent(username="u", secret_key=Secret("s"), des_key=Secret(KEY), des_iv=Secret("\0" * 8), operator="o")
    assert other.encrypted("jishu01") == "EM4Z13IXwno="


def test_the_signature_is_the_documents() -> None:
    assert timestamp(NOW_S) == "20130408105900"
    assert signature("123456", "123456", "20130408105900") == "4725ff06026bc3c703736aa9a2a15e50"


@pytest.mark.parametrize(
    ("text", "wire"), [("jishu01", "LW4Zjb8dOww%3D"), ("testacct", "c%2F2fPj2UVNt99PtBiM2B0g%3D%3D")]
)
def test_base64_is_escaped_on_the_wire(text: str, wire: str) -> None:
    assert f"&account={wire}&".encode() in sent(recharge(AGENT, text, 1, now_s=NOW_S)).prefix


# --- requests --------------------------------------------------------------------------------------------------------


def sent(operation: Operation) -> Request:
    return next(operation.flow)


def form(operation: Operation) -> list[tuple[str, str]]:
    request = sent(operation)
    assert (request.method, request.submits, request.tail, request.suffix) == ("POST", True, b"", b"")
    return parse_qsl(request.prefix.decode("ascii"), keep_blank_values=True)


def test_a_recharge_has_the_eight_parameters_of_the_document() -> None:
    operation = recharge(AGENT, "jishu01", 1000, product="1234567", now_s=NOW_S)
    assert sent(operation).path == "/msg/Recharge"
    assert form(recharge(AGENT, "jishu01", 1000, product="1234567", now_s=NOW_S)) == [
        ("username", "123456"),
        ("password", "4725ff06026bc3c703736aa9a2a15e50"),
        ("timestamp", "20130408105900"),
        ("operator", "ann"),
        ("account", "LW4Zjb8dOww="),
        ("fee", "1000"),
        ("type", "1"),
        ("productid", "1234567"),
    ]


def test_a_deduction_is_type_2_and_no_product_is_no_parameter() -> None:
    fields = dict(form(recharge(AGENT, "jishu01", 5, deduct=True, now_s=NOW_S)))
    assert (fields["type"], fields["fee"]) == ("2", "5")
    assert "productid" not in fields


def test_adding_a_user_sends_the_25_parameters_in_the_documents_order() -> None:
    operation = add_user(AGENT, "testacct", Secret("p@ss w0rd+/"), USER, now_s=NOW_S)
    fields = form(operation)
    assert [name for name, _ in fields] == [
        "username", "password", "timestamp", "operator", "action", "account", "ac_password", "type", "true_name",
        "contact_mobile", "send_hour", "need_audit", "send_type", "need_reportmo", "extno", "signature", "fee_back",
        "force_signature", "anti_phshing", "self_subscribe", "product_list", "web_client_ip", "http_client_ip",
        "sms_check", "expired_date",
    ]  # fmt: skip
    assert dict(fields) | {"password": "", "timestamp": ""} == {
        "username": "123456", "password": "", "timestamp": "", "operator": "ann", "action": "0",
        "account": "c/2fPj2UVNt99PtBiM2B0g==", "ac_password": "+yIsusMFPQINfeCrrvZcjA==", "type": "1",
        "true_name": "春天公司", "contact_mobile": "13800138000", "send_hour": "8,21", "need_audit": "0",
        "send_type": "HBV", "need_reportmo": "1", "extno": "", "signature": "", "fee_back": "1",
        "force_signature": "1", "anti_phshing": "0", "self_subscribe": "0", "product_list": "1234567,1234531",
        "web_client_ip": "", "http_client_ip": "", "sms_check": "0", "expired_date": "20301231",
    }  # fmt: skip


def test_deleting_sends_only_the_account() -> None:
    operation = delete_user(AGENT, "jishu01", now_s=NOW_S)
    assert form(operation)[4:] == [("action", "1"), ("account", "LW4Zjb8dOww=")]


@pytest.mark.parametrize(
    "operation",
    [
        recharge(AGENT, "jishu01", 1, now_s=NOW_S),
        add_user(AGENT, "testacct", Secret("p@ss w0rd+/"), USER, now_s=NOW_S),
        delete_user(AGENT, "jishu01", now_s=NOW_S),
    ],
    ids=lambda operation: operation.name,
)
def test_what_is_shown_is_all_that_is_sent_without_its_secrets(operation: Operation) -> None:
    fields, shown = dict(form(operation)), dict(operation.shows)
    assert shown.keys() == fields.keys()
    assert shown["password"] == "***"
    assert shown.get("ac_password", "***") == "***"
    visible = " ".join(f"{name}={value}" for name, value in operation.shows)
    for secret in operation.secrets:
        if secret != "123456":  # the example's user name and secret key are the same
            assert secret not in visible
    for value in (fields["password"], *([fields["ac_password"]] if "ac_password" in fields else [])):
        assert value in operation.secrets
        assert Masker(operation.secrets).text(f"<p>{quote(value, safe='')}") == "<p>***"


@pytest.mark.parametrize("fee", [0, -1, 1_000_000_001])
def test_a_fee_is_a_positive_whole_number(fee: int) -> None:
    with pytest.raises(InputError, match="--deduct"):
        recharge(AGENT, "jishu01", fee, now_s=NOW_S)


@pytest.mark.parametrize("target", ["", "two words", "x" * 65, "tab\t", "line\n"])
def test_an_account_without_a_usable_name_is_refused(target: str) -> None:
    for make in (
        lambda: recharge(AGENT, target, 1, now_s=NOW_S),
        lambda: delete_user(AGENT, target, now_s=NOW_S),
        lambda: add_user(AGENT, target, Secret("pw"), USER, now_s=NOW_S),
    ):
        with pytest.raises(InputError, match="account's name"):
            make()


def test_one_product_only() -> None:
    with pytest.raises(InputError, match="one product id"):
        recharge(AGENT, "jishu01", 1, product="1,2", now_s=NOW_S)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("company", " "),
        ("contact_mobile", "123"),
        ("products", ()),
        ("products", ("1,2",)),
        ("expires", "2030-12-31"),
        ("expires", "20301331"),
        ("send_hours", (21, 8)),
        ("send_types", ""),
        ("send_types", "HX"),
        ("extno", "12a"),
        ("web_ips", ("localhost",)),
        ("http_ips", ("1.2.3",)),
    ],
)
def test_a_field_of_a_new_user_that_is_wrong_is_named(field: str, value: object) -> None:
    fields = {"company": "c", "contact_mobile": "13800138000", "products": ("1",), "expires": "20301231"}
    user = NewUser(**(fields | {field: value}))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=field):
        add_user(AGENT, "testacct", Secret("pw"), user, now_s=NOW_S)


def test_a_user_may_be_added_until_its_last_day_is_over_in_shanghai() -> None:
    today = datetime.fromtimestamp(NOW_S, SHANGHAI)
    for days, fine in ((0, True), (1, True), (-1, False)):
        user = replace(USER, expires=f"{today + timedelta(days=days):%Y%m%d}")
        if fine:
            assert add_user(AGENT, "jishu01", Secret("Passw0rd"), user, now_s=NOW_S).name == "add user"
        else:
            with pytest.raises(InputError, match="expires is over"):
                add_user(AGENT, "jishu01", Secret("Passw0rd"), user, now_s=NOW_S)


def test_an_empty_password_is_refused() -> None:
    with pytest.raises(InputError, match="password"):
        add_user(AGENT, "testacct", Secret(""), USER, now_s=NOW_S)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("username", "", "username is empty"),
        ("secret_key", "", "secret_key is empty"),
        ("operator", "", "operator is empty"),
        ("des_key", "1234567", "8 bytes, it has 7"),
        ("des_iv", "123456789", "8 bytes, it has 9"),
    ],
)
def test_an_agents_table_is_checked(field: str, value: str, words: str) -> None:
    fields = {"username": "u", "secret_key": Secret("s"), "des_key": Secret(KEY), "operator": "o"}
    agent = Agent(**(fields | {field: value}))  # type: ignore[arg-type]
    assert words in (agent.check() or "")
    assert AGENT.check() is None


# --- answers ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    body: str
    kind: Kind
    code: str
    words: str


RECHARGE = [
    Said("20130303180000,0", Kind.ACCEPTED, "0", "100 added to jishu01"),
    Said("20130303180000,0\r\n\r\n", Kind.ACCEPTED, "0", "100 added"),
    Said(",0", Kind.ACCEPTED, "0", "100 added"),
    Said("20130303180000,201", Kind.REJECTED, "201", "missing"),
    Said("20130303180000,202", Kind.AUTH, "202", "our clock"),
    Said("20130303180000,203", Kind.REJECTED, "203", "isn't there"),
    Said("20130303180000,204", Kind.BALANCE, "204", "not enough money"),
    Said("20130303180000,205", Kind.REJECTED, "205", "wrong format"),
    Said("20130303180000,206", Kind.REJECTED, "206", "product"),
    Said("20130303180000,204,余额不足了", Kind.BALANCE, "204", "余额不足了"),
    Said("20130303180000,20", Kind.UNKNOWN, "20", "not in the document"),  # 203, cut short
    Said("20130303180000,103", Kind.UNKNOWN, "103", "not in the document"),
    Said("20130303180000,", Kind.UNKNOWN, "unreadable", "not of the document"),
    Said("<html>0,0</html>", Kind.UNKNOWN, "unreadable", "not of the document"),
    Said("", Kind.UNKNOWN, "unreadable", "not of the document"),
    Said("0", Kind.UNKNOWN, "unreadable", "not of the document"),
]

USERS = [
    Said("20130303180000,0", Kind.ACCEPTED, "0", "user jishu01 deleted"),
    Said("20130303180000,301", Kind.REJECTED, "301", "missing"),
    Said("20130303180000,302", Kind.AUTH, "302", "our clock"),
    Said("20130303180000,303", Kind.REJECTED, "303", "exists"),
    Said("20130303180000,304", Kind.REJECTED, "304", "extension"),
    Said("20130303180000,305,密码格式错误", Kind.REJECTED, "305", "密码格式错误"),
    Said("20130303180000,306", Kind.REJECTED, "306", "product"),
    Said("20130303180000,999,?", Kind.UNKNOWN, "999", "not in the document"),
]


def answered(operation: Operation, answer: Answer) -> OperationResult:
    next(operation.flow)
    try:
        operation.flow.send(answer)
    except StopIteration as done:
        result: OperationResult = done.value
        return result
    raise AssertionError("a second request")


def check(operation: Operation, said: Said) -> None:
    result = answered(operation, Answer(said.body.encode()))
    assert (result.verdict.kind, result.verdict.code) == (said.kind, said.code)
    assert said.words in result.says


@pytest.mark.parametrize("said", RECHARGE, ids=lambda said: repr(said.body))
def test_what_a_recharge_is_answered(said: Said) -> None:
    check(recharge(AGENT, "jishu01", 100, now_s=NOW_S), said)


@pytest.mark.parametrize("said", USERS, ids=lambda said: repr(said.body))
def test_what_user_management_is_answered(said: Said) -> None:
    check(delete_user(AGENT, "jishu01", now_s=NOW_S), said)


def test_a_description_in_gbk_is_read() -> None:
    body = "20130303180000,305,密码格式错误".encode("gbk")
    assert "密码格式错误" in answered(delete_user(AGENT, "jishu01", now_s=NOW_S), Answer(body)).says


def test_only_a_top_up_tells_of_messages_afterwards() -> None:
    assert "messages" in recharge(AGENT, "jishu01", 1, now_s=NOW_S).afterwards
    assert recharge(AGENT, "jishu01", 1, now_s=NOW_S, deduct=True).afterwards == ""


def test_an_answer_whose_first_line_may_be_cut_is_not_read() -> None:
    result = answered(recharge(AGENT, "jishu01", 1, now_s=NOW_S), Answer(b"20130303180000,0", cut=True))
    assert result.verdict.kind is Kind.UNKNOWN
    result = answered(recharge(AGENT, "jishu01", 1, now_s=NOW_S), Answer(b"20130303180000,0\nmore", cut=True))
    assert result.verdict.kind is Kind.ACCEPTED


def test_a_secret_is_masked_before_an_answer_is_cut() -> None:
    for padding in range(185, 200):
        operation = add_user(AGENT, "testacct", Secret("p@ss w0rd+/"), USER, now_s=NOW_S)
        result = answered(operation, Answer(b"x" * padding + b"p@ss w0rd+/"))
        assert "p@" not in result.says + result.verdict.text


def test_every_code_of_both_tables_is_answered_above() -> None:
    assert set(RECHARGE_CODES.rows) <= {said.code for said in RECHARGE}
    assert set(USER_CODES.rows) <= {said.code for said in USERS}


@pytest.mark.parametrize("row", [*RECHARGE_CODES.rows.values(), *USER_CODES.rows.values()], ids=lambda row: row.code)
def test_every_code_says_what_to_do_in_two_languages(row) -> None:
    assert row.english
    assert row.chinese
    assert row.advice or row.code == "0"


@given(st.binary(max_size=60) | st.text("0123456789, \r\n", max_size=40).map(str.encode), st.booleans())
def test_no_answer_but_a_plain_zero_is_taken_for_done(body: bytes, cut: bool) -> None:
    result = answered(delete_user(AGENT, "jishu01", now_s=NOW_S), Answer(body, cut=cut))
    first = next((line for line in body.decode("utf-8", "replace").splitlines() if line.strip()), "")
    code = first.split(",")[1].strip() if "," in first else ""
    assert (result.verdict.kind is Kind.ACCEPTED) <= (code.isdigit() and int(code) == 0)
    assert result.says
