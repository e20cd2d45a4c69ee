"""The conductor performs the duties of campaigns, one task each, while this process holds the partition of `campaigns`.

Holding it is only a hint which process should act (as for lanes). What a duty writes is idempotent: the first record
counts, or a repetition has the same key and value. So two conductors at once do no harm, and a duty may be cancelled at
any await and performed again by the next process.

A duty decides nothing itself: it asks a pure function of dispatcher/core and appends what that says.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from dispatcher.accounts.holders import CONDUCTORS
from dispatcher.clock import now_ms
from dispatcher.core.backoff import Backoff
from dispatcher.errors import DispatcherError
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.process.holding import fails, hold
from schemas.topics import CAMPAIGNS

LOOK_S_MAX: Final = 5.0
"""A duty looks at least this often: the wall clock may be set, or jump."""

AGAIN: Final = Backoff(1.0, 30.0)

_logger = get_logger("campaigns")


class Duty(Protocol):
    """One kind of work for campaigns."""

    async def look(self, now_ms: int) -> float:
        """Do what is due at this time; returns in how many seconds to look again.

        It is called again sooner if a campaign changes on the log. Raises DispatcherError: then it is tried again.
        """
        ...


class Conductor:
    """Performs these duties. `feed` is the fold of `campaigns` that they read; it is followed here."""

    def __init__(self, log: Log, feed: CampaignsFeed, duties: Sequence[Duty]) -> None:
        self._log: Final = log
        self._feed: Final = feed
        self._duties: Final = duties
        self._performing: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Perform the duties whenever this process holds the partition, until `stop`. Raises LogError."""
        await self._feed.catch_up()
        await hold(
            self._log,
            CONDUCTORS,
            CAMPAIGNS.name,
            self._assigned,
            self._revoked,
            readers=(self._feed.follow(),),
            failed=self._failed,
            stop=stop,
        )

    async def _assigned(self, partitions: frozenset[int]) -> None:
        if partitions and not self._performing:
            self._performing = [asyncio.create_task(self._perform(duty)) for duty in self._duties]
            for task in self._performing:
                task.add_done_callback(partial(fails, self._failed))

    async def _revoked(self, partitions: frozenset[int]) -> None:
        leaving, self._performing = (self._performing, []) if partitions else ([], self._performing)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)

    async def _perform(self, duty: Duty) -> None:
        """Look again and again. After an error only time counts: a campaign that changes must not hurry it."""
        news, failures = asyncio.Event(), 0
        unlisten = self._feed.listen(lambda _campaign: news.set())
        try:
            while True:
                news.clear()
                try:
                    again_s = await duty.look(now_ms())
                    failures = 0
                except DispatcherError as error:
                    failures += 1
                    again_s = AGAIN.pause_s(failures)
                    _logger.warning("a duty failed", duty=type(duty).__name__, error=str(error), again_s=again_s)
                if failures:
                    await asyncio.sleep(again_s)
                    continue
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), min(again_s, LOOK_S_MAX))
        finally:
            unlisten()
