"""One seeded history: campaigns, crashes, freezes, races and a misbehaving vendor; then peace; then the judgement."""

from __future__ import annotations

from typing import Any

from dispatcher.core.account_lane import LaneSpec
from dispatcher.core.chunks import Batch
from dispatcher.core.lane import ChunkState, LaneState
from dispatcher.core.owner import Owner
from schemas.records import Cancelled, Flowed, Intent, Job, Owned, Resolved
from tests.simulation.joining import join
from tests.simulation.world import ACCOUNT, Process, SimLog, SimVendor, World, control, launch

WAR_S = 60.0
PEACE_S = 400.0
GRACE_S = 6.0


class Broken(AssertionError):
    """A guarantee did not hold; the message names the seed and what to look at."""


def play(seed: int, owner_type: type[Owner] = Owner, *, joined: bool = True) -> dict[str, int]:
    """Play one seed and judge it, with or without the join. Returns a few totals; raises Broken."""
    world = World(seed)
    rng = world.rng
    faults = rng.random() < 0.9
    log = SimLog(world, faults=faults and rng.random() < 0.7)
    vendor = SimVendor(world, log, faults=faults)
    flow: tuple[int | None, Any] = rng.choice(
        [(500, "messages"), (50, "messages"), (20, "requests"), (None, "messages")]
    )
    spec = LaneSpec(
        account=ACCOUNT,
        numbers_max=rng.choice([20, 100, 500]),
        limit=flow[0],
        unit=flow[1],
        inflight_max=rng.choice([1, 4, 16]),
        timeout_s=8.0,
    )
    batches: dict[int, Batch] = {}
    policies: dict[str, str] = {}
    first = 0
    for index in range(rng.randint(1, 4)):
        name = f"c{index}"
        policies[name] = rng.choice(["hold", "hold", "resend"])
        sizes = [rng.choice([1, 30, 200, 600]) for _ in range(rng.randint(1, 4))]
        launch_s = rng.random() * WAR_S / 2 if index else 0.0
        fields = {"unknown": policies[name], "weight": rng.choice([1, 3]), "urgent": rng.random() < 0.2}
        world.after(
            launch_s,
            lambda n=name, f=first, s=sizes, k=fields: launch(log, batches, n, f, s, **k),  # type: ignore[misc]
        )
        first += 10_000
        stops = rng.choice(["pause", "cancel", "", "", ""])
        if stops == "pause":
            pause_s = rng.random() * WAR_S
            world.after(pause_s, lambda n=name: control(log, Flowed(campaign=n, paused=True, at_ms=0, by="t")))  # type: ignore[misc]
            world.after(
                pause_s + 20,
                lambda n=name: control(log, Flowed(campaign=n, paused=False, at_ms=0, by="t")),  # type: ignore[misc]
            )
        if stops == "cancel":
            world.after(rng.random() * WAR_S, lambda n=name: control(log, Cancelled(campaign=n, at_ms=0, by="t")))  # type: ignore[misc]

    def fresh() -> Process:
        process = Process(world, log, vendor, batches, spec, owner_type)
        process.start()
        return process

    living = [fresh()]
    while world.now_s < 1_000 + WAR_S:
        world.run(world.now_s + rng.expovariate(1 / 6.0))
        if not faults:
            continue
        victim = rng.choice(living)
        match rng.choice(
            ["kill", "freeze", "freeze long", "race", "stop", "connecting stalls", "vendor down", "nothing"]
        ):
            case "kill":
                victim.kill()
            case "freeze":
                victim.freeze(rng.random() * 4)
            case "freeze long":
                victim.freeze(rng.random() * rng.choice([6, 30]))
                living.append(fresh())
            case "race":
                living.append(fresh())
            case "stop":
                victim.stop()
            case "connecting stalls":
                vendor.stalled_until_s = world.now_s + rng.random() * 3
            case "vendor down":
                vendor.down_until_s = world.now_s + rng.random() * 10
        living = [process for process in living if not process.dead and not process.stopped]
        if not living or (rng.random() < 0.5 and all(p.frozen_until_s > world.now_s for p in living)):
            living.append(fresh())
    vendor.faults = log.faults = False
    vendor.down_until_s = 0.0
    world.run(world.now_s + 40.0)
    fresh()
    world.run(world.now_s + PEACE_S)
    totals = judge(seed, world, log, vendor, policies, spec)
    if joined:
        join(seed, log, batches, vendor.taken)
    return totals


def judge(
    seed: int, world: World, log: SimLog, vendor: SimVendor, policies: dict[str, str], spec: LaneSpec
) -> dict[str, int]:
    """Hold the vendor's ledger against the journal's fold."""

    def broken(what: str) -> Broken:
        return Broken(f"seed {seed}: {what}\n" + "\n".join(world.trace[-40:]))

    fate, was_unknown = fold(log)
    if spec.unit == "requests":
        vendor.arrivals = [(at_s, 1) for at_s, _ in vendor.arrivals]
    if spec.limit is not None and (over := vendor.windows_over(spec.limit, spec.per_s)):
        raise broken(f"{over} windows over the limit")
    cancelled = _cancelled(log)
    if late := _sent_while_stopped(log, vendor):
        raise broken(f"{late} was cancelled or paused and sent all the same")
    if late_intent := _arrived_after_resolved(log, vendor):
        raise broken(f"intent {late_intent} arrived after it was resolved to be sent again")
    doubles = 0
    counted: set[tuple[str, int]] = set()
    for job_offset, job in enumerate(log.topics["jobs"]):
        assert isinstance(job, Job)
        if job.attempt != "a" or (job.campaign, job.number) in counted:
            continue
        counted.add((job.campaign, job.number))
        policy = policies[job.campaign]
        for index in range(job.count):
            number = b"%d" % (13_000_000_000 + job.offset + index)
            times, word = vendor.taken.get(number, 0), fate.get((job_offset, index), "queued")
            unknown_once = (job_offset, index) in was_unknown
            if times > 1:
                doubles += 1
                if policy != "resend" or not unknown_once:
                    raise broken(f"{number.decode()} of {job.campaign} was sent {times} times")
            if word == "accepted" and times == 0:
                raise broken(f"{number.decode()} counts as accepted, the vendor never took it")
            if word in ("failed", "queued") and times > 0 and not unknown_once:
                raise broken(f"{number.decode()} counts as {word}, the vendor took it")
            if word == "in flight":
                raise broken(f"{number.decode()} is still in flight")
            if word == "queued" and job.campaign not in cancelled:
                raise broken(f"{number.decode()} of {job.campaign} was never sent")
            if word == "unknown" and policy == "resend" and job.campaign not in cancelled:
                raise broken(f"{number.decode()} is unknown, its policy is resend")
    return {"taken": len(vendor.taken), "doubles": doubles, "requests": len(vendor.arrivals)}


def _cancelled(log: SimLog) -> dict[str, float]:
    """When each cancelled campaign was cancelled."""
    written = zip(log.topics["campaigns"], log.written_s["campaigns"], strict=True)
    return {record.campaign: at_s for record, at_s in written if isinstance(record, Cancelled)}


def _sent_while_stopped(log: SimLog, vendor: SimVendor) -> str | None:
    """A campaign of which something arrived later than an intent's time to live after it was paused or cancelled."""
    stopped: dict[str, list[tuple[float, float]]] = {}
    for record, at_s in zip(log.topics["campaigns"], log.written_s["campaigns"], strict=True):
        if isinstance(record, Cancelled) or (isinstance(record, Flowed) and record.paused):
            stopped.setdefault(record.campaign, []).append((at_s + GRACE_S, float("inf")))
        elif isinstance(record, Flowed) and record.campaign in stopped:
            stopped[record.campaign][-1] = (stopped[record.campaign][-1][0], at_s)
    for at_s, _, campaign in vendor.of_intent:
        if any(start_s < at_s < end_s for start_s, end_s in stopped.get(campaign, ())):
            return campaign
    return None


def _arrived_after_resolved(log: SimLog, vendor: SimVendor) -> int | None:
    """An intent whose request arrived after the journal said that its recipients may be sent again."""
    arrived = {intent: at_s for at_s, intent, _ in vendor.of_intent}
    for record, at_s in zip(log.topics["lanes"], log.written_s["lanes"], strict=True):
        if isinstance(record, Resolved) and record.verdict == "resend" and arrived.get(record.intent, 0.0) > at_s:
            return record.intent
    return None


def fold(log: SimLog) -> tuple[dict[tuple[int, int], str], set[tuple[int, int]]]:
    """The journal folded from its beginning: every recipient's fate, and who was ever unknown."""
    state = LaneState()
    fate: dict[tuple[int, int], str] = {}
    was_unknown: set[tuple[int, int]] = set()
    for offset, record in enumerate(log.topics["lanes"]):
        change = state.apply(offset, record)
        chunks = list(state.open.values()) if isinstance(record, Owned) else [change.chunk] if change.chunk else []
        for chunk in chunks:
            recipients = [(chunk.job, index) for index in range(chunk.start, chunk.start + chunk.count)]
            word = "queued" if chunk.state is ChunkState.QUEUED else chunk.state.value
            fate.update(dict.fromkeys(recipients, word))
            if chunk.state is ChunkState.UNKNOWN:
                was_unknown.update(recipients)
            if isinstance(record, Intent) and record.attempt == 0 and any(r in was_unknown for r in recipients):
                raise AssertionError("a first attempt of an unknown recipient")
    return fate, was_unknown
