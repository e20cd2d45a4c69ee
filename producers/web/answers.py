"""Answers made once and written often: their bytes are ready, so an answer costs one write and no header objects.

Handlers of pushes return `Reply(answer, request)` as a response, which saves a third of a small request's time.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from aiohttp import web
from aiohttp.http import HttpVersion11

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from producers.web.connection import Connection

STREAM: Final = "application/octet-stream"
_NO_HEADER: Final = re.compile(r"[^\x20-\x7e]")


class ReadyAnswer:
    """Status, headers and body of an answer. After one that is `last` the connection is closed."""

    __slots__ = ("_body", "_head", "allow", "last", "status", "whole")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = STREAM,
        *,
        allow: str = "",
        retry_after_s: int = 0,
        headers: Mapping[str, str] | None = None,
        last: bool = False,
    ) -> None:
        """Raises ValueError for a header with a line break."""
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        if allow:
            lines.append(f"Allow: {allow}")
        if retry_after_s:
            lines.append(f"Retry-After: {retry_after_s}")
        for name, value in (headers or {}).items():
            if _NO_HEADER.search(name + value):
                raise ValueError(f"the header {name} has a character that ends it")
            lines.append(f"{name}: {value}")
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}", ""]
        self._head = "\r\n".join(lines).encode()
        self._body = body
        self.status = status
        self.allow = allow
        self.last = last
        self.whole = self._head + b"\r\n" + body

    def to(self, method: str, connection: bytes) -> bytes:
        """The answer with a Connection header, and without its body if it answers a HEAD request."""
        body = b"" if method == "HEAD" else self._body
        return self._head + b"Connection: " + connection + b"\r\n\r\n" + body


class Reply:
    """An answer to one request, with the part of a response's interface that aiohttp needs."""

    __slots__ = ("_answer", "_connection", "_unread", "keep_alive")

    def __init__(self, answer: ReadyAnswer, request: web.BaseRequest, *, unread: bool = False) -> None:
        """`unread`: the request may have an unread rest."""
        self._answer = answer
        self._connection = cast("Connection", request.protocol)
        self._unread = unread or not request.content.is_eof()
        self.keep_alive = request.keep_alive and not (answer.last or self._unread or self._connection.ends)

    def as_response(self) -> web.StreamResponse:
        """Itself, as the type that aiohttp's handlers return."""
        return cast("web.StreamResponse", self)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Called by aiohttp: write it. Raises ConnectionError."""
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._connection.answered()
        if self.keep_alive and request.version == HttpVersion11 and request.method != "HEAD":
            transport.write(self._answer.whole)
        else:
            transport.write(self._answer.to(request.method, b"keep-alive" if self.keep_alive else b"close"))
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Called by aiohttp: wait until the client has read enough.

        Closing while data arrives would lose the answer: the client gets a moment to read it, and what it sends
        meanwhile is not read.
        """
        connection = self._connection
        if connection.writing_paused:
            await connection.drained()
        transport = connection.transport
        if self._unread and transport is not None and not transport.is_closing():
            transport.pause_reading()
            if transport.can_write_eof():
                transport.write_eof()
            await asyncio.sleep(connection.linger_s)
