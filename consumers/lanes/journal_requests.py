"""The requests of an account around a time, read from its lane's journal (dispatcher/core/results/requests.py)."""

from __future__ import annotations

import asyncio
from typing import Final

from dispatcher.core.results.history import Numbers, Other, Span
from dispatcher.core.results.places import segment_place, spread_place
from dispatcher.core.results.requests import Requests, RequestTime
from dispatcher.errors import LogDamaged
from dispatcher.log.batch_on_log import batch_on_log
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from schemas.batch import BrokenBatch
from schemas.records import Intent, Job, StreamIntent
from schemas.topics import JOBS, LANES

READ_RECORDS: Final = 2_000
READ_RECORDS_MAX: Final = 400_000
NAMELESS_MAX: Final = 500
"""Most requests without known ids whose numbers are looked up; with more of them nothing is concluded."""


class Recipients:
    """The recipients of chunks, each batch fetched once; a segment of a stream again when it has grown."""

    def __init__(self, log: Log, partition: int) -> None:
        self._log = log
        self._partition = partition
        self._batches: dict[int, Numbers] = {}

    async def of(self, intent: Intent) -> Numbers:
        """The numbers of its recipients, in order; 0 for who is left out. Raises LogError, BrokenBatch, ValueError."""
        end, batch = intent.start + intent.count, self._batches.get(intent.job)
        if batch is None or len(batch) < end:
            batch = self._batches[intent.job] = await self._batch(intent)
        if len(batch) < end:
            raise BrokenBatch(f"the batch of job {intent.job} has {len(batch):,} recipients")
        numbers = batch[intent.start : end].copy()
        for start, count in intent.left_out:
            numbers[start : start + count] = 0
        return numbers

    async def _batch(self, intent: Intent) -> Numbers:
        """All recipients of the intent's batch."""
        if isinstance(intent, StreamIntent):
            return (await batch_on_log(self._log, segment_place(self._partition, intent.job))).numbers
        job = record_of(await self._log.fetch(JOBS.name, self._partition, intent.job), JOBS.name)
        if not isinstance(job, Job):
            raise LogDamaged(
                "jobs/{partition}: offset {job} is no job. Is this the right log?",
                partition=self._partition,
                job=intent.job,
            )
        return (await batch_on_log(self._log, spread_place(job.partition, job.offset), job.sha256)).numbers


async def fetch_intent(log: Log, partition: int, offset: int) -> Intent:
    """The intent at this offset of the journal. Raises LogError."""
    record = record_of(await log.fetch(LANES.name, partition, offset), LANES.name)
    if not isinstance(record, Intent):
        raise LogDamaged(
            "lanes/{partition}: offset {offset} is no intent. Is this the right log?",
            partition=partition,
            offset=offset,
        )
    return record


async def requests_around(
    log: Log, partition: int, account: str, whole: Span, takes: RequestTime, near: int, recipients: Recipients
) -> list[Other] | None:
    """All requests of the account that may have been sent in this time; `near`: the offset of one of them.

    Without requests that the vendor provably did not take. None: there are too many. Raises LogError.
    """
    requests = Requests(account, whole, takes)
    offset, read, over = await _begin(log, partition, near, whole.start_ms - takes.most_ms), 0, False
    while not over and (records := await log.read(LANES.name, partition, offset, records_max=READ_RECORDS)):
        for stored in records:
            record = record_of(stored, LANES.name)
            if over := requests.is_after(record):
                break
            requests.apply(stored.offset, record)
        offset = records[-1].offset + 1
        read += len(records)
        if read > READ_RECORDS_MAX:
            return None
        await asyncio.sleep(0)
    nameless = requests.nameless
    if len(nameless) > NAMELESS_MAX:
        return None
    return requests.others({at: await recipients.of(intent) for at, intent in nameless.items()})


async def _begin(log: Log, partition: int, near: int, before_ms: int) -> int:
    """An offset before all requests of this time: goes back until one is older, or the journal begins."""
    at, step = near, READ_RECORDS
    while at > 0:
        at = max(0, at - step)
        try:
            records = await log.read(LANES.name, partition, at, records_max=READ_RECORDS)
        except LogDamaged:  # over its retention
            return at + step
        found = (record_of(stored, LANES.name) for stored in records)
        if any(isinstance(record, Intent) and record.at_ms < before_ms for record in found):
            return at
    return 0
