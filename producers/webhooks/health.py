"""`/healthz`: whether the webhooks work, for anybody; their counts, for this machine and holders of the token."""

from __future__ import annotations

from typing import Final

import msgspec
import orjson

from producers.web.answers import ReadyAnswer
from producers.web.monitors import is_monitor
from producers.web.server import WebServer
from producers.web.site import Incoming
from producers.webhooks.receiving import Receiving

HEALTH_PATH: Final = "/healthz"


class Health:
    """Answers requests to HEALTH_PATH."""

    def __init__(self, receiving: Receiving, server: WebServer, token: str | None) -> None:
        self._receiving = receiving
        self._server = server
        self._token = token

    def answer(self, incoming: Incoming) -> ReadyAnswer:
        """200 if the log accepts records, else 503."""
        works = self._receiving.log_works
        said: dict[str, object] = {"status": "ok" if works else "the log takes nothing"}
        if is_monitor(incoming, self._token):
            said["counts"] = msgspec.structs.asdict(self._receiving.counts)
            said["connections"] = msgspec.structs.asdict(self._server.counts)
            said["held_bytes"] = self._server.budget.used
        return ReadyAnswer(200 if works else 503, orjson.dumps(said), "application/json")
