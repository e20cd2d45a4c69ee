"""Evidence: candidate chunks for reports whose vendor id appears in no outcome.

See docs/LANE.md, "What becomes of an unknown chunk".

A vendor gives one id to each request it takes, and reports under it. An id that appears in no outcome belongs to a
chunk without a known id (a candidate): unknown; in flight, with its answer not read yet; accepted without an id; or
returned to the queue while it was unknown, by policy or by a person, although the vendor may have taken it. The chunk
that was taken holds every number that was reported under the id.

Candidates of one batch with the same number are attempts for the same recipients. If all candidates that hold the
numbers of an id are attempts of one another, the recipients common to all of them were texted. An unknown chunk of only
such recipients is resolved as sent. In every other case nothing is guessed.

A late answer proves the same without a report: a returned attempt was accepted, so its recipients were texted, and a
later unknown attempt for them must not be sent again.

Pure. The caller ensures that every intent is known that was on the log before the first report of the id.

Weak spot: another program's message on the same account to a number of an unknown chunk looks like that chunk. Where
the vendor gives an id to each recipient, a report proves one message: see message_evidence.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.ranges import Ranges, total, without
from dispatcher.core.results.places import chunk_of
from schemas.states import State

CLOCKS_APART_MS: Final = 5_000
"""How much the clocks of two machines may differ: an id reported before the chunk's intent is not the chunk's."""

Numbers = NDArray[np.int64]


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A chunk whose vendor id is not known: recipients [start, start+count) of batch `batch`, intent of `at_ms`.

    `id` and `batch` are places in the log (places.py). `gaps`: (start, count) ranges of the batch in between that are
    not in its request, or have another state.
    """

    id: int
    batch: int
    campaign: str
    start: int
    count: int
    state: State
    at_ms: int
    gaps: Ranges = ()

    @property
    def ranges(self) -> Ranges:
        """Its recipients' positions in the batch."""
        return without(((self.start, self.count),), self.gaps)

    @property
    def recipients(self) -> int:
        """How many they are."""
        return self.count - total(self.gaps)


def requests_of(pieces: Sequence[Candidate]) -> list[Candidate]:
    """The pieces of each request as one candidate, by batch and id: the vendor's id is for all of them."""
    together: dict[tuple[int, State], Candidate] = {}
    for piece in sorted({each.id: each for each in pieces}.values(), key=lambda each: (each.batch, each.id)):
        key = (chunk_of(piece.id), piece.state)
        before = together.get(key)
        if before is None:
            together[key] = piece
            continue
        end = before.start + before.count
        gaps = before.gaps if piece.start == end else (*before.gaps, (end, piece.start - end))
        together[key] = msgspec.structs.replace(before, count=piece.start + piece.count - before.start, gaps=gaps)
    return list(together.values())


class UnexplainedId(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor id that appears in no outcome, with `numbers` (distinct, none 0, at least one) reported under it.

    `numbers` may be a part of them. `reports` are rows; the first came at `first_ms` in the record `first_offset`
    of the account's partition of `reports`. `named`: chunks that were resolved as sent under this id already, so that
    `numbers` are only those that these chunks do not hold.
    """

    vendor_id: str
    numbers: Numbers
    reports: int
    first_offset: int
    first_ms: int
    named: tuple[Candidate, ...] = ()


class Trace(msgspec.Struct, frozen=True):
    """An unexplained id, the candidates that hold all its numbers, and what it proves if no other id contradicts.

    `proves`: the unknown chunks whose recipients were texted under this id, for any taken candidate.
    """

    of: UnexplainedId
    holders: tuple[Candidate, ...]
    proves: tuple[Candidate, ...] = ()


class LateAnswer(msgspec.Struct, frozen=True):
    """A returned attempt was accepted under this id, and the unknown chunk has only recipients of it."""

    chunk: Candidate
    vendor_id: str


class Proof(msgspec.Struct, frozen=True):
    """An unknown chunk whose recipients were texted under `vendor_id`; `of` None: a late answer proves it."""

    chunk: Candidate
    vendor_id: str
    of: UnexplainedId | None = None
    attempts: int = 1


class Search:
    """Finds the holders of many ids at once: `look` at every batch with candidates, in any order."""

    def __init__(self, ids: Sequence[UnexplainedId]) -> None:
        self._ids = list(ids)
        self._holders: list[list[Candidate]] = [[] for _ in ids]
        self._lost: list[Candidate] = []
        self._unknown: dict[int, list[Candidate]] = {}
        self._arrange()

    def look(self, numbers: Numbers | None, candidates: Sequence[Candidate]) -> None:
        """One batch's numbers, in list order, and the candidates of it.

        `numbers` None: they are missing on the log. Then these candidates may hold any number.
        """
        if numbers is None:
            self._lost.extend(candidates)
            return
        for candidate in candidates:
            if candidate.state is State.UNKNOWN:
                self._unknown.setdefault(candidate.batch, []).append(candidate)
        at, of = self._hits(numbers)
        for candidate in candidates:
            low, high = np.searchsorted(at, (candidate.start, candidate.start + candidate.count)).tolist()
            if low == high:
                continue
            found = np.bincount(of[low:high], minlength=len(self._ids))
            for start, count in candidate.gaps:
                low, high = np.searchsorted(at, (start, start + count)).tolist()
                found -= np.bincount(of[low:high], minlength=len(self._ids))
            for index in np.flatnonzero(found == self._sizes).tolist():
                self._holders[index].append(candidate)

    def narrow(self) -> int:
        """Drop the ids without an unknown chunk; returns how many are left.

        Call it after all batches with unknown chunks: the other batches matter only to the remaining ids.
        """
        kept = [index for index, holders in enumerate(self._holders) if self._speaks(holders)]
        self._ids = [self._ids[index] for index in kept]
        self._holders = [self._holders[index] for index in kept]
        self._arrange()
        return len(kept)

    def traces(self) -> list[Trace]:
        """What was found, in the order of the ids."""
        found = []
        for of, held in zip(self._ids, self._holders, strict=True):
            holders = tuple(sorted((*held, *self._lost), key=lambda candidate: candidate.id))
            found.append(Trace(of, holders, tuple(self._proven(of, held))))
        return found

    def _speaks(self, holders: Sequence[Candidate]) -> bool:
        """Whether an unknown chunk may be proven by an id that these hold."""
        if any(candidate.state is State.UNKNOWN for candidate in (*holders, *self._lost)):
            return True
        return any(_within(chunk, holder) for holder in holders for chunk in self._unknown.get(holder.batch, ()))

    def _proven(self, of: UnexplainedId, holders: Sequence[Candidate]) -> list[Candidate]:
        """The unknown chunks that every holder contains, if the holders are attempts for the same recipients."""
        if self._lost or len({candidate.batch for candidate in (*holders, *of.named)}) != 1:
            return []
        if all(of.first_ms < candidate.at_ms - CLOCKS_APART_MS for candidate in holders):
            return []
        if any(not any(_within(chunk, holder) for holder in holders) for chunk in of.named):
            return []
        chunks = self._unknown.get(holders[0].batch, ()) if holders else ()
        return [chunk for chunk in chunks if all(_within(chunk, holder) for holder in holders)]

    def _arrange(self) -> None:
        """All numbers of all ids in order, each with its id."""
        self._sizes = np.array([len(each.numbers) for each in self._ids], np.int64)
        numbers = np.concatenate([np.empty(0, np.int64), *(each.numbers for each in self._ids)])
        order = np.argsort(numbers, kind="stable")
        self._of = np.repeat(np.arange(len(self._ids)), self._sizes)[order]
        self._distinct, self._first = np.unique(numbers[order], return_index=True)
        self._ends = np.append(self._first[1:], len(numbers))

    def _hits(self, numbers: Numbers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """(position in the batch, index of the id) of every number of theirs in this batch, by position."""
        if not len(self._distinct) or not len(numbers):
            return np.empty(0, np.intp), np.empty(0, np.intp)
        key = np.minimum(np.searchsorted(self._distinct, numbers), len(self._distinct) - 1)
        positions = np.flatnonzero(self._distinct[key] == numbers)
        first, times = self._first[key[positions]], (self._ends - self._first)[key[positions]]
        starts = np.cumsum(times) - times
        rows = np.arange(int(times.sum())) - np.repeat(starts - first, times)
        return np.repeat(positions, times), self._of[rows]


def conclude(traces: Sequence[Trace], late: Sequence[LateAnswer] = ()) -> list[Proof]:
    """The unknown chunks of an account that are proven to be sent, each once.

    Every id belongs to one attempt. If more ids claim a chunk than attempts can have, one of the ids is foreign, and
    nothing is guessed. Of several ids the chunk is resolved under the one that fits the fewest.
    """
    claims: dict[int, list[Trace]] = {}
    chunks: dict[int, Candidate] = {}
    for trace in traces:
        for chunk in trace.proves:
            chunks[chunk.id] = chunk
            claims.setdefault(chunk.id, []).append(trace)
    proofs: dict[int, Proof] = {}
    for answer in late:
        proofs.setdefault(answer.chunk.id, Proof(answer.chunk, answer.vendor_id))
    for chunk_id, claiming in claims.items():
        if _each_has_its_own(claiming):
            best = min(claiming, key=lambda trace: (len(trace.holders), -trace.of.first_ms, trace.of.vendor_id))
            proofs[chunk_id] = Proof(chunks[chunk_id], best.of.vendor_id, best.of, len(best.holders))
    return list(proofs.values())


def _each_has_its_own(traces: Sequence[Trace]) -> bool:
    """Whether every id can be another attempt's: a matching of ids and holders (Kuhn's algorithm)."""
    has: dict[int, int] = {}  # holder -> index of the id it has

    def find(index: int, tried: set[int]) -> bool:
        for holder in traces[index].holders:
            if holder.id not in tried:
                tried.add(holder.id)
                if holder.id not in has or find(has[holder.id], tried):
                    has[holder.id] = index
                    return True
        return False

    return all(find(index, set()) for index in range(len(traces)))


def _within(chunk: Candidate, other: Candidate) -> bool:
    """Whether every recipient of the chunk is one of the other's, in the same batch."""
    return chunk.batch == other.batch and not without(chunk.ranges, other.ranges)
