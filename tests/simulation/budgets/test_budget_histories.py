"""A budget that several lanes share is kept to the part, through crashes, freezes and late readers."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.budgets.history import play
from tests.simulation.budgets.mutants import MUTANTS, seeds_of
from tests.simulation.catching import catches

SEEDS = 40


@pytest.mark.parametrize("first", range(0, SEEDS, 10))
def test_a_shared_budget_is_spent_to_the_part_and_never_exceeded(first: int) -> None:
    for seed in range(first, first + 10):
        play(seed)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_histories_of_budgets_catch(mutant, monkeypatch) -> None:
    mutant(monkeypatch)
    assert any(catches(partial(play, seed)) for seed in seeds_of(mutant))
