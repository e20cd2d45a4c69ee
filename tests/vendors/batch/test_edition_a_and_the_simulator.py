"""Two readings of one document must agree: the adapter, and the simulated vendor, written without seeing it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from dispatcher.config.file import Config, parse
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.drivers.http.driver import HttpDriver, query_balance
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.vendors.seam.vendor import HttpVendor, Message
from loadtest.sim.process import SimClient, spawn
from producers.webhooks.server import Webhooks, serve_webhooks
from schemas.codec import decode
from schemas.records import Reports
from schemas.states import REPORT_DELIVERED
from schemas.topics import REPORTS, lane_partition
from tests.waiting import patience

CHUNK = b"13800138000,13800138001,13800138002"
AT_ONCE = {"report_delay_min_s": 0.0, "report_delay_mean_s": 0.0, "report_delay_max_s": 0.1}


def config(url: str) -> Config:
    account = {"vendor": "batch-a", "url": url, "account": "spring", "pswd": "secret"}
    account |= {"receiver": "admin", "push_pswd": "p&ss=w 0rd%"}
    return parse({"web": {"listen": "127.0.0.1:0"}, "account": {"spring": account}}, "dispatcher.toml")


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    opened = await open_log(f"sqlite:{tmp_path / 'log.db'}")
    yield opened
    await opened.close()


@pytest.fixture
async def webhooks(log: Log) -> AsyncIterator[Webhooks]:
    opened = await serve_webhooks(config("http://127.0.0.1:1"), log)
    yield opened
    await opened.close()


@pytest.fixture
def vendor(webhooks: Webhooks) -> Iterator[SimClient]:
    push = {"report_url": f"{webhooks.url}/push/spring/report", "receiver": "admin", "receiver_pswd": "p&ss=w 0rd%"}
    with spawn({"account": {"spring": {"pswd": "secret"} | push}}) as sim:
        yield sim


async def submitted(sim: SimClient, text: str = "hi", chunk: bytes = CHUNK, **keys: Any) -> Any:
    account: HttpVendor = msgspec.structs.replace(config(sim.url).http_account("spring"), **keys)
    driver = HttpDriver(account, "spring")
    count = chunk.count(b",") + 1
    sent = await driver.submit(account.prepare(Message(text=text)), memoryview(chunk), count)
    await driver.close()
    return sent.verdict


ANSWERS: list[tuple[dict[str, Any], dict[str, Any], Kind, str]] = [
    # switches, how it is sent, kind, code
    ({"answer_form": "plain"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "crlf"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "trailing_blank_lines"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "no_resptime"}, {}, Kind.ACCEPTED, "0"),
    ({"trailing_eol": "on"}, {}, Kind.ACCEPTED, "0"),
    ({"answer_form": "garbage"}, {}, Kind.UNKNOWN, "unreadable"),
    ({"answer_form": "html"}, {}, Kind.UNKNOWN, "unreadable"),
    ({"answer_form": "empty"}, {}, Kind.UNKNOWN, "unreadable"),
    ({"answer_form": "json"}, {}, Kind.UNKNOWN, "unreadable"),
    ({}, {"pswd": "wrong"}, Kind.AUTH, "102"),
    ({}, {"account": "nobody"}, Kind.AUTH, "101"),
    ({"max_chars": 5}, {"text": "123456"}, Kind.CONTENT, "106"),
    ({"max_chars": 6}, {"text": "退订 😀x"}, Kind.ACCEPTED, "0"),
    ({"max_chars": 5}, {"text": "退订 😀x"}, Kind.CONTENT, "106"),
    ({"sensitive_words": ["坏 & 词=%"]}, {"text": "a坏 & 词=%b+c"}, Kind.CONTENT, "105"),
    ({"min_numbers": 10}, {}, Kind.REJECTED, "108"),
    ({"edition": "B", "bad_number": "107"}, {"chunk": b"13800138000,123"}, Kind.REJECTED, "107"),
    ({"extno_max": 3}, {"extno": "123"}, Kind.ACCEPTED, "0"),
    ({"extno_max": 3}, {"extno": "1234", "extno_digits_max": 6}, Kind.REJECTED, "113"),
    ({}, {"needstatus": False}, Kind.ACCEPTED, "0"),
    ({"msgid_without_status": "yes"}, {"needstatus": False}, Kind.ACCEPTED, "0"),
]


async def test_every_answer_the_simulator_can_give_is_read_as_it_was_meant(vendor):
    for switches, how, kind, code in ANSWERS:
        defaults = {row["name"]: row["default"] for row in (await asyncio.to_thread(vendor.describe))["switches"]}
        await asyncio.to_thread(partial(vendor.configure, **switches))
        verdict = await submitted(vendor, **how)
        assert (verdict.kind, verdict.code) == (kind, code), (switches, how, verdict)
        await asyncio.to_thread(partial(vendor.configure, **{name: defaults[name] for name in switches}))


async def test_the_balance_is_what_the_simulator_has_and_asked_too_soon_it_is_too_fast(vendor):
    await asyncio.to_thread(lambda: vendor.configure(balance_products="2"))
    account = config(vendor.url).http_account("spring")
    first = await query_balance(account, "spring")
    assert first is not None
    assert len(first.products) == 2
    assert first.messages == sum(product.messages for product in first.products)
    second = await query_balance(account, "spring")
    assert second is not None
    assert second.verdict is not None
    assert second.verdict.kind is Kind.THROTTLED


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("digits", [10, 12, 14])
async def test_every_report_the_simulator_pushes_is_taken_once_and_for_its_number(
    vendor, webhooks, log, method, digits
):
    mix = {"DELIVRD": 1.0, "MK:0001": 1.0, "": 1.0, "delivrd": 1.0}
    await asyncio.to_thread(
        lambda: vendor.configure(
            push_method=method, time_digits=digits, status_mix=mix, push_retry="until_200", **AT_ONCE
        )
    )
    chunk = b",".join(b"138001%05d" % number for number in range(300))
    verdict = await submitted(vendor, chunk=chunk)
    async with patience():
        while webhooks.counts.taken < 300:
            await asyncio.sleep(0.05)
    assert webhooks.counts.pushes == webhooks.counts.reports == 300
    rows: list[tuple[int, int, str, int]] = []
    for record in await log.read(REPORTS.name, lane_partition("spring"), 0):
        reports = decode(record.value)
        assert isinstance(reports, Reports)
        assert reports.ids == [verdict.vendor_id]
        codes = [reports.codes[at] for at in np.frombuffer(reports.code_index, "<u2")]
        times = np.frombuffer(reports.times, "<u4").tolist()
        rows += zip(np.frombuffer(reports.numbers, "<i8").tolist(), list(reports.states), codes, times, strict=True)
    assert sorted(b"%d" % number for number, *_ in rows) == sorted(chunk.split(b","))
    for _, state, code, time_s in rows:
        assert (state == REPORT_DELIVERED) == (code.upper() == "DELIVRD")
        assert time_s > 0
