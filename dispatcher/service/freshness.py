"""How far the results are behind the log, and bringing them up to date where no running dispatcher does it.

A running joiner holds the store and is at most about a second late. Whoever asks right after ordering something wants
to see it, so a question gives the joiner that second; what is still missing after it is told with every answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from dispatcher.config.file import Config
from dispatcher.errors import StoreBusy
from dispatcher.log.port import Log
from dispatcher.store.fold.feeding import Joining
from dispatcher.store.opening import open_store
from dispatcher.store.port import Store, StoreReader
from schemas.topics import CAMPAIGNS, LANES, REPORTS, Topic

FRESH_WITHIN_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.1

FOLDED: Final = (CAMPAIGNS, LANES, REPORTS)
"""The topics whose every record is in the results sooner or later."""

Progress = Callable[[int, int], None]
"""Is told (done, of how many) log offsets."""


def silent(done: int, total: int) -> None:
    """Takes no notice."""


async def catch_up(log: Log, store: Store, *, no_report_after_s: float, progress: Progress = silent) -> None:
    """Fold everything that is in the log now into the store, then return."""
    await Joining(log, store, no_report_after_s=no_report_after_s).catch_up(progress)


async def bring_up_to_date(config: Config, log: Log, progress: Progress = silent) -> bool:
    """Fold what is not folded yet; False if another process holds the store: then that one keeps it up to date."""
    try:
        store = await asyncio.to_thread(open_store, config.store)
    except StoreBusy:
        return False
    try:
        await catch_up(log, store, no_report_after_s=config.store.no_report_after_s, progress=progress)
    finally:
        await asyncio.to_thread(store.close)
    return True


Ends = dict[tuple[str, int], int]
"""Where each (topic, partition) of the log ended at some moment."""


async def ends_of(log: Log, topics: Sequence[Topic] = FOLDED) -> Ends:
    """Where these topics end now. Raises LogError."""
    places = [(topic.name, partition) for topic in topics for partition in range(topic.partitions)]
    return dict(zip(places, await asyncio.gather(*(log.end(*place) for place in places)), strict=True))


def missing(reader: StoreReader, ends: Ends) -> int:
    """How many records before these ends are not in the results. Blocks."""
    offsets = reader.offsets()
    return sum(max(0, end - offsets.get(place, 0)) for place, end in ends.items())


async def behind(
    log: Log, reader: StoreReader, *, topics: Sequence[Topic] = FOLDED, within_s: float = FRESH_WITHIN_S
) -> int:
    """How many records that the log has now are not in the results, after giving a running dispatcher this long."""
    ends = await ends_of(log, topics)
    until_s = time.monotonic() + within_s
    while True:
        records = await asyncio.to_thread(missing, reader, ends)
        if not records or time.monotonic() >= until_s:
            return records
        await asyncio.sleep(LOOK_AGAIN_S)
