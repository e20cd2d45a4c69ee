"""What is due when: millions of pending reports as packed rows, 18 bytes each; no object and no timer per report.

Pure: `now_s` is an argument. Rows wait in buckets of a quarter of a second, unsorted; a bucket is sorted when its time
comes.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

ROW = np.dtype([("due_s", "f8"), ("entry", "i4"), ("place", "i4"), ("status", "u1"), ("attempt", "u1")])
Rows = NDArray[np.void]

BUCKET_S = 0.25
NOTHING: Rows = np.empty(0, ROW)


class Schedule:
    """Rows by due time."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Rows]] = {}
        self._keys: list[int] = []  # a heap of theirs
        self._sorted: Rows = NOTHING  # of buckets whose time has come
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
        first = keys[0]
        if (keys == first).all():
            self._put(int(first), rows)
            return
        order = np.argsort(keys, kind="stable")
        rows, keys = rows[order], keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), rows.size], strict=True):
            self._put(int(keys[start]), rows[start:end])

    def _put(self, key: int, rows: Rows) -> None:
        if key not in self._buckets:
            self._buckets[key] = []
            heapq.heappush(self._keys, key)
        self._buckets[key].append(rows)

    def take(self, now_s: float, count_max: int) -> Rows:
        """At most `count_max` rows that are due, earliest first; they are no longer in the schedule."""
        if self._keys and self._keys[0] * BUCKET_S <= now_s:
            parts = [self._sorted[self._cursor :]]
            while self._keys and self._keys[0] * BUCKET_S <= now_s:
                parts.extend(self._buckets.pop(heapq.heappop(self._keys)))
            together = np.concatenate(parts)
            self._sorted = together[np.argsort(together["due_s"], kind="stable")]
            self._cursor = 0
        end = min(
            int(np.searchsorted(self._sorted["due_s"], now_s, side="right")),
            self._cursor + count_max,
        )
        taken = self._sorted[self._cursor : end]
        self._cursor = end
        self._size -= taken.size
        return taken
