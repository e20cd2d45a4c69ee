"""The HTTP driver: runs a vendor's flows over aiohttp and knows whether a byte of each request went out.

No vendor call is idempotent (vendors.md 0.2), so a request is written at most once: the body (body.py) refuses a second
write (aiohttp repeats GETs on a dropped connection), and redirects are not followed. Before its first byte a request is
safe to try again; after it, a missing answer means unknown.

Each request under way has a session of one connection (sessions.py): requests of one flow travel on one connection. One
poll of the socket right before the write notices an idle connection that the vendor has closed, except for a close
still under way in the network. A flow that fails before its submit (at a login) has sent nothing: its messages are
kept, never counted as refused.
Weak spot: that race. It is rare if `keepalive_s` is below the vendor's own; after it happened, connections are not kept
for a while.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar, cast

import aiohttp
import msgspec
from yarl import URL

from dispatcher.core.lane.answers.verdict import NOT_CONNECTED, NOT_WRITTEN, UNREADABLE, Origin
from dispatcher.drivers.http.answer import bounded, ends, start
from dispatcher.drivers.http.body import Body, MayWrite, Run
from dispatcher.drivers.http.sessions import Sessions
from dispatcher.drivers.port import Gate, Host, Sent, Values
from dispatcher.loggers import get_logger
from dispatcher.masking import Masker
from dispatcher.vendors.seam.outcomes import TEXT_CHARS_MAX
from dispatcher.vendors.seam.vendor import (
    Answer,
    Balance,
    HttpVendor,
    Kind,
    Operation,
    OperationResult,
    Request,
    Verdict,
    broken_verdict,
    status_verdict,
)

STALE_TRIES_MAX: Final = 3
LATE: Final = "its time to live was over"
WRONG_PATH: Final = frozenset({301, 302, 303, 307, 308, 404, 405})

log = get_logger(__name__)

T = TypeVar("T")


class Submitted(msgspec.Struct, frozen=True):
    """A verdict with its times on the monotonic clock, as in drivers/port.py."""

    verdict: Verdict
    wrote_s: float | None
    answered_s: float | None


class HttpDriver:
    """The HTTP link of one account. Its owner bounds how many submits are under way (`inflight_max`)."""

    def __init__(self, vendor: HttpVendor, account: str) -> None:
        self.vendor = vendor
        self.account = account
        self._base = vendor.url.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._spelt: dict[str, str] = {}
        self._sessions = Sessions(vendor, account)
        self._masker = Masker(vendor.secrets())

    async def open(self, host: Host) -> None:
        """Connections are opened when requests need them."""

    def abandon(self) -> None:
        """Whatever waits for an answer waits on: its caller cancels it."""

    async def close(self) -> None:
        """Close all connections. Submits still under way come back as unknown: drain first."""
        await self._sessions.close()

    async def send(
        self, prepared: bytes, chunk: memoryview, count: int, gate: Gate, *, values: Values | None = None
    ) -> Sent:
        """Send the chunk in one request, as drivers/port.py has it."""
        sent = await self.submit(prepared, chunk, count, values=values, before_write=gate.may_write)
        return Sent(sent.verdict, sent.wrote_s, sent.answered_s)

    async def submit(
        self,
        prepared: bytes,
        chunk: memoryview,
        count: int,
        *,
        values: Values | None = None,
        before_write: MayWrite | None = None,
    ) -> Submitted:
        """Send one message to the `count` comma-joined numbers of `chunk`; never raises for network failures.

        With `values` each number gets its own text (`HttpVendor.submit_variable`).
        `before_write` is called with the connection open, right before the submit's first byte. If it returns False,
        the verdict is NOT_SENT; if it returns a future, the request waits in its connection, or in another one if the
        vendor closes that. The time for the answer counts from the first byte.
        A cancelled call raises CancelledError: whether anything went out is then unknown.
        """
        run = Run(before_write)
        try:
            if values is None:
                flow = self.vendor.submit(prepared, chunk, count)
            else:
                flow = self.vendor.submit_variable(prepared, chunk, count, values)
            verdict = await self._run(flow, run)
            if run.wrote_s is None:
                verdict = _without_login(verdict)
        except Exception as error:  # a mistake in a vendor's file must not hide that its request went out
            log.error("vendor-code-failed", account=self.account, error=type(error).__name__)
            why = f"our code for {self.vendor.tag} failed: {type(error).__name__}"
            verdict = broken_verdict(why, sent=run.wrote_s is not None, submits=True)
        return Submitted(self.masked(verdict), run.wrote_s, run.answered_s)

    async def balance(self, *, before_write: Callable[[], bool] | None = None) -> Balance | None:
        """Query the balance; a failure is in `verdict`. None: no such query.

        `before_write` is called right before anything is written, so the caller can keep to the vendor's interval.
        """
        flow = self.vendor.balance()
        if flow is None:
            return None
        result = await self._run(flow, Run(before_write, each=True))
        if isinstance(result, Verdict):
            return Balance(messages=None, verdict=self.masked(result))
        if result.verdict is not None:
            return msgspec.structs.replace(result, verdict=self.masked(result.verdict))
        return result

    async def query(
        self, flow: Generator[Request, Answer, T], *, before_write: Callable[[], bool] | None = None
    ) -> T | Verdict:
        """Run a query (a page of a poll, history); a Verdict if the flow did not return its own result.

        `before_write` is called before each of its requests; False: the verdict is NOT_SENT. The flow's result may
        repeat a request: `masked` removes our secrets from it.
        """
        try:
            result = await self._run(flow, Run(before_write, each=True))
        except Exception as error:  # a bug in a vendor's file must not end the lane
            log.error("vendor-code-failed", account=self.account, error=type(error).__name__)
            why = f"our code for {self.vendor.tag} failed: {type(error).__name__}"
            return Verdict(kind=Kind.UNKNOWN, code=UNREADABLE, text=why)
        return self.masked(result) if isinstance(result, Verdict) else result

    async def operate(self, operation: Operation, *, before_write: Callable[[], bool] | None = None) -> OperationResult:
        """Carry out this operation, once; UNKNOWN if the result is not certain. No program may repeat it.

        `before_write` is called right before the request that changes something; False: the verdict is NOT_SENT.
        """
        run = Run(before_write)
        try:
            result = await self._run(operation.flow, run)
        except Exception as error:  # a mistake in a vendor's file must not hide that its request went out
            log.error("vendor-code-failed", account=self.account, error=type(error).__name__)
            why = f"our code for {self.vendor.tag} failed: {type(error).__name__}"
            result = broken_verdict(why, sent=run.wrote_s is not None, submits=True)
        if isinstance(result, Verdict):
            return OperationResult(verdict=self.masked(result))
        return msgspec.structs.replace(result, verdict=self.masked(result.verdict))

    # --- flows -------------------------------------------------------------------------------------------------------

    async def _run(self, flow: Generator[Request, Answer, T], run: Run) -> T | Verdict:
        """The flow's own result, or the verdict of the request that got no usable answer."""
        session = await self._sessions.take()
        if self.vendor.cookies:
            session.cookie_jar.clear()
        try:
            request = next(flow)
            while True:
                answer = await self._exchange(session, request, run)
                if isinstance(answer, Verdict):
                    return answer
                request = flow.send(answer)
        except StopIteration as done:
            return cast("T", done.value)
        finally:
            flow.close()
            self._sessions.give(session)

    async def _exchange(self, session: aiohttp.ClientSession, request: Request, run: Run) -> Answer | Verdict:
        """One request and its answer, by the spelling of its path that the vendor knows."""
        path = self._spelt.get(request.path, request.path)
        answer, status = await self._ask(session, request, path, run)
        if status in WRONG_PATH and request.or_path and not request.submits:
            other = request.or_path if path == request.path else request.path
            answer, status = await self._ask(session, request, other, run)
            if status == 200:
                self._spelt[request.path] = other
        return answer

    async def _ask(
        self, session: aiohttp.ClientSession, request: Request, path: str, run: Run
    ) -> tuple[Answer | Verdict, int]:
        """One request and its answer with its status (0: none). A connection dead before the write is replaced."""
        for _ in range(STALE_TRIES_MAX):
            answer_within = asyncio.timeout(None)
            body = Body(request, run, answer_within, self.vendor.timeout_s)
            try:
                async with answer_within:
                    response = await session.request(request.method, self._url(path), data=body, allow_redirects=False)
                async with response:
                    if not body.written:
                        body.abandon()
                        response.close()
                        raise ConnectionAbortedError("an answer to what was never asked")
                    if request.submits:
                        run.answered_s = time.monotonic()
                    run.ended = self.vendor.cookies and ends(response)
                    until_s = answer_within.when()
                    if response.status != 200:
                        text = await start(response, until_s)
                        return status_verdict(response.status, text, submits=request.submits), response.status
                    read, cut = await bounded(response, until_s, request.answer_bytes_max, rows=request.rows)
                    return Answer(read, response.charset or "", cut), 200
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                if body.written:
                    self._sessions.broke(session, run.transport, error)
                if body.expired:
                    return Verdict(kind=Kind.NOT_SENT, code=NOT_WRITTEN, text=LATE, origin=Origin.OURS), 0
                body.stale = body.stale or body.waits  # the vendor closed the connection of the waiting request
                if body.stale and (run.ended or not request.same_connection):
                    continue
                return broken_verdict(self._why(error, body), sent=body.written, submits=request.submits), 0
            finally:
                body.spent = True
                if body.written:
                    self._sessions.wrote(session, run.transport)
        why = "the vendor closes connections before we write"
        return broken_verdict(why, sent=False, submits=request.submits), 0

    def _why(self, error: Exception, body: Body) -> str:
        """What went wrong, in words without URL or secret."""
        match error:
            case _ if body.stale:
                return "the connection of the flow's previous request is gone"
            case aiohttp.ConnectionTimeoutError():
                return f"no connection within {self.vendor.connect_timeout_s:g} s"
            case aiohttp.ClientConnectorDNSError():
                return "the host name in `url` is not known"
            case aiohttp.ClientSSLError():
                return f"no TLS connection: {type(error).__name__}"
            case TimeoutError():
                return f"no answer within {self.vendor.timeout_s:g} s"
            case aiohttp.ServerDisconnectedError():
                return "the vendor closed the connection without an answer"
            case aiohttp.ClientPayloadError():
                return "the answer broke off"
            case aiohttp.ClientResponseError():
                return "the answer is no HTTP"
            case OSError() if error.errno is not None:
                return os.strerror(error.errno).lower()
        return type(error).__name__

    def _url(self, path: str) -> URL:
        url = self._urls.get(path)
        if url is None:
            url = self._urls[path] = URL(self._base + path, encoded=True)
        return url

    def masked(self, verdict: Verdict) -> Verdict:
        """The verdict without our secrets, as an error page may repeat the request."""
        text = self._masker.text(verdict.text, cut=len(verdict.text) >= TEXT_CHARS_MAX)
        return verdict if text == verdict.text else msgspec.structs.replace(verdict, text=text)


def _without_login(verdict: Verdict) -> Verdict:
    """The verdict on the messages of a flow that ended before its submit: they were not sent and are kept."""
    if verdict.kind is Kind.RETRY_LATER:
        return msgspec.structs.replace(verdict, kind=Kind.NOT_SENT, code=NOT_CONNECTED)
    if verdict.kind is Kind.REJECTED:
        return msgspec.structs.replace(verdict, kind=Kind.AUTH)
    return verdict


async def query_balance(
    vendor: HttpVendor, account: str, *, before_write: Callable[[], bool] | None = None
) -> Balance | None:
    """One balance query on its own connection, for callers without an open driver (dispatcher/accounts/ask_book.py)."""
    driver = HttpDriver(vendor, account)
    try:
        return await driver.balance(before_write=before_write)
    finally:
        await driver.close()
