"""Pacing: never more than the limit in any window, measured where the vendor measures it, on arrival.

The moment a request left is known exactly; it arrived some time between its first byte and its answer. So a request
occupies its share of the window from the moment it leaves until one window after its *latest* possible arrival. Latest
arrival = answer time minus the part of the round trip that every request has (the smallest one of the last minutes,
less several times the spread of the small ones). A later request cannot arrive earlier than that part allows either, so
the two errors cancel and only the jitter of this request remains. A steady vendor costs nothing; jitter costs its own
length, never a window over the limit. See docs/LANE.md, "Pacing".

A place in the window is taken at the first byte and at no other moment: slow steps (the body, the connection) are over
by then. So no request can be too late for its place; a slow step delays only its own request.

On top, GCRA spreads the requests over the window (no burst of a whole window after an idle time), so an urgent campaign
never waits for a window. A throttle answer cuts the rate; it climbs back to what the vendor took and then probes.

Weak spots: an unanswered request is assumed to have arrived within ARRIVAL_MAX_S (vendors.md is silent); the common
part of the round trip is an estimate, which GUARD_S backs.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import log
from typing import Final

ARRIVAL_MAX_S: Final = 2.0
GUARD_S: Final = 0.001
FLOOR_SAMPLES: Final = 100
FLOOR_RANK: Final = 8
FLOOR_SPREADS: Final = 4
FLOOR_S: Final = 600.0
"""How long the smallest round trip counts: a vendor that was slow for a while may become fast at any moment."""

SHARE_OF_WINDOW: Final = 10
"""A chunk is at most this part of a window: where the limit is per second, a tenth of a second of it."""

URGENT_CHUNKS: Final = 2
"""The spread counts urgent units as so many chunks, and lets them leave as early."""

PAUSE_OF_WINDOW: Final = 5

CUT: Final = 0.95
CUT_AGAIN: Final = 0.7
RATE_MIN: Final = 0.02
KNOWN_GOOD: Final = 0.97
CLIMB: Final = 0.2
PROBE: Final = 0.0015
PROBE_DOUBLES: Final = 20.0
"""Growth per window, as shares of the rate at which the vendor said "too fast": up to KNOWN_GOOD of it, then beyond it,
twice as fast every PROBE_DOUBLES windows. So the vendor's limit is rarely exceeded, and the lane soon returns to a
limit that is lifted again."""


class Pacer:
    """One account's flow limit: `limit` units in any `per_s` seconds. Times are seconds of one monotonic clock."""

    def __init__(self, limit: int, per_s: float, now_s: float) -> None:
        self.limit: Final = limit
        self.per_s: Final = per_s
        self._occupied: list[tuple[float, int, int]] = []  # (free again at, ticket, units), sorted
        self._units = 0
        self._open: dict[int, tuple[float, float, int]] = {}  # ticket -> (left at, free again at, units)
        self._tickets = 0
        self._arrival_s = now_s  # GCRA's theoretical arrival time
        self._held_until_s = now_s
        self._floor = _Floor()
        self._rate = 1.0
        self._ceiling = 1.0
        self._cut_to = 1.0
        self._cut_at_s = float("-inf")

    @property
    def rate(self) -> float:
        """The current share of the contract's limit: 1.0 unless the vendor throttled."""
        return self._rate

    def allowed(self, now_s: float) -> int:
        """The units per window in force now."""
        self._climb(now_s)
        return max(1, int(self.limit * self._rate))

    def share(self, now_s: float) -> int:
        """The units of one chunk, so that several fit a window and an urgent one never waits long."""
        return max(1, self.allowed(now_s) // SHARE_OF_WINDOW)

    def earliest(self, units: int, now_s: float, *, urgent: bool = False) -> float:
        """When `units` may leave, as known now (an answer may make it sooner). <= now_s: they may leave now.

        `urgent`: the spread lets few units leave earlier than a whole chunk, so that they need not wait behind one.
        """
        allowed = self.allowed(now_s)
        self._free(now_s)
        early = max(units, URGENT_CHUNKS * self.share(now_s)) if urgent else units
        at_s = max(self._held_until_s, self._arrival_s - self._interval(early, allowed))
        over = self._units + min(units, allowed) - allowed
        for free_at_s, _, freed in self._occupied:
            if over <= 0:
                break
            over -= freed
            at_s = max(at_s, free_at_s)
        return at_s

    def room(self, at_s: float, now_s: float) -> int:
        """The units that the window has room for at this time, as known now."""
        return self.allowed(now_s) - sum(units for free_at_s, _, units in self._occupied if free_at_s > at_s)

    def interval_s(self, units: int, now_s: float) -> float:
        """The average time between requests of this many units."""
        return self._interval(units, self.allowed(now_s))

    def left(self, units: int, now_s: float) -> int:
        """Record that a request of `units` is written now. Returns the ticket for `answered`."""
        self._tickets += 1
        interval_s = self._interval(units, self.allowed(now_s))
        self._arrival_s = max(self._arrival_s, now_s) + interval_s
        free_at_s = now_s + ARRIVAL_MAX_S + self.per_s
        self._open[self._tickets] = (now_s, free_at_s, units)
        insort(self._occupied, (free_at_s, self._tickets, units))
        self._units += units
        return self._tickets

    def answered(self, ticket: int, wrote_s: float, answered_s: float) -> None:
        """Record the times of the request's first byte and of its complete answer."""
        entry = self._open.pop(ticket, None)
        if entry is None:
            return
        left_s, free_at_s, units = entry
        spared_s = self._floor.spared_s
        self._floor.saw(answered_s - wrote_s, answered_s)
        arrived_by_s = min(max(answered_s - spared_s, left_s), left_s + ARRIVAL_MAX_S)
        self._move(ticket, free_at_s, arrived_by_s + self.per_s + GUARD_S, units)

    def unanswered(self, ticket: int, *, never_left: bool) -> None:
        """Record that no answer will come. `never_left`: nothing was written, so nothing can arrive."""
        entry = self._open.pop(ticket, None)
        if entry is not None and never_left:
            self._move(ticket, entry[1], None, entry[2])

    def hold(self, until_s: float) -> None:
        """Hold everything until then (a new owner does not know what the old one sent in the last window)."""
        self._held_until_s = max(self._held_until_s, until_s)

    def throttled(self, now_s: float) -> None:
        """Cut the rate after "too fast". Answers to requests already under way cut only once."""
        self._climb(now_s)
        since_s = now_s - self._cut_at_s
        if since_s < self.per_s / 2:
            return
        self._ceiling = self._rate
        self._rate = max(RATE_MIN, self._rate * (CUT_AGAIN if since_s < 3 * self.per_s else CUT))
        self._cut_to = self._rate
        self._cut_at_s = now_s
        self.hold(now_s + self.per_s / PAUSE_OF_WINDOW)

    def _climb(self, now_s: float) -> None:
        if self._rate >= 1.0:
            return
        windows = (now_s - self._cut_at_s) / self.per_s
        known_good = self._ceiling * KNOWN_GOOD
        probing = windows - max(0.0, known_good - self._cut_to) / (CLIMB * self._ceiling)
        if probing < 0:
            self._rate = self._cut_to + CLIMB * self._ceiling * windows
        else:
            grown = PROBE * PROBE_DOUBLES / log(2) * (2 ** min(probing / PROBE_DOUBLES, 20.0) - 1)
            self._rate = min(1.0, max(self._cut_to, known_good) + self._ceiling * grown)

    def _interval(self, units: int, allowed: int) -> float:
        return units * self.per_s / allowed

    def _free(self, now_s: float) -> None:
        gone = 0
        for free_at_s, ticket, units in self._occupied:
            if free_at_s > now_s:
                break
            gone += 1
            self._units -= units
            self._open.pop(ticket, None)
        del self._occupied[:gone]

    def _move(self, ticket: int, old_s: float, new_s: float | None, units: int) -> None:
        entry = (old_s, ticket, units)
        at = bisect_left(self._occupied, entry)
        if at == len(self._occupied) or self._occupied[at] != entry:
            return
        del self._occupied[at]
        if new_s is None:
            self._units -= units
        else:
            insort(self._occupied, (new_s, ticket, units))


class _Floor:
    """The part of the round trip that every request has; a later request cannot undercut it.

    The smallest round trip of the last FLOOR_S lies above the true floor by about the spread of the smallest ones of
    the last FLOOR_SAMPLES; so several times that spread is subtracted. A steady vendor loses almost nothing, a wild one
    all of it.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._least: deque[tuple[float, float]] = (
            deque()
        )  # (seen at, round trip), both rising: the first is the smallest

    @property
    def spared_s(self) -> float:
        if len(self._sorted) < 2 * FLOOR_RANK:
            return 0.0
        spread_s = self._sorted[FLOOR_RANK - 1] - self._sorted[0]
        return max(0.0, self._least[0][1] - FLOOR_SPREADS * spread_s)

    def saw(self, round_trip_s: float, now_s: float) -> None:
        while self._least and self._least[-1][1] >= round_trip_s:
            self._least.pop()
        self._least.append((now_s, round_trip_s))
        while self._least[0][0] < now_s - FLOOR_S:
            self._least.popleft()
        self._recent.append(round_trip_s)
        insort(self._sorted, round_trip_s)
        if len(self._recent) > FLOOR_SAMPLES:
            del self._sorted[bisect_left(self._sorted, self._recent.popleft())]
