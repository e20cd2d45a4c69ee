"""Two readings of GUODU's document must agree: the adapter, and the simulated vendor, written without seeing it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dispatcher.core.lane.answers.verdict import Kind
from loadtest.sim.guodu.codes_and_switches import CODES, MO_APPEND, MO_FIELDS, MO_MSG, MO_STRANGE, STATUSES
from schemas.states import REPORT_DELIVERED, REPORT_FAILED
from tests.vendors.simulated import AT_ONCE, Meeting, meeting
from tests.waiting import patience

KEY = "k3y-of-the-url"
ACCOUNT = {"vendor": "guodu", "oper_id": "操作员", "oper_pass": 'p"ss\\密', "push_key": KEY}
SIM = {"vendor": "guodu", "account": {"account": "操作员", "pswd": 'p"ss\\密'}}


@pytest.fixture
async def met(tmp_path: Path) -> AsyncIterator[Meeting]:
    async with meeting(tmp_path, ACCOUNT, SIM) as both:
        yield both


NUMBERS = b",".join(b"138001%05d" % number for number in range(500))
SEVERAL = NUMBERS[: 12 * 200 - 1]
ANSWERS: list[tuple[dict[str, Any], dict[str, Any], Kind, str]] = [
    # switches, how it is sent, kind, code
    ({}, {}, Kind.ACCEPTED, "03"),
    ({}, {"chunk": SEVERAL}, Kind.ACCEPTED, "00"),
    ({"personalised": "on"}, {"chunk": SEVERAL}, Kind.ACCEPTED, "01"),
    ({"code_type": "unpadded"}, {}, Kind.ACCEPTED, "03"),
    ({"code_type": "unpadded"}, {"chunk": SEVERAL}, Kind.ACCEPTED, "00"),
    ({"code_type": "number"}, {}, Kind.ACCEPTED, "03"),
    ({"code_type": "number"}, {"chunk": SEVERAL}, Kind.ACCEPTED, "00"),
    ({"code_type": "number"}, {"oper_pass": "wrong"}, Kind.AUTH, "05"),
    ({"msg_id": "never"}, {}, Kind.ACCEPTED, "03"),
    ({"msg_id": "always"}, {"oper_pass": "wrong"}, Kind.AUTH, "05"),
    ({}, {"oper_id": "nobody"}, Kind.AUTH, "04"),
    ({}, {"chunk": NUMBERS}, Kind.UNKNOWN, "no answer"),
    ({"oversize": "answer06"}, {"chunk": NUMBERS}, Kind.REJECTED, "06"),
    ({"max_numbers": 500}, {"chunk": NUMBERS, "numbers_per_request": 500}, Kind.ACCEPTED, "00"),
    ({}, {"chunk": b"138001"}, Kind.REJECTED, "06"),
    ({}, {"text": "好" * 500}, Kind.ACCEPTED, "03"),
    ({"max_chars": 499}, {"text": "好" * 500}, Kind.REJECTED, "06"),
    ({"max_chars": 4}, {"text": "😀😀"}, Kind.ACCEPTED, "03"),
    ({"max_chars": 3}, {"text": "😀😀"}, Kind.REJECTED, "06"),
    ({"max_chars": 2, "length_unit": "code_points"}, {"text": "😀😀"}, Kind.ACCEPTED, "03"),
    ({}, {"options": {"append_id": "1234"}}, Kind.ACCEPTED, "03"),
    ({}, {"options": {"append_id": "12345"}, "append_id_digits_max": 5}, Kind.REJECTED, "10"),
    ({"prefix_digits": 12}, {"options": {"append_id": "12345678"}, "append_id_digits_max": 8}, Kind.ACCEPTED, "03"),
    ({}, {"options": {"send_time": "20380101080000"}}, Kind.ACCEPTED, "03"),
    ({}, {"options": {"send_time": "20100101080000"}}, Kind.REJECTED, "07"),
    ({"past_send_time": "send_now"}, {"options": {"send_time": "20100101080000"}}, Kind.ACCEPTED, "03"),
]  # fmt: skip


async def test_every_answer_the_simulator_can_give_is_read_as_it_was_meant(met):
    for switches, how, kind, code in ANSWERS:
        await met.configure(**switches)
        verdict = await met.submit(**how)
        assert (verdict.kind, verdict.code) == (kind, code), (switches, how, verdict)
        assert bool(verdict.vendor_id) == (kind is Kind.ACCEPTED and switches.get("msg_id") != "never")
        await met.restore(*switches)


LENGTHS = [
    ("a b", 3),
    ("a+b", 3),
    ("100%", 4),
    ("100%25", 6),
    ("%E4", 3),
    ("a=b&c", 5),
    ('"\\/', 3),
    ("a\r\nb", 4),
    ("~*", 2),
]


@pytest.mark.parametrize(("text", "chars"), LENGTHS)
async def test_the_vendor_reads_the_text_that_was_written(met, text, chars):
    """It says so by the length that it takes and the length that it does not."""
    await met.configure(max_chars=chars)
    assert (await met.submit(text)).kind is Kind.ACCEPTED
    await met.configure(max_chars=chars - 1)
    assert (await met.submit(text)).code == "06"


async def test_every_code_is_known_to_both(met):
    assert sorted(CODES) == sorted(met.account.codes.rows)
    for switches in ({"code_type": "padded"}, {"code_type": "number"}):
        await met.configure(**switches)
        for code in set(CODES) - {"00", "01", "03"}:
            await met.configure(rule=[{"code": code}])
            verdict = await met.submit()
            row = met.account.codes.find(code)
            assert row is not None
            assert (verdict.kind, verdict.code) == (row.kind, code)


async def test_a_submission_that_went_wrong_with_an_id_may_have_been_taken(met):
    await met.configure(rule=[{"code": "-1"}], msg_id="always")
    assert (await met.submit()).kind is Kind.UNKNOWN


async def test_an_empty_balance_is_a_balance(met):
    await asyncio.to_thread(lambda: met.sim.top_up("spring", -1_000_000_000))
    assert (await met.submit()).kind is Kind.BALANCE


KEYS = ("report_prefix", "trailing_semicolon", "status_type", "key_case", "push_shape")
PUSHES = [
    dict(zip(KEYS, row, strict=True))
    for row in [
        ("none", "on", "number", "documented", "list"),
        ("86", "off", "string", "capital", "list"),
        ("+86", "on", "string", "lower", "object"),
        ("none", "off", "number", "documented", "object"),
    ]
]


@pytest.mark.parametrize("switches", PUSHES, ids=lambda switches: " ".join(switches.values()))
async def test_every_report_the_simulator_pushes_is_taken_once_and_for_its_number(met, switches):
    mix = dict.fromkeys(STATUSES, 1.0)
    await met.configure(status_mix=mix, push_retry="until_acked", max_numbers=500, **switches, **AT_ONCE)
    verdict = await met.submit(chunk=NUMBERS)
    await met.until(lambda: met.webhooks.counts.reports >= 500)
    counts = met.webhooks.counts
    assert (counts.reports, counts.left_over, counts.dead, counts.pushes) == (500, 0, 0, counts.taken)
    rows = await met.reports()
    assert {row[0] for row in rows} == {verdict.vendor_id}
    assert sorted(b"%d" % row[1] for row in rows) == sorted(NUMBERS.split(b","))
    assert {row[3] for row in rows} <= {
        "0" if status == "0" else f"{status} {words}" for status, words in STATUSES.items()
    }
    for _, _, state, code, time_s in rows:
        assert state == (REPORT_DELIVERED if code == "0" else REPORT_FAILED)
        assert time_s > 0


TYPED = ["你好", "100%", "a+b", "1,2;3", "😀 ok", "退订 TD", '"\\/', ""]


@pytest.mark.parametrize("names", [MO_FIELDS, MO_MSG, MO_APPEND], ids=["moTime", "msg", "appendId"])
@pytest.mark.parametrize("switches", PUSHES[:3], ids=lambda switches: " ".join(switches.values()))
async def test_every_message_the_simulator_pushes_arrives_as_it_was_typed(met, names, switches):
    await met.configure(mo_fields=names, **switches)
    messages = [
        {"mobile": f"1380013{at:04}", "to": "10657", "msg": text, "time": "2022-12-12 12:00:00"}
        for at, text in enumerate(TYPED)
    ]
    statuses = await asyncio.to_thread(lambda: met.sim.push_inbound("spring", messages=messages))
    assert set(statuses) == {200}
    found = sorted(await met.inbound(), key=lambda message: message.number)
    assert [(message.number, message.to, message.text) for message in found] == [
        (message["mobile"], "10657", message["msg"]) for message in messages
    ]
    assert {message.at_ms for message in found} == {1_670_817_600_000}


async def test_a_message_of_unknown_shape_is_refused_and_kept_until_the_map_says_how_it_is(met):
    await met.configure(mo_fields=MO_STRANGE)
    assert await asyncio.to_thread(lambda: met.sim.push_inbound("spring", msg="TD")) == [400]
    (letter,) = await met.dead()
    assert b'"body":"TD"' in letter.body
    assert KEY.encode() not in letter.body


async def test_what_is_no_report_is_kept_and_the_push_is_taken(met):
    reports = [{"mobile": "13800138000"}, {"mobile": "A1"}, {"mobile": "13800138001", "msgid": None}]
    assert await asyncio.to_thread(lambda: met.sim.push_report("spring", reports=reports)) == 200
    assert [row[1] for row in await met.reports()] == [13_800_138_000]
    (letter,) = await met.dead()
    assert b"A1" in letter.body
    assert b"13800138001" in letter.body


ACKS = [("http200", "", True), ("body_ok", "ok", True), ("json_code0", '{"code":0}', True), ("body_ok", "", False)]


@pytest.mark.parametrize(("ack", "reply", "taken"), ACKS)
async def test_the_vendor_reads_what_is_configured_as_the_answer_to_its_push(tmp_path, ack, reply, taken):
    async with meeting(tmp_path, ACCOUNT | {"push_reply": reply}, SIM) as met:
        await met.configure(ack=ack, push_retry="until_acked", **AT_ONCE)
        await met.submit()
        await met.until(lambda: met.webhooks.counts.pushes >= (1 if taken else 2))
        async with patience():
            while taken and not (await asyncio.to_thread(met.sim.totals))["reports_acked"]:
                await asyncio.sleep(0.02)
        assert not taken or met.webhooks.counts.pushes == 1
