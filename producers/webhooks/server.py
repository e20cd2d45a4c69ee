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

import time
from typing import Final

import msgspec

from dispatcher.carriers.learnt import LearntCarriers
from dispatcher.config.file import Config
from dispatcher.errors import ConfigError
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.seam.vendor import HttpVendor, Push, PushProof
from producers.web.addresses import is_loopback
from producers.web.answers import ReadyAnswer
from producers.web.bodies import BodyBroken, BodyTooLarge, NoRoom, read_body
from producers.web.server import ConnectionCounts, WebServer
from producers.web.serving import BROKEN, UNKNOWN_PATH, Web, address_of, serve
from producers.web.site import Head, Incoming
from producers.webhooks.endpoint import Endpoint
from producers.webhooks.health import HEALTH_PATH, Health
from producers.webhooks.receiving import COME_AGAIN, TOO_FAST, Receiving, WebhookCounts

BODY_S: Final = 60.0
PROOF_BYTES_MAX: Final = 65_536
"""Bound on a body that must be read to find its secret; one report or message is a tenth of it."""
PROOF_S: Final = 10.0

NO_ROOM: Final = ReadyAnswer(503, retry_after_s=1, last=True)
WRONG_METHOD: Final = ReadyAnswer(405, allow="GET, POST")
STRANGER: Final = ReadyAnswer(403, last=True)
TOO_LARGE: Final = ReadyAnswer(413, last=True)

METHODS: Final = ("GET", "POST")
PUSHES: Final = "push"
"""The name of this site's figures."""

logger = get_logger(__name__)


class PushFigures(msgspec.Struct, frozen=True):
    """The pushes of this process: their counts, whether the log accepts records, and when the last one was taken.

    `taken_ms` is by account and kind (report, inbound); Unix milliseconds.
    """

    counts: WebhookCounts
    log_works: bool
    taken_ms: dict[tuple[str, str], int]


class Webhooks:
    """A server of pushes alone, made by `serve_webhooks`. `url` is where it listens."""

    def __init__(self, web: Web, pushes: PushSite) -> None:
        self.url = web.url
        self.close = web.close
        self._server = web.server
        self._pushes = pushes

    @property
    def connections(self) -> ConnectionCounts:
        """Counts of connections."""
        return self._server.counts

    @property
    def counts(self) -> WebhookCounts:
        """Counts of pushes since the start."""
        return self._pushes.counts


async def serve_webhooks(config: Config, log: Log) -> Webhooks:
    """Take pushes at `config.web.listen` (port 0: any free one). Raises PortInUse, ConfigError."""
    opened: list[PushSite] = []

    async def open_pushes(config: Config, log: Log, server: WebServer) -> PushSite:
        opened.append(await open_site(config, log, server))
        return opened[0]

    return Webhooks(await serve(config, log, [open_pushes]), opened[0])


async def open_site(config: Config, log: Log, server: WebServer) -> PushSite:
    """The site of pushes and health. Raises ConfigError if others can push unintended."""
    return PushSite(config, log, server)


class PushSite:
    """Takes pushes. Raises ConfigError if others can push to an account unintended."""

    roots: Final = ("push", "healthz")

    def __init__(self, config: Config, log: Log, server: WebServer) -> None:
        self._config = config
        self._web = config.web
        self._receiving = Receiving(log, server.refusals)
        self._health = Health(self._receiving, server, config.web.health_token)
        server.figures[PUSHES] = self._figures
        self._endpoints: dict[str, Endpoint] = {}
        words, learnt = config.inbound.opt_outs, LearntCarriers()
        self._vendors = {name: each for name, each in config.accounts.items() if isinstance(each, HttpVendor)}
        for account, vendor in self._vendors.items():
            effects = ReportEffects(type(vendor).report_codes, config.suppression, learnt)
            for reports in (True, False):
                endpoint = Endpoint(log, account, vendor, words, effects, reports=reports)
                for path in (endpoint.path, f"{endpoint.path}/"):  # some vendors add a slash to the URL
                    self._endpoints[path] = endpoint
        self._open = self._open_accounts(address_of(self._web.listen)[0])

    async def listening(self) -> None:
        """Warn of accounts that anybody can push to."""
        for name in self._open:
            logger.warning("takes-pushes-from-anybody", account=name, who_reaches=self._web.listen)

    @property
    def counts(self) -> WebhookCounts:
        """Counts of pushes since the start."""
        return self._receiving.counts

    def _figures(self) -> PushFigures:
        taken_ms = {(each.account, _kind(each)): each.taken_ms for each in self._endpoints.values() if each.taken_ms}
        return PushFigures(self.counts, self._receiving.log_works, taken_ms)

    async def close(self) -> None:
        """Wait until what is taken is on the log."""
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
                    "{path}: [account.{name}] takes pushes from anybody, and [web] can be reached from "
                    "other machines. Give the account a secret (push_key, or receiver and push_pswd) or push_from, or "
                    "write push_open = true if it is meant.",
                    path=self._config.path,
                    name=name,
                )
            if reached or not vendor.push_open:
                warned.append(name)
        return warned

    # --- a request ---------------------------------------------------------------------------------------------------

    async def handle(self, incoming: Incoming) -> ReadyAnswer:
        """Take a push, or tell the health."""
        endpoint = self._endpoints.get(incoming.path)
        if endpoint is None:
            if incoming.path == HEALTH_PATH:
                return self._health.answer(incoming)
            self.counts.unknown_path += 1
            return incoming.distrust(UNKNOWN_PATH)
        self.counts.pushes += 1
        if incoming.method not in METHODS:
            self.counts.wrong_method += 1
            return incoming.distrust(WRONG_METHOD)
        return await self._push(incoming, endpoint)

    async def _push(self, incoming: Incoming, endpoint: Endpoint) -> ReadyAnswer:
        """Judge it by its head, then read and receive it."""
        request, held, query = incoming.http, incoming.held, incoming.query
        has_body = request.body_exists
        proof = endpoint.vendor.push_proof(query, None)
        if endpoint.expects is not None and not endpoint.expects(incoming.address):
            return self._refused(incoming, endpoint, "its address is not in push_from")
        if proof is PushProof.WRONG or (proof is PushProof.IN_BODY and not has_body):
            return self._refused(incoming, endpoint, "its secret is wrong or missing")
        if proof is not PushProof.IN_BODY and (busy := self._busy(endpoint)) is not None:
            return busy
        if endpoint.proved(proof):
            incoming.prove()
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
            return incoming.distrust(BROKEN)
        except NoRoom:
            self.counts.no_room += 1
            return NO_ROOM
        if proof is PushProof.IN_BODY:
            if endpoint.vendor.push_proof(query, body) is not PushProof.RIGHT:
                return self._refused(incoming, endpoint, "its secret is wrong or missing")
            incoming.prove()
            if (busy := self._busy(endpoint)) is not None:
                return busy
        content_type = request.headers.get("Content-Type", "") if has_body else ""
        push = Push(endpoint.account, request.method, query, body, content_type, _now_ms())
        answer = await self._receiving.receive(endpoint, push, incoming.connection.charge)
        if answer is endpoint.taken:
            incoming.connection.prove()
        return answer

    def proves(self, head: Head, address: str) -> bool:
        """Whether this is a vendor's request: such clients are read first."""
        endpoint = self._endpoints.get(head.path)
        if endpoint is None or head.method not in METHODS:
            return False
        if endpoint.expects is not None and not endpoint.expects(address):
            return False
        proof = endpoint.vendor.push_proof(head.query, None)
        if proof is PushProof.IN_BODY:
            proof = endpoint.vendor.push_proof(head.query, head.first.partition(b"\r\n\r\n")[2])
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

    def _refused(self, incoming: Incoming, endpoint: Endpoint, why: str) -> ReadyAnswer:
        """The answer to a stranger's push."""
        self.counts.strangers += 1
        self._receiving.note("push-refused", endpoint, status=STRANGER.status, why=why)
        return incoming.distrust(STRANGER)


def _kind(endpoint: Endpoint) -> str:
    return "report" if endpoint.reports else "inbound"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
