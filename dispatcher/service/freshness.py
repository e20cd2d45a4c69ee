"""For commands: the results as the log has them now, whether or not a dispatcher runs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from dispatcher.config.file import Config
from dispatcher.errors import StoreBusy
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.store.fold.feeding import Joining
from dispatcher.store.opening import open_reader, open_store
from dispatcher.store.port import Store, StoreReader
from schemas.topics import CAMPAIGNS, LANES, REPORTS, Topic

LOOK_AGAIN_S: Final = 0.1
FOLDED: Final = (CAMPAIGNS, LANES, REPORTS)
"""The topics whose every record is in the results sooner or later."""

Progress = Callable[[int, int], None]
"""Told (done, of how many) log offsets."""


def _silent(done: int, total: int) -> None:
    """Tell nobody."""


async def catch_up(log: Log, store: Store, *, no_report_after_s: float, progress: Progress = _silent) -> None:
    """Fold everything that is in the log now into the store, then return."""
    await Joining(log, store, no_report_after_s=no_report_after_s).catch_up(progress)


async def bring_up_to_date(config: Config, log: Log, progress: Progress = _silent) -> bool:
    """Fold what nobody folded yet; False if another process holds the store: then that one keeps it up to date."""
    try:
        store = await asyncio.to_thread(open_store, config.store)
    except StoreBusy:
        return False
    try:
        await catch_up(log, store, no_report_after_s=config.store.no_report_after_s, progress=progress)
    finally:
        await asyncio.to_thread(store.close)
    return True


@contextlib.asynccontextmanager
async def up_to_date(
    config: Config, log: Log | None = None, progress: Progress = _silent
) -> AsyncIterator[StoreReader]:
    """The results to read: brought up to date first, unless a running dispatcher does that (within about a second).

    Without `log`, the configured one is opened for it; ConfigError if there is none. Raises what log and store raise.
    """
    async with contextlib.AsyncExitStack() as stack:
        if log is None:
            log = await open_log(config.log.url, create=False)
            stack.push_async_callback(log.close)
        await bring_up_to_date(config, log, progress)
    reader = await asyncio.to_thread(open_reader, config.store)
    try:
        yield reader
    finally:
        reader.close()


async def behind(log: Log, reader: StoreReader, *, within_s: float, topics: Sequence[Topic] = FOLDED) -> int:
    """How many records that the log has now are not in the results, after giving a running dispatcher this long."""
    places = [(topic.name, partition) for topic in topics for partition in range(topic.partitions)]
    ends = dict(zip(places, await asyncio.gather(*(log.end(*place) for place in places)), strict=True))
    until_s = time.monotonic() + within_s
    while True:
        offsets = await asyncio.to_thread(reader.offsets)
        missing = sum(max(0, end - offsets.get(place, 0)) for place, end in ends.items())
        if not missing or time.monotonic() >= until_s:
            return missing
        await asyncio.sleep(LOOK_AGAIN_S)
