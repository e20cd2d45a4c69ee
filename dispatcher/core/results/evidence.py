"""Evidence: candidate chunks for reports whose vendor id appears in no outcome.

See docs/ARCHITECTURE.md, "What becomes of an unknown chunk".

A vendor gives one id to each request it takes, and reports under it. An id that no answer told us is therefore of a
chunk whose id we do not know (a candidate): unknown; still in flight, its answer not read yet; accepted without an id;
or returned to the queue while it was unknown, by policy or by a person, which the vendor may have taken all the same.
It holds every number that was reported under the id. If only one candidate does, and it is unknown, then it was taken.
In every other case nothing is guessed.

Pure. Who calls it sees to it that every intent is known that was on the log before the first report of the id was.

Weak spots: another program that sends on the same account, to a number of an unknown chunk, looks like that chunk; and
it says nothing about vendors that give an id to each recipient (a report there proves one message, not the chunk).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.states import State

CLOCKS_APART_MS: Final = 5_000
"""By how much the clocks of two machines may differ: an id that was reported before the chunk's intent is not its."""

Numbers = NDArray[np.int64]


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A chunk whose vendor id is not known: recipients [start, start+count) of batch `batch`, intent of `at_ms`.

    `id` and `batch` are places in the log (join_journal.lane_place, spread_place).
    """

    id: int
    batch: int
    campaign: str
    start: int
    count: int
    state: State
    at_ms: int


class Unexplained(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor id that no outcome explains, with `numbers` (distinct, none 0, at least one) reported under it.

    `numbers` may be a part of them. `reports` are rows; the first came at `first_ms` in the record `first_offset`
    of the account's partition of `reports`.
    """

    vendor_id: str
    numbers: Numbers
    reports: int
    first_offset: int
    first_ms: int


class Trace(msgspec.Struct, frozen=True):
    """An unexplained id and the candidates that hold every number of it."""

    of: Unexplained
    holders: tuple[Candidate, ...]

    @property
    def proves(self) -> Candidate | None:
        """The chunk that was taken, as far as this id alone can tell; None where nothing may be guessed."""
        if len(self.holders) != 1 or self.holders[0].state is not State.UNKNOWN:
            return None
        return self.holders[0] if self.of.first_ms >= self.holders[0].at_ms - CLOCKS_APART_MS else None


class Search:
    """Finds the holders of many ids at once: `look` at every batch that candidates are of, in any order."""

    def __init__(self, ids: Sequence[Unexplained]) -> None:
        self._ids = list(ids)
        self._holders: list[list[Candidate]] = [[] for _ in ids]
        self._arrange()

    def look(self, numbers: Numbers | None, candidates: Sequence[Candidate]) -> None:
        """One batch's numbers, in list order, and the candidates of it.

        `numbers` None: the log cannot give them any more. Then these candidates may hold anything.
        """
        if numbers is None:
            for holders in self._holders:
                holders.extend(candidates)
            return
        at, of = self._hits(numbers)
        for candidate in candidates:
            low, high = np.searchsorted(at, (candidate.start, candidate.start + candidate.count)).tolist()
            if low == high:
                continue
            found = np.bincount(of[low:high], minlength=len(self._ids))
            for index in np.flatnonzero(found == self._sizes).tolist():
                self._holders[index].append(candidate)

    def narrow(self) -> int:
        """Forget the ids that no unknown chunk holds; how many are left.

        Call it when all batches with unknown chunks were looked at: the others are of interest to what is left only.
        """
        kept = [n for n, holders in enumerate(self._holders) if any(c.state is State.UNKNOWN for c in holders)]
        self._ids = [self._ids[index] for index in kept]
        self._holders = [self._holders[index] for index in kept]
        self._arrange()
        return len(kept)

    def traces(self) -> list[Trace]:
        """What was found, in the order of the ids."""
        found = zip(self._ids, self._holders, strict=True)
        return [Trace(of, tuple(sorted(holders, key=lambda c: c.id))) for of, holders in found]

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


def conclude(traces: Sequence[Trace]) -> list[Trace]:
    """Of all traces of an account, those that prove their chunk: each chunk by one id only.

    Two ids for one chunk cannot both be its own: then one is a stranger's, and nothing is guessed.
    """
    proven = [(trace, chunk) for trace in traces if (chunk := trace.proves) is not None]
    claims: dict[int, int] = {}
    for _, chunk in proven:
        claims[chunk.id] = claims.get(chunk.id, 0) + 1
    return [trace for trace, chunk in proven if claims[chunk.id] == 1]
