"""The client that pushes: keep-alive HTTP/1.1 connections to one receiver, one request at a time on each, no task and
no future per push.

Written by hand because an HTTP client library costs five times as much per push (docs/SIMULATORS.md has the
measurement) and the simulator must leave the CPU to what is tested. Weak spot: it reads the status and the body of an
answer, nothing more; answers over ANSWER_BYTES_MAX end the connection.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import NamedTuple, cast

ANSWER_BYTES_MAX = 64 * 1024
LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
HEX = re.compile(rb"[0-9a-fA-F]{1,8}")
CLOSES = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)

FAILED = 0  # no answer: refused, closed, timed out or not HTTP


class Answer(NamedTuple):
    """What a receiver said: an HTTP status, or FAILED."""

    status: int
    body: bytes = b""


NO_ANSWER = Answer(FAILED)


class Push:
    """One request to be pushed: the bytes of it. `done` is called once, with the answer or NO_ANSWER."""

    __slots__ = ("payload", "retried")

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        self.retried = False

    def done(self, answer: Answer) -> None:
        """To be overridden by who wants to know."""


class Pusher:
    """Up to `connections` connections to host:port; asks `next_push` for work whenever one is free. `kick()` says that
    there is some.
    """

    def __init__(
        self, host: str, port: int, next_push: Callable[[], Push | None], connections: int, timeout_s: float
    ) -> None:
        self._host = host
        self._port = port
        self._next_push = next_push
        self.connections = connections
        self.timeout_s = timeout_s
        self._links: set[_Link] = set()
        self._idle: list[_Link] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def busy(self) -> bool:
        """Is a push under way?"""
        return bool(self._connecting) or len(self._idle) < len(self._links)

    def kick(self) -> None:
        """There may be work: give it to idle connections, then to new ones."""
        while self._idle:
            push = self._next_push()
            if push is None:
                return
            self._idle.pop().send(push)
        while len(self._links) + len(self._connecting) < self.connections and not self._closed:
            push = self._next_push()
            if push is None:
                return
            self._connect_with(push)

    def _connect_with(self, push: Push) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(push))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, push: Push) -> None:
        try:
            transport, link = await asyncio.wait_for(
                asyncio.get_running_loop().create_connection(lambda: _Link(self), self._host, self._port),
                self.timeout_s,
            )
        except (OSError, TimeoutError):
            push.done(NO_ANSWER)
            return
        if transport.is_closing():  # the receiver is gone again already
            push.done(NO_ANSWER)
            return
        self._links.add(link)
        link.send(push)

    def sweep(self) -> None:
        """End connections whose answer is overdue. To be called now and then."""
        overdue_s = time.monotonic() - self.timeout_s
        for link in list(self._links):
            if link.push is not None and link.sent_s < overdue_s:
                link.fail()

    def close(self) -> None:
        """Close every connection; what is under way is dropped without `done`."""
        self._closed = True
        for task in self._connecting:
            task.cancel()
        for link in list(self._links):
            link.push = None
            link.fail()

    # called by links

    def free(self, link: _Link) -> None:
        push = None if self._closed else self._next_push()
        if push is None:
            self._idle.append(link)
        else:
            link.send(push)

    def gone(self, link: _Link, push: Push | None, again: bool) -> None:
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if push is None or self._closed:
            return
        if again:
            push.retried = True
            self._connect_with(push)
        else:
            push.done(NO_ANSWER)
            self.kick()


class _Link(asyncio.Protocol):
    __slots__ = ("_buffer", "_owner", "_served", "_transport", "push", "sent_s")

    def __init__(self, owner: Pusher) -> None:
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._served = 0
        self.push: Push | None = None
        self.sent_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def send(self, push: Push) -> None:
        self.push = push
        self.sent_s = time.monotonic()
        assert self._transport is not None
        self._transport.write(push.payload)

    def data_received(self, data: bytes) -> None:
        if self.push is None:
            self.fail()  # an answer to nothing
            return
        if self._buffer:
            data = self._buffer + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            self._keep(data)
            return
        head = data[: head_end + 2]
        if not data.startswith(b"HTTP/1.") or not data[9:12].isdigit():
            self.fail()
            return
        length = LENGTH.search(head)
        if length is not None:
            complete = len(data) >= head_end + 4 + int(length[1])
        elif CHUNKED.search(head):
            complete = data.endswith(b"0\r\n\r\n")
        else:
            complete = data[9:12] in (b"204", b"304")
        if not complete:
            self._keep(data)
            return
        body = data[head_end + 4 :]
        if length is None and body:
            body = _dechunked(body)
        answer = Answer(int(data[9:12]), body)
        self._answered(answer, CLOSES.search(head) is not None or data.startswith(b"HTTP/1.0"))

    def _keep(self, data: bytes) -> None:
        self._buffer = data
        if len(data) > ANSWER_BYTES_MAX:
            self.fail()

    def _answered(self, answer: Answer, closes: bool) -> None:
        push, self.push = self.push, None
        self._buffer = b""
        self._served += 1
        assert push is not None
        push.done(answer)
        if closes:
            self.fail()
        else:
            self._owner.free(self)

    def fail(self) -> None:
        """End this connection now."""
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        push, self.push = self.push, None
        if push is not None and self._buffer.startswith(b"HTTP/1.") and b"\r\n\r\n" in self._buffer and exc is None:
            # An answer without a length ends with the connection.
            head, _, body = self._buffer.partition(b"\r\n\r\n")
            self._owner.gone(self, None, False)
            push.done(Answer(int(head[9:12]), body) if head[9:12].isdigit() else NO_ANSWER)
            self._owner.kick()
            return
        # A kept connection that the receiver closed just as we wrote took nothing: once more on a new one, as every
        # client does.
        again = push is not None and self._served > 0 and not self._buffer and not push.retried and self._fresh()
        self._owner.gone(self, push, again)

    def _fresh(self) -> bool:
        return time.monotonic() - self.sent_s < self._owner.timeout_s


def _dechunked(raw: bytes) -> bytes:
    """The content of a complete chunked body; it ends at anything else than a chunk."""
    content, at = b"", 0
    while True:
        end = raw.find(b"\r\n", at)
        size_text = raw[at:end].partition(b";")[0].strip()
        if end < 0 or not HEX.fullmatch(size_text):
            return content
        size = int(size_text, 16)
        if not size:
            return content
        content += raw[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
