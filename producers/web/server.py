"""The web server: aiohttp's low-level server behind bounds on connections, on the time of strangers and on bytes.

A new socket gets a place (connection_limits.py) or is closed at once, waits for its first bytes (accepted_sockets.py)
and, while the time of strangers is used up, for its turn (time_share.py). Then connection.py handles it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import msgspec
from aiohttp import web

from dispatcher.config.file import WebConfig
from producers.web.accepted_sockets import CREDIT_S, Newcomer, Newcomers
from producers.web.answers import Reply
from producers.web.byte_budget import ByteBudget
from producers.web.connection import Connection
from producers.web.connection_limits import Slot, Slots
from producers.web.listener import Listener
from producers.web.refusals import Refusals
from producers.web.time_share import HANDSHAKE_S, OPENING_S, Turns

SHUTDOWN_S: Final = 10.0
HANDSHAKE_WITHIN_S: Final = 10.0
SWEEP_S: Final = 1.0
SWEEPS: Final = 10
"""Parts of a sweep, so that it never delays the event loop."""
BODY_BUFFER_BYTES: Final = 65_536
"""A body that is read too slowly is buffered up to twice this; then its connection is not read."""
UNUSED_S: Final = 86_400.0
"""aiohttp's own bound on an idle connection: `Connection.sweep` comes first."""
CREDIT_MAX: Final = 50
CREDITED_MAX: Final = 10_000


_CONFIGURED: Final = WebConfig()
"""What a configuration says by default."""


class ServerBounds(msgspec.Struct, frozen=True, kw_only=True):
    """The bounds of the server. Times bound how long things may last (see Connection.sweep)."""

    connections_max: int = _CONFIGURED.connections_max
    connections_per_address_max: int = _CONFIGURED.connections_per_address_max
    strangers_share: float = _CONFIGURED.strangers_share
    held_bytes_max: int = _CONFIGURED.held_bytes_max

    head_bytes_max: int = 65_536
    head_fields_max: int = 64
    head_s: float = 10.0
    idle_s: float = 75.0
    stranger_idle_s: float = 20.0
    write_s: float = 30.0
    linger_s: float = 1.0
    streams_max: int = 1_024
    streams_per_caller_max: int = 128


class ConnectionCounts(msgspec.Struct):
    """Counts of connections since the start, and how many are open.

    `streams` are under way; `streams_cut` ended early: the client left or did not read.
    """

    open: int = 0
    accepted: int = 0
    closed_for_room: int = 0
    too_many_connections: int = 0
    too_many_of_one_address: int = 0
    out_of_files: int = 0
    no_handshake: int = 0
    too_slow: int = 0
    too_many_bytes: int = 0
    malformed: int = 0
    unknown_path: int = 0
    streams: int = 0
    streams_cut: int = 0


class WebServer(web.Server):
    """Listens from `listen` to `close`. `is_proxy`: whether an address is a trusted proxy's.

    `proves`: whether the first bytes of a request and its address prove that the client is known.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[Reply | web.StreamResponse]],
        bounds: ServerBounds | None = None,
        *,
        is_proxy: Callable[[str | None], bool] = lambda _: False,
        proves: Callable[[bytes, str], bool] = lambda _, __: False,
        tls: ssl.SSLContext | None = None,
        sweep_s: float = SWEEP_S,
    ) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            answer = await handler(request)
            return answer.as_response() if isinstance(answer, Reply) else answer

        super().__init__(handle)
        self.bounds = bounds or ServerBounds()
        self.closing = False
        self.now_s = self._loop.time()
        """The loop's time, as of the last sweep."""
        self.is_proxy = is_proxy
        self.proves = proves
        self.refusals = Refusals()
        self.figures: dict[str, Callable[[], msgspec.Struct]] = {}
        """What sites tell of themselves for monitoring, by the site's name."""
        self.budget = ByteBudget(self.bounds.held_bytes_max)
        self.turns = Turns(self.bounds.strangers_share)
        self.slots = Slots(self.bounds.connections_max, self.bounds.connections_per_address_max, is_proxy)
        self._counts = ConnectionCounts()
        self._streams_of: Counter[str] = Counter()
        self._tls = tls
        self._sweep_s = sweep_s
        self._runner = web.ServerRunner(self, shutdown_timeout=SHUTDOWN_S)
        self._opening: set[asyncio.Task[None]] = set()
        self._newcomers = Newcomers(self.slots, self.turns, self._proves_in_clear, self._open_newcomer)
        self._listener = Listener(self._accepted, self._out_of_files)
        self._credit: OrderedDict[str, int] = OrderedDict()
        self._unswept: list[Connection] = []
        self._sweeps: asyncio.TimerHandle | None = None
        self._all_gone: asyncio.Event = asyncio.Event()

    @property
    def counts(self) -> ConnectionCounts:
        """As of now."""
        self._counts.open = len(self.slots)
        self._counts.closed_for_room = self.slots.made_room
        return self._counts

    async def listen(self, host: str, port: int, *, share_port: bool = False) -> int:
        """Listen; returns the port (of the first address, if the host has several). Raises OSError."""
        await self._runner.setup()
        try:
            bound = await self._listener.open(host, port, share_port=share_port)
        except OSError:
            await self._runner.cleanup()
            raise
        self._sweep()
        return bound

    async def close(self, shutdown_s: float = SHUTDOWN_S) -> None:
        """Stop listening, answer started requests, and hang up; after `shutdown_s` the rest is cut off."""
        self.closing = True
        self._listener.close()
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
        for slot in self.slots.strangers():
            self.slots.end(slot)
        self.turns.close()
        self._newcomers.close()
        if self._sweeps is not None:
            self._sweeps.cancel()

    # --- new connections ---------------------------------------------------------------------------------------------

    def _accepted(self, accepted: socket.socket, address: str) -> None:
        slot = self.slots.admit(address)
        if not isinstance(slot, Slot):
            setattr(self._counts, slot, getattr(self._counts, slot) + 1)
            self.refusals.note("connection-refused", slot, why=slot.replace("_", " "))
            accepted.close()
            return
        self._counts.accepted += 1
        newcomer = Newcomer(slot, accepted, address, self._open_newcomer)
        if self.is_proxy(address):
            newcomer.turn()
        else:
            newcomer.free_s = self._take_credit(slot.address)
            self._newcomers.add(newcomer)

    def _proves_in_clear(self, first: bytes, address: str) -> bool:
        return self._tls is None and self.proves(first, address)

    def _open_newcomer(self, newcomer: Newcomer) -> None:
        """Called at its turn."""
        self.turns.spend(newcomer, OPENING_S + (HANDSHAKE_S if self._tls else 0.0))
        opening = self._loop.create_task(self._open_connection(newcomer))
        newcomer.slot.end = lambda: self._break_off(newcomer, opening)
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    def _break_off(self, newcomer: Newcomer, opening: asyncio.Task[None]) -> None:
        opening.cancel()
        newcomer.socket.close()

    async def _open_connection(self, newcomer: Newcomer) -> None:
        made = partial(self._made, newcomer)
        within_s = HANDSHAKE_WITHIN_S if self._tls else None
        try:
            await self._loop.connect_accepted_socket(
                made, newcomer.socket, ssl=self._tls, ssl_handshake_timeout=within_s
            )
        except (OSError, ssl.SSLError) as error:
            self._counts.no_handshake += 1
            self.refusals.note("no-handshake", error=type(error).__name__)
            self.slots.free(newcomer.slot)
            newcomer.socket.close()

    def _made(self, newcomer: Newcomer) -> Connection:
        bounds = self.bounds
        connection = Connection(
            self,
            newcomer.slot,
            is_proxy=self.is_proxy(newcomer.address),
            spent_s=newcomer.spent_s,
            free_s=newcomer.free_s,
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
        if newcomer.vouched:
            connection.vouch()
        return connection

    def _out_of_files(self) -> None:
        self._counts.out_of_files += 1
        self.refusals.note("out-of-files", advice="raise the limit on open files (ulimit -n)")

    # --- addresses that known clients come from ----------------------------------------------------------------------

    def _take_credit(self, address: str) -> float:
        left = self._credit.get(address, 0)
        if not left:
            return 0.0
        self._credit[address] = left - 1
        return CREDIT_S

    def give_credit(self, address: str) -> None:
        """A client at this address has proved who it is: its next connections are read at once."""
        self._credit[address] = min(self._credit.pop(address, 0) + 2, CREDIT_MAX)
        if len(self._credit) > CREDITED_MAX:
            self._credit.popitem(last=False)

    # --- connections -------------------------------------------------------------------------------------------------

    def malformed(self) -> None:
        """Called by a connection that got no HTTP."""
        self._counts.malformed += 1
        self.refusals.note("not-http")

    def too_slow(self) -> None:
        """Called by a connection whose client was too slow."""
        self._counts.too_slow += 1
        self.refusals.note("client-too-slow")

    def too_many_bytes(self) -> None:
        """Called when a request is refused because too many bytes are held."""
        self._counts.too_many_bytes += 1
        self.refusals.note("too-many-bytes-held", held=self.budget.used)

    def unknown_path(self) -> None:
        """Called for a request to a path of no site."""
        self._counts.unknown_path += 1

    @property
    def streams_full(self) -> bool:
        """Whether as many streamed answers are under way as may be."""
        return self._counts.streams >= self.bounds.streams_max

    def has_its_streams(self, caller: str) -> bool:
        """Whether as many streamed answers to this caller are under way as one may have."""
        return self._streams_of[caller] >= self.bounds.streams_per_caller_max

    def stream_began(self, caller: str) -> None:
        """Called when a streamed answer begins."""
        self._counts.streams += 1
        self._streams_of[caller] += 1

    def stream_ended(self, caller: str, *, early: bool) -> None:
        """Called when a streamed answer has ended."""
        self._counts.streams -= 1
        self._counts.streams_cut += early
        self._streams_of[caller] -= 1
        if not self._streams_of[caller]:
            del self._streams_of[caller]

    def lost(self, connection: Connection) -> None:
        """Called by a connection when it has ended."""
        self.slots.free(connection.slot)
        if self.closing and not any(other is not connection for other in self._open()):
            self._all_gone.set()

    def _open(self) -> list[Connection]:
        return [each for each in self.connections if isinstance(each, Connection) and each.transport is not None]

    def _end_silent(self) -> None:
        ended = self.slots.end_silent(self._loop.time() - self.bounds.stranger_idle_s)
        if ended:
            self._counts.too_slow += ended
            self.refusals.note("client-too-slow")

    def _sweep(self) -> None:
        if not self._unswept:
            self._unswept = self._open()
            self._end_silent()
            self.refusals.flush()
        now_s = self.now_s = self._loop.time()
        for _ in range(max(len(self._unswept) // SWEEPS, 100)):
            if self._unswept:
                self._unswept.pop().sweep(now_s)
        self._sweeps = self._loop.call_later(self._sweep_s / SWEEPS, self._sweep)
