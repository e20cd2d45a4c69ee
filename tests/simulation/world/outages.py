"""Outages of a history: for a while the vendor is busy, in error, silent, unreachable, or another web server answers.

Nothing here draws from the world's chances: a history without outages is what it was.
"""

from __future__ import annotations

import random
from typing import Final, Literal

import msgspec

Kind = Literal["busy", "error", "silent", "refuse", "elsewhere"]

KINDS: Final[tuple[Kind, ...]] = ("busy", "error", "silent", "refuse", "elsewhere")
OUTAGE_SHARE: Final = 0.4
LASTS_S: Final = (2.0, 15.0, 45.0)
ATTEMPTS: Final = (2, 8)


class Outage(msgspec.Struct, frozen=True):
    """The vendor behaves like this to every request in [from_s, until_s) of the history."""

    kind: Kind
    from_s: float
    until_s: float


def outages_of(seed: int, war_s: float) -> tuple[Outage, ...]:
    """The outages of this history; most have none."""
    rng = random.Random(f"{seed}, outages")
    if rng.random() >= OUTAGE_SHARE:
        return ()
    starts_s = sorted(rng.random() * war_s for _ in range(rng.choice([1, 1, 2])))
    return tuple(Outage(rng.choice(KINDS), at_s, at_s + rng.choice(LASTS_S) * rng.random()) for at_s in starts_s)


def attempts_of(seed: int) -> int:
    """After how many refusals for now a chunk may be given up; never within a history, which has no hour."""
    return random.Random(f"{seed}, attempts").choice(ATTEMPTS)
