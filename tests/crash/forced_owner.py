"""An owner that asks nobody: `python -m tests.crash.forced_owner CONFIG PARTITION…` owns these lane partitions again
and again, whatever the claims say, until it is killed. The lane's own code, without what shares out partitions.
"""

from __future__ import annotations

import asyncio
import random
import sys

from consumers.lanes.runner import LaneRunner
from consumers.lanes.suppression_feed import SuppressionFeed
from dispatcher.config.file import Config, load
from dispatcher.drivers.opening import driver_of
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.process import logs
from schemas.topics import lane_partition


async def main(config: Config, partitions: list[int]) -> None:
    log = await open_log(config.log.url)
    feed = CampaignsFeed(log)
    await feed.catch_up()
    suppression = SuppressionFeed(log)
    owning = (_own(config, log, feed, suppression, partition) for partition in partitions)
    await asyncio.gather(feed.follow(), suppression.run(), *owning)


async def _own(config: Config, log: Log, feed: CampaignsFeed, suppression: SuppressionFeed, partition: int) -> None:
    while True:
        drivers = {
            account: driver_of(vendor, account)
            for account, vendor in config.accounts.items()
            if lane_partition(account) == partition
        }
        try:
            await LaneRunner(partition, config, log, feed, drivers, suppression).run(asyncio.Event())
        finally:
            for driver in drivers.values():
                await driver.close()
        await asyncio.sleep(random.uniform(0.0, 0.4))


if __name__ == "__main__":
    logs.configure()
    asyncio.run(main(load(sys.argv[1]), [int(each) for each in sys.argv[2:]]))
