"""Where vendors push to: `/push/ACCOUNT/report` and `/push/ACCOUNT/inbound`, GET or POST; and `/healthz`.

A push is answered with 200 only when what it carried is durable on the log (push_groups.py), so that a vendor who
repeats unanswered pushes loses us nothing. HTTP is the push server's (push_server.py), what becomes of a push
push_taking.py's, what is in it the vendor's (`report_push`, `inbound_push`). Everything is bounded: header, body, time;
and for each account and kind of push by itself, so that one vendor's flood is not another's, the rate and the pushes
that wait for the log.

Weak spot: all share one process, so a vendor whose pushes are refused still costs the others the time of refusing.
"""

from __future__ import annotations

import errno
import time
from typing import Final

import msgspec
import orjson

from dispatcher.config.file import Config
from dispatcher.errors import ConfigError, PortInUse
from dispatcher.log.port import Log
from producers.webhooks.endpoint import Endpoint
from producers.webhooks.http_server import PushServer
from producers.webhooks.reader import Bounds
from producers.webhooks.receiving import COME_AGAIN, Taking, WebhookCounts
from producers.webhooks.request import Answer, Request

HEALTH_PATH: Final = b"/healthz"

WRONG_METHOD: Final = Answer(405, allow="GET, POST")
STRANGER: Final = Answer(403, last=True)
UNKNOWN_PATH: Final = Answer(404)
TOO_FAST: Final = Answer(429, retry_after_s=1)


async def serve_webhooks(config: Config, log: Log) -> Webhooks:
    """Listen at `config.web.listen` (port 0: any free one). Raises PortInUse, ConfigError."""
    webhooks = Webhooks(config, log)
    await webhooks.start()
    return webhooks


class Webhooks:
    """The server, made by `serve_webhooks`. `url` says where it listens, `counts` what came in."""

    def __init__(self, config: Config, log: Log) -> None:
        self.url = ""
        self._web = config.web
        self._taking = Taking(log)
        self.counts: WebhookCounts = self._taking.counts
        self._endpoints: dict[bytes, Endpoint] = {}
        self._server = PushServer(self, Bounds(body_bytes_max=config.web.body_bytes_max))
        words = config.inbound.opt_outs
        for account, vendor in config.accounts.items():
            for reports in (True, False):
                endpoint = Endpoint(log, account, vendor, words, reports=reports)
                for path in (endpoint.path, f"{endpoint.path}/"):  # some vendors add a slash to what they are given
                    self._endpoints[path.encode()] = endpoint

    async def start(self) -> None:
        """Listen. Raises PortInUse, ConfigError."""
        where = self._web.listen
        host, port = _address(where)
        try:
            bound = await self._server.listen(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    f"{where} is in use. Stop the program there, or give [web] listen another port."
                ) from error
            raise ConfigError(f"cannot listen at {where}: give [web] listen an address of this machine.") from error
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound}"

    async def close(self) -> None:
        """Stop listening, answer what is waiting for the log, and go."""
        await self._server.close()
        for endpoint in set(self._endpoints.values()):
            if endpoint.together is not None:
                await endpoint.together.drained()
        await self._taking.drained()
        for endpoint in set(self._endpoints.values()):
            await endpoint.groups.drained()

    # --- what the server tells ---------------------------------------------------------------------------------------

    def begun(self, request: Request) -> None:
        """Refuse it if there is no need of its body for that."""
        endpoint = self._endpoints.get(request.path)
        if endpoint is None:
            return self._elsewhere(request)
        request.context = endpoint
        counts = self.counts
        counts.pushes += 1
        if request.method not in ("GET", "POST"):
            counts.wrong_method += 1
            return request.answer(WRONG_METHOD)
        if endpoint.expects is not None and not endpoint.expects(request.remote):
            counts.strangers += 1
            self._taking.tell("push-refused", endpoint, status=403, why="its address is not in push_from")
            return request.answer(STRANGER)
        if endpoint.too_fast(_now_ms() // 1000, self._web.pushes_per_s_max):
            counts.too_fast += 1
            return request.answer(TOO_FAST)
        if endpoint.waiting >= self._web.waiting_max:
            counts.too_many += 1
            return request.answer(COME_AGAIN)
        return None

    def broken(self, request: Request) -> None:
        """Count it."""
        self.counts.broken_off += 1

    def too_large(self, request: Request) -> None:
        """Count it."""
        self.counts.too_large += 1

    def malformed(self) -> None:
        """Count it."""
        self.counts.malformed += 1

    def whole(self, request: Request) -> None:
        """Take it."""
        self._taking.take(request.context, request)

    # --- what is no push ---------------------------------------------------------------------------------------------

    def _elsewhere(self, request: Request) -> None:
        if request.path == HEALTH_PATH:
            state = "ok" if self._taking.log_works else "the log takes nothing"
            body = orjson.dumps({"status": state, "counts": msgspec.structs.asdict(self.counts)})
            request.answer(Answer(200 if self._taking.log_works else 503, body, "application/json"))
        else:
            self.counts.unknown_path += 1
            request.answer(UNKNOWN_PATH)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _address(listen: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`. Raises ConfigError."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f'[web] listen = "{listen}" is not HOST:PORT. Write, for example, "127.0.0.1:8080".')
    return host, int(port)
