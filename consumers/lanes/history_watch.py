"""Asking the vendor's history what became of unknown chunks, for the lane that owns them.

Only where the vendor gives every recipient an id of its own and remembers what it sent (COSMS). A chunk is looked for
once nobody can be sending it any more, and again ever later, within wider bounds of the vendor's clock. Whom the
history names was taken (dispatcher/core/results/history.py), and its state goes with the reports. Whom it does not
name may
have been taken all the same: a hint for people (`dispatcher unknown list`); nothing is sent again because of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import aclosing
from typing import Final, TypeVar

import msgspec
import structlog

from consumers.lanes.prepared import Driver
from consumers.lanes.requests_around import Recipients, fetch_intent, requests_around
from consumers.lanes.turns import Queries
from dispatcher.accounts.ask_book import HistoryBook
from dispatcher.accounts.history import history
from dispatcher.arrivals import take_reports
from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.owner import Owner
from dispatcher.core.lane.state import ChunkState
from dispatcher.core.lane.verdict import Kind, Verdict
from dispatcher.core.results.history import SHANGHAI_MS, Asked, Finding, Span, Told, find, span
from dispatcher.errors import LogError
from dispatcher.log.port import Log
from dispatcher.vendors.seam.vendor import Answer, HistoryRow, ReportRow, Request, Vendor
from schemas.batch import BrokenBatch
from schemas.records import Intent
from schemas.states import REPORT_WAITING

LOOK_EVERY_S: Final = 1.0
LOOKS: Final = ((0, 15), (120, 60), (600, 300), (3_600, 600), (6 * 3_600, 600))
"""(seconds after the earliest look, by how many seconds the clocks may differ): no more looks than these."""

SETTLES_S: Final = 5
"""How long after the last moment of a request the first look is."""

HISTORY_S: Final = 120.0
"""How long policy `resend` waits for the first look: it may have to wait its turn of a minute."""

AFTER_ERROR_S: Final = 30.0
WINDOWS_MAX: Final = 24
CHUNKS_MAX: Final = 64

T = TypeVar("T")


class Doubted(msgspec.Struct):
    """An unknown chunk: its intent at `offset`, how often it was looked for, how many were found (-1: not looked)."""

    offset: int
    intent: Intent
    looks: int = 0
    found: int = -1


class HistoryWatch:
    """One account's. `request_s`: the longest from an intent to the end of its request."""

    def __init__(
        self,
        log: Log,
        vendor: Vendor,
        owner: Owner,
        campaigns: Campaigns,
        driver: Driver,
        queries: Queries,
        book: HistoryBook,
        request_s: float,
    ) -> None:
        self._log = log
        self._vendor = vendor
        self._owner = owner
        self._partition = owner.settings.partition
        self._campaigns = campaigns
        self._driver = driver
        self._queries = queries
        self._book = book
        self._request_ms = round(request_s * 1000)
        self._account = queries.account
        self._doubted: dict[int, Doubted] = {}
        self._logger = structlog.get_logger("history").bind(account=self._account)

    async def run(self) -> None:
        """For ever; returns where the history cannot tell, or the log cannot. The lane goes on without."""
        if not self._vendor.ids_each or self._vendor.history_limits is None:
            return
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._remember()
                due = self._due(now_ms())
                if due:
                    await self._look(due)
            except (LogError, BrokenBatch, ValueError) as error:
                if isinstance(error, LogError) and not error.retryable:
                    self._logger.error("the history is not looked at any more", error=str(error))
                    return
                self._logger.warning("the history was not looked at", error=str(error))
                await asyncio.sleep(AFTER_ERROR_S)

    # --- which, and when ---------------------------------------------------------------------------------------------

    async def _remember(self) -> None:
        """Keep book of the chunks that are unknown now."""
        unknown = [
            chunk.intent
            for chunk in self._owner.state.open.values()
            if chunk.account == self._account and chunk.state is ChunkState.UNKNOWN
        ]
        for gone in self._doubted.keys() - set(unknown):
            del self._doubted[gone]
        for intent in unknown:
            if intent not in self._doubted:
                self._doubted[intent] = Doubted(intent, await fetch_intent(self._log, self._partition, intent))

    def _span(self, doubted: Doubted) -> Span:
        """When the vendor can have got it, by the vendor's clock, as wide as this look allows."""
        _, apart_s = LOOKS[doubted.looks]
        at_ms = doubted.intent.at_ms
        return span(at_ms - apart_s * 1000, at_ms + self._request_ms + apart_s * 1000)

    def _due_ms(self, doubted: Doubted, looks: int | None = None) -> int:
        """When it is to be looked for, the next time or the one of this number."""
        later_s, apart_s = LOOKS[doubted.looks if looks is None else looks]
        return doubted.intent.at_ms + self._request_ms + (apart_s + SETTLES_S + later_s) * 1000

    def _due(self, now_ms: int) -> list[Doubted]:
        """Chunks whose time has come and that fit into one window, the oldest first."""
        limits = self._vendor.history_limits
        assert limits is not None
        found: list[Doubted] = []
        whole: Span | None = None
        for doubted in sorted(self._doubted.values(), key=lambda each: each.intent.at_ms):
            if doubted.looks >= len(LOOKS) or len(found) >= CHUNKS_MAX:
                continue
            if now_ms < self._due_ms(doubted):
                continue
            while doubted.looks + 1 < len(LOOKS) and now_ms >= self._due_ms(doubted, doubted.looks + 1):
                doubted.looks += 1  # of an old one only the widest look is worth a query
            when = self._span(doubted)
            if _month(when.start_ms) != _month(now_ms):
                doubted.looks = len(LOOKS)  # the vendor tells of the present month only
                continue
            together = (
                when if whole is None else Span(min(whole.start_ms, when.start_ms), max(whole.end_ms, when.end_ms))
            )
            if whole is not None and together.end_ms - together.start_ms > limits.window_s * 1000:
                continue
            whole = together
            found.append(doubted)
        return found

    # --- a look ------------------------------------------------------------------------------------------------------

    async def _look(self, due: list[Doubted]) -> None:
        """Ask for the time of all of them; where the vendor cannot say all at once, conclude what can be meanwhile."""
        spans = {doubted.offset: self._span(doubted) for doubted in due}
        whole = Span(min(each.start_ms for each in spans.values()), max(each.end_ms for each in spans.values()))
        for doubted in due:
            doubted.looks += 1
        rows: dict[str, HistoryRow] = {}
        left, answers = due, 0
        asker = _Turns(self._driver, self._queries)
        async with aclosing(history(self._book, self._vendor, self._account, asker, whole)) as asking:
            async for _, found in asking:
                if found.verdict is not None:
                    kind = found.verdict.kind
                    self._logger.warning("no history", kind=kind.value, code=found.verdict.code)
                    if kind is Kind.NOT_SENT and not rows:
                        for doubted in due:
                            doubted.looks -= 1
                    break
                rows.update((row.vendor_id, row) for row in found.rows)
                answers += 1
                left = await self._conclude_all(left, spans, whole, rows, partly=False)
                if not left or answers >= WINDOWS_MAX:
                    break
        if answers:
            await self._conclude_all(left, spans, whole, rows, partly=True)

    async def _conclude_all(
        self, due: list[Doubted], spans: dict[int, Span], whole: Span, rows: dict[str, HistoryRow], *, partly: bool
    ) -> list[Doubted]:
        """Say of each what was found; those of whom not all were, only if `partly`. They are returned."""
        recipients = Recipients(self._log, self._partition)
        near = min((doubted.offset for doubted in due), default=0)
        others = await requests_around(
            self._log, self._partition, self._account, whole, self._request_ms, near, recipients
        )
        if others is None:
            self._logger.warning("too many requests without an answer to tell them apart; decide by hand")
            return due
        told = [Told(row.vendor_id, row.number, row.sent_ms, row.text) for row in rows.values()]
        left = []
        for doubted in due:
            intent = doubted.intent
            numbers = await recipients.of(intent)
            text, when = self._text(intent.campaign), spans[doubted.offset]
            finding = find(Asked(intent=doubted.offset, numbers=numbers, when=when, text=text), told, others)
            if not finding.whole:
                left.append(doubted)
            if finding.whole or partly:
                await self._conclude(doubted, finding, rows)
        self._queries.wake()
        return left

    def _text(self, campaign: str) -> str:
        """What each of its recipients was sent; "" where it is not one plain text."""
        known = self._campaigns.get(campaign)
        if known is None or known.launched is None or known.launched.variables or known.launched.kind != "sms":
            return ""
        return known.launched.text

    async def _conclude(self, doubted: Doubted, finding: Finding, rows: dict[str, HistoryRow]) -> None:
        """Say what was found, if that is news; and hand on what became of those who were found."""
        if finding.found == doubted.found:
            return
        doubted.found = finding.found
        intent, count = doubted.intent, len(finding.vendor_ids)
        why = f"the vendor's history has {finding.found:,} of its {count:,} recipients"
        final = [
            ReportRow(row.vendor_id, row.number, row.state, row.code, 0)
            for row in map(rows.get, finding.vendor_ids)
            if row is not None and row.state != REPORT_WAITING
        ]
        await take_reports(self._log, self._account, final, now_ms())
        self._owner.history_says(
            doubted.offset, finding.vendor_ids, why, intent.at_ms, time.monotonic(), now_ms()
        )  # fmt: skip
        self._logger.info(
            "taken after all" if finding.whole else "still unknown",
            campaign=intent.campaign,
            intent=doubted.offset,
            recipients=count,
            found=finding.found,
        )


class _Turns:
    """A driver whose queries wait for the account's turn."""

    def __init__(self, driver: Driver, queries: Queries) -> None:
        self._driver = driver
        self._queries = queries

    async def query(
        self, flow: Generator[Request, Answer, T], *, before_write: Callable[[], bool] | None = None
    ) -> T | Verdict:
        async with self._queries.turn():
            found = await self._driver.query(flow, before_write=before_write)
            verdict = found if isinstance(found, Verdict) else getattr(found, "verdict", None)
            self._queries.heard("history", verdict)
            return found


def _month(at_ms: int) -> tuple[int, int]:
    local = time.gmtime((at_ms + SHANGHAI_MS) / 1000)
    return local.tm_year, local.tm_mon
