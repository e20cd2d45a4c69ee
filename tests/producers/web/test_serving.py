"""Sites on one server: each answers its paths, and streamed answers last as long as their client reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from dispatcher.config.file import parse
from producers.web.answers import ReadyAnswer
from producers.web.server import ServerBounds
from producers.web.serving import Web
from producers.web.site import Answer, Head, Incoming, Streamed
from tests.producers.web.web_clients import HOST, Client, SteppedLoop, until

PIECE = b"x" * 10_000


class NamedSite:
    """Answers with its name; `/NAME/ticks` streams a tick whenever `tick` is set, `/NAME/flood` without end."""

    def __init__(self, *roots: str) -> None:
        self.roots = roots
        self.tick = asyncio.Event()
        self.pieces = 0
        self.under_way = 0
        self.closed = False
        self.seen: list[Head] = []

    def proves(self, head: Head, address: str) -> bool:
        self.seen.append(head)
        return True

    async def handle(self, incoming: Incoming) -> Answer:
        kind = incoming.path.rpartition("/")[2]
        if kind in ("ticks", "flood", "fails", "three"):
            return Streamed(
                pieces=self._pieces(kind),
                content_type="text/event-stream",
                caller=incoming.query.decode(),
                headers={"X-Site": "yes"},
            )
        return ReadyAnswer(200, self.roots[0].encode(), "text/plain")

    async def close(self) -> None:
        self.closed = True

    async def _pieces(self, kind: str) -> AsyncGenerator[bytes, None]:
        self.under_way += 1
        try:
            while self.pieces < 3 or kind != "three":
                if kind == "ticks":
                    await self.tick.wait()
                    self.tick.clear()
                self.pieces += 1
                yield PIECE if kind == "flood" else b"tick\n"
                if kind == "fails":
                    raise ZeroDivisionError
        finally:
            self.under_way -= 1


@asynccontextmanager
async def serving(*sites: NamedSite, **bounds: Any) -> AsyncIterator[tuple[Web, Any]]:
    web = Web(parse({"web": {"listen": "127.0.0.1:0"}}, "dispatcher.toml"))
    web.server.bounds = ServerBounds(**{"linger_s": 0.1} | bounds)
    web.server._sweep_s = 0.01
    for site in sites:
        web.add(site)
    await web.listen()
    clients: list[Client] = []

    async def client(path: str, method: str = "GET") -> Client:
        port = int(web.url.rpartition(":")[2])
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        clients[-1].send(f"{method} {path} HTTP/1.1\r\n".encode() + HOST + b"\r\n")
        return clients[-1]

    yield web, client
    await web.close()
    for each in clients:
        each.writer.close()
    await until(lambda: not web.server.connections)
    assert [site.closed for site in sites] == [True] * len(sites)
    assert [site.under_way for site in sites] == [0] * len(sites)
    assert web.server.counts.streams == 0
    assert web.server.budget.used == 0


@pytest.mark.parametrize(
    ("path", "root"), [("/push", "push"), ("/push/a", "push"), ("/v1/a", "v1"), ("/", ""), ("/pushed", ""), ("/v2", "")]
)
async def test_each_path_is_answered_by_the_site_of_its_root(path, root):
    async with serving(NamedSite("push"), NamedSite("v1"), NamedSite("")) as (_, client):
        answer = await (await client(path)).head()
        assert f"Content-Length: {len(root)}\r\n".encode() in answer


async def test_a_path_of_no_site_is_answered_with_404_and_counted():
    async with serving(NamedSite("push")) as (web, client):
        assert (await (await client("/")).head()).startswith(b"HTTP/1.1 404 ")
        assert web.server.counts.unknown_path == 1


async def test_a_streamed_answer_is_written_as_it_is_made_and_has_an_end():
    site = NamedSite("a")
    async with serving(site) as (web, client):
        reader = await client("/a/ticks")
        head = await reader.head()
        assert b"Content-Type: text/event-stream\r\n" in head
        assert b"X-Site: yes\r\n" in head
        for _ in range(3):
            site.tick.set()
            await reader.gets(b"5\r\ntick\n\r\n")
        whole = await client("/a/three")
        await whole.head()
        await whole.gets(b"0\r\n\r\n")
        whole.send(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await whole.head()).startswith(b"HTTP/1.1 200 ")
        assert (web.server.counts.streams, web.server.counts.streams_cut) == (1, 0)


async def test_a_head_request_for_a_stream_gets_its_head_alone():
    site = NamedSite("a")
    async with serving(site) as (_, client):
        reader = await client("/a/flood", "HEAD")
        assert b"X-Site: yes\r\n" in await reader.head()
        reader.send(b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n")
        assert (await reader.head()).startswith(b"HTTP/1.1 200 ")
        assert site.pieces == 0


async def test_a_stream_that_waits_outlasts_every_bound_on_idle_connections():
    site = NamedSite("a")
    async with serving(site, idle_s=0.02, stranger_idle_s=0.02, write_s=0.02, head_s=0.02) as (_, client):
        reader = await client("/a/ticks")
        await reader.head()
        await asyncio.sleep(0.2)
        site.tick.set()
        await reader.gets(b"5\r\ntick\n\r\n")


async def test_a_client_that_reads_nothing_is_cut_and_little_is_made_for_it():
    site = NamedSite("a")
    async with serving(site, write_s=0.1) as (web, client):
        await client("/a/flood")
        await until(lambda: site.pieces > 0)
        await until(lambda: web.server.counts.streams_cut == 1)
        assert site.under_way == 0
        assert site.pieces * len(PIECE) < 50_000_000  # what both sockets hold, not what the site could make


async def test_a_slow_client_that_reads_on_is_not_cut():
    site = NamedSite("a")
    async with serving(site, write_s=0.3) as (web, client):
        loop, reader = SteppedLoop(web.server), await client("/a/flood")
        read = 0
        async with asyncio.timeout(60):
            while read < 100 * len(PIECE):
                read += len(await reader.reader.read(65_536))
                await loop.passes(0.02)
        assert web.server.counts.streams_cut == 0


async def test_a_stream_ends_when_its_client_leaves():
    site = NamedSite("a")
    async with serving(site) as (web, client):
        reader = await client("/a/ticks")
        await reader.head()
        reader.writer.transport.abort()
        await until(lambda: site.under_way == 0 and web.server.counts.streams_cut == 1)


@pytest.mark.parametrize("kind", ["fails", "ticks"])
async def test_a_stream_that_ends_early_has_no_end_of_chunks(kind):
    site = NamedSite("a")
    async with serving(site) as (web, client):
        reader = await client(f"/a/{kind}")
        await reader.head()
        if kind == "ticks":
            await web.close()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.reader.readuntil(b"0\r\n\r\n")


async def test_no_more_streams_than_the_bound_are_under_way():
    site = NamedSite("a")
    async with serving(site, streams_max=1) as (_, client):
        await (await client("/a/ticks")).head()
        assert (await (await client("/a/ticks")).head()).startswith(b"HTTP/1.1 503 ")


async def test_one_caller_has_a_share_of_the_streams_and_gets_it_back():
    site = NamedSite("a")
    async with serving(site, streams_per_caller_max=1) as (web, client):
        first = await client("/a/ticks?ann")
        assert (await first.head()).startswith(b"HTTP/1.1 200 ")
        assert (await (await client("/a/ticks?ann")).head()).startswith(b"HTTP/1.1 429 ")
        assert (await (await client("/a/ticks?bob")).head()).startswith(b"HTTP/1.1 200 ")
        first.writer.transport.abort()
        await until(lambda: not web.server.has_its_streams("ann"))
        assert (await (await client("/a/ticks?ann")).head()).startswith(b"HTTP/1.1 200 ")


async def test_a_site_sees_the_first_bytes_of_a_stranger_when_strangers_wait():
    site = NamedSite("a")
    async with serving(site) as (web, client):
        assert web._proves(b"POST http://x/a/b?c=d HTTP/1.1\r\nAuthorization: e\r\n", "192.0.2.1")
        assert not web._proves(b"POST /b HTTP/1.1\r\n", "192.0.2.1")
        assert not web._proves(b"\x16\x03\x01", "192.0.2.1")
        [head] = site.seen
        assert (head.method, head.path, head.query) == ("POST", "/a/b", b"c=d")
        assert b"Authorization: e" in head.first
        await (await client("/a")).head()
