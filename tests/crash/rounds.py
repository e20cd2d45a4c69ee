"""What is done to a life: one short round after another, chosen by the seed.

Each round launches something, then lets one thing happen (ACTIONS), then starts again whatever is not there. A seed
chooses the same actions and waits each time; where exactly a kill strikes is up to the machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from tests.crash import actions_around, actions_lanes
from tests.crash.life import Life
from tests.crash.stage import LogKind

Action = Callable[[Life], None]

LAUNCHING_MAX: Final = 2  # a launch may go on into the next round: so there is always something being sent

BOTH: Final[tuple[LogKind, ...]] = ("sqlite", "kafka")

ACTIONS: Final[dict[str, tuple[int, tuple[LogKind, ...], Action]]] = {
    "kill lanes": (8, BOTH, actions_lanes.kill_lanes),
    "kill lanes inside a commit": (4, ("sqlite",), actions_lanes.kill_lanes_inside_a_commit),
    "kill results": (3, BOTH, actions_around.kill_results),
    "kill web": (3, BOTH, actions_around.kill_web),
    "kill everything": (2, BOTH, actions_around.kill_everything),
    "freeze lanes": (2, BOTH, actions_lanes.freeze_lanes),
    "freeze lanes until another owns": (3, ("kafka",), actions_lanes.freeze_lanes_until_another_owns),
    "rebalance while sending": (3, BOTH, actions_lanes.rebalance_while_sending),
    "two owners by force": (3, BOTH, actions_lanes.two_owners_by_force),
    "kill rebuild": (2, BOTH, actions_around.kill_rebuild),
    "kill export": (1, BOTH, actions_around.kill_export),
    "control": (2, BOTH, actions_around.control),
    "restart in order": (3, BOTH, actions_lanes.restart_in_order),
    "launch twice at once": (2, BOTH, actions_around.launch_twice_at_once),
    "resolve by hand": (2, BOTH, actions_lanes.resolve_by_hand),
    "kill the broker": (2, ("kafka",), actions_around.kill_the_broker),
    "freeze the broker": (3, ("kafka",), actions_around.freeze_the_broker),
    "kill while the log is made": (1, BOTH, actions_around.kill_while_the_log_is_made),
    "run out of space": (2, ("sqlite",), actions_lanes.run_out_of_space),
}
"""How often, on which log, what."""


def play(life: Life, number: int, *, seed: int, action: str | None = None) -> None:
    """One round; the seed chooses the action if none is given. Raises CrashFailure."""
    life.story.begin_round(number)
    rng = life.rng = random.Random(f"{seed} {life.stage.kind} {number}")
    life.revive()
    fate = rng.random()
    life.launch(kill=fate < 0.35, repeat=fate >= 0.06)
    if rng.random() < 0.3:
        life.launch(most=200)
    names = [name for name, (weight, kinds, _) in ACTIONS.items() if life.stage.kind in kinds for _ in range(weight)]
    name = action or rng.choice(names)
    life.story.say(f"action: {name}")
    life.figures[f"rounds: {name}"] += 1
    ACTIONS[name][2](life)
    life.revive()
    life.until(lambda: len(life.launching) <= LAUNCHING_MAX, "all but a few of the launches")
    life.figures["rounds"] += 1
