"""One history of a shared budget: mishaps, then peace; then everything that the budget pays is sent, and no more."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.core.money.budget import shares
from schemas.records import AnyRecord, Job
from tests.simulation.budgets.team import ACCOUNTS, CAMPAIGN, Logs, Process, Vendor, Work, change_budget
from tests.simulation.world.world import START_S, World

TROUBLE_S: Final = 20.0
END_S: Final = 60.0


def play(seed: int) -> None:
    """Play the history of this seed. Raises Broken."""
    world = World(seed)
    rng = world.rng
    costs = {account: [rng.choice([3, 5, 5, 10]) for _ in range(rng.randrange(20, 90))] for account in ACCOUNTS}
    if rng.random() < 0.3:
        costs = {account: [5] * len(each) for account, each in costs.items()}
    whole = sum(map(sum, costs.values()))
    changes = tuple(
        (rng.random() * TROUBLE_S, round(whole * rng.choice([0.3, 0.6, 0.8, 1.2])))
        for _ in range(rng.choice([0, 0, 1, 2]))
    )
    work = Work(
        costs=costs,
        budget=round(whole * rng.choice([0.2, 0.5, 0.5, 0.9, 1.0])),
        changes=changes,
        unknown=rng.choice(["hold", "resend"]),
        spec={
            account: LaneSpec(
                account=account, numbers_max=rng.choice([1, 7, 20]), limit=rng.choice([20, 60]), timeout_s=2
            )
            for account in ACCOUNTS
        },
    )
    world.setting = f"{work.budget} of {whole}, {work.unknown}, {changes}"
    of_accounts = shares(work.budget, [sum(costs[account]) for account in ACCOUNTS])
    logs, vendor = Logs(world, work, dict(zip(ACCOUNTS, of_accounts, strict=True))), Vendor(world, work)
    for at_s, budget in changes:
        world.after(at_s, partial(change_budget, world, logs, vendor, budget))
    running: dict[int, Process] = {}

    def start(partition: int, *, faults: bool) -> None:
        running[partition] = Process(world, logs, vendor, work, partition, faults=faults)

    def mishap() -> None:
        partition = rng.choice([0, 1])
        before = running[partition]
        match rng.choice(["dies", "freezes", "is taken over"]):
            case "dies":
                before.dead = True
            case "freezes":
                before.frozen_until_s = world.now_s + rng.choice([0.5, 4.0, 8.0])
        start(partition, faults=True)

    def start_again() -> None:
        for partition in (0, 1):
            if running[partition].dead:
                start(partition, faults=False)

    for partition in (0, 1):
        start(partition, faults=True)
        world.after(TROUBLE_S, partial(start, partition, faults=False))
    for _ in range(rng.randrange(6)):
        world.after(rng.random() * TROUBLE_S, mishap)
    for second in range(int(TROUBLE_S), int(END_S)):  # a process that gave up starts again
        world.after(second, start_again)
    world.run(START_S + END_S)
    _judge(world, logs, running, work.unknown, vendor)


def _judge(world: World, logs: Logs, running: dict[int, Process], unknown: str, vendor: Vendor) -> None:
    """What is left of the budget pays for no account's next recipient. Raises Broken."""
    campaigns = Campaigns()
    for offset, record in enumerate(logs.campaigns):
        campaigns.apply(offset, record)
    budget = campaigns.by_id[CAMPAIGN].budget
    assert budget is not None
    spent, is_open = 0, 0
    waiting: dict[str, int] = {}
    for partition, journal in logs.lanes.items():
        state = _folded(logs.jobs[partition], journal)
        spent += sum(state.spent.values())
        is_open += sum(chunk.cost_of(chunk.open_ranges) for chunk in state.open.values())
        for job in state.jobs.values():
            assert job.job is not None
            if queued := sum(end - start for start, end in job.queued()):
                waiting[job.job.account] = queued
    left = budget.amount - spent
    if left < 0 and budget.amount == vendor.most:
        raise world.broken(f"{spent:,} are spent of {budget.amount:,}")
    if unknown == "hold" and spent - is_open > vendor.paid:
        raise world.broken(
            f"{spent:,} count as spent, {is_open:,} of them are open, and the vendors took {vendor.paid:,}"
        )
    for account in waiting:
        lacking = running[ACCOUNTS[account]].owner.budgets.lacking(account, CAMPAIGN)
        if not lacking or lacking <= left:
            raise world.broken(f"{account} has {waiting[account]} to send, needs {lacking}, and {left} are left")


def _folded(jobs: Sequence[Job], journal: Sequence[AnyRecord]) -> LaneState:
    """A partition, from its beginning."""
    state = LaneState()
    for offset, job in enumerate(jobs):
        state.take_job(offset, job)
    for offset, record in enumerate(journal):
        state.apply(offset, record)
    return state
