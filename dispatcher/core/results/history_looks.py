"""When a vendor's history is queried for unknown chunks, for which time, and which chunks an answer covers. Pure.

A chunk is searched for when no process can still send it, and again at growing intervals, with wider bounds for the
vendor's clock. A look queries the time of all due chunks, and of chunks near them; its answer counts for every unknown
chunk whose whole time was queried.

Times are Unix milliseconds of our clock (`at_ms`, `now_ms`); the vendor's clock may differ by the look's bound.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.results.history import Span, span

LOOKS: Final = ((0, 15), (120, 60), (600, 300), (3_600, 600), (6 * 3_600, 600))
"""(seconds after the earliest look, seconds by which the clocks may differ): no more looks than these."""

SETTLES_S: Final = 5
"""How long after the last moment of a request the first look is."""

CHUNKS_MAX: Final = 64
NEAR_S: Final = 120
"""A look includes new chunks that can have been sent at most this long before or after due ones."""

AFTER_FAILURE_S: Final = 30
FAILURES_MAX: Final = 5
"""After this many looks without an answer, the next failed look counts as a look."""


class SoughtChunk(msgspec.Struct):
    """An unknown chunk: its intent's time, its number of looks, how many recipients were found (-1: no look).

    `request_ms`: the longest from its intent to the end of its request.
    """

    at_ms: int
    request_ms: int
    looks: int = 0
    found: int = -1


class Look(msgspec.Struct, frozen=True):
    """One look: the time to query, and for each due chunk when it can have been sent."""

    whole: Span
    due: dict[int, Span]


class Spoken(msgspec.Struct, frozen=True):
    """A chunk that an answer covers. `complete`: the whole time in which it can have been sent was answered."""

    intent: int
    when: Span
    due: bool
    complete: bool

    def is_said(self, found: int, *, over: bool) -> bool:
        """Whether to report that only some of its recipients were found.

        `over`: the look is over. "None found" is reported only for due chunks: the others have their own look.
        """
        return over and (self.due or found > 0)


class HistoryLooks:
    """The unknown chunks of one account."""

    def __init__(self, window_s: int) -> None:
        self._window_ms = window_s * 1000
        self._not_before_ms = 0
        self._failures = 0
        self.chunks: dict[int, SoughtChunk] = {}

    def missing(self, unknown: set[int]) -> set[int]:
        """The intents among these, all unknown ones, whose times are missing here; drops others."""
        for gone in self.chunks.keys() - unknown:
            del self.chunks[gone]
        return unknown - self.chunks.keys()

    def add(self, intent: int, at_ms: int, request_ms: int) -> None:
        """Add an unknown chunk."""
        self.chunks.setdefault(intent, SoughtChunk(at_ms, request_ms))

    def is_due(self, now_ms: int) -> bool:
        """Whether there is a chunk to search for."""
        return now_ms >= self._not_before_ms and bool(self._due(now_ms))

    def begin(self, now_ms: int, month_ms: int) -> Look | None:
        """The next look; None if nothing is due. The vendor has nothing before `month_ms`."""
        due: dict[int, Span] = {}
        whole: Span | None = None
        for intent, chunk in self._due(now_ms):
            when = self._when(chunk)
            if when.start_ms < month_ms:
                chunk.looks = len(LOOKS)
                continue
            together = when if whole is None else _both(whole, when)
            if len(due) < CHUNKS_MAX and together.end_ms - together.start_ms <= self._window_ms:
                due[intent], whole = when, together
        if whole is None:
            return None
        for intent in due:
            self.chunks[intent].looks += 1
        near = Span(whole.start_ms - NEAR_S * 1000, whole.end_ms + NEAR_S * 1000)
        for chunk in self.chunks.values():
            if chunk.looks or (when := self._when(chunk)).start_ms < max(month_ms, near.start_ms):
                continue
            together = _both(whole, when)
            if when.end_ms <= near.end_ms and together.end_ms - together.start_ms <= self._window_ms:
                whole = together
        return Look(whole, due)

    def failed(self, look: Look, now_ms: int) -> None:
        """Record that the look had no answer: it is repeated a bounded number of times."""
        self._not_before_ms = now_ms + AFTER_FAILURE_S * 1000
        self._failures += 1
        if self._failures <= FAILURES_MAX:
            for intent in look.due.keys() & self.chunks.keys():
                self.chunks[intent].looks -= 1

    def spoken(self, look: Look, upto_ms: int) -> list[Spoken]:
        """The chunks that this look's answers, complete up to `upto_ms`, cover.

        The due ones, and all others whose whole time was answered.
        """
        self._failures = 0
        found = []
        for intent, chunk in self.chunks.items():
            when = look.due.get(intent)
            if when is None and chunk.looks >= len(LOOKS):
                continue
            is_due, when = when is not None, when or self._when(chunk)
            complete = look.whole.start_ms <= when.start_ms and when.end_ms <= min(upto_ms, look.whole.end_ms)
            if is_due or complete:
                found.append(Spoken(intent, when, is_due, complete))
        return found

    def is_news(self, intent: int, found: int) -> bool:
        """Whether another number of its recipients was found before; remembers this one."""
        chunk = self.chunks.get(intent)
        if chunk is None or chunk.found == found:
            return False
        chunk.found = found
        return True

    def _due(self, now_ms: int) -> list[tuple[int, SoughtChunk]]:
        """The due chunks, oldest first."""
        found = []
        for intent, chunk in sorted(self.chunks.items(), key=lambda each: each[1].at_ms):
            while chunk.looks + 1 < len(LOOKS) and now_ms >= self._due_ms(chunk, chunk.looks + 1):
                chunk.looks += 1  # an old chunk only gets the widest look
            if chunk.looks < len(LOOKS) and now_ms >= self._due_ms(chunk, chunk.looks):
                found.append((intent, chunk))
        return found

    @staticmethod
    def _due_ms(chunk: SoughtChunk, looks: int) -> int:
        """The time of its next look."""
        later_s, apart_s = LOOKS[looks]
        return chunk.at_ms + chunk.request_ms + (apart_s + SETTLES_S + later_s) * 1000

    @staticmethod
    def _when(chunk: SoughtChunk) -> Span:
        """When the vendor can have received it, by the vendor's clock, as wide as the next look allows."""
        apart_ms = LOOKS[chunk.looks][1] * 1000
        return span(chunk.at_ms - apart_ms, chunk.at_ms + chunk.request_ms + apart_ms)


def _both(one: Span, other: Span) -> Span:
    return Span(min(one.start_ms, other.start_ms), max(one.end_ms, other.end_ms))
