"""Fetches what a vendor does not push: runs each of its polls, for ever, for the lane that owns the account.

A page is durable on the log before the next one is requested: a vendor may forget what it has served (vendors.md
AMB-COSMS-9). So a page under way at a stop is still taken, and one that the log refuses for now is kept and offered
again. Rows that are served twice count once.

Every query waits for the interval after the previous answer, also the one after a full page (0.4, AMB-COSMS-8). If the
account allows it (`at_once`), a full page is followed at once, until one is not full; never again after the vendor
called that too fast, and not while it serves the same page repeatedly (AMB-COSMS-9). A page equal to the previous one
is on the log already. "Too fast" doubles the pause until a page comes. A new owner waits a whole interval first: its
predecessor may have polled a moment ago.

Weak spots: a page that the vendor serves once is lost if its reader dies before the log has it; two owners (one frozen,
not dead) may poll side by side for a while.
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

import msgspec

from consumers.lanes.query_lock import QueryLock
from dispatcher.accounts.poll_times import POLL_TIMES, PollTime
from dispatcher.arrivals import DEFAULT_WORDS, keep_dead_letter, take_inbound, take_reports
from dispatcher.clock import now_ms
from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.answers.verdict import Kind, Verdict
from dispatcher.core.opt_out import OptOutWords
from dispatcher.drivers.port import QueryingDriver
from dispatcher.errors import LogError
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.masking import Masker
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.seam.vendor import HttpVendor, Poll, PolledPage, ReportRow

JITTER: Final = 0.1
SLOWER_MAX: Final = 16
LOG_AWAY: Final = Backoff(1.0, 30.0)
REPEATS_MAX: Final = 2
"""How often the same page may come in a row until we stop asking at once: a vendor may serve each page twice."""


Said = tuple[list[ReportRow], list[tuple[str, str, int, str, str]], bytes]


class PollInterval(msgspec.Struct):
    """When to ask next: after the interval, doubled by each "too fast", plus jitter, so that many accounts do not ask
    in step. `too_fast`: such answers in a row.
    """

    interval_s: float
    too_fast: int = 0
    at_once: bool = False

    def pause_s(self, chance: float) -> float:
        """Seconds from an answer to the next query; `chance` in [0, 1)."""
        backoff = Backoff(self.interval_s, self.interval_s * SLOWER_MAX)
        return backoff.pause_s(1 + self.too_fast) * (1.0 + JITTER * chance)

    def heard(self, page: PolledPage, *, follows: bool) -> bool:
        """Take an answer in; returns whether the next page may be requested at once. `follows`: this one was."""
        if page.verdict is None:
            self.too_fast = 0
            return page.more and self.at_once
        if page.verdict.kind is Kind.THROTTLED:
            self.at_once = self.at_once and not follows
            self.too_fast += 1
        return False


class Poller:
    """One poll of one account. `finish_s`: how long a page under way may take after the stop."""

    def __init__(
        self,
        log: Log,
        vendor: HttpVendor,
        poll: Poll,
        driver: QueryingDriver,
        queries: QueryLock,
        finish_s: float,
        opt_out_words: OptOutWords = DEFAULT_WORDS,
        effects: ReportEffects | None = None,
    ) -> None:
        self._log = log
        self._poll = poll
        self._driver = driver
        self._queries = queries
        self._finish_s = finish_s
        self._last: Said | None = None
        self._repeats = 0
        self._opt_out_words = opt_out_words
        self._effects = effects
        self._account = queries.account
        self._masker = Masker(vendor.secrets())
        self._logger = get_logger("polls").bind(account=self._account, poll=poll.name)

    async def run(self) -> None:
        """Poll for ever. Raises LogError if waiting does not help."""
        interval = PollInterval(self._poll.interval_s, at_once=self._poll.at_once)
        with POLL_TIMES.running(self._account, self._poll.name, now_ms()) as poll_time:
            while True:
                await asyncio.sleep(interval.pause_s(random.random()))
                page = await self._page(poll_time)
                while interval.heard(page, follows=False) and self._repeats < REPEATS_MAX:
                    page = await self._page(poll_time)
                    if page.verdict is not None:
                        interval.heard(page, follows=True)
                        break

    async def _page(self, poll_time: PollTime) -> PolledPage:
        """The next page, durable; or one with a verdict that says why there is no page."""
        async with self._queries.turn():
            fetching = asyncio.ensure_future(self._fetch())
            try:
                page = await asyncio.shield(fetching)
            except asyncio.CancelledError:
                await asyncio.wait({fetching}, timeout=self._finish_s)
                fetching.cancel()
                raise
            self._queries.heard(self._poll.name, page.verdict)
            if page.verdict is None:
                poll_time.answered_ms = now_ms()
            return page

    async def _fetch(self) -> PolledPage:
        page = await self._driver.query(self._poll.flow(now_ms()))
        if isinstance(page, Verdict):
            page = PolledPage(verdict=page)
        if page.verdict is not None:
            self._logger.warning("not polled", kind=page.verdict.kind.value, code=page.verdict.code)
        said = _said(page)
        if page.verdict is None:
            self._repeats = self._repeats + 1 if any(said) and said == self._last else 0
            if self._repeats:
                return page
        failures = 0
        while True:
            try:
                await self._keep(page)
                if page.verdict is None:
                    self._last = said
                return page
            except LogError as error:
                what = {"reports": len(page.reports), "inbound": len(page.inbound)}
                if not error.retryable:
                    self._logger.error("a page is lost: the log does not take it", error=str(error), **what)
                    raise
                self._logger.warning("a page waits for the log", error=str(error), **what)
            failures += 1
            await asyncio.sleep(LOG_AWAY.pause_s(failures))

    async def _keep(self, page: PolledPage) -> None:
        at_ms = now_ms()
        if page.count:
            self._logger.warning("entries that cannot be read", entries=page.count, why=page.why)
            rest = self._masker.raw(page.rest)
            await keep_dead_letter(self._log, self._account, f"poll {self._poll.name}", page.why, rest, at_ms)
        await take_reports(self._log, self._account, page.reports, at_ms, self._effects)
        messages = [msgspec.structs.replace(message, account=self._account) for message in page.inbound]
        await take_inbound(self._log, self._account, messages, self._opt_out_words)


def _said(page: PolledPage) -> Said:
    """The content of a page, without the time of reading."""
    messages = [
        (each.number, each.to, each.at_ms if each.at_ms != each.received_ms else 0, each.message_id, each.text)
        for each in page.inbound
    ]
    return page.reports, messages, page.rest
