"""A short run of the CMPP fuzzer: damaged frames harm neither the link nor the simulated gateway.

`make fuzz` runs it for longer.
"""

from __future__ import annotations

import random
from collections import Counter

from tests.fuzz.cmpp import try_gateway, try_link


def test_damaged_frames_harm_no_link() -> None:
    outcomes = Counter(try_link(random.Random(seed)) for seed in range(300))
    assert outcomes.total() == 300
    assert outcomes["malformed"] > 100
    assert outcomes["sound"] > 5


async def test_damaged_frames_harm_no_gateway() -> None:
    assert await try_gateway(25, random.Random(3)) > 5
