"""A phone that wants no more texts is suppressed before its vendor is answered; a log that fails is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from dispatcher.arrivals import take_inbound
from dispatcher.config.file import parse
from dispatcher.core.opt_out import OptOutWords
from dispatcher.errors import LogTimeout, LogUnavailable
from dispatcher.suppression.list import SuppressionList
from producers.webhooks.server import Webhooks, serve_webhooks
from schemas.codec import decode
from schemas.records import Inbound, SuppressionOrigin
from schemas.topics import lane_partition
from tests.memory_log import MemoryLog

N = 13_800_138_000
PROOF = "receiver=admin&pswd=word"
SAYS = f"push/spring/inbound?{PROOF}&moTime=1012241002&destcode=10657&mobile=86{N}"


@asynccontextmanager
async def serving(
    log: MemoryLog, suppression: dict[str, Any] | None = None, **inbound: Any
) -> AsyncIterator[tuple[Webhooks, aiohttp.ClientSession]]:
    account = {"vendor": "batch-a", "url": "http://127.0.0.1:1", "account": "demo", "pswd": "demo"}
    table = {
        "web": {"listen": "127.0.0.1:0"},
        "inbound": inbound,
        "suppression": suppression or {},
        "account": {
            "spring": account | {"receiver": "admin", "push_pswd": "word"},
            "lists": {"vendor": "hezhong", "url": "http://127.0.0.1:1", "userid": "1", "username": "demo"}
            | {"password": "demo", "push_open": True},
        },
    }
    webhooks = await serve_webhooks(parse(table, "dispatcher.toml"), log)
    async with aiohttp.ClientSession(webhooks.url + "/") as session:
        yield webhooks, session
    await webhooks.close()


async def status(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path) as response:
        return response.status


async def listed(log: MemoryLog) -> dict[int, SuppressionOrigin]:
    found = SuppressionList(detailed=True)
    await found.read_on(log)
    return {number: found.origin(at) for at, number in enumerate(found.listing.numbers.tolist())}


def messages(log: MemoryLog) -> int:
    return len(log.records["inbound", lane_partition("spring")])


@pytest.mark.parametrize(("text", "word"), [("%E9%80%80%E8%AE%A2", "退订"), ("td.", "TD"), ("%EF%BC%B4", "T")])
async def test_an_opt_out_is_on_the_suppression_list_when_the_vendor_is_answered(text, word):
    log = MemoryLog()
    async with serving(log) as (_, session):
        assert await status(session, f"{SAYS}&msg={text}") == 200
        assert await listed(log) == {N: SuppressionOrigin("opt-out", "spring", word)}
        assert messages(log) == 1


async def test_any_other_message_puts_nobody_there_and_the_words_can_be_chosen():
    log = MemoryLog()
    async with serving(log) as (_, session):
        assert await status(session, f"{SAYS}&msg=thanks") == 200
        assert await status(session, f"{SAYS}&msg=T&isems=1&emshead=7,2,1") == 200
    async with serving(log, opt_out_words=["0000"]) as (_, session):
        assert await status(session, f"{SAYS}&msg=TD") == 200
        assert await listed(log) == {}
        assert await status(session, f"{SAYS}&msg=0000") == 200
        assert [origin.why for origin in (await listed(log)).values()] == ["0000"]


@pytest.mark.parametrize("head", ["99999999999999999999999,2,1", "7,99999999999999999999999,1", "7,256,1"])
async def test_a_head_with_numbers_that_cannot_be_makes_a_short_message(head):
    log = MemoryLog()
    async with serving(log) as (_, session):
        assert await status(session, f"{SAYS}&msg=TD&isems=1&emshead={head}") == 200
        (record,) = [decode(stored.value) for stored in log.records["inbound", lane_partition("spring")]]
        assert isinstance(record, Inbound)
        assert (record.part, record.flags) == (None, ("broken-emshead",))
        assert list(await listed(log)) == [N], "it stands alone, so the word counts"


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("good_appends", [0, 1])
async def test_while_the_log_fails_the_vendor_is_told_to_come_again_and_then_all_is_there(written, good_appends):
    log = MemoryLog()
    async with serving(log) as (webhooks, session):
        log.failures += [(None, True)] * good_appends + [(LogTimeout("late"), written)]
        assert await status(session, f"{SAYS}&msg=TD") == 503
        assert await status(session, "healthz") == 503
        assert await status(session, f"{SAYS}&msg=TD") == 200
        assert await status(session, "healthz") == 200
        assert list(await listed(log)) == [N]
        assert messages(log) >= 1
        assert (webhooks.counts.taken, webhooks.counts.log_failed) == (1, 1)


async def test_a_push_that_can_be_kept_nowhere_is_asked_for_again_and_the_health_says_so():
    log = MemoryLog()
    async with serving(log) as (webhooks, session):
        log.failures.append((LogUnavailable("away"), False))
        assert await status(session, f"push/spring/inbound?{PROOF}&mobile={N}") == 503
        assert await status(session, "healthz") == 503
        assert await status(session, f"push/spring/inbound?{PROOF}&mobile={N}") == 400
        assert await status(session, "healthz") == 200
        counts = webhooks.counts
        assert (counts.pushes, counts.junk, counts.dead, counts.log_failed) == (2, 1, 1, 1)


async def test_what_is_polled_goes_the_same_way():
    log = MemoryLog()
    message = Inbound(account="spring", number=str(N), text="TD", to="1069", at_ms=1, received_ms=2000)
    other = Inbound(account="spring", number=str(N + 1), text="hello", to="1069", at_ms=1, received_ms=2000)
    await take_inbound(log, "spring", [message, other], OptOutWords())
    assert list(await listed(log)) == [N]
    assert [decode(stored.value) for stored in log.records["inbound", lane_partition("spring")]] == [message, other]
    await take_inbound(log, "spring", [])
    assert messages(log) == 2


@pytest.mark.parametrize("wanted", [[], ["blacklist"]])
async def test_a_pushed_report_of_a_blacklist_suppresses_only_where_the_configuration_says_so(wanted):
    log = MemoryLog()
    report = f"push/spring/report?{PROOF}&msgid=77&reportTime=1012241002&mobile={N}&status=MBBLACK"
    async with serving(log, suppression={"from_reports": wanted}) as (_, session):
        assert await status(session, report) == 200
        assert await listed(log) == ({N: SuppressionOrigin("report", "spring", "MBBLACK")} if wanted else {})
        assert len(log.records["reports", lane_partition("spring")]) == 1


async def test_pushes_of_many_reports_that_are_read_together_suppress_too():
    log = MemoryLog()
    async with serving(log, suppression={"from_reports": ["no-such-number"]}) as (_, session):
        for at in range(3):
            form = f"rpts={N + at},16,77,20101224100200;{N + 9},DELIVRD,77,20101224100200"
            header = {"Content-Type": "application/x-www-form-urlencoded"}
            async with session.post("push/lists/report", data=form, headers=header) as response:
                assert response.status == 200
        assert {number: origin.why for number, origin in (await listed(log)).items()} == dict.fromkeys(
            range(N, N + 3), "16"
        )
