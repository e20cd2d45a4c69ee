"""The HTTP server that vendors push to: HTTP/1.0 and 1.1 on asyncio and llhttp, and nothing of what is in a push.

Why not aiohttp's: a vendor pushes a report or a few hundred in each request, and a request costs aiohttp a task, two
dozen objects and three times as long (25 to 31 µs without what is done with it, here 9); here a request is an object,
and its answer a call. Connections are looked after by one timer of the server (`Bounds`), not by timers of their own.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from producers.webhooks.connection import PushConnection
from producers.webhooks.reader import Bounds
from producers.webhooks.request import Request

BACKLOG: Final = 1_024
SHUTDOWN_S: Final = 10.0
SWEEP_S: Final = 1.0


class Handler(Protocol):
    """Who answers the requests."""

    def begun(self, request: Request) -> None:
        """Its head came. Answered already, it gets no further: what comes of its body is thrown away."""

    def whole(self, request: Request) -> None:
        """Its body came too: answer it, now or later."""

    def broken(self, request: Request) -> None:
        """It had begun, and its rest never came, or came too slowly or mutilated. The server answers it."""

    def too_large(self, request: Request) -> None:
        """It had begun, and its body is larger than allowed. The server answers it."""

    def malformed(self) -> None:
        """What came was no request that can be understood. The server answers it."""


class PushServer:
    """Listens from `listen` to `close`."""

    def __init__(self, handler: Handler, bounds: Bounds | None = None, *, sweep_s: float = SWEEP_S) -> None:
        self.handler = handler
        self.bounds = bounds or Bounds()
        self.closing = False
        self.connections: set[PushConnection] = set()
        self._sweep_s = sweep_s
        self._loop = asyncio.get_running_loop()
        self.now_s = self._loop.time()
        """The loop's time, as of the last sweep."""
        self._server: asyncio.Server | None = None
        self._sweeps: asyncio.TimerHandle | None = None
        self._all_gone: asyncio.Future[None] | None = None

    async def listen(self, host: str, port: int) -> int:
        """Listen; the port (of the first address, where the host has several). Raises OSError."""
        self._server = await self._loop.create_server(lambda: PushConnection(self), host, port, backlog=BACKLOG)
        self._sweep()
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self, shutdown_s: float = SHUTDOWN_S) -> None:
        """Listen no more, answer what has begun, and hang up; what is not done after `shutdown_s` is cut off."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        if self.connections:
            self._all_gone = self._loop.create_future()
            for connection in list(self.connections):
                connection.drain()
            await asyncio.wait([self._all_gone], timeout=shutdown_s)
        for connection in list(self.connections):
            connection.abort()
        if self._sweeps is not None:
            self._sweeps.cancel()

    def opened(self, connection: PushConnection) -> None:
        """Called by a connection."""
        self.connections.add(connection)
        if self.closing:
            connection.abort()

    def closed(self, connection: PushConnection) -> None:
        """Called by a connection."""
        self.connections.discard(connection)
        if self._all_gone is not None and not self.connections and not self._all_gone.done():
            self._all_gone.set_result(None)

    def _sweep(self) -> None:
        self.now_s = self._loop.time()
        for connection in list(self.connections):
            connection.sweep(self.now_s)
        self._sweeps = self._loop.call_later(self._sweep_s, self._sweep)
