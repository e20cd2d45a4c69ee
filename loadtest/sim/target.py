"""A receiver's URL, and the request that pushes something to it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

FORM = (
    b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
)


class Target(NamedTuple):
    """A receiver's URL, taken apart."""

    host: str
    port: int
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> Target:
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 80, parts.path or "/", parts.query)

    def request(self, method: str, parameters: bytes) -> bytes:
        """An HTTP/1.1 request with url-encoded parameters: in the query (GET) or as a form (POST)."""
        own = self.query.encode()
        host = f"{self.host}:{self.port}".encode()
        if method == "GET":
            query = own + b"&" + parameters if own else parameters
            return b"GET %b?%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (self.path.encode(), query, host)
        path = self.path.encode() + (b"?" + own if own else b"")
        return FORM % (path, host, len(parameters), parameters)
