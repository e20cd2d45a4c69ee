"""What is due when: millions of pending reports as packed rows, 18 bytes each; no object and no timer per report.

Pure: `now_s` is an argument. Rows wait in buckets of a quarter of a second, unsorted; a bucket is sorted when its time
comes.
"""

from __future__ import annotations

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
            self._buckets.setdefault(int(first), []).append(rows)
            return
        order = np.argsort(keys, kind="stable")
        rows, keys = rows[order], keys[order]
        starts = np.flatnonzero(np.diff(keys, prepend=keys[0] - 1))
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), rows.size], strict=True):
            self._buckets.setdefault(int(keys[start]), []).append(rows[start:end])

    def take(self, now_s: float, count_max: int) -> Rows:
        """At most `count_max` rows that are due, earliest first; they are no longer in the schedule."""
        ready = [key for key in self._buckets if key * BUCKET_S <= now_s]
        if ready:
            parts = [self._sorted[self._cursor :]]
            for key in sorted(ready):
                parts.extend(self._buckets.pop(key))
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

    def clear(self) -> None:
        """Forget all."""
        self.__init__()  # type: ignore[misc]
