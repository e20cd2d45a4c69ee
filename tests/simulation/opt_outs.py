"""The suppression list while campaigns run: people opt out, lists are imported, numbers are taken off again.

In some histories only. Each process reads the list on its own, late, and for a while not at all. Judged at the vendor:
nobody is in a request who was on the list when its process last read it, or more than AGE_MAX_S before. Judged at the
end (judgement.py): who counts as suppressed was on the list, was not texted, and is in no later request.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import numpy as np

from dispatcher.core.lane.suppressed import AGE_MAX_S, Suppressed
from dispatcher.core.suppression import ListChange, bare, empty, folded
from schemas.records import Intent
from tests.simulation.launches import FIRST_NUMBER, Plan
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import Arrival
from tests.simulation.world.world import World

if TYPE_CHECKING:
    from tests.simulation.world.process import Process

SHARE: Final = 0.3
READ_EVERY_S: Final = 0.5
UNREADABLE_S: Final = (5.0, 120.0)
CHANGES_MAX: Final = 30
IMPORTED: Final = (0.05, 0.5, 1.0)
"""Shares of a campaign that an import puts on the list."""


def opts_out(seed: int) -> bool:
    """Whether people opt out in this history."""
    return random.Random(f"{seed}, opt-outs").random() < SHARE


class OptOuts:
    """The list on the log: `changes` in their order, each with its moment."""

    def __init__(self, world: World, log: SimLog, plans: Sequence[Plan], war_s: float) -> None:
        self.world, self.log = world, log
        self._rng = rng = random.Random(f"{world.seed}, opt-outs")
        self.acts = rng.random() < SHARE  # as `opts_out` says
        self.changes: list[ListChange] = []
        self.ever: set[int] = set()
        self._since_s: dict[int, float] = {}
        self._announced: dict[tuple[str, int], float] = {}
        self._unreadable_until_s = 0.0
        if not self.acts:
            return
        for _ in range(rng.randint(1, CHANGES_MAX)):
            world.after(rng.random() * war_s, partial(self._changes, rng.choice(plans)))
        if rng.random() < 0.4:
            world.after(rng.random() * war_s / 3, self._becomes_unreadable)

    def for_process(self, process: Process) -> Suppressed:
        """The list as this start of a process reads it."""
        if not self.acts:
            return Suppressed(float("inf"))
        suppressed = Suppressed()
        _Reading(self, process, suppressed).read()
        return suppressed

    @property
    def left_out(self) -> int:
        """How many recipients the intents on the log leave out, void ones included."""
        intents = (record for record in self.log.topics["lanes"] if isinstance(record, Intent))
        return sum(count for intent in intents for _, count in intent.left_out)

    def readable(self) -> bool:
        return self.world.now_s >= self._unreadable_until_s

    def announces(self, owner: str, intent: Intent, suppressed: Suppressed) -> None:
        """A process asks for this intent, by the list as it has read it."""
        self._announced[owner, intent.n] = suppressed.read_s

    def arrives(self, arrival: Arrival) -> None:
        """Nobody is in a request who was on the list as its process had read it, or long before."""
        if not self._since_s:
            return
        intent = self.log.topics["lanes"][arrival.intent]
        asked_s, read_s = self.log.asked_s[id(intent)], self._announced[intent.owner, intent.n]
        for number in arrival.numbers:
            since_s = self._since_s.get(int(number))
            if since_s is not None and (since_s < read_s or asked_s > since_s + AGE_MAX_S + 0.001):
                what = f"{number.decode()} is texted, {asked_s - since_s:.1f} s after it was suppressed"
                raise self.world.broken(what, [arrival.intent])

    def _changes(self, plan: Plan) -> None:
        rng, first = self._rng, FIRST_NUMBER + plan.first
        adds = rng.random() < 0.85
        if rng.random() < 0.2:
            share = rng.choice(IMPORTED)
            numbers = [first + at for at in range(plan.recipients) if rng.random() < share]
        else:
            numbers = sorted({first + rng.randrange(plan.recipients) for _ in range(rng.choice([1, 1, 5]))})
        if not adds and self._since_s:
            numbers = sorted(rng.sample(sorted(self._since_s), rng.randint(1, len(self._since_s))))
        self.world.say("%d numbers are %s", len(numbers), "suppressed" if adds else "allowed again")
        self.changes.append(ListChange(np.array(numbers, np.int64), adds))
        for number in numbers:
            if adds:
                self._since_s.setdefault(number, self.world.now_s)
                self.ever.add(number)
            else:
                self._since_s.pop(number, None)

    def _becomes_unreadable(self) -> None:
        self._unreadable_until_s = self.world.now_s + self._rng.uniform(*UNREADABLE_S)
        self.world.say("the suppression list cannot be read")


class _Reading:
    """One start of a process reads the list, as consumers/lanes/suppression_feed.py does."""

    def __init__(self, of: OptOuts, process: Process, suppressed: Suppressed) -> None:
        self._of, self._process, self._suppressed = of, process, suppressed
        self._listing = empty(detailed=False)
        self._position = -1

    def read(self) -> None:
        world, process = self._of.world, self._process
        owner = process.owner
        if owner is not None and owner.suppressed is not self._suppressed:
            return  # the process made a new start
        if self._of.readable():
            began_s, changes = world.now_s, self._of.changes[max(self._position, 0) :]
            world.after(0.003, lambda: self._take(changes, began_s), process)
        world.after(READ_EVERY_S, self.read, process)

    def _take(self, changes: list[ListChange], began_s: float) -> None:
        is_first = self._position < 0
        self._position = max(self._position, 0) + len(changes)
        touched = np.empty(0, np.int64)
        if changes:
            self._listing = folded(self._listing, changes)
            touched = np.unique(np.concatenate([change.numbers for change in changes]))
        self._suppressed.read(bare(self._listing.numbers).numbers, None if is_first else touched, began_s)
        self._process.poll_soon()
