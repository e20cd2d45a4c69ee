"""What the simulator's tests share: a vendor with one account, a receiver of its pushes, and `each`.

`each` ties a test to the switch it exercises. Requests are made with an HTTP client or a socket, never with the
dispatcher's own adapter.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, quote

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from loadtest.sim.server import Simulator
from tests.waiting import patience

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NOW = {"report_delay": "fixed", "report_delay_min_s": 0.0}


def each(name: str, cases: Iterable[tuple[Any, Any]]) -> pytest.MarkDecorator:
    """The test runs once per value of the switch (or code, fault, status) `name`: `value`, and what is `expected`.

    test_sim_table.py reads these calls: a value in no `each` is an untested one.
    """
    cases = list(cases)
    return pytest.mark.parametrize(("value", "expected"), cases, ids=[f"{name}={value}"[:40] for value, _ in cases])


class Answer(NamedTuple):
    status: int
    text: str
    headers: dict[str, str]

    @property
    def code(self) -> str:
        return self.text.split("\n")[0].partition(",")[2].strip()


@dataclass
class Vendor:
    """A running simulator with an HTTP client."""

    sim: Simulator
    http: aiohttp.ClientSession

    async def send(self, **parameters: Any) -> Answer:
        """POST HttpBatchSendSM; None leaves a parameter out."""
        return await self.call("/msg/HttpBatchSendSM", self.form(**parameters))

    async def balance(self, **parameters: Any) -> Answer:
        fields = {"account": "spring", "pswd": "secret"} | parameters
        return await self.call(f"/msg/QueryBalance?{encode(fields).decode()}", None)

    async def call(self, path: str, body: bytes | None, method: str = "", kind: dict[str, str] = FORM) -> Answer:
        async with self.http.request(
            method or ("GET" if body is None else "POST"),
            URL(self.sim.url + path, encoded=True),
            data=body,
            headers=kind if body is not None else {},
            allow_redirects=False,
        ) as answer:
            return Answer(answer.status, await answer.text(encoding="utf-8"), dict(answer.headers))

    def form(self, **parameters: Any) -> bytes:
        fields = {
            "account": "spring",
            "pswd": "secret",
            "mobile": "13800138000",
            "msg": "hello",
            "needstatus": "true",
        } | parameters
        return encode(fields)

    async def raw(self, request: bytes) -> bytes:
        """Everything that comes back on a connection of its own, until it is closed."""
        host, _, port = self.sim.url.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(request)
            async with patience():
                return await reader.read()
        finally:
            writer.close()

    def post(self, body: bytes, more: str = "", path: str = "/msg/HttpBatchSendSM") -> bytes:
        """The bytes of a POST to HttpBatchSendSM that asks for the connection to be closed."""
        head = f"POST {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\n"
        return f"{head}{more}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def account(self) -> dict[str, Any]:
        """The only account's part of the ledger."""
        totals = await self.sim.totals()
        account: dict[str, Any] = totals["accounts"]["spring"]
        return account


def encode(fields: dict[str, Any]) -> bytes:
    """As the dispatcher does it: the list of numbers as it is, the rest url-encoded."""
    return "&".join(
        f"{k}={v if k == 'mobile' else quote(v if isinstance(v, bytes) else str(v), safe='')}"
        for k, v in fields.items()
        if v is not None
    ).encode()


V = TypeVar("V", bound=Vendor)


@asynccontextmanager
async def started(kind: type[V], account: dict[str, Any] | None, switches: dict[str, Any]) -> AsyncIterator[V]:
    """A simulator on a free port whose account `spring` has these settings, with its client."""
    config = {"listen": "127.0.0.1:0", "account": {"spring": {"pswd": "secret"} | (account or {})}} | switches
    async with Simulator(config) as sim, aiohttp.ClientSession() as http:
        yield kind(sim, http)


platform = "batch"
"""Which simulator of the BATCH platform `vendor` starts; conftest.py sets it for tests that run on several."""


def vendor(account: dict[str, Any] | None = None, /, **switches: Any) -> AbstractAsyncContextManager[Vendor]:
    """The BATCH platform."""
    return started(Vendor, account, {"vendor": platform} | switches)


@dataclass
class Push:
    """`fields` are those of the query and of the body, if that is a form."""

    method: str
    path: str
    fields: dict[str, str]
    query: str
    body: bytes
    kind: str


@dataclass
class Receiver:
    """Takes pushes; `answer(n)` gives the status of the n-th, None none at all; `say(n)` its body."""

    url: str = ""
    pushes: list[Push] = field(default_factory=list)
    answer: Callable[[int], int | None] = lambda n: 200
    say: Callable[[int], bytes] = lambda n: b""
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.BaseRequest) -> web.Response:
        query = request.raw_path.partition("?")[2]
        body = await request.read()
        kind = request.headers.get("Content-Type", "")
        form = body.decode() if kind in FORM.values() else ""
        fields = dict(parse_qsl(f"{query}&{form}", keep_blank_values=True))
        self.pushes.append(Push(request.method, request.path, fields, query, body, kind))
        status = self.answer(len(self.pushes))
        self._arrived.set()
        if status is None:
            await asyncio.Event().wait()
        return web.Response(status=status or 200, body=self.say(len(self.pushes)))

    async def have(self, count: int) -> list[Push]:
        """Wait until so many came."""
        async with patience():
            while len(self.pushes) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return self.pushes


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port."""
    made = Receiver()
    server = web.Server(made.handle, handler_cancellation=True, max_line_size=1 << 20, max_field_size=1 << 20)
    listener = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/push/spring/report"
    try:
        yield made
    finally:
        listener.close()
        await server.shutdown(0.1)


def numbers(count: int, first: int = 13_800_000_000) -> str:
    return ",".join(str(first + i) for i in range(count))
