"""Who may push is judged before anything is read, and strangers cost no vendor anything."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import structlog

from dispatcher.config.file import Config, parse
from dispatcher.errors import ConfigError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from producers.webhooks.endpoint import KEPT_OF_STRANGERS_MAX
from producers.webhooks.server import PROOF_BYTES_MAX, Webhooks, serve_webhooks
from schemas.topics import DEAD, lane_partition

URL = {"url": "http://127.0.0.1:1"}
KEYED = URL | {"vendor": "hezhong", "userid": "1", "username": "demo", "password": "demo", "push_key": "a-key-of-ours"}
FORM = URL | {"vendor": "batch-a", "account": "demo", "pswd": "demo", "receiver": "admin", "push_pswd": "known to us"}
OPEN = URL | {"vendor": "hezhong", "userid": "1", "username": "demo", "password": "demo", "push_open": True}
LOCAL = URL | {"vendor": "cosms", "corp_id": "1", "login_name": "D", "password": "demo", "push_from": ["127.0.0.0/8"]}
REMOTE = LOCAL | {"push_from": ["203.0.113.7"]}

PROOF = "receiver=admin&pswd=known+to+us"
REPORT = "msgid=7&reportTime=1012241002&mobile=13800138000&status=DELIVRD"
RPTS = "rpts=13800138000,DELIVRD,77,20101224100200"


def config(accounts: dict[str, Any] | None = None, **web: Any) -> Config:
    every = {"keyed": KEYED, "form": FORM, "open": OPEN, "local": LOCAL, "remote": REMOTE}
    return parse({"web": {"listen": "127.0.0.1:0"} | web, "account": accounts or every}, "dispatcher.toml")


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    opened = await open_log(f"sqlite:{tmp_path / 'log.db'}")
    yield opened
    await opened.close()


@asynccontextmanager
async def serving(log: Log, **web: Any) -> AsyncIterator[tuple[Webhooks, aiohttp.ClientSession]]:
    webhooks = await serve_webhooks(config(**web), log)
    async with aiohttp.ClientSession(webhooks.url + "/", connector=aiohttp.TCPConnector(limit=0)) as session:
        yield webhooks, session
    await webhooks.close()


async def asked(webhooks: Webhooks, head: str, body: bytes = b"") -> bytes:
    """The head of the answer to a request of which no more is sent than this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(webhooks.url.rpartition(":")[2]))
    writer.write(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
    async with asyncio.timeout(60):
        answer = await reader.readuntil(b"\r\n\r\n")
    writer.close()
    return answer


LENGTH = "\nContent-Length: 30000"
JUDGED = [
    # name, request line and headers, the answer, what is counted
    ("a wrong key",          "POST /push/keyed/report?key=another-key HTTP/1.1", LENGTH, 403, "strangers"),
    ("no key",               "POST /push/keyed/report HTTP/1.1", LENGTH, 403, "strangers"),
    ("a wrong password",     "POST /push/form/report?receiver=admin&pswd=x HTTP/1.1", LENGTH, 403, "strangers"),
    ("another address",      "POST /push/remote/report HTTP/1.1", LENGTH, 403, "strangers"),
    ("an unknown account",   "POST /push/summer/report HTTP/1.1", LENGTH, 404, "unknown_path"),
    ("another method",       "PUT /push/open/report HTTP/1.1", LENGTH, 405, "wrong_method"),
    ("too large",            f"POST /push/form/report?{PROOF} HTTP/1.1", "\nContent-Length: 50000", 413, "too_large"),
    ("too large to look for the secret", "POST /push/form/report HTTP/1.1", f"\nContent-Length: {PROOF_BYTES_MAX + 1}",
     413, "too_large"),
    ("chunks and no secret", "POST /push/keyed/report HTTP/1.1", "\nTransfer-Encoding: chunked", 403, "strangers"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "headers", "status", "counter"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED]
)
async def test_what_is_refused_is_refused_before_its_body_comes(log, line, headers, status, counter):
    async with serving(log, body_bytes_max=40_000 if "50000" in headers else 1_048_576) as (webhooks, _):
        answer = await asked(webhooks, f"{line}\nHost: x{headers}")
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"Connection: close" in answer
        assert getattr(webhooks.counts, counter) == 1
        assert webhooks.counts.taken == 0


async def test_a_vendor_that_is_too_fast_is_told_before_the_body_comes(log):
    async with serving(log, pushes_per_s_max=1, waiting_max=1) as (webhooks, _):
        head = f"POST /push/form/report?{PROOF} HTTP/1.1\nHost: x{LENGTH}"
        waits = [asyncio.create_task(asked(webhooks, head)) for _ in range(20)]
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        assert all(task.result().startswith(b"HTTP/1.1 429 ") for task in done)
        for task in waits:
            task.cancel()


async def test_the_secret_may_come_in_the_form_and_the_forms_counts(log):
    async with serving(log) as (webhooks, session):
        for query, body, status in [
            ("", f"{PROOF}&{REPORT}", 200),
            ("", f"receiver=admin&pswd=x&{REPORT}", 403),
            ("", REPORT, 403),
            ("receiver=admin", f"pswd=known+to+us&{REPORT}", 200),
            (PROOF, f"pswd=x&{REPORT}", 403),
        ]:
            async with session.post(f"push/form/report?{query}", data=body.encode()) as response:
                assert (query, response.status) == (query, status)
        async with session.get(f"push/form/report?{REPORT}") as response:
            assert response.status == 403
        assert (webhooks.counts.taken, webhooks.counts.strangers) == (2, 4)


async def test_what_strangers_push_does_not_count_for_the_vendors_rate(log):
    async with serving(log, pushes_per_s_max=3, waiting_max=3) as (webhooks, session):
        for _ in range(50):
            async with session.get(f"push/form/report?receiver=admin&pswd=x&{REPORT}") as response:
                assert response.status == 403
            async with session.post("push/form/report", data=b"pswd=x") as response:
                assert response.status == 403
        async with session.get(f"push/form/report?{PROOF}&{REPORT}") as response:
            assert response.status == 200
        assert (webhooks.counts.strangers, webhooks.counts.too_fast, webhooks.counts.taken) == (100, 0, 1)


async def test_a_form_of_ten_thousand_fields_is_read_no_further_than_its_first_ones(log):
    fields = "&".join(f"f{number}=1" for number in range(10_000)).encode()
    async with serving(log) as (_, session):
        async with session.post(f"push/form/report?{PROOF}", data=fields + b"&" + REPORT.encode()) as response:
            assert response.status == 400
        async with session.post(f"push/form/report?{PROOF}", data=REPORT.encode() + b"&" + fields) as response:
            assert response.status == 200


def packed(body: bytes) -> bytes:
    packer = zlib.compressobj(level=9, wbits=zlib.MAX_WBITS + 16)
    return packer.compress(body) + packer.flush()


LIST = RPTS.encode() + b"".join(b";138%08d,DELIVRD,78,20101224100200" % number for number in range(500))
LONG = RPTS.encode() + b"".join(b";138%08d,DELIVRD,78,20101224100200" % number for number in range(40_000))
PACKED = [
    ("a list", LIST, 200),
    ("a bomb", b"rpts=" + b"1" * 1_000_000, 413),
    (
        "more than a body may have",
        RPTS.encode() + b"".join(b";138%08d,OK,7,20101224100200" % n for n in range(40_000)),
        413,
    ),
]


@pytest.mark.parametrize(("body", "status"), [row[1:] for row in PACKED], ids=[row[0] for row in PACKED])
async def test_a_packed_body_is_bounded_in_ratio_and_in_size(log, body, status):
    async with serving(log) as (webhooks, session):
        sent = packed(body)
        headers = {"Content-Encoding": "gzip"}
        async with session.post("push/keyed/report?key=a-key-of-ours", data=sent, headers=headers) as response:
            assert response.status == status
        assert webhooks.counts.too_large == (status == 413)


async def test_an_account_that_anybody_pushes_to_keeps_no_flood_of_dead_letters(log, monkeypatch):
    monkeypatch.setattr("producers.webhooks.server._now_ms", lambda: 1_700_000_000_000)  # all within one second
    async with serving(log) as (webhooks, session):
        statuses = []
        for number in range(KEPT_OF_STRANGERS_MAX + 5):
            async with session.get(f"push/open/report?rpts=oops{number}") as response:
                statuses.append(response.status)
        assert set(statuses) == {400, 429}
        kept = len(await log.read(DEAD.name, lane_partition("open"), 0))
        assert kept == webhooks.counts.dead == statuses.count(400) == KEPT_OF_STRANGERS_MAX


# --- addresses --------------------------------------------------------------------------------------------------------


async def test_behind_a_trusted_proxy_the_clients_address_counts(log):
    path = "push/remote/report?mtID=1&mtReport=0"
    accounts = {"remote": REMOTE}
    for proxies, forwarded, status in [
        (["127.0.0.1"], "203.0.113.7", 200),
        (["127.0.0.1"], "203.0.113.7, 198.51.100.1", 403),
        (["127.0.0.1"], "198.51.100.1, 203.0.113.7", 200),
        (["127.0.0.1"], "", 403),
        ([], "203.0.113.7", 403),
    ]:
        webhooks = await serve_webhooks(config(accounts, trusted_proxies=proxies), log)
        async with aiohttp.ClientSession(webhooks.url + "/") as session:
            headers = {"X-Forwarded-For": forwarded} if forwarded else {}
            async with session.get(path, headers=headers) as response:
                assert (forwarded, response.status) == (forwarded, status)
        await webhooks.close()


# --- health -----------------------------------------------------------------------------------------------------------


async def test_strangers_hear_only_whether_it_is_well(log):
    token = "a-token-that-nobody-guesses"
    accounts = {"form": FORM}
    webhooks = await serve_webhooks(config(accounts, trusted_proxies=["127.0.0.1"], health_token=token), log)
    async with aiohttp.ClientSession(webhooks.url + "/") as session:
        for headers, knows in [
            ({"X-Forwarded-For": "203.0.113.7"}, False),
            ({"X-Forwarded-For": "203.0.113.7", "Authorization": f"Bearer {token}"}, True),
            ({"X-Forwarded-For": "203.0.113.7", "Authorization": "Bearer another"}, False),
            ({}, False),
        ]:
            async with session.get("healthz", headers=headers) as response:
                answer = msgspec.json.decode(await response.read())
                assert answer["status"] == "ok"
                assert ("counts" in answer, "connections" in answer) == (knows, knows)
    await webhooks.close()


async def test_this_machine_hears_everything_but_not_what_came_through_an_unknown_proxy(log):
    async with serving(log) as (_, session):
        async with session.get("healthz") as response:
            answer = msgspec.json.decode(await response.read())
        assert answer["counts"]["taken"] == 0
        assert answer["connections"]["open"] == 1
        for header in ("X-Forwarded-For", "Forwarded", "Via"):
            async with session.get("healthz", headers={header: "x"}) as response:
                assert msgspec.json.decode(await response.read()) == {"status": "ok"}


# --- accounts that anybody can push to --------------------------------------------------------------------------------

BARE = URL | {"vendor": "batch-a", "account": "demo", "pswd": "demo"}


@pytest.mark.parametrize("web", [{"listen": "0.0.0.0:0"}, {"trusted_proxies": ["10.0.0.1"]}], ids=["listens", "proxy"])
async def test_an_account_without_a_secret_is_refused_where_others_reach_it(log, web):
    with pytest.raises(ConfigError, match=r"\[account.bare\] takes pushes from anybody.*push_open = true"):
        await serve_webhooks(config({"bare": BARE}, **web), log)
    for guard in ({"push_open": True}, {"push_from": ["203.0.113.7"]}, {"push_pswd": "secret"}):
        webhooks = await serve_webhooks(config({"bare": BARE | guard}, **web | {"listen": "127.0.0.1:0"}), log)
        await webhooks.close()


async def test_the_start_warns_of_accounts_that_anybody_can_push_to(log):
    for account, web, warned in [
        (BARE, {}, True),
        (BARE | {"push_open": True}, {}, False),
        (BARE | {"push_open": True}, {"trusted_proxies": ["10.0.0.1"]}, True),
        (FORM, {"trusted_proxies": ["10.0.0.1"]}, False),
    ]:
        with structlog.testing.capture_logs() as lines:
            webhooks = await serve_webhooks(config({"bare": account}, **web), log)
            await webhooks.close()
        assert [line["account"] for line in lines if line["event"] == "takes-pushes-from-anybody"] == ["bare"] * warned


@pytest.mark.parametrize("key", ["receiver", "push_pswd"])
def test_an_empty_secret_is_a_mistake(key):
    with pytest.raises(ConfigError, match=f"{key} is empty"):
        config({"form": FORM | {key: ""}})


WRONG = [
    ({"trusted_proxies": ["proxy.example"]}, r'trusted_proxies: "proxy.example" is no address'),
    ({"certificate": "cert.pem"}, "key is missing"),
    ({"key": "key.pem"}, "certificate is missing"),
    ({"health_token": "short"}, "health_token must have at least 16"),
    ({"held_bytes_max": 2_000_000, "body_bytes_max": 3_000_000}, "held_bytes_max must not be less"),
    ({"strangers_share": 0}, "strangers_share"),
    ({"connections_max": 0}, "connections_max"),
]


@pytest.mark.parametrize(("web", "said"), WRONG)
def test_what_is_wrong_in_the_section_is_said_in_a_sentence(web, said):
    with pytest.raises(ConfigError, match=said):
        config({"form": FORM}, **web)
