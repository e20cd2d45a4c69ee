"""One seeded history of an account on links: broken connections, silent gateways, crashes, take-overs; the judgement.

World, log, processes, launches, watch and judgement are those of accounts over HTTP (tests/simulation/history.py).
"""

from __future__ import annotations

import random
from typing import Any, Final

from dispatcher.core.lane.account import LaneSpec
from dispatcher.core.lane.owner import Owner
from schemas.records import Cancelled, Checked, Flowed, Kind, Outcomes
from tests.simulation.judging.joining import join
from tests.simulation.judging.judgement import fold, judge
from tests.simulation.judging.recall import Memory
from tests.simulation.judging.watch import Watch
from tests.simulation.launches import FIRST_NUMBER, Plan, launch
from tests.simulation.links.gateway import EXPECTED_S, Gateway
from tests.simulation.links.process import LinkProcess, Marks
from tests.simulation.opt_outs import OptOuts
from tests.simulation.world.place import Place
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import Arrival
from tests.simulation.world.slowness import Slowness
from tests.simulation.world.world import ACCOUNT, START_S, Broken, World

WAR_S: Final = 40.0
PEACE_S: Final = 150.0
FLOWS: Final = (None, 500, 100, 40)
HAPPENINGS: Final = (
    *("kill", "kill", "freeze", "freeze long", "race", "stop", "a line breaks", "a line breaks", "logins refused"),
    *("reads late", "nothing"),
)


class LinkWatch(Watch):
    """Requests of one message each: shares are judged in the histories of requests."""

    def twice(self, number: int, intent: int) -> None:
        """A part was taken once more."""
        campaign = self.log.topics["lanes"][intent].campaign
        if self._policy[campaign] != "resend":
            raise self.world.broken(f"a part of the text of {campaign} was sent twice to {number}", [intent])

    def _passes(self, arrival: Arrival) -> None:
        """Nothing."""

    def _silent(self) -> None:
        """Nothing."""


def play(seed: int, *, joined: bool = True) -> dict[str, int]:
    """Play one seed and judge it, with or without the join. Returns a few totals; raises Broken."""
    world = World(seed)
    try:
        return _play(world, joined=joined)
    except Broken:
        raise
    except Exception as error:
        raise world.broken(f"{type(error).__name__}: {error}") from error


def connections_of(seed: int) -> int:
    return random.Random(f"{seed}, connections").choice([1, 1, 2, 3])


def parts_of(seed: int) -> tuple[int, ...]:
    """How many parts the campaigns' texts have."""
    rng = random.Random(f"{seed}, parts")
    return tuple(rng.choice([1, 1, 3]) for _ in range(rng.randint(1, 3)))


def limit_of(seed: int) -> int | None:
    return random.Random(f"{seed}, limit").choice(FLOWS)


def _play(world: World, *, joined: bool) -> dict[str, int]:
    rng, seed = world.rng, world.seed
    faults = rng.random() < 0.9
    log = SimLog(world, rng.choice(["sqlite", "kafka"]), faults=faults and rng.random() < 0.5)
    gateway = Gateway(world, log, faults=faults)
    connections = connections_of(seed)
    spec = LaneSpec(
        account=ACCOUNT,
        numbers_max=rng.choice([20, 60]),
        inflight_max=2 * connections,
        timeout_s=2 * EXPECTED_S,
        unit="parts",
        limit=limit_of(seed),
        attempts_max=10_000,
    )
    vendor = _Seen(world, gateway)
    slowness = Slowness()
    plans = [
        Plan(
            name=f"c{index}",
            first=10_000 * index,
            sizes=tuple(rng.choice([1, 30, 90]) for _ in range(rng.randint(1, 3))),
            unknown=rng.choice(["hold", "hold", "resend"]),
            weight=1,
            urgent=rng.random() < 0.2,
            segments=parts,
        )
        for index, parts in enumerate(parts_of(seed))
    ]
    opt_outs = OptOuts(world, log, plans, WAR_S)
    place = Place(world, log, vendor, {}, spec, Owner, {}, None, slowness, opt_outs)  # type: ignore[arg-type]
    watch = LinkWatch(world, log, vendor, spec, place.cut_by, {}, slowness, opt_outs)  # type: ignore[arg-type]
    gateway.watch, gateway.twice = watch._arrived, watch.twice
    world.setting = f"{log.kind}, {spec}, {connections} connections, loss {gateway.loss}, "
    world.setting += f"groups of {gateway.group}, resend {gateway.resend}, {plans}"
    for plan in plans:
        gateway.segments[plan.name] = plan.segments
        gateway.campaigns[FIRST_NUMBER + plan.first] = plan.name
        _schedule(world, log, place, plan)
    machines = [Marks(), Marks()]

    def written(topic: str, offset: int, record: Any) -> None:
        if isinstance(record, Outcomes):
            for machine in machines:
                machine.release(record.intent)

    log.listeners.append(written)

    def fresh() -> LinkProcess:
        process = LinkProcess(place, gateway, machines, connections)
        watch.processes.append(process)
        process.start()
        return process

    living = [fresh()]
    while world.now_s < START_S + WAR_S:
        world.run(world.now_s + rng.expovariate(1 / 3.0))
        if faults:
            _happens(world, gateway, living, fresh)
        living = [process for process in living if not process.dead and not process.stopped]
        if not living:
            living.append(fresh())
    gateway.faults = log.faults = False
    gateway.refuses_until_s = 0.0
    world.say("peace")
    for machine in machines:  # each machine starts once more: what its dead left is told
        log.put("jobs", [Checked(account=ACCOUNT, at_ms=0, by="t")])
        world.run(world.now_s + 30.0)
        last = LinkProcess(place, gateway, [machine], connections)
        watch.processes.append(last)
        last.start()
    world.run(world.now_s + PEACE_S)
    judge(world, log, vendor, watch, opt_outs, for_now=(Kind.RETRY_LATER,))  # type: ignore[arg-type]
    _late_answers_count(world, log, gateway)
    if joined:
        join(seed, log, place.batches, gateway.taken)
    return {
        "taken": len(gateway.taken),
        "requests": gateway.requests,
        "breaks": gateway.breaks,
        "again": gateway.again,
        "late": gateway.late,
        "left out": opt_outs.left_out,
        "grouped": gateway.grouped,
        "marked": sum(process.found_marks for process in watch.processes if isinstance(process, LinkProcess)),
    }


def _late_answers_count(world: World, log: SimLog, gateway: Gateway) -> None:
    """Who was unknown, and whose answer came late to a process that lives, is not unknown."""
    fate, _ = fold(log)
    for process, intent, number in gateway.heard_late:
        record = log.topics["lanes"][intent]
        recipient = (record.job, number - FIRST_NUMBER - log.topics["jobs"][record.job].offset)
        alive = isinstance(process, LinkProcess) and not process.dead
        if alive and gateway.segments[record.campaign] == 1 and fate[recipient] == "unknown":
            raise world.broken(f"{number} is unknown, the answer came late", [intent])


class _Seen:
    """The gateway, as processes, watch and judgement of accounts over HTTP look at a vendor."""

    def __init__(self, world: World, gateway: Gateway) -> None:
        self.world = world
        self.stalled_until_s = 0.0
        self.memory = Memory(world)
        self.memory.acts = False
        self.taken = gateway.taken
        self.credit = None
        self.took: dict[int, str] = {}


def _happens(world: World, gateway: Gateway, living: list[LinkProcess], fresh) -> None:
    rng = world.rng
    victim = rng.choice(living)
    match rng.choice(HAPPENINGS):
        case "kill":
            victim.kill()
        case "freeze":
            victim.freeze(rng.random() * 3)
        case "freeze long":
            victim.freeze(rng.random() * 20)
            living.append(fresh())
        case "race":
            living.append(fresh())
        case "stop":
            victim.stop()
        case "reads late":
            victim.read_late(rng.random() * 5)
        case "a line breaks":
            if victim.lines and not victim.stopped:
                rng.choice(victim.lines).breaks()
        case "logins refused":
            gateway.refuses_until_s = world.now_s + rng.random() * 5
            world.after(5.0, lambda: gateway.log.put("jobs", [Checked(account=ACCOUNT, at_ms=0, by="t")]))


def _schedule(world: World, log: SimLog, place: Place, plan: Plan) -> None:
    """When it is launched, paused, resumed, cancelled."""
    rng, name = world.rng, plan.name
    launch_s = rng.random() * WAR_S / 2 if plan.first else 0.0
    world.after(launch_s, lambda: launch(log, place.batches, plan, "a"))

    def control(at_s: float, record: Flowed | Cancelled) -> None:
        world.after(at_s, lambda: log.put("campaigns", [record]))

    for _ in range(rng.choice([0, 0, 1, 2])):
        control(rng.random() * WAR_S, Flowed(campaign=name, paused=True, at_ms=0, by="t"))
        control(rng.random() * WAR_S, Flowed(campaign=name, paused=False, at_ms=0, by="t"))
    control(WAR_S + 5.0, Flowed(campaign=name, paused=False, at_ms=0, by="t"))
    if rng.random() < 0.2:
        control(launch_s + WAR_S * rng.random(), Cancelled(campaign=name, at_ms=0, by="t"))
