"""No window is ever over the limit at arrival, for any weights, jitter, stalls and hand-over; and little is wasted."""

from __future__ import annotations

import heapq
import random
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.core.flow.pacing import Pacer


class Line:
    """A link to a vendor in virtual time: requests leave when the pacer lets them; arrival and answer are chance."""

    def __init__(self, pacer: Pacer, rng: random.Random, *, jitter_s: float, stall: float = 0.0) -> None:
        self.pacer, self.rng, self.jitter_s, self.stall = pacer, rng, jitter_s, stall
        self.now_s = self.slow_s = 0.0
        self.arrivals: list[tuple[float, int]] = []
        self.answers: list[tuple[float, int, float]] = []

    def run(self, weights: list[int], until_s: float, *, urgent: float = 0.0) -> None:
        """`urgent`: this share of the requests is."""
        weights = list(weights)
        while weights and self.now_s < until_s:
            goes_first = self.rng.random() < urgent
            at_s = max(self.now_s, self.pacer.earliest(weights[0], self.now_s, urgent=goes_first))
            if self.answers and self.answers[0][0] <= at_s:
                self.now_s, ticket, wrote_s = heapq.heappop(self.answers)
                self.pacer.answered(ticket, wrote_s, self.now_s)
                continue
            self.now_s = at_s + self.rng.random() * 0.002  # a timer is never early and often a little late
            if self.pacer.earliest(weights[0], self.now_s, urgent=goes_first) > self.now_s:
                continue
            self._leave(weights.pop(0))

    def _leave(self, units: int) -> None:
        ticket = self.pacer.left(units, self.now_s)
        forward_s = 0.001 + self.slow_s + self.rng.random() * self.jitter_s
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
    urgent=st.sampled_from([0.0, 0.3]),
)
def test_no_window_is_over_the_limit_at_any_weights_and_jitter(seed, limit, per_s, jitter_s, stall, urgent):
    rng = random.Random(seed)
    line = Line(Pacer(limit, per_s, 0.0), rng, jitter_s=jitter_s, stall=stall)
    line.run([rng.randint(1, max(1, limit // 2)) for _ in range(150)], until_s=60 * per_s, urgent=urgent)
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


def test_a_few_urgent_units_leave_as_early_as_two_chunks_and_never_before_the_window_has_room():
    pacer = Pacer(500, 1.0, 0.0)
    for at_s in (0.0, 0.0, 0.1, 0.2):
        pacer.left(50, at_s)
    assert pacer.earliest(1, 0.2) == pytest.approx(0.398)
    assert pacer.earliest(50, 0.2) == pytest.approx(0.3)
    assert pacer.earliest(1, 0.2, urgent=True) == pytest.approx(0.2)
    for each in range(6):
        pacer.left(50, 0.3 + each / 10)
    assert pacer.earliest(1, 0.8, urgent=True) > 1.0  # 500 are under way, and the first of them counts for a second


def test_there_is_no_burst_of_a_whole_window_after_an_idle_time():
    pacer = Pacer(500, 1.0, 0.0)
    assert pacer.earliest(100, 50.0) <= 50.0
    pacer.left(100, 50.0)
    assert pacer.earliest(100, 50.0) <= 50.0
    pacer.left(100, 50.0)
    assert pacer.earliest(100, 50.0) > 50.1


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


class Vendor:
    """Takes no more than `takes` units in any second, and says "too fast" to what is above it."""

    def __init__(self, pacer: Pacer, rng: random.Random, takes: int) -> None:
        self.pacer, self.rng, self.takes = pacer, rng, takes
        self.taken: list[tuple[float, int]] = []
        self._recent: deque[tuple[float, int]] = deque()  # those of the last second
        self._recent_units = 0
        self.now_s = 0.0
        self._events: list[tuple[float, int, str, int, float]] = []

    def run(self, units: int | None, until_s: float) -> None:
        """Send chunks of so many units (None: the share the pacer advises) until then."""
        while self.now_s < until_s:
            size = units or self.pacer.share(self.now_s)
            at_s = max(self.now_s, self.pacer.earliest(size, self.now_s))
            if self._events and self._events[0][0] <= at_s:
                self._happen()
                continue
            self.now_s = at_s + self.rng.random() * 0.001
            if self.pacer.earliest(size, self.now_s) <= self.now_s:
                ticket = self.pacer.left(size, self.now_s)
                arrives_s = self.now_s + 0.005 + self.rng.random() * 0.005
                heapq.heappush(self._events, (arrives_s, ticket, "arrives", size, self.now_s))

    def _happen(self) -> None:
        self.now_s, ticket, what, units, wrote_s = heapq.heappop(self._events)
        if what == "arrives":
            while self._recent and self._recent[0][0] <= self.now_s - 1.0:
                self._recent_units -= self._recent.popleft()[1]
            fits = self._recent_units + units <= self.takes
            if fits:
                self.taken.append((self.now_s, units))
                self._recent.append((self.now_s, units))
                self._recent_units += units
            answer = (self.now_s + 0.01, ticket, "taken" if fits else "too fast", units, wrote_s)
            heapq.heappush(self._events, answer)
            return
        self.pacer.answered(ticket, wrote_s, self.now_s)
        if what == "too fast":
            self.pacer.throttled(self.now_s)


SETTLES = {
    "messages, as many as advised": (500, None, [30, 100, 200, 350, 450, 480]),
    "messages, in small chunks": (500, 20, [100, 350, 490]),
    "requests": (50, 1, [10, 25, 40, 48]),
    "few requests": (3, 1, [2]),
    "parts, three to a message": (300, 3, [100, 250]),
}


@pytest.mark.parametrize("case", SETTLES)
def test_it_settles_within_5_percent_below_what_the_vendor_really_takes(case):
    limit, units, all_takes = SETTLES[case]
    for takes in all_takes:
        vendor = Vendor(Pacer(limit, 1.0, 0.0), random.Random(takes), takes)
        vendor.run(units, until_s=360.0)
        settled = sum(weight for at_s, weight in vendor.taken if at_s > 120.0) / 240.0
        assert 0.95 * takes <= settled <= takes, f"of {takes}, the contract is {limit}"


def test_a_vendor_that_takes_the_whole_contract_again_is_sent_it_within_a_few_minutes():
    vendor = Vendor(Pacer(500, 1.0, 0.0), random.Random(5), takes=100)
    vendor.run(20, until_s=120.0)
    vendor.takes = 500
    vendor.run(20, until_s=300.0)
    assert vendor.pacer.rate == 1.0
    assert sum(weight for at_s, weight in vendor.taken if at_s > 290.0) >= 0.99 * 500 * 10


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), slow_ms=st.integers(5, 120), limit=st.sampled_from([500, 10_000]))
def test_a_vendor_that_was_slow_for_a_while_and_is_fast_again_gets_no_window_over_the_limit(seed, slow_ms, limit):
    line = Line(Pacer(limit, 1.0, 0.0), random.Random(seed), jitter_s=0.0005)
    chunks = [limit // 50] * 5_000
    line.run(chunks, until_s=4.0)
    line.slow_s = slow_ms / 1000
    line.run(chunks, until_s=9.0)
    line.slow_s = 0.0
    line.run(chunks, until_s=13.0)
    assert windows_over(line.arrivals, limit, 1.0) == 0
