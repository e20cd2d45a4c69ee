"""Where vendors push to: `/push/ACCOUNT/report` and `/push/ACCOUNT/inbound`, GET or POST; and `/healthz`.

A push is answered with 200 only when what it carried is durable on the log (push_groups.py), so that a vendor who
repeats unanswered pushes loses us nothing. What is in a push is the vendor's business (`report_push`, `inbound_push`).
Everything is bounded: header, body, rate, pushes waiting for the log. Junk gets a 4xx and a counter; from a vendor who
has proved who it is also a dead letter, without the secrets it carried. Queries and bodies are never logged.

Weak spot: the rate is counted per process, not per vendor, so one vendor's flood can hold up the others' pushes.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Awaitable, Sequence
from typing import Any, Final

import msgspec
import orjson
import structlog
from aiohttp import web

from dispatcher.arrivals import bury
from dispatcher.config import Config
from dispatcher.errors import ConfigError, LogError, PortInUse
from dispatcher.log.port import Log
from dispatcher.vendors.seam import Partly, Push, Refused
from producers.push_endpoint import Endpoint, Gathered
from producers.push_groups import Groups, ReadAlone
from producers.raw_queries import PushServer
from schemas.records import Reports

HEALTH_PATH: Final = "/healthz"
HEADER_BYTES_MAX: Final = 65_536
KEEPALIVE_S: Final = 75.0
SHUTDOWN_S: Final = 10.0
TELL_EVERY_S: Final = 1.0

logger = structlog.get_logger(__name__)


class WebhookCounts(msgspec.Struct):
    """What came in since the start. A push is counted in `pushes` and in one of the others down to `log_failed`."""

    pushes: int = 0
    taken: int = 0
    strangers: int = 0
    junk: int = 0
    wrong_method: int = 0
    too_large: int = 0
    too_fast: int = 0
    too_many: int = 0
    broken_off: int = 0
    our_fault: int = 0
    log_failed: int = 0

    unknown_path: int = 0
    waiting: int = 0
    reports: int = 0
    inbound: int = 0
    left_over: int = 0
    dead: int = 0


async def serve_webhooks(config: Config, log: Log) -> Webhooks:
    """Listen at `config.web.listen` (port 0: any free one). Raises PortInUse, ConfigError."""
    webhooks = Webhooks(config, log)
    await webhooks.start()
    return webhooks


class Webhooks:
    """The server, made by `serve_webhooks`. `url` says where it listens, `counts` what came in."""

    def __init__(self, config: Config, log: Log) -> None:
        self.counts = WebhookCounts()
        self.url = ""
        self._web = config.web
        self._log = log
        self._log_works = True
        self._endpoints: dict[str, Endpoint] = {}
        self._second = self._this_second = 0
        self._told: dict[str, float] = {}
        self._runner: web.ServerRunner | None = None
        words = config.inbound.opt_outs
        for account, vendor in config.accounts.items():
            for reports in (True, False):
                endpoint = Endpoint(log, account, vendor, words, reports=reports)
                self._endpoints[endpoint.path] = endpoint

    async def start(self) -> None:
        """Listen. Raises PortInUse, ConfigError."""
        where = self._web.listen
        host, port = _address(where)
        server = PushServer(
            self._handle,
            access_log=None,
            max_line_size=HEADER_BYTES_MAX,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=1,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    f"{where} is in use. Stop the program there, or give [web] listen another port."
                ) from error
            raise ConfigError(f"cannot listen at {where}: give [web] listen an address of this machine.") from error
        bound = self._runner.addresses[0]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{bound[1]}"

    async def close(self) -> None:
        """Stop listening, answer what is waiting for the log, and go."""
        if self._runner is not None:
            await self._runner.cleanup()
        for endpoint in self._endpoints.values():
            await endpoint.groups.drained()
            if endpoint.together is not None:
                await endpoint.together.drained()

    # --- a push ------------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        counts = self.counts
        path, _, query = request.raw_path.partition("?")
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            return self._elsewhere(path)
        counts.pushes += 1
        if request.method not in ("GET", "POST"):
            counts.wrong_method += 1
            return web.Response(status=405, headers={"Allow": "GET, POST"})
        if endpoint.expects is not None and not endpoint.expects(request.remote):
            counts.strangers += 1
            self._tell("push-refused", endpoint, status=403, why="its address is not in push_from")
            return _last(403)
        received_ms = _now_ms()
        if self._too_fast(received_ms // 1000):
            counts.too_fast += 1
            return _later(429)
        if counts.waiting >= self._web.waiting_max:
            counts.too_many += 1
            return _later(503)
        body = b""
        if request.body_exists:
            try:
                if request.headers.get("Expect", "").lower() == "100-continue":  # curl and .NET wait for it
                    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                read = await _body(request, self._web.body_bytes_max)
            except (web.RequestPayloadError, ConnectionError):
                counts.broken_off += 1
                return web.Response(status=400)
            if read is None:
                counts.too_large += 1
                return _last(413)
            body = read
        raw_query = query.encode("utf-8", "surrogateescape")
        content_type = request.headers.get("Content-Type", "")
        push = Push(endpoint.account, request.method, raw_query, body, content_type, received_ms)
        return await self._take(endpoint, push)

    async def _take(self, endpoint: Endpoint, push: Push) -> web.StreamResponse:
        """Read it, make it durable, answer."""
        counts = self.counts
        if endpoint.together is not None:
            answer = await self._take_together(endpoint, endpoint.together, push)
            if answer is not None:
                return answer
        try:
            parsed = endpoint.parse(push)
        except Exception as error:  # a mistake in a vendor's file: keep the push, and have the vendor push again
            counts.our_fault += 1
            self._tell("push-not-read", endpoint, error=type(error).__name__)
            await self._bury(endpoint, push, f"our code failed: {type(error).__name__}")
            return _later(500)
        if isinstance(parsed, Refused):
            return await self._refuse(endpoint, push, parsed)
        if isinstance(parsed, Partly):
            if not await self._lay_aside(endpoint, push, parsed):
                counts.log_failed += 1
                self._log_works = False
                return _later(503)
            parsed = parsed.rows
        items: Sequence[Any] = parsed if isinstance(parsed, list) else [parsed]
        if items:
            failed = await self._durable(endpoint, endpoint.groups.add(items))
            if failed is not None:
                return failed
        counts.taken += 1
        rows = sum(len(item.states) if isinstance(item, Reports) else 1 for item in items)
        if endpoint.reports:
            counts.reports += rows
        else:
            counts.inbound += rows
        return web.Response(body=endpoint.vendor.push_answer(), content_type="text/plain")

    async def _take_together(
        self, endpoint: Endpoint, groups: Groups[Gathered], push: Push
    ) -> web.StreamResponse | None:
        """The same with all that came while the log was busy, read at once. None: this push is to be read alone."""
        gathered = Gathered(push)
        try:
            failed = await self._durable(endpoint, groups.add([gathered]))
        except ReadAlone:
            return None
        if failed is not None:
            return failed
        self.counts.taken += 1
        self.counts.reports += gathered.reports
        return web.Response(body=endpoint.vendor.push_answer(), content_type="text/plain")

    async def _durable(self, endpoint: Endpoint, durable: Awaitable[None]) -> web.Response | None:
        """Wait for the log; the answer if it fails. Raises ReadAlone."""
        counts = self.counts
        counts.waiting += 1
        try:
            await durable
        except ReadAlone:
            raise
        except LogError as error:
            counts.log_failed += 1
            self._log_works = False
            self._tell("push-not-written", endpoint, error=str(error))
            return _later(503)
        except Exception as error:
            counts.our_fault += 1
            self._tell("push-not-written", endpoint, error=type(error).__name__)
            return _later(500)
        finally:
            counts.waiting -= 1
        self._log_works = True
        return None

    async def _refuse(self, endpoint: Endpoint, push: Push, refused: Refused) -> web.Response:
        self._tell("push-refused", endpoint, status=refused.status, why=refused.why)
        if (refused.authenticated or refused.keep) and not await self._bury(endpoint, push, refused.why):
            self.counts.log_failed += 1
            return _later(503)  # nothing of it is kept anywhere: the vendor has to push it again
        if refused.status == 403:
            self.counts.strangers += 1
        else:
            self.counts.junk += 1
        return web.Response(status=refused.status)

    async def _lay_aside(self, endpoint: Endpoint, push: Push, partly: Partly) -> bool:
        """Keep and count the entries that could not be read; False: the log did not take them."""
        self._tell("push-partly-read", endpoint, entries=partly.count, why=partly.why)
        kept = await self._bury(endpoint, push, partly.why, partly.rest)
        self.counts.left_over += partly.count if kept else 0
        return kept

    async def _bury(self, endpoint: Endpoint, push: Push, why: str, what: bytes | None = None) -> bool:
        """Keep what a vendor sent and we could not read (the whole push, or `what` of it), without its secrets."""
        if what is None:
            what = push.query + b"\n" + push.body if push.body else push.query
        try:
            await bury(self._log, push.account, endpoint.path, why, endpoint.masked(what), push.received_ms)
        except LogError as error:
            self._log_works = False
            self._tell("dead-letter-not-written", endpoint, error=str(error))
            return False
        self._log_works = True
        self.counts.dead += 1
        return True

    # --- what is no push ---------------------------------------------------------------------------------------------

    def _elsewhere(self, path: str) -> web.Response:
        if path == HEALTH_PATH:
            state = "ok" if self._log_works else "the log takes nothing"
            body = orjson.dumps({"status": state, "counts": msgspec.structs.asdict(self.counts)})
            return web.Response(status=200 if self._log_works else 503, body=body, content_type="application/json")
        self.counts.unknown_path += 1
        return web.Response(status=404)

    def _too_fast(self, second: int) -> bool:
        if second != self._second:
            self._second, self._this_second = second, 0
        self._this_second += 1
        return self._this_second > self._web.pushes_per_s_max

    def _tell(self, event: str, endpoint: Endpoint, **what: Any) -> None:
        """Log it, at most one of a kind a second: a flood of junk must not become a flood of lines."""
        now_s = time.monotonic()
        key = f"{event} {endpoint.path}"
        if now_s - self._told.get(key, -TELL_EVERY_S) >= TELL_EVERY_S:
            self._told[key] = now_s
            logger.warning(event, account=endpoint.account, path=endpoint.path, **what)


async def _body(request: web.BaseRequest, bytes_max: int) -> bytes | None:
    """The body, or None if it is larger than allowed."""
    if (request.content_length or 0) > bytes_max:
        return None
    parts: list[bytes] = []
    size = 0
    while part := await request.content.readany():
        size += len(part)
        if size > bytes_max:
            return None
        parts.append(part)
    return b"".join(parts)


def _later(status: int) -> web.Response:
    return web.Response(status=status, headers={"Retry-After": "1"})


def _last(status: int) -> web.Response:
    """An answer behind which the connection is closed."""
    response = web.Response(status=status)
    response.force_close()
    return response


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _address(listen: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`. Raises ConfigError."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise ConfigError(f'[web] listen = "{listen}" is not HOST:PORT. Write, for example, "127.0.0.1:8080".')
    return host, int(port)
