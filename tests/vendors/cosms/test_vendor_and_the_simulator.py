"""Two readings of COSMS's document must agree: the adapter, and the simulated vendor, written without seeing it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.wire_number import to_wire
from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.vendors.cosms.vendor import Cosms
from dispatcher.vendors.seam.vendor import (
    History,
    HistoryRow,
    Message,
    MessageKind,
    PolledPage,
    PublishedMessage,
    Secret,
)
from loadtest.sim.cosms.codes_and_switches import CODES, STATUSES
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING
from tests.vendors.simulated import AT_ONCE, Meeting, meeting
from tests.waiting import patience

ACCOUNT = {
    "vendor": "cosms",
    "corp_id": "1001",
    "login_name": "demo",
    "password": "p&ss=w0rd%+",
    "push_key": "k3y-of-the-url",
}
SIM = {"vendor": "cosms", "account": {"account": "1001", "login_name": "demo", "pswd": "p&ss=w0rd%+"}}
POLLED = {**SIM, "account": {**SIM["account"], "reports": "poll", "inbound": "poll"}}  # type: ignore[dict-item]
FREE = {"report_interval": 0, "mo_interval": 0, "hist_interval": 0}


@pytest.fixture
async def met(tmp_path: Path) -> AsyncIterator[Meeting]:
    async with meeting(tmp_path, ACCOUNT, SIM) as both:
        yield both


@pytest.fixture
async def asked(tmp_path: Path) -> AsyncIterator[Meeting]:
    """The same where the vendor pushes nothing."""
    async with meeting(tmp_path, ACCOUNT, POLLED) as both:
        await both.configure(**FREE)
        yield both


def cosms(met: Meeting, **keys: Any) -> Cosms:
    account = msgspec.structs.replace(met.account, **keys)
    assert isinstance(account, Cosms)
    return account


async def query(account: Cosms, flow: Any) -> Any:
    """What a flow returns over HTTP."""
    driver = HttpDriver(account, "spring")
    try:
        return await driver.query(flow)
    finally:
        await driver.close()


async def pages(account: Cosms, at: int) -> list[PolledPage]:
    """The pages of the report poll (0) or the message poll (1), until one is not full."""
    found: list[PolledPage] = []
    while not found or found[-1].more:
        page = await query(account, account.polls()[at].flow(1))
        assert isinstance(page, PolledPage)
        assert page.verdict is None, page
        found.append(page)
    return found


async def send(met: Meeting, text: str, kind: MessageKind, chunk: bytes = b"13800138000", **options: str) -> Verdict:
    account = cosms(met)
    driver = HttpDriver(account, "spring")
    prepared = account.prepare(Message(text=text, kind=kind, options=options))
    sent = await driver.submit(prepared, memoryview(chunk), chunk.count(b",") + 1)
    await driver.close()
    return sent.verdict


def mobiles(count: int) -> bytes:
    return b",".join(b"138001%05d" % number for number in range(count))


ABROAD = b",".join(b"852912%05d" % number for number in range(20))

ANSWERS: list[tuple[dict[str, Any], dict[str, Any], Kind, str]] = [
    # switches, how it is sent, kind, code
    *(
        ({"md5str_form": form, "md5str_alphabet": alphabet, "md5_binding": binding}, {}, Kind.ACCEPTED, "100")
        for form, alphabet, binding in [
            ("bare", "digits", "connection"),
            ("bare_eol", "ascii", "cookie"),
            ("code_line", "ascii", "connection"),
            ("code_line", "digits", "none"),
        ]
    ),
    ({"line_end": "crlf", "code_line": "blanks"}, {"chunk": mobiles(3)}, Kind.ACCEPTED, "100"),
    ({"line_end": "cr", "code_line": "comment"}, {"chunk": mobiles(3)}, Kind.ACCEPTED, "100"),
    ({"strict_case": "on"}, {"options": {"kind_flag": "促销", "sub_number": "12"}}, Kind.ACCEPTED, "100"),
    ({"mtid_order": "scattered"}, {"chunk": mobiles(1000)}, Kind.ACCEPTED, "100"),
    ({"mtlevel_enforce": "410"}, {"chunk": mobiles(10)}, Kind.ACCEPTED, "100"),
    ({"mtlevel_enforce": "410"}, {"chunk": mobiles(11)}, Kind.ACCEPTED, "100"),
    ({"mtlevel_enforce": "410"}, {"chunk": mobiles(101)}, Kind.ACCEPTED, "100"),
    ({"mtlevel_enforce": "silently"}, {"chunk": mobiles(101)}, Kind.ACCEPTED, "100"),
    ({"max_numbers": 500}, {"chunk": mobiles(501)}, Kind.REJECTED, "403"),
    ({"partial_code": "200"}, {"chunk": mobiles(4)}, Kind.PARTIAL, "200"),
    ({"bad_number": "reject_batch404"}, {"chunk": b"13800138000,12345"}, Kind.REJECTED, "404"),
    ({"bad_number": "skip_row"}, {"chunk": b"13800138000,12345"}, Kind.PARTIAL, "100"),
    ({"putmt_300": "always"}, {}, Kind.RETRY_LATER, "300"),
    ({}, {"md5": False}, Kind.ACCEPTED, "100"),
    ({}, {"md5": False, "login_name": "nobody"}, Kind.AUTH, "201"),
    ({}, {"corp_id": "1002"}, Kind.AUTH, "202"),
    ({}, {"md5": False, "password": Secret("wrong")}, Kind.AUTH, "203"),
    ({}, {"password": Secret("wrong")}, Kind.AUTH, "203"),
    ({}, {"text": "好" * 500}, Kind.ACCEPTED, "100"),
    ({}, {"text": "好" * 501, "text_chars_max": 1000}, Kind.CONTENT, "406"),
    ({"max_chars": 1000}, {"text": "好" * 1000, "text_chars_max": 1000}, Kind.ACCEPTED, "100"),
    ({"max_chars": 4}, {"text": "😀😀"}, Kind.ACCEPTED, "100"),
    ({"max_chars": 3}, {"text": "😀😀"}, Kind.CONTENT, "406"),
    ({"sub_number_max": 6}, {"options": {"sub_number": "1234567"}, "sub_number_digits_max": 7}, Kind.REJECTED, "408"),
    ({}, {"chunk": ABROAD}, Kind.ACCEPTED, "100"),
    ({}, {"chunk": b"8526123456,99912345678"}, Kind.REJECTED, "411"),
    ({"intl_linkid_required": "on"}, {"chunk": ABROAD}, Kind.REJECTED, "409"),
    ({}, {"chunk": b"02129900660"}, Kind.ACCEPTED, "100"),
]


async def test_every_answer_the_simulator_can_give_is_read_as_it_was_meant(met):
    for switches, how, kind, code in ANSWERS:
        await met.configure(**switches)
        verdict = await met.submit(**how)
        assert (verdict.kind, verdict.code) == (kind, code), (switches, how, verdict)
        count = how.get("chunk", b"").count(b",") + 1
        assert len(set(verdict.vendor_ids)) == (count if kind is Kind.ACCEPTED else 0)
        await met.restore(*switches)


async def test_every_code_is_known_to_both(met):
    assert sorted(CODES) == sorted(met.account.codes.rows)
    for code in set(CODES) - {"100", "200"}:
        await met.configure(rule=[{"code": code}])
        verdict = await met.submit(md5=False)
        row = met.account.codes.find(code)
        assert row is not None
        assert (verdict.kind, verdict.code) == (row.kind, code)


async def test_each_number_has_the_id_that_the_vendor_gave_it(met):
    for order in ("rising", "scattered"):
        await met.configure(mtid_order=order)
        chunk = mobiles(300) if order == "rising" else mobiles(300).replace(b"13800", b"13900")
        verdict = await met.submit(chunk=chunk)
        rows = await asyncio.to_thread(met.sim.rows)
        ids = dict(zip(rows["number"].cast(str).to_list(), rows["msgid"].cast(str).to_list(), strict=True))
        assert [ids[mobile.decode()] for mobile in chunk.split(b",")] == list(verdict.vendor_ids)


TEXTS = ["坏 & 词=%+~*镕", "a,b;c#d?e", "【XX 科技】验证码:986710", "一\r\n二", "5€ 😀 坏"]


async def test_what_the_vendor_reads_is_what_was_written(asked):
    for at, text in enumerate(TEXTS):
        await asked.submit(text=text, chunk=b"1380013900%d" % at)
    assert sorted(row.text for row in (await today(asked)).rows) == sorted(TEXTS)


# --- balance ---------------------------------------------------------------------------------------------------------


async def test_the_balance_is_what_the_simulator_has_of_each_product(met):
    await asyncio.to_thread(lambda: met.sim.configure(account={"spring": {"products": CREDIT}}))
    await met.submit(chunk=mobiles(3))
    await met.submit(chunk=ABROAD)
    for lines, products in [(8, 3), (7, 2), (2, 1)]:
        await met.configure(balance_lines=lines)
        balance = await met.balance()
        known = {"domestic": 997.0, "international": 480.0, "MMS": 50.0}
        assert balance.messages == 997
        assert {product.name: product.messages for product in balance.products} == dict([*known.items()][:products])


CREDIT = {"domestic": 1000, "international": 500, "mms": 50}


async def test_each_empty_credit_stops_the_account(met):
    little = {"domestic": 100, "international": 10, "mms": 50}
    await asyncio.to_thread(lambda: met.sim.configure(account={"spring": {"products": little}}))
    for chunk, code in [(mobiles(101), "503"), (ABROAD, "505"), (mobiles(1) + b"," + ABROAD, "505")]:
        verdict = await met.submit(chunk=chunk)
        assert (verdict.kind, verdict.code) == (Kind.BALANCE, code)
    assert (await met.submit(chunk=mobiles(100))).kind is Kind.ACCEPTED


async def test_a_failed_balance_query_says_why(met):
    verdict = (await met.balance(password=Secret("wrong"))).verdict
    assert verdict is not None
    assert (verdict.kind, verdict.code) == (Kind.AUTH, "203")


# --- polls -----------------------------------------------------------------------------------------------------------


def state_of(code: str) -> int:
    return REPORT_WAITING if code == "ACCEPTD" else REPORT_DELIVERED if code in ("0", "DELIVRD") else REPORT_FAILED


@pytest.mark.parametrize("mode", ["destructive", "repeat_until_next_poll"])
async def test_every_report_is_fetched_page_by_page(asked, mode):
    await asked.configure(status_mix=dict.fromkeys(STATUSES, 1.0), poll_mode=mode, **AT_ONCE)
    verdict = await asked.submit(chunk=mobiles(250))
    fetched: dict[str, str] = {}
    async with patience():
        while len(fetched) < 250:
            for page in await pages(cosms(asked), 0):
                assert len(page.reports) <= 100
                assert page.count == 0
                for row in page.reports:
                    assert (row.number, row.time_s, row.state) == (0, 0, state_of(row.code))
                    assert fetched.setdefault(row.vendor_id, row.code) == row.code
    assert set(fetched) == set(verdict.vendor_ids)
    rows = await asyncio.to_thread(asked.sim.rows)
    told = dict(zip(rows["msgid"].cast(str).to_list(), rows["status"].to_list(), strict=True))
    assert fetched == told


async def test_a_poll_that_is_too_fast_is_told_so(asked):
    await asked.configure(report_interval=30, mo_interval=10)
    account = cosms(asked)
    for poll in account.polls():
        first = await query(account, poll.flow(1))
        assert first.verdict is None
        second = await query(account, poll.flow(1))
        assert (second.verdict.kind, second.verdict.code) == (Kind.THROTTLED, "502")


TYPED = ["你好", "100%", "a+b", "1,2;3", "退订 TD", "=&?#/", "%41", "", "+", "a,b,,c"]


@pytest.mark.parametrize("row_format", ["as_requested", "always0", "mixed"])
async def test_every_message_is_fetched_as_it_was_typed(asked, row_format):
    await asked.configure(row_format=row_format)
    texts = [*TYPED, "😀 ok"]
    messages = [
        {"mobile": f"1380013{at:04}", "to": "007", "msg": text, "time": "20151221121046"}
        for at, text in enumerate(texts)
    ]
    await asyncio.to_thread(lambda: asked.sim.push_inbound("spring", messages=messages))
    (page,) = await pages(cosms(asked), 1)
    assert page.count == 0
    assert [(found.number, found.text) for found in page.inbound] == [
        (message["mobile"], message["msg"]) for message in messages
    ]
    assert {found.at_ms for found in page.inbound} == {1_450_671_046_000}
    assert {found.to for found in page.inbound} == {"10655000007"}
    assert len({found.message_id for found in page.inbound}) == len(texts)


async def test_a_line_end_that_nothing_protects_belongs_to_its_message(asked):
    await asked.configure(row_format="always0")
    messages = [{"msg": "line\r\n1,2,line\n\nend", "time": "20151221121046"}] * 2
    await asyncio.to_thread(lambda: asked.sim.push_inbound("spring", messages=messages))
    (page,) = await pages(cosms(asked), 1)
    assert [found.text for found in page.inbound] == ["line\r\n1,2,line\n\nend"] * 2


# --- pushes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ids", "comma"), [(1, "raw"), (2, "encoded"), (100, "raw"), (100, "encoded")])
async def test_every_report_that_is_pushed_is_taken_once_for_its_id(met, ids, comma):
    await met.configure(
        status_mix=dict.fromkeys(STATUSES, 1.0), push_ids=ids, push_comma=comma, push_retry="forever", **AT_ONCE
    )
    verdict = await met.submit(chunk=mobiles(300))
    await met.until(lambda: met.webhooks.counts.reports >= 300)
    counts = met.webhooks.counts
    assert (counts.reports, counts.left_over, counts.dead, counts.pushes) == (300, 0, 0, counts.taken)
    rows = await met.reports()
    assert sorted(row[0] for row in rows) == sorted(verdict.vendor_ids)
    for _, number, state, code, _ in rows:
        assert (number, state) == (0, state_of(code))


@pytest.mark.parametrize("form", [0, 1, 2, 3])
async def test_every_message_that_is_pushed_arrives_as_it_was_typed(met, form):
    await met.configure(mo_push_format=form)
    messages = [
        {"mobile": f"1380013{at:04}", "to": "007", "msg": text, "time": "20151221121046"}
        for at, text in enumerate([*TYPED, "😀 ok"])
    ]
    statuses = await asyncio.to_thread(lambda: met.sim.push_inbound("spring", messages=messages))
    assert statuses == [200] * len(messages)
    found = await met.inbound()
    assert [(message.number, message.to, message.text) for message in found] == [
        (message["mobile"], "10655000007", message["msg"]) for message in messages
    ]
    assert met.webhooks.counts.left_over == 0


async def test_a_pushed_text_that_is_escaped_twice_can_be_read_too(tmp_path):
    async with meeting(tmp_path, ACCOUNT | {"mo_text": "escaped"}, SIM) as met:
        await met.configure(mo_push_text="double")
        messages = [{"msg": text} for text in TYPED]
        await asyncio.to_thread(lambda: met.sim.push_inbound("spring", messages=messages))
        assert [found.text for found in await met.inbound()] == TYPED


async def test_a_push_that_cannot_be_read_is_kept(met):
    assert await asyncio.to_thread(lambda: met.sim.push_report("spring", mtReport=None)) == 400
    assert len(await met.dead()) == 1


# --- history ---------------------------------------------------------------------------------------------------------


async def today(met: Meeting, **keys: Any) -> History:
    """What the vendor remembers of the last minutes of this day."""
    now_ms = time.time_ns() // 1_000_000 + 1_000
    account = cosms(met, **keys)
    midnight_ms = (now_ms + ZONE_MS) // DAY_MS * DAY_MS - ZONE_MS
    found = await query(account, account.history(max(midnight_ms, now_ms - 1_790_000), now_ms))
    assert isinstance(found, History)
    return found


ZONE_MS, DAY_MS = 8 * 3_600_000, 86_400_000


@pytest.mark.parametrize("columns", [9, 8])
async def test_history_has_every_number_of_a_submit_with_its_id(asked, columns):
    await asked.configure(hist_columns=columns)
    assert (await today(asked)) == History()
    chunk = mobiles(40) + b",02129900660," + ABROAD
    verdict = await asked.submit(chunk=chunk, text="a,b\r\n你好")
    found = await today(asked)
    assert found.complete
    assert {row.vendor_id: to_wire(row.number) for row in found.rows} == dict(
        zip(verdict.vendor_ids, chunk.decode().split(","), strict=True)
    )
    assert {row.text for row in found.rows} == {"a,b\r\n你好"}
    assert all(abs(row.sent_ms / 1000 - time.time()) < 120 for row in found.rows)
    assert {row.state for row in found.rows} <= {REPORT_WAITING, REPORT_DELIVERED, REPORT_FAILED}


async def test_a_full_page_of_history_is_not_complete(asked):
    await asked.submit(chunk=mobiles(600))
    found = await today(asked)
    assert (len(found.rows), found.complete) == (500, False)
    assert isinstance(found.rows[0], HistoryRow)


async def test_history_asked_for_too_early_or_of_too_long_a_time_is_refused(asked):
    account = cosms(asked)
    now_ms = time.time_ns() // 1_000_000
    found = await query(account, account.history(now_ms - 3_600_000, now_ms))
    assert found.verdict.code == "414"
    await asked.configure(hist_interval=60)
    await today(asked)
    for code, kind in (("414", Kind.REJECTED), ("502", Kind.THROTTLED)):
        await asked.configure(hist_fast_code=code)
        verdict = (await today(asked)).verdict
        assert verdict is not None
        assert (verdict.kind, verdict.code) == (kind, code)


# --- WAP pushes, multimedia, a new password --------------------------------------------------------------------------


async def test_a_wap_push_goes_to_china_mobile_and_413_finds_the_others(met):
    wap = "企信专家#http://127.0.0.1/x"
    assert (await send(met, wap, "wap")).kind is Kind.ACCEPTED
    refused = await send(met, wap, "wap", chunk=b"13800138000,13000130000")
    assert (refused.kind, refused.code, refused.divide) == (Kind.REJECTED, "413", True)
    longest = "企信专家一#http://" + "x" * (80 - 11 - 7)
    assert (await send(met, longest, "wap")).kind is Kind.ACCEPTED


async def test_a_folder_of_frames_is_uploaded_and_sent(met):
    account = cosms(met)
    files = {"1.jpg": b"\xff\xd8" + bytes(range(256)), "1.txt": "你好".encode("gbk"), "2@12s.jpg": b"----\r\n--"}
    published = await query(account, account.publish(files))
    assert isinstance(published, PublishedMessage)
    assert published.verdict is None, published
    assert [name for name, _ in published.files] == ["1.jpg", "1.txt", "2@12s.jpg"]
    assert (await send(met, published.url, "mms", mms_title="新年")).kind is Kind.ACCEPTED


async def test_a_new_password_counts_from_then_on(met):
    account = cosms(met)
    driver = HttpDriver(account, "spring")
    result = await driver.operate(account.change_login(Secret("n3w-pass"), "fresh_demo"))
    await driver.close()
    assert result.verdict.kind is Kind.ACCEPTED
    assert (await met.submit()).kind is Kind.AUTH
    assert (await met.submit(login_name="fresh_demo", password=Secret("n3w-pass"))).kind is Kind.ACCEPTED
