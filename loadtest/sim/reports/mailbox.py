"""What waits until it is fetched: packed rows that become ready at their time and are handed out page by page.

Pure: `now_s` is an argument. How often a page is handed out is the `mode` (AMB-COSMS-9):

    destructive              once
    repeat_until_next_poll   twice: the next request gets the same page, the one after it the next page
    repeat_always            again and again: when nothing is new, the pages come round from the first
"""

from __future__ import annotations

from collections import deque

import numpy as np

from loadtest.sim.reports.schedule import NOTHING, Rows, Schedule


class Mailbox:
    """Rows by the time they become ready (schedule.py). `expired` are those not fetched in time."""

    def __init__(self) -> None:
        self.schedule = Schedule()
        self.expired: list[Rows] = []
        self._pages: deque[Rows] = deque()  # given before, to be given again

    def __len__(self) -> int:
        return len(self.schedule)

    def page(self, now_s: float, count_max: int, mode: str, since_s: float) -> Rows:
        """At most `count_max` ready rows, none that was ready before `since_s`."""
        if mode == "destructive":
            self._pages.clear()
        self._forget(since_s)
        if mode == "repeat_until_next_poll" and self._pages:
            shown = self._pages.popleft()
            self._pages.clear()
            return shown
        fresh = self._fresh(now_s, count_max, since_s)
        if not fresh.size:
            if self._pages:
                self._pages.rotate(-1)
                return self._pages[-1]
            return NOTHING
        if mode != "destructive":
            self._pages.append(fresh)
        return fresh

    def _fresh(self, now_s: float, count_max: int, since_s: float) -> Rows:
        while True:
            rows = self.schedule.take(now_s, count_max)
            late = rows["due_s"] < since_s
            if not late.any():
                return rows
            self.expired.append(rows[late])
            if not late.all():
                self.schedule.put(rows[~late])

    def _forget(self, since_s: float) -> None:
        while self._pages and (self._pages[0]["due_s"] < since_s).any():
            left = self._pages.popleft()
            left = left[left["due_s"] >= since_s]
            if left.size:
                self._pages.appendleft(left)

    def take_expired(self) -> Rows:
        """Those that expired since this was asked last."""
        gone, self.expired = self.expired, []
        return np.concatenate([NOTHING, *gone])
