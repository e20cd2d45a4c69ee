"""How often, and after which pauses, what a receiver did not take is pushed again: the switch `push_retry` read."""

from __future__ import annotations

from typing import NamedTuple

from loadtest.sim.switches import Switches

DOUBLINGS_MAX = 20
DOUBLINGS_MAX_FOREVER = 6  # or who came back after an hour would wait for another
FOREVER = 1 << 40
ATTEMPTS = {"none": 1, "3_times": 4, "forever": FOREVER}  # any other: push_attempts_max


class Retry(NamedTuple):
    """Pushes of one thing at most; the pause before the first repetition in real seconds, and how often it doubles."""

    attempts_max: int
    pause_s: float
    doublings_max: int

    @classmethod
    def of(cls, switches: Switches) -> Retry:
        attempts = ATTEMPTS.get(switches.push_retry, switches.push_attempts_max)
        doublings = DOUBLINGS_MAX if attempts < FOREVER else DOUBLINGS_MAX_FOREVER
        return cls(attempts, switches.push_backoff_s / switches.clock_scale, doublings)

    def after_s(self, attempt: int) -> float:
        """The pause after this many attempts, the first of them 0."""
        return float(self.pause_s * 2.0 ** min(attempt, self.doublings_max))
