"""The suppression list as lanes obey it: which recipients of a batch are on it when their chunk is announced. Pure.

The list itself is dispatcher/core/suppression.py. A lane announces nothing while its reading of the list is older than
AGE_MAX_S: whoever was on the list that long ago is in no new request, and a list that cannot be read stops the lane.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import Numbers
from dispatcher.core.ranges import Ranges
from dispatcher.core.suppression import ascending_once, contains, keys

AGE_MAX_S: Final = 60.0
CHANGES_MAX: Final = 256
"""Changes of the list that a judged batch may be behind without a look at all of its numbers."""


class Suppressed:
    """The numbers on the list, as far as it was read; the lanes of a process share it. Times are monotonic seconds.

    `serial` grows with every change. `read_s`: every change is in it that was on the log then.
    """

    def __init__(self, read_s: float = float("-inf")) -> None:
        self.numbers: Numbers = np.empty(0, np.int64)
        self.serial = 0
        self.read_s = read_s
        self._changes: deque[Numbers] = deque(maxlen=CHANGES_MAX)

    def read(self, numbers: Numbers, touched: Numbers | None, began_s: float) -> None:
        """The list is these ascending numbers, by a reading that began then.

        `touched` were put on it or taken off since the reading before; None: it was read from its beginning.
        """
        self.read_s = began_s
        if touched is None:
            self._changes.clear()
        elif len(touched):
            self._changes.append(touched)
        else:
            return
        self.numbers = numbers
        self.serial += 1

    @property
    def stale_s(self) -> float:
        """When it is too old, unless it is read before."""
        return self.read_s + AGE_MAX_S

    def is_current(self, now_s: float) -> bool:
        """Whether it was read lately."""
        return now_s <= self.stale_s

    def touched_since(self, serial: int) -> Numbers | None:
        """The numbers that were touched after this serial; None: not known any more."""
        behind = self.serial - serial
        if behind > len(self._changes):
            return None
        return ascending_once(np.concatenate(list(self._changes)[len(self._changes) - behind :]))


class JudgedBatch:
    """Which recipients of a batch are on the list. Raises ValueError if its numbers cannot be read."""

    __slots__ = ("_is_listed", "_keys", "_serial")

    def __init__(self, numbers: Numbers, suppressed: Suppressed) -> None:
        self._keys: Final = keys(numbers)
        self._serial = suppressed.serial
        self._is_listed: NDArray[np.bool_] = contains(suppressed.numbers, self._keys)

    def left_out(self, suppressed: Suppressed, start: int, count: int) -> Ranges:
        """The positions among the recipients [start, start+count) that are on the list now."""
        if self._serial != suppressed.serial:
            self._judge_again(suppressed)
        at = np.flatnonzero(self._is_listed[start : start + count])
        if not len(at):
            return ()
        first = np.flatnonzero(np.append(True, np.diff(at) > 1))
        counts = np.diff(np.append(first, len(at)))
        return tuple(zip(at[first].tolist(), counts.tolist(), strict=True))

    def _judge_again(self, suppressed: Suppressed) -> None:
        touched = suppressed.touched_since(self._serial)
        self._serial = suppressed.serial
        if touched is None:
            self._is_listed = contains(suppressed.numbers, self._keys)
            return
        concerned = np.flatnonzero(contains(touched, self._keys))
        self._is_listed[concerned] = contains(suppressed.numbers, self._keys[concerned])
