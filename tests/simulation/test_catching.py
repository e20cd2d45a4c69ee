"""What counts as catching a mistake."""

from __future__ import annotations

import pytest

from tests.simulation.catching import CAUGHT_AT, catches, seeds_of
from tests.simulation.world.world import Broken, World


def test_a_broken_guarantee_catches() -> None:
    def play() -> None:
        raise World(7).broken("a number was sent 2 times")

    assert catches(play)
    assert not catches(lambda: None)


def test_a_mutant_that_was_made_for_other_code_catches_nothing() -> None:
    def play() -> None:
        try:
            (lambda: None)(1)  # type: ignore[call-arg]
        except TypeError as error:
            raise World(7).broken(f"TypeError: {error}") from error

    with pytest.raises(Broken, match="TypeError"):
        catches(play)


def test_the_history_that_caught_it_is_played_first_then_those_that_contain_what_it_breaks() -> None:
    def weights_are_ignored() -> None: ...

    caught_at = CAUGHT_AT["weights_are_ignored"]
    others = [7, 300]
    assert seeds_of(weights_are_ignored, others.__contains__)[:4] == [caught_at, *others, 0]
