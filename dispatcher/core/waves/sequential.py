"""An always-valid test of a rate: has it risen above what the account's campaigns have shown? Pure.

The evidence is a ratio of likelihoods. Below it stands what was learnt: this campaign's rate is drawn from a Beta
distribution around the account's rate, as wide as that is uncertain. Above it stand rates some times higher, mixed
(FACTORS). While the campaign is healthy the ratio is a martingale that begins at 1, so by Ville's inequality it reaches
1/alpha in at most a share alpha of all campaigns, however often it is looked at: after every report, every second, at
moments that were chosen because of what was seen. A test of one moment, repeated, would halt most healthy campaigns.

Reports of failures may come sooner than others. So recipients are counted in the order of sending, and one without a
report counts as not failed: the evidence grows with every failure, so it never exceeds what it will be when all
reports are there, and the bound holds for any order and delay of reports (`highest`).

Weak spot: one in a hundred healthy campaigns is halted, and a doubled rate of 0.5 % is only ten failures more in 2,000
reports: no test with so few false halts finds that reliably (docs/WAVES.md has the figures).
"""

from __future__ import annotations

from math import log
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.integer[Any]]

FACTORS: Final = ((1.5, 0.1), (2.0, 0.6), (4.0, 0.2), (12.0, 0.1))
"""(how many times higher a rate is, how much of the evidence looks there); the shares add up to 1."""

_SHIFT: Final = 8
_HALF_LOG_2PI: Final = 0.9189385332046727


class Learnt(msgspec.Struct, frozen=True):
    """What is known of a rate: its `mean`, and its standard deviation between campaigns relative to that (`spread`)."""

    mean: float
    spread: float

    @property
    def beta(self) -> tuple[float, float]:
        """The two parameters of the Beta distribution with this mean and spread."""
        total = max((1 - self.mean) / (self.mean * self.spread**2) - 1, 1.0)
        return self.mean * total, (1 - self.mean) * total


def log_evidence(trials: Any, events: Any, learnt: Learnt) -> Floats:
    """The logarithm of the evidence that the rate has risen, for each (trials, events) of two equal arrays."""
    n, k = np.asarray(trials, np.float64), np.asarray(events, np.float64)
    a, b = learnt.beta
    healthy = _log_likelihood(n, k, a, b)
    raised = []
    for factor, share in FACTORS:
        mean = 1 - (1 - learnt.mean) ** factor
        raised.append(log(share) + _log_likelihood(n, k, a, a * (1 - mean) / mean))
    found: Floats = np.logaddexp.reduce(raised, axis=0) - healthy
    return found


def highest(trials: Counts, events: Counts, learnt: Learnt) -> Peak:
    """The strongest evidence among all beginnings of the sending order; `trials` and `events` of requests in it."""
    n, k = np.cumsum(trials, dtype=np.int64), np.cumsum(events, dtype=np.int64)
    if not len(n):
        return Peak(0, 0, 0.0)
    found = log_evidence(n, k, learnt)
    at = int(found.argmax())
    return Peak(int(n[at]), int(k[at]), float(found[at]))


class Peak(msgspec.Struct, frozen=True):
    """Where the evidence was strongest: `events` among the first `trials`. `log_evidence`: natural logarithm."""

    trials: int
    events: int
    log_evidence: float

    def exceeds(self, alpha: float) -> bool:
        """Whether a healthy campaign shows this with a probability of at most alpha."""
        return self.log_evidence >= -log(alpha)


def _log_likelihood(n: Floats, k: Floats, a: float, b: float) -> Floats:
    """The probability of one sequence with k events in n trials whose rate is drawn from Beta(a, b)."""
    found: Floats = _log_beta(k + a, n - k + b) - _log_beta(np.float64(a), np.float64(b))
    return found


def _log_beta(x: Any, y: Any) -> Any:
    return log_gamma(x) + log_gamma(y) - log_gamma(x + y)


def log_gamma(x: Any) -> Any:
    """log Γ(x) for x > 0, by Stirling's series behind a shift of _SHIFT."""
    product = x + 0.0
    for step in range(1, _SHIFT):
        product = product * (x + step)
    z = x + _SHIFT
    inverse = 1.0 / z
    square = inverse * inverse
    series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))))
    return (z - 0.5) * np.log(z) - z + _HALF_LOG_2PI + series - np.log(product)
