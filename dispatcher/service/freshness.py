"""How far the results are behind the log, and bringing them up to date without a running dispatcher.

A running joiner holds the store and is at most about a second late. A query right after an order should show it, so it
gives the joiner that second; every answer says how many records are still missing then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Final

from dispatcher.config.places import Places
from dispatcher.errors import StoreBusy
from dispatcher.log.port import Log
from dispatcher.store.opening import open_reader, open_store
from dispatcher.store.port import INPUTS, Store, StoreReader
from schemas.topics import CAMPAIGNS, LANES, REPORTS, TOPIC, Topic

FRESH_WITHIN_S: Final = 2.0
LOOK_AGAIN_S: Final = 0.1

FOLDED: Final = (CAMPAIGNS, LANES, REPORTS)
"""The topics whose records all reach the results."""

READ: Final = tuple(TOPIC[name] for name in (*INPUTS, "lanes", "reports"))
"""All topics that the fold reads."""

Progress = Callable[[int, int], None]
"""Called with (done, all) log offsets."""


def silent(done: int, total: int) -> None:
    """Does nothing."""


async def catch_up(log: Log, store: Store, *, no_report_after_s: float, progress: Progress = silent) -> None:
    """Fold everything that is in the log now into the store, then return."""
    from dispatcher.store.fold.log_feed import Joining  # without new records nothing is folded

    await Joining(log, store, no_report_after_s=no_report_after_s).catch_up(progress)


async def is_up_to_date(places: Places, log: Log) -> bool:
    """Whether the results have read exactly the current log; False without results.

    Numbers of batches may still be missing if an earlier fold was interrupted.
    """
    ends = await ends_of(log, READ)

    def same() -> bool:
        with closing(open_reader(places.store)) as reader:
            offsets = reader.offsets()
            return bool(offsets) and all(offsets.get(place, 0) == end for place, end in ends.items())

    return await asyncio.to_thread(same)


async def bring_up_to_date(places: Places, log: Log, progress: Progress = silent) -> bool:
    """Fold new records; False if another process holds the store, which then keeps it up to date."""
    try:
        store = await asyncio.to_thread(open_store, places.store)
    except StoreBusy:
        return False
    try:
        await catch_up(log, store, no_report_after_s=places.store.no_report_after_s, progress=progress)
    finally:
        await asyncio.to_thread(store.close)
    return True


Ends = dict[tuple[str, int], int]
"""The ends of the log's (topic, partition)s at some moment."""


async def ends_of(log: Log, topics: Sequence[Topic] = FOLDED) -> Ends:
    """The current ends of these topics. Raises LogError."""
    places = [(topic.name, partition) for topic in topics for partition in range(topic.partitions)]
    return dict(zip(places, await asyncio.gather(*(log.end(*place) for place in places)), strict=True))


def missing(reader: StoreReader, ends: Ends) -> int:
    """How many records before these ends are not in the results. Blocks."""
    offsets = reader.offsets()
    return sum(max(0, end - offsets.get(place, 0)) for place, end in ends.items())


async def behind(
    log: Log, reader: StoreReader, *, topics: Sequence[Topic] = FOLDED, within_s: float = FRESH_WITHIN_S
) -> int:
    """How many current records are not in the results, after giving a running dispatcher this long."""
    ends = await ends_of(log, topics)
    until_s = time.monotonic() + within_s
    while True:
        records = await asyncio.to_thread(missing, reader, ends)
        if not records or time.monotonic() >= until_s:
            return records
        await asyncio.sleep(LOOK_AGAIN_S)
