"""Seeded histories keep every guarantee; and every deliberate mistake is caught by one of them."""

from __future__ import annotations

import pytest

from tests.simulation.history import play
from tests.simulation.mutants import JOIN_MUTANTS, MUTANTS

BLOCK = 50
SEEDS = 500
JOINED_EVERY = 5
MUTANT_SEEDS_MAX = 500


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_nothing_is_sent_twice_or_lost_whatever_crashes(first):
    for seed in range(first, first + BLOCK):
        play(seed, joined=seed % JOINED_EVERY == 0)


def test_a_seed_replays_exactly():
    assert play(7) == play(7)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulation_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    for seed in range(MUTANT_SEEDS_MAX):
        try:
            play(seed, joined=mutant in JOIN_MUTANTS)
        except Exception:
            return
    pytest.fail(f"{mutant.__name__} escaped {MUTANT_SEEDS_MAX} seeds")
