"""Handles a push: reads it alone or with others, writes it to the log, answers when it is durable.

Junk gets the vendor's status and a counter; from a proven vendor also a dead letter, without the secrets it carried.
Queries and bodies are never logged.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from dispatcher.arrivals import keep_dead_letter
from dispatcher.clock import now_ms
from dispatcher.errors import LogError
from dispatcher.log.port import Log
from dispatcher.vendors.seam.vendor import Partly, Push, Refusal
from producers.web.answers import ReadyAnswer
from producers.web.refusals import Refusals
from producers.webhooks.endpoint import Endpoint, PendingPush
from producers.webhooks.groups import ReadAlone
from schemas.records import Reports

OUR_FAULT: Final = ReadyAnswer(500, retry_after_s=1)
COME_AGAIN: Final = ReadyAnswer(503, retry_after_s=1)
TOO_FAST: Final = ReadyAnswer(429, retry_after_s=1)


class WebhookCounts(msgspec.Struct):
    """Counts since the start. A push counts in `pushes` and in one of the others down to `log_failed`."""

    pushes: int = 0
    taken: int = 0
    strangers: int = 0
    junk: int = 0
    wrong_method: int = 0
    too_large: int = 0
    too_fast: int = 0
    too_many: int = 0
    no_room: int = 0
    broken_off: int = 0
    our_fault: int = 0
    log_failed: int = 0

    unknown_path: int = 0
    waiting: int = 0
    reports: int = 0
    inbound: int = 0
    left_over: int = 0
    dead: int = 0


class Receiving:
    """Takes pushes; `counts` their results."""

    def __init__(self, log: Log, refusals: Refusals) -> None:
        self.counts = WebhookCounts()
        self.log_works = True
        self._log = log
        self._refusals = refusals

    async def receive(self, endpoint: Endpoint, push: Push, charge: Callable[[float], None]) -> ReadyAnswer:
        """Read it, alone or with others, and answer it when it is durable; `charge` gets the time of reading it."""
        if endpoint.together is None:
            return await self._read(endpoint, push, charge)
        pending = PendingPush(push)
        try:
            failed = await self._durable(endpoint, endpoint.together.add([pending]))
        except ReadAlone:
            return await self._read(endpoint, push, charge)
        return failed or self._taken(endpoint, pending.reports)

    async def _read(self, endpoint: Endpoint, push: Push, charge: Callable[[float], None]) -> ReadyAnswer:
        """Read it by itself, and write it."""
        began_s = time.perf_counter()
        try:
            parsed = endpoint.parse(push)
        except Exception as error:  # a bug in a vendor's file: keep the push, and have the vendor push again
            self.counts.our_fault += 1
            self.note("push-not-read", endpoint, error=type(error).__name__)
            await self._bury(endpoint, push, f"our code failed: {type(error).__name__}")
            return OUR_FAULT
        charge(time.perf_counter() - began_s)
        if isinstance(parsed, (Refusal, Partly)) and endpoint.too_much_to_keep(push.received_ms // 1000):
            self.counts.too_fast += 1
            return TOO_FAST
        if isinstance(parsed, Refusal):
            return await self._refuse(endpoint, push, parsed)
        if isinstance(parsed, Partly):
            if not await self._keep_rest(endpoint, push, parsed):
                self.counts.log_failed += 1
                return COME_AGAIN
            parsed = parsed.rows
        return await self._write(endpoint, parsed if isinstance(parsed, list) else [parsed])

    async def _write(self, endpoint: Endpoint, items: Sequence[Any]) -> ReadyAnswer:
        rows = 0
        for item in items:
            rows += len(item.states) if isinstance(item, Reports) else 1
        failed = await self._durable(endpoint, endpoint.groups.add(items)) if items else None
        return failed or self._taken(endpoint, rows)

    async def _durable(self, endpoint: Endpoint, durable: Awaitable[None]) -> ReadyAnswer | None:
        """Wait for the log; the answer if it fails. Raises ReadAlone."""
        self.counts.waiting += 1
        endpoint.waiting += 1
        try:
            await durable
        except ReadAlone:
            raise
        except LogError as error:
            self.counts.log_failed += 1
            self.log_works = False
            self.note("push-not-written", endpoint, error=str(error))
            return COME_AGAIN
        except Exception as error:
            self.counts.our_fault += 1
            self.note("push-not-written", endpoint, error=type(error).__name__)
            return OUR_FAULT
        finally:
            self.counts.waiting -= 1
            endpoint.waiting -= 1
        self.log_works = True
        return None

    def _taken(self, endpoint: Endpoint, rows: int) -> ReadyAnswer:
        counts = self.counts
        counts.taken += 1
        endpoint.taken_ms = now_ms()
        if endpoint.reports:
            counts.reports += rows
        else:
            counts.inbound += rows
        return endpoint.taken

    # --- what cannot be read -----------------------------------------------------------------------------------------

    async def _refuse(self, endpoint: Endpoint, push: Push, refused: Refusal) -> ReadyAnswer:
        self.note("push-refused", endpoint, status=refused.status, why=refused.why)
        if (refused.authenticated or refused.keep) and not await self._bury(endpoint, push, refused.why):
            self.counts.log_failed += 1
            return COME_AGAIN  # nothing of it is kept: the vendor must push it again
        if refused.status == 403:
            self.counts.strangers += 1
        else:
            self.counts.junk += 1
        return ReadyAnswer(refused.status)

    async def _keep_rest(self, endpoint: Endpoint, push: Push, partly: Partly) -> bool:
        """Keep and count the unreadable entries; False: they could not be kept."""
        self.note("push-partly-read", endpoint, entries=partly.count, why=partly.why)
        kept = await self._bury(endpoint, push, partly.why, partly.rest)
        self.counts.left_over += partly.count if kept else 0
        return kept

    async def _bury(self, endpoint: Endpoint, push: Push, why: str, what: bytes | None = None) -> bool:
        """Keep an unreadable push (all of it, or `what`), without its secrets."""
        if what is None:
            what = push.query + b"\n" + push.body if push.body else push.query
        try:
            await keep_dead_letter(
                self._log, push.account, endpoint.path, why, endpoint.masker.raw(what), push.received_ms
            )
        except LogError as error:
            self.log_works = False
            self.note("dead-letter-not-written", endpoint, error=str(error))
            return False
        self.log_works = True
        self.counts.dead += 1
        return True

    def note(self, event: str, endpoint: Endpoint, **what: Any) -> None:
        """Log it, at most once a minute: a flood of junk must not become a flood of lines."""
        self._refusals.note(event, endpoint.path, account=endpoint.account, path=endpoint.path, **what)
