"""The web server: aiohttp's low-level server, listening and closing in order, every connection bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import web

from producers.web.answers import Reply
from producers.web.connection import Connection

BACKLOG: Final = 1_024
SHUTDOWN_S: Final = 10.0
SWEEP_S: Final = 1.0
BODY_BUFFER_BYTES: Final = 65_536
"""A body that is not read fast enough is buffered up to twice that; then its connection is not read."""


UNUSED_S: Final = 86_400.0
"""aiohttp's own bound on an idle connection: `Connection.sweep` comes first."""


class Bounds(msgspec.Struct, frozen=True):
    """Of every connection: bytes and fields of a head, and how long what may last (see Connection.sweep)."""

    head_bytes_max: int = 65_536
    head_fields_max: int = 64
    head_s: float = 20.0
    idle_s: float = 75.0
    write_s: float = 30.0
    linger_s: float = 1.0


class WebServer(web.Server):
    """Listens from `listen` to `close`. `malformed` is called for each request that is not HTTP."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[Reply]],
        malformed: Callable[[], None],
        bounds: Bounds | None = None,
        *,
        sweep_s: float = SWEEP_S,
    ) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return (await handler(request)).as_response()

        super().__init__(handle)
        self.malformed = malformed
        self.bounds = bounds or Bounds()
        self.closing = False
        self._sweep_s = sweep_s
        self._runner = web.ServerRunner(self, shutdown_timeout=SHUTDOWN_S)
        self._sites: list[web.TCPSite] = []
        self._sweeps: asyncio.TimerHandle | None = None
        self._all_gone: asyncio.Event = asyncio.Event()

    def __call__(self) -> Connection:
        """Called by the event loop: the protocol of a new connection."""
        bounds = self.bounds
        return Connection(
            self,
            loop=self._loop,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=UNUSED_S,
            lingering_time=0,
            max_line_size=bounds.head_bytes_max,
            max_field_size=bounds.head_bytes_max,
            max_headers=bounds.head_fields_max,
            read_bufsize=BODY_BUFFER_BYTES,
        )

    async def listen(self, host: str, port: int) -> int:
        """Listen; the port (of the first address, where the host has several). Raises OSError."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=BACKLOG)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._sites.append(site)
        self._sweep()
        return site.port

    async def close(self, shutdown_s: float = SHUTDOWN_S) -> None:
        """Listen no more, answer what has begun, and hang up; what is not done after `shutdown_s` is cut off."""
        self.closing = True
        for site in self._sites:
            await site.stop()
        self._sites.clear()
        self._all_gone.clear()
        connections = self._open()
        for connection in connections:
            connection.drain()
        if connections:
            try:
                async with asyncio.timeout(shutdown_s):
                    await self._all_gone.wait()
            except TimeoutError:
                for connection in self._open():
                    connection.abort()
        await self._runner.cleanup()
        if self._sweeps is not None:
            self._sweeps.cancel()

    def lost(self, connection: Connection) -> None:
        """Called by a connection when it has ended."""
        if self.closing and not any(other is not connection for other in self._open()):
            self._all_gone.set()

    def _open(self) -> list[Connection]:
        return [each for each in self.connections if isinstance(each, Connection) and each.transport is not None]

    def _sweep(self) -> None:
        now_s = self._loop.time()
        for connection in self._open():
            connection.sweep(now_s)
        self._sweeps = self._loop.call_later(self._sweep_s, self._sweep)
