"""What the log says, folded afresh from its records, without the lane's, the joiner's or the store's code.

Only the codecs are shared. The rules are those of docs/LANE.md, "The lane", and nothing else: a record that
claims authority counts if the last Owned before it is its author's; outcomes are facts, the first definite one counts;
an intent that has no outcome when a new owner comes is unknown; the first launch of an id is the one.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import polars as pl

from dispatcher.log.opening import open_log
from dispatcher.log.port import Log, StoredRecord
from schemas import batch
from schemas.codec import decode
from schemas.records import Cancelled, Decided, Intent, Job, Launched, Outcome, Outcomes, Owned, Resolved
from schemas.topics import CAMPAIGNS, JOBS, LANES, RECIPIENTS, Topic

SCHEMA = {
    "campaign": pl.String, "number": pl.String, "word": pl.String, "unknowns": pl.Int64, "resends": pl.Int64,
    "vendor_id": pl.String,
}  # fmt: skip


class Chunk(msgspec.Struct):
    """A valid intent. `unknowns` is 1 if it was ever unknown, `resends` if it was then resolved to be sent again.

    `decided`: the inbox holds a decision about all of it. `by`: who resolved it. `apart`: the recipients (position in
    the chunk) whose own result came before that of the rest: its word, whether they were unknown until then, and
    whether they were then resolved to be sent again. `ids`: the vendor's ids of recipients, with spaces between parts.
    """

    partition: int
    intent: int
    record: Intent
    job: Job
    word: str = "in_flight"
    unknowns: int = 0
    vendor_id: str = ""
    resends: int = 0
    decided: bool = False
    by: str = ""
    apart: dict[int, tuple[str, int, int]] = {}
    ids: dict[int, str] = {}

    def result(self, position: int) -> tuple[str, int, int]:
        """A recipient's word, and how often it was unknown and resolved to be sent again."""
        return self.apart.get(position, (self.word, self.unknowns, self.resends))

    def settle(self, positions: Iterable[int], word: str, resends: int = 0) -> None:
        """These have a result of their own, unless they have one already. The last ones settle the chunk."""
        for position in positions:
            self.apart.setdefault(position, (word, self.unknowns, resends))
        if len(self.apart) == self.record.count:
            self.word = next(iter(self.apart.values()))[0]

    def name(self, positions: Iterable[int], ids: bytes, parts: int) -> None:
        """Packed ids of these recipients; 0: none."""
        column = array("Q", ids)
        for at, position in enumerate(positions if ids else ()):
            if named := [str(each) for each in column[at * parts : (at + 1) * parts] if each]:
                self.ids.setdefault(position, " ".join(named))


class Truth(msgspec.Struct):
    """The log, folded. `void`: records of deposed owners that nobody may follow. `batches` by (partition, offset)."""

    launched: dict[str, Launched]
    cancelled: set[str]
    recipients: pl.DataFrame
    chunks: list[Chunk]
    batches: dict[tuple[int, int], list[str]]
    owners: int
    void: int

    @property
    def unknown(self) -> set[tuple[int, int]]:
        """(partition, intent) of what is unknown now."""
        return {(chunk.partition, chunk.intent) for chunk in self.chunks if chunk.word == "unknown"}

    def numbers(self, chunk: Chunk) -> list[str]:
        """Whom this chunk was for."""
        batched = self.batches[chunk.job.partition, chunk.job.offset]
        return batched[chunk.record.start : chunk.record.start + chunk.record.count]


async def read_truth(url: str) -> Truth:
    """Read the whole log at `url`. Raises LogError."""
    log = await open_log(url, create=False)
    try:
        return await truth_of(log)
    finally:
        await log.close()


async def truth_of(log: Log) -> Truth:
    """Read the whole of an open log. Raises LogError."""
    launched: dict[str, Launched] = {}
    cancelled: set[str] = set()
    for stored in await _all(log, CAMPAIGNS, 0):
        record = decode(stored.value)
        if isinstance(record, Launched):
            launched.setdefault(record.campaign, record)
        elif isinstance(record, Cancelled):
            cancelled.add(record.campaign)
    chunks: list[Chunk] = []
    jobs: dict[tuple[str, str, int], Job] = {}
    owners = void = 0
    for partition in range(LANES.partitions):
        inbox = {stored.offset: decode(stored.value) for stored in await _all(log, JOBS, partition)}
        for job in inbox.values():
            if isinstance(job, Job) and job.campaign in launched and launched[job.campaign].attempt == job.attempt:
                jobs.setdefault((job.campaign, job.account, job.number), job)
        lane = _Lane(partition, inbox)
        lane.fold(await _all(log, LANES, partition))
        for decided in inbox.values():
            for intent in decided.intents if isinstance(decided, Decided) and not decided.ranges else ():
                lane.chunks[intent].decided = True
        chunks += lane.chunks.values()
        owners += lane.owners
        void += lane.void
    numbers = {place: await _numbers(log, *place) for place in {(job.partition, job.offset) for job in jobs.values()}}
    return Truth(launched, cancelled, _recipients(jobs.values(), chunks, numbers), chunks, numbers, owners, void)


class _Lane:
    """The journal of one partition."""

    def __init__(self, partition: int, inbox: Mapping[int, object]) -> None:
        self.partition = partition
        self.inbox = inbox
        self.owner = ""
        self.chunks: dict[int, Chunk] = {}
        self.owners = 0
        self.void = 0

    def fold(self, journal: Iterable[StoredRecord]) -> None:
        for stored in journal:
            match decode(stored.value):
                case Owned() as owned:
                    self.owner = owned.owner
                    self.owners += 1
                    for chunk in self.chunks.values():
                        if chunk.word == "in_flight":
                            chunk.word, chunk.unknowns = "unknown", 1
                case Intent() as intent if intent.owner == self.owner:
                    job = self.inbox[intent.job]
                    assert isinstance(job, Job)
                    self.chunks[stored.offset] = Chunk(self.partition, stored.offset, intent, job)
                case Outcome() as outcome:
                    self._outcome(outcome)
                case Outcomes() as outcomes:
                    self._outcomes(outcomes)
                case Resolved(ranges=ranges) as resolved if resolved.owner == self.owner:
                    chunk = self.chunks[resolved.intent]
                    if chunk.word == "unknown" and ranges:
                        positions = [at for start, count in ranges for at in range(start, start + count)]
                        word = "accepted" if resolved.verdict == "sent" else "queued"
                        chunk.settle(positions, word, int(resolved.verdict != "sent"))
                        chunk.name(positions, resolved.ids, resolved.parts)
                    elif chunk.word == "unknown":
                        chunk.word = "accepted" if resolved.verdict == "sent" else "queued"
                        chunk.resends = int(resolved.verdict != "sent")
                        chunk.vendor_id, chunk.by = resolved.vendor_id, resolved.by
                case Intent() | Resolved():
                    self.void += 1

    def _outcome(self, outcome: Outcome) -> None:
        chunk = self.chunks.get(outcome.intent)
        if chunk is None or chunk.word not in ("in_flight", "unknown"):
            return
        chunk.word = outcome.effect
        chunk.vendor_id = outcome.vendor_id
        if outcome.effect == "unknown":
            chunk.unknowns = 1

    def _outcomes(self, outcomes: Outcomes) -> None:
        """Results of runs of recipients. A run that is unknown makes everything unknown that has no result."""
        chunk = self.chunks.get(outcomes.intent)
        if chunk is None or chunk.word not in ("in_flight", "unknown"):
            return
        became_unknown = False
        for run in outcomes.runs:
            if run.effect == "unknown":
                became_unknown = True
                continue
            chunk.settle(range(run.start, run.start + run.count), run.effect)
        named = [at for run in outcomes.runs for at in range(run.start, run.start + run.count)]
        chunk.name(named, outcomes.ids, outcomes.parts)
        if len(chunk.apart) < chunk.record.count and became_unknown:
            chunk.word, chunk.unknowns = "unknown", 1


def _recipients(
    jobs: Iterable[Job], chunks: Iterable[Chunk], numbers: dict[tuple[int, int], list[str]]
) -> pl.DataFrame:
    """One row per recipient: the word of the chunk that holds it, and how often it was ever unknown."""
    words: dict[tuple[int, int], tuple[list[str], list[int], list[int], list[str]]] = {
        place: (["queued"] * len(batched), [0] * len(batched), [0] * len(batched), [""] * len(batched))
        for place, batched in numbers.items()
    }
    for chunk in chunks:
        held = words.get((chunk.job.partition, chunk.job.offset))
        if held is None:
            continue
        for position in range(chunk.record.count):
            at = chunk.record.start + position
            own, times, again = chunk.result(position)
            if own != "queued":
                held[0][at] = own
                held[3][at] = chunk.ids.get(position, chunk.vendor_id)
            held[1][at] += times
            held[2][at] += again
    rows: dict[str, list[Any]] = {name: [] for name in SCHEMA}
    for job in jobs:
        place = (job.partition, job.offset)
        part = slice(job.start, job.start + job.count)
        rows["campaign"] += [job.campaign] * job.count
        rows["number"] += numbers[place][part]
        word, unknowns, resends, vendor_ids = words[place]
        rows["word"] += word[part]
        rows["unknowns"] += unknowns[part]
        rows["resends"] += resends[part]
        rows["vendor_id"] += vendor_ids[part]
    return pl.DataFrame(rows, schema=SCHEMA)


async def _numbers(log: Log, partition: int, offset: int) -> list[str]:
    stored = await log.fetch(RECIPIENTS.name, partition, offset)
    numbers, count = batch.unpack(stored.value, stored.headers, None)
    found = bytes(numbers).decode().split(",")
    assert len(found) == count
    return found


async def _all(log: Log, topic: Topic, partition: int) -> list[StoredRecord]:
    """Every record of a partition."""
    found: list[StoredRecord] = []
    offset = 0
    while records := await log.read(topic.name, partition, offset):
        found += records
        offset = records[-1].offset + 1
    return found
