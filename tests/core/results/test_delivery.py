"""Delivery rates and delays by account and carrier."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.carriers import Carrier
from dispatcher.core.results.delivery import DELAY_MAX_S, DeliveryCounts, delays_s, wilson
from schemas.states import State


def counted(*pages):
    counts = DeliveryCounts()
    for account, carriers, states, delays in pages:
        counts.add(account, np.array(carriers, np.uint8), np.array(states, np.uint8), np.array(delays, np.int64))
    return counts.rows()


def test_pages_add_up_by_account_and_carrier():
    d, f, n, a = State.DELIVERED, State.FAILED, State.NO_REPORT, State.ACCEPTED
    rows = counted(
        ("spring", [1, 1, 1, 1, 2], [d, d, f, n, a], [5, 7, -1, -1, -1]),
        ("autumn", [1], [d], [-1]),
        ("spring", [1, 2], [d, a], [900, -1]),
    )
    assert [(row.account, row.carrier, row.delivered, row.failed, row.no_report, row.waiting) for row in rows] == [
        ("autumn", "mobile", 1, 0, 0, 0),
        ("spring", "mobile", 3, 1, 1, 0),
        ("spring", "unicom", 0, 0, 0, 2),
    ]
    assert [row.rate for row in rows] == [1.0, 0.6, None]
    assert rows[0].delay_p50_s is None
    assert 7 <= (rows[1].delay_p50_s or 0) <= 7 * 1.3
    assert 900 <= (rows[1].delay_p95_s or 0) <= 900 * 1.3


@given(st.lists(st.integers(1, DELAY_MAX_S), min_size=1, max_size=200))
def test_a_delay_is_never_too_low_and_at_most_a_quarter_too_high(delays):
    carriers, states = [Carrier.MOBILE] * len(delays), [State.DELIVERED] * len(delays)
    (row,) = counted(("spring", carriers, states, delays))
    for share, found in ((0.5, row.delay_p50_s), (0.95, row.delay_p95_s)):
        exact = sorted(delays)[int(np.ceil(share * len(delays))) - 1]
        assert exact <= found <= max(exact + 1, exact * 1.27)


@pytest.mark.parametrize("delay", [0, DELAY_MAX_S * 10])
def test_a_delay_beyond_the_classes_is_in_the_first_or_the_last(delay):
    (row,) = counted(("spring", [1], [State.DELIVERED], [delay]))
    assert row.delay_p50_s == (1 if delay == 0 else DELAY_MAX_S)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (95, 100, 0.8883, 0.9785), (9_500, 10_000, 0.9456, 0.9541)],
)
def test_the_interval_is_wilsons(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_a_report_that_names_a_minute_counts_at_its_end_and_one_that_is_missing_not_at_all():
    reported_s, submitted_ms = np.array([6000, 6040, 6061, 0], np.int64), np.full(4, 6_030_500, np.int64)
    assert delays_s(reported_s, submitted_ms).tolist() == [0, 10, 31, -1]
    assert delays_s(reported_s, submitted_ms, to_the_minute=True).tolist() == [29, 29, 89, -1]
