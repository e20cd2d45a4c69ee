"""How far ahead a lane announces: what a kill leaves unknown that was not on the wire, and the use of the limit."""

from __future__ import annotations

from typing import Final

import pytest

from dispatcher.core.flow import pacing
from dispatcher.core.lane.account import AccountLane, LaneSpec
from dispatcher.core.lane.gate import Lead
from schemas.records import Intent, Outcome
from tests.simulation.launches import Plan, launch
from tests.simulation.world.place import Place
from tests.simulation.world.process import Process
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import SimVendor
from tests.simulation.world.slowness import Slowness
from tests.simulation.world.world import ACCOUNT, START_S, World

STEADY: Final = Slowness(stragglers=0.0)
STRAGGLING: Final = Slowness()
AHEAD_S: Final = 0.1
WARM_S: Final = 1.0
LASTS_S: Final = 4.0
LOOK_S: Final = 0.004
LIMITS: Final = ((50, 1), (500, 1), (500, 3))
"""Recipients a second, and the campaigns that share them."""


class Calm:
    """An account that nothing disturbs: no faults, and more work than time."""

    def __init__(self, seed: int, limit: int, campaigns: int, slowness: Slowness) -> None:
        self.world = World(seed)
        self._log = SimLog(self.world, self.world.rng.choice(["sqlite", "kafka"]), faults=False)
        vendor = SimVendor(self.world, self._log, faults=False, credit=None)
        vendor.memory.acts = False
        vendor.watch = lambda arrival, _: self._arrivals.append((self.world.now_s, len(arrival.numbers)))
        self._limit = limit
        self._arrivals: list[tuple[float, int]] = []
        spec = LaneSpec(account=ACCOUNT, numbers_max=1_000, limit=limit, timeout_s=8.0, polls_balance=False)
        place = Place(self.world, self._log, vendor, {}, spec, slowness=slowness)
        for index in range(campaigns):
            plan = Plan(
                name=f"c{index}", first=10**6 * index, sizes=(limit * 10,), unknown="hold", weight=1, urgent=False,
                segments=1,
            )  # fmt: skip
            launch(self._log, place.batches, plan, "a")
            vendor.segments[plan.name], vendor.runs[plan.name] = 1, 0
        self._process = Process(place)
        self._process.start()

    def run(self, until_s: float) -> Calm:
        self.world.run(START_S + until_s)
        return self

    def unwritten_s(self) -> float:
        """How much of the limit a kill now leaves unknown though not a byte of it was written."""
        assert self._process.owner is not None
        under_way = self._process.owner.lanes[ACCOUNT].sending.values()
        written = {sending.chunk.intent for sending in under_way if sending.written}
        journal = self._log.topics["lanes"]
        over = {record.intent for record in journal if isinstance(record, Outcome)} | written
        open_ = (each.count for n, each in enumerate(journal) if isinstance(each, Intent) and n not in over)
        return sum(open_) / self._limit

    def use(self) -> float:
        """The share of the limit that was used once the lane was warm."""
        sent = sum(count for at_s, count in self._arrivals if at_s >= START_S + WARM_S)
        return sent / (self._limit * (self.world.now_s - START_S - WARM_S))


def left_s(limit: int, campaigns: int, slowness: Slowness = STEADY, seed: int = 0) -> float:
    """The most that a kill at any moment leaves unknown beyond what was on the wire, as seconds of the limit."""
    calm, moments = Calm(seed, limit, campaigns, slowness), round((LASTS_S - WARM_S) / LOOK_S)
    return max(calm.run(WARM_S + LOOK_S * moment).unwritten_s() for moment in range(moments))


@pytest.mark.parametrize(("limit", "campaigns"), LIMITS)
def test_a_kill_leaves_at_most_a_tenth_of_a_second_of_the_limit_unknown_beyond_what_was_on_the_wire(limit, campaigns):
    assert left_s(limit, campaigns) <= AHEAD_S


def test_one_slow_connection_adds_one_chunk_to_what_a_kill_leaves_unknown():
    assert left_s(500, 1, STRAGGLING, seed=1) <= 2 * AHEAD_S


@pytest.mark.parametrize(("limit", "campaigns"), LIMITS)
@pytest.mark.parametrize("slowness", [STEADY, STRAGGLING], ids=["steady", "straggling"])
def test_the_limit_is_used_all_the_same(limit, campaigns, slowness):
    uses = [Calm(seed, limit, campaigns, slowness).run(LASTS_S).use() for seed in range(2)]
    assert sum(uses) / len(uses) > (0.95 if slowness is STEADY else 0.85)


def test_slow_steps_have_no_more_announced_than_they_take():
    slow_s = 0.5
    slow = Slowness(building_s=slow_s, stragglers=0.0)
    runs = [Calm(seed, 500, 1, slow).run(2 * LASTS_S) for seed in range(2)]
    assert max(run.unwritten_s() for run in runs) <= 2 * slow_s + AHEAD_S
    assert sum(run.use() for run in runs) / len(runs) > 0.95


def chunks_are_a_fifth_of_a_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(pacing, "SHARE_OF_WINDOW", 5)


def half_a_second_is_announced_ahead(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Lead, "s", property(lambda self: 0.5, lambda self, value: None), raising=False)


def everything_that_fits_is_announced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(AccountLane, "unsent", property(lambda self: ()))


@pytest.mark.parametrize(
    "mistake", [chunks_are_a_fifth_of_a_window, half_a_second_is_announced_ahead, everything_that_fits_is_announced]
)
def test_announcing_too_early_is_caught(mistake, monkeypatch):
    mistake(monkeypatch)
    assert left_s(500, 1) > AHEAD_S
