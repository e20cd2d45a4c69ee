"""The judge of an account's flow limit: an exact sliding window over arrivals, and how much of the limit was used.

A request arrives when the kernel takes in its first byte (loadtest/sim/http/arrival_times.py), before anything is read
or parsed, however long its body takes or it waits. No clock here: the arrivals are arguments, in real seconds, and may
come out of order.

A window is [t, t + per_s) and starts at an arrival; one that starts elsewhere cannot weigh more than the next one that
does.
"""

from __future__ import annotations

from array import array
from collections import deque
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PENDING_MAX = 1 << 18  # arrivals kept as they are; older ones are folded into the counters
LATE_S_MAX = 5.0  # bodies finish out of order: an arrival may be told this much after a newer one


class Arrival(NamedTuple):
    at_s: float
    weight: int


@dataclass(slots=True)
class Verdict:
    """What the judge saw. `limit_used` is None until `active_s` is at least one window."""

    limit: int
    per_s: float
    unit: str
    windows_over_limit: int
    window_max: int
    limit_used: float | None
    active_s: float
    used: int


class Judge:
    """`limit` messages, requests or parts in any `per_s` seconds; 0 means no limit (weights are still recorded).

    `limit_used`: every arrival's accepted weight pays for the gap to the next arrival, so the last one of a busy
    stretch does not count; a gap longer than `idle_s` is not busy. Used is the sum of those weights over limit x (sum
    of those gaps) / per_s: 1.0 is the limit exactly, whatever the chunk size.
    """

    def __init__(self, limit: int, per_s: float, unit: str = "messages", idle_s: float = 2.0) -> None:
        self.limit = limit
        self.per_s = per_s
        self.unit = unit
        self.idle_s = idle_s
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._at = array("d")
        self._offered = array("q")
        self._accepted = array("q")
        self._over = 0
        self._max = 0
        self._used = 0
        self._active_s = 0.0
        self._older: deque[Arrival] = deque()
        self._window: deque[Arrival] = deque()
        self._window_weight = 0
        self._newest_s = float("-inf")

    def fits(self, at_s: float, weight: int) -> bool:
        """Would accepting this arrival keep every window within the limit? O(1) amortised; slower only for one told
        late.
        """
        if not self.limit:
            return True
        if at_s < self._newest_s:
            return self._fits_late(at_s, weight)
        self._slide(at_s)
        return self._window_weight + weight <= self.limit

    def arrive(self, at_s: float, weight: int, accepted: bool) -> None:
        """Record one arrival; `weight` counts in the windows whether it was accepted or not."""
        self._at.append(at_s)
        self._offered.append(weight)
        self._accepted.append(weight if accepted else 0)
        if len(self._at) >= PENDING_MAX:
            self._fold()
        if not accepted or not self.limit:
            return
        if at_s < self._newest_s:
            self._rebuild(Arrival(at_s, weight))
        else:
            self._slide(at_s)
            self._window.append(Arrival(at_s, weight))
            self._window_weight += weight

    def arrive_together(self, at_s: float, count: int) -> None:
        """Record this many accepted arrivals of weight 1 at one moment. ValueError if there is a limit to enforce."""
        if self.limit:
            raise ValueError("with a limit each arrival is judged by itself")
        self._at.extend(repeat(at_s, count))
        self._offered.extend(repeat(1, count))
        self._accepted.extend(repeat(1, count))
        if len(self._at) >= PENDING_MAX:
            self._fold()

    def verdict(self) -> Verdict:
        """The figures so far."""
        at_s, offered, accepted = self._sorted()
        over, heaviest = self._windows(at_s, offered, at_s.size)
        used, active_s = self._use(at_s, accepted, at_s.size)
        used += self._used
        active_s += self._active_s
        share = used * self.per_s / (self.limit * active_s) if self.limit and active_s >= self.per_s else None
        if share is not None and not self._over + over:
            share = min(share, 1.0)  # a first window filled early weighs more than its time, and is within the limit
        return Verdict(
            self.limit, self.per_s, self.unit, self._over + over, max(self._max, heaviest), share, active_s, used
        )

    # enforcing: the accepted arrivals of the last window, and a little before it for those told late

    def _slide(self, now_s: float) -> None:
        window, older = self._window, self._older
        self._newest_s = now_s
        start_s = now_s - self.per_s
        while window and window[0].at_s <= start_s:
            gone = window.popleft()
            self._window_weight -= gone.weight
            older.append(gone)
        while older and older[0].at_s <= start_s - LATE_S_MAX:
            older.popleft()

    def _fits_late(self, at_s: float, weight: int) -> bool:
        around = sorted(
            [a for a in (*self._older, *self._window) if abs(a.at_s - at_s) < self.per_s] + [Arrival(at_s, weight)]
        )
        for first, start in enumerate(around):
            if start.at_s > at_s:
                break
            if sum(a.weight for a in around[first:] if a.at_s < start.at_s + self.per_s) > self.limit:
                return False
        return True

    def _rebuild(self, late: Arrival) -> None:
        everything = sorted((*self._older, *self._window, late))
        start_s = self._newest_s - self.per_s
        self._older = deque(a for a in everything if a.at_s <= start_s)
        self._window = deque(a for a in everything if a.at_s > start_s)
        self._window_weight = sum(a.weight for a in self._window)

    # judging: numpy over the arrivals

    def _sorted(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        at_s = np.array(self._at, dtype=np.float64)
        order = np.argsort(at_s, kind="stable")
        return (
            at_s[order],
            np.array(self._offered, dtype=np.int64)[order],
            np.array(self._accepted, dtype=np.int64)[order],
        )

    def _windows(self, at_s: NDArray[np.float64], weights: NDArray[np.int64], first_n: int) -> tuple[int, int]:
        """Of the windows starting at the first `first_n` arrivals: how many are over, and the heaviest."""
        if not first_n:
            return 0, 0
        total = np.concatenate(([0], np.cumsum(weights)))
        ends = np.searchsorted(at_s, at_s[:first_n] + self.per_s, side="left")
        inside = total[ends] - total[:first_n]
        over = int((inside > self.limit).sum()) if self.limit else 0
        return over, int(inside.max())

    def _use(self, at_s: NDArray[np.float64], weights: NDArray[np.int64], first_n: int) -> tuple[int, float]:
        gaps = np.diff(at_s)[:first_n]
        busy = gaps <= self.idle_s
        return int(weights[: gaps.size][busy].sum()), float(gaps[busy].sum())

    def _fold(self) -> None:
        """Move what can no longer change into the counters: memory stays bounded however long the run."""
        at_s, offered, accepted = self._sorted()
        done = int(np.searchsorted(at_s, at_s[-1] - self.per_s - LATE_S_MAX, side="left"))
        over, heaviest = self._windows(at_s, offered, done)
        used, active_s = self._use(at_s, accepted, done)
        self._over += over
        self._max = max(self._max, heaviest)
        self._used += used
        self._active_s += active_s
        self._at = array("d", at_s[done:].tobytes())
        self._offered = array("q", offered[done:].tobytes())
        self._accepted = array("q", accepted[done:].tobytes())
