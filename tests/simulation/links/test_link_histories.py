"""Seeded histories of an account on links keep every guarantee; every deliberate mistake is caught by one of them."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from tests.simulation.catching import catches
from tests.simulation.links.history import play
from tests.simulation.links.mutants import MUTANTS, seeds_of

BLOCK = 20
SEEDS = 80
JOINED_EVERY = 4


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_nothing_is_sent_twice_or_lost_on_links(first: int) -> None:
    totals: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        totals.update(play(seed, joined=seed % JOINED_EVERY == 0))
    assert min(totals[name] for name in ("breaks", "again", "late", "marked", "grouped")) > 0, totals


def test_a_seed_replays_exactly() -> None:
    assert play(5) == play(5)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_histories_of_links_catch(mutant, monkeypatch) -> None:
    mutant(monkeypatch)
    assert any(catches(partial(play, seed, joined=False)) for seed in seeds_of(mutant))
