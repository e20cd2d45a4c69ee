"""The results for a command: folded here as long as no running dispatcher does it, and how far behind the log they are.

A running joiner holds the store and is at most about a second late. Whoever asks right after doing something wants to
see it, so `Results.fresh` gives the joiner that second; what is still behind after it is said, not hidden.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import click
import msgspec

from dispatcher.accounts.holders import lane_holders
from dispatcher.accounts.stops import as_object, sentence
from dispatcher.campaigns_feed import read_campaigns
from dispatcher.config.file import Config
from dispatcher.core.results.equation import Counts
from dispatcher.errors import DispatcherError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.campaigns import no_campaign
from dispatcher.service.freshness import bring_up_to_date
from dispatcher.store.opening import open_reader
from dispatcher.store.port import CampaignView, StoreReader
from schemas.records import Stopped
from schemas.topics import CAMPAIGNS, LANES, REPORTS, lane_partition

FRESH_WITHIN_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.1
FOLD_AGAIN_S: Final = 1.0
TELL_AFTER_RECORDS: Final = 20_000
MENDED: Final = ("auth", "balance")

FOLDED: Final = (CAMPAIGNS, LANES, REPORTS)
"""The topics whose every record is in the results sooner or later."""


class Hindered(msgspec.Struct, frozen=True):
    """Accounts that do not send: `stops` by their lanes' word, `nobody` because no dispatcher runs them."""

    stops: tuple[Stopped, ...]
    nobody: tuple[str, ...]

    def sentences(self) -> list[str]:
        """For people."""
        names = " and ".join(f'"{name}"' for name in self.nobody)
        which = f"account{'s' if len(self.nobody) > 1 else ''} {names}"
        idle = [f"nobody sends for {which}: start `dispatcher run` (role lanes)."] if self.nobody else []
        return [*idle, *map(sentence, self.stops)]

    def as_object(self) -> dict[str, Any]:
        """For `--json`."""
        return {"stopped": [as_object(stop) for stop in self.stops], "not_run": list(self.nobody)}


class Results:
    """The store, to read, and the log it is a fold of."""

    def __init__(self, config: Config, log: Log, reader: StoreReader) -> None:
        self._config = config
        self._log = log
        self._reader = reader
        self._folded_s = float("-inf")
        self._ends_before: dict[tuple[str, int], int] = {}

    async def fold(self) -> None:
        """Fold what is new, unless a running dispatcher does; at most once in FOLD_AGAIN_S."""
        if time.monotonic() - self._folded_s >= FOLD_AGAIN_S:
            await bring_up_to_date(self._config, self._log, _Progress())
            self._folded_s = time.monotonic()

    async def fresh(self) -> int:
        """Wait until everything the log has now is folded, FRESH_WITHIN_S at most; how many records are missing."""
        await self.fold()
        ends = await self._ends()
        until_s = time.monotonic() + FRESH_WITHIN_S
        missing = await self._missing(ends)
        while missing and time.monotonic() < until_s:
            await asyncio.sleep(LOOK_AGAIN_S)
            missing = await self._missing(ends)
        return missing

    async def late(self) -> int:
        """How many records that were on the log at the last call are not folded yet."""
        missing = await self._missing(self._ends_before)
        self._ends_before = await self._ends()
        return missing

    async def campaigns(self) -> list[CampaignView]:
        """All campaigns, newest first."""
        return await asyncio.to_thread(self._reader.campaigns)

    async def campaign(self, campaign: str) -> CampaignView:
        """This campaign. Raises UserError if there is none."""
        view = await asyncio.to_thread(self._reader.campaign, campaign)
        if view is None:
            raise no_campaign(campaign, [each.id for each in await self.campaigns()])
        return view

    async def hindered(self, views: Sequence[CampaignView]) -> Hindered:
        """What keeps accounts from sending that still have something of these campaigns to send."""
        due = {
            account
            for view in views
            if not view.paused and not view.cancelled
            for account, counts in view.accounts.items()
            if counts.queued
        }
        if not due:
            return Hindered((), ())
        held, stops = lane_holders(self._config), (await read_campaigns(self._log)).stopped()
        nobody = () if held is None else tuple(sorted(each for each in due if lane_partition(each) not in held))
        told = [stops[account] for account in sorted(due & stops.keys())]
        # What is over by itself, a lane that has ended cannot have told; what a person has to mend still stands.
        return Hindered(tuple(stop for stop in told if stop.account not in nobody or stop.why in MENDED), nobody)

    async def _ends(self) -> dict[tuple[str, int], int]:
        asked = [(topic.name, partition) for topic in FOLDED for partition in range(topic.partitions)]
        return dict(zip(asked, await asyncio.gather(*(self._log.end(*place) for place in asked)), strict=True))

    async def _missing(self, ends: dict[tuple[str, int], int]) -> int:
        offsets = await asyncio.to_thread(self._reader.offsets)
        return sum(max(0, end - offsets.get(place, 0)) for place, end in ends.items())


@asynccontextmanager
async def results(config: Config) -> AsyncIterator[Results]:
    """Open log and store for a command. Raises ConfigError (no log there yet), LogError, StoreError."""
    async with AsyncExitStack() as stack:
        log = await open_log(config.log.url, create=False)
        stack.push_async_callback(log.close)
        await bring_up_to_date(config, log, _Progress())
        reader = await asyncio.to_thread(open_reader, config.store)
        stack.callback(reader.close)
        yield Results(config, log, reader)


def settled(config: Config, campaign: str, launched_ms: int) -> Counts | None:
    """The counts of a campaign of which nothing can be sent any more; None if something may, or nobody can tell.

    Looks at the results as they are: who was sent to is never queued again, so it does not matter how far behind the
    log they are. Never fails, as nothing that stops a campaign may depend on it.
    """
    try:
        with contextlib.closing(open_reader(config.store)) as reader:
            view = reader.campaign(campaign)
    except DispatcherError:
        return None
    if view is None or view.launched_ms != launched_ms:
        return None
    counts = view.counts
    return None if counts.queued or counts.in_flight or counts.unknown else counts


def stale(records: int) -> str:
    """The note about results that are behind the log, or ""."""
    if not records:
        return ""
    many = f"{records:,} records" if records != 1 else "1 record"
    return f"these results are {many} behind the log: is `dispatcher run` (role results) keeping up?"


class _Progress:
    """Says on a terminal that there is much to fold, once in a while."""

    def __init__(self) -> None:
        self._told_s = time.monotonic()

    def __call__(self, done: int, whole: int) -> None:
        now_s = time.monotonic()
        if whole >= TELL_AFTER_RECORDS and now_s - self._told_s >= 1.0:
            self._told_s = now_s
            click.echo(f"reading the log: {done:,} of {whole:,} records …", err=True)
