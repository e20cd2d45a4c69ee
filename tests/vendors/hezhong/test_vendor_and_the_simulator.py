"""Two readings of HEZHONG's document must agree: the adapter, and the simulated vendor, written without seeing it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.core.lane.answers.verdict import Kind
from loadtest.sim.hezhong.codes_and_switches import CODES, STATUSES
from schemas.states import REPORT_DELIVERED, REPORT_FAILED, REPORT_WAITING
from tests.vendors.simulated import AT_ONCE, Meeting, meeting

ACCOUNT = {
    "vendor": "hezhong",
    "userid": "1001",
    "username": "用户",
    "password": "p&ss=w 0rd%密",
    "push_key": "k3y-of-the-url",
}
SIM = {"vendor": "hezhong", "account": {"account": "用户", "pswd": "p&ss=w 0rd%密", "userid": "1001"}}


@pytest.fixture
async def met(tmp_path: Path) -> AsyncIterator[Meeting]:
    async with meeting(tmp_path, ACCOUNT, SIM) as both:
        yield both


NUMBERS = b",".join(b"138001%05d" % number for number in range(1_000))
ANSWERS: list[tuple[dict[str, Any], dict[str, Any], Kind, str]] = [
    # switches, how it is sent, kind, code
    ({"answer_form": "plain"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "blank"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "crlf"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "bom"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "no_id"}, {}, Kind.ACCEPTED, "0"),
    ({}, {"chunk": NUMBERS}, Kind.ACCEPTED, "0"),
    ({"max_numbers": 500}, {"chunk": NUMBERS}, Kind.REJECTED, "-10"),
    ({}, {"password": "wrong"}, Kind.AUTH, "-1"),
    ({}, {"username": "nobody"}, Kind.AUTH, "-1"),
    ({}, {"userid": "1002"}, Kind.AUTH, "-1"),
    ({}, {"text": "好" * 500}, Kind.ACCEPTED, "0"),
    ({}, {"text": "好" * 501}, Kind.CONTENT, "-9"),
    ({"len_unit": "chars"}, {"text": "好" * 1000}, Kind.ACCEPTED, "0"),
    ({"len_unit": "utf16", "max_chars": 4}, {"text": "😀😀", "utf8": True}, Kind.ACCEPTED, "0"),
    ({"len_unit": "utf16", "max_chars": 3}, {"text": "😀😀", "utf8": True}, Kind.CONTENT, "-9"),
    ({"sub_max": 5}, {"options": {"sub": "12345"}}, Kind.ACCEPTED, "0"),
    ({"sub_max": 5}, {"options": {"sub": "123456"}, "sub_max": 6}, Kind.REJECTED, "-11"),
    ({"sub_max": 6}, {"options": {"sub": "123456"}, "sub_max": 6}, Kind.ACCEPTED, "0"),
    # GBK or not, what the vendor reads is what was written: else it would not find its words in it
    ({"sensitive_words": ["坏 & 词=%+~*镕"]}, {"text": "a坏 & 词=%+~*镕b"}, Kind.CONTENT, "-5"),
    ({"sensitive_words": ["坏 & 词=%+~*镕"]}, {"text": "a坏 & 词=%+~*镕€", "utf8": True}, Kind.CONTENT, "-5"),
    ({"sensitive_words": ["【XX 科技】验证码:986710"]}, {"text": "【XX 科技】验证码:986710"}, Kind.CONTENT, "-5"),
]


async def test_every_answer_the_simulator_can_give_is_read_as_it_was_meant(met):
    for switches, how, kind, code in ANSWERS:
        await met.configure(**switches)
        verdict = await met.submit(**how)
        assert (verdict.kind, verdict.code) == (kind, code), (switches, how, verdict)
        assert bool(verdict.vendor_id) == (kind is Kind.ACCEPTED and switches.get("answer_form") != "no_id")
        await met.restore(*switches)


async def test_every_code_is_known_to_both(met):
    assert sorted(CODES) == sorted(met.account.codes.rows)
    for code in set(CODES) - {"0"}:
        await met.configure(rule=[{"code": code}])
        verdict = await met.submit()
        row = met.account.codes.find(code)
        assert row is not None
        assert (verdict.kind, verdict.code) == (row.kind, code)


async def test_the_balance_is_what_the_simulator_has(met):
    await met.configure(balance_interval=0)
    first = await met.balance()
    assert first.messages is not None
    await met.submit(chunk=b"13800138000,13800138001")
    for form in ("whole", "decimal"):
        await met.configure(balance_form=form)
        assert (await met.balance()).messages == first.messages - 2


FAILURES = [("code", Kind.AUTH), ("-1", Kind.AUTH), ("error", Kind.RETRY_LATER), ("empty", Kind.RETRY_LATER)]


async def test_a_failed_balance_query_says_why(met):
    for said, kind in FAILURES:
        await met.configure(balance_failure=said)
        verdict = (await met.balance(password="wrong")).verdict
        assert verdict is not None
        assert verdict.kind is kind


async def test_an_empty_balance_is_one(met):
    await asyncio.to_thread(lambda: met.sim.top_up("spring", -1_000_000_000))
    assert (await met.submit()).kind is Kind.BALANCE
    assert (await met.balance()).messages == 0


PUSHES = [
    dict(
        zip(
            ("push_style", "push_layout", "rpt_fields", "trailing_semicolon", "push_escape", "report_prefix"),
            row,
            strict=True,
        )
    )
    for row in [
        ("post_form", "plain", 4, "off", "raw", "none"),
        ("post_form", "blanks", 5, "on", "encoded", "+86"),
        ("post_query", "line_breaks", 4, "on", "encoded", "86"),
        ("post_query", "printed", 5, "off", "raw", "none"),
        ("get_query", "plain", 5, "on", "encoded", "86"),
        ("get_query", "printed", 4, "on", "raw", "+86"),
    ]
]


@pytest.mark.parametrize("switches", PUSHES, ids=lambda switches: " ".join(map(str, switches.values())))
async def test_every_report_the_simulator_pushes_is_taken_once_and_for_its_number(met, switches):
    mix = dict.fromkeys(STATUSES, 1.0)
    await met.configure(status_mix=mix, push_retry="until_200", **switches, **AT_ONCE)
    chunk = b",".join(b"138001%05d" % number for number in range(900))
    verdict = await met.submit(chunk=chunk)
    await met.until(lambda: met.webhooks.counts.reports >= 900)
    counts = met.webhooks.counts
    assert (counts.reports, counts.left_over, counts.dead, counts.pushes) == (900, 0, 0, counts.taken)
    rows = await met.reports()
    assert {row[0] for row in rows} == {verdict.vendor_id}
    assert sorted(b"%d" % row[1] for row in rows) == sorted(chunk.split(b","))
    assert {row[3] for row in rows} <= set(STATUSES)
    good, waiting = {"DELIVRD", "0", "000"}, {"1", "ACCEPTD"}
    for _, _, state, code, time_s in rows:
        assert state == (REPORT_DELIVERED if code in good else REPORT_WAITING if code in waiting else REPORT_FAILED)
        assert time_s > 0


TYPED = ["你好", "100%", "a+b", "1,2;3", "😀 ok", "退订 TD", "=&?#/", "a;13800138000", "", "+"]
MESSAGES = [
    {"push_style": style, "push_layout": layout, "trailing_semicolon": end, "push_escape": escape, "mo_text": text}
    for style, layout, end, escape, text in [
        ("post_form", "plain", "off", "raw", "double_encoded"),
        ("post_form", "printed", "on", "encoded", "double_encoded"),
        ("post_query", "line_breaks", "off", "encoded", "single_encoded"),
        ("get_query", "blanks", "on", "raw", "single_encoded"),
        ("get_query", "plain", "off", "encoded", "double_encoded"),
    ]
]


@pytest.mark.parametrize("switches", MESSAGES, ids=lambda switches: " ".join(map(str, switches.values())))
async def test_every_message_the_simulator_pushes_arrives_as_it_was_typed(met, switches):
    await met.configure(**switches)
    messages = [
        {"mobile": f"1380013{at:04}", "to": "007", "msg": text, "time": "20151221121046"}
        for at, text in enumerate(TYPED)
    ]
    statuses = await asyncio.to_thread(lambda: met.sim.push_inbound("spring", messages=messages))
    assert statuses == [200]
    found = await met.inbound()
    assert [(message.number, message.to, message.text) for message in found] == [
        (message["mobile"], "007", message["msg"]) for message in messages
    ]
    assert {message.at_ms for message in found} == {1_450_671_046_000}
    assert met.webhooks.counts.left_over == 0


async def test_an_invalid_entry_is_kept_and_the_push_is_taken(met):
    reports = [{"mobile": "13800138000"}, {"mobile": "A1"}, {"mobile": "13800138001", "msgid": None}]
    assert await asyncio.to_thread(lambda: met.sim.push_report("spring", reports=reports)) == 200
    assert [row[1] for row in await met.reports()] == [13_800_138_000]
    (letter,) = await met.dead()
    assert b"A1" in letter.body
    assert b"13800138001" in letter.body
    assert await asyncio.to_thread(lambda: met.sim.push_report("spring", rpts="nonsense")) == 400
    assert len(await met.dead()) == 2
