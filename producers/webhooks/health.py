"""`/healthz`: whether the webhooks work, for anybody; their counts, for this machine and holders of the token.

A request through an untrusted proxy is not this machine's, even if the proxy runs on it.
"""

from __future__ import annotations

import hmac
from typing import Final

import msgspec
import orjson
from aiohttp import web

from producers.web.addresses import HEADERS_OF_PROXIES, is_loopback
from producers.web.answers import ReadyAnswer
from producers.web.server import WebServer
from producers.webhooks.receiving import Receiving

HEALTH_PATH: Final = "/healthz"


class Health:
    """Answers requests to HEALTH_PATH."""

    def __init__(self, receiving: Receiving, server: WebServer, token: str | None) -> None:
        self._receiving = receiving
        self._server = server
        self._token = token

    def answer(self, request: web.BaseRequest, client: str) -> ReadyAnswer:
        """200 if the log accepts records, else 503; `client` is the client's address."""
        works = self._receiving.log_works
        said: dict[str, object] = {"status": "ok" if works else "the log takes nothing"}
        if self._may_know(request, client):
            said["counts"] = msgspec.structs.asdict(self._receiving.counts)
            said["connections"] = msgspec.structs.asdict(self._server.counts)
            said["held_bytes"] = self._server.budget.used
        return ReadyAnswer(200 if works else 503, orjson.dumps(said), "application/json")

    def _may_know(self, request: web.BaseRequest, client: str) -> bool:
        if self._token is not None:
            kind, _, given = request.headers.get("Authorization", "").partition(" ")
            if kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token.encode()):
                return True
        if not is_loopback(client):
            return False
        return client != request.remote or not any(name in request.headers for name in HEADERS_OF_PROXIES)
