"""Waves: how many healthy campaigns are halted, and how soon a doubled failure rate is found. Simulated, not timed.

Every campaign is looked at after every report. The evidence falls with every report that is not a failure, so it is
highest right behind a failure: looking there is looking after every report. What is learnt of an account comes from
eight campaigns of its own. Naive: a test of the failure rate at the 1 % level (normal, the true rate known, from five
failures on), which is right for one look, repeated at every report.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.waves.judge import ALPHA
from dispatcher.core.waves.learnt import Seen, learn
from dispatcher.core.waves.sequential import Learnt, log_evidence
from loadtest.bench.harness import figure

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NEVER: Final = np.inf
ODDS: Final = 1 / (ALPHA["failures"] * 0.8)
"""What halts a campaign on one account in its first wave."""

RATES: Final = (0.005, 0.01, 0.02, 0.05, 0.2)
CAMPAIGNS: Final = 10_000
HISTORIES: Final = 100
"""Different accounts; each has CAMPAIGNS / HISTORIES campaigns to judge."""

HEALTHY_REPORTS: Final = 5_000
DOUBLED_REPORTS: Final = 2_000
SPREAD: Final = 0.1
_NAIVE_Z: Final = 2.326
_NAIVE_FAILURES_MIN: Final = 5


async def run(quick: bool) -> list[dict[str, Any]]:
    """One set of figures for each failure rate."""
    rng, figures = np.random.default_rng(1), []
    histories = HISTORIES // 10 if quick else HISTORIES
    for rate in RATES:
        halted, naive, found, alike = 0, 0, 0, 0
        each = CAMPAIGNS // HISTORIES
        for _ in range(histories):
            learnt = learnt_from(drawn(rate, SPREAD, 8, rng), 5_000, rng)
            healthy = drawn(rate, SPREAD, each, rng)
            halted += int((halted_at(healthy, learnt, ODDS, HEALTHY_REPORTS, rng) < NEVER).sum())
            at = failures_at(np.full(each, rate), HEALTHY_REPORTS, rng)
            naive += int((first_halt(at, naive_limits(rate, at.shape[1]), HEALTHY_REPORTS) < NEVER).sum())
            doubled = 2 * drawn(rate, SPREAD, each, rng)
            found += int((halted_at(doubled, learnt, ODDS, DOUBLED_REPORTS, rng) < NEVER).sum())
            learnt = learnt_from(np.full(8, rate), 5_000, rng)
            same = np.full(each, 2 * rate)
            alike += int((halted_at(same, learnt, ODDS, DOUBLED_REPORTS, rng) < NEVER).sum())
        of = histories * each / 100
        what = f"waves: {rate * 100:g} % fail"
        figures += [
            figure(f"{what}, healthy campaigns halted", halted / of, "%", naive / of, less_is_better=True),
            figure(f"{what}, doubled rate found in {DOUBLED_REPORTS:,} reports", found / of, "%"),
            figure(f"{what}, the same if its campaigns are alike", alike / of, "%"),
        ]
    return figures


def halted_at(rates: Floats, learnt: Learnt, odds: float, reports: int, rng: np.random.Generator) -> Floats:
    """For each campaign, behind how many reports it is halted; NEVER: not within these."""
    at = failures_at(rates, reports, rng)
    return first_halt(at, limits(learnt, odds, at.shape[1], reports), reports)


def failures_at(rates: Floats, reports: int, rng: np.random.Generator) -> Ints:
    """For each campaign, which reports are its first, second, … failure; a few beyond these `reports`."""
    most = float(rates.max()) * reports
    failures = int(most + 8 * np.sqrt(most) + 10)
    return np.cumsum(rng.geometric(rates[:, None], size=(len(rates), failures)), axis=1, dtype=np.int64)


def first_halt(failures: Ints, halts_within: Ints, reports: int) -> Floats:
    """When the k-th failure is among the first `halts_within[k]` reports, for the first time."""
    halts = (failures <= halts_within) & (failures <= reports)
    found = np.full(len(failures), NEVER)
    some = halts.any(axis=1)
    found[some] = failures[some, halts[some].argmax(axis=1)]
    return found


def limits(learnt: Learnt, odds: float, failures: int, reports: int) -> Ints:
    """For 1, 2, … failures, the most reports among which these halt a campaign; less than the failures: none."""
    k = np.arange(1, failures + 1)
    low, high = k - 1, np.maximum(k, reports)
    while (low < high).any():
        middle = (low + high + 1) // 2
        halts = log_evidence(np.maximum(middle, k), k, learnt) >= np.log(odds)
        low, high = np.where(halts, middle, low), np.where(halts, high, middle - 1)
    return low


def naive_limits(rate: float, failures: int) -> Ints:
    """The same for the naive test: k failures in n reports halt if (k - n rate) / sqrt(n rate (1 - rate)) is large."""
    k = np.arange(1, failures + 1)
    slope = _NAIVE_Z * np.sqrt(rate * (1 - rate))
    root = (-slope + np.sqrt(slope**2 + 4 * rate * k)) / (2 * rate)
    found: Ints = np.where(k >= _NAIVE_FAILURES_MIN, np.floor(root**2), 0).astype(np.int64)
    return found


def drawn(rate: float, spread: float, campaigns: int, rng: np.random.Generator) -> Floats:
    """The rates of healthy campaigns of an account; `spread` 0: all the same."""
    return rng.beta(*Learnt(rate, spread).beta, campaigns) if spread else np.full(campaigns, rate)


def learnt_from(rates: Floats, reports: int, rng: np.random.Generator) -> Learnt:
    """What an account shows that had a campaign with each of these rates."""
    return learn([Seen(reports, int(rng.binomial(reports, rate))) for rate in rates])
