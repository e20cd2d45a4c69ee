"""Each key of a stream is sent once, none late and none above its budget, through crashes, lost appends and repeats."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.catching import catches, seeds_of
from tests.simulation.streams.history import has_budget, play
from tests.simulation.streams.mutants import MUTANTS, OF_BUDGETS

SEEDS = 12


@pytest.mark.parametrize("first", range(0, SEEDS, 6))
def test_each_key_is_sent_once_and_none_late(first: int) -> None:
    for seed in range(first, first + 6):
        play(seed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_histories_of_streams_catch(mutant, monkeypatch) -> None:
    mutant(monkeypatch)
    assert any(catches(partial(play, seed)) for seed in seeds_of(mutant, lambda seed: True))


@pytest.mark.parametrize("mutant", OF_BUDGETS, ids=lambda mutant: mutant.__name__)
def test_the_histories_of_streams_with_a_budget_catch(mutant, monkeypatch) -> None:
    mutant(monkeypatch)
    assert any(catches(partial(play, seed, joined=False)) for seed in seeds_of(mutant, has_budget) if has_budget(seed))
