"""The sequential test: few false halts however often it is looked at, and a doubled rate found soon."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dispatcher.core.waves.sequential import Learnt, highest, log_evidence, log_gamma
from loadtest.bench.waves import NEVER, ODDS, drawn, halted_at, learnt_from


def test_log_gamma_is_exact() -> None:
    values = [1e-6, 0.3, 1.0, 2.5, 100.0, 1e8]
    assert log_gamma(np.array(values)) == pytest.approx([math.lgamma(value) for value in values], rel=1e-12, abs=1e-12)


def test_the_evidence_is_a_ratio_of_likelihoods_of_all_sequences() -> None:
    """Weighted with the healthy likelihood, its mean over all outcomes of ten reports is 1: a martingale's."""
    learnt = Learnt(0.1, 0.4)
    a, b = learnt.beta
    k = np.arange(11)
    ways = np.array([math.comb(10, each) for each in k])
    healthy = np.exp(log_gamma(k + a) + log_gamma(10 - k + b) - log_gamma(10 + a + b))
    healthy *= np.exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b))
    assert (ways * healthy).sum() == pytest.approx(1)
    assert (ways * healthy * np.exp(log_evidence(np.full(11, 10), k, learnt))).sum() == pytest.approx(1)


def test_a_report_that_is_not_a_failure_lowers_the_evidence() -> None:
    found = log_evidence(np.arange(20, 2_000), np.full(1_980, 20), Learnt(0.02, 0.1))
    assert (np.diff(found) < 0).all()


@pytest.mark.parametrize(("rate", "spread"), [(0.005, 0.1), (0.02, 0.0), (0.02, 0.1), (0.1, 0.1)])
def test_of_10_000_healthy_campaigns_at_most_one_in_a_hundred_is_ever_halted(rate: float, spread: float) -> None:
    """Looked at after every report; what was learnt comes from eight campaigns of 5,000 and differs from the truth."""
    rng = np.random.default_rng(7)
    halted = 0
    for _ in range(20):
        learnt = learnt_from(drawn(rate, spread, 8, rng), 5_000, rng)
        halted += int((halted_at(drawn(rate, spread, 500, rng), learnt, ODDS, 3_000, rng) < NEVER).sum())
    assert halted <= 100


@pytest.mark.parametrize(
    ("rate", "found"), [(0.005, 0.25), (0.01, 0.65), (0.02, 0.93), (0.03, 0.98), (0.05, 0.999), (0.1, 0.999)]
)
def test_a_doubled_rate_is_found_within_2_000_reports(rate: float, found: float) -> None:
    """As often as `found` says: a doubled 0.5 % is ten failures more, which chance alone hides three times of four."""
    rng = np.random.default_rng(8)
    learnt = Learnt(rate, learnt_from(np.full(8, rate), 5_000, rng).spread)
    assert (halted_at(np.full(2_000, 2 * rate), learnt, ODDS, 2_000, rng) < NEVER).mean() >= found


def test_failures_that_are_reported_first_are_no_evidence_of_more_of_them() -> None:
    """All failures of 5,000 recipients are reported before anything else: 2 % of those sent, as learnt."""
    rng = np.random.default_rng(9)
    requests = rng.binomial(100, 0.02, size=50)
    learnt = Learnt(0.02, 0.1)
    assert highest(np.full(50, 100), requests, learnt).log_evidence < math.log(ODDS)
    naive = log_evidence(np.array([requests.sum()]), np.array([requests.sum()]), learnt)
    assert naive[0] > math.log(ODDS)


def test_nothing_sent_is_no_evidence() -> None:
    assert highest(np.array([], np.int64), np.array([], np.int64), Learnt(0.02, 0.1)).log_evidence == 0
