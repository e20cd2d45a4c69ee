"""What is due when: millions of pending reports as packed rows, 24 bytes each; no object and no timer per report.

Pure: `now_s` is an argument. Rows wait in buckets of a quarter of a second, unsorted; a bucket is sorted when its turn
comes, and only it: a long backlog costs nothing more than a short one.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

ROW = np.dtype([("due_s", "f8"), ("entry", "i4"), ("place", "i4"), ("status", "u1"), ("attempt", "u1")], align=True)
Rows = NDArray[np.void]

BUCKET_S = 0.25
NOTHING: Rows = np.empty(0, ROW)
WORDS = ROW.itemsize // 8


class Schedule:
    """Rows by due time."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Rows]] = {}
        self._keys: list[int] = []  # a heap of theirs
        self._key = 0  # of the bucket being emptied
        self._sorted: Rows = NOTHING  # that bucket
        self._cursor = 0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, rows: Rows) -> None:
        """Any number of rows, in any order; those with the same due time keep it."""
        if not rows.size:
            return
        self._size += rows.size
        keys = (rows["due_s"] // BUCKET_S).astype(np.int64)
        first = int(keys.min())
        span = int(keys.max()) - first
        if not span:
            self._put(first, rows)
            return
        keys -= first
        if span < 1 << 16:
            keys = keys.astype(np.uint16)  # sorted by counting, ten times faster
        order = np.argsort(keys, kind="stable")
        rows, keys = _gather(rows, order), keys[order]
        starts = np.flatnonzero(keys[1:] != keys[:-1]) + 1
        for start, end in zip([0, *starts.tolist()], [*starts.tolist(), rows.size], strict=True):
            self._put(first + int(keys[start]), rows[start:end])

    def _put(self, key: int, rows: Rows) -> None:
        if key <= self._key and self._cursor < self._sorted.size:
            rest, self._sorted, self._cursor = self._sorted[self._cursor :], NOTHING, 0
            self._append(self._key, rest)
        self._append(key, rows)

    def _append(self, key: int, rows: Rows) -> None:
        if key not in self._buckets:
            self._buckets[key] = []
            heapq.heappush(self._keys, key)
        self._buckets[key].append(rows)

    def take(self, now_s: float, count_max: int) -> Rows:
        """At most `count_max` rows that are due, earliest first; they are no longer in the schedule."""
        taken: list[Rows] = []
        while count_max > 0:
            if self._cursor == self._sorted.size and not self._next_bucket(now_s):
                break
            due = int(np.searchsorted(self._sorted["due_s"], now_s, side="right"))
            end = min(due, self._cursor + count_max)
            if end == self._cursor:
                break
            taken.append(self._sorted[self._cursor : end])
            count_max -= end - self._cursor
            self._cursor = end
        if not taken:
            return NOTHING
        rows = taken[0] if len(taken) == 1 else np.concatenate(taken)
        self._size -= rows.size
        return rows

    def _next_bucket(self, now_s: float) -> bool:
        if not self._keys or self._keys[0] * BUCKET_S > now_s:
            return False
        self._key = heapq.heappop(self._keys)
        rows = np.concatenate(self._buckets.pop(self._key))
        self._sorted = _gather(rows, np.argsort(rows["due_s"], kind="stable"))
        self._cursor = 0
        return True


def _gather(rows: Rows, order: NDArray[np.intp]) -> Rows:
    """`rows[order]`, but by whole words: numpy copies structured rows one field at a time."""
    words = np.ascontiguousarray(rows).view(np.uint64).reshape(-1, WORDS)
    return words.take(order, axis=0).reshape(-1).view(ROW)
