"""A web server on real sockets with a handler that tests hold back, and raw clients of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from producers.web.answers import ReadyAnswer, Reply
from producers.web.bodies import BodyBroken, BodyTooLarge, NoRoom, read_body
from producers.web.byte_budget import HeldBytes
from producers.web.server import ServerBounds, WebServer

HOST = b"Host: x\r\n"
GET = b"GET /a HTTP/1.1\r\n" + HOST + b"\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

Connect = Callable[[], Coroutine[Any, Any, "Client"]]


def ok(body: bytes = b"ok", *, last: bool = False) -> ReadyAnswer:
    return ReadyAnswer(200, body, "text/plain", last=last)


class Keeper:
    """A handler that reads bodies, and answers once `gate` is open; `/at-once…` is answered without its body."""

    server: WebServer

    def __init__(self, body_bytes_max: int, body_s: float) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.seen: list[str] = []
        self.fails = False
        self._body_bytes_max = body_bytes_max
        self._body_s = body_s

    async def handle(self, request: web.BaseRequest) -> Reply:
        with self.server.budget.hold(stranger=False) as held:
            return Reply(await self._answer(request, held), request)

    async def _answer(self, request: web.BaseRequest, held: HeldBytes) -> ReadyAnswer:
        path, _, query = request.raw_path.partition("?")
        self.seen.append("begun")
        if path.startswith("/at-once"):
            return ok(path.encode(), last=path.endswith("last"))
        if self.fails:
            raise ZeroDivisionError
        try:
            body = await read_body(request, held, bytes_max=self._body_bytes_max, within_s=self._body_s)
        except BodyTooLarge:
            self.seen.append("too large")
            return ReadyAnswer(413, last=True)
        except NoRoom:
            self.seen.append("no room")
            return ReadyAnswer(503, last=True)
        except BodyBroken:
            self.seen.append("broken")
            return ReadyAnswer(400, last=True)
        self.seen.append("whole")
        await self.gate.wait()
        return ok(query.encode() or body or b"ok")


class SteppedLoop:
    """The server's event loop, but its time passes only as the test says."""

    def __init__(self, server: Any) -> None:
        self._server, self._loop = server, server._loop
        self._now_s: float = self._loop.time()
        server._loop = self

    def time(self) -> float:
        return self._now_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def passes(self, for_s: float) -> None:
        """Returns when the server has looked at its connections at that time."""
        self._now_s += for_s
        await until(lambda: self._server.now_s == self._now_s)


class Client:
    """A raw connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def gets(self, data: bytes) -> None:
        """What comes next is this."""
        async with asyncio.timeout(60):
            assert await self.reader.readexactly(len(data)) == data

    async def head(self) -> bytes:
        async with asyncio.timeout(60):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(60):
            return await self.reader.read()


@asynccontextmanager
async def serving(
    *, body_bytes_max: int = 1_048_576, body_s: float = 60.0, **bounds: Any
) -> AsyncIterator[tuple[Keeper, WebServer, Connect]]:
    handler = Keeper(body_bytes_max, body_s)
    bounds = {"linger_s": 0.1, "strangers_share": 100.0} | bounds
    if "idle_s" in bounds:
        bounds["stranger_idle_s"] = bounds["idle_s"]
    server = handler.server = WebServer(handler.handle, ServerBounds(**bounds), sweep_s=0.01)
    port = await server.listen("127.0.0.1", 0)
    clients: list[Client] = []

    async def client() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
        return clients[-1]

    yield handler, server, client
    await server.close(shutdown_s=1)
    for each in clients:
        each.writer.close()
    await until(lambda: not server.connections)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
