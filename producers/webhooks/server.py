"""Where vendors push to: `/push/ACCOUNT/report` and `/push/ACCOUNT/inbound`, GET or POST; and `/healthz`.

A push is answered with 200 only when what it carried is durable on the log (groups.py), so that a vendor who repeats
unanswered pushes loses us nothing. HTTP is the web server's (producers/web), what becomes of a push is receiving.py's,
what is in it is the vendor's (`report_push`, `inbound_push`). Everything is bounded: head, body, time; and for each
account and kind of push by itself, so that one vendor's flood is not another's, the rate and the pushes that wait for
the log.

Weak spot: all share one process, so a vendor whose pushes are refused still costs the others the time of refusing.
"""

from __future__ import annotations

import errno
import time
from typing import Final

import msgspec
import orjson
from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from dispatcher.config.file import Config
from dispatcher.errors import ConfigError, PortInUse
from dispatcher.log.port import Log
from dispatcher.vendors.seam.vendor import Push
from producers.web.answers import Answer, Reply
from producers.web.bodies import BodyBroken, BodyTooLarge, read_body
from producers.web.server import WebServer
from producers.webhooks.endpoint import Endpoint
from producers.webhooks.receiving import COME_AGAIN, Receiving, WebhookCounts

BODY_S: Final = 60.0
HEALTH_PATH: Final = "/healthz"

BROKEN: Final = Answer(400, last=True)
OTHER_VERSION: Final = Answer(505, last=True)
WRONG_METHOD: Final = Answer(405, allow="GET, POST")
STRANGER: Final = Answer(403, last=True)
TOO_LARGE: Final = Answer(413, last=True)
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
        self._receiving = Receiving(log)
        self.counts: WebhookCounts = self._receiving.counts
        self._endpoints: dict[str, Endpoint] = {}
        self._server = WebServer(self._handle, self._malformed)
        words = config.inbound.opt_outs
        for account, vendor in config.accounts.items():
            for reports in (True, False):
                endpoint = Endpoint(log, account, vendor, words, reports=reports)
                for path in (endpoint.path, f"{endpoint.path}/"):  # some vendors add a slash to what they are given
                    self._endpoints[path] = endpoint

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
            await endpoint.groups.drained()

    async def _handle(self, request: web.BaseRequest) -> Reply:
        return Reply(await self._answer(request), request)

    async def _answer(self, request: web.BaseRequest) -> Answer:
        if request.version not in (HttpVersion10, HttpVersion11):
            return OTHER_VERSION
        if request.version == HttpVersion10 and "Transfer-Encoding" in request.headers:
            return BROKEN  # HTTP/1.0 has no chunks: whoever passed it on may have read its end elsewhere
        path, query = _target(request.raw_path)
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            return self._elsewhere(path)
        counts = self.counts
        counts.pushes += 1
        refusal = self._refusal(request, endpoint)
        if refusal is not None:
            return refusal
        body = b""
        if not request.content.is_eof() or request.can_read_body:
            try:
                body = await read_body(request, self._web.body_bytes_max, BODY_S)
            except BodyTooLarge:
                counts.too_large += 1
                return TOO_LARGE
            except BodyBroken:
                counts.broken_off += 1
                return BROKEN
        content_type = request.headers.get("Content-Type", "")
        push = Push(endpoint.account, request.method, query, body, content_type, _now_ms())
        return await self._receiving.receive(endpoint, push)

    def _refusal(self, request: web.BaseRequest, endpoint: Endpoint) -> Answer | None:
        """The answer to a push that is refused without its body."""
        counts = self.counts
        if request.method not in ("GET", "POST"):
            counts.wrong_method += 1
            return WRONG_METHOD
        if endpoint.expects is not None and not endpoint.expects(request.remote):
            counts.strangers += 1
            self._receiving.log_line("push-refused", endpoint, status=403, why="its address is not in push_from")
            return STRANGER
        if endpoint.too_fast(_now_ms() // 1000, self._web.pushes_per_s_max):
            counts.too_fast += 1
            return TOO_FAST
        if endpoint.waiting >= self._web.waiting_max:
            counts.too_many += 1
            return COME_AGAIN
        return None

    def _elsewhere(self, path: str) -> Answer:
        if path == HEALTH_PATH:
            state = "ok" if self._receiving.log_works else "the log takes nothing"
            body = orjson.dumps({"status": state, "counts": msgspec.structs.asdict(self.counts)})
            return Answer(200 if self._receiving.log_works else 503, body, "application/json")
        self.counts.unknown_path += 1
        return UNKNOWN_PATH

    def _malformed(self) -> None:
        self.counts.malformed += 1


def _target(raw_path: str) -> tuple[str, bytes]:
    """(path, query) of a request's target, also of `http://host/path?query` (RFC 9112, 3.2.2)."""
    if not raw_path.startswith("/"):
        _, scheme_ends, rest = raw_path.partition("://")
        if scheme_ends:
            raw_path = f"/{rest.partition('/')[2]}"
    path, _, query = raw_path.partition("?")
    return path, query.encode("utf-8", "surrogateescape")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _address(listen: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`. Raises ConfigError."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f'[web] listen = "{listen}" is not HOST:PORT. Write, for example, "127.0.0.1:8080".')
    return host, int(port)
