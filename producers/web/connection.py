"""One connection of the web server: aiohttp's RequestHandler, bounded in time and in the work for strangers.

A client is a stranger until a handler calls `prove`. A stranger's bytes are held back and parsed in small pieces at its
turns (time_share.py); a known client is read as it sends. `sweep` is called about once a second and ends what lasts too
long: a head, an idle connection, answers of which nothing is read. A streamed answer lasts as long as its client reads.
Bodies are bounded in bodies.py.

Of aiohttp's RequestHandler this uses, besides its public methods, the attributes `_parser`, `_reading_paused` and
`_buffer_paused`, and the methods that pause and resume its transport.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from dispatcher.loggers import get_logger
from producers.web.accepted_sockets import CREDIT_S, PEEKING_S
from producers.web.answers import ReadyAnswer, Reply
from producers.web.connection_limits import Slot
from producers.web.parser import Parser
from producers.web.time_share import READING_S, REQUEST_S

if TYPE_CHECKING:
    from producers.web.server import WebServer

PIECE_BYTES: Final = 4_096
"""Bytes of a stranger that one turn parses."""
HEARD_S: Final = 1.0
"""A known client that was heard this recently keeps its place in the order."""
TOO_SLOW: Final = ReadyAnswer(408, last=True)

logger = get_logger(__name__)


class Connection(web.RequestHandler):
    """Made by WebServer for each connection. `known`: its client has proved who it is, or is a trusted proxy."""

    __slots__ = (
        "_answers",
        "_half_closed",
        "_held",
        "_holds",
        "_proved_s",
        "_since_s",
        "_state",
        "_stream",
        "_taken",
        "free_s",
        "is_proxy",
        "known",
        "queued",
        "serial",
        "server",
        "slot",
        "spent_s",
    )

    def __init__(
        self, server: WebServer, slot: Slot, *, is_proxy: bool, spent_s: float, free_s: float, **settings: Any
    ) -> None:
        super().__init__(server, **settings)
        self.server = server
        self._parser = Parser(self._parser, server.bounds.head_bytes_max)  # type: ignore[assignment]
        self._answers = 0
        self._half_closed = False
        self._proved_s = -1.0
        self._held = bytearray()
        self._holds = server.budget.hold(stranger=True)
        self._state = ("request", 0, 0)
        self._taken = 0
        self._stream: Callable[[], object] | None = None
        self._since_s = self._loop.time()
        self.is_proxy = is_proxy
        self.known = is_proxy
        self.slot = slot
        self.serial = slot.serial
        self.spent_s = spent_s
        self.free_s = free_s
        self.queued = False
        slot.end = self.abort
        slot.idle = self._is_idle

    @property
    def _reading(self) -> Parser | None:
        return self._parser  # type: ignore[return-value]

    @property
    def unanswered(self) -> int:
        """Unanswered requests."""
        return self._reading.requests - self._answers if self._reading is not None else 0

    @property
    def ends(self) -> bool:
        """Whether the connection is closed after the current answer."""
        return self.server.closing or (self._half_closed and self.unanswered <= 1 and not self._held)

    @property
    def linger_s(self) -> float:
        """How long a refused client may take to read its answer."""
        return self.server.bounds.linger_s

    def answered(self) -> None:
        """Called when an answer is written."""
        self._answers += 1

    def begin_stream(self, caller: str, cancel: Callable[[], object]) -> None:
        """Called when a streamed answer begins; `cancel` is called when the client leaves or the server closes."""
        self._stream = cancel
        self.server.stream_began(caller)

    def end_stream(self, caller: str, *, early: bool) -> None:
        """Called when a streamed answer has ended."""
        self._stream = None
        self._answers += 1
        self.server.stream_ended(caller, early=early)

    def resume_writing(self) -> None:
        """Called by the loop: the client has read most of what was written."""
        self._taken += 1
        super().resume_writing()

    async def drained(self) -> None:
        """Wait until the client has read enough of its answers. Raises ConnectionError if it goes."""
        await self._drain_helper()

    def charge(self, cost_s: float) -> None:
        """Charge a stranger for work that was done for it."""
        if not self.known:
            self.server.turns.spend(self, cost_s)

    def _is_idle(self) -> bool:
        return not self.unanswered

    # --- strangers and known clients ---------------------------------------------------------------------------------

    def prove(self) -> None:
        """The client has proved who it is: it is read as it sends from now on."""
        if self.is_proxy or self.transport is None or (self.known and self.server.now_s - self._proved_s < HEARD_S):
            return
        self._proved_s = self.server.now_s
        self.server.slots.trust(self.slot, known=True)
        if not self.known:
            self.known = True
            self.server.turns.give_back(self)
            self.server.give_credit(self.slot.address)
            if self._held:
                self._work_off(len(self._held))
                self._read_on()

    def vouch(self) -> None:
        """The client seems to be known: it is read without waiting for strangers' turns, until it is judged."""
        self.free_s = self.spent_s + CREDIT_S
        self._holds.trust()

    def distrust(self) -> None:
        """The client did something that a known one does not."""
        if not self.is_proxy:
            self.known = False
            self.free_s = 0.0
            self.server.slots.trust(self.slot, known=False)

    def turn(self) -> bool:
        """Called at a stranger's turn: parse a little; returns whether more could be parsed now."""
        if self.transport is None or self.known:
            return False
        self._work_off(PIECE_BYTES)
        if not self._held:
            self._read_on()
        return self._has_turn_to_take()

    def _has_turn_to_take(self) -> bool:
        return bool(self._held) and not (self._buffer_paused or self._reading_paused)

    def _work_off(self, count: int) -> None:
        """Parse this much of the held bytes."""
        piece = bytes(self._held[:count])
        del self._held[:count]
        self._holds.shrink(len(piece))
        self._parse(piece)
        if self._half_closed and not self._held and self._reading is not None and self._reading.in_body:
            self._end_cut_body()

    def _end_cut_body(self) -> None:
        """The client has sent its last byte in the middle of a body, which is read no further."""
        if self.transport is not None and not (self._buffer_paused or self._reading_paused):
            self.transport.close()

    def _parse(self, data: bytes) -> None:
        """Parse it, and charge a stranger for it."""
        if self.known:
            super().data_received(data)
            return
        before = self._reading.requests if self._reading is not None else 0
        began_s = time.perf_counter()
        super().data_received(data)
        cost_s = time.perf_counter() - began_s + READING_S
        if self._reading is not None:
            cost_s += REQUEST_S * (self._reading.requests - before)
        self.server.turns.spend(self, cost_s)

    def _read_on(self) -> None:
        """Resume reading, unless aiohttp has paused it."""
        if self.transport is not None and not (self._buffer_paused or self._reading_paused):
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        """Also called by aiohttp, to resume: not before the held bytes are parsed."""
        if not self._held:
            super()._resume_transport_reading()

    # --- called by the loop and by aiohttp ---------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Called by the loop; and by aiohttp, with no data, when there is room for what its parser has kept."""
        if not data:
            self._parse(data)
            if self._held:
                self.server.turns.queue(self)
        elif self.known and not self._held:
            super().data_received(data)
        elif self._hold(data):
            self.server.turns.offer(self)

    def _hold(self, data: bytes) -> bool:
        """Hold it until its turn; False: it was too much."""
        fits = self._holds.grow(len(data))
        if not (fits and self.server.turns.open) and self._proves(data):
            self.vouch()
            fits = fits or self._holds.grow(len(data))
        if not fits:
            self.server.too_many_bytes()
            self.abort()
            return False
        self._held += data
        self._pause_transport_reading()
        return True

    def _proves(self, data: bytes) -> bool:
        """Whether this begins with a request that proves its client."""
        if self._reading is None or self._reading.in_body or self._reading.head_bytes or self._held:
            return False
        self.charge(PEEKING_S)
        return self.server.proves(data[:PIECE_BYTES], self.slot.address)

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """The client sends no more, but may still wait for its answers; in a streamed answer it means that it left."""
        waits = self._stream is None and (self.unanswered or self._held)
        if self._reading is None or self._reading.in_body or not waits:
            return None
        self._half_closed = True
        return True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        super().connection_made(transport)
        if not self.slot.open:  # closed before it began, to make room
            self.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Called by the loop."""
        self._let_go()
        self._cut_stream()
        super().connection_lost(exc)
        self.server.lost(self)

    def _cut_stream(self) -> None:
        if self._stream is not None:
            self._stream()

    def _let_go(self) -> None:
        self._held.clear()
        self._holds.release()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """The answer to a request that is not HTTP, or whose handler failed; it repeats nothing of the request."""
        if status == 500:
            if not isinstance(exc, ConnectionError):  # a client that left a streamed answer is counted already
                logger.error("web-request-failed", error=type(exc).__name__)
        else:
            self.server.malformed()
            self.distrust()
            status = 431 if isinstance(exc, LineTooLong) else status
        return Reply(ReadyAnswer(status, last=True), request, unread=True).as_response()

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """A bug outside a handler costs this connection and no other."""
        logger.error("web-connection-failed", error=type(kw.get("exc_info")).__name__)

    # --- called by the server ----------------------------------------------------------------------------------------

    def sweep(self, now_s: float) -> None:
        """End what lasts too long."""
        state = (self._waits_for(), self._answers, self._taken)
        if state != self._state:
            self._state, self._since_s = state, now_s
        bounds = self.server.bounds
        idle_s = bounds.idle_s if self.known else bounds.stranger_idle_s
        bound_s = {"request": idle_s, "head": bounds.head_s, "reader": bounds.write_s}.get(state[0])
        if bound_s is None or now_s - self._since_s <= bound_s or self.transport is None:
            return
        if state[0] == "head":
            self.server.too_slow()
            self.transport.write(TOO_SLOW.to("GET", b"close"))
            self.transport.close()
        else:
            self.abort()

    def drain(self) -> None:
        """The server closes: close now, or after the pending answers; a stream ends now."""
        if not self.unanswered:
            self.force_close()
        self._cut_stream()

    def abort(self) -> None:
        """End it at once."""
        self._let_go()
        if self.transport is not None:
            self.transport.abort()

    def _waits_for(self) -> str:
        """What the connection waits for: a request, the rest of a head, a reader of its answers, or the server."""
        if self.writing_paused:
            return "reader"
        if self.unanswered:
            return "us"
        held = bool(self._held) or (self._reading is not None and self._reading.head_bytes > 0)
        return "head" if held else "request"
