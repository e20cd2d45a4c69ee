"""What late wake-ups cost of the flow limit, in virtual time: the share of the limit that a lane uses at the vendor.

A busy machine wakes the lane late when a place in the window is free, and lets it read the answer late, which is the
latest moment at which the request can have arrived. Either is lost for that place: it is used again one window, the
guard and both delays after it was used, and no later request may come earlier to make up for it. So the most that can
be reached is 1 / (1 + (guard + both delays) / window); the naive column has it.
"""

from __future__ import annotations

import heapq
import random
from itertools import pairwise
from typing import Any, Final

from dispatcher.core.flow.pacing import GUARD_S, Pacer
from loadtest.bench.harness import figure

LIMIT: Final = 500
WINDOW_S: Final = 1.0
CHUNK: Final = 50
ROUND_TRIP_S: Final = 0.002
SECONDS: Final = 200
SECONDS_QUICK: Final = 20
WARM_S: Final = 5
LATE_MS: Final = (1, 2, 5, 10, 20, 50)

Arrivals = list[tuple[float, int]]


async def run(quick: bool) -> list[dict[str, Any]]:
    """The share of the limit for each average delay, beside the most that can be reached, and the windows over it."""
    seconds = SECONDS_QUICK if quick else SECONDS
    figures, over = [], 0
    for late_ms in LATE_MS:
        arrivals = arrived(late_ms / 1000, seconds)
        over += windows_over(arrivals)
        name = f"late: wake-ups and answers {late_ms} ms late on average: share of the limit used"
        figures.append(figure(name, 100 * share(arrivals, seconds), "%") | {"baseline": 100 * bound(late_ms / 1000)})
    return [*figures, figure("late: windows over the limit", over, "windows")]


def bound(late_s: float) -> float:
    """The most of the limit that can be used if wake-ups and answers are late by this on average."""
    return WINDOW_S / (WINDOW_S + GUARD_S + 2 * late_s)


def arrived(late_s: float, seconds: float) -> Arrivals:
    """When chunks arrive at the vendor, and their units. Delays are exponential: most are short, a few are long."""
    delays, pacer, now_s = random.Random(1), Pacer(LIMIT, WINDOW_S, 0.0), 0.0
    answers: list[tuple[float, int, float]] = []
    arrivals: Arrivals = []
    while now_s < seconds:
        at_s = pacer.earliest(CHUNK, now_s)
        if at_s > now_s and answers and answers[0][0] <= at_s:
            now_s = max(now_s, _read(pacer, answers))
            continue
        if at_s > now_s:
            now_s = at_s + delays.expovariate(1 / late_s)
            while answers and answers[0][0] <= now_s:
                _read(pacer, answers)
            continue
        ticket = pacer.left(CHUNK, now_s)
        arrivals.append((now_s + ROUND_TRIP_S / 2, CHUNK))
        heapq.heappush(answers, (now_s + ROUND_TRIP_S + delays.expovariate(1 / late_s), ticket, now_s))
    return arrivals


def _read(pacer: Pacer, answers: list[tuple[float, int, float]]) -> float:
    read_s, ticket, wrote_s = heapq.heappop(answers)
    pacer.answered(ticket, wrote_s, read_s)
    return read_s


def share(arrivals: Arrivals, seconds: float) -> float:
    """The share of the limit that arrived after the first seconds."""
    return sum(units for at_s, units in arrivals if at_s >= WARM_S) / (LIMIT / WINDOW_S * (seconds - WARM_S))


def windows_over(arrivals: Arrivals) -> int:
    """How many windows that end with an arrival are over the limit."""
    over = first = inside = 0
    for at_s, units in arrivals:
        inside += units
        while arrivals[first][0] <= at_s - WINDOW_S:
            inside -= arrivals[first][1]
            first += 1
        over += inside > LIMIT
    assert all(before[0] <= after[0] for before, after in pairwise(arrivals)), "arrivals ascend"
    return over
