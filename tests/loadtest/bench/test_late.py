"""What late wake-ups cost of the limit comes close to what no lane could avoid, and never puts a window over it."""

from __future__ import annotations

import pytest

from loadtest.bench.sending.late import arrived, bound, share, windows_over


@pytest.mark.parametrize(("late_ms", "lost_most"), [(1, 0.003), (5, 0.004), (20, 0.015), (50, 0.05)])
def test_a_lane_that_wakes_late_loses_little_more_than_it_must(late_ms, lost_most):
    arrivals = arrived(late_ms / 1000, 60)
    assert windows_over(arrivals) == 0
    assert bound(late_ms / 1000) - lost_most < share(arrivals, 60) < bound(late_ms / 1000) + 0.005


def test_a_window_that_is_over_the_limit_is_counted():
    assert windows_over([(0.0, 250), (0.5, 250), (0.9, 1), (2.0, 500)]) == 1
