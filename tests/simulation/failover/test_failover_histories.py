"""Recipients that move between accounts are texted once, by one of them, through crashes, freezes and late appends."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.catching import catches, seeds_of
from tests.simulation.failover.history import play, plays_others
from tests.simulation.failover.mutants import MUTANTS, OF_THE_JOIN, WITH_OTHERS

SEEDS = 12


@pytest.mark.parametrize("first", range(0, SEEDS, 6))
def test_moved_recipients_are_texted_once_and_nobody_waits_who_has_an_account_to_go_to(first: int) -> None:
    totals = [play(seed) for seed in range(first, first + 6)]
    assert sum(total["moved"] for total in totals) > 100


def test_the_equation_holds_for_each_account_whatever_of_the_log_was_read_first() -> None:
    for seed in range(SEEDS, SEEDS + 4):
        play(seed, joined=True)


@pytest.mark.parametrize("mutant", OF_THE_JOIN, ids=lambda mutant: mutant.__name__)
def test_the_join_of_failover_catches(mutant, monkeypatch) -> None:
    mutant(monkeypatch)
    assert any(catches(partial(play, seed, joined=True)) for seed in seeds_of(mutant, lambda seed: True))


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_histories_of_failover_catch(mutant, monkeypatch) -> None:
    mutant(monkeypatch)
    assert any(catches(partial(play, seed)) for seed in seeds_of(mutant, lambda seed: True))


@pytest.mark.parametrize("mutant", WITH_OTHERS, ids=lambda mutant: mutant.__name__)
def test_the_histories_of_failover_with_hours_budgets_and_opt_outs_catch(mutant, monkeypatch) -> None:
    mutant(monkeypatch)
    assert any(catches(partial(play, seed)) for seed in seeds_of(mutant, plays_others) if plays_others(seed))
