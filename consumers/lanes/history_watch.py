"""Queries the vendor's history for unknown chunks, for the lane that owns them.

Only for vendors with an id per recipient and a history (COSMS). dispatcher/core/results/history_looks.py decides when
to query and which chunks an answer covers. A recipient in the history was taken (dispatcher/core/results/history.py);
its state is written as a report. A recipient that is not in it may still have been taken: people see that (`dispatcher
unknown list`), and nothing is sent again because of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from typing import Final, TypeVar

from consumers.lanes.journal_requests import Recipients, fetch_intent, requests_around
from consumers.lanes.query_lock import QueryLock
from dispatcher.accounts.ask_book import HistoryBook
from dispatcher.accounts.history import history
from dispatcher.arrivals import take_reports
from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.answers.verdict import Verdict
from dispatcher.core.lane.owner import Owner
from dispatcher.core.lane.state import ChunkState
from dispatcher.core.results.history import Finding, HistoryTarget, SentMessage, Span, find, halves
from dispatcher.core.results.history_looks import HistoryLooks, Look, Spoken
from dispatcher.core.results.requests import RequestTime
from dispatcher.core.shanghai import SHANGHAI_MS
from dispatcher.drivers.port import QueryingDriver
from dispatcher.errors import LogError
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.seam.vendor import Answer, HistoryRow, HttpVendor, ReportRow, Request
from schemas.batch import BrokenBatch
from schemas.records import Intent
from schemas.states import REPORT_WAITING

SHANGHAI: Final = timezone(timedelta(milliseconds=SHANGHAI_MS))
LOOK_EVERY_S: Final = 1.0
HISTORY_S: Final = 180.0
"""How long policy `resend` waits for the first query: it may wait a minute for its turn and fail once."""

AFTER_ERROR_S: Final = 30.0
WINDOWS_MAX: Final = 24

T = TypeVar("T")


class HistoryWatch:
    """The watch of one account. `takes`: how long after its intent a request may end."""

    def __init__(
        self,
        log: Log,
        vendor: HttpVendor,
        owner: Owner,
        campaigns: Campaigns,
        driver: QueryingDriver,
        queries: QueryLock,
        book: HistoryBook,
        takes: RequestTime,
        effects: ReportEffects | None = None,
    ) -> None:
        self._log = log
        self._vendor = vendor
        self._owner = owner
        self._partition = owner.settings.partition
        self._campaigns = campaigns
        self._driver = driver
        self._queries = queries
        self._book = book
        self._takes = takes
        self._effects = effects
        self._account = queries.account
        limits = vendor.history_limits
        self._looks = HistoryLooks(limits.window_s) if limits is not None else None
        self._intents: dict[int, Intent] = {}
        self._logger = get_logger("history").bind(account=self._account)

    async def run(self) -> None:
        """Run for ever; returns if history or log cannot answer. The lane continues without it."""
        looks = self._looks
        if not self._vendor.ids_each or looks is None:
            return
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            try:
                await self._read_unknown(looks)
                if looks.is_due(now_ms()):
                    await self._look(looks)
            except (LogError, BrokenBatch, ValueError) as error:
                if isinstance(error, LogError) and not error.retryable:
                    self._logger.error("the history is not looked at any more", error=str(error))
                    return
                self._logger.warning("the history was not looked at", error=str(error))
                await asyncio.sleep(AFTER_ERROR_S)

    async def _read_unknown(self, looks: HistoryLooks) -> None:
        """Track the chunks that are unknown now. Raises LogError."""
        unknown = {
            chunk.intent
            for chunk in self._owner.state.open.values()
            if chunk.account == self._account and chunk.state is ChunkState.UNKNOWN
        }
        for offset in looks.missing(unknown):
            intent = self._intents[offset] = await fetch_intent(self._log, self._partition, offset)
            looks.add(offset, intent.at_ms, self._takes.of_ms(intent))
        for gone in self._intents.keys() - looks.chunks.keys():
            del self._intents[gone]

    async def _look(self, looks: HistoryLooks) -> None:
        """Query once for everything due; draw conclusions after every answer."""
        look: Look | None = None

        async def whole() -> Span | None:
            nonlocal look
            await self._read_unknown(looks)
            look = looks.begin(now_ms(), month_start(now_ms()))
            return None if look is None else look.whole

        rows: dict[str, HistoryRow] = {}
        upto_ms, answers = 0, 0
        asker = _Turns(self._driver, self._queries)
        async with aclosing(history(self._book, self._vendor, self._account, asker, whole)) as asking:
            async for window, found in asking:
                assert look is not None
                if found.verdict is not None:
                    self._logger.warning("no history", kind=found.verdict.kind.value, code=found.verdict.code)
                    if not answers:
                        looks.failed(look, now_ms())
                    break
                rows.update((row.vendor_id, row) for row in found.rows)
                answers += 1
                if found.complete or not halves(window):
                    upto_ms = window.end_ms
                await self._read_unknown(looks)
                await self._conclude_all(looks, look, upto_ms, rows, over=False)
                if not look.due.keys() & self._intents.keys() or answers >= WINDOWS_MAX:
                    break
        if answers and look is not None:
            await self._conclude_all(looks, look, upto_ms, rows, over=True)

    async def _conclude_all(
        self, looks: HistoryLooks, look: Look, upto_ms: int, rows: dict[str, HistoryRow], *, over: bool
    ) -> None:
        """Report what was found for each chunk: for complete ones at once, for others when no more can be found."""
        spoken = looks.spoken(look, upto_ms)
        recipients = Recipients(self._log, self._partition)
        near = min((each.intent for each in spoken), default=0)
        others = await requests_around(
            self._log, self._partition, self._account, look.whole, self._takes, near, recipients
        )
        if others is None:
            self._logger.warning("too many requests without an answer to tell them apart; decide by hand")
            return
        told = [SentMessage(row.vendor_id, row.number, row.sent_ms, row.text) for row in rows.values()]
        for each in spoken:
            if each.intent not in self._intents:
                continue
            intent = self._intents[each.intent]
            asked = HistoryTarget(
                intent=each.intent,
                numbers=await recipients.of(intent),
                when=each.when,
                text=self._text(intent.campaign),
                job=intent.job,
                start=intent.start,
            )
            finding = find(asked, told, others)
            if finding.whole or each.is_said(finding.found, over=over):
                await self._conclude(looks, each, intent, finding, rows)
        self._queries.wake()

    def _text(self, campaign: str) -> str:
        """The text that each of its recipients was sent; "" if it is not one plain text."""
        known = self._campaigns.get(campaign)
        launched = None if known is None else known.launched
        if launched is None or launched.variables or launched.texts or launched.kind != "sms":
            return ""
        return launched.text

    async def _conclude(
        self, looks: HistoryLooks, spoken: Spoken, intent: Intent, finding: Finding, rows: dict[str, HistoryRow]
    ) -> None:
        """Report what was found, if it is new, and write the states of the found recipients as reports."""
        if not looks.is_news(spoken.intent, finding.found):
            return
        why = f"the vendor's history has {finding.found:,} of its {finding.sought:,} recipients"
        final = [
            ReportRow(row.vendor_id, row.number, row.state, row.code, 0)
            for row in map(rows.get, finding.vendor_ids)
            if row is not None and row.state != REPORT_WAITING
        ]
        await take_reports(self._log, self._account, final, now_ms(), self._effects)
        self._owner.history_says(spoken.intent, finding.vendor_ids, why, intent.at_ms, time.monotonic(), now_ms())
        self._logger.info(
            "taken after all" if finding.whole else "still unknown",
            campaign=intent.campaign,
            intent=spoken.intent,
            recipients=finding.sought,
            found=finding.found,
        )


class _Turns:
    """A driver whose queries wait for the account's turn."""

    def __init__(self, driver: QueryingDriver, queries: QueryLock) -> None:
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


def month_start(at_ms: int) -> int:
    """The first moment of the month in Shanghai, as Unix milliseconds."""
    local = datetime.fromtimestamp(at_ms / 1000, SHANGHAI)
    return round(local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
