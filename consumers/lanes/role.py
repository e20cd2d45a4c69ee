"""The lanes role: takes part in distributing lane partitions and runs an owner for each one it holds.

Holding a partition is a hint (consumer group, file lock); the journal makes an owner (runner.py). A partition whose
owner failed is tried again with growing pauses while it is held; the others continue.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

from consumers.lanes.runner import LaneRunner
from consumers.lanes.suppression_feed import SuppressionFeed
from dispatcher.accounts.holders import GROUP
from dispatcher.config.file import Config
from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.state import LaneBroken
from dispatcher.drivers.opening import driver_of
from dispatcher.errors import DispatcherError
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.process.holding import hold
from dispatcher.process.roles import Work, start_tasks
from schemas.topics import LANES, lane_partition

AGAIN: Final = Backoff(2.0, 30.0)


class Lanes:
    """All lane partitions this process holds."""

    def __init__(self, config: Config, log: Log) -> None:
        self._config: Final = config
        self._log: Final = log
        self._feed: Final = CampaignsFeed(log)
        self._suppression: Final = SuppressionFeed(log)
        self._held: dict[int, tuple[asyncio.Event, asyncio.Task[None]]] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._logger = get_logger("lanes")
        self.accounts: Final[dict[int, list[str]]] = {}
        for account in config.accounts:
            self.accounts.setdefault(lane_partition(account), []).append(account)

    async def run(self, stop: asyncio.Event) -> None:
        """Hold and run lanes until `stop`, then drain them. Raises LogError if no lane can run."""
        await self._feed.catch_up()
        await hold(
            self._log,
            GROUP,
            LANES.name,
            self._assigned,
            self._revoked,
            readers=(self._feed.follow(), self._suppression.run()),
            failed=self._failed,
            stop=stop,
        )

    async def _assigned(self, partitions: frozenset[int]) -> None:
        for partition in sorted(partitions & self.accounts.keys() - self._held.keys()):
            stop = asyncio.Event()
            self._held[partition] = (stop, asyncio.create_task(self._keep(partition, stop)))

    async def _revoked(self, partitions: frozenset[int]) -> None:
        leaving = [self._held.pop(partition) for partition in sorted(partitions & self._held.keys())]
        for stop, _ in leaving:
            stop.set()
        await asyncio.gather(*(task for _, task in leaving))

    async def _keep(self, partition: int, stop: asyncio.Event) -> None:
        """Own the partition repeatedly until it is given back."""
        failures = 0
        while not stop.is_set():
            drivers = {
                account: driver_of(self._config.accounts[account], account) for account in self.accounts[partition]
            }
            try:
                runner = LaneRunner(partition, self._config, self._log, self._feed, drivers, self._suppression)
                if await runner.run(stop):
                    return
                failures = 1  # not given back in order: start again
            except (DispatcherError, LaneBroken) as error:
                failures += 1
                self._logger.error(
                    "lane stopped", partition=partition, error=str(error), again_s=AGAIN.pause_s(failures)
                )
            except Exception as error:
                self._logger.exception("lane failed", partition=partition)
                if not self._failed.done():
                    self._failed.set_exception(error)
                return
            finally:
                for driver in drivers.values():
                    await driver.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN.pause_s(failures))


async def run_lanes(config: Config, log: Log, stop: asyncio.Event) -> None:
    """Run the lanes that this process gets, until `stop`; then drain them within `lanes.drain_s`."""
    await Lanes(config, log).run(stop)


async def start_lanes(config: Config, log: Log) -> Work:
    """The role `lanes` of `dispatcher run`."""
    return start_tasks(partial(run_lanes, config, log))
