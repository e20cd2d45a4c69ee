"""Seeded histories keep every guarantee; and every deliberate mistake is caught by one of them."""

from __future__ import annotations

from functools import partial

import pytest

from tests.simulation.catching import catches
from tests.simulation.history import play
from tests.simulation.mutants.flow import (
    what_is_ready_and_urgent_always_goes_first,
    what_was_under_way_when_it_was_asked_is_forgotten,
    who_becomes_urgent_keeps_the_clock_it_had,
)
from tests.simulation.mutants.lane import (
    a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way,
    a_job_remembers_a_cursor_not_ranges,
    policy_resend_does_not_wait,
)
from tests.simulation.mutants.table import JOIN_MUTANTS, MUTANTS, seeds_of
from tests.simulation.world.world import TOLD, Broken

BLOCK = 20
SEEDS = 200
JOINED_EVERY = 5
SEED_OF_A_STORY = 1


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_nothing_is_sent_twice_or_lost_in_any_crash(first):
    for seed in range(first, first + BLOCK):
        play(seed, joined=seed % JOINED_EVERY == 0)


def test_a_seed_replays_exactly():
    assert play(7) == play(7)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_simulation_catches(mutant, monkeypatch):
    mutant(monkeypatch)
    assert any(catches(partial(play, seed, joined=mutant in JOIN_MUTANTS)) for seed in seeds_of(mutant))


FOUND = {
    "an append that was lost before a later one leaves a hole, which is sent after all": (
        1,
        a_job_remembers_a_cursor_not_ranges,
    ),
    "a cancelled campaign is not forgotten while an intent of it is on its way": (
        89,
        a_cancelled_campaign_is_forgotten_with_an_intent_on_its_way,
    ),
    "a campaign that becomes urgent does not wait for what it had before": (
        51,
        who_becomes_urgent_keeps_the_clock_it_had,
    ),
    "what was under way when the balance was asked counts against its answer": (
        26,
        what_was_under_way_when_it_was_asked_is_forgotten,
    ),
    "what is ready is not overtaken by urgent requests without end": (
        173,
        what_is_ready_and_urgent_always_goes_first,
    ),
}
"""Bugs that the simulation found: a seed whose history shows each, and the mistake as it was."""


@pytest.mark.parametrize("what", FOUND)
def test_a_bug_that_was_found_is_gone_and_would_be_found_again(what, monkeypatch):
    seed, mistake = FOUND[what]
    play(seed)
    mistake(monkeypatch)
    assert catches(lambda: play(seed, joined=False))


def test_a_history_that_fails_tells_what_happened_to_the_chunk_and_replays_word_for_word(monkeypatch):
    policy_resend_does_not_wait(monkeypatch)
    stories = []
    for _ in range(2):
        with pytest.raises(Broken) as failed:
            play(SEED_OF_A_STORY, joined=False)
        stories.append(str(failed.value))
    assert stories[0] == stories[1]
    for words in (f"seed {SEED_OF_A_STORY}, at ", "owned by ", "intent of ", "resolved as resend", "the vendor: "):
        assert words in stories[0], words
    assert len(stories[0].splitlines()) < TOLD + 5
