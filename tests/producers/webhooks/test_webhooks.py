"""The webhooks on a real log and real sockets: answered when durable, counted always, bounded everywhere."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
import pytest
import structlog
from yarl import URL

from dispatcher.config.file import Config, parse
from dispatcher.errors import ConfigError, LogFull, LogTimeout, LogUnavailable, PortInUse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.seam.vendor import Push, Secret
from producers.webhooks.server import Webhooks, serve_webhooks
from schemas.codec import decode
from schemas.records import Dead, Inbound, Reports
from schemas.topics import DEAD, INBOUND, REPORTS, lane_partition

SECRET = "p/ss w0rd"
ACCOUNT = {"vendor": "batch-a", "url": "http://127.0.0.1:1", "account": "demo", "pswd": "demo"}
OPEN = {"push_open": True}
GUARD = {"receiver": "admin", "push_pswd": SECRET}
PROOF = "receiver=admin&pswd=p%2Fss+w0rd"
REPORT = f"{PROOF}&msgid=77&reportTime=1012241002&mobile=13800138000&status=DELIVRD"
INBOUND_FORM = f"{PROOF}&moTime=1012241002&destcode=10657&mobile=8613800138000&msg=%E9%80%80%E8%AE%A2"
AT_S = 1_293_156_120


def config(**web: Any) -> Config:
    """Three accounts: `spring` asks for a secret, `open` does not, `lists` gets many reports in one push."""
    lists = {"vendor": "hezhong", "url": "http://127.0.0.1:1", "userid": "1", "username": "demo", "password": "demo"}
    accounts = {"spring": ACCOUNT | GUARD, "open": ACCOUNT | OPEN, "lists": lists | OPEN}
    return parse({"web": {"listen": "127.0.0.1:0"} | web, "account": accounts}, "dispatcher.toml")


class FaultyLog:
    """A real log whose appends can be held back, or fail."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.appends: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failure: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        self.appends.append(len(entries))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return await self._log.append(topic, partition, entries)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Any]:
    opened = await open_log(f"sqlite:{tmp_path / 'log.db'}")
    yield FaultyLog(opened)
    await opened.close()


@asynccontextmanager
async def serving(log: Any, **web: Any) -> AsyncIterator[tuple[Webhooks, aiohttp.ClientSession]]:
    webhooks = await serve_webhooks(config(**web), log)
    async with aiohttp.ClientSession(webhooks.url + "/", connector=aiohttp.TCPConnector(limit=0)) as session:
        yield webhooks, session
    await webhooks.close()


async def pushed(session: aiohttp.ClientSession, path: str, method: str = "GET", **how: Any) -> tuple[int, bytes]:
    async with session.request(method, path, **how) as response:
        return response.status, await response.read()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


async def records(log: Any, topic: str, account: str = "spring") -> list[Any]:
    return [decode(record.value) for record in await log.read(topic, lane_partition(account), 0)]


def rows(reports: Reports) -> list[tuple[str, int, int, str, int]]:
    """The columns as rows: (vendor id, number, state, code, time)."""
    ids = [reports.ids[at] for at in np.frombuffer(reports.id_index, "<u4")]
    codes = [reports.codes[at] for at in np.frombuffer(reports.code_index, "<u2")]
    numbers = np.frombuffer(reports.numbers, "<i8").tolist()
    times = np.frombuffer(reports.times, "<u4").tolist()
    return list(zip(ids, numbers, list(reports.states), codes, times, strict=True))


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WAYS = [
    ("GET", f"?{REPORT}", {}),
    ("POST", "", {"data": REPORT, "headers": FORM}),
    ("POST", f"?{PROOF}", {"data": REPORT.removeprefix(PROOF), "headers": FORM}),
    ("GET", f"/?{REPORT}", {}),
]


@pytest.mark.parametrize(("method", "query", "how"), WAYS)
async def test_a_report_is_durable_on_the_accounts_partition_when_it_is_answered(log, method, query, how):
    async with serving(log) as (webhooks, session):
        assert await pushed(session, f"push/spring/report{query}", method, **how) == (200, b"")
        (record,) = await records(log, REPORTS.name)
        assert isinstance(record, Reports)
        assert record.account == "spring"
        assert rows(record) == [("77", 13_800_138_000, 1, "DELIVRD", AT_S)]
        assert (webhooks.counts.taken, webhooks.counts.reports, webhooks.counts.pushes) == (1, 1, 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_message_from_a_phone_is_durable_when_it_is_answered(log, method):
    how: dict[str, Any] = {"data": INBOUND_FORM, "headers": FORM} if method == "POST" else {}
    query = "" if how else f"?{INBOUND_FORM}"
    async with serving(log) as (webhooks, session):
        assert await pushed(session, f"push/spring/inbound{query}", method, **how) == (200, b"")
        (record,) = await records(log, INBOUND.name)
        assert isinstance(record, Inbound)
        assert (record.account, record.number, record.text, record.to) == ("spring", "13800138000", "退订", "10657")
        assert record.at_ms == AT_S * 1000
        assert (webhooks.counts.taken, webhooks.counts.inbound) == (1, 1)


async def test_nothing_is_answered_before_the_log_has_it_and_those_who_come_meanwhile_share_the_next_append(log):
    async with serving(log) as (webhooks, session):
        log.gate.clear()
        path = f"push/spring/report?{REPORT}"
        asked = [asyncio.create_task(pushed(session, path.replace("=77", f"={number}"))) for number in range(40)]
        await until(lambda: webhooks.counts.waiting == 40)
        assert not any(task.done() for task in asked)
        log.gate.set()
        assert {status for status, _ in await asyncio.gather(*asked)} == {200}
        stored = await records(log, REPORTS.name)
        assert len(log.appends) == len(stored) <= 3
        assert sorted(int(row[0]) for record in stored for row in rows(record)) == list(range(40))


@pytest.mark.parametrize("failure", [LogFull("the disk is full"), LogTimeout("late"), LogUnavailable("away")])
async def test_a_log_that_fails_is_answered_with_503_so_that_the_vendor_pushes_again(log, failure):
    async with serving(log) as (webhooks, session):
        log.failure = failure
        assert (await pushed(session, f"push/spring/report?{REPORT}"))[0] == 503
        assert (await pushed(session, "healthz"))[0] == 503
        log.failure = None
        assert (await pushed(session, f"push/spring/report?{REPORT}"))[0] == 200
        assert (await pushed(session, "healthz"))[0] == 200
        counts = webhooks.counts
        assert (counts.log_failed, counts.taken, counts.waiting) == (1, 1, 0)
        assert len(await records(log, REPORTS.name)) == 1


async def test_a_log_that_breaks_in_another_way_leaves_no_caller_waiting(log):
    async with serving(log) as (webhooks, session):
        log.failure = ValueError("a mistake of ours")
        assert (await pushed(session, f"push/spring/report?{REPORT}"))[0] == 500
        log.failure = None
        assert (await pushed(session, f"push/spring/report?{REPORT}"))[0] == 200
        assert (webhooks.counts.our_fault, webhooks.counts.taken, webhooks.counts.waiting) == (1, 1, 0)


async def test_reports_of_two_accounts_go_to_their_own_partitions(log):
    async with serving(log) as (_, session):
        for account in ("spring", "open"):
            assert (await pushed(session, f"push/{account}/report?{REPORT}"))[0] == 200
        for account in ("spring", "open"):
            assert [record.account for record in await records(log, REPORTS.name, account)] == [account]


REFUSED = [
    # name, method, path, data, status, counter, dead letters
    ("a stranger",         "GET", f"push/spring/report?{REPORT}".replace("w0rd", "x"), None, 403, "strangers", 0),
    ("no secret",          "GET", f"push/spring/report?{REPORT}".replace("pswd", "p"), None, 403, "strangers", 0),
    ("junk, proved",       "GET", f"push/spring/report?{PROOF}&msgid=1", None, 400, "junk", 1),
    ("junk, not proved",   "GET", "push/open/report?msgid=1", None, 400, "junk", 0),
    ("an inbound, proved", "GET", f"push/spring/inbound?{PROOF}", None, 400, "junk", 1),
    ("junk, nothing to prove", "GET", "push/lists/report?rpts=x", None, 400, "junk", 1),
    ("nothing",            "POST", "push/open/report",                                  b"",  400, "junk", 0),
    ("binary",             "POST", f"push/spring/report?{PROOF}",      bytes(range(256)), 400, "junk", 1),
    ("an unknown account", "GET", f"push/summer/report?{REPORT}", None, 404, "unknown_path", 0),
    ("an unknown kind",    "GET", f"push/spring/history?{REPORT}", None, 404, "unknown_path", 0),
    ("no account",         "GET", "push", None, 404, "unknown_path", 0),
    ("another method",     "DELETE", f"push/spring/report?{REPORT}", None, 405, "wrong_method", 0),
    ("too large",          "POST", "push/spring/report",                   b"x" * 5_000, 413, "too_large", 0),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "data", "status", "counter", "dead"),
    [row[1:] for row in REFUSED],
    ids=[row[0] for row in REFUSED],
)
async def test_what_is_no_push_gets_its_status_and_its_counter(log, method, path, data, status, counter, dead):
    async with serving(log, body_bytes_max=4_000) as (webhooks, session):
        url = URL(f"{webhooks.url}/{path}", encoded=True)
        async with session.request(method, url, data=data, headers=FORM if data else None) as response:
            assert response.status == status
        assert getattr(webhooks.counts, counter) == 1
        assert webhooks.counts.taken == 0
        assert webhooks.counts.dead == dead
        assert dead == sum([len(await records(log, DEAD.name, account)) for account in ("spring", "open", "lists")])
        assert await records(log, REPORTS.name) == []


LIST = "rpts=13800138000,DELIVRD,77,20101224100200;oops;13800138001,DELIVRD,77,20101224100200"


async def test_of_a_push_of_many_what_can_be_read_is_taken_and_the_rest_is_kept(log):
    async with serving(log) as (webhooks, session):
        assert await pushed(session, "push/lists/report", "POST", data=LIST, headers=FORM) == (200, b"")
        (record,) = await records(log, REPORTS.name, "lists")
        assert [row[1] for row in rows(record)] == [13_800_138_000, 13_800_138_001]
        (letter,) = await records(log, DEAD.name, "lists")
        assert letter.body == b"oops"
        assert "1 entry" in letter.why
        counts = webhooks.counts
        assert (counts.taken, counts.reports, counts.left_over, counts.dead, counts.junk) == (1, 2, 1, 1, 0)


async def test_what_could_not_be_kept_is_not_answered_as_safe(log):
    async with serving(log) as (webhooks, session):
        log.failure = LogUnavailable("away")
        assert (await pushed(session, "push/lists/report", "POST", data=LIST, headers=FORM))[0] == 503
        log.failure = None
        assert (await pushed(session, "push/lists/report", "POST", data=LIST, headers=FORM))[0] == 200
        counts = webhooks.counts
        assert (counts.log_failed, counts.taken, counts.reports, counts.left_over) == (1, 1, 2, 1)


async def test_a_body_without_a_length_is_bounded_too(log):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000

    async with serving(log, body_bytes_max=4_000) as (webhooks, session):
        assert (await pushed(session, "push/spring/report", "POST", data=endless()))[0] == 413
        assert webhooks.counts.too_large == 1


async def test_a_header_that_never_ends_is_refused(log):
    async with serving(log) as (webhooks, session):
        assert (await pushed(session, f"push/spring/report?{REPORT}&x={'x' * 70_000}"))[0] == 431
        assert (webhooks.counts.taken, webhooks.connections.malformed) == (0, 1)


async def test_a_dead_letter_says_what_came_and_why_without_the_secret(log):
    async with serving(log) as (_, session):
        body = f"pswd={SECRET.replace(' ', '+')}&pswd={SECRET}&mobile=1"
        await pushed(session, f"push/spring/report?{PROOF}", "POST", data=body, headers=FORM)
        await pushed(session, f"push/spring/report?{PROOF}&msgid=5&mobile=13800138000")
    letters = [letter for letter in await records(log, DEAD.name) if isinstance(letter, Dead)]
    assert [letter.path for letter in letters] == ["/push/spring/report"] * len(letters)
    assert "status" in letters[-1].why
    assert b"msgid=5" in letters[-1].body
    for letter in letters:
        for form in (SECRET.encode(), b"p%2Fss+w0rd", b"p%2Fss%20w0rd", b"p/ss+w0rd"):
            assert form not in letter.body


async def test_a_push_our_code_cannot_read_is_kept_and_asked_for_again(log):
    class Broken(BatchA, frozen=True, kw_only=True, tag="broken"):
        def report_push(self, push: Push) -> Any:
            return [][0]

    spring = Broken(url="http://127.0.0.1:1", account="demo", pswd=Secret("demo"))
    webhooks = await serve_webhooks(msgspec.structs.replace(config(), accounts={"spring": spring}), log)
    async with aiohttp.ClientSession(webhooks.url + "/") as session:
        assert (await pushed(session, f"push/spring/report?{REPORT}"))[0] == 500
    await webhooks.close()
    assert (webhooks.counts.our_fault, webhooks.counts.dead) == (1, 1)
    (letter,) = await records(log, DEAD.name)
    assert b"msgid=77" in letter.body


async def test_a_dead_letter_is_bounded(log):
    async with serving(log) as (_, session):
        await pushed(session, f"push/spring/report?{PROOF}", "POST", data="x=" + "x" * 200_000, headers=FORM)
    (letter,) = await records(log, DEAD.name)
    assert len(letter.body) == 65_536


async def test_pushes_above_the_rate_are_refused_and_counted(log):
    async with serving(log, pushes_per_s_max=5) as (webhooks, session):
        path = f"push/spring/report?{REPORT}"
        statuses = [status for status, _ in await asyncio.gather(*(pushed(session, path) for _ in range(40)))]
        assert set(statuses) == {200, 429}
        assert webhooks.counts.too_fast == statuses.count(429) >= 20
        assert webhooks.counts.taken == statuses.count(200)


async def test_no_more_pushes_wait_for_the_log_than_allowed(log):
    async with serving(log, waiting_max=10) as (webhooks, session):
        log.gate.clear()
        asked = [asyncio.create_task(pushed(session, f"push/spring/report?{REPORT}")) for _ in range(30)]
        await until(lambda: webhooks.counts.waiting + webhooks.counts.too_many == 30)
        log.gate.set()
        statuses = [status for status, _ in await asyncio.gather(*asked)]
        assert (statuses.count(200), statuses.count(503)) == (10, 20)
        assert (webhooks.counts.too_many, webhooks.counts.waiting) == (20, 0)


async def test_one_vendors_flood_is_refused_and_no_other_vendors_pushes(log):
    async with serving(log, waiting_max=10, pushes_per_s_max=100) as (webhooks, session):
        log.gate.clear()
        flood = [asyncio.create_task(pushed(session, f"push/spring/report?{REPORT}")) for _ in range(150)]
        await until(lambda: webhooks.counts.too_many + webhooks.counts.too_fast == 140)
        others = [f"push/spring/inbound?{INBOUND_FORM}", f"push/open/report?{REPORT}"]
        asked = [asyncio.create_task(pushed(session, path)) for path in others]
        await until(lambda: webhooks.counts.waiting == 12)
        log.gate.set()
        assert [status for status, _ in await asyncio.gather(*asked)] == [200, 200]
        assert [status for status, _ in await asyncio.gather(*flood)].count(200) == 10
        assert webhooks.counts.waiting == 0


async def test_a_vendor_that_hangs_up_while_waiting_does_not_disturb_the_others(log):
    async with serving(log) as (webhooks, session):
        log.gate.clear()
        path = f"push/spring/report?{REPORT}"
        asked = [asyncio.create_task(pushed(session, path)) for _ in range(10)]
        await until(lambda: webhooks.counts.waiting == 10)
        for task in asked[:5]:
            task.cancel()
        await asyncio.sleep(0.05)
        log.gate.set()
        answers = await asyncio.gather(*asked[5:])
        assert {status for status, _ in answers} == {200}
        assert sum(len(record.states) for record in await records(log, REPORTS.name)) == 10


async def test_closing_answers_what_is_waiting_for_the_log(log):
    webhooks = await serve_webhooks(config(), log)
    async with aiohttp.ClientSession(webhooks.url + "/") as session:
        log.gate.clear()
        asked = asyncio.create_task(pushed(session, f"push/spring/report?{REPORT}"))
        await until(lambda: webhooks.counts.waiting == 1)
        closing = asyncio.create_task(webhooks.close())
        await asyncio.sleep(0.05)
        log.gate.set()
        assert (await asked)[0] == 200
        await closing


async def test_pushes_may_follow_each_other_without_waiting_for_answers(log):
    async with serving(log) as (webhooks, _):
        port = int(webhooks.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(20):
            writer.write(f"GET /push/spring/report?{REPORT}{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for _ in range(20):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
        assert webhooks.counts.reports == 20


@pytest.mark.parametrize(("charset", "flags"), [("utf-8", ()), ("gbk", ("gbk",))])
async def test_a_text_that_stands_in_the_query_as_it_is_comes_through(log, charset, flags):
    async with serving(log) as (webhooks, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(webhooks.url.rpartition(":")[2]))
        path = f"/push/spring/inbound?{PROOF}&moTime=1012241002&destcode=10657&mobile=13800138000&msg=退订".encode(
            charset
        )
        for _ in range(2):  # on the same connection
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writer.close()
    assert [(said.text, said.flags) for said in await records(log, INBOUND.name)] == [("退订", flags)] * 2


async def test_texts_as_they_are_come_through_in_pushes_that_follow_each_other_however_they_are_cut(log):
    said = ["退订", "td", "中国移动", "好"]
    form = f"/push/spring/inbound?{PROOF}&moTime=1012241002&destcode=10657&mobile=13800138000&msg="
    stream = b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % (form + text).encode() for text in said)
    async with serving(log) as (webhooks, _):
        port = int(webhooks.url.rpartition(":")[2])
        for size in (1, 7, 100, len(stream)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for at in range(0, len(stream), size):
                writer.write(stream[at : at + size])
                await asyncio.sleep(0)
            for _ in said:
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writer.close()
    assert [each.text for each in await records(log, INBOUND.name)] == said * 4


async def test_a_push_whose_rest_never_comes_is_counted_and_so_is_what_is_no_http(log):
    async with serving(log) as (webhooks, _):
        port = int(webhooks.url.rpartition(":")[2])
        for sent in (b"POST /push/spring/report HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nmsg", b"\x16\x03\x01"):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.close()
        counts = webhooks.counts
        await until(lambda: counts.broken_off + webhooks.connections.malformed == 2)
        assert (counts.pushes, counts.broken_off, webhooks.connections.malformed, counts.waiting) == (1, 1, 1, 0)


async def test_what_a_body_holds_is_not_touched(log):
    async with serving(log) as (_, session):
        form = f"{PROOF}&moTime=1012241002&destcode=10657&mobile=13800138000&msg=GET /push/退订 HTTP/1.1".encode()
        status, _ = await pushed(session, "push/spring/inbound", "POST", data=form, headers=FORM)
        assert status == 200
    [said] = await records(log, INBOUND.name)
    assert said.text == "GET /push/退订 HTTP/1.1"


async def test_a_client_that_expects_100_continue_gets_it(log):
    async with serving(log) as (webhooks, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", int(webhooks.url.rpartition(":")[2]))
        head = f"POST /push/spring/report HTTP/1.1\r\nHost: x\r\nContent-Length: {len(REPORT)}\r\n"
        writer.write(f"{head}Content-Type: {FORM['Content-Type']}\r\nExpect: 100-Continue\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(REPORT.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        assert webhooks.counts.reports == 1


async def test_health_tells_the_counts(log):
    async with serving(log) as (_, session):
        await pushed(session, f"push/spring/report?{REPORT}")
        status, body = await pushed(session, "healthz")
        answer = msgspec.json.decode(body)
        assert (status, answer["status"], answer["counts"]["reports"]) == (200, "ok", 1)


async def test_a_port_in_use_is_said_in_a_sentence(log):
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        with pytest.raises(PortInUse, match=r"in use.*\[web\] listen"):
            await serve_webhooks(config(listen=f"127.0.0.1:{held.getsockname()[1]}"), log)


@pytest.mark.parametrize("listen", ["8080", ":8080", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000", "192.0.2.1:0"])
async def test_an_address_that_cannot_be_is_said_in_a_sentence(log, listen):
    with pytest.raises(ConfigError, match="listen"):
        await serve_webhooks(config(listen=listen), log)


async def test_no_secret_number_or_query_is_logged(log):
    with structlog.testing.capture_logs() as lines:
        async with serving(log) as (_, session):
            for query in (REPORT, REPORT.replace("w0rd", "wrong"), f"{PROOF}&mobile=13800138000"):
                await pushed(session, f"push/spring/report?{query}")
    assert lines
    for word in ("13800138000", "ss", "w0rd", "wrong&", "mobile="):
        assert word not in repr([{k: v for k, v in line.items() if k != "why"} for line in lines])


async def test_a_flood_of_junk_is_one_line_a_second_not_thousands(log):
    with structlog.testing.capture_logs() as lines:
        async with serving(log) as (webhooks, session):
            for _ in range(100):
                await pushed(session, "push/spring/report?x=1")
            assert webhooks.counts.strangers == 100
    assert 1 <= len(lines) <= 20
