"""The short form of `make crash`: a few rounds of kill -9 on each log, then everything compared with the vendor."""

from __future__ import annotations

import pytest

from tests.crash.conftest import KAFKA, SQLITE
from tests.crash.life import Life
from tests.crash.rounds import play

SEED = 5
TROUBLE = True

ROUNDS = {
    "sqlite": ["kill lanes inside a commit", "kill results", "kill everything", "kill web", "kill rebuild"],
    "kafka": ["kill lanes", "kill results", "kill everything", "kill web"],
}


@pytest.mark.parametrize("kind", [SQLITE, KAFKA], indirect=True)
def test_no_recipient_is_texted_twice_or_lost_whichever_process_is_killed(life: Life):
    for number, action in enumerate(ROUNDS[life.stage.kind], 1):
        play(life, number, seed=SEED, action=action)
    life.peace()
