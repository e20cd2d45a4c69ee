"""One connection of the push server: what was read (push_reader.py) goes to the handler, answers go back in order.

An answer may come at any time; it is written when all before it on its connection are. Everything is bounded: while
PIPELINED_MAX requests are unanswered, or the client does not read its answers, nothing is read; and `sweep` ends what
lasts too long. Weak spot: what came in the same piece (256 KiB at most) is still taken in.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, cast

import structlog

from producers.webhooks.reader import NOT_HTTP, OUR_FAULT, TOO_LARGE, RequestReader
from producers.webhooks.request import Answer, Request

if TYPE_CHECKING:
    from producers.webhooks.http_server import PushServer

PIPELINED_MAX: Final = 128
WRITE_BYTES_MAX: Final = 65_536
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
TOO_SLOW: Final = Answer(408, last=True)

logger = structlog.get_logger(__name__)


class PushConnection(asyncio.Protocol):
    """Made by PushServer for each connection."""

    __slots__ = (
        "_eof",
        "_handler",
        "_lingers",
        "_paused",
        "_reader",
        "_server",
        "_since_s",
        "_stuck",
        "_transport",
        "_waiting",
    )

    _reader: RequestReader
    _transport: asyncio.Transport

    def __init__(self, server: PushServer) -> None:
        self._server = server
        self._handler = server.handler
        self._waiting: deque[Request] = deque()
        """Requests that are not answered, or whose answer has to wait for another's."""
        self._since_s = server.now_s
        """Since when it is idle, receives a request, is stuck or lingers."""
        self._paused = False  # we do not read
        self._stuck = False  # the client does not read
        self._lingers = False  # all is said; the client may close
        self._eof = False  # the client has said all

    # --- what the loop calls -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._transport.set_write_buffer_limits(WRITE_BYTES_MAX)
        peer = transport.get_extra_info("peername")
        remote = peer[0] if isinstance(peer, tuple) else ""
        self._reader = RequestReader(self, self.answered, remote, self._server.bounds)
        self._server.opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        reader = self._reader
        reader.feed(data)
        if reader.begins:
            reader.begins = False
            if reader.receiving:
                self._since_s = self._server.now_s
        if len(self._waiting) >= PIPELINED_MAX:
            self._read_on_or_not()

    def eof_received(self) -> bool:
        """Called by the loop: the client has sent all it wanted to, but may be waiting for answers."""
        self._eof = True
        if self._reader.receiving:
            self._reader.give_up(NOT_HTTP)
        elif self._waiting:
            self._end()
        return bool(self._waiting)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        request = self._reader.request
        if request is not None and request.reply is None:
            self._handler.broken(request)
        self._reader.stop()
        self._waiting.clear()
        self._server.closed(self)

    def pause_writing(self) -> None:
        """Called by the loop: the client does not read its answers."""
        self._stuck = True
        self._since_s = self._server.now_s
        self._read_on_or_not()

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._stuck = False
        self._since_s = self._server.now_s
        self._read_on_or_not()

    # --- what the reader tells ---------------------------------------------------------------------------------------

    def head_came(self, request: Request) -> None:
        """Called by the reader."""
        if self._server.closing:
            request.closes = request.unusual = True
        self._waiting.append(request)
        try:
            self._handler.begun(request)
        except Exception as error:
            self._failed(request, error)
        if request.asks_to_go_on and request.reply is None and self._waiting[0] is request:
            self._go_on(request)

    def came(self, request: Request) -> None:
        """Called by the reader."""
        request.asks_to_go_on = False
        if request.reply is None:
            try:
                self._handler.whole(request)
            except Exception as error:
                self._failed(request, error)
        elif not self._waiting:
            self._since_s = self._server.now_s
            if request.closes:
                self._hang_up()

    def gave_up(self, request: Request | None, answer: Answer) -> None:
        """Called by the reader."""
        if request is None:
            self._handler.malformed()
            request = Request(self.answered, "GET", b"", "")
            self._waiting.append(request)
        elif request.reply is not None:
            return self._end()
        elif answer is TOO_LARGE:
            self._handler.too_large(request)
        else:
            self._handler.broken(request)
        self.answered(request, answer)
        return None

    def _failed(self, request: Request, error: Exception) -> None:
        """A mistake of ours: it costs this connection, and no other."""
        logger.error("push-server-failed", error=type(error).__name__)
        self.answered(request, OUR_FAULT)
        self._reader.stop()

    # --- answering ---------------------------------------------------------------------------------------------------

    def answered(self, request: Request, reply: Answer) -> None:
        """Called by `Request.answer`."""
        if request.reply is not None:
            return
        request.reply = reply
        if reply.last or request.asks_to_go_on:  # whose body may come or not: nobody can know
            request.closes = request.unusual = True
        waiting = self._waiting
        if not waiting or waiting[0] is not request:  # the connection is gone, or it is not its turn
            return
        write = self._transport.write
        while waiting and (answer := waiting[0].reply) is not None:
            first = waiting.popleft()
            if first.unusual:
                write(answer.to(first.method, b"close" if first.closes else b"keep-alive"))
                if first.closes:
                    return self._hang_up()
            else:
                write(answer.whole)
        if waiting:
            if waiting[0].asks_to_go_on:
                self._go_on(waiting[0])
        elif not self._reader.receiving:
            self._since_s = self._server.now_s
        if self._paused:
            self._read_on_or_not()
        return None

    def _go_on(self, request: Request) -> None:
        """Ask for the body, as the client does not send it before (curl, .NET)."""
        if request.length is None or request.length <= self._server.bounds.body_bytes_max:
            request.asks_to_go_on = False
            self._transport.write(CONTINUE)

    def _read_on_or_not(self) -> None:
        """Don't read while too many requests are unanswered, or answers unread."""
        if self._lingers or self._eof or self._transport.is_closing():
            return
        if self._stuck or len(self._waiting) >= PIPELINED_MAX:
            if not self._paused:
                self._paused = True
                self._transport.pause_reading()
        elif self._paused and len(self._waiting) <= PIPELINED_MAX // 2:
            self._paused = False
            self._since_s = self._server.now_s
            self._transport.resume_reading()

    # --- ending ------------------------------------------------------------------------------------------------------

    def sweep(self, now_s: float) -> None:
        """Called every second or so: end what lasts too long."""
        bounds = self._server.bounds
        for_s = now_s - self._since_s
        if self._stuck or self._lingers:
            unread = self._stuck or self._transport.get_write_buffer_size() > 0
            if for_s > (bounds.write_s if unread else bounds.linger_s):
                self._transport.abort()
        elif self._paused:
            pass  # for the log, which is bounded itself
        elif self._reader.receiving:
            if for_s > bounds.request_s:
                self._reader.give_up(TOO_SLOW)
        elif not self._waiting and for_s > bounds.idle_s:
            self._close()

    def drain(self) -> None:
        """The server closes: answer what has begun, and hang up."""
        if self._reader.request is not None:
            self._reader.request.closes = self._reader.request.unusual = True
        elif self._waiting:
            if not self._reader.receiving:
                self._end()
        elif not self._reader.receiving and not self._lingers:
            self._close()

    def abort(self) -> None:
        """End it at once."""
        self._transport.abort()

    def _end(self) -> None:
        """Read no more, and hang up behind the last answer."""
        self._reader.stop()
        if self._waiting:
            self._waiting[-1].closes = self._waiting[-1].unusual = True
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        """Say no more, and wait a little for the client to close: who closes on what still comes loses the answer."""
        if self._eof or self._transport.is_closing():
            self._close()
            return
        self._reader.stop()
        self._waiting.clear()
        self._lingers = True
        self._since_s = self._server.now_s
        self._transport.write_eof()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()

    def _close(self) -> None:
        """Close as soon as all is written."""
        self._reader.stop()
        self._waiting.clear()
        self._lingers = True
        self._since_s = self._server.now_s
        self._transport.close()
