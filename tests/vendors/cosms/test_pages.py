"""What COSMS tells us, as tables (vendors.md 1.6 to 1.12): pages of reports and messages, pushes, history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, quote_from_bytes

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.core.wire_number import to_wire
from dispatcher.vendors.cosms.vendor import Cosms
from dispatcher.vendors.cosms.wire import one_time_password
from dispatcher.vendors.seam.vendor import History, Partly, PolledPage, Push, Refusal, ReportRow, Secret
from schemas.records import Inbound, Reports
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING
from tests.vendors.cosms.cosms_flows import ACCOUNT, RECEIVED_MS, run, sent

KEY = Secret("k3y-of-the-url")
GUARDED = msgspec.structs.replace(ACCOUNT, push_key=KEY)
REPORTS, MESSAGES = ACCOUNT.polls()


def polled(body: bytes, *, cut: bool = False) -> PolledPage:
    _, page = run(REPORTS.flow(RECEIVED_MS), body, cut=cut)
    assert isinstance(page, PolledPage)
    return page


def messages(body: bytes, *, cut: bool = False) -> PolledPage:
    _, page = run(MESSAGES.flow(RECEIVED_MS), body, cut=cut)
    assert isinstance(page, PolledPage)
    return page


def shanghai_ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() - 8 * 3600) * 1000  # type: ignore[misc,arg-type]


# --- polls -----------------------------------------------------------------------------------------------------------


def test_reports_are_asked_for_every_30_seconds_and_messages_every_10():
    assert [(poll.name, poll.interval_s) for poll in ACCOUNT.polls()] == [("report", 30.0), ("inbound", 10.0)]
    (request,), _ = run(REPORTS.flow(RECEIVED_MS), b"300")
    assert (request.path, request.submits) == ("/sms/getReport/", False)
    assert sent(request) == {"corpID": "100", "loginName": "DEMO", "password": "s3cret"}
    (request,), _ = run(MESSAGES.flow(RECEIVED_MS), b"300")
    assert (request.path, request.submits) == ("/sms/getMo/", False)
    assert sent(request) == {"corpID": "100", "loginName": "DEMO", "password": "s3cret", "msgFormat": "1"}


def test_a_poll_with_interval_0_is_not_made():
    pushed = msgspec.structs.replace(ACCOUNT, report_interval_s=0.0, mo_interval_s=0.0)
    assert pushed.check() is None
    assert pushed.polls() == ()


def test_a_poll_logs_in_as_a_submit_does():
    secure = msgspec.structs.replace(ACCOUNT, md5=True)
    requests, page = run(secure.polls()[0].flow(RECEIVED_MS), b"111111", b"208", b"112233", b"100\n1,0")
    assert [request.path for request in requests] == ["/sms/getMD5str", "/sms/getReport/"] * 2
    assert sent(requests[3])["password"] == one_time_password("100", "DEMO", "s3cret", "112233")
    assert len(page.reports) == 1


NO_PAGES = [
    (b"300", None),
    (b"300 no data\r\n", None),
    (b"100\r\n", None),
    (b"203", Kind.AUTH),
    (b"208", Kind.AUTH),
    (b"502", Kind.THROTTLED),
    (b"501", Kind.RETRY_LATER),
    (b"", Kind.RETRY_LATER),
    (b"<html>", Kind.RETRY_LATER),
]


@pytest.mark.parametrize(("body", "kind"), NO_PAGES, ids=[repr(row[0]) for row in NO_PAGES])
def test_no_data_is_no_error_and_a_refusal_is_said(body, kind):
    for page in (polled(body), messages(body)):
        assert (page.reports, page.inbound, page.more, page.count) == ([], [], False, 0)
        assert (page.verdict.kind if page.verdict else None) is kind


# --- reports (1.7) ---------------------------------------------------------------------------------------------------

OPERATOR_FAMILIES = ("MA", "MB", "MC", "CA", "CB", "DA", "DB", "SA", "SB", "IA", "IB", "IC")
STATES = [
    ("0", REPORT_DELIVERED, ""),
    ("DELIVRD", REPORT_DELIVERED, ""),
    ("1", REPORT_FAILED, "number"),
    ("2", REPORT_FAILED, ""),
    ("3", REPORT_FAILED, "content"),
    ("4", REPORT_FAILED, "blacklist"),
    ("255", REPORT_FAILED, ""),
    ("EXPIRED", REPORT_FAILED, ""),
    ("DELETED", REPORT_FAILED, ""),
    ("UNDELIV", REPORT_FAILED, ""),
    ("ACCEPTD", REPORT_WAITING, ""),
    ("UNKNOWN", REPORT_FAILED, ""),
    ("REJECTD", REPORT_FAILED, ""),
    *(
        (f"{family}:0001", REPORT_FAILED, "operator")
        for family in ["MA", "MB", "MC", "CA", "CB", "DA", "DB", "SA", "SB", "IA", "IB", "IC"]
    ),
]


@pytest.mark.parametrize(("code", "state", "cause"), STATES, ids=[row[0] for row in STATES])
def test_every_report_of_the_document_and_of_annex_a_has_its_state_and_meaning(code, state, cause):
    assert polled(f"100\n567890009,{code}".encode()).reports == [ReportRow("567890009", 0, state, code, 0)]
    row = ACCOUNT.report_codes.find(code)
    assert row is not None
    assert (row.state, row.cause) == (state, cause)
    assert row.english
    assert row.chinese


@pytest.mark.parametrize("code", ["5", "9", "HD:0001", "MK:0001", "000", "XYZ"])
def test_an_unlisted_report_code_has_failed_and_is_kept_verbatim(code):
    assert polled(f"100\n1,{code}".encode()).reports == [ReportRow("1", 0, REPORT_FAILED, code, 0)]


def test_a_full_page_asks_for_the_next_and_the_last_does_not():
    rows = b"".join(b"%d,0\r\n" % vendor_id for vendor_id in range(1, 101))
    assert polled(b"100\r\n" + rows).more
    assert len(polled(b"100\r\n" + rows).reports) == 100
    assert not polled(b"100\r\n" + rows[:-7]).more


def test_rows_that_are_no_reports_are_kept_beside_those_that_are():
    page = polled(b"100\n1,0\nnonsense\n,0\n2,\n3,0,0\n" + b"9" * 65 + b",0\n4 , 255 \n")
    assert [(row.vendor_id, row.code) for row in page.reports] == [("1", "0"), ("4", "255")]
    assert page.count == 5
    assert page.rest == b"nonsense\n,0\n2,\n3,0,0\n" + b"9" * 65 + b",0"
    assert "5 rows cannot be read; of the first: it is not mtID,mtReport" in page.why


def test_of_a_page_that_broke_off_the_whole_rows_count():
    page = polled(b"100\n1,0\n2,0\n3,25", cut=True)
    assert [row.vendor_id for row in page.reports] == ["1", "2"]
    assert page.more
    assert polled(b"100\n1,0\n2,0\n3,25").reports[-1].code == "25"


def test_a_page_is_read_even_where_it_breaks_off_or_is_long():
    (request,), _ = run(REPORTS.flow(RECEIVED_MS), b"300")
    assert request.rows
    assert request.answer_bytes_max >= 1_000_000


# --- messages (1.6) --------------------------------------------------------------------------------------------------

EXAMPLE = b"0,1044,20040107123700,13800138000,1065505986200100," + "短消息内容".encode("gbk")


def message(**fields: Any) -> Inbound:
    """The document's example with other fields."""
    known: dict[str, Any] = {
        "account": "",
        "number": "13800138000",
        "text": "短消息内容",
        "to": "1065505986200100",
        "at_ms": shanghai_ms(2004, 1, 7, 12, 37),
        "received_ms": RECEIVED_MS,
        "message_id": "1044",
    }
    return Inbound(**known | fields)


TEXTS = [
    # name, format, value, text, flags
    ("GB, the example", b"0", "短消息内容".encode("gbk"), "短消息内容", ()),
    ("escaped", b"1", b"%C6%F3%D0%C5%D7%A8%BC%D2%23", "企信专家#", ()),
    ("escaped as Java does", b"1", b"%E9%46", "镕", ()),
    ("escaped as Python does", b"1", b"%E9F", "镕", ()),
    ("escaped separators", b"1", b"a%2cb%0D%0Ac%25d+e%2Bf", "a,b\r\nc%d e+f", ()),
    ("a percent sign by itself", b"1", b"100%", "100%", ()),
    ("empty", b"1", b"", "", ()),
    ("commas that nothing protects", b"0", b"a,b,,c", "a,b,,c", ()),
    ("a percent sign in GB", b"0", b"%41+", "%41+", ()),
    ("UTF-8", b"2", "短€😀".encode(), "短€😀", ()),
    ("hex of UCS2", b"3", b"77ED6D88", "短消", ()),
    ("hex of UCS2 in small letters", b"3", b"77ed", "短", ()),
    ("a pair of surrogates", b"3", b"D83DDE00", "😀", ()),
    ("escaped UCS2", b"3", b"%77%EDm%88", "短消", ()),
    ("UCS2 of no known form", b"3", b"hello", "hello", ("ucs2-as-it-came",)),
    ("half a surrogate", b"3", b"D83D", "D83D", ("ucs2-as-it-came",)),
    ("UTF-8 that calls itself GB", b"0", "€".encode(), "€", ("utf-8",)),
    ("GB that calls itself UTF-8", b"2", "短".encode("gbk"), "短", ("gbk",)),
    ("the euro of Java's GBK", b"1", b"%A2%E35", "€5", ()),
    ("the euro of Windows' GBK", b"0", b"\x805 \xb6\xcc", "€5 短", ()),
    ("what only GB18030 carries", b"1", b"%949%FC6", "😀", ()),
    ("GB of Windows that calls itself UTF-8", b"2", b"\xb6\xcc\x80", "短€", ("gbk",)),
    ("UTF-8 with a byte 80", b"0", "一".encode(), "一", ("utf-8",)),
    ("neither", b"0", b"a\xff\xff", r"a\xff\xff", ("broken-text",)),
    ("a format of no document", b"7", b"hi", "hi", ("unknown-format",)),
]


@pytest.mark.parametrize(("form", "value", "text", "flags"), [row[1:] for row in TEXTS], ids=[row[0] for row in TEXTS])
def test_a_message_is_read_by_its_own_format(form, value, text, flags):
    page = messages(b"100\r\n%b,1044,20040107123700,13800138000,1065505986200100,%b\r\n" % (form, value))
    assert page.inbound == [message(text=text, flags=flags)]


def test_the_documents_example_is_read():
    assert messages(b"100\r\n" + EXAMPLE).inbound == [message()]


@given(text=st.text(alphabet=st.characters(codec="gbk"), max_size=100))
def test_all_escapes_are_read(text):
    row = b"1,1044,20040107123700,13800138000,1065505986200100," + quote(text, safe="", encoding="gbk").encode()
    assert messages(b"100\n" + row + b"\n" + row).inbound == [message(text=text)] * 2


SENDERS = [
    (b"075525227898", "075525227898", ()),
    (b"8613800138000", "13800138000", ()),
    (b"+8613800138000", "13800138000", ()),
    (b"85291234567", "85291234567", ()),
]


@pytest.mark.parametrize(("mobile", "number", "flags"), SENDERS, ids=[row[0].decode() for row in SENDERS])
def test_a_sender_may_be_a_fixed_line_or_abroad(mobile, number, flags):
    page = messages(b"100\n0,1044,20040107123700,%b,1065505986200100,hi" % mobile)
    assert page.inbound == [message(number=number, text="hi", flags=flags)]


@pytest.mark.parametrize("time", [b"", b"20040230123700", b"2004"])
def test_a_message_without_a_time_came_when_it_was_fetched(time):
    page = messages(b"100\n0,1044,%b,13800138000,1065505986200100,hi" % time)
    assert page.inbound == [message(text="hi", at_ms=RECEIVED_MS, flags=("no-time",))]


def test_a_text_of_several_lines_is_put_together_again():
    page = messages(b"100\r\n" + EXAMPLE + b"\r\nsecond, line\r\n\r\n1,2,three\r\n" + EXAMPLE + b"\r\n")
    assert [found.text for found in page.inbound] == ["短消息内容\r\nsecond, line\r\n\r\n1,2,three", "短消息内容"]
    assert page.count == 0


def test_an_invalid_row_that_begins_like_a_row_is_kept_apart():
    broken = b"1,1045,20040107123700,nobody,106,hi"
    page = messages(b"100\n" + EXAMPLE + b"\n" + broken + b"\n" + EXAMPLE)
    assert page.inbound == [message(), message()]
    assert (page.count, page.rest) == (1, broken)
    assert messages(b"100\nnonsense").count == 1


def test_a_full_page_of_messages_asks_for_the_next_counting_rows_and_not_lines():
    assert messages(b"100\n" + (EXAMPLE + b"\n") * 100).more
    assert not messages(b"100\n" + (EXAMPLE + b"\nmore\n") * 99).more


# --- report pushes (1.12) --------------------------------------------------------------------------------------------


def pushed(query: bytes, *, account: Cosms = ACCOUNT, body: bytes = b"") -> Any:
    return account.report_push(Push("spring", "POST" if body else "GET", query, body, "", RECEIVED_MS))


def rows_of(found: Any) -> list[tuple[str, int, int, str, int]]:
    """(vendor id, number, state, code, time) of every report."""
    listed: list[tuple[str, int, int, str, int]] = []
    for reports in found.rows if isinstance(found, Partly) else found:
        assert isinstance(reports, Reports)
        assert (reports.account, reports.at_ms) == ("spring", RECEIVED_MS)
        ids = [reports.ids[at] for at in np.frombuffer(reports.id_index, "<u4")]
        codes = [reports.codes[at] for at in np.frombuffer(reports.code_index, "<u2")]
        phones, times = np.frombuffer(reports.numbers, "<i8").tolist(), np.frombuffer(reports.times, "<u4").tolist()
        listed += zip(ids, phones, reports.states, codes, times, strict=True)
    return listed


HUNDRED = [str(567890000 + at) for at in range(100)]
PUSHES = [
    ("one id", b"mtID=567890009&mtReport=0", ["567890009"], "0"),
    ("two, raw comma", b"mtID=1,2&mtReport=0", ["1", "2"], "0"),
    ("two, escaped comma", b"mtID=1%2C2&mtReport=255", ["1", "2"], "255"),
    ("a hundred", b"mtReport=4&mtID=" + ",".join(HUNDRED).encode(), HUNDRED, "4"),
    ("a hundred, escaped", b"mtReport=4&mtID=" + "%2c".join(HUNDRED).encode(), HUNDRED, "4"),
    ("names in another case", b"MTID=1&mtreport=0", ["1"], "0"),
    ("blanks in names and ids", b"+mtID=1,+2+,,&+mtReport=+0+", ["1", "2"], "0"),
    ("an id twice", b"mtID=1,1&mtReport=0", ["1", "1"], "0"),
    ("an operator's code", b"mtID=1&mtReport=MA%3A0001", ["1"], "MA:0001"),
]


@pytest.mark.parametrize(("query", "ids", "code"), [row[1:] for row in PUSHES], ids=[row[0] for row in PUSHES])
def test_a_push_reports_one_value_for_all_its_ids(query, ids, code):
    state = REPORT_DELIVERED if code == "0" else REPORT_FAILED
    for found in (pushed(query), pushed(b"", body=query)):
        assert rows_of(found) == [(vendor_id, 0, state, code, 0) for vendor_id in ids]


def test_an_invalid_id_is_kept_beside_the_others():
    found = pushed(b"mtID=1," + b"9" * 65 + b"&mtReport=0")
    assert isinstance(found, Partly)
    assert [row[0] for row in rows_of(found)] == ["1"]
    assert (found.count, found.rest) == (1, b"9" * 65)


@pytest.mark.parametrize(
    "query", [b"", b"mtID=1", b"mtReport=0", b"mtID=&mtReport=0", b"mtID=,&mtReport=0", b"mtID=1&mtReport="]
)
def test_a_push_without_ids_or_value_is_refused_and_kept(query):
    found = pushed(query)
    assert isinstance(found, Refusal)
    assert (found.status, found.keep, found.authenticated) == (400, True, False)


def test_a_push_needs_the_push_key_if_there_is_one():
    for query in (b"mtID=1&mtReport=0", b"key=wrong&mtID=1&mtReport=0"):
        assert pushed(query, account=GUARDED) == Refusal(403, "the key in the URL is wrong or missing", False)
    for query in (b"key=k3y-of-the-url&mtID=1&mtReport=0", b"key=k3y-of-the-url?mtID=1&mtReport=0"):
        assert rows_of(pushed(query, account=GUARDED)) == [("1", 0, REPORT_DELIVERED, "0", 0)]


def test_a_push_is_answered_with_100_and_nothing_else():
    assert ACCOUNT.push_answer() == b"100"


# --- message pushes (1.12) -------------------------------------------------------------------------------------------


def inbound(query: bytes, *, account: Cosms = ACCOUNT) -> Any:
    return account.inbound_push(Push("spring", "GET", query, b"", "", RECEIVED_MS))


def test_the_documents_pushed_message_is_read():
    query = b"msgFormat=1&moID=12345&moTime=20050921221015&mobs=13812345678&destID=555500443100&msg=testMSG"
    assert inbound(query) == [
        Inbound(
            account="spring",
            number="13812345678",
            text="testMSG",
            to="555500443100",
            at_ms=shanghai_ms(2005, 9, 21, 22, 10, 15),
            received_ms=RECEIVED_MS,
            message_id="12345",
        )
    ]


PUSHED_TEXTS = [
    ("escaped once", b"1", b"%C6%F3%D0%C5", "企信"),
    ("what looks escaped", b"1", b"%2541", "%41"),
    ("separators", b"1", b"a%2Cb%26c%3Dd+e%2Bf", "a,b&c=d e+f"),
    ("GB", b"0", b"%C6%F3", "企"),
    ("UTF-8", b"2", quote("企€").encode(), "企€"),
    ("UCS2", b"3", b"4F01", "企"),
    ("empty", b"1", b"", ""),
    ("no format", b"", b"hi", "hi"),
]


@pytest.mark.parametrize(
    ("form", "value", "text"), [row[1:] for row in PUSHED_TEXTS], ids=[row[0] for row in PUSHED_TEXTS]
)
def test_a_pushed_text_is_read_by_its_format(form, value, text):
    (found,) = inbound(b"MOBS=13800138000&MsgFormat=" + form + b"&msg=" + value)
    assert (found.text, found.number) == (text, "13800138000")
    assert "no-time" in found.flags


def test_whether_a_pushed_text_is_escaped_twice_can_be_said():
    query = b"mobs=13800138000&moTime=20050921221015&msgFormat=1&msg=%25C6%25F3%2B"
    texts = [
        inbound(query, account=msgspec.structs.replace(ACCOUNT, mo_text=form))[0].text
        for form in ("auto", "escaped", "plain")
    ]
    assert texts == ["企 ", "企 ", "%C6%F3+"]


@pytest.mark.parametrize("query", [b"", b"mobs=13800138000", b"msg=hi", b"mobs=&msg=hi"])
def test_a_push_without_sender_or_text_is_refused_and_kept(query):
    found = inbound(query)
    assert isinstance(found, Refusal)
    assert (found.status, found.keep) == (400, True)


# --- history (1.9) ---------------------------------------------------------------------------------------------------

START_MS = shanghai_ms(2004, 1, 7, 12, 30)
END_MS = shanghai_ms(2004, 1, 7, 13, 0)
NINE = b"0,80888,1438999,20040107123700,13900139000,,5555100,DELIVRD," + "短消息内容".encode("gbk")
EIGHT = NINE.replace(b",80888", b"")


def history(body: bytes, *, cut: bool = False) -> History:
    _, found = run(ACCOUNT.history(START_MS, END_MS), body, cut=cut)
    assert isinstance(found, History)
    return found


def test_history_is_asked_for_in_the_documents_times_of_shanghai():
    (request,), _ = run(ACCOUNT.history(START_MS, END_MS), b"300")
    assert (request.path, request.submits) == ("/sms/getHistSms/", False)
    assert sent(request) == {
        "corpID": "100",
        "loginName": "DEMO",
        "password": "s3cret",
        "msgFormat": "1",
        "sTime": "20040107123000",
        "eTime": "20040107125959",
    }


def test_a_window_that_ends_at_midnight_stays_within_its_day():
    midnight = shanghai_ms(2004, 1, 8)
    (request,), _ = run(ACCOUNT.history(midnight - 1_800_000, midnight), b"300")
    assert (sent(request)["sTime"], sent(request)["eTime"]) == ("20040107233000", "20040107235959")


def test_the_documents_limits_of_history_are_known():
    limits = ACCOUNT.history_limits
    assert (limits.window_s, limits.interval_s, limits.rows_max) == (1_800, 60.0, 500)


@pytest.mark.parametrize("row", [NINE, EIGHT], ids=["nine columns", "eight columns"])
def test_a_row_of_history_is_read_with_and_without_its_second_column(row):
    found = history(b"100\r\n" + row + b"\r\n")
    (only,) = found.rows
    assert found.complete
    assert (only.vendor_id, only.number, only.state, only.code) == ("1438999", 13900139000, REPORT_DELIVERED, "DELIVRD")
    assert (only.sent_ms, only.text, only.destination) == (shanghai_ms(2004, 1, 7, 12, 37), "短消息内容", "5555100")


HISTORY = [
    ("Unicom, delivered", b"13900139000", b"", b"0", "13900139000", REPORT_DELIVERED),
    ("Unicom, failed", b"13900139000", b"", b"2", "13900139000", REPORT_FAILED),
    ("no report yet", b"13900139000", b"", b"", "13900139000", REPORT_WAITING),
    ("an operator's code", b"13900139000", b"", b"MA:0001", "13900139000", REPORT_FAILED),
    ("with 86", b"8613900139000", b"", b"0", "13900139000", REPORT_DELIVERED),
    ("country 86", b"13900139000", b"86", b"0", "13900139000", REPORT_DELIVERED),
    ("PHS", b"02129900660", b"", b"0", "02129900660", REPORT_DELIVERED),
    ("Hong Kong, local", b"91234567", b"852", b"0", "85291234567", REPORT_DELIVERED),
    ("Hong Kong, whole", b"85291234567", b"852", b"0", "85291234567", REPORT_DELIVERED),
    ("America, local", b"2025550123", b"1", b"0", "12025550123", REPORT_DELIVERED),
    ("America, whole", b"12025550123", b"1", b"0", "12025550123", REPORT_DELIVERED),
    ("Kazakhstan, local, begins with its code", b"7011234567", b"7", b"0", "77011234567", REPORT_DELIVERED),
]


@pytest.mark.parametrize(
    ("mobile", "country", "code", "number", "state"), [row[1:] for row in HISTORY], ids=[row[0] for row in HISTORY]
)
def test_a_row_of_history_names_the_number_as_it_was_submitted(mobile, country, code, number, state):
    for columns in (b"1,0,55,20040107123700", b"1,55,20040107123700"):
        (row,) = history(b"100\n%b,%b,%b,106,%b,hi" % (columns, mobile, country, code)).rows
        assert (to_wire(row.number), row.state, row.code) == (number, state, code.decode())


def test_texts_of_history_may_hold_commas_and_line_ends():
    found = history(b"100\n" + NINE + b",and, more\nsecond line\n" + EIGHT)
    assert [row.text for row in found.rows] == ["短消息内容,and, more\nsecond line", "短消息内容"]


@given(text=st.text(alphabet=st.characters(codec="gbk"), max_size=40))
def test_escaped_texts_of_history_come_through(text):
    row = b"1,0,55,20040107123700,13900139000,,106,0," + quote_from_bytes(text.encode("gbk"), safe="").encode()
    assert [found.text for found in history(b"100\n" + row + b"\n").rows] == [text]


def test_history_is_complete_unless_its_page_is_full_or_broken_or_refused():
    assert history(b"100\n" + (EIGHT + b"\n") * 499).complete
    assert not history(b"100\n" + (EIGHT + b"\n") * 500).complete
    assert not history(b"100\n" + EIGHT + b"\n" + EIGHT, cut=True).complete
    assert history(b"300") == History()
    refused = history(b"414")
    assert not refused.complete
    assert refused.verdict is not None
    assert refused.verdict.code == "414"


def test_an_invalid_row_of_history_is_kept_apart_and_makes_it_incomplete():
    for broken in (
        b"nonsense",
        NINE.replace(b"20040107123700", b"20040230123700"),
        NINE.replace(b"1438999", b"9" * 65),
    ):
        found = history(b"100\n" + broken)
        assert (found.rows, found.complete, found.count, found.rest) == ([], False, 1, broken)
