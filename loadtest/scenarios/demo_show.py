"""The demo at work: roles up, campaigns launched, reports awaited, ledgers compared."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import click

from dispatcher.config.file import Config, load
from dispatcher.process.command import role_names
from dispatcher.process.roles import Running, running
from dispatcher.service.launching import LaunchRequest
from dispatcher.service.progress import over
from dispatcher.service.session import Session
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from loadtest.scenarios.demo_check import check_counts, their_delivered
from loadtest.scenarios.demo_outcome import Outcome
from loadtest.scenarios.demo_stage import (
    BIG,
    BIG_TEXT,
    FLOW_PER_S,
    PACED,
    UNPACED,
    URGENT,
    URGENT_RECIPIENTS,
    URGENT_TEXT,
    Stage,
    report_urls,
)
from loadtest.scenarios.ledger_comparison import compare, our_rows, their_rows
from loadtest.screen import Screen
from loadtest.sim.process import Spawned
from producers.launch.api import launch

URGENT_AFTER_S: Final = 4.0
LOOK_EVERY_S: Final = 0.25
ASK_VENDOR_EVERY_S: Final = 1.0
STUCK_S: Final = 90.0


class Show:
    """One demo. `quiet`: nothing is drawn."""

    def __init__(self, stage: Stage, vendor: Spawned, *, quiet: bool) -> None:
        self._stage = stage
        self._vendor = vendor
        self._quiet = quiet
        self._vendor_says = ""

    async def run(self) -> Outcome:
        """Launch, watch, compare. Raises DispatcherError."""
        config, began_s = load(self._stage.config), time.monotonic()
        async with running(config, role_names()) as roles:
            assert roles.url is not None
            urls = report_urls(roles.url)
            self._introduce(roles)
            await asyncio.to_thread(self._vendor.configure, account=urls)
            reader = await asyncio.to_thread(open_reader, config.store)
            try:
                screen = Screen(config.accounts, quiet=self._quiet)
                with screen.shown():
                    await _first(self._watch(config, roles, reader, screen), roles.until_failed())
                return await asyncio.to_thread(self._outcome, reader, time.monotonic() - began_s)
            finally:
                reader.close()

    def _introduce(self, roles: Running) -> None:
        if self._quiet:
            return
        dirty = self._stage.dirty
        click.echo(
            f"vendor      simulated, at {self._vendor.url}; it enforces {FLOW_PER_S:,} messages/s on account {PACED}"
        )
        click.echo(f"dispatcher  log {roles.log.url}, reports to {roles.url}")
        click.echo(f"list        {dirty.rows:,} rows, as dirty as they come; {URGENT_RECIPIENTS} urgent ones follow")
        click.echo()

    # --- launching and watching --------------------------------------------------------------------------------------

    async def _watch(self, config: Config, roles: Running, reader: StoreReader, screen: Screen) -> None:
        launching = asyncio.create_task(self._launch(config, roles))
        asking = asyncio.create_task(self._ask_vendor())
        changed_s, before = time.monotonic(), ()
        try:
            while True:
                views = await asyncio.to_thread(reader.campaigns)
                now_s = time.monotonic()
                screen.draw(views, [self._vendor_says], now_s)
                counts: Any = [view.counts for view in views]
                if counts != before:
                    changed_s, before = now_s, counts
                if launching.done():
                    launching.result()
                    if (len(views) == 2 and over(views)) or now_s - changed_s > STUCK_S:
                        return
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            for task in (launching, asking):
                task.cancel()
            await asyncio.gather(launching, asking, return_exceptions=True)

    async def _launch(self, config: Config, roles: Running) -> None:
        stage = self._stage
        session = Session(config, roles.log)
        big = LaunchRequest(
            numbers=str(stage.dirty.path),
            text=BIG_TEXT,
            route=[PACED, UNPACED],
            id=BIG,
            name="Autumn sale",
            suppress=[str(stage.dirty.suppress)],
        )
        urgent = LaunchRequest(
            numbers=str(stage.urgent), text=URGENT_TEXT, route=[PACED], id=URGENT, name="Water alert", urgent=True
        )
        await launch(session, big)
        await asyncio.sleep(URGENT_AFTER_S)
        await launch(session, urgent)

    async def _ask_vendor(self) -> None:
        while True:
            totals = await asyncio.to_thread(self._vendor.totals, False)
            paced = totals["accounts"][PACED]
            used = "" if paced["limit_used"] is None else f", {100 * paced['limit_used']:.1f} % of it used"
            self._vendor_says = (
                f"the vendor   {totals['numbers_accepted']:,} taken, {totals['reports_acked']:,} reports pushed; "
                f"{totals['windows_over_limit']:,} windows over the flow limit{used}"
            )
            await asyncio.sleep(ASK_VENDOR_EVERY_S)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _outcome(self, reader: StoreReader, seconds: float) -> Outcome:
        import polars as pl

        views = reader.campaigns()
        totals = self._vendor.totals()
        ours = pl.concat([our_rows(view.id, reader.pages(view.id)) for view in views])
        texts, dirty, kind = {BIG_TEXT: BIG, URGENT_TEXT: URGENT}, self._stage.dirty, self._stage.vendor
        theirs = their_rows(self._vendor.rows(), texts, kind.delivered, kind.codes, kind.interim)
        comparison = compare(ours, theirs)
        made = {
            name: int(getattr(dirty, name)) for name in ("rows", "invalid", "duplicate", "suppressed", "recipients")
        }
        delivered = their_delivered(totals, kind.delivered)
        found = (*check_counts(views, made, BIG, totals, delivered), *comparison.disagreements)
        return Outcome(
            views=tuple(views),
            totals=totals,
            delivered=delivered,
            comparison=comparison,
            disagreements=found,
            paced=totals["accounts"][PACED],
            seconds=seconds,
        )


async def _first(work: Any, trouble: Any) -> None:
    """Do the work, unless there is trouble before it is done. Raises what either raises."""
    tasks = [asyncio.ensure_future(work), asyncio.ensure_future(trouble)]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
