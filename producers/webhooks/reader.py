"""From bytes to requests, for one connection of the push server (push_connection.py).

llhttp parses, strictly: what can be read in two ways (two lengths, a length and chunks, a line end without CR) is
refused. It is strict about bytes beyond ASCII too, which vendors' documents print in queries (`…&msg=退订 HTTP/1.1`,
vendors.md AMB-BATCH-15): in a request's head we escape them as %XX before it sees them, wherever the pieces are cut;
a body is never touched. A request to upgrade the protocol (Java's client asks for h2c) is taken as if it did not ask.

Weak spot: a blank that stands in the query as it is, or a control character, is refused as it always was.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import structlog
from httptools import HttpParserCallbackError, HttpParserError, HttpParserUpgrade, HttpRequestParser

from producers.webhooks.request import Answer, NotInflated, Request, inflated

PIECES_MAX: Final = 1_024
LENGTH_DIGITS_MAX: Final = 20

NOT_HTTP: Final = Answer(400, last=True)
TOO_LARGE: Final = Answer(413, last=True)
HEAD_TOO_LARGE: Final = Answer(431, last=True)
OUR_FAULT: Final = Answer(500, last=True)
OTHER_VERSION: Final = Answer(505, last=True)

_WANTED: Final = frozenset(
    (b"content-length", b"content-type", b"content-encoding", b"transfer-encoding", b"expect", b"upgrade")
)
_METHODS: Final = {b"GET": "GET", b"POST": "POST"}
_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]")

logger = structlog.get_logger(__name__)


class Bounds(msgspec.Struct, frozen=True):
    """Of every connection: bytes of a head and of a body, and how long what may last (see PushConnection.sweep)."""

    body_bytes_max: int = 1_048_576
    header_bytes_max: int = 65_536
    idle_s: float = 75.0
    request_s: float = 60.0
    write_s: float = 30.0
    linger_s: float = 1.0


class Receiver(Protocol):
    """Whom a reader tells what it has read."""

    def head_came(self, request: Request) -> None:
        """It may be answered already; what comes as its body is then thrown away."""

    def came(self, request: Request) -> None:
        """With its body, unless it is answered."""

    def gave_up(self, request: Request | None, answer: Answer) -> None:
        """Nothing more will be read; this is the answer, to the request whose body was coming or to what was none."""


class RequestReader:
    """The bytes of one connection. Once it is `deaf`, nothing more is looked at."""

    __slots__ = (
        "_answer",
        "_body",
        "_body_bytes",
        "_bounds",
        "_encoding",
        "_fed_bytes",
        "_head_bytes",
        "_headers",
        "_in_head",
        "_parser",
        "_receiver",
        "_remote",
        "_replay",
        "_target",
        "begins",
        "deaf",
        "request",
    )

    def __init__(
        self, receiver: Receiver, answer: Callable[[Request, Answer], None], remote: str, bounds: Bounds
    ) -> None:
        self._receiver = receiver
        self._answer = answer
        self._remote = remote
        self._bounds = bounds
        self._parser = HttpRequestParser(self)
        self.deaf = False
        self.begins = False
        """Whether a request began since this was last set to False."""
        self.request: Request | None = None
        """The one whose body is coming."""

        self._in_head = False
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._fed_bytes = 0
        self._replay = b""

        self._body: list[bytes] = []
        self._body_bytes = 0
        self._encoding = b""

    @property
    def receiving(self) -> bool:
        """Whether a request has begun and is not whole."""
        return self._in_head or self.request is not None

    def feed(self, data: bytes) -> None:
        """What came, in whatever pieces."""
        if self.deaf:
            return
        if self._in_head:
            self._fed_bytes += len(data)
        try:
            if data.isascii():
                self._feed(data)
            else:
                self._feed_escaped(data)
        except HttpParserCallbackError as error:
            logger.error("push-server-failed", error=type(error.__context__).__name__)
            self.give_up(OUR_FAULT)
        except HttpParserError:
            self.give_up(NOT_HTTP)
        if self._in_head and self._fed_bytes > self._bounds.header_bytes_max:
            self.give_up(HEAD_TOO_LARGE)

    def give_up(self, answer: Answer) -> None:
        """Read no more, and say why."""
        if not self.deaf:
            request, self.request = self.request, None
            self.stop()
            self._receiver.gave_up(request, answer)

    def stop(self) -> None:
        """Read no more."""
        self.deaf = True
        self._in_head = False
        self.request = None
        self._body = []

    def _feed(self, data: bytes | memoryview) -> None:
        """Raises HttpParserError."""
        while data:
            try:
                return self._parser.feed_data(data)
            except HttpParserUpgrade as upgrade:
                if not self._replay:
                    return self.stop()
                data = memoryview(data)[upgrade.args[0] :]
                replay, self._replay = self._replay, b""
                self._parser = HttpRequestParser(self)
                self._parser.feed_data(replay)
        return None

    def _feed_escaped(self, data: bytes) -> None:
        """The same for what holds bytes beyond ASCII. Raises HttpParserError.

        Fed line by line, as heads and chunks end with one: so the parser has always told us whether the next byte is
        one of a head.
        """
        at = 0
        while at < len(data) and not self.deaf:
            request = self.request
            if request is not None and request.length is not None:
                end = at + request.length - self._body_bytes
            else:
                end = data.find(b"\n", at) + 1 or len(data)
            if request is None:
                self._feed(_BEYOND_ASCII.sub(_escaped, data[at:end]))
            else:
                self._feed(memoryview(data)[at:end])
            at = end

    # --- what the parser tells ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.begins = self._in_head = not self.deaf
        self._target = b""
        self._headers = {}
        self._head_bytes = self._fed_bytes = 0

    def on_url(self, part: bytes) -> None:
        """The target, or a part of it."""
        self._target += part
        self._head_bytes += len(part)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or, after a body in chunks, a trailer, which is of no interest."""
        self._head_bytes += len(name) + len(value) + 4
        name = name.lower()
        if name in _WANTED:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head = False
        if self.deaf:
            return
        if self._head_bytes > self._bounds.header_bytes_max:
            return self.give_up(HEAD_TOO_LARGE)
        parser = self._parser
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            return self.give_up(OTHER_VERSION)
        raw_method = parser.get_method()
        upgrade = parser.should_upgrade()
        if upgrade and raw_method != b"CONNECT":
            self._replay = self._without_upgrade(raw_method, version)
            return None
        method = _METHODS.get(raw_method) or raw_method.decode("latin-1")
        request = Request(self._answer, method, self._target, self._remote)
        request.closes = upgrade or not parser.should_keep_alive()
        request.unusual = request.closes or version == "1.0" or method == "HEAD"
        if not self._understood(request, version):
            return self.give_up(NOT_HTTP)
        self.request = request
        self._receiver.head_came(request)
        if request.reply is not None and request.closes:
            self.stop()
        elif request.length is not None and request.length > self._bounds.body_bytes_max:
            self.give_up(TOO_LARGE)
        return None

    def on_body(self, part: bytes) -> None:
        """A part of a body; of a short one that came in one piece, all of it."""
        request = self.request
        if request is None:
            return
        self._body_bytes += len(part)
        if self._body_bytes > self._bounds.body_bytes_max:
            self.give_up(TOO_LARGE)
        elif request.reply is None:
            self._body.append(part)
            if len(self._body) > PIECES_MAX:
                self._body = [b"".join(self._body)]

    def on_message_complete(self) -> None:
        """The request is whole."""
        request = self.request
        if request is None:
            return
        if self._body and request.reply is None:
            parts, self._body = self._body, []
            body: bytes | None = parts[0] if len(parts) == 1 else b"".join(parts)
            if self._encoding and body:
                try:
                    body = inflated(body, self._encoding, self._bounds.body_bytes_max)
                except NotInflated:
                    return self.give_up(NOT_HTTP)
            if body is None:
                return self.give_up(TOO_LARGE)
            request.body = body
        self.request = None
        if request.closes:
            self.stop()
        self._receiver.came(request)
        return None

    # --- a head ------------------------------------------------------------------------------------------------------

    def _understood(self, request: Request, version: str) -> bool:
        """Take from the headers what is of interest; False: they are not for us to understand."""
        self._body_bytes = 0
        self._encoding = b""
        headers = self._headers
        if not headers:
            return True
        if b"transfer-encoding" in headers:
            if version == "1.0":  # which has no chunks: whoever passed it on may have read its end elsewhere
                return False
            request.length = None
        elif length := headers.get(b"content-length"):
            if len(length) > LENGTH_DIGITS_MAX:
                return False
            request.length = int(length)
        if content_type := headers.get(b"content-type"):
            request.content_type = content_type.decode("latin-1")
        if encoding := headers.get(b"content-encoding"):
            self._encoding = encoding.strip().lower()
        if expect := headers.get(b"expect"):
            request.asks_to_go_on = version == "1.1" and expect.strip().lower() == b"100-continue"
        return True

    def _without_upgrade(self, method: bytes, version: str) -> bytes:
        """The head again, without the wish to upgrade."""
        self._headers.pop(b"upgrade", None)
        stays = self._parser.should_keep_alive()
        lines = [b"%s %s HTTP/%s" % (method, self._target, version.encode())]
        lines += [b"%s: %s" % header for header in self._headers.items()]
        lines += [b"Connection: keep-alive" if stays else b"Connection: close", b"", b""]
        return b"\r\n".join(lines)


def _escaped(byte: re.Match[bytes]) -> bytes:
    return b"%%%02X" % byte[0][0]
