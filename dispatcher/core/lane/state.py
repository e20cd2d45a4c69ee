"""A lane partition's journal and inbox, folded into what is queued, under way and unknown.

No I/O and no clock. TRANSITIONS has everything that may happen to a chunk's recipients; a journal that asks for another
step raises LaneBroken, and its owner stops rather than send anything twice. Results may come for runs of recipients:
those with a definite one leave the chunk, the others stay open; a recipient's first definite result counts. The state
does not depend on how records are cut into reads, and is the same when it is rebuilt from a checkpoint
(tests/core/lane/test_state.py).

This is only the fold. dispatcher/core/lane/owner.py decides what to send next.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

import msgspec

from dispatcher.core.lane.moves.handover import Handovers
from dispatcher.core.money.budget import cost_of
from dispatcher.core.ownership import Ownership
from dispatcher.core.ranges import Ranges, both, total, without
from dispatcher.core.streams.keys import KEEP_MS_MAX, KnownKeys
from dispatcher.core.streams.segments import Segment, StreamKey, job_of, placed, stream_of
from schemas.records import (
    AnyRecord,
    Appended,
    Ceded,
    Checkpoint,
    Committed,
    Cost,
    Effect,
    Handed,
    Intent,
    Job,
    JobState,
    Kind,
    LeftOut,
    Moved,
    OpenRange,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    ResolvedAs,
    Run,
    Slice,
    StreamKeys,
    StreamState,
    Taken,
    why_left_out,
)

ID_BYTES: Final = 8


def pages_of(checkpoint: Checkpoint) -> list[int]:
    """The offsets of the pages of keys that this checkpoint names."""
    return [offset for stream in checkpoint.streams for offset, _ in stream.pages]


class LaneBroken(Exception):
    """The journal has an impossible record; further sending could text a person twice."""


class ChunkState(Enum):
    """The state of a chunk's open recipients, or, from `accepted` on, the final one of recipients that left it."""

    IN_FLIGHT = "in flight"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    FAILED = "failed"
    QUEUED = "queued again"
    SUPPRESSED = "suppressed"
    REPEATED = "repeated"


ChunkEvent = Effect | ResolvedAs | type[Owned] | LeftOut
"""The events of recipients: an outcome's effect, a resolution, a new owner of the partition, why their own intent
leaves them out.
"""

TRANSITIONS: Final[Mapping[tuple[ChunkState, ChunkEvent], ChunkState]] = {
    (ChunkState.IN_FLIGHT, Effect.ACCEPTED): ChunkState.ACCEPTED,
    (ChunkState.IN_FLIGHT, Effect.FAILED): ChunkState.FAILED,
    (ChunkState.IN_FLIGHT, Effect.QUEUED): ChunkState.QUEUED,
    (ChunkState.IN_FLIGHT, Effect.UNKNOWN): ChunkState.UNKNOWN,
    (ChunkState.IN_FLIGHT, Owned): ChunkState.UNKNOWN,  # a new owner: open chunks are unknown
    (ChunkState.UNKNOWN, Owned): ChunkState.UNKNOWN,
    (ChunkState.UNKNOWN, Effect.UNKNOWN): ChunkState.UNKNOWN,
    (ChunkState.UNKNOWN, Effect.ACCEPTED): ChunkState.ACCEPTED,  # the old owner was frozen, not dead: a fact
    (ChunkState.UNKNOWN, Effect.FAILED): ChunkState.FAILED,
    (ChunkState.UNKNOWN, Effect.QUEUED): ChunkState.QUEUED,
    (ChunkState.UNKNOWN, ResolvedAs.SENT): ChunkState.ACCEPTED,
    (ChunkState.UNKNOWN, ResolvedAs.NOT_SENT): ChunkState.QUEUED,
    (ChunkState.UNKNOWN, ResolvedAs.RESEND): ChunkState.QUEUED,
    (ChunkState.IN_FLIGHT, LeftOut.SUPPRESSED): ChunkState.SUPPRESSED,
    (ChunkState.IN_FLIGHT, LeftOut.REPEATED): ChunkState.REPEATED,
    (ChunkState.IN_FLIGHT, LeftOut.EXPIRED): ChunkState.FAILED,
}


def named(event: ChunkEvent) -> str:
    """The event in a word, for messages."""
    return "owned" if event is Owned else str(event)


OPEN: Final = (ChunkState.IN_FLIGHT, ChunkState.UNKNOWN)


class Chunk(msgspec.Struct):
    """A valid intent that is not over. `ttl_ms`: how long its author may take to write it (0: not given).

    `state` is that of its open recipients; of a chunk that is over, of those that left it last. `ranges`: the positions
    that are still open, if others left it; empty: all. `left_out`: the positions that its request does not have. The
    cost is that of its Intent.
    """

    intent: int
    account: str
    campaign: str
    job: int
    batch: int
    start: int
    count: int
    attempt: int
    strikes: int
    state: ChunkState
    n: int = -1
    inherited: bool = False
    ttl_ms: int = 0
    ranges: Ranges = ()
    left_out: Ranges = ()
    cost: Cost | None = None

    def cost_of(self, ranges: Ranges) -> int:
        """What the recipients in these positions cost, if its campaign has a budget."""
        return 0 if self.cost is None else cost_of(self.cost, self.count, ranges)

    @property
    def asked(self) -> int:
        """How many recipients its request has."""
        return self.count - total(self.left_out) if self.left_out else self.count

    @property
    def in_request(self) -> Ranges:
        """The positions of the recipients that its request has, in its order."""
        return without(((0, self.count),), self.left_out)

    @property
    def open_ranges(self) -> Ranges:
        """The positions of its open recipients (0: its first recipient)."""
        return self.ranges or ((0, self.count),)


class OpenJob:
    """A job that is not finished.

    `taken` are the ranges [start, end) of recipients that had an intent, sorted and merged: one range, unless an append
    was lost and a later one was written. `returned` slices wait to be sent again; `open` counts its open chunks.
    Recipients that were moved to another account count as taken. `doubted`: the ranges that were unknown once. `grows`:
    it is the last segment of a stream. `repeated`: the ranges of a segment's messages whose keys were known.
    """

    __slots__ = ("doubted", "grows", "job", "offset", "open", "repeated", "returned", "taken")

    def __init__(self, offset: int, job: Job | None, taken: list[tuple[int, int]], returned: list[Slice]) -> None:
        self.offset = offset
        self.job = job
        self.taken = taken
        self.returned = returned
        self.doubted: list[tuple[int, int]] = []
        self.open = 0
        self.grows = False
        self.repeated: list[tuple[int, int]] = []

    def take(self, start: int, end: int) -> bool:
        """Record these recipients' first intent. False: some of them had one before."""
        at = bisect_left(self.taken, (start, end))
        before = self.taken[at - 1] if at else (start, start)
        after = self.taken[at] if at < len(self.taken) else (end, end)
        if before[1] > start or after[0] < end:
            return False
        joined_start = before[0] if at and before[1] == start else start
        joined_end = after[1] if at < len(self.taken) and after[0] == end else end
        first = at - 1 if joined_start < start else at
        last = at + 1 if joined_end > end else at
        self.taken[first:last] = [(joined_start, joined_end)]
        return True

    def untaken(self) -> Iterator[tuple[int, int]]:
        """The ranges of the job that never had an intent."""
        assert self.job is not None
        yield from self.untaken_in(self.job.start, end_of(self.job))

    def untaken_in(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The ranges of [start, end) that never had an intent."""
        for taken_start, taken_end in self.taken:
            if taken_start >= end:
                break
            if start < taken_start:
                yield start, taken_start
            start = max(start, taken_end)
        if start < end:
            yield start, end

    def until_repeated(self, start: int, end: int) -> int:
        """How many messages from `start` on, before `end`, have a new key."""
        at = bisect_left(self.repeated, (start + 1, start + 1)) - 1
        if at >= 0 and self.repeated[at][1] > start:
            return 0
        following = self.repeated[at + 1][0] if at + 1 < len(self.repeated) else end
        return min(following, end) - start

    def repeated_from(self, start: int, end: int) -> int:
        """How many messages from `start` on, before `end`, have keys that were known."""
        at = bisect_left(self.repeated, (start + 1, start + 1)) - 1
        return max(0, min(self.repeated[at][1], end) - start) if at >= 0 else 0

    def queued(self) -> Iterator[tuple[int, int]]:
        """The ranges of the job to send: never tried, or given back."""
        yield from self.untaken()
        yield from ((piece.start, piece.start + piece.count) for piece in self.returned)

    @property
    def finished(self) -> bool:
        """Whether nothing of it is queued or open."""
        if self.job is None or self.returned or self.open or self.grows:
            return False
        return self.taken == [(self.job.start, end_of(self.job))]


class Growth(msgspec.Struct, frozen=True):
    """Messages that a stream got: those from `start` on of its segment, which is the open `job`.

    `sealed`: the segment before it, if that is over and finished.
    """

    job: OpenJob
    start: int
    count: int
    sealed: int | None


def end_of(job: Job) -> int:
    """The index after the job's last recipient in its batch."""
    return job.start + job.count


class Change(msgspec.Struct, frozen=True):
    """The effect of one journal record: the chunk it opened, moved, split or closed; the slices returned to the queue.

    The slices are in the order of the runs that they come from. `moved`: recipients left for another account.
    """

    chunk: Chunk | None = None
    before: ChunkState | None = None
    returned: tuple[Slice, ...] = ()
    moved: bool = False


NOTHING: Final = Change()


class LaneState:
    """The fold of one lane partition (the lanes of all its accounts). Apply records in the order of their offsets."""

    def __init__(self) -> None:
        self.ownership = Ownership()
        self.position = 0  # next journal offset
        self.inbox = 0  # next inbox offset
        self.jobs: dict[int, OpenJob] = {}
        self.open: dict[int, Chunk] = {}
        self.taken: dict[tuple[str, str, str], int] = {}
        self.spent: dict[tuple[str, str], int] = {}  # by (account, campaign), of campaigns with a budget
        self.ceded: dict[tuple[str, str], int] = {}
        self.handovers = Handovers()
        self.segments: dict[StreamKey, Segment] = {}  # the last one of each stream
        self.keys: dict[StreamKey, KnownKeys] = {}

    @property
    def owner(self) -> str | None:
        """The author of the last Owned; None before the first."""
        return self.ownership.owner

    # --- checkpoints ---

    @classmethod
    def load(cls, checkpoint: Checkpoint, pages: Mapping[int, StreamKeys] | None = None) -> LaneState:
        """The state as the checkpoint's author had folded it; continue reading at `upto` and `inbox`.

        `pages`: those of `pages_of`, by offset. Without them not all keys of streams are known: nothing may be sent.
        """
        state = cls()
        state.ownership = Ownership(checkpoint.owner)
        state.position = checkpoint.upto
        state.inbox = checkpoint.inbox
        for job in checkpoint.jobs:
            state.jobs[job.offset] = OpenJob(job.offset, job.job, list(job.taken), list(job.returned))
        if checkpoint.moves is not None:
            state.handovers = Handovers.load(checkpoint.moves)
            for offset, doubted in checkpoint.moves.doubted:
                state.jobs[offset].doubted = list(doubted)
        ttls_ms, ranges, left_out = dict(checkpoint.ttls_ms), dict(checkpoint.ranges), dict(checkpoint.left_out)
        for open_range in checkpoint.open:
            state.open[open_range.intent] = Chunk(
                **{name: getattr(open_range, name) for name in _RANGE_FIELDS},
                state=ChunkState.UNKNOWN if open_range.unknown else ChunkState.IN_FLIGHT,
                ttl_ms=ttls_ms.get(open_range.intent, 0),
                ranges=ranges.get(open_range.intent, ()),
                left_out=left_out.get(open_range.intent, ()),
            )
            state.jobs[open_range.job].open += 1
        for intent, cost in checkpoint.costs:
            state.open[intent].cost = cost
        for committed in checkpoint.committed:
            key = committed.account, committed.campaign
            state.spent[key], state.ceded[key] = committed.spent, committed.ceded
        state.taken = {(taken.account, taken.campaign, taken.attempt): taken.jobs for taken in checkpoint.taken}
        for stream in checkpoint.streams:
            of = stream.account, stream.campaign, stream.attempt
            state.segments[of] = Segment(stream.job, stream.count, stream.day)
            found = () if pages is None else [(offset, pages[offset]) for offset, _ in stream.pages]
            state.keys[of] = KnownKeys.load(stream.next, stream.first, stream.newest_ms, stream.tail, found)
            if stream.job in state.jobs:
                state.jobs[stream.job].grows = True
            for offset, repeated in stream.repeated:
                state.jobs[offset].repeated = list(repeated)
        return state

    def checkpoint(self, owner: str, at_ms: int) -> Checkpoint:
        """The present state as a record."""
        return Checkpoint(
            owner=owner,
            upto=self.position,
            inbox=self.inbox,
            jobs=tuple(
                JobState(job.offset, job.job, tuple(job.taken), tuple(job.returned)) for job in self.jobs.values()
            ),
            open=tuple(
                OpenRange(
                    **{name: getattr(chunk, name) for name in _RANGE_FIELDS}, unknown=chunk.state is ChunkState.UNKNOWN
                )
                for chunk in self.open.values()
            ),
            taken=tuple(Taken(*key, jobs) for key, jobs in self.taken.items()),
            at_ms=at_ms,
            ttls_ms=tuple((chunk.intent, chunk.ttl_ms) for chunk in self.open.values() if chunk.ttl_ms),
            ranges=tuple((chunk.intent, chunk.ranges) for chunk in self.open.values() if chunk.ranges),
            left_out=tuple((chunk.intent, chunk.left_out) for chunk in self.open.values() if chunk.left_out),
            committed=tuple(
                Committed(*key, self.spent.get(key, 0), self.ceded.get(key, 0))
                for key in dict.fromkeys((*self.spent, *self.ceded))
            ),
            costs=tuple((chunk.intent, chunk.cost) for chunk in self.open.values() if chunk.cost is not None),
            moves=self.handovers.recorded(
                tuple(
                    (offset, tuple(job.doubted))
                    for offset, job in self.jobs.items()
                    if job.doubted and (job.job is None or job.job.then or job.job.moved)
                )
            ),
            streams=tuple(self._stream(of, segment, at_ms) for of, segment in self.segments.items()),
        )

    def _stream(self, of: StreamKey, segment: Segment, at_ms: int) -> StreamState:
        known = self.keys[of]
        known.forget(at_ms - KEEP_MS_MAX)  # also of an idle stream: the log deletes old pages
        return StreamState(
            *of,
            job=segment.job,
            count=segment.count,
            day=segment.day,
            next=known.next,
            first=known.first,
            newest_ms=known.newest_ms,
            tail=known.tail,
            pages=tuple(known.pages),
            repeated=tuple(
                (job.offset, tuple(job.repeated))
                for job in self.jobs.values()
                if job.repeated and job.job is not None and (job.job.account, job.job.campaign, job.job.attempt) == of
            ),
        )

    # --- the inbox ---

    def take_job(self, offset: int, job: Job) -> OpenJob | None:
        """A job from the inbox; None if it is a second copy (its number was taken) or was read before."""
        if offset < self.inbox:
            return None
        self.inbox = offset + 1
        if job.moved is not None:
            if not self.handovers.takes(job):
                return None
        else:
            key = (job.account, job.campaign, job.attempt)
            if job.number != self.taken.get(key, 0):
                return None
            self.taken[key] = job.number + 1
        known = self.jobs.get(offset)
        if known is None:
            known = self.jobs[offset] = OpenJob(offset, job, [], [])
        else:  # its intents were read from the journal first
            known.job = job
        if known.finished:
            del self.jobs[offset]
        return known

    def take_appended(self, offset: int, record: Appended) -> Growth | None:
        """Messages appended to a stream; None if they were read before."""
        if offset < self.inbox:
            return None
        self.inbox = offset + 1
        of = stream_of(record)
        known = self.keys.setdefault(of, KnownKeys())
        if offset < known.next:
            return None
        before = self.segments.get(of)
        segment, start = placed(before, offset, record)
        self.segments[of] = segment
        sealed = None
        if before is not None and before.job != segment.job:
            sealed = self._seal(before.job)
        job = self.jobs.get(segment.job)
        if job is None:  # finished so far, or dropped
            job = self.jobs[segment.job] = OpenJob(segment.job, None, [(0, start)] if start else [], [])
        job.job, job.grows = job_of(of, segment), True
        for position in known.add(offset, record.keys, record.at_ms, record.keep_ms):
            at = start + position
            if job.repeated and job.repeated[-1][1] == at:
                job.repeated[-1] = (job.repeated[-1][0], at + 1)
            else:
                job.repeated.append((at, at + 1))
        return Growth(job, start, record.count, sealed)

    def _seal(self, offset: int) -> int | None:
        """The segment is over; returns it if it is finished."""
        job = self.jobs.get(offset)
        if job is None:
            return None
        job.grows = False
        if not job.finished:
            return None
        del self.jobs[offset]
        return offset

    def skip_inbox(self, offset: int) -> None:
        """An inbox record that is not a job."""
        self.inbox = max(self.inbox, offset + 1)

    def drop_job(self, offset: int) -> None:
        """The job belongs to an attempt that was never launched."""
        self.jobs.pop(offset, None)

    # --- the journal ---

    def apply(self, offset: int, record: AnyRecord) -> Change:
        """Fold one journal record. Raises LaneBroken."""
        if offset < self.position:
            return NOTHING
        self.position = offset + 1
        if not self.ownership.valid(record):
            return NOTHING
        match record:
            case Intent():
                return self._intent(offset, record)
            case Outcome() | Outcomes():
                return self._results(record)
            case Owned():
                return self._owned()
            case Resolved():
                return self._resolved(record)
            case Ceded():
                key = record.account, record.campaign
                self.ceded[key] = max(self.ceded.get(key, 0), record.amount)
                return NOTHING
            case Moved():
                return self._moved_away(offset, record)
            case Handed():
                self.handovers.handed(record)
                return NOTHING
            case StreamKeys():
                of = record.account, record.campaign, record.attempt
                self.keys.setdefault(of, KnownKeys()).page_read(offset, record)
                return NOTHING
            case _:
                return NOTHING

    def _owned(self) -> Change:
        for chunk in self.open.values():
            chunk.state = TRANSITIONS[chunk.state, Owned]
            chunk.inherited = True
        return NOTHING

    def _leave_queue(self, offset: int, of_job: int, start: int, count: int, attempt: int, what: str) -> OpenJob:
        """These recipients of a job waited after so many tries, and do not any more. Raises LaneBroken."""
        job, end = self.jobs.get(of_job), start + count
        if job is None:
            if of_job < self.inbox:
                raise LaneBroken(f"{what} {offset} takes of job {of_job}, which is finished")
            job = self.jobs[of_job] = OpenJob(of_job, None, [], [])
        if attempt == 0:
            if not job.take(start, end):
                raise LaneBroken(f"{what} {offset} takes [{start}, {end}) of job {of_job} a first time again")
        else:
            _take_back(job, start, end, f"{what} {offset} takes [{start}, {end}) of job {of_job}")
        return job

    def _moved_away(self, offset: int, moved: Moved) -> Change:
        sent = moved.as_job
        job = self._leave_queue(offset, moved.job, sent.start, sent.count, moved.attempt, "moved")
        self.handovers.moved(offset, moved)
        if job.finished:
            del self.jobs[moved.job]
        return Change(moved=True)

    def _intent(self, offset: int, intent: Intent) -> Change:
        job = self._leave_queue(offset, intent.job, intent.start, intent.count, intent.attempt, "intent")
        job.open += 1
        chunk = Chunk(
            offset,
            intent.account,
            intent.campaign,
            intent.job,
            intent.batch,
            intent.start,
            intent.count,
            intent.attempt,
            intent.strikes,
            ChunkState.IN_FLIGHT,
            intent.n,
            ttl_ms=intent.ttl_ms,
            left_out=intent.left_out,
            cost=intent.cost,
        )
        self.open[offset] = chunk
        self._spend(chunk, 0 if intent.cost is None else intent.cost.whole)
        if intent.left_out:
            self._moved(chunk, intent.left_out, why_left_out(intent))
        return self._change(chunk, None, [])

    def _results(self, record: Outcome | Outcomes) -> Change:
        chunk = self.open.get(record.intent)
        if chunk is None:
            return NOTHING  # void, or already over: the first outcome counts
        before = chunk.state
        returned: list[Slice] = []
        if isinstance(record, Outcome):
            strikes = chunk.strikes + (record.kind == Kind.RETRY_LATER)
            for start, count in self._moved(chunk, chunk.open_ranges, record.effect):
                returned.extend(_again(chunk, start, count, strikes, divide=record.divide))
            return self._change(chunk, before, returned)
        for run in record.runs:
            strikes = chunk.strikes + (run.kind == Kind.RETRY_LATER)
            if run.effect == Effect.FAILED and chunk.cost is not None and record.parts > 1:
                self._spend(chunk, _taken_in_part(chunk, record, run))
            for start, count in self._moved(chunk, ((run.start, run.count),), run.effect):
                returned.extend(_again(chunk, start, count, strikes))
        return self._change(chunk, before, returned)

    def _resolved(self, record: Resolved) -> Change:
        chunk = self.open.get(record.intent)
        if chunk is None or chunk.state is not ChunkState.UNKNOWN:
            return NOTHING
        returned: list[Slice] = []
        for start, count in self._moved(chunk, record.ranges or chunk.open_ranges, record.verdict):
            returned.extend(_again(chunk, start, count, chunk.strikes))
            self.jobs[chunk.job].doubted.append((chunk.start + start, chunk.start + start + count))
        return self._change(chunk, ChunkState.UNKNOWN, returned)

    def _moved(self, chunk: Chunk, ranges: Ranges, event: ChunkEvent) -> Ranges:
        """Something happened to these recipients, as far as they are open; returns those that are queued again."""
        if chunk.intent not in self.open:
            return ()
        open_ranges = chunk.open_ranges
        concerned = open_ranges if ranges == open_ranges else both(open_ranges, ranges)
        if not concerned:
            return ()
        becomes = TRANSITIONS.get((chunk.state, event))
        if becomes is None:
            raise LaneBroken(f"intent {chunk.intent} is {chunk.state.value}: {named(event)} cannot happen to it")
        if chunk.cost is not None and becomes in _NOT_CHARGED and event is not ResolvedAs.RESEND:
            self._spend(chunk, -chunk.cost_of(concerned))
        rest = () if becomes in OPEN or concerned == open_ranges else without(open_ranges, concerned)
        if rest:
            chunk.ranges = rest
        else:
            chunk.state = becomes
        if chunk.state not in OPEN:
            del self.open[chunk.intent]
            self.jobs[chunk.job].open -= 1
        return concerned if becomes is ChunkState.QUEUED else ()

    def _spend(self, chunk: Chunk, amount: int) -> None:
        """Count what a chunk of a campaign with a budget costs; what may have been taken is not given back."""
        if amount:
            key = chunk.account, chunk.campaign
            self.spent[key] = self.spent.get(key, 0) + amount

    def _change(self, chunk: Chunk, before: ChunkState | None, returned: list[Slice]) -> Change:
        job = self.jobs[chunk.job]
        job.returned.extend(returned)
        if job.finished:
            del self.jobs[chunk.job]
        return Change(chunk=chunk, before=before, returned=tuple(returned))


_NOT_CHARGED: Final = (ChunkState.FAILED, ChunkState.QUEUED, ChunkState.SUPPRESSED, ChunkState.REPEATED)

_RANGE_FIELDS: Final = ("intent", "account", "campaign", "job", "batch", "start", "count", "attempt", "strikes")


def _taken_in_part(chunk: Chunk, outcomes: Outcomes, run: Run) -> int:
    """What the parts cost that were taken of messages that were refused: those with an id."""
    at = 0
    for each in outcomes.runs:
        if each is run:
            break
        at += each.count
    taken, size = 0, ID_BYTES * outcomes.parts
    for start, count in both(chunk.open_ranges, ((run.start, run.count),)):
        for position in range(start, start + count):
            first = (at + position - run.start) * size
            ids = outcomes.ids[first : first + size]
            named = sum(any(ids[part : part + ID_BYTES]) for part in range(0, len(ids), ID_BYTES))
            if named:
                taken += chunk.cost_of(((position, 1),)) * named // outcomes.parts
    return taken


def _again(chunk: Chunk, start: int, count: int, strikes: int, *, divide: bool = False) -> Iterator[Slice]:
    """The slices in which these positions of a chunk go back into the queue."""
    attempt, start = chunk.attempt + 1, chunk.start + start
    if not divide or count == 1:
        yield Slice(start, count, attempt, strikes)
        return
    half = count // 2
    yield Slice(start, half, attempt, strikes)
    yield Slice(start + half, count - half, attempt, strikes)


def _take_back(job: OpenJob, start: int, end: int, what: str) -> None:
    """Remove a range from the returned slices it was cut from. `what` it is taken by, for the error."""
    for index, known in enumerate(job.returned):
        known_end = known.start + known.count
        if known.start <= start and end <= known_end:
            rest = []
            if known.start < start:
                rest.append(Slice(known.start, start - known.start, known.attempt, known.strikes))
            if end < known_end:
                rest.append(Slice(end, known_end - end, known.attempt, known.strikes))
            job.returned[index : index + 1] = rest
            return
    raise LaneBroken(f"{what} again, which nobody returned")
