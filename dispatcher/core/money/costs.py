"""What each recipient of a batch costs at one account, for budgets. Pure; micro-yuan."""

from __future__ import annotations

from typing import Final

import numpy as np

from dispatcher.core.money.prices import Column
from schemas.records import Cost

UNEVEN_MAX: Final = 2_000
"""Recipients of a chunk whose costs differ: each takes a byte in its intent, and in a checkpoint while it is open."""

KINDS_MAX: Final = 255


class Costs:
    """The costs of a batch's recipients, in order; `changes`: (from when, the costs then), in the order of time."""

    __slots__ = ("_before", "_changes", "_each")

    def __init__(self, each: Column, changes: tuple[tuple[int, Column], ...] = ()) -> None:
        self._changes: Final = changes
        self._each: Final = each
        self._before: Final[Column] = np.concatenate(([0], np.cumsum(each)))

    def at(self, now_ms: int) -> Costs:
        """What they cost if they are sent now."""
        if not self._changes or now_ms < self._changes[0][0]:
            return self
        [*_, (_, each)] = [change for change in self._changes if change[0] <= now_ms]
        return Costs(each)

    def of(self, start: int, count: int) -> int:
        """What these recipients cost together."""
        return int(self._before[start + count] - self._before[start])

    def affordable(self, start: int, count: int, amount: int) -> int:
        """How many of these recipients, from the first on, cost at most this together."""
        if amount < 0:
            return 0
        return min(count, int(np.searchsorted(self._before, self._before[start] + amount, side="right")) - 1 - start)

    def in_one_intent(self, start: int, count: int) -> int:
        """How many of these recipients, from the first on, may be in one intent."""
        if not (self._each[start : start + count] != self._each[start]).any():
            return count
        count = min(count, UNEVEN_MAX)
        if len(np.unique(self._each[start : start + count])) > KINDS_MAX:
            return min(count, KINDS_MAX)
        return count

    def packed(self, start: int, count: int) -> Cost:
        """What they cost, for their intent."""
        kinds, index = np.unique(self._each[start : start + count], return_inverse=True)
        if len(kinds) == 1:
            return Cost(self.of(start, count))
        return Cost(self.of(start, count), tuple(kinds.tolist()), index.astype(np.uint8).tobytes())
