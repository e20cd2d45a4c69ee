"""What is to be done later, in one heap with one timer, however many reports are to come."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple


class Due(NamedTuple):
    """A call at a moment of the clock, in seconds."""

    at_s: float
    order: int
    call: Callable[..., None]
    arguments: tuple[Any, ...]


class Schedule:
    """Calls in the order of their moments."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: list[Due] = []
        self._order = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf  # a timer of uvloop may not know when it is due

    def __len__(self) -> int:
        return len(self._due)

    def after(self, delay_s: float, call: Callable[..., None], *arguments: Any) -> None:
        """Call this after this many real seconds; at once if 0."""
        if delay_s <= 0:
            call(*arguments)
            return
        heapq.heappush(self._due, Due(self._clock() + delay_s, next(self._order), call, arguments))
        if self._timer is None or self._timer_s > self._due[0].at_s:
            self._arm()

    def run_all(self) -> None:
        """Call everything that is to come, now."""
        self._run(math.inf)

    def clear(self) -> None:
        """Forget what is to come."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._due:
            self._timer_s = self._due[0].at_s
            delay_s = max(self._timer_s - self._clock(), 0)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._run)

    def _run(self, until_s: float | None = None) -> None:
        self._timer = None
        until_s = self._clock() if until_s is None else until_s
        while self._due and self._due[0].at_s <= until_s:
            due = heapq.heappop(self._due)
            due.call(*due.arguments)
        self._arm()
