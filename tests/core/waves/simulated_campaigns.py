"""Campaigns whose reports fail at a given rate, looked at after every report; used by tests and the bench.

The evidence falls with every report that is not a failure, so it is highest right behind a failure: looking there is
looking after every report.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.waves.learnt import Seen, learn
from dispatcher.core.waves.sequential import Learnt, log_evidence

Floats = NDArray[np.float64]
NEVER = np.inf


def halted_at(rates: Floats, learnt: Learnt, odds: float, reports: int, rng: np.random.Generator) -> Floats:
    """For each campaign, behind how many reports it is halted; NEVER: not within these."""
    most = float(rates.max()) * reports
    failures = int(most + 8 * np.sqrt(most) + 10)
    at = np.cumsum(rng.geometric(rates[:, None], size=(len(rates), failures)), axis=1, dtype=np.int64)
    halts = (at <= limits(learnt, odds, failures, reports)) & (at <= reports)
    found = np.full(len(rates), NEVER)
    some = halts.any(axis=1)
    found[some] = at[some, halts[some].argmax(axis=1)]
    return found


def limits(learnt: Learnt, odds: float, failures: int, reports: int) -> NDArray[np.int64]:
    """For 1, 2, … failures, the most reports among which these halt a campaign; less than the failures: none."""
    k = np.arange(1, failures + 1)
    low, high = k - 1, np.maximum(k, reports)
    while (low < high).any():
        middle = (low + high + 1) // 2
        halts = log_evidence(np.maximum(middle, k), k, learnt) >= np.log(odds)
        low, high = np.where(halts, middle, low), np.where(halts, high, middle - 1)
    return low


def drawn(rate: float, spread: float, campaigns: int, rng: np.random.Generator) -> Floats:
    """The rates of healthy campaigns of an account; `spread` 0: all the same."""
    return rng.beta(*Learnt(rate, spread).beta, campaigns) if spread else np.full(campaigns, rate)


def learnt_from(rates: Floats, reports: int, rng: np.random.Generator) -> Learnt:
    """What an account shows that had a campaign with each of these rates."""
    return learn([Seen(reports, int(rng.binomial(reports, rate))) for rate in rates])
