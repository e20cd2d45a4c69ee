"""Where vendors push to: `/push/ACCOUNT/report` and `/push/ACCOUNT/inbound`, GET or POST; and `/healthz`.

A push is answered with 200 only when its content is durable on the log (groups.py), so nothing is lost if the vendor
repeats unanswered pushes. producers/web has HTTP and its bounds, receiving.py handles a push, the vendor reads it
(`report_push`, `inbound_push`).

Path, address, secret (unless it is in the body), declared length and rate are judged before a body is read. Rate and
waiting pushes are bounded per account and kind of push, and count only pushes of the vendor: strangers are counted
separately.

Weak spot: for an account without a secret and without `push_from` anybody is the vendor.
"""

from __future__ import annotations

import errno
import re
import time
from typing import Final, cast

from aiohttp import web
from aiohttp.http import HttpVersion10, HttpVersion11

from dispatcher.carriers.learnt import LearntCarriers
from dispatcher.config.file import Config
from dispatcher.errors import ConfigError, PortInUse
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.seam.vendor import HttpVendor, Push, PushProof
from producers.web.answers import ReadyAnswer, Reply
from producers.web.bodies import BodyBroken, BodyTooLarge, NoRoom, read_body
from producers.web.byte_budget import HeldBytes
from producers.web.connection import Connection
from producers.web.listener import FILES_KEPT, raise_file_limit, tls_context
from producers.web.proxies import client_address, is_loopback
from producers.web.server import ConnectionCounts, ServerBounds, WebServer
from producers.webhooks.allowed_sources import expected_from
from producers.webhooks.endpoint import Endpoint
from producers.webhooks.health import HEALTH_PATH, Health
from producers.webhooks.receiving import COME_AGAIN, TOO_FAST, Receiving, WebhookCounts

BODY_S: Final = 60.0
PROOF_BYTES_MAX: Final = 65_536
"""Bound on a body that must be read to find its secret; one report or message is a tenth of it."""
PROOF_S: Final = 10.0

BROKEN: Final = ReadyAnswer(400, last=True)
NO_ROOM: Final = ReadyAnswer(503, retry_after_s=1, last=True)
OTHER_VERSION: Final = ReadyAnswer(505, last=True)
WRONG_METHOD: Final = ReadyAnswer(405, allow="GET, POST")
STRANGER: Final = ReadyAnswer(403, last=True)
TOO_LARGE: Final = ReadyAnswer(413, last=True)
UNKNOWN_PATH: Final = ReadyAnswer(404)

_REQUEST_LINE: Final = re.compile(rb"(?:GET|POST) (\S+) HTTP/1\.[01]\r\n")

logger = get_logger(__name__)


async def serve_webhooks(config: Config, log: Log) -> Webhooks:
    """Listen at `config.web.listen` (port 0: any free one). Raises PortInUse, ConfigError."""
    webhooks = Webhooks(config, log)
    await webhooks.start()
    return webhooks


class Webhooks:
    """The server, made by `serve_webhooks`. `url` is where it listens, `counts` has the counts of pushes."""

    def __init__(self, config: Config, log: Log) -> None:
        self.url = ""
        self._config = config
        self._web = config.web
        is_proxy = expected_from(config.web.trusted_proxies)
        tls = tls_context(config.web.certificate, config.web.key) if config.web.certificate else None
        bounds = ServerBounds(
            connections_max=min(config.web.connections_max, max(raise_file_limit() - FILES_KEPT, 16)),
            connections_per_address_max=config.web.connections_per_address_max,
            strangers_share=config.web.strangers_share,
            held_bytes_max=config.web.held_bytes_max,
        )
        self._server = WebServer(self._handle, bounds, is_proxy=is_proxy or _no_proxy, proves=self._proves, tls=tls)
        self._receiving = Receiving(log, self._server.refusals)
        self._health = Health(self._receiving, self._server, config.web.health_token)
        self._endpoints: dict[str, Endpoint] = {}
        words, learnt = config.inbound.opt_outs, LearntCarriers()
        self._vendors = {name: each for name, each in config.accounts.items() if isinstance(each, HttpVendor)}
        for account, vendor in self._vendors.items():
            effects = ReportEffects(type(vendor).report_codes, config.suppression, learnt)
            for reports in (True, False):
                endpoint = Endpoint(log, account, vendor, words, effects, reports=reports)
                for path in (endpoint.path, f"{endpoint.path}/"):  # some vendors add a slash to the URL
                    self._endpoints[path] = endpoint

    @property
    def connections(self) -> ConnectionCounts:
        """Counts of connections."""
        return self._server.counts

    @property
    def counts(self) -> WebhookCounts:
        """Counts of pushes since the start."""
        return self._receiving.counts

    async def start(self) -> None:
        """Listen. Raises PortInUse, ConfigError."""
        where = self._web.listen
        host, port = _address(where)
        open_accounts = self._open_accounts(host)
        if self._server.bounds.connections_max < self._web.connections_max:
            logger.warning(
                "fewer-connections",
                connections_max=self._server.bounds.connections_max,
                advice="[web] connections_max is more than the limit on open files allows (ulimit -n)",
            )
        try:
            bound = await self._server.listen(host, port, share_port=self._web.share_port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortInUse(
                    f"{where} is in use. Stop the program there, or give [web] listen another port."
                ) from error
            raise ConfigError(f"cannot listen at {where}: give [web] listen an address of this machine.") from error
        scheme = "https" if self._web.certificate else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{bound}"
        for name in open_accounts:
            logger.warning("takes-pushes-from-anybody", account=name, who_reaches=where)

    async def close(self) -> None:
        """Stop listening, answer pushes that wait for the log, and end."""
        await self._server.close()
        for endpoint in set(self._endpoints.values()):
            if endpoint.together is not None:
                await endpoint.together.drained()
            await endpoint.groups.drained()

    def _open_accounts(self, host: str) -> list[str]:
        """Accounts that anybody may push to, for a warning. Raises ConfigError if others can reach one unintended."""
        here = is_loopback(host) or host == "localhost"
        reached = not here or bool(self._web.trusted_proxies)
        warned = []
        for name, vendor in sorted(self._vendors.items()):
            if not vendor.takes_pushes_from_anybody:
                continue
            if reached and not vendor.push_open:
                raise ConfigError(
                    f"{self._config.path}: [account.{name}] takes pushes from anybody, and [web] can be reached from "
                    "other machines. Give the account a secret (push_key, or receiver and push_pswd) or push_from, or "
                    "write push_open = true if it is meant."
                )
            if reached or not vendor.push_open:
                warned.append(name)
        return warned

    # --- a request ---------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> Reply:
        connection = cast("Connection", request.protocol)
        with self._server.budget.hold(stranger=not connection.known) as held:
            return Reply(await self._answer(request, connection, held), request)

    async def _answer(self, request: web.BaseRequest, connection: Connection, held: HeldBytes) -> ReadyAnswer:
        if request.version not in (HttpVersion10, HttpVersion11):
            return self._distrusted(connection, OTHER_VERSION)
        if request.version == HttpVersion10 and "Transfer-Encoding" in request.headers:
            # HTTP/1.0 has no chunks: a proxy may have found its end elsewhere.
            return self._distrusted(connection, BROKEN)
        path, query = _target(request.raw_path)
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            if path == HEALTH_PATH:
                return self._health.answer(request, self._client(request, connection))
            self.counts.unknown_path += 1
            return self._distrusted(connection, UNKNOWN_PATH)
        self.counts.pushes += 1
        if request.method not in ("GET", "POST"):
            self.counts.wrong_method += 1
            return self._distrusted(connection, WRONG_METHOD)
        return await self._push(request, connection, held, endpoint, query)

    async def _push(
        self, request: web.BaseRequest, connection: Connection, held: HeldBytes, endpoint: Endpoint, query: bytes
    ) -> ReadyAnswer:
        """Judge it by its head, then read and receive it."""
        has_body = request.body_exists
        proof = endpoint.vendor.push_proof(query, None)
        if endpoint.expects is not None and not endpoint.expects(self._client(request, connection)):
            return self._refused(connection, endpoint, "its address is not in push_from")
        if proof is PushProof.WRONG or (proof is PushProof.IN_BODY and not has_body):
            return self._refused(connection, endpoint, "its secret is wrong or missing")
        if proof is not PushProof.IN_BODY and (busy := self._busy(endpoint)) is not None:
            return busy
        if endpoint.proved(proof):
            connection.prove()
            held.trust()
        body = b""
        try:
            if not held.grow(len(query)):
                raise NoRoom
            if has_body:
                unproved = proof is PushProof.IN_BODY
                bytes_max = min(PROOF_BYTES_MAX, self._web.body_bytes_max) if unproved else self._web.body_bytes_max
                body = await read_body(request, held, bytes_max=bytes_max, within_s=PROOF_S if unproved else BODY_S)
        except BodyTooLarge:
            self.counts.too_large += 1
            return TOO_LARGE
        except BodyBroken:
            self.counts.broken_off += 1
            return self._distrusted(connection, BROKEN)
        except NoRoom:
            self.counts.no_room += 1
            return NO_ROOM
        if proof is PushProof.IN_BODY:
            if endpoint.vendor.push_proof(query, body) is not PushProof.RIGHT:
                return self._refused(connection, endpoint, "its secret is wrong or missing")
            connection.prove()
            held.trust()
            if (busy := self._busy(endpoint)) is not None:
                return busy
        content_type = request.headers.get("Content-Type", "") if has_body else ""
        push = Push(endpoint.account, request.method, query, body, content_type, _now_ms())
        answer = await self._receiving.receive(endpoint, push, connection.charge)
        if answer is endpoint.taken:
            connection.prove()
        return answer

    def _proves(self, first: bytes, address: str) -> bool:
        """Whether a request with these first bytes, from this address, is a vendor's: such clients are read first."""
        request_line = _REQUEST_LINE.match(first)
        if request_line is None:
            return False
        path, query = _target(request_line[1].decode("latin-1"))
        endpoint = self._endpoints.get(path)
        if endpoint is None:
            return False
        if endpoint.expects is not None and not endpoint.expects(address):
            return False
        proof = endpoint.vendor.push_proof(query, None)
        if proof is PushProof.IN_BODY:
            proof = endpoint.vendor.push_proof(query, first.partition(b"\r\n\r\n")[2])
        return endpoint.proved(proof)

    def _busy(self, endpoint: Endpoint) -> ReadyAnswer | None:
        """The answer to this vendor's push above its rate."""
        if endpoint.too_fast(_now_ms() // 1000, self._web.pushes_per_s_max):
            self.counts.too_fast += 1
            return TOO_FAST
        if endpoint.waiting >= self._web.waiting_max:
            self.counts.too_many += 1
            return COME_AGAIN
        return None

    def _refused(self, connection: Connection, endpoint: Endpoint, why: str) -> ReadyAnswer:
        """The answer to a stranger's push."""
        self.counts.strangers += 1
        self._receiving.note("push-refused", endpoint, status=STRANGER.status, why=why)
        return self._distrusted(connection, STRANGER)

    def _distrusted(self, connection: Connection, answer: ReadyAnswer) -> ReadyAnswer:
        connection.distrust()
        return answer

    def _client(self, request: web.BaseRequest, connection: Connection) -> str:
        """The client's real address."""
        peer = request.remote or ""
        if not connection.is_proxy:
            return peer
        return client_address(peer, request.headers.getall("X-Forwarded-For", []), self._server.is_proxy)


def _no_proxy(_: str | None) -> bool:
    return False


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
