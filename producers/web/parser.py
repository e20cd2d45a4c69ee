"""aiohttp's HTTP parser (llhttp) for one connection, with additions for requests from strangers and vendors.

* Vendors' documents print queries with bytes beyond ASCII (`…&msg=退订 HTTP/1.1`, vendors.md AMB-BATCH-15), which
  llhttp refuses: in a request's head they are escaped as %XX first, wherever the pieces are cut.
* Heads are bounded as a whole, and so are the extensions and trailers of chunked bodies.
* After an error nothing more is read, and a reader of the body gets the error.

Weak spot: a request with such bytes directly behind a chunked body, in the same piece, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from aiohttp.streams import StreamReader

READ_BYTES_MAX: Final = 262_144
"""The most that the event loop delivers at once."""

HEAD_END: Final = b"\r\n\r\n"
BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]")

Parsed = tuple[Sequence[tuple[Any, StreamReader]], bool, bytes]
NOTHING: Final[Parsed] = ((), False, b"")


class Parser:
    """Replaces aiohttp's parser in a connection; `requests` counts the parsed heads."""

    __slots__ = (
        "_broken",
        "_head_bytes_max",
        "_inner",
        "_last_bytes",
        "_left",
        "_wire_bytes",
        "body",
        "head_bytes",
        "requests",
    )

    def __init__(self, inner: Any, head_bytes_max: int) -> None:
        self._inner = inner
        self._head_bytes_max = head_bytes_max
        self._broken = False
        self.requests = 0
        self.head_bytes = 0
        """Bytes of an incomplete head, without those in one piece with the previous request."""
        self.body: StreamReader | None = None
        """The body of the newest request."""
        self._left: int | None = 0
        """The missing bytes of that body; None: it is chunked."""
        self._wire_bytes = 0
        self._last_bytes = b""

    @property
    def in_body(self) -> bool:
        """Whether the newest request's body is incomplete."""
        return self.body is not None and not self.body.is_eof()

    def feed_data(self, data: bytes) -> Parsed:
        """Called by aiohttp: (requests and their bodies, whether the protocol changes, the bytes after that)."""
        if self._broken:
            return NOTHING
        if data.isascii():
            return self._feed(data)
        found: list[tuple[Any, StreamReader]] = []
        at = 0
        while at < len(data):
            end = self._end(data, at)
            piece = data[at:end] if self.in_body else BEYOND_ASCII.sub(_escaped, data[at:end])
            requests, changes, tail = self._feed(piece)
            found += requests
            if changes:
                return found, True, tail + data[end:]
            at = end
        return found, False, b""

    def feed_eof(self) -> Any:
        """Called by aiohttp."""
        return self._inner.feed_eof()

    def pause_reading(self) -> None:
        """Called by aiohttp: the newest body is not read fast enough."""
        self._inner.pause_reading()

    def message_consumed(self) -> None:
        """Called by aiohttp: a request is being handled."""
        self._inner.message_consumed()

    def set_upgraded(self, upgraded: bool) -> None:
        """Called by aiohttp: the change of protocol was declined."""
        self._inner.set_upgraded(upgraded)

    def _end(self, data: bytes, at: int) -> int:
        """The end of the piece that starts there and lies in one head or one body."""
        if self.in_body:
            return at + self._left if self._left else len(data)
        seen = self._last_bytes
        found = (seen + data[at : at + len(HEAD_END)]).find(HEAD_END)
        if found >= 0:
            return at + found + len(HEAD_END) - len(seen)
        found = data.find(HEAD_END, at)
        return found + len(HEAD_END) if found >= 0 else len(data)

    def _feed(self, data: bytes) -> Parsed:
        """Raises HttpProcessingError if the error is in a head."""
        was_in_body = self.in_body
        try:
            parsed: Parsed = self._inner.feed_data(data)
            self._count(data, parsed[0], was_in_body=was_in_body)
        except HttpProcessingError as error:
            self._broken = True
            if self.body is None or self.body.is_eof():
                raise
            self.body.set_exception(web.RequestPayloadError(str(error)))
            return NOTHING
        return parsed

    def _count(self, data: bytes, found: Sequence[tuple[Any, StreamReader]], *, was_in_body: bool) -> None:
        """Raises HttpProcessingError if there is more than allowed."""
        if found:
            self.requests += len(found)
            message, body = found[-1]
            self.body = body
            if message.chunked:
                self._left = None
            elif body.is_eof():
                self._left = 0
            else:
                self._left = max(int(message.headers.get("Content-Length", "0")) - body.total_bytes, 0)
            self.head_bytes = self._wire_bytes = 0
            self._last_bytes = b""
        elif was_in_body and self.body is not None:
            self._wire_bytes += len(data)
            if self._left is not None:
                self._left = max(self._left - len(data), 0)
            elif self._wire_bytes - 2 * self.body.total_bytes > self._head_bytes_max + READ_BYTES_MAX:
                raise BadHttpMessage("too much besides the chunks")
        else:
            self.head_bytes += len(data)
            self._last_bytes = (self._last_bytes + data)[-len(HEAD_END) + 1 :]
            if self.head_bytes > self._head_bytes_max:
                raise LineTooLong(b"the head", self._head_bytes_max)


def _escaped(byte: re.Match[bytes]) -> bytes:
    return b"%%%02X" % byte[0][0]
