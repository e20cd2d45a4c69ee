"""Virtual time and the story of one history: events in order, what happened in words, a wall clock nobody may trust.

Everything that decides is the code that ships (dispatcher/core); what is made up is only the outside: the log
(sim_log.py), the vendor (sim_vendor.py), when a process dies, freezes or wakes up (process.py). One seed, one history.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Collection
from typing import Any, Final, Protocol

import msgspec

ACCOUNT: Final = "spring"
START_S: Final = 1_000.0
WALL_S: Final = 1_790_000_000.0
TOLD: Final = 60
STANDSTILL_EVENTS: Final = 10_000
EVENTS_MAX: Final = 1_000_000

CLOCK_AHEAD_MS: Final = 3_600_000
"""The most by which a process's wall clock is ahead of the world's."""


class Broken(AssertionError):
    """A guarantee did not hold; the message names the seed, what it was, and what happened before."""


class Mortal(Protocol):
    """A process as far as time is concerned."""

    dead: bool
    frozen_until_s: float


class Line(msgspec.Struct, frozen=True):
    """One line of the story, put into words only if it is told. `intent` is the chunk it is about, if any."""

    at_s: float
    text: str
    parts: tuple[Any, ...]
    intent: int | None

    def __str__(self) -> str:
        return f"{self.at_s - START_S:9.3f} {self.text % self.parts}"


class World:
    """Events in order; an event of a dead process never happens, one of a frozen process happens late."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.now_s = START_S
        self.wall_skew_s = 0.0
        self.setting = ""
        self.names = itertools.count()
        self._events: list[tuple[float, int, Mortal | None, Callable[[], None]]] = []
        self._serial = itertools.count()
        self.happened = 0
        self._story: list[Line] = []

    def at(self, when_s: float, do: Callable[[], None], process: Mortal | None = None) -> None:
        heapq.heappush(self._events, (when_s, next(self._serial), process, do))

    def after(self, delay_s: float, do: Callable[[], None], process: Mortal | None = None) -> None:
        self.at(self.now_s + delay_s, do, process)

    def run(self, until_s: float) -> None:
        """Let things happen until then. Raises Broken if too much happens at one and the same moment."""
        at_once = 0
        while self._events and self._events[0][0] <= until_s:
            when_s, _, process, do = heapq.heappop(self._events)
            at_once = at_once + 1 if when_s <= self.now_s else 0
            if at_once > STANDSTILL_EVENTS:
                raise self.broken("somebody is busy for ever, time stands still")
            self.happened += 1
            if self.happened > EVENTS_MAX:
                raise self.broken("somebody is busy for ever")
            self.now_s = max(self.now_s, when_s)
            if process is not None:
                if process.dead:
                    continue
                if process.frozen_until_s > self.now_s:
                    self.at(process.frozen_until_s, do, process)
                    continue
            do()
        self.now_s = until_s

    @property
    def now_ms(self) -> int:
        """The machine's wall clock, which jumps: nothing that decides may look at it."""
        return int((WALL_S + self.now_s + self.wall_skew_s) * 1000)

    # --- the story ---

    def say(self, text: str, *parts: Any, intent: int | None = None) -> None:
        """Something happened; `text % parts` says what."""
        self._story.append(Line(self.now_s, text, parts, intent))

    def broken_off(self, what: str, intents: Collection[int] = ()) -> None:
        """Raise the error for those who cannot."""
        raise self.broken(what, intents)

    def broken(self, what: str, intents: Collection[int] = ()) -> Broken:
        """The error to raise: with all that happened to these chunks, or else with what happened last."""
        whom = set(intents)
        if whom:
            lines = [line for line in self._story if line.intent is None or line.intent in whom]
            first = next((n for n, line in enumerate(lines) if line.intent in whom), 0)
            last = max((n for n, line in enumerate(lines) if line.intent in whom), default=0)
            lines = lines[max(0, first - 5) : last + 6]
        else:
            lines = self._story
        told = "\n".join(str(line) for line in lines[-TOLD:])
        now = f"{self.now_s - START_S:.3f} s"
        return Broken(f"seed {self.seed}, at {now}: {what}\n{self.setting}\n{told}")
