"""How slow the steps of a history are that lie before a request's first byte: from 1 ms to 3 s, by seed.

In some histories all of them take so long that an intent must live longer than configured.

Nothing here draws from the world's chances: a history whose steps are fast is what it was.
"""

from __future__ import annotations

import random
from typing import Final

import msgspec

SLOW_SHARE: Final = 0.5
LONG_SHARE: Final = 0.25
"""Of the slow ones."""

LONG_S: Final = 1.5
LEAST_S: Final = 0.001
MOST_S: Final = 3.0


class Slowness(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of each step: reading a record back, taking values and building a body, connecting.

    `stragglers`: the share of connections that take up to two seconds more.
    """

    reading_s: float = 0.0
    building_s: float = 0.0
    connecting_s: float = 0.0
    stragglers: float = 0.01

    @property
    def is_long(self) -> bool:
        """Whether each step takes long."""
        return min(self.reading_s, self.building_s, self.connecting_s) >= LONG_S

    @property
    def all_s(self) -> float:
        """What one request takes until it could be written."""
        return self.reading_s + self.building_s + self.connecting_s


def slowness_of(seed: int) -> Slowness:
    """Half of the seeds have slow steps: all of them long, or each anything up to MOST_S."""
    rng = random.Random(f"{seed}, slow")
    if rng.random() >= SLOW_SHARE:
        return Slowness()
    if rng.random() < LONG_SHARE:
        reading_s, building_s, connecting_s = (rng.uniform(LONG_S, MOST_S) for _ in range(3))
    else:
        reading_s, building_s, connecting_s = (LEAST_S * (MOST_S / LEAST_S) ** rng.random() for _ in range(3))
    return Slowness(reading_s=reading_s, building_s=building_s, connecting_s=connecting_s)
