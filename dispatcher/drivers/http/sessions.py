"""The sessions of one account's HTTP link, each of one connection, and which of them are used again.

They are taken from a stack: hot connections stay hot, cold ones expire. A vendor that closes a connection it promised
to keep, just as a request is written into it, leaves that request unknown. After that, every request gets a new
connection for a while, twice as long each time, except if a login lives on a connection (`HttpVendor.cookies`).
Weak spot: it must happen once, to all requests that are under way in kept connections at that moment.
"""

from __future__ import annotations

import asyncio
import errno
import time
from typing import Final

import aiohttp

from dispatcher.loggers import get_logger
from dispatcher.vendors.seam.vendor import HttpVendor

FRESH_S_MIN: Final = 60.0
FRESH_S_MAX: Final = 86_400.0
"""How long connections are not kept after one broke: at first, and at most."""

_GONE: Final = frozenset({errno.ECONNRESET, errno.EPIPE})

log = get_logger(__name__)


class Sessions:
    """The sessions of one account: `take` one for a flow, `give` it back. The first request connects."""

    def __init__(self, vendor: HttpVendor, account: str) -> None:
        self.idle: list[aiohttp.ClientSession] = []
        self._vendor: Final = vendor
        self._account: Final = account
        self._all: dict[aiohttp.ClientSession, asyncio.BaseTransport | None] = {}  # and the last connection of each
        self._fresh_s = 0.0
        self._fresh_until_s = float("-inf")

    async def take(self) -> aiohttp.ClientSession:
        """An unused session."""
        fresh = time.monotonic() < self._fresh_until_s
        while self.idle:
            session = self.idle.pop()
            if session.connector is not None and session.connector.force_close == fresh:
                return session
            del self._all[session]
            await session.close()
        return self._session(fresh=fresh)

    def give(self, session: aiohttp.ClientSession) -> None:
        """Return the session after its flow."""
        if not session.closed:
            self.idle.append(session)

    async def close(self) -> None:
        """Close all connections."""
        sessions, self._all, self.idle = list(self._all), {}, []
        for session in sessions:
            await session.close()

    def wrote(self, session: aiohttp.ClientSession, connection: asyncio.BaseTransport | None) -> None:
        """Record that a request written into this connection is over."""
        if session in self._all:
            self._all[session] = connection

    def broke(self, session: aiohttp.ClientSession, connection: asyncio.BaseTransport | None, error: Exception) -> None:
        """Record that a written request got no answer: the vendor may have closed a kept connection."""
        kept = connection is not None and self._all.get(session) is connection
        if not kept or self._vendor.cookies or not _is_gone(error):
            return
        now_s = time.monotonic()
        if now_s < self._fresh_until_s:  # under way together with the first one
            return
        self._fresh_s = min(max(self._fresh_s * 2, FRESH_S_MIN), FRESH_S_MAX)
        self._fresh_until_s = now_s + self._fresh_s
        log.warning(
            "kept connection closed",
            account=self._account,
            advice="the vendor closes idle connections without saying so: each request gets its own for a while; "
            "keepalive_s should be below what the vendor's server allows",
            for_s=self._fresh_s,
        )

    def _session(self, *, fresh: bool) -> aiohttp.ClientSession:
        vendor = self._vendor
        if fresh:
            connector = aiohttp.TCPConnector(limit=1, ttl_dns_cache=60, force_close=True)
        else:
            connector = aiohttp.TCPConnector(limit=1, ttl_dns_cache=60, keepalive_timeout=vendor.keepalive_s)
        session = aiohttp.ClientSession(
            connector=connector,
            # The time for an answer counts from the first byte (driver.py).
            timeout=aiohttp.ClientTimeout(
                total=None, connect=vendor.connect_timeout_s, sock_connect=vendor.connect_timeout_s
            ),
            cookie_jar=aiohttp.CookieJar(unsafe=True) if vendor.cookies else aiohttp.DummyCookieJar(),
            headers={
                "User-Agent": "dispatcher",
                "Accept": "*/*",
                "Accept-Encoding": "identity",
                "Connection": "close" if fresh else "keep-alive",
            },
            trust_env=False,
        )
        self._all[session] = None
        return session


def _is_gone(error: Exception) -> bool:
    """Whether the other side closed the connection."""
    return isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError | BrokenPipeError) or (
        isinstance(error, OSError) and error.errno in _GONE
    )
