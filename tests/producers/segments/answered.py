"""What became of recipients of a campaign, written on the log as a lane and a vendor would. Nothing is sent."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from dispatcher.clock import now_ms
from dispatcher.log.port import Entry, Log
from schemas.codec import decode, encode
from schemas.records import Effect, Intent, Job, Kind, Outcome, Owned
from schemas.topics import JOBS, LANES, REPORTS, lane_partition
from tests.store.joined_history import reports_record

_numbers = itertools.count()


async def answered(log: Log, campaign: str, effect: Effect, start: int, count: int, code: str = "0") -> str:
    """A request to these recipients of the campaign's first job had this effect; the vendor's id of it."""
    jobs = {}
    for partition in range(JOBS.partitions):
        for stored in await log.read(JOBS.name, partition, 0):
            job = decode(stored.value)
            assert isinstance(job, Job)
            if job.campaign == campaign and job.number == 0:
                jobs[stored.offset] = job
    offset, job = next(iter(jobs.items()))
    place, owner, number = lane_partition(job.account), f"owner-{next(_numbers)}", next(_numbers)
    at_ms = now_ms()
    intent = Intent(
        owner=owner,
        n=number,
        account=job.account,
        campaign=campaign,
        job=offset,
        batch=job.batch,
        start=start,
        count=count,
        attempt=0,
        at_ms=at_ms,
    )
    owned = Owned(owner=owner, at_ms=at_ms, where="test")
    at = (await log.append(LANES.name, place, [_entry(job, owned), _entry(job, intent)]))[-1]
    vendor_id = f"vendor-{number}"
    outcome = Outcome(
        account=job.account,
        intent=at,
        effect=effect,
        kind={Effect.ACCEPTED: Kind.ACCEPTED, Effect.FAILED: Kind.REJECTED}.get(effect, Kind.UNKNOWN),
        code=code,
        at_ms=at_ms,
        sent_ms=at_ms,
        vendor_id=vendor_id if effect is Effect.ACCEPTED else "",
    )
    await log.append(LANES.name, place, [_entry(job, outcome)])
    return vendor_id


async def reported(log: Log, account: str, vendor_id: str, numbers: Sequence[int], state: int, code: str) -> None:
    """The vendor reported these numbers of a request as delivered (1) or failed (2)."""
    record = reports_record(
        account, [(vendor_id, number, state, code, now_ms() // 1000) for number in numbers], now_ms()
    )
    await log.append(REPORTS.name, lane_partition(account), [Entry(account.encode(), encode(record))])


def _entry(job: Job, record: Any) -> Entry:
    return Entry(job.account.encode(), encode(record))
