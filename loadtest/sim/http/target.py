"""A receiver's URL, and the request that pushes something to it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

POST = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b"
BARE_POST = b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Length: 0\r\n\r\n"


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
        if method == "GET":
            return b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (self._path(parameters), self._authority())
        return self.post(parameters, b"application/x-www-form-urlencoded")

    def post(self, body: bytes, content_type: bytes) -> bytes:
        """A POST of this body."""
        return POST % (self._path(), self._authority(), content_type, len(body), body)

    def post_query(self, parameters: bytes) -> bytes:
        """A POST without a body, its url-encoded parameters in the query."""
        return BARE_POST % (self._path(parameters), self._authority())

    def _path(self, parameters: bytes = b"") -> bytes:
        query = b"&".join(filter(None, (self.query.encode(), parameters)))
        return self.path.encode() + (b"?" + query if query else b"")

    def _authority(self) -> bytes:
        return f"{self.host}:{self.port}".encode()
