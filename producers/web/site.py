"""What the web server asks of the sites it serves (pushes, API, console), and what it gives them: one request.

A site owns the paths that begin with one of its `roots` (the first segment); the site with the root "" owns the rest.
It judges a request by its head before it reads a body, and calls `prove` for a client that it knows and `distrust` for
one that did what no known client does.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

import msgspec
from aiohttp import web

from producers.web.addresses import client_address
from producers.web.answers import ReadyAnswer
from producers.web.byte_budget import HeldBytes
from producers.web.connection import Connection

if TYPE_CHECKING:
    from dispatcher.config.file import Config
    from dispatcher.log.port import Log
    from producers.web.server import WebServer

_REQUEST_LINE: Final = re.compile(rb"([A-Z]{1,16}) (\S+) HTTP/1\.[01]\r\n")
_BEARER: Final = re.compile(rb"\r\nAuthorization:[ \t]*Bearer[ \t]+([\x21-\x7e]{1,200})[ \t]*\r\n", re.IGNORECASE)


class Pieces(Protocol):
    """What an asynchronous generator of bytes is, started or not."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None:
        """No more pieces are wanted."""


class Streamed(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is written piece by piece, as its reader takes it.

    `pieces` is closed when the client leaves, hangs or the server stops; then, and if it raises, the answer ends
    without its end, so the client knows that it is incomplete. `caller`: who gets it; one caller gets a share of all.
    """

    pieces: Pieces
    content_type: str
    caller: str
    headers: Mapping[str, str] = {}


Answer = ReadyAnswer | Streamed


class Incoming:
    """One request: aiohttp's as `http`, its path as sent (still escaped) and query, its connection and held bytes."""

    __slots__ = ("connection", "held", "http", "method", "path", "query")

    def __init__(self, http: web.BaseRequest, connection: Connection, held: HeldBytes, path: str, query: bytes) -> None:
        self.http = http
        self.connection = connection
        self.held = held
        self.method = http.method
        self.path = path
        self.query = query

    @property
    def address(self) -> str:
        """The client's real address; "" if a trusted proxy names none."""
        peer = self.http.remote or ""
        if not self.connection.is_proxy:
            return peer
        forwarded = self.http.headers.getall("X-Forwarded-For", [])
        return client_address(peer, forwarded, self.connection.server.is_proxy)

    @property
    def bearer(self) -> str:
        """The token that the request carries; "" if it carries none."""
        kind, _, given = self.http.headers.get("Authorization", "").partition(" ")
        return given.strip() if kind.lower() == "bearer" else ""

    def prove(self) -> None:
        """The client has proved who it is."""
        self.connection.prove()
        self.held.trust()

    def distrust(self, answer: ReadyAnswer) -> ReadyAnswer:
        """The client did something that a known one does not; returns the answer."""
        self.connection.distrust()
        return answer


class Head(msgspec.Struct, frozen=True):
    """The first bytes of a request, not yet parsed as HTTP: `path` and `query` of its target, and all that came."""

    method: str
    path: str
    query: bytes
    first: bytes

    @property
    def bearer(self) -> str:
        """The token in the first bytes; "" if there is none."""
        found = _BEARER.search(self.first)
        return "" if found is None else found[1].decode("ascii")


class Site(Protocol):
    """A part of what the server answers."""

    @property
    def roots(self) -> tuple[str, ...]:
        """The first segments of its paths; "" for all that no other site owns."""

    def proves(self, head: Head, address: str) -> bool:
        """Whether these first bytes, from this address, seem a known client's: such connections are read first."""

    async def handle(self, incoming: Incoming) -> Answer:
        """Answer a request whose path begins with one of the roots."""

    async def close(self) -> None:
        """Called when all requests are answered."""


@runtime_checkable
class Greeting(Protocol):
    """A site that tells something to whoever starts the process."""

    def greeting(self, url: str) -> list[str]:
        """Lines of text; `url` is where the server listens."""


@runtime_checkable
class Listening(Protocol):
    """A site that does something once it is certain that this process is the one that listens."""

    async def listening(self) -> None:
        """Called once, before the first request is answered or soon after it. Raises LogError."""


OpenSite = Callable[["Config", "Log", "WebServer"], Awaitable[Site]]
"""An entry point of `dispatcher.sites`: opens a site before the server listens. Raises ConfigError, LogError."""


def read_head(first: bytes) -> Head | None:
    """The request that begins with these bytes; None if its first line is incomplete or is not HTTP."""
    line = _REQUEST_LINE.match(first)
    if line is None:
        return None
    path, query = target(line[2].decode("latin-1"))
    return Head(line[1].decode(), path, query, first)


def target(raw_path: str) -> tuple[str, bytes]:
    """(path, query) of a request's target, also of `http://host/path?query` (RFC 9112, 3.2.2)."""
    if not raw_path.startswith("/"):
        _, scheme_ends, rest = raw_path.partition("://")
        if scheme_ends:
            raw_path = f"/{rest.partition('/')[2]}"
    path, _, query = raw_path.partition("?")
    return path, query.encode("utf-8", "surrogateescape")


def root_of(path: str) -> str:
    """The first segment of a path."""
    return path[1:].partition("/")[0]
