"""What becomes of a push: read alone or with others, written to the log, answered when it is durable.

Junk gets the vendor's status and a counter; from a vendor who has proved who it is also a dead letter, without the
secrets it carried. Queries and bodies are never logged.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from dispatcher.arrivals import bury
from dispatcher.errors import LogError
from dispatcher.log.port import Log
from dispatcher.vendors.seam.vendor import Partly, Push, Refused
from producers.webhooks.endpoint import Endpoint, Gathered
from producers.webhooks.groups import Done, Groups, ReadAlone
from producers.webhooks.request import Answer, Request
from schemas.records import Reports

TELL_EVERY_S: Final = 1.0

OUR_FAULT: Final = Answer(500, retry_after_s=1)
COME_AGAIN: Final = Answer(503, retry_after_s=1)

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
    malformed: int = 0
    waiting: int = 0
    reports: int = 0
    inbound: int = 0
    left_over: int = 0
    dead: int = 0


class Taking:
    """Takes pushes; `counts` what came of them."""

    def __init__(self, log: Log) -> None:
        self.counts = WebhookCounts()
        self.log_works = True
        self._log = log
        self._told: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def drained(self) -> None:
        """Wait until nothing is on its way to a dead letter."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def take(self, endpoint: Endpoint, request: Request) -> None:
        """Read it, or have it read with others; it is answered when it is durable."""
        now_ms = time.time_ns() // 1_000_000
        push = Push(endpoint.account, request.method, request.query, request.body, request.content_type, now_ms)
        if endpoint.together is None:
            self._take(endpoint, request, push)
        else:
            gathered = Gathered(push)
            self._wait(endpoint, endpoint.together, [gathered], partial(self._gathered, endpoint, request, gathered))

    def _take(self, endpoint: Endpoint, request: Request, push: Push) -> None:
        """Read it by itself, and have it written."""
        try:
            parsed = endpoint.parse(push)
        except Exception as error:  # a mistake in a vendor's file: keep the push, and have the vendor push again
            self.tell("push-not-read", endpoint, error=type(error).__name__)
            return self._later(endpoint, request, self._keep_unread(endpoint, push, type(error).__name__))
        if isinstance(parsed, Refused):
            return self._refuse(endpoint, request, push, parsed)
        if isinstance(parsed, Partly):
            return self._later(endpoint, request, self._lay_aside(endpoint, request, push, parsed))
        return self._write(endpoint, request, parsed if isinstance(parsed, list) else [parsed])

    def _write(self, endpoint: Endpoint, request: Request, items: Sequence[Any]) -> None:
        rows = sum(len(item.states) if isinstance(item, Reports) else 1 for item in items)
        if items:
            self._wait(endpoint, endpoint.groups, items, partial(self._written, endpoint, request, rows))
        else:
            self._taken(endpoint, request, rows)

    def _wait(self, endpoint: Endpoint, groups: Groups[Any], items: Sequence[Any], done: Done) -> None:
        self.counts.waiting += 1
        endpoint.waiting += 1
        groups.add(items, done)

    def _written(self, endpoint: Endpoint, request: Request, rows: int, failure: Exception | None) -> None:
        """What was read alone is durable, or not."""
        self.counts.waiting -= 1
        endpoint.waiting -= 1
        if failure is None:
            self.log_works = True
            self._taken(endpoint, request, rows)
        else:
            self._not_written(endpoint, request, failure)

    def _gathered(self, endpoint: Endpoint, request: Request, each: Gathered, failure: Exception | None) -> None:
        """What was read with others is durable, or not, or has to be read alone."""
        if isinstance(failure, ReadAlone):
            self.counts.waiting -= 1
            endpoint.waiting -= 1
            self._take(endpoint, request, each.push)
        else:
            self._written(endpoint, request, each.reports, failure)

    def _taken(self, endpoint: Endpoint, request: Request, rows: int) -> None:
        counts = self.counts
        counts.taken += 1
        if endpoint.reports:
            counts.reports += rows
        else:
            counts.inbound += rows
        request.answer(endpoint.taken)

    def _not_written(self, endpoint: Endpoint, request: Request, failure: Exception) -> None:
        if isinstance(failure, LogError):
            self.counts.log_failed += 1
            self.log_works = False
            self.tell("push-not-written", endpoint, error=str(failure))
            request.answer(COME_AGAIN)
        else:
            self.counts.our_fault += 1
            self.tell("push-not-written", endpoint, error=type(failure).__name__)
            request.answer(OUR_FAULT)

    # --- what cannot be read -----------------------------------------------------------------------------------------

    def _refuse(self, endpoint: Endpoint, request: Request, push: Push, refused: Refused) -> None:
        self.tell("push-refused", endpoint, status=refused.status, why=refused.why)
        if refused.authenticated or refused.keep:
            self._later(endpoint, request, self._keep_refused(endpoint, push, refused))
        else:
            request.answer(self._refused(refused))

    def _refused(self, refused: Refused) -> Answer:
        if refused.status == 403:
            self.counts.strangers += 1
        else:
            self.counts.junk += 1
        return Answer(refused.status)

    async def _keep_refused(self, endpoint: Endpoint, push: Push, refused: Refused) -> Answer:
        if await self._bury(endpoint, push, refused.why):
            return self._refused(refused)
        self.counts.log_failed += 1
        return COME_AGAIN  # nothing of it is kept anywhere: the vendor has to push it again

    async def _keep_unread(self, endpoint: Endpoint, push: Push, error: str) -> Answer:
        await self._bury(endpoint, push, f"our code failed: {error}")
        self.counts.our_fault += 1
        return OUR_FAULT

    async def _lay_aside(self, endpoint: Endpoint, request: Request, push: Push, partly: Partly) -> Answer | None:
        """Keep and count the entries that could not be read, then have the others written."""
        self.tell("push-partly-read", endpoint, entries=partly.count, why=partly.why)
        if not await self._bury(endpoint, push, partly.why, partly.rest):
            self.counts.log_failed += 1
            return COME_AGAIN
        self.counts.left_over += partly.count
        self._write(endpoint, request, partly.rows)
        return None

    async def _bury(self, endpoint: Endpoint, push: Push, why: str, what: bytes | None = None) -> bool:
        """Keep what a vendor sent and we could not read (the whole push, or `what` of it), without its secrets."""
        if what is None:
            what = push.query + b"\n" + push.body if push.body else push.query
        try:
            await bury(self._log, push.account, endpoint.path, why, endpoint.masked(what), push.received_ms)
        except LogError as error:
            self.log_works = False
            self.tell("dead-letter-not-written", endpoint, error=str(error))
            return False
        self.log_works = True
        self.counts.dead += 1
        return True

    def _later(self, endpoint: Endpoint, request: Request, answer: Coroutine[Any, Any, Answer | None]) -> None:
        """Answer it when the log has taken what was kept of it (unless that answers it)."""

        async def answered() -> None:
            try:
                reply = await answer
            except Exception as error:
                self.counts.our_fault += 1
                self.tell("push-not-read", endpoint, error=type(error).__name__)
                reply = OUR_FAULT
            if reply is not None:
                request.answer(reply)

        task = asyncio.get_running_loop().create_task(answered())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def tell(self, event: str, endpoint: Endpoint, **what: Any) -> None:
        """Log it, at most one of a kind a second: a flood of junk must not become a flood of lines."""
        now_s = time.monotonic()
        key = f"{event} {endpoint.path}"
        if now_s - self._told.get(key, -TELL_EVERY_S) >= TELL_EVERY_S:
            self._told[key] = now_s
            logger.warning(event, account=endpoint.account, path=endpoint.path, **what)
