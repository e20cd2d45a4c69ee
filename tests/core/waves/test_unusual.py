"""Campaigns that fail more than usual: few healthy ones are found, and a doubled rate is."""

from __future__ import annotations

import numpy as np

from dispatcher.core.results.equation import Counts
from dispatcher.core.waves.sequential import Learnt
from dispatcher.core.waves.unusual import ALPHA, unusual_rate

USUAL = Learnt(0.02, 0.15)


def of(sent: int, failed: int) -> Counts:
    return Counts(rows=sent, delivered=sent - failed, failed=failed)


def test_a_tripled_rate_is_unusual_and_the_usual_one_and_a_lower_one_are_not() -> None:
    found = unusual_rate({"spring": of(1_000, 60)}, {"spring": USUAL})
    assert found is not None
    assert (found.account, found.sent, found.failed, found.usual) == ("spring", 1_000, 60, 0.02)
    for failed in (0, 20, 25):
        assert unusual_rate({"spring": of(1_000, failed)}, {"spring": USUAL}) is None


def test_recipients_without_a_report_count_as_not_failed() -> None:
    waiting = Counts(rows=3_000, accepted=2_940, failed=60)
    assert unusual_rate({"spring": waiting}, {"spring": USUAL}) is None


def test_a_few_failures_are_never_unusual() -> None:
    assert unusual_rate({"spring": of(9, 9)}, {"spring": USUAL}) is None


def test_the_account_with_the_strongest_evidence_is_named() -> None:
    accounts = {"spring": of(1_000, 60), "summer": of(1_000, 200), "autumn": of(1_000, 20)}
    found = unusual_rate(accounts, dict.fromkeys(accounts, USUAL))
    assert found is not None
    assert found.account == "summer"


def test_of_healthy_campaigns_that_are_looked_at_after_every_hundred_reports_few_are_ever_found() -> None:
    rng, campaigns = np.random.default_rng(3), 400
    found = 0
    for rate in rng.beta(*USUAL.beta, campaigns):
        failed = np.cumsum(rng.binomial(100, rate, 20))
        looks = (of(100 * (at + 1), int(count)) for at, count in enumerate(failed))
        found += any(unusual_rate({"spring": each}, {"spring": USUAL}) is not None for each in looks)
    assert found <= 3 * ALPHA * campaigns
