"""A lane partition's journal, folded for the results: the state of each chunk, or of its pieces.

See docs/RESULTS.md, "The join and the results".

The same transitions as the lane's own fold (dispatcher/core/lane/state.py, TRANSITIONS); but here every chunk is kept,
because its reports may come days later, and an impossible record is counted, not fatal: the equation shows its effect.

A chunk is one piece until some of its recipients get another result than the others; then it is divided. How it is
divided is a function of the journal alone.

The journal alone decides a piece's state, the reports alone a recipient's final report. A recipient has its report's
state, else that of the one piece that holds it and was not returned to the queue, else it is queued. So neither topic
waits for the other.

Pure: reads and changes go through a Ledger.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Final, Protocol

import msgspec

from dispatcher.core.lane.state import TRANSITIONS, ChunkEvent, ChunkState, named
from dispatcher.core.ownership import Ownership
from dispatcher.core.results.places import PIECES, chunk_id, lane_place
from dispatcher.core.results.recipient_ids import PARTS_MAX, RecipientIds, of_numbers, of_texts
from schemas.records import AnyRecord, Effect, Intent, LeftOut, Moved, Outcome, Outcomes, Owned, Resolved, why_left_out
from schemas.states import EXPIRED, State


class JoinedJob(msgspec.Struct, frozen=True, gc=False):
    """A job as the results know it. `id` and `batch` are places in the log, see `lane_place` and `spread_place`.

    `moved`: the place of the Moved that its recipients come from; -1: the launch gave them to this account.
    """

    id: int
    campaign: str
    attempt: str
    account: str
    batch: int
    number: int
    moved: int = -1


class JoinedChunk(msgspec.Struct, gc=False):
    """A valid intent, or a piece of it: recipients [start, start+count) of batch `batch`, of `whole` in its chunk.

    `reported` of them have a final report (0 while the state is QUEUED: then another piece counts them).
    `heard`: a definite outcome was read, or its intent left it out. `expired`: the time for reports is over (store
    policy).
    `proven`: while it is unknown, how many pending recipients have an id for each part: the vendor took these.
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
    whole: int = 0
    slot: int = -1  # its row in the present micro-batch; not stored

    @property
    def end(self) -> int:
        """The position after the last recipient."""
        return self.start + self.count

    @property
    def first(self) -> int:
        """The position of the first recipient of the chunk that it is a piece of."""
        return self.start - self.id % PIECES

    @property
    def pending(self) -> int:
        """Recipients without a final report."""
        return self.count - self.reported


class Ledger(Protocol):
    """The fold's queries and changes. Chunks are whole ones or pieces."""

    def job(self, job: int) -> JoinedJob | None:
        """The job of this id."""
        ...

    def chunk(self, chunk: int) -> JoinedChunk | None:
        """The chunk of this id, open or not; None if its intent was void."""
        ...

    def pieces(self, chunk: int) -> list[JoinedChunk]:
        """All pieces of a chunk that was divided, in order."""
        ...

    def opened(self, chunk: JoinedChunk) -> None:
        """A new chunk, IN_FLIGHT; sets its `reported`."""
        ...

    def divided(self, chunk: JoinedChunk, rest: JoinedChunk) -> None:
        """`rest` is a new piece, of the last recipients that `chunk` had; sets `reported` and `proven` of both."""
        ...

    def moved(self, chunk: JoinedChunk, before: State) -> None:
        """The chunk's pending recipients moved from `before` to its current state."""
        ...

    def changed(self, chunk: JoinedChunk) -> None:
        """Another field than its state changed."""
        ...

    def named(self, chunk: JoinedChunk, vendor_id: str, ids: RecipientIds | None, place: int) -> None:
        """Reports for this chunk will carry `vendor_id` (unless ""), or the recipients' own ids."""
        ...

    def contested(self, chunk: JoinedChunk) -> None:
        """Its recipients may be reported under more ids than one: here, and when they are sent again."""
        ...

    def sent(self, chunk: JoinedChunk, sent_ms: int) -> None:
        """A request went out."""
        ...

    def moved_away(self, job: JoinedJob, moved: Moved) -> None:
        """Queued recipients of this job belong to another account from now on."""
        ...

    def odd(self, what: str) -> None:
        """An impossible record; it is counted and ignored."""
        ...


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """The result of some recipients, of the record at `offset`."""

    offset: int
    effect: Effect
    code: str
    text: str
    at_ms: int
    sent_ms: int
    vendor_id: str = ""
    has_ids: bool


class JournalFold:
    """The fold of one partition: `ownership` and the open pieces; give the stored ones to continue."""

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
            case Outcomes():
                self._outcomes(offset, record, ledger)
            case Owned():
                for chunk in self.open.values():
                    self._move(chunk, Owned, record.at_ms, ledger)
            case Resolved():
                self._resolved(offset, record, ledger)
            case Moved():
                job = ledger.job(lane_place(self.partition, record.job))
                if job is None:
                    ledger.odd("recipients of a job that is not in the log are moved")
                else:
                    ledger.moved_away(job, record)

    def _intent(self, offset: int, intent: Intent, ledger: Ledger) -> None:
        job = ledger.job(lane_place(self.partition, intent.job))
        if job is None:
            ledger.odd("an intent names a job that is not in the log")
            return
        chunk = JoinedChunk(
            id=chunk_id(self.partition, offset),
            batch=job.batch,
            account=intent.account,
            start=intent.start,
            count=intent.count,
            attempt=intent.attempt,
            state=State.IN_FLIGHT,
            at_ms=intent.at_ms,
            whole=intent.count,
        )
        self.open[chunk.id] = chunk
        ledger.opened(chunk)
        pieces, why = [chunk], why_left_out(intent)
        for start, count in intent.left_out:
            begin = intent.start + start
            for piece in self._cut(pieces, begin, begin + count, _is_unheard, ledger):
                piece.heard, piece.since_ms = True, intent.at_ms
                if why is LeftOut.EXPIRED:
                    piece.code = EXPIRED
                self._move(piece, why, intent.at_ms, ledger)

    def _outcome(self, offset: int, outcome: Outcome, ledger: Ledger) -> None:
        pieces = self._pieces(outcome.intent, ledger)
        unheard = [piece for piece in pieces if not piece.heard]
        if not unheard:
            return  # void, or the first outcome was read before
        ids = None
        if outcome.vendor_ids and outcome.effect in _TAKEN:
            ids = self._ids(outcome, pieces[0].whole, ledger)
        has_ids = bool(outcome.vendor_id or outcome.vendor_ids) and outcome.effect in _TAKEN
        result = _Result(
            offset=offset,
            effect=outcome.effect,
            code=outcome.code,
            text=outcome.text,
            at_ms=outcome.at_ms,
            sent_ms=outcome.sent_ms,
            vendor_id=outcome.vendor_id,
            has_ids=has_ids,
        )
        for piece in unheard:
            first = piece.start - piece.first
            self._hear(piece, result, None if ids is None else ids.cut(first, first + piece.count), ledger)

    def _outcomes(self, offset: int, outcomes: Outcomes, ledger: Ledger) -> None:
        pieces = self._pieces(outcomes.intent, ledger)
        if not pieces:
            return
        ids = self._ids(outcomes, sum(run.count for run in outcomes.runs), ledger)
        first, at, is_broken = pieces[0].first, 0, False
        for run in outcomes.runs:
            for piece in self._cut(pieces, first + run.start, first + run.end, _is_unheard, ledger):
                begin = at + piece.start - first - run.start
                its = ids.cut(begin, begin + piece.count) if ids is not None and run.effect in _HAS_IDS else None
                if its is not None and not its.named.any():
                    its = None
                if its is not None and run.effect != Effect.ACCEPTED:
                    its = its.of_unanswered()
                result = _Result(
                    offset=offset,
                    effect=run.effect,
                    code=run.code,
                    text=run.text,
                    at_ms=outcomes.at_ms,
                    sent_ms=outcomes.sent_ms,
                    has_ids=its is not None,
                )
                is_broken |= run.effect == Effect.UNKNOWN and piece.id in self.open
                self._hear(piece, result, its, ledger)
            at += run.count
        if is_broken:  # what is open of a chunk has one state
            for piece in pieces:
                if piece.state == State.IN_FLIGHT:
                    self._move(piece, Effect.UNKNOWN, outcomes.at_ms, ledger)

    def _hear(self, chunk: JoinedChunk, result: _Result, ids: RecipientIds | None, ledger: Ledger) -> None:
        """A result of all recipients of the chunk, which has no definite one yet."""
        chunk.heard = result.effect != Effect.UNKNOWN
        ledger.changed(chunk)
        if result.sent_ms:
            ledger.sent(chunk, result.sent_ms)
        if chunk.id in self.open:  # else a person resolved it; only its ids are new, and may still join reports
            chunk.code = result.code
            chunk.text = result.text if result.effect in (Effect.FAILED, Effect.UNKNOWN) else ""
            chunk.sent_ms = result.sent_ms or result.at_ms
            if result.has_ids and result.effect == Effect.UNKNOWN:
                ledger.contested(chunk)
            self._move(chunk, result.effect, result.at_ms, ledger)
        if result.has_ids:
            self._named(chunk, result.vendor_id, ids, result.offset, ledger)

    def _resolved(self, offset: int, resolved: Resolved, ledger: Ledger) -> None:
        pieces = self._pieces(resolved.intent, ledger)
        if not any(piece.state == State.UNKNOWN for piece in pieces):
            return
        first, whole = pieces[0].first, pieces[0].whole
        ranges = resolved.ranges or ((0, whole),)
        ids = self._ids(resolved, sum(count for _, count in ranges), ledger)
        has_ids = bool(resolved.vendor_id or resolved.vendor_ids or resolved.ids)
        at = 0
        for start, count in ranges:
            for piece in self._cut(pieces, first + start, first + start + count, _is_unknown, ledger):
                piece.sent_ms = piece.sent_ms or piece.at_ms
                ledger.contested(piece)  # it may be sent again, or a late outcome may name a second id
                self._move(piece, resolved.verdict, resolved.at_ms, ledger)
                if has_ids:
                    begin = at + piece.start - first - start
                    its = None if ids is None else ids.cut(begin, begin + piece.count)
                    self._named(piece, resolved.vendor_id, its, offset, ledger)
            at += count

    def _pieces(self, intent: int, ledger: Ledger) -> list[JoinedChunk]:
        """The pieces of the intent's chunk, in order; none if it is void."""
        id_ = chunk_id(self.partition, intent)
        first = self.open.get(id_) or ledger.chunk(id_)
        if first is None or first.count == first.whole:
            return [] if first is None else [first]
        return list(ledger.pieces(id_))

    def _cut(
        self, pieces: list[JoinedChunk], start: int, end: int, wanted: Callable[[JoinedChunk], bool], ledger: Ledger
    ) -> Iterator[JoinedChunk]:
        """The wanted ones among the pieces, cut to [start, end); `pieces` has the new ones, too."""
        index = max(0, bisect_right(pieces, start, key=_start_of) - 1)
        while index < len(pieces) and pieces[index].start < end:
            piece = pieces[index]
            index += 1
            if piece.end <= start or not wanted(piece):
                continue
            if piece.start < start:
                piece = self._divide(piece, start, ledger)
                pieces.insert(index, piece)
                index += 1
            if piece.end > end:
                pieces.insert(index, self._divide(piece, end, ledger))
            yield piece

    def _divide(self, chunk: JoinedChunk, at: int, ledger: Ledger) -> JoinedChunk:
        """Make the chunk end at `at`; returns the new piece of the recipients from there on."""
        rest = msgspec.structs.replace(chunk, id=chunk.id + at - chunk.start, start=at, count=chunk.end - at, slot=-1)
        chunk.count = at - chunk.start
        if chunk.id in self.open:
            self.open[rest.id] = rest
        ledger.divided(chunk, rest)
        return rest

    @staticmethod
    def _ids(record: Outcome | Outcomes | Resolved, count: int, ledger: Ledger) -> RecipientIds | None:
        """The ids of the record for `count` recipients."""
        parts, ids = (1, b"") if isinstance(record, Outcome) else (record.parts, record.ids)
        if not record.vendor_ids and not ids:
            return None
        size = len(record.vendor_ids) if record.vendor_ids else len(ids) / 8
        if not 0 < parts <= PARTS_MAX or size != count * (1 if record.vendor_ids else parts):
            ledger.odd("an outcome has another number of vendor ids than its chunk has recipients")
            return None
        return of_texts(record.vendor_ids) if record.vendor_ids else of_numbers(ids, parts)

    def _named(self, chunk: JoinedChunk, vendor_id: str, ids: RecipientIds | None, offset: int, ledger: Ledger) -> None:
        chunk.vendor_id = chunk.vendor_id or vendor_id
        ledger.named(chunk, vendor_id, ids, lane_place(self.partition, offset))

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


_TAKEN: Final = (Effect.ACCEPTED, Effect.UNKNOWN)
"""The effects whose recipients may be reported under the record's ids."""

_HAS_IDS: Final = (*_TAKEN, Effect.FAILED)
"""The effects whose recipients may have ids of their own: of a message that was refused, the parts that were taken."""

_STATE: Final = {
    ChunkState.IN_FLIGHT: State.IN_FLIGHT,
    ChunkState.UNKNOWN: State.UNKNOWN,
    ChunkState.ACCEPTED: State.ACCEPTED,
    ChunkState.FAILED: State.FAILED,
    ChunkState.QUEUED: State.QUEUED,
    ChunkState.SUPPRESSED: State.SUPPRESSED,
    ChunkState.REPEATED: State.DUPLICATE,
}
_LANE_STATE: Final = {state: chunk_state for chunk_state, state in _STATE.items()}


def _start_of(chunk: JoinedChunk) -> int:
    return chunk.start


def _is_unheard(chunk: JoinedChunk) -> bool:
    return not chunk.heard


def _is_unknown(chunk: JoinedChunk) -> bool:
    return chunk.state == State.UNKNOWN
