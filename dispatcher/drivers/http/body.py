"""A request body that is written at most once, only into a live connection, only in time, and records what it did.

This tells the HTTP driver whether a byte of a request went out. aiohttp gives a payload the writer when the connection
exists and nothing of the request has been written yet: everything is decided at that moment.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections.abc import Awaitable, Callable
from typing import Final, cast

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_writer import StreamWriter

from dispatcher.vendors.seam.vendor import Request

JOIN_BYTES_MAX: Final = 32_768
"""Bodies up to this size are joined and go out in one write; the slice of a larger one is never copied."""


MayWrite = Callable[[], bool | Awaitable[object]]
"""Called right before the write. True: write now. False: never. Else: call again when the future is done."""


class Run:
    """What the requests of one flow share.

    `before_write` is called right before the submit is written; with `each` before every request of the flow.
    `ended`: the vendor announced that it closes the connection of the last answer.
    """

    __slots__ = ("answered_s", "before_write", "each", "ended", "transport", "wrote_s")

    def __init__(self, before_write: MayWrite | None, *, each: bool = False) -> None:
        self.before_write = before_write
        self.each = each
        self.ended = False
        self.transport: asyncio.BaseTransport | None = None
        self.wrote_s: float | None = None
        self.answered_s: float | None = None


class Body(aiohttp.Payload):
    """A body that is written at most once, only into a live connection and only in time, and records what it did.

    `written`: a byte of it may have gone out. `stale`: the connection was dead. `expired`: `before_write` returned
    False. `waits`: it has a connection and `before_write` makes it wait. `spent`: it may not be written any more.
    `answer_within`: the limit of the exchange, `timeout_s` from the first byte on.
    """

    _autoclose = True

    def __init__(self, request: Request, run: Run, answer_within: asyncio.Timeout, timeout_s: float) -> None:
        super().__init__(None, content_type=request.content_type)
        self._size = len(request.prefix) + len(request.tail) + len(request.suffix)
        self._request = request
        self._run = run
        self._answer_within = answer_within
        self._timeout_s = timeout_s
        self.waits = False
        self.written = False
        self.spent = False
        self.stale = False
        self.expired = False

    def abandon(self) -> None:
        """The vendor answered before anything was written: the connection is unusable, nothing is written into it."""
        self.spent = True
        self.stale = not self.expired

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Not for reading: it holds a password and phone numbers."""
        return ""

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write it, once."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Write it, once. Raises ConnectionAbortedError, with nothing written, if it may not be written."""
        request, run = self._request, self._run
        link = cast("StreamWriter", writer)
        asked = run.before_write if request.submits or run.each else None
        while True:
            if self.spent:
                raise ConnectionAbortedError("a request is never written twice, nor after its verdict")
            transport = link.transport
            spoken = getattr(link.protocol, "should_close", False)  # unrequested bytes have been read already
            gone = spoken or transport is None or transport.is_closing() or _hung_up(transport)
            self.stale = gone or (request.same_connection and transport is not run.transport and not run.ended)
            word = True if self.stale or asked is None else asked()
            self.expired = word is False
            if self.stale or self.expired:
                raise ConnectionAbortedError("nothing was written")
            if isinstance(word, bool):
                break
            self.waits = True
            await word
            self.waits = False
        loop = asyncio.get_running_loop()
        self._answer_within.reschedule(loop.time() + self._timeout_s)
        run.transport, run.ended = transport, False
        self.written = self.spent = True
        if request.submits:
            run.wrote_s = time.monotonic()
        if self._size is not None and self._size <= JOIN_BYTES_MAX:
            await writer.write(b"".join((request.prefix, request.tail, request.suffix)))
            return
        for part in (request.prefix, request.tail, request.suffix):
            if len(part):
                await writer.write(part)


def _hung_up(transport: asyncio.BaseTransport) -> bool:
    """Whether the other side closed the connection or sent unrequested bytes: then nothing may be written."""
    socket = transport.get_extra_info("socket")
    descriptor: int = -1 if socket is None else socket.fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    # TLS servers may send session tickets at any time, so only an end counts there.
    encrypted = transport.get_extra_info("sslcontext") is not None
    poll.register(descriptor, _HANG_UP if encrypted else _HANG_UP | select.POLLIN)
    return bool(poll.poll(0))


_HANG_UP: Final[int] = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
