"""The results of a history of failover: the real join of what the lanes wrote, in random pieces, from a log.

The equation holds for the campaign and for each account after every piece, whatever was read first; in the end every
recipient is where the vendors' books have it, at the account that texted it, and a rebuilt store is the same.
"""

from __future__ import annotations

import asyncio
import random

import msgspec

from dispatcher.log.port import Entry
from dispatcher.store.fold.log_feed import Joining
from dispatcher.store.port import StoreReader
from schemas.batch import pack
from schemas.codec import encode
from schemas.records import Job
from schemas.states import State
from schemas.topics import spread_partition
from tests.memory_log import MemoryLog
from tests.simulation.failover.team import CAMPAIGN, PARTITIONS, Logs, Vendor, numbers_of
from tests.store.joined_store import MemoryPlace

READ_MAX = 40


def join(logs: Logs, vendor: Vendor) -> None:
    """Fold the logs of a finished history, and judge it. Raises AssertionError."""
    asyncio.run(_join(logs, vendor))


async def _join(logs: Logs, vendor: Vendor) -> None:
    log, rng = await _written(logs), random.Random(len(logs.came))
    pieces, whole = MemoryPlace(), MemoryPlace()
    in_pieces = Joining(log, pieces.open(), no_report_after_s=3_600, now_ms=lambda: 0)
    await in_pieces.fold({("campaigns", 0): await log.read("campaigns", 0, 0, records_max=1_000)})
    places = [(topic, partition) for topic in ("jobs", "lanes") for partition in PARTITIONS]
    while behind := [place for place in places if in_pieces.offsets()[place] < await log.end(*place)]:
        place = rng.choice(behind)
        records = await log.read(*place, in_pieces.offsets()[place], records_max=rng.randint(1, READ_MAX))
        await in_pieces.fold({place: records})
        _adds_up(pieces.reader())
    while await in_pieces.load_wanted():
        pass
    at_once = Joining(log, whole.open(), no_report_after_s=3_600, now_ms=lambda: 0)
    await at_once.catch_up()
    assert pieces.reader().campaign(CAMPAIGN, 0) == whole.reader().campaign(CAMPAIGN, 0)
    _judge(pieces.reader(), logs, vendor)


async def _written(logs: Logs) -> MemoryLog:
    log, places = MemoryLog(), []
    for batch, (_, size) in enumerate(logs.work.batches):
        numbers = b",".join(b"%d" % number for number in numbers_of(batch, 0, size))
        value, headers, sha256 = pack(numbers, size, attempt="a", batch=batch)
        partition = spread_partition(CAMPAIGN, batch)
        [offset] = await log.append("recipients", partition, [Entry(CAMPAIGN.encode(), value, headers)])
        places.append({"partition": partition, "offset": offset, "sha256": sha256})
    await log.append("campaigns", 0, [Entry(b"", encode(record)) for record in logs.campaigns])
    for partition in PARTITIONS:
        jobs = [
            msgspec.structs.replace(job, **places[job.batch]) if isinstance(job, Job) else job
            for job in logs.jobs[partition]
        ]
        await log.append("jobs", partition, [Entry(b"", encode(job)) for job in jobs])
        await log.append("lanes", partition, [Entry(b"", encode(record)) for record in logs.lanes[partition]])
    return log


def _adds_up(reader: StoreReader) -> None:
    view = reader.campaign(CAMPAIGN, 0)
    assert view is not None
    for counts in (view.counts, *view.accounts.values()):
        counts.check()


def _judge(reader: StoreReader, logs: Logs, vendor: Vendor) -> None:
    view = reader.campaign(CAMPAIGN, 0)
    assert view is not None
    assert sum(move.recipients for move in view.moves) == sum(each.as_job.count for each in logs.valid_moves)
    for page in reader.pages(CAMPAIGN, None, 0):
        for number, state, account in zip(page.numbers, page.states, page.account_index, strict=True):
            if state == State.ACCEPTED:
                assert vendor.took[int(number)] == page.accounts[account]
