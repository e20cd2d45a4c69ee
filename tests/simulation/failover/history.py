"""One history of accounts that fail over: outages, mishaps, then peace; then nobody waits who has somewhere to go."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import ChunkState, LaneState
from schemas.records import AnyRecord, Cancelled, Checked, Decided, Flowed, ResolvedAs, WaveDecided
from schemas.topics import lane_partition
from tests.simulation.failover.joined import join
from tests.simulation.failover.team import (
    ACCOUNTS,
    CAMPAIGN,
    PARTITIONS,
    Logs,
    Outage,
    Process,
    Vendor,
    Work,
    numbers_of,
)
from tests.simulation.schedules import minute_of_week
from tests.simulation.world.world import START_S, World

TROUBLE_S: Final = 30.0
END_S: Final = 150.0
NEVER_S: Final = 10_000.0
OTHERS_SHARE: Final = 0.4


def play(seed: int, *, joined: bool = False) -> dict[str, int]:
    """Play the history of this seed, with or without the join. Returns a few totals; raises Broken."""
    world = World(seed)
    rng = world.rng
    extras = random.Random(f"{seed}, with others")
    work = _with_others(_work(rng), world, extras)
    world.setting = f"{work}"
    logs, vendor = Logs(world, work), Vendor(world, work)
    running: dict[int, Process] = {}
    cancels = rng.random() < 0.15

    def start(partition: int, *, faults: bool) -> None:
        running[partition] = Process(world, logs, vendor, partition, faults=faults)

    def peace(partition: int, *, taken_over: bool) -> None:
        if taken_over:
            start(partition, faults=False)
        else:
            running[partition].faults = False

    def mishap() -> None:
        partition = rng.choice(PARTITIONS)
        before = running[partition]
        match rng.choice(["dies", "freezes", "is taken over"]):
            case "dies":
                before.dead = True
            case "freezes":
                before.frozen_until_s = world.now_s + rng.choice([0.5, 4.0, 8.0, 30.0])
        start(partition, faults=True)

    def start_again() -> None:
        for partition in PARTITIONS:
            if running[partition].dead:
                start(partition, faults=False)

    def look_after(account: str) -> None:
        logs.put_job(lane_partition(account), Checked(account=account, at_ms=0, by="ann"))

    if plays_others(seed):
        everybody = [number for batch, (_, size) in enumerate(work.batches) for number in numbers_of(batch, 0, size)]
        for number in extras.sample(everybody, min(len(everybody), extras.choice([0, 3, 20]))):
            world.after(extras.random() * TROUBLE_S, partial(logs.opts_out, number))
    for partition in PARTITIONS:
        start(partition, faults=True)
        world.after(TROUBLE_S, partial(peace, partition, taken_over=rng.random() < 0.5))
    for _ in range(rng.randrange(8)):
        world.after(rng.random() * TROUBLE_S, mishap)
    for outage in work.outages:
        if outage.until_s < NEVER_S:
            world.at(outage.until_s + 1.0, partial(look_after, outage.account))
    for control in _controls(rng, work, cancels=cancels):
        world.after(*control(logs))
    for _ in range(rng.choice([0, 1, 2])):
        world.after(rng.uniform(5, TROUBLE_S), partial(_decide, logs, vendor))
    for second in range(int(TROUBLE_S), int(END_S), 2):  # a process that gave up starts again
        world.after(second, start_again)
    for second in range(int(TROUBLE_S), int(END_S) - 60, 20):
        for account in ACCOUNTS:
            world.after(second, partial(look_after, account))
    world.run(START_S + END_S)
    _judge(world, logs, vendor, cancelled=cancels)
    if joined:
        join(logs, vendor)
    return {"moved": sum(each.as_job.count for each in logs.valid_moves), "took": len(vendor.took)}


def plays_others(seed: int) -> bool:
    """Whether accounts of this history also have hours, a budget, or recipients who opt out."""
    return random.Random(f"{seed}, with others").random() < OTHERS_SHARE


def _with_others(work: Work, world: World, rng: random.Random) -> Work:
    """The work with a minute in which nothing is sent, a budget, or neither."""
    if rng.random() >= OTHERS_SHARE:
        return work
    closed, budget = None, 0
    if rng.random() < 0.5:
        world.wall_skew_s = rng.uniform(5.0, 55.0)  # the minute begins during the trouble, or soon behind it
        first = minute_of_week(world.now_ms) + 1
        closed = range(first, first + 1)
    if rng.random() < 0.6:
        budget = max(1, round(sum(size for _, size in work.batches) * rng.choice([0.4, 0.8, 1.0])))
    return msgspec.structs.replace(work, closed_min=closed, budget=budget)


def _work(rng: random.Random) -> Work:
    sizes = {account: [rng.randrange(5, 120) for _ in range(rng.randrange(3))] for account in ACCOUNTS}
    sizes["elm"] = sizes["elm"] or [80]
    outages = []
    for account in ACCOUNTS[: rng.choice([1, 1, 2])]:
        what, from_s = rng.choice(["login", "credit", "busy", "down"]), START_S + rng.random() * 6
        ends = rng.random() < 0.5
        outages.append(Outage(account, what, from_s, from_s + rng.uniform(5, 40) if ends else NEVER_S * 100))
    then = {"elm": ("larch", "ash"), "larch": ("ash",), "ash": ("elm",) if rng.random() < 0.3 else ()}
    if rng.random() < 0.3:
        then["elm"] = ("ash", "larch")
    return Work(
        sizes=sizes,
        then=then,
        after_s=rng.choice([2.0, 5.0, 15.0]),
        fail_back=rng.random() < 0.3,
        outages=tuple(outages),
        waves=rng.random() < 0.3,
        released=rng.random() < 0.6,
        spec={
            account: LaneSpec(
                account=account,
                numbers_max=rng.choice([1, 7, 20]),
                limit=rng.choice([20, 60]),
                timeout_s=2,
                polls_balance=False,
                attempts_max=1_000,
            )
            for account in ACCOUNTS
        },
    )


def _controls(
    rng: random.Random, work: Work, *, cancels: bool
) -> list[Callable[[Logs], tuple[float, Callable[[], None]]]]:
    """Pauses, the second wave, a cancel: (when, what) of logs."""
    found: list[Callable[[Logs], tuple[float, Callable[[], None]]]] = []

    def put(at_s: float, record: AnyRecord) -> None:
        found.append(lambda logs: (at_s, partial(logs.campaigns.append, record)))

    if rng.random() < 0.3:
        at_s = rng.random() * TROUBLE_S
        put(at_s, Flowed(campaign=CAMPAIGN, paused=True, at_ms=0, by="t"))
        put(at_s + rng.random() * 20, Flowed(campaign=CAMPAIGN, paused=False, at_ms=1, by="t"))
    if work.waves and work.released:
        put(
            rng.random() * TROUBLE_S,
            WaveDecided(campaign=CAMPAIGN, wave=1, verdict="released", at_ms=0, by="t", by_person=True),
        )
    if cancels:
        put(rng.random() * TROUBLE_S, Cancelled(campaign=CAMPAIGN, at_ms=0, by="t"))
    return found


def _decide(logs: Logs, vendor: Vendor) -> None:
    """A person asks the vendors, and says of unknown requests what became of them."""
    for partition, journal in logs.lanes.items():
        state = folded(logs, partition)
        for chunk in state.open.values():
            if chunk.state is not ChunkState.UNKNOWN:
                continue
            intent = journal[chunk.intent]
            numbers = numbers_of(intent.batch, intent.start, intent.count)  # type: ignore[union-attr]
            taken = [number in vendor.took for number in numbers]
            if any(taken) and not all(taken):
                continue
            verdict = ResolvedAs.SENT if all(taken) else ResolvedAs.NOT_SENT
            logs.put_job(
                partition,
                Decided(
                    account=chunk.account,
                    campaign=CAMPAIGN,
                    intents=(chunk.intent,),
                    verdict=verdict,
                    at_ms=0,
                    by="ann",
                ),
            )


def folded(logs: Logs, partition: int) -> LaneState:
    """A partition, from its beginning."""
    state = LaneState()
    for offset, job in enumerate(logs.jobs[partition]):
        if hasattr(job, "start"):
            state.take_job(offset, job)  # type: ignore[arg-type]
        else:
            state.skip_inbox(offset)
    for offset, record in enumerate(logs.lanes[partition]):
        state.apply(offset, record)
    return state


def _judge(world: World, logs: Logs, vendor: Vendor, *, cancelled: bool) -> None:
    """Nobody is lost, nobody is in two queues, and nobody waits who has an account to go to. Raises Broken."""
    places: dict[int, str] = {}

    def put(numbers: range, where: str) -> None:
        for number in numbers:
            if number in places:
                raise world.broken(f"{number} is {where}, and {places[number]}")
            places[number] = where

    wanted = {number for batch, (_, size) in enumerate(logs.work.batches) for number in numbers_of(batch, 0, size)}
    stuck = {outage.account for outage in logs.work.outages if outage.until_s > world.now_s}
    for partition in PARTITIONS:
        state = folded(logs, partition)
        for moved in state.handovers.waiting.values():
            if not cancelled:
                raise world.broken(f"what left {moved.account} reached no other account")
        for chunk in state.open.values():
            for start, count in chunk.open_ranges:
                put(numbers_of(chunk.batch, chunk.start + start, count), f"unknown at {chunk.account}")
        for job in state.jobs.values():
            assert job.job is not None
            is_held = job.job.wave > 1 and not logs.work.released
            for start, end in job.queued():
                put(numbers_of(job.job.batch, start, end - start), f"queued at {job.job.account}")
                doubted = any(first < end and start < last for first, last in job.doubted)
                away = [account for account in job.job.then if account not in stuck]
                unpaid = 0 < logs.work.budget < len(wanted)
                if (
                    not cancelled
                    and not doubted
                    and not is_held
                    and not unpaid
                    and (job.job.account not in stuck or away)
                ):
                    raise world.broken(f"{end - start} recipients wait at {job.job.account}, then {job.job.then}")
    for number in vendor.took:
        if number in places and not places[number].startswith("unknown"):
            raise world.broken(f"{number} was texted by {vendor.took[number]}, and is {places[number]}")
    if lost := wanted - places.keys() - vendor.took.keys() - vendor.refused - logs.opted_out_s.keys():
        raise world.broken(f"{len(lost)} recipients are nowhere, such as {min(lost)}")
