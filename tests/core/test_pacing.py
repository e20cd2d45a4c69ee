"""No window is ever over the limit at arrival, for any weights, jitter, stalls and hand-over; and little is wasted."""

from __future__ import annotations

import heapq
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.pacing import Pacer


class Line:
    """A link to a vendor in virtual time: requests leave when the pacer lets them; arrival and answer are chance."""

    def __init__(self, pacer: Pacer, rng: random.Random, *, jitter_s: float, stall: float = 0.0) -> None:
        self.pacer, self.rng, self.jitter_s, self.stall = pacer, rng, jitter_s, stall
        self.now_s = 0.0
        self.arrivals: list[tuple[float, int]] = []
        self.answers: list[tuple[float, int, float]] = []

    def run(self, weights: list[int], until_s: float) -> None:
        weights = list(weights)
        while weights and self.now_s < until_s:
            at_s = max(self.now_s, self.pacer.earliest(weights[0], self.now_s))
            if self.answers and self.answers[0][0] <= at_s:
                self.now_s, ticket, wrote_s = heapq.heappop(self.answers)
                self.pacer.answered(ticket, wrote_s, self.now_s)
                continue
            self.now_s = at_s + self.rng.random() * 0.002  # a timer is never early and often a little late
            if self.pacer.earliest(weights[0], self.now_s) > self.now_s:
                continue
            self._leave(weights.pop(0))

    def _leave(self, units: int) -> None:
        ticket = self.pacer.left(units, self.now_s)
        forward_s = 0.001 + self.rng.random() * self.jitter_s
        if self.rng.random() < self.stall:
            forward_s += self.rng.random() * 1.5
        back_s = 0.001 + self.rng.random() * self.jitter_s
        self.arrivals.append((self.now_s + forward_s, units))
        heapq.heappush(self.answers, (self.now_s + forward_s + back_s, ticket, self.now_s))


def windows_over(arrivals: list[tuple[float, int]], limit: int, per_s: float) -> int:
    arrivals = sorted(arrivals)
    over = first = units = 0
    for at_s, weight in arrivals:
        units += weight
        while arrivals[first][0] <= at_s - per_s:
            units -= arrivals[first][1]
            first += 1
        over += units > limit
    return over


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    limit=st.sampled_from([3, 10, 50, 500]),
    per_s=st.sampled_from([1.0, 0.5, 10.0]),
    jitter_s=st.sampled_from([0.0, 0.005, 0.05, 0.4]),
    stall=st.sampled_from([0.0, 0.02]),
)
def test_no_window_is_over_the_limit_whatever_the_weights_and_the_jitter(seed, limit, per_s, jitter_s, stall):
    rng = random.Random(seed)
    line = Line(Pacer(limit, per_s, 0.0), rng, jitter_s=jitter_s, stall=stall)
    line.run([rng.randint(1, max(1, limit // 2)) for _ in range(150)], until_s=60 * per_s)
    assert windows_over(line.arrivals, limit, per_s) == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), first=st.integers(5, 60))
def test_no_window_is_over_the_limit_across_a_hand_over(seed, first):
    rng = random.Random(seed)
    old = Line(Pacer(500, 1.0, 0.0), rng, jitter_s=0.01)
    old.run([100] * first, until_s=30)
    new = Line(Pacer(500, 1.0, old.now_s), rng, jitter_s=0.01)
    new.now_s = old.now_s
    new.pacer.hold(max(old.now_s, *(at_s for at_s, _ in old.arrivals)) + 1.0)
    new.run([100] * 50, until_s=old.now_s + 30)
    assert windows_over(old.arrivals + new.arrivals, 500, 1.0) == 0


def test_a_steady_vendor_gets_at_least_99_percent_of_the_limit():
    line = Line(Pacer(500, 1.0, 0.0), random.Random(1), jitter_s=0.003)
    line.run([100] * 10_000, until_s=60.0)
    sent = sum(units for _, units in line.arrivals)
    assert windows_over(line.arrivals, 500, 1.0) == 0
    assert sent >= 0.99 * 500 * 60


def test_there_is_no_burst_of_a_whole_window_after_an_idle_time():
    pacer = Pacer(500, 1.0, 0.0)
    assert pacer.earliest(100, 50.0) <= 50.0
    pacer.left(100, 50.0)
    assert pacer.earliest(100, 50.0) <= 50.0
    pacer.left(100, 50.0)
    assert pacer.earliest(100, 50.0) > 50.1


def test_a_request_held_up_while_connecting_has_lost_its_moment_if_the_window_is_full():
    pacer = Pacer(100, 1.0, 0.0)
    tickets = [pacer.left(50, 0.0), pacer.left(50, 0.5)]
    assert pacer.renew(tickets[1], 50, 0.501)
    assert pacer.renew(tickets[0], 50, 4.0)  # everything else is long over
    assert not pacer.renew(pacer.left(100, 4.2), 100, 4.3)


def test_a_throttle_answer_cuts_the_rate_at_once_and_it_climbs_back_but_never_above_the_contract():
    pacer = Pacer(500, 1.0, 0.0)
    pacer.throttled(10.0)
    cut = pacer.allowed(10.0)
    assert cut < 500
    pacer.throttled(10.1)
    assert pacer.allowed(10.1) >= cut * 0.99, "answers to requests already under way cut only once"
    grown = [pacer.allowed(10.0 + second) for second in range(0, 200, 5)]
    assert grown == sorted(grown)
    assert grown[-1] == 500


@settings(max_examples=20, deadline=None)
@given(takes=st.sampled_from([100, 200, 350, 450]), seed=st.integers(0, 1000))
def test_it_settles_just_below_what_the_vendor_really_takes(takes, seed):
    rng = random.Random(seed)
    pacer = Pacer(500, 1.0, 0.0)
    now_s = 0.0
    recent: list[tuple[float, int]] = []
    taken: list[tuple[float, int]] = []
    while now_s < 240.0:
        units = pacer.share(now_s)
        now_s = max(now_s, pacer.earliest(units, now_s))
        if pacer.earliest(units, now_s) > now_s:
            continue
        ticket = pacer.left(units, now_s)
        recent = [(at_s, weight) for at_s, weight in recent if at_s > now_s - 1.0]
        over = sum(weight for _, weight in recent) + units > takes
        pacer.answered(ticket, now_s, now_s + 0.002 + rng.random() * 0.002)
        if over:
            pacer.throttled(now_s)
        else:
            recent.append((now_s, units))
            taken.append((now_s, units))
    settled = sum(weight for at_s, weight in taken if at_s > 120.0) / 120.0
    assert settled >= 0.9 * takes
