"""One seeded history: campaigns, crashes, freezes, races and a misbehaving vendor; then peace; then the judgement."""

from __future__ import annotations

import random
from typing import Any, Final

import msgspec

from dispatcher.core.lane.account import LaneSpec
from dispatcher.core.lane.owner import Owner
from dispatcher.core.messages.chunks import Batch
from schemas.records import Cancelled, Checked, Flowed, Intent, Weighed
from tests.simulation.judging.evidence import Evidence
from tests.simulation.judging.joining import join
from tests.simulation.judging.judgement import judge
from tests.simulation.judging.recall import EVIDENCE_S
from tests.simulation.judging.watch import Watch
from tests.simulation.launches import Plan, launch
from tests.simulation.opt_outs import OptOuts
from tests.simulation.personal import PARTS_MAX, batch_limits_of, runs_of
from tests.simulation.schedules import Schedules
from tests.simulation.waves import Waves, in_waves
from tests.simulation.world.outages import attempts_of, outages_of
from tests.simulation.world.place import Place
from tests.simulation.world.process import Process
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import SimVendor
from tests.simulation.world.slowness import slowness_of
from tests.simulation.world.world import ACCOUNT, START_S, Broken, World

WAR_S: Final = 60.0
PEACE_S: Final = 400.0
SLICE_S: Final = 20.0
FLOWS: Final[tuple[dict[str, Any], ...]] = (
    {"limit": 500},
    {"limit": 50},
    {"limit": 20, "unit": "requests"},
    {"limit": 150, "unit": "parts"},
    {"limit": 100, "per_s": 2.0},
    {"limit": None},
)
HAPPENINGS: Final[tuple[str, ...]] = (
    *("kill", "freeze", "freeze long", "freeze long", "race", "stop", "reads late", "connecting stalls", "vendor down"),
    *("clock jumps", "top up", "nothing"),
)
HANDOVERS: Final[tuple[str, ...]] = (
    "hand over",
    "hand over",
    "reads late",
    "connecting stalls",
    "kill",
    "top up",
    "nothing",
)
FREEZES_S: Final = ((2.0, 7.0), (8.0, 22.0))
"""Where all steps take long: an owner that freezes with intents that live long wakes up beside its successor."""

CREDITS: Final = (None, None, 200, 2_000)
CANCELLED_SHARE: Final = 0.6
URGENT_SHARE: Final = 0.3
HURRIED_SHARE: Final = 0.15
"""In these histories campaigns become urgent, and cease to be, all the time."""


def play(seed: int, owner_type: type[Owner] = Owner, *, joined: bool = True) -> dict[str, int]:
    """Play one seed and judge it, with or without the join. Returns a few totals; raises Broken."""
    world = World(seed)
    try:
        return _play(world, owner_type, joined=joined)
    except Broken:
        raise
    except Exception as error:
        raise world.broken(f"{type(error).__name__}: {error}") from error


def _play(world: World, owner_type: type[Owner], *, joined: bool) -> dict[str, int]:
    rng = world.rng
    faults = rng.random() < 0.9
    log = SimLog(world, rng.choice(["sqlite", "kafka", "kafka"]), faults=faults and rng.random() < 0.7)
    vendor = SimVendor(world, log, faults=faults, credit=credit_of(world.seed))
    spec = msgspec.structs.replace(_spec(rng), attempts_max=attempts_of(world.seed))
    if vendor.memory.acts:
        spec = msgspec.structs.replace(spec, evidence_s=EVIDENCE_S)
    slowness = slowness_of(world.seed)
    if slowness.is_long:
        spec = msgspec.structs.replace(spec, timeout_s=2.0)
    evidence = Evidence(world, log, vendor)
    evidence.unclear(WAR_S)
    if faults:
        vendor.outages = outages_of(world.seed, WAR_S)
    for outage in vendor.outages:
        world.after(outage.until_s + 1.0, lambda: _check_account(log))
    plans = in_waves(_personalised(_plans(rng), world.seed), world.seed)
    schedules = Schedules(world, log, plans, WAR_S)
    plans = schedules.plans
    opt_outs, waves = OptOuts(world, log, plans, WAR_S), Waves(world, log, plans, WAR_S)
    limits = batch_limits_of(world.seed)
    place = Place(
        world, log, vendor, {}, spec, owner_type, {}, limits, slowness, opt_outs, schedules=schedules, waves=waves
    )
    watch = Watch(world, log, vendor, spec, place.cut_by, evidence.known_s, slowness, opt_outs, waves)
    if slowness.is_long:
        plans = [msgspec.structs.replace(plan, unknown="resend") for plan in plans]
    world.setting = f"{log.kind}, {spec}, credit {vendor.credit}, {slowness}, {vendor.outages}, {plans}"
    log.on_late = lambda records: _cancel_one(world, log, records)
    for plan in plans:
        _schedule(world, log, place.batches, plan)
        vendor.segments[plan.name], vendor.runs[plan.name] = plan.segments, plan.run

    def fresh() -> Process:
        process = Process(place)
        watch.processes.append(process)
        process.start()
        return process

    living = [fresh()]
    while world.now_s < START_S + WAR_S:
        world.run(world.now_s + rng.expovariate(1 / 6.0))
        if not faults:
            continue
        victim = rng.choice(living)
        match rng.choice(HANDOVERS if slowness.is_long else HAPPENINGS):
            case "kill":
                victim.kill()
            case "freeze":
                victim.freeze(rng.random() * 4)
            case "freeze long":
                victim.freeze(rng.random() * rng.choice([6, 30]))
                living.append(fresh())
            case "hand over":
                victim.freeze(rng.uniform(*rng.choice(FREEZES_S)))
                living.append(fresh())
            case "race":
                living.append(fresh())
            case "stop":
                victim.stop()
            case "reads late":
                victim.read_late(rng.random() * 8)
            case "connecting stalls":
                vendor.stalled_until_s = world.now_s + rng.random() * 3
            case "vendor down":
                vendor.down_until_s = world.now_s + rng.random() * 10
            case "clock jumps":
                world.wall_skew_s = rng.choice([0.0, 1.0, -1.0]) * rng.choice([2.0, 600.0, 10**6])
                world.say("the wall clock is %+.0f s off", world.wall_skew_s)
            case "top up":
                vendor.top_up(rng.choice([10, 1_000]))
        living = [process for process in living if not process.dead and not process.stopped]
        if not living or (rng.random() < 0.5 and all(p.frozen_until_s > world.now_s for p in living)):
            living.append(fresh())
    vendor.faults = log.faults = False
    vendor.down_until_s = 0.0
    vendor.outages = ()
    waves.peace()
    world.say("peace")
    _check_account(log)
    vendor.top_up(100_000)
    world.run(world.now_s + 40.0)
    fresh()
    world.run(world.now_s + PEACE_S)
    until_s = world.now_s + slowness.all_s * sum(plan.recipients for plan in plans)
    while world.now_s < until_s and any(process.busy for process in watch.processes):
        world.run(world.now_s + SLICE_S)
    judge(world, log, vendor, watch, opt_outs)
    if left := evidence.left():
        raise world.broken(left[0], [left[1]])
    if joined:
        join(world.seed, log, place.batches, vendor.taken)
    return {
        "taken": len(vendor.taken),
        "doubles": watch.doubles,
        "requests": vendor.requests,
        "left out": opt_outs.left_out,
    }


def credit_of(seed: int) -> int | None:
    """What is paid for at the beginning of this history; None: more than enough."""
    return random.Random(f"{seed}, credit").choice(CREDITS)


def is_hurried(seed: int) -> bool:
    """Whether campaigns of this history change their weights and become urgent again and again."""
    return random.Random(f"{seed}, hurry").random() < HURRIED_SHARE


def _spec(rng: random.Random) -> LaneSpec:
    return LaneSpec(
        account=ACCOUNT,
        numbers_max=rng.choice([20, 100, 500]),
        inflight_max=rng.choice([1, 4, 16]),
        timeout_s=8.0,
        polls_balance=rng.random() < 0.8,
        **rng.choice(FLOWS),
    )


def _plans(rng: random.Random) -> list[Plan]:
    return [
        Plan(
            name=f"c{index}",
            first=10_000 * index,
            sizes=tuple(rng.choice([1, 30, 200, 600]) for _ in range(rng.randint(1, 4))),
            unknown=rng.choice(["hold", "resend"]),
            weight=rng.choice([1, 3]),
            urgent=rng.random() < 0.2,
            segments=rng.choice([1, 1, 3]),
        )
        for index in range(rng.randint(1, 4))
    ]


def _personalised(plans: list[Plan], seed: int) -> list[Plan]:
    """Some of these campaigns have a text for each recipient."""
    replace = msgspec.structs.replace
    return [
        replace(plan, run=run, batch_limits=batch_limits_of(seed), segments=PARTS_MAX) if run else plan
        for plan, run in zip(plans, runs_of(seed, len(plans)), strict=True)
    ]


def _schedule(world: World, log: SimLog, batches: dict[int, Batch], plan: Plan) -> None:
    """When it is launched, perhaps again by somebody else, paused, resumed, reweighed, cancelled: at any moment."""
    rng, name = world.rng, plan.name
    launch_s = rng.random() * WAR_S / 2 if plan.first else 0.0
    world.after(launch_s, lambda: launch(log, batches, plan, "a"))
    if rng.random() < 0.2:
        world.after(rng.random() * WAR_S, lambda: launch(log, batches, plan, "b"))

    def control(at_s: float, record: Flowed | Cancelled | Weighed) -> None:
        world.after(at_s, lambda: log.put("campaigns", [record]))

    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        control(rng.random() * WAR_S, Flowed(campaign=name, paused=True, at_ms=0, by="t"))
        control(rng.random() * WAR_S, Flowed(campaign=name, paused=False, at_ms=0, by="t"))
    control(WAR_S + rng.random() * 20, Flowed(campaign=name, paused=False, at_ms=0, by="t"))
    hurried = is_hurried(world.seed)
    for _ in range(rng.choice([3, 6] if hurried else [0, 0, 1, 3])):
        urgent = rng.random() < (0.6 if hurried else URGENT_SHARE)
        weighed = Weighed(campaign=name, weight=rng.choice([1, 2, 5]), urgent=urgent, at_ms=0, by="t")
        control(rng.random() * WAR_S / (3 if hurried else 1), weighed)
    if rng.random() < 0.25:
        control(launch_s + rng.choice([1.0, WAR_S]) * rng.random(), Cancelled(campaign=name, at_ms=0, by="t"))


def _check_account(log: SimLog) -> None:
    """A person looks after the account, for whatever it was stopped."""
    log.put("jobs", [Checked(account=ACCOUNT, at_ms=0, by="t")])


def _cancel_one(world: World, log: SimLog, records: list[Any]) -> None:
    """While an intent is on its way for long, its campaign is cancelled, sometimes."""
    named = [record.campaign for record in records if isinstance(record, Intent)]
    if named and world.rng.random() < CANCELLED_SHARE:
        cancelled = Cancelled(campaign=named[0], at_ms=0, by="t")
        world.after(world.rng.random() * 2, lambda: log.put("campaigns", [cancelled]))
