"""The safest reading of each contradiction in COSMS's document (vendors.md 8.1, "Client"), by its number.

AMB-COSMS-10 (retention) and 26 (typography) ask nothing of a client.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from dispatcher.core.lane.answers.policy import POLICY, row_of
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.core.wire_number import from_wire
from dispatcher.errors import TextError
from dispatcher.vendors.cosms.wire import one_time_password
from dispatcher.vendors.seam.vendor import Message, Partly, Push, Request
from schemas.records import Reports
from schemas.states import REPORT_DELIVERED, REPORT_FAILED
from tests.vendors.cosms.cosms_flows import ACCOUNT, RECEIVED_MS, SECURE, run, sent

TWO = memoryview(b"13800138000,13800138001")
TWO_ROWS = b"100\n0,1\n0,2"
REPORTS, MESSAGES = ACCOUNT.polls()


def submit(*bodies: bytes, count: int = 2, account: Any = ACCOUNT) -> tuple[list[Request], Any]:
    return run(account.submit(account.prepare(Message(text="hi")), TWO, count), *bodies)


def reported(query: bytes) -> Any:
    return ACCOUNT.report_push(Push("spring", "GET", query, b"", "", RECEIVED_MS))


def messaged(query: bytes) -> Any:
    return ACCOUNT.inbound_push(Push("spring", "GET", query, b"", "", RECEIVED_MS))


def test_1_further_lines_are_read_after_100_200_and_300_and_200_is_partial():
    assert submit(TWO_ROWS)[1].vendor_ids == ("1", "2")
    assert submit(b"200\n0,1")[1].kind is Kind.PARTIAL
    assert run(REPORTS.flow(1), b"200\n1,0")[1].reports
    assert run(REPORTS.flow(1), b"300\n1,0")[1].reports


@pytest.mark.parametrize("answer", [b"300\n0,1\n0,2", b"300 ,\r\n\r\n 0 , 1\r\n", b"300\r0,ab12"])
def test_1_recipients_with_an_id_behind_a_300_are_not_sent_again(answer):
    verdict = submit(answer)[1]
    assert (verdict.kind, verdict.code, verdict.vendor_ids) == (Kind.PARTIAL, "300", ())
    assert "300" in verdict.warn


@pytest.mark.parametrize("answer", [b"300", b"300\r\n", b"300 failed, sorry", b"300\nreceive failed, try later\n"])
def test_1_words_behind_a_300_are_no_rows(answer):
    assert submit(answer)[1].kind is Kind.RETRY_LATER
    page = run(REPORTS.flow(1), answer)[1]
    assert (page.reports, page.count, page.verdict) == ([], 0, None)


@pytest.mark.parametrize("string", ["112233", "aB+&%~", "x", "y" * 32, " ab+& ", "203 ab", "100,ab", "203-ab-c"])
def test_2_the_string_is_opaque_up_to_32_characters_and_escaped(string):
    requests, verdict = submit(string.encode() + b"\r\n", TWO_ROWS, account=SECURE)
    assert verdict.kind is Kind.ACCEPTED
    assert sent(requests[1])["MD5str"] == string


@pytest.mark.parametrize(
    "body",
    [
        b"112233",
        b"112233\n",
        b"100\n112233\n",
        b" 112233 \r\n",
        b"\xef\xbb\xbf112233",
        b"\r\n112233\r\n\r\n",
        b"100 , ok\r\n112233 \r\n",
    ],
)
def test_3_the_string_is_line_2_after_a_100_or_the_whole_body_under_either_path(body):
    requests, _ = submit(body, TWO_ROWS, account=SECURE)
    assert (requests[0].path, requests[0].or_path) == ("/sms/getMD5str", "/sms/getMD5str/")
    assert sent(requests[1])["MD5str"] == "112233"


@pytest.mark.parametrize("body", [b"203", b"203 wrong password", b"203, not you\r\n", b"203\r\nsorry"])
def test_3_a_code_instead_of_the_string_is_no_string_to_log_in_with(body):
    requests, verdict = submit(body, account=SECURE)
    assert len(requests) == 1
    assert (verdict.kind, verdict.code) == (Kind.AUTH, "203")


def test_4_a_login_and_its_call_share_a_connection_and_their_cookies():
    requests, _ = submit(b"112233", TWO_ROWS, account=SECURE)
    assert [request.same_connection for request in requests] == [False, True]
    assert SECURE.cookies


def test_5_the_login_name_is_in_upper_case_with_md5_and_unchanged_without():
    for account, answers, name in ((SECURE, [b"112233", TWO_ROWS], "DEMO"), (ACCOUNT, [TWO_ROWS], "Demo")):
        requests, _ = submit(*answers, account=msgspec.structs.replace(account, login_name="Demo"))
        assert sent(requests[-1])["loginName"] == name
    assert one_time_password("1", "demo", "p", "s") == one_time_password("1", "DEMO", "p", "s")


def test_6_a_request_has_at_most_1000_numbers_and_13000_characters_of_them():
    assert (ACCOUNT.limits.numbers_max, ACCOUNT.limits.mobiles_chars_max) == (1_000, 13_000)


def test_7_a_text_has_500_characters_or_up_to_1000_where_it_is_configured():
    with pytest.raises(TextError):
        ACCOUNT.prepare(Message(text="字" * 501))
    assert msgspec.structs.replace(ACCOUNT, text_chars_max=1_000).prepare(Message(text="字" * 1_000))


def test_8_reports_are_asked_for_every_30_seconds_messages_every_10_and_502_is_too_fast():
    asked = [(poll.name, poll.interval_s, poll.at_once) for poll in ACCOUNT.polls()]
    assert asked == [("report", 30.0, False), ("inbound", 10.0, False)], "the next page of a full one, too"
    told = msgspec.structs.replace(ACCOUNT, pages_at_once=True)
    assert [poll.at_once for poll in told.polls()] == [True, True]
    assert run(REPORTS.flow(1), b"502")[1].verdict.kind is Kind.THROTTLED


def test_9_a_page_that_is_served_twice_is_the_same_reports_and_of_a_broken_one_whole_rows_count():
    assert run(REPORTS.flow(1), b"100\n1,0")[1].reports == run(REPORTS.flow(2), b"100\n1,0")[1].reports
    assert len(run(REPORTS.flow(1), b"100\n1,0\n2,2", cut=True)[1].reports) == 1


def test_11_parameters_are_sent_as_the_document_spells_them_and_pushed_in_any_case():
    assert list(sent(submit(TWO_ROWS)[0][0])) == [
        "msgFormat",
        "corpID",
        "loginName",
        "msg",
        "Mobs",
        "mtLevel",
        "password",
    ]
    for query in (b"mtID=1&mtReport=0", b"MTID=1&MTREPORT=0", b"mtid=1&mtreport=0"):
        assert isinstance(reported(query), list)


def test_12_numbers_abroad_are_sent_without_a_link_id():
    assert b"linkID" not in msgspec.structs.replace(ACCOUNT, international=True).prepare(Message(text="hi"))


@pytest.mark.parametrize("sender", [b"13800138000", b"8613800138000", b"%2B8613800138000"])
def test_13_a_number_with_86_before_it_is_the_domestic_one(sender):
    (found,) = messaged(b"msgFormat=1&msg=hi&mobs=" + sender)
    assert found.number == "13800138000"
    assert from_wire("13800138000") == 13_800_138_000


@pytest.mark.parametrize(("count", "level"), [(10, "1"), (11, "2"), (100, "2"), (101, "3")])
def test_14_the_level_is_the_one_the_vendor_forces(count, level):
    assert sent(next(ACCOUNT.submit(b"Mobs=", TWO, count)))["mtLevel"] == level


def test_15_a_wap_push_keeps_to_both_size_rules():
    url = "http://127.0.0.1/"
    ACCOUNT.prepare(Message(text=f"企信专家#{url}", kind="wap"))
    for text in (f"企信专家一二#{url}", f"企信#{url}{'x' * 60}", f"企信#{url}{'x' * 160}"):
        with pytest.raises(TextError):
            ACCOUNT.prepare(Message(text=text, kind="wap"))


def test_16_files_are_uploaded_to_fileupload_with_the_corp_id():
    request = next(ACCOUNT.publish({"1.jpg": b"x"}))
    assert request.path == "/sms/FileUpLoad/"
    assert b'name="corpID"\r\n\r\n100\r\n' in request.prefix


@pytest.mark.parametrize("begin", [b"0,80888,55", b"0,55"])
def test_17_the_time_shows_whether_history_has_nine_columns_or_eight(begin):
    (found,) = run(ACCOUNT.history(0, 1_800_000), b"100\n" + begin + b",20040107123700,13900139000,,106,0,a,b")[1].rows
    assert (found.vendor_id, found.number, found.text) == ("55", 13_900_139_000, "a,b")


def test_18_escaped_texts_are_asked_for_and_lines_that_begin_no_row_belong_to_the_one_before():
    begin = b"0,7,20040107123700,13800138000,106,"
    requests, page = run(MESSAGES.flow(1), b"100\n" + begin + b"a,b\r\nc,d\n" + begin + b"e")
    assert sent(requests[0])["msgFormat"] == "1"
    assert [found.text for found in page.inbound] == ["a,b\r\nc,d", "e"]


def test_19_a_row_is_read_by_its_own_format_and_not_by_the_one_asked_for():
    body = b"".join(
        b"\n%b,7,20040107123700,13800138000,106,%b" % row
        for row in [(b"0", "企".encode("gbk")), (b"1", b"%C6%F3"), (b"2", "企".encode()), (b"3", b"4F01")]
    )
    assert {found.text for found in run(MESSAGES.flow(1), b"100" + body)[1].inbound} == {"企"}


@pytest.mark.parametrize(("value", "text"), [(b"4F01", "企"), (b"%4F%01", "企"), (b"hello", "hello")])
def test_20_ucs2_is_never_sent_and_read_as_hex_or_escapes_or_raw(value, text):
    assert b"msgFormat=2" in ACCOUNT.prepare(Message(text="€"))
    (found,) = run(MESSAGES.flow(1), b"100\n3,7,20040107123700,13800138000,106," + value)[1].inbound
    assert found.text == text


def test_21_a_300_is_tried_again_a_bounded_number_of_times():
    verdict = submit(b"300")[1]
    assert (verdict.kind, verdict.hold_s, verdict.doubtful) == (Kind.RETRY_LATER, 0.0, False)
    assert ACCOUNT.attempts_max == 8


@pytest.mark.parametrize("rows", [b"0,1", b"0,1\n0,2\n0,3", b"", b"0,1\n0,1"])
def test_22_rows_that_do_not_fit_the_numbers_are_partial_and_nothing_is_assigned(rows):
    verdict = submit(b"100\n" + rows)[1]
    assert (verdict.kind, POLICY[row_of(verdict)].effect, verdict.vendor_ids) == (Kind.PARTIAL, "unknown", ())
    assert submit(b"404")[1].divide


FAILED = ("1", "2", "3", "4", "5", "255", "UNDELIV", "MK:0001")
REPORTED = [("0", REPORT_DELIVERED), ("DELIVRD", REPORT_DELIVERED), *((code, REPORT_FAILED) for code in FAILED)]


@pytest.mark.parametrize(("code", "state"), REPORTED, ids=[row[0] for row in REPORTED])
def test_23_0_and_delivrd_are_delivered_and_everything_else_has_failed(code, state):
    (row,) = run(REPORTS.flow(1), f"100\n1,{code}".encode())[1].reports
    assert (row.state, row.code) == (state, code)


@pytest.mark.parametrize("comma", [b",", b"%2C", b"%2c"])
@pytest.mark.parametrize("count", [1, 2, 100])
def test_24_a_push_reports_all_its_valid_ids(count, comma):
    ids = [b"%d" % vendor_id for vendor_id in range(1, count + 1)]
    (found,) = reported(b"mtReport=0&mtID=" + comma.join(ids))
    assert [found.ids[at].encode() for at in np.frombuffer(found.id_index, "<u4")] == ids
    partly = reported(b"mtReport=0&mtID=" + comma.join([*ids, b"9" * 65]))
    assert isinstance(partly, Partly)
    (left,) = partly.rows
    assert isinstance(left, Reports)
    assert left.ids == found.ids


def test_25_a_push_is_answered_with_exactly_100():
    assert ACCOUNT.push_answer() == b"100"


@pytest.mark.parametrize(("lines", "products"), [(8, 3), (7, 2), (2, 1), (12, 3)])
def test_27_a_balance_may_have_fewer_lines_or_more(lines, products):
    body = b"100\n" + b"\n".join(b"%d" % line for line in range(2, lines + 1))
    balance = run(ACCOUNT.balance(), body)[1]
    assert (balance.messages, len(balance.products)) == (2, products)
