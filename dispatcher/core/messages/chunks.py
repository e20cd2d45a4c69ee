"""Cuts a batch into chunks: a batch is one buffer, a chunk a slice of it; no split, no join, no copy per number.

A chunk ends at the first limit: numbers, or characters of the joined list (COSMS `Mobs`, vendors.md 1.5). In a
personalised batch it also ends where the next text cannot share its request (personal.py). If every number has 11
digits (the usual case) the stride is fixed; otherwise the positions of the commas are found once per batch.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

import numpy as np

from dispatcher.core.messages.personal import ChunkTexts, Personal
from dispatcher.core.money.costs import Costs

_STRIDE: Final = 12
_COMMA: Final = ord(",")


class Batch:
    """A batch's comma-joined numbers and their positions. Raises ValueError if `count` is wrong.

    `personal`: the texts of a personalised campaign's recipients. `costs`: what they cost, in a campaign with a budget.
    """

    __slots__ = ("_personal", "_starts", "costs", "count", "data")

    def __init__(self, data: bytes, count: int, personal: Personal | None = None, costs: Costs | None = None) -> None:
        self._personal: Final = personal
        self.costs: Final = costs
        self.data: Final = memoryview(data)
        self.count: Final = count
        self._starts: memoryview | None = None
        is_comma = np.frombuffer(data, np.uint8) == _COMMA
        commas = int(np.count_nonzero(is_comma))
        if count < 1 or commas != count - 1:
            raise ValueError(f"a batch of {count} numbers has {commas} commas")
        if len(data) != _STRIDE * count - 1 or not is_comma[_STRIDE - 1 :: _STRIDE].all():
            starts = np.empty(count + 1, np.int64)
            starts[0] = 0
            np.add(np.flatnonzero(is_comma), 1, out=starts[1:-1])
            starts[-1] = len(data) + 1
            self._starts = starts.data

    @property
    def begin(self) -> int:
        """The position of its first recipient."""
        return 0

    @property
    def end(self) -> int:
        """The position behind its last recipient."""
        return self.count

    @property
    def is_personal(self) -> bool:
        """Whether recipients have texts of their own."""
        return self._personal is not None

    def cut(self, start: int, end: int, numbers_max: int, chars_max: int | None = None, numbers_min: int = 1) -> int:
        """How many of the recipients [start, end) go into the next chunk: at least 1, within both limits.

        If the limits allow, it leaves at least `numbers_min` for the last chunk (AMB-BATCH-5).
        """
        count = end - start
        if numbers_max < count:
            count = numbers_max
        if chars_max is not None:
            fitting = (chars_max + 1) // _STRIDE if self._starts is None else self._fitting(start, chars_max)
            if fitting < count:
                count = fitting
        rest = end - start - count
        if 0 < rest < numbers_min:
            count = max(count - (numbers_min - rest), min(numbers_min, count))
        if self._personal is not None:
            count = self._personal.cut(start, start + (count or 1))
        return count or 1

    def parts(self, start: int, count: int, segments: int) -> int:
        """How many messages are billed for these recipients, if a plain campaign's text has `segments`."""
        return count * segments if self._personal is None else self._personal.parts(start, count)

    def texts(self, start: int, count: int) -> ChunkTexts | None:
        """The texts of these recipients; None if all recipients of the campaign get the same."""
        return None if self._personal is None else ChunkTexts(self._personal, start, count)

    def slice(self, start: int, count: int) -> memoryview:
        """The comma-joined numbers [start, start+count) as a view of the batch."""
        if self._starts is None:
            return self.data[start * _STRIDE : (start + count) * _STRIDE - 1]
        return self.data[self._starts[start] : self._starts[start + count] - 1]

    def _fitting(self, start: int, chars_max: int) -> int:
        """How many numbers from `start` on fit this many characters, by the positions of the commas."""
        starts = self._starts
        assert starts is not None
        farthest = min(start + chars_max // 2 + 2, self.count + 1)
        return bisect_right(starts, starts[start] + chars_max + 1, start, farthest) - 1 - start
