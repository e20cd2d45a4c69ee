"""A lane partition's journal, folded for the results: the state of each chunk.

See docs/ARCHITECTURE.md, "The join and the results".

The same transitions as the lane's own fold (dispatcher/core/lane/state.py, TRANSITIONS); but here every chunk is kept,
because its reports may come days later, and an impossible record is counted, not fatal: the equation shows its effect.

The journal alone decides a chunk's state, the reports alone a recipient's final report. A recipient has its report's
state, else that of the one chunk that holds it and was not returned to the queue, else it is queued. So neither topic
waits for the other.

Pure: reads and changes go through a Ledger.
"""

from __future__ import annotations

from typing import Final, Protocol

import msgspec

from dispatcher.core.lane.state import TRANSITIONS, ChunkEvent, ChunkState, named
from dispatcher.core.ownership import Ownership
from schemas.records import AnyRecord, Effect, Intent, Outcome, Owned, Resolved
from schemas.states import State
from schemas.topics import LANE_PARTITIONS, SPREAD_PARTITIONS


class JoinedJob(msgspec.Struct, frozen=True, gc=False):
    """A job as the results know it. `id` and `batch` are places in the log, see `lane_place` and `spread_place`."""

    id: int
    campaign: str
    attempt: str
    account: str
    batch: int
    number: int


class JoinedChunk(msgspec.Struct, gc=False):
    """A valid intent. Recipients [start, start+count) of batch `batch`.

    `reported` of them have a final report (0 while the state is QUEUED: then another chunk counts them).
    `heard`: a definite outcome was read. `expired`: the time for reports is over (store policy).
    `proven`: while it is unknown, how many pending recipients have an id: the vendor took these.
    """

    id: int
    batch: int
    account: str
    start: int
    count: int
    attempt: int
    state: int
    at_ms: int
    sent_ms: int = 0
    since_ms: int = 0
    code: str = ""
    text: str = ""
    vendor_id: str = ""
    reported: int = 0
    heard: bool = False
    expired: bool = False
    proven: int = 0
    slot: int = -1  # its row in the present micro-batch; not stored

    @property
    def end(self) -> int:
        """The position after the last recipient."""
        return self.start + self.count

    @property
    def pending(self) -> int:
        """Recipients without a final report."""
        return self.count - self.reported


class Ledger(Protocol):
    """The fold's queries and changes."""

    def job(self, job: int) -> JoinedJob | None:
        """The job of this id."""
        ...

    def chunk(self, chunk: int) -> JoinedChunk | None:
        """The chunk of this id, open or not; None if its intent was void."""
        ...

    def opened(self, chunk: JoinedChunk) -> None:
        """A new chunk, IN_FLIGHT; sets its `reported`."""
        ...

    def moved(self, chunk: JoinedChunk, before: State) -> None:
        """The chunk's pending recipients moved from `before` to its current state."""
        ...

    def changed(self, chunk: JoinedChunk) -> None:
        """Another field than its state changed."""
        ...

    def named(self, chunk: JoinedChunk, vendor_id: str, vendor_ids: tuple[str, ...], place: int) -> None:
        """Reports for this chunk will carry `vendor_id` (unless ""), or one of `vendor_ids` each (unless empty)."""
        ...

    def contested(self, chunk: JoinedChunk) -> None:
        """Its recipients may be reported under more ids than one: here, and when they are sent again."""
        ...

    def sent(self, chunk: JoinedChunk, sent_ms: int) -> None:
        """A request went out."""
        ...

    def odd(self, what: str) -> None:
        """An impossible record; it is counted and ignored."""
        ...


class JournalFold:
    """The fold of one partition: `ownership` and the open chunks; give the stored ones to continue."""

    def __init__(self, partition: int, ownership: Ownership, open_chunks: dict[int, JoinedChunk]) -> None:
        self.partition = partition
        self.ownership = ownership
        self.open = open_chunks

    def apply(self, offset: int, record: AnyRecord, ledger: Ledger) -> None:
        """Fold the record at this offset."""
        if not self.ownership.valid(record):
            return
        match record:
            case Intent():
                self._intent(offset, record, ledger)
            case Outcome():
                self._outcome(offset, record, ledger)
            case Owned():
                for chunk in self.open.values():
                    self._move(chunk, Owned, record.at_ms, ledger)
            case Resolved():
                self._resolved(offset, record, ledger)

    def _intent(self, offset: int, intent: Intent, ledger: Ledger) -> None:
        job = ledger.job(lane_place(self.partition, intent.job))
        if job is None:
            ledger.odd("an intent names a job that is not in the log")
            return
        chunk = JoinedChunk(
            id=lane_place(self.partition, offset),
            batch=job.batch,
            account=intent.account,
            start=intent.start,
            count=intent.count,
            attempt=intent.attempt,
            state=State.IN_FLIGHT,
            at_ms=intent.at_ms,
        )
        self.open[chunk.id] = chunk
        ledger.opened(chunk)

    def _outcome(self, offset: int, outcome: Outcome, ledger: Ledger) -> None:
        chunk_id = lane_place(self.partition, outcome.intent)
        chunk = self.open.get(chunk_id) or ledger.chunk(chunk_id)
        if chunk is None or chunk.heard:
            return  # void, or the first outcome was read before
        chunk.heard = outcome.effect != Effect.UNKNOWN
        ledger.changed(chunk)
        if outcome.sent_ms:
            ledger.sent(chunk, outcome.sent_ms)
        has_id = bool(outcome.vendor_id or outcome.vendor_ids) and outcome.effect in (Effect.ACCEPTED, Effect.UNKNOWN)
        if chunk_id in self.open:  # else a person resolved it; only its id is new, and may still join reports
            chunk.code = outcome.code
            chunk.text = outcome.text if outcome.effect in (Effect.FAILED, Effect.UNKNOWN) else ""
            chunk.sent_ms = outcome.sent_ms or outcome.at_ms
            if has_id and outcome.effect == Effect.UNKNOWN:
                ledger.contested(chunk)
            self._move(chunk, outcome.effect, outcome.at_ms, ledger)
        if has_id:
            self._named(chunk, outcome.vendor_id, outcome.vendor_ids, offset, ledger)

    def _resolved(self, offset: int, resolved: Resolved, ledger: Ledger) -> None:
        chunk = self.open.get(lane_place(self.partition, resolved.intent))
        if chunk is None or chunk.state != State.UNKNOWN:
            return
        chunk.sent_ms = chunk.sent_ms or chunk.at_ms
        ledger.contested(chunk)  # it may be sent again, or a late outcome may name a second id
        self._move(chunk, resolved.verdict, resolved.at_ms, ledger)
        if resolved.vendor_id or resolved.vendor_ids:
            self._named(chunk, resolved.vendor_id, resolved.vendor_ids, offset, ledger)

    def _named(
        self, chunk: JoinedChunk, vendor_id: str, vendor_ids: tuple[str, ...], offset: int, ledger: Ledger
    ) -> None:
        if vendor_ids and len(vendor_ids) != chunk.count:
            ledger.odd("an outcome has another number of vendor ids than its chunk has recipients")
            vendor_ids = ()
        chunk.vendor_id = chunk.vendor_id or vendor_id
        ledger.named(chunk, vendor_id, vendor_ids, lane_place(self.partition, offset))

    def _move(self, chunk: JoinedChunk, event: ChunkEvent, at_ms: int, ledger: Ledger) -> None:
        before = State(chunk.state)
        becomes = TRANSITIONS.get((_LANE_STATE[before], event))
        if becomes is None:
            ledger.odd(f"a chunk that is {before.word} cannot become {named(event)}")
            return
        after = _STATE[becomes]
        if after is before:
            return
        chunk.state = after
        if after is State.UNKNOWN:
            chunk.since_ms = at_ms
        if after not in (State.IN_FLIGHT, State.UNKNOWN):
            self.open.pop(chunk.id, None)
        ledger.moved(chunk, before)


def lane_place(partition: int, offset: int) -> int:
    """One number for a place in a per-lane topic; the same in every replay."""
    return offset * LANE_PARTITIONS + partition


def spread_place(partition: int, offset: int) -> int:
    """One number for a place in a spread topic."""
    return offset * SPREAD_PARTITIONS + partition


_STATE: Final = {
    ChunkState.IN_FLIGHT: State.IN_FLIGHT,
    ChunkState.UNKNOWN: State.UNKNOWN,
    ChunkState.ACCEPTED: State.ACCEPTED,
    ChunkState.FAILED: State.FAILED,
    ChunkState.QUEUED: State.QUEUED,
}
_LANE_STATE: Final = {state: chunk_state for chunk_state, state in _STATE.items()}
