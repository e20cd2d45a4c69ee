"""The join of reports with the recipients of one batch, in columns: no object per recipient.

See docs/RESULTS.md, "The join and the results".

A batch in memory is its sorted numbers (8 bytes), the place of each in the list (2), its final report (1, or 2 if the
batch has more than 255 different codes) and the time (4): 15 bytes per recipient.

The first final report of a recipient wins; "first" is by its place in the `reports` topic, not by the time of matching,
so the result does not depend on the order in which reports and outcomes were read. Both orders agree while a recipient
has one vendor id. If a slice may have been taken twice (`contest`), the places are kept.

Pure. The numbers of a list's batch are distinct (the launch ensures it). A segment of a stream may have a number
several times (`has_twins`), but never twice in a chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from schemas.states import State

SEGMENT: Final = 4096
"""Recipients per stored piece of a batch: a single late report rewrites 20 KB, not the whole batch."""

SEGMENTS_MAX: Final = 16
NO_PLACE: Final = np.iinfo(np.int64).max
UNCONTESTED: Final = -1

Positions = NDArray[np.intp]
Finals = NDArray[np.unsignedinteger[Any]]
CodePair = tuple[int, str]
"""(state, vendor's code) of a final report; State.DELIVERED or State.FAILED."""


class SettledRows:
    """The result of `settle`, as row numbers of its input: `fresh` got their first final state, `replaced` another one.

    `replaced_was` are the previous pairs of the replaced recipients.
    """

    __slots__ = ("fresh", "replaced", "replaced_was")

    def __init__(self, fresh: Positions, replaced: Positions, replaced_was: list[CodePair]) -> None:
        self.fresh = fresh
        self.replaced = replaced
        self.replaced_was = replaced_was


class Columns:
    """One batch: each recipient's final report. Position = index in the batch's list."""

    __slots__ = ("_keys", "_places", "codes", "dirty", "finals", "has_twins", "places_in_log", "times")

    def __init__(self, numbers: NDArray[np.int64]) -> None:
        order = np.arange(len(numbers)) if _in_order(numbers) else np.argsort(numbers)
        self._keys = numbers[order]
        self.has_twins = bool((self._keys[1:] == self._keys[:-1]).any())
        if self.has_twins:
            order = np.argsort(numbers, kind="stable")  # places of equal numbers ascend
        self._places = order.astype(np.uint16)
        self.finals: Finals = np.zeros(len(numbers), np.uint8)
        self.times = np.zeros(len(numbers), np.uint32)
        self.codes: list[CodePair] = []
        self.places_in_log: NDArray[np.int64] | None = None
        self.dirty: set[int] = set()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def nbytes(self) -> int:
        """Memory of the columns."""
        extra = 0 if self.places_in_log is None else self.places_in_log.nbytes
        return self._keys.nbytes + self._places.nbytes + self.finals.nbytes + self.times.nbytes + extra

    def find(self, numbers: NDArray[np.int64], first: NDArray[np.intp] | None = None) -> Positions:
        """The position of each number; -1 if the batch does not have it.

        `first`, if `has_twins`: of a number that is there several times, the first position from there on.
        """
        if not len(self._keys):
            return np.full(len(numbers), -1, np.intp)
        if first is not None:
            return self._find_from(numbers, first)
        if _in_order(numbers):
            return self._find(numbers)
        by_number = np.argsort(numbers)
        positions = np.empty(len(numbers), np.intp)
        positions[by_number] = self._find(numbers[by_number])  # in order, the search stays in the cache
        return positions

    def _find(self, numbers: NDArray[np.int64]) -> Positions:
        at = np.searchsorted(self._keys, numbers)
        found = self._places.take(at, mode="clip").astype(np.intp)
        found[self._keys.take(at, mode="clip") != numbers] = -1
        return found

    def _find_from(self, numbers: NDArray[np.int64], first: NDArray[np.intp]) -> Positions:
        at = np.searchsorted(self._keys, numbers)
        while True:
            places = self._places.take(at, mode="clip")
            early = (places < first) & (self._keys.take(at + 1, mode="clip") == numbers) & (at + 1 < len(self._keys))
            if not early.any():
                break
            at[early] += 1
        found = places.astype(np.intp)
        found[self._keys.take(at, mode="clip") != numbers] = -1
        return found

    def reported(self, start: int, count: int) -> int:
        """How many of [start, start+count) have a final report."""
        return int(np.count_nonzero(self.finals[start : start + count]))

    def contest(self, start: int, count: int) -> None:
        """From now on keep the places of these recipients' reports: the vendor may take this slice twice.

        Called before any of them can have a report.
        """
        if self.places_in_log is None:
            self.places_in_log = np.full(len(self), UNCONTESTED, np.int64)
        part = self.places_in_log[start : start + count]
        part[part == UNCONTESTED] = NO_PLACE
        if len(part):
            self.dirty.update(range(start // SEGMENT, (start + len(part) - 1) // SEGMENT + 1))

    def settle(
        self,
        positions: Positions,
        pair: NDArray[np.intp],
        pairs: Sequence[CodePair],
        times: NDArray[np.uint32],
        places_in_log: Callable[[], NDArray[np.int64]],
    ) -> SettledRows:
        """Give these recipients their final states `pairs[pair]`, in the order of the rows; see the module's rule.

        `positions` are valid. `places_in_log`, called only if needed, grow with the row unless contested.
        """
        if self.places_in_log is None:
            return self._settle(positions, pair, pairs, times)
        places = places_in_log()
        rows: Positions = np.argsort(places, kind="stable").astype(np.intp)
        first = _first_of_each(positions[rows], len(self))
        rows = rows if first is None else rows[first]
        held = self.places_in_log[positions[rows]]
        rows = rows[(places[rows] < held) | ((held == UNCONTESTED) & (self.finals[positions[rows]] == 0))]
        at = positions[rows]
        was = self.finals[at]
        replaced = [self.codes[value - 1] for value in was[was != 0].tolist()]
        self._write(at, pair[rows], pairs, times[rows])
        self.places_in_log[at] = np.where(self.places_in_log[at] == UNCONTESTED, UNCONTESTED, places[rows])
        if replaced:
            used = set(np.flatnonzero(np.bincount(self.finals)).tolist())
            self._recode([code for value, code in enumerate(self.codes, 1) if value in used])
        return SettledRows(rows[was == 0], rows[was != 0], replaced)

    def _settle(
        self, positions: Positions, pair: NDArray[np.intp], pairs: Sequence[CodePair], times: NDArray[np.uint32]
    ) -> SettledRows:
        """`settle` for rows in the order of their places: a recipient with a final state keeps it."""
        fresh: Positions = np.arange(len(positions), dtype=np.intp)
        if (held := self.finals[positions] != 0).any():
            fresh = fresh[~held]
            positions = positions[fresh]
        first = _first_of_each(positions, len(self))
        if first is not None:
            fresh, positions = fresh[first], positions[first]
        if len(fresh) < len(pair):
            pair, times = pair[fresh], times[fresh]
        self._write(positions, pair, pairs, times)
        return SettledRows(fresh, np.empty(0, np.intp), [])

    def _write(
        self, at: Positions, pair: NDArray[np.intp], pairs: Sequence[CodePair], times: NDArray[np.uint32]
    ) -> None:
        if not len(at):
            return
        used = np.flatnonzero(_members(pair, len(pairs))).tolist()
        self._recode(sorted({*self.codes, *(pairs[number] for number in used)}))
        value_of = np.zeros(len(pairs), self.finals.dtype)
        value_of[used] = [1 + self.codes.index(pairs[number]) for number in used]
        self.finals[at] = value_of[pair]
        self.times[at] = times
        self.dirty.update(np.flatnonzero(_members(at // SEGMENT, len(self) // SEGMENT + 1)).tolist())

    def _recode(self, codes: list[CodePair]) -> None:
        """Use exactly these codes, sorted: a replay must give the same bytes."""
        if codes == self.codes:
            return
        value_of = {code: value for value, code in enumerate(codes, 1)}
        kind: type[np.unsignedinteger[Any]] = np.uint16 if len(codes) > 255 else np.uint8
        same = codes[: len(self.codes)] == self.codes and self.finals.dtype == kind
        if not same:
            renumber = np.array([0, *(value_of.get(code, 0) for code in self.codes)], kind)
            self.finals = renumber[self.finals]
            self.dirty.update(self._held())
        self.codes = codes

    def _held(self) -> list[int]:
        """The segments that hold a final report."""
        return np.flatnonzero(np.bincount(np.flatnonzero(self.finals) // SEGMENT)).tolist()


def _in_order(numbers: NDArray[np.int64]) -> bool:
    """Whether they are sorted: the check costs a hundredth of sorting."""
    return bool((numbers[1:] >= numbers[:-1]).all())


def _members(values: NDArray[np.integer[Any]], size: int) -> NDArray[np.bool_]:
    """Which of 0 to `size` are among the values."""
    found = np.zeros(size, np.bool_)
    found[values] = True
    return found


def _first_of_each(positions: Positions, size: int) -> Positions | None:
    """The rows that are the first of their position, in row order; None, the usual case: all rows."""
    if np.count_nonzero(_members(positions, size)) == len(positions):
        return None
    rows = np.arange(len(positions), dtype=np.intp)
    first = np.empty(size, np.intp)
    first[positions[::-1]] = rows[::-1]  # of repeated indices the last assignment stays: the first row
    return np.flatnonzero(first[positions] == rows).astype(np.intp)


def states_of(codes: list[CodePair]) -> NDArray[np.uint8]:
    """The recipient's state by `finals` value; 0 stands for "no report" (the chunk decides) and maps to QUEUED."""
    return np.array([State.QUEUED, *(state for state, _ in codes)], np.uint8)
