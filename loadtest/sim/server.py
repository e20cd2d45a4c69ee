"""A simulated vendor as an HTTP server: aiohttp's low-level server, no router, no access log; every request stamped
by the kernel when it arrived (loadtest/sim/http/arrival_times.py).

    async with Simulator({"account": {"spring": {"pswd": "secret"}}}) as sim:
        ...                     # sim.url; sim.control.configure(...); await sim.control.totals(); sim.rows()

One event loop; in its own process by `spawn` or `dispatcher simulate`.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import polars as pl
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from dispatcher.errors import ConfigError
from loadtest.sim import config as configuration
from loadtest.sim.batch.edition_b import BatchB
from loadtest.sim.batch.vendor import Batch
from loadtest.sim.config import SimConfig
from loadtest.sim.control import PREFIX, Control
from loadtest.sim.cosms.vendor import Cosms
from loadtest.sim.guodu.vendor import Guodu
from loadtest.sim.hezhong.vendor import Hezhong
from loadtest.sim.http.arrival_times import Listener, listening
from loadtest.sim.http.wire import Reply, Wire, reset
from loadtest.sim.ledger import rows
from loadtest.sim.state import ArrivedRequest, State, Vendor
from loadtest.sim.switches import Switches

VENDORS: dict[str, type[Vendor]] = {kind.name: kind for kind in (Batch, Hezhong, Guodu, Cosms, BatchB)}

BODY_BYTES_MAX = 4 * 1024 * 1024
LINE_BYTES_MAX = 2 * 1024 * 1024  # a GET with 50,000 numbers
READ_BYTES = 1024 * 1024
LINGER_S = 5.0  # a body we do not want is still read that long, or the client would see a reset instead of the answer
CLOSE_S_MAX = 0.5
OUTAGE_IN_S = 0.05  # so that whoever asks for an outage gets an answer
CONNECTIONS = itertools.count(1)
NOT_ASCII = re.compile(rb"[\x80-\xff]")


class Simulator:
    """One simulated vendor with its accounts. Errors: ConfigError, PortInUse."""

    def __init__(self, config: SimConfig | Mapping[str, Any] | Path | None = None) -> None:
        self.config = config if isinstance(config, SimConfig) else configuration.read(config)
        kind = VENDORS.get(self.config.vendor)
        if kind is None:
            possible = ", ".join((*VENDORS, *configuration.LINKED))
            raise ConfigError(f"no simulated vendor {self.config.vendor!r}. Possible: {possible}.")
        self.state = State(self.config, kind.table)
        self.vendor = kind(self.state)
        self.state.use(self.vendor.pushes)
        self.control = Control(self.state, self.vendor)
        self.state.outage = self.outage
        self._listener: Listener | None = None
        self._server: _StampingServer | None = None
        self.url = ""

    @property
    def wire_address(self) -> str:
        """Host and port, as the simulators have it that are not over HTTP."""
        return self.url.removeprefix("http://")

    async def start(self) -> None:
        """Listen and push."""
        host, port = self.config.address
        self._server = _StampingServer(
            self.state.switches,
            self._handle,
            handler_cancellation=True,
            access_log=None,
            read_bufsize=READ_BYTES,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=LINE_BYTES_MAX,
            lingering_time=LINGER_S,
        )
        self._listener = listening(self._server.connection, host, port)
        port = self._listener.port
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        self.state.reports.start()

    async def close(self) -> None:
        """End every connection; the ledger can still be read."""
        await self.state.reports.close()
        if self._listener is not None and not self.state.down:
            self._listener.close()
        self._listener = None
        if self._server is not None:
            await self._server.shutdown(CLOSE_S_MAX)

    def outage(self, seconds: float) -> None:
        """Die as the process of a vendor's gateway does: in a moment every connection is reset, whatever is under way
        gets no answer, the port is closed and nothing is pushed; after these real seconds it is back, with its ledger.
        """
        asyncio.get_running_loop().call_later(OUTAGE_IN_S, self._die, seconds)

    def _die(self, seconds: float) -> None:
        if self._listener is None or self._server is None or self.state.down:
            return
        self.state.down = True
        host, port = self.config.address[0], self._listener.port
        self._listener.close()
        self._server.reset()
        self.state.reports.pause(True)
        asyncio.get_running_loop().call_later(seconds, self._return, host, port, self._server.connection)

    def _return(self, host: str, port: int, make: Callable[[], _StampingHandler]) -> None:
        if self._listener is None:  # closed meanwhile
            return
        try:
            self._listener = Listener(host, port, make)
        except OSError:  # another program took our port meanwhile; try again later
            asyncio.get_running_loop().call_later(OUTAGE_IN_S, self._return, host, port, make)
            return
        self.state.down = False
        self.state.reports.pause(False)

    async def __aenter__(self) -> Simulator:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def configure(self, **settings: Any) -> None:
        """Set switches, `account` and `rule` as POST /_sim/config does."""
        self.control.configure(settings)

    async def totals(self) -> dict[str, Any]:
        """As GET /_sim/ledger."""
        return await self.control.totals()

    def rows(self) -> pl.DataFrame:
        """As GET /_sim/ledger/rows."""
        return rows.frame(self.state.ledger)

    async def _handle(self, request: web.BaseRequest) -> Any:
        protocol = cast(_StampingHandler, request.protocol)
        at_s = protocol.stamp_s or time.monotonic()
        state = self.state
        if request.method == "POST" and request.headers.get("Expect", "").lower() == "100-continue":
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = await _read(request) if request.can_read_body else b""
        except BaseException:
            state.aborted += 1
            raise
        protocol.stamp_s = 0.0
        if body is None:
            return Wire(Reply(b"too large", 413), keep_alive=False)
        path, _, query = _origin_form(request.raw_path).partition("?")
        if path.startswith(PREFIX):
            return Wire(await self.control.answer(request.method, path, query, body), request.keep_alive)
        if path not in self.vendor.paths:
            return Wire(Reply(b"not found", 404), request.keep_alive)
        if request.method not in ("GET", "POST"):
            return Wire(Reply(b"method not allowed", 405), request.keep_alive)
        state.in_work += 1
        try:
            peer = request.remote or ""
            parameters = query.encode("utf-8", "surrogateescape")
            arrived = ArrivedRequest(
                at_s, request.method, path, parameters, body, peer, protocol.connection, request.headers
            )
            reply = self.vendor.receive(arrived)
            await self._wait(at_s, reply)
        finally:
            state.in_work -= 1
        return Wire(reply, request.keep_alive)

    async def _wait(self, at_s: float, reply: Reply) -> None:
        """Until the answer is due: the latency counts from the arrival."""
        switches = self.state.switches
        if reply.hold is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(reply.hold.wait(), reply.hold_s)
        latency_s = switches.latency_s
        if switches.latency_exp_s:
            latency_s += self.state.random.expovariate(1 / switches.latency_exp_s)
        if latency_s:
            await asyncio.sleep(max(at_s + latency_s - time.monotonic(), 0))


def _origin_form(target: str) -> str:
    """A request's target without scheme and host, which clients that think of a proxy put there (RFC 9112 3.2.2)."""
    if not target.startswith(("http://", "https://")):
        return target
    return "/" + target.partition("://")[2].partition("/")[2]


async def _read(request: web.BaseRequest) -> bytes | None:
    """The body, or None if it is over BODY_BYTES_MAX."""
    content = request.content
    first = await content.readany()
    if content.at_eof():
        return first
    chunks, size = [first], len(first)
    while not content.at_eof():
        chunk = await content.readany()
        chunks.append(chunk)
        size += len(chunk)
        if size > BODY_BYTES_MAX:
            return None
    return b"".join(chunks)


class _StampingHandler(RequestHandler):
    """aiohttp's connection, which is also told when each request arrived.

    And it escapes raw UTF-8 in the request line, which aiohttp refuses and this platform takes (AMB-BATCH-15).
    """

    __slots__ = ("_in_line", "connection", "stamp_s")

    def __init__(self, manager: web.Server, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self.stamp_s = 0.0
        self.connection = next(CONNECTIONS)
        self._in_line = True

    def begins(self, at_s: float) -> None:
        """The first byte of a request arrived at that moment."""
        self.stamp_s = at_s
        self._in_line = True

    def data_received(self, data: bytes) -> None:
        if self._in_line and data:
            end = data.find(b"\n") + 1
            self._in_line = not end
            line = data[: end or len(data)]
            if not line.isascii():
                data = NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), line) + data[len(line) :]
        super().data_received(data)


class _StampingServer(web.Server):
    def __init__(self, switches: Switches, handler: Any, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)
        self._switches = switches

    def connection(self) -> _StampingHandler:
        """A handler for a new connection."""
        return _StampingHandler(self, loop=self._loop, keepalive_timeout=self._switches.keepalive_s, **self._kwargs)

    def reset(self) -> None:
        """Reset every connection."""
        for transport in list(self._connections.values()):
            reset(transport)
