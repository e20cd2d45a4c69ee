"""A short run of the fuzzer: damaged lists come out as rows or as one sentence, in bounded memory.

`make fuzz` tries 10,000 of each kind.
"""

from __future__ import annotations

import random

import pytest

from producers.lists.reader.process import MEMORY_BYTES_MAX
from tests.fuzz.made import KINDS, sound
from tests.fuzz.trying import Tally, fuzz, tried


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_lists_are_rows_or_one_sentence(kind):
    tally = Tally()
    fuzz(kind, 60, 7, tally)
    assert tally.outcomes.total() == 60
    assert tally.outcomes["ended"] == 0
    assert tally.outcomes["read"] > 0
    assert tally.outcomes["refused"] > 0
    assert tally.memory_bytes < MEMORY_BYTES_MAX


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_damaged_was_sound_before(kind):
    for seed in range(20):
        dice = random.Random(seed)
        assert tried(sound(kind, dice), random.Random(0)) == "read"
