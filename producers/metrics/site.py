"""The site `/metrics`: who may read the figures, and the answer, which is computed at most once in KEPT_S.

This machine, holders of `[web] health_token`, and tokens with `reports:read` may; nobody else learns anything. Log and
results are read, and everything is counted, away from the event loop. If they cannot be read, or not in time, the
figures of the web server are shown alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.people import Permission
from dispatcher.errors import DispatcherError
from dispatcher.log.port import Log
from dispatcher.service.people.directory import Directory, open_directory
from dispatcher.service.reports.metrics import Metrics, MetricsWatch
from dispatcher.service.session import Session
from producers.metrics.exposition import CONTENT_TYPE, WebFigures, exposition
from producers.web.answers import ReadyAnswer
from producers.web.monitors import has_health_token, is_monitor
from producers.web.server import WebServer
from producers.web.site import Answer, Head, Incoming
from producers.webhooks.server import PUSHES, PushFigures

PATH: Final = "/metrics"
PERMISSION: Final[Permission] = "reports:read"
KEPT_S: Final = 5.0
LOOK_S: Final = 5.0
"""A scrape does not wait longer for log and results: Prometheus gives up after ten seconds by default."""

STRANGER: Final = ReadyAnswer(401, headers={"WWW-Authenticate": "Bearer"}, last=True)
NOT_ALLOWED: Final = ReadyAnswer(403)
NOT_FOUND: Final = ReadyAnswer(404)
WRONG_METHOD: Final = ReadyAnswer(405, allow="GET, HEAD")


async def open_site(config: Config, log: Log, server: WebServer) -> MetricsSite:
    """The figures of this log and server. Raises LogError."""
    session = Session(config, log)
    return MetricsSite(config, session, await open_directory(session), server)


class MetricsSite:
    """Made by `open_site`."""

    roots: Final = ("metrics",)

    def __init__(
        self,
        config: Config,
        session: Session,
        directory: Directory,
        server: WebServer,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token = config.web.health_token
        self._session = session
        self._directory = directory
        self._server = server
        self._now_s = now_s
        self._watch = MetricsWatch()
        self._looking: asyncio.Task[Metrics] | None = None
        self._answering = asyncio.Lock()
        self._answer: tuple[float, ReadyAnswer] | None = None
        self._following = asyncio.create_task(directory.follow())

    def proves(self, head: Head, address: str) -> bool:
        """Whether the request carries a token that may read the figures."""
        bearer = head.bearer
        return bool(bearer) and (has_health_token(bearer, self._token) or self._permits(bearer) is True)

    async def handle(self, incoming: Incoming) -> Answer:
        """The figures, for those who may read them."""
        may = is_monitor(incoming, self._token) or self._permits(incoming.bearer)
        if may is None:
            return incoming.distrust(STRANGER)
        incoming.prove()
        if not may:
            return NOT_ALLOWED
        if incoming.path != PATH:
            return NOT_FOUND
        return await self._figures() if incoming.method in ("GET", "HEAD") else WRONG_METHOD

    async def close(self) -> None:
        """End what follows the log, and the session."""
        tasks: list[asyncio.Task[Any]] = [self._following]
        if self._looking is not None:
            await asyncio.wait({self._looking}, timeout=LOOK_S)
            tasks.append(self._looking)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()

    def _permits(self, bearer: str) -> bool | None:
        """Whether the holder of this token may read the figures; None: it is no valid token."""
        caller = self._directory.caller_of_token(bearer) if bearer else None
        return None if caller is None else caller.may(PERMISSION)

    async def _figures(self) -> ReadyAnswer:
        async with self._answering:
            if self._answer is None or self._now_s() - self._answer[0] >= KEPT_S:
                metrics, web, at_ms = await self._look(), self._web(), now_ms()
                body = await asyncio.to_thread(exposition, metrics, web, at_ms)
                answer = ReadyAnswer(200, body, CONTENT_TYPE, headers={"Cache-Control": "no-store"})
                self._answer = (self._now_s(), answer)
            return self._answer[1]

    async def _look(self) -> Metrics | None:
        """What log and results say; None: they cannot be read, or not in time. A late look is waited for next time."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._watch.look(self._session, now_ms()))
        looking = self._looking
        if looking not in (await asyncio.wait({looking}, timeout=LOOK_S))[0]:
            return None
        self._looking = None
        try:
            return looking.result()
        except DispatcherError as error:
            self._server.refusals.note("figures-not-read", PATH, error=str(error))
            return None

    def _web(self) -> WebFigures:
        pushes = self._server.figures.get(PUSHES)
        found = None if pushes is None else pushes()
        return WebFigures(
            connections=self._server.counts,
            held_bytes=self._server.budget.used,
            pushes=found if isinstance(found, PushFigures) else None,
        )
