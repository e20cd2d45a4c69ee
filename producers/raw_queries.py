"""Pushes whose query holds text as it is, not percent-encoded: `…&msg=退订 HTTP/1.1`.

The documents of vendors print such requests (vendors.md AMB-BATCH-15), but an HTTP parser refuses a byte beyond ASCII
in a request line, and what the push said would be lost. So these bytes are escaped before the parser sees them.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

_REQUEST_LINE: Final = re.compile(rb"(?:GET|POST) /push/[^ \r\n]* HTTP/1\.[01]")
_BEYOND_ASCII: Final = re.compile(rb"[\x80-\xff]")


class PushServer(web.Server):
    """A server whose connections escape request lines first."""

    def __call__(self) -> web.RequestHandler:
        """The handler of a new connection."""
        return _Escaping(self, loop=self._loop, **self._kwargs)


class _Escaping(web.RequestHandler):
    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        super().data_received(data if data.isascii() else escaped(data))


def escaped(data: bytes) -> bytes:
    """What came in one piece; if it begins with a push's request line, that line with its bytes beyond ASCII as %XX.

    Weak spots: a request line in two pieces, or one behind another request in the same piece, stays as it is and is
    refused; and a body's piece that begins like a whole request line would be changed. No known vendor sends either.
    """
    line, end, rest = data.partition(b"\r\n")
    if line.isascii() or not _REQUEST_LINE.fullmatch(line):
        return data
    return _BEYOND_ASCII.sub(lambda byte: b"%%%02X" % byte[0][0], line) + end + rest
