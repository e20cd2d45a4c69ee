"""An account's rate of failures, learnt from its last campaigns, with its uncertainty. Pure.

Lists differ, so rates of healthy campaigns differ by more than chance. How much (the spread) is estimated from the
campaigns, together with an assumption for accounts that have few of them. A rate that few recipients have shown is
uncertain in itself; both uncertainties add up, and make the test (sequential.py) slower and never less safe.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Final

import msgspec

from dispatcher.core.waves.sequential import Learnt

CAMPAIGNS_MAX: Final = 20
"""The newest campaigns of an account that count."""

RECIPIENTS_MIN: Final = 100
"""A campaign with fewer settled recipients on the account says nothing."""

UNLEARNT: Final = Learnt(0.05, 0.7)
"""The rate of failures of an account without campaigns: only what is far above it halts a wave."""

UNKNOWN: Final = Learnt(0.005, 1.5)
"""The share of a healthy campaign's requests with an unknown result. It is the same for every account."""

OPT_OUTS: Final = Learnt(0.005, 1.0)
"""The share of a healthy campaign's recipients that opt out. It is the same for every account."""

_SPREAD_MIN: Final = 0.05
_ASSUMED_SPREAD: Final = 0.1
_ASSUMED_CAMPAIGNS: Final = 4
_CAUTION: Final = 1.5
"""The variance that a few campaigns show may be this much below the true one."""

_MEAN_MAX: Final = 0.9


class Seen(msgspec.Struct, frozen=True):
    """A past campaign on an account: recipients with a final report or refusal, and how many of them failed."""

    settled: int
    failed: int


def learn(campaigns: Sequence[Seen]) -> Learnt:
    """The rate that the next healthy campaign is expected to have. `campaigns`: the account's, the newest first."""
    seen = [each for each in campaigns if each.settled >= RECIPIENTS_MIN][:CAMPAIGNS_MAX]
    if not seen:
        return UNLEARNT
    failed, settled = sum(each.failed for each in seen), sum(each.settled for each in seen)
    mean = min((failed + 0.5) / (settled + 1), _MEAN_MAX)
    between = _between(seen, mean)
    chance = (1 - mean) / (failed + 0.5)
    return Learnt(mean, sqrt(max(between * (1 + 1 / len(seen)) + chance, _SPREAD_MIN**2)))


def _between(seen: Sequence[Seen], mean: float) -> float:
    """The variance of the campaigns' rates beyond chance, relative to the mean's square."""
    excess = 0.0
    for each in seen:
        chance = mean * (1 - mean) / each.settled
        excess += ((each.failed / each.settled - mean) ** 2 - chance) / mean**2
    known = len(seen) - 1
    return _CAUTION * max(0.0, _ASSUMED_CAMPAIGNS * _ASSUMED_SPREAD**2 + excess) / (_ASSUMED_CAMPAIGNS + known)
