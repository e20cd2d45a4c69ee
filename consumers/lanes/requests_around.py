"""The requests of an account around a time, read from its lane's journal: under which ids they were taken, or to whom.

For the search in a vendor's history (dispatcher/core/results/history.py): what these do not explain may be an unknown
one's.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from dispatcher.core import numbers as phone_numbers
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.results.history import Numbers, Other, Span, span
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from schemas.batch import unpack
from schemas.records import AnyRecord, Effect, Intent, Job, Outcome, Resolved, ResolvedAs
from schemas.topics import JOBS, LANES, RECIPIENTS

READ_RECORDS: Final = 2_000
READ_RECORDS_MAX: Final = 400_000
AFTERWARDS_MS: Final = 600_000
"""How long after the time its outcomes are read; what is told later is not known then, and nothing is guessed."""

NAMELESS_MAX: Final = 500
"""Requests whose ids are not known, of which the numbers are looked up; with more of them nobody can tell."""


class _Request(msgspec.Struct):
    """An intent and what became of it. `ids` None: not known. `gone`: the vendor did not take it."""

    intent: Intent
    heard: bool = False
    ids: frozenset[str] | None = None
    gone: bool = False


class Recipients:
    """The recipients of chunks, each batch fetched once."""

    def __init__(self, log: Log, partition: int) -> None:
        self._log = log
        self._partition = partition
        self._batches: dict[int, Batch] = {}

    async def of(self, intent: Intent) -> Numbers:
        """The numbers of its recipients, in order. Raises LogError, BrokenBatch, ValueError."""
        batch = self._batches.get(intent.job)
        if batch is None:
            job = record_of(await self._log.fetch(JOBS.name, self._partition, intent.job), JOBS.name)
            if not isinstance(job, Job):
                raise LogDamaged(f"jobs/{self._partition}: offset {intent.job} is no job. Is this the right log?")
            stored = await self._log.fetch(RECIPIENTS.name, job.partition, job.offset)
            batch = Batch(*await asyncio.to_thread(unpack, stored.value, stored.headers, job.sha256))
            self._batches[intent.job] = batch
        return phone_numbers.decode(batch.slice(intent.start, intent.count))


async def fetch_intent(log: Log, partition: int, offset: int) -> Intent:
    """The intent at this offset of the journal. Raises LogError."""
    record = record_of(await log.fetch(LANES.name, partition, offset), LANES.name)
    if not isinstance(record, Intent):
        raise LogDamaged(f"lanes/{partition}: offset {offset} is no intent. Is this the right log?")
    return record


async def requests_around(
    log: Log, partition: int, account: str, whole: Span, request_ms: int, near: int, recipients: Recipients
) -> list[Other] | None:
    """All requests of the account that can have been sent in this time; `near`: the offset of one of them.

    None: there are too many to tell. What the vendor provably did not take is not among them. Raises LogError.
    """
    begin = await _begin(log, partition, near, whole.start_ms - request_ms)
    requests: dict[int, _Request] = {}
    offset, read, over = begin, 0, False
    while records := await log.read(LANES.name, partition, offset, records_max=READ_RECORDS):
        for stored in records:
            record = record_of(stored, LANES.name)
            if isinstance(record, Intent) and record.at_ms > whole.end_ms + AFTERWARDS_MS:
                over = True
                break
            _fold(requests, stored.offset, record, account, whole, request_ms)
        if over:
            break
        offset = records[-1].offset + 1
        read += len(records)
        if read > READ_RECORDS_MAX:
            return None
        await asyncio.sleep(0)
    left = {at: request for at, request in requests.items() if not request.gone}
    if sum(request.ids is None for request in left.values()) > NAMELESS_MAX:
        return None
    found = []
    for at, request in left.items():
        when = span(request.intent.at_ms, request.intent.at_ms + request_ms)
        numbers = await recipients.of(request.intent) if request.ids is None else None
        intent = request.intent
        found.append(
            Other(
                intent=at,
                when=_wide(when, whole),
                ids=request.ids,
                numbers=numbers,
                job=intent.job,
                start=intent.start,
                count=intent.count,
            )
        )
    return found


def _wide(when: Span, whole: Span) -> Span:
    """As the vendor's clock may differ from ours, a request may lie anywhere in what was asked for."""
    return Span(min(when.start_ms, whole.start_ms), max(when.end_ms, whole.end_ms))


def _fold(
    requests: dict[int, _Request], offset: int, record: AnyRecord, account: str, whole: Span, request_ms: int
) -> None:
    match record:
        case Intent() if record.account == account:
            if span(record.at_ms, record.at_ms + request_ms).overlaps(whole):
                requests[offset] = _Request(record)
        case Outcome():
            request = requests.get(record.intent)
            if request is None or request.heard:
                return
            request.heard = record.effect != Effect.UNKNOWN
            request.gone = record.effect in (Effect.FAILED, Effect.QUEUED)
            if record.effect == Effect.ACCEPTED:
                request.ids = _ids(record)
        case Resolved():
            request = requests.get(record.intent)
            if request is not None and record.verdict == ResolvedAs.SENT and request.ids is None:
                request.ids = _ids(record)


def _ids(record: Outcome | Resolved) -> frozenset[str] | None:
    return frozenset(record.vendor_ids) if record.vendor_ids and all(record.vendor_ids) else None


async def _begin(log: Log, partition: int, near: int, before_ms: int) -> int:
    """An offset before which no request of this time is: going back until one is older, or nothing is left."""
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
