"""Pauses double from the first one up to their bound, whatever the count."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.backoff import Backoff


def test_each_pause_is_twice_the_one_before_up_to_the_bound():
    backoff = Backoff(0.5, 5.0)
    assert [backoff.pause_s(failures) for failures in range(7)] == [0.0, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


@given(failures=st.integers(1, 10**9))
def test_a_pause_is_never_shorter_than_the_first_nor_longer_than_the_bound(failures):
    backoff = Backoff(0.25, 30.0)
    assert 0.25 <= backoff.pause_s(failures) <= 30.0
    assert backoff.pause_s(failures) <= backoff.pause_s(failures + 1)
