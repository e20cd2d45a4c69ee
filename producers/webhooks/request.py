"""A request as the push server hands it on, and the answer to it. HTTP only: what is in a push is not known here.

An `Answer` is made once and written often: the bytes of the usual case, HTTP/1.1 on a connection that stays, are ready.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

STREAM: Final = "application/octet-stream"


class Answer:
    """Status, headers and body of an answer. After one that is `last` the connection is closed."""

    __slots__ = ("_body", "_head", "last", "status", "whole")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        content_type: str = STREAM,
        *,
        allow: str = "",
        retry_after_s: int = 0,
        last: bool = False,
    ) -> None:
        lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
        if allow:
            lines.append(f"Allow: {allow}")
        if retry_after_s:
            lines.append(f"Retry-After: {retry_after_s}")
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}", ""]
        self._head = "\r\n".join(lines).encode()
        self._body = body
        self.status = status
        self.last = last
        self.whole = self._head + b"\r\n" + body

    def to(self, method: str, connection: bytes) -> bytes:
        """The answer with `connection` as its Connection header, and without its body if it is one to a HEAD."""
        body = b"" if method == "HEAD" else self._body
        return self._head + b"Connection: " + connection + b"\r\n\r\n" + body


class Request:
    """One request: `target` as it was sent, except that bytes beyond ASCII are %XX; `body` once it is whole.

    `answer` answers it, now or later; only the first answer counts; to answer a connection that is gone does
    nothing. `context` is for whoever answers.
    """

    __slots__ = (
        "_answer",
        "asks_to_go_on",
        "body",
        "closes",
        "content_type",
        "context",
        "length",
        "method",
        "path",
        "query",
        "remote",
        "reply",
        "unusual",
    )

    def __init__(self, answer: Callable[[Request, Answer], None], method: str, target: bytes, remote: str) -> None:
        if not target.startswith(b"/"):
            target = _origin_form(target)
        self.path, _, self.query = target.partition(b"?")
        self.method = method
        self.remote = remote
        self.content_type = ""
        self.body = b""
        self.context: Any = None
        self.length: int | None = 0
        """The body's length; None: it comes in chunks."""
        self.asks_to_go_on = False
        """Whether its sender waits for `100 Continue` before the body."""
        self.closes = False
        """Whether the connection is closed after its answer."""
        self.unusual = False
        """Whether its answer needs a Connection header, or no body."""
        self.reply: Answer | None = None
        self._answer = answer

    def answer(self, reply: Answer) -> None:
        """Answer it: at once if the requests before it on its connection are answered, or else behind them."""
        self._answer(self, reply)


class NotInflated(Exception):
    """A body that is not what its Content-Encoding says."""


def inflated(body: bytes, encoding: bytes, bytes_max: int) -> bytes | None:
    """A body as it was before its Content-Encoding; None: that is more than `bytes_max`. Raises NotInflated.

    Only gzip and deflate are known; any other encoding is left to whoever reads the body.
    """
    if encoding not in (b"gzip", b"x-gzip", b"deflate"):
        return body
    inflating = zlib.decompressobj(zlib.MAX_WBITS if encoding == b"deflate" else zlib.MAX_WBITS + 16)
    try:
        whole = inflating.decompress(body, bytes_max + 1)
    except zlib.error as error:
        raise NotInflated from error
    if len(whole) > bytes_max:
        return None
    if not inflating.eof:
        raise NotInflated
    return whole


def _origin_form(target: bytes) -> bytes:
    """`/path?query` of `http://host/path?query`, which a server has to take too (RFC 9112, 3.2.2)."""
    _, scheme_end, rest = target.partition(b"://")
    if not scheme_end:
        return target
    _, slash, path = rest.partition(b"/")
    return slash + path
