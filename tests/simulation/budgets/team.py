"""Several lanes that share a budget: processes that own them in turn, crash, freeze and read late, and vendors.

What decides is the code that ships (dispatcher/core); made up are the logs, the vendors and the mishaps. A vendor's own
book of what it took, and at which price, is the truth that a budget is held against.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.answers.verdict import AnswerRun, Kind, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Append, Effect, Fetch, Go, Send, Share
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.money.costs import Costs
from dispatcher.core.ownership import Ownership
from schemas.records import AnyRecord, Budgeted, Checkpoint, Intent, Job, Launched, Leg, Owned
from tests.simulation.world.world import START_S, World

FIRST_NUMBER: Final = 13_000_000_000
ACCOUNTS: Final = {"ash": 0, "elm": 1, "oak": 1}
"""Each account's lane partition: two of them share one."""

TTL_S: Final = 3.0
TICK_S: Final = 0.1
PATIENT_S: Final = 35.0
"""From then on vendors take everything."""

CAMPAIGN: Final = "may"

TAKEN = Verdict(kind=Kind.ACCEPTED, code="0")
BUSY = Verdict(kind=Kind.RETRY_LATER, code="104")
REFUSED = Verdict(kind=Kind.CONTENT, code="109")
NOT_WRITTEN = Verdict(kind=Kind.NOT_SENT, code="not sent")
SILENT = Verdict(kind=Kind.UNKNOWN, code="no answer")


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent: each account's costs, by recipient, and the budget at the launch and after its changes."""

    costs: dict[str, list[int]]
    budget: int
    changes: tuple[tuple[float, int], ...]
    unknown: str
    spec: dict[str, LaneSpec]


class Logs:
    """The topics; `campaigns` is one for all. Whoever reads may lag behind."""

    def __init__(self, world: World, work: Work, shares: dict[str, int]) -> None:
        self.world = world
        self.campaigns: list[AnyRecord] = []
        self.lanes: dict[int, list[AnyRecord]] = {0: [], 1: []}
        self.jobs: dict[int, list[Job]] = {0: [], 1: []}
        self.batches: dict[tuple[int, int], Batch] = {}
        self.announced: list[tuple[float, Intent]] = []  # when each intent was written
        legs = []
        for account, partition in ACCOUNTS.items():
            costs = work.costs[account]
            self.batches[partition, len(self.jobs[partition])] = batch(account, costs)
            self.jobs[partition].append(
                Job(
                    campaign=CAMPAIGN,
                    attempt="a",
                    account=account,
                    number=0,
                    batch=0,
                    partition=0,
                    offset=0,
                    sha256=b"",
                    start=0,
                    count=len(costs),
                )
            )
            legs.append(
                Leg(
                    account=account,
                    vendor="batch-a",
                    jobs=1,
                    recipients=len(costs),
                    segments=max(costs),  # a part costs one, so this is the most that a recipient costs
                    split=(70, 67),
                    prices={"default": 1},
                    cost=sum(costs),
                    share=shares[account],
                )
            )
        recipients = sum(map(len, work.costs.values()))
        self.campaigns.append(
            Launched(
                campaign=CAMPAIGN,
                attempt="a",
                fingerprint="f",
                name="",
                text="t",
                legs=tuple(legs),
                weight=1,
                urgent=False,
                unknown=work.unknown,  # type: ignore[arg-type]
                rows=recipients,
                recipients=recipients,
                invalid=0,
                duplicate=0,
                suppressed=0,
                batches=len(legs),
                segments=1,
                at_ms=0,
                by="test",
                budget=work.budget,
            )
        )

    def write(self, partition: int, record: AnyRecord) -> None:
        """It is in the journal now."""
        self.lanes[partition].append(record)
        if isinstance(record, Intent):
            self.announced.append((self.world.now_s, record))


def batch(account: str, costs: list[int]) -> Batch:
    """The account's recipients."""
    first = FIRST_NUMBER + 1_000_000 * list(ACCOUNTS).index(account)
    numbers = b",".join(b"%d" % (first + at) for at in range(len(costs)))
    return Batch(numbers, len(costs), None, Costs(np.array(costs, np.int64)))


class Vendor:
    """Takes messages and books what they cost; `paid` is in the price's unit. Checks every take against the budget."""

    def __init__(self, world: World, work: Work) -> None:
        self.world = world
        self.paid = 0
        self.most = work.budget  # no more than this was ever allowed
        self._costs = {
            FIRST_NUMBER + 1_000_000 * at + index: cost
            for at, account in enumerate(ACCOUNTS)
            for index, cost in enumerate(work.costs[account])
        }

    def take(self, numbers: list[int]) -> None:
        """These are texted, and paid for."""
        self.paid += sum(self._costs[number] for number in numbers)
        if self.paid > self.most:
            raise self.world.broken(f"the vendors took {self.paid:,}, the budget was never above {self.most:,}")


class Process:
    """One process that owns a partition until it dies or another one takes over."""

    def __init__(self, world: World, logs: Logs, vendor: Vendor, work: Work, partition: int, *, faults: bool) -> None:
        self.world, self.logs, self.vendor, self.partition = world, logs, vendor, partition
        self.dead = False
        self.frozen_until_s = 0.0
        self.faults = faults
        name = f"owner-{next(world.names)}"
        self.campaigns = Campaigns()
        self._campaigns_read = 0
        state = self._loaded()
        specs = [work.spec[account] for account, at in ACCOUNTS.items() if at == partition]
        settings = OwnerSettings(partition=partition, owner=name, ttl_s=TTL_S, checkpoint_every=25)
        self._read_campaigns()
        self.owner = Owner(settings, specs, state, self.campaigns, world.now_s)
        self._inbox_read = state.inbox
        self._waiting: dict[int, Send] = {}
        world.after(
            world.rng.random() * 0.02, lambda: logs.write(partition, Owned(owner=name, at_ms=0, where="")), self
        )
        world.after(TICK_S, self._tick, self)
        world.say("%s starts on partition %d", name, partition)

    def _loaded(self) -> LaneState:
        """The state from the last valid checkpoint, or an empty one."""
        ownership, found = Ownership(), None
        for record in self.logs.lanes[self.partition]:
            if ownership.valid(record) and isinstance(record, Checkpoint):
                found = record
        return LaneState() if found is None else LaneState.load(found)

    # --- reading ---

    def _read_campaigns(self) -> None:
        for offset in range(self._campaigns_read, len(self.logs.campaigns)):
            changed = self.campaigns.apply(offset, self.logs.campaigns[offset])
            if changed is not None and hasattr(self, "owner"):
                self.owner.campaign_changed(changed)
        self._campaigns_read = len(self.logs.campaigns)

    def _tick(self) -> None:
        world, owner, journal = self.world, self.owner, self.logs.lanes[self.partition]
        if world.rng.random() < 0.6:  # else it lags behind
            self._read_campaigns()
        while owner.state.position < len(journal) and world.rng.random() < 0.98:
            offset = owner.state.position
            owner.journal_read(offset, journal[offset], world.now_s, world.now_ms)
        if owner.in_charge:
            jobs = self.logs.jobs[self.partition]
            for offset in range(self._inbox_read, len(jobs)):
                owner.inbox_read(offset, jobs[offset], world.now_s, world.now_ms)
            self._inbox_read = len(jobs)
        self._perform(owner.poll(world.now_s, world.now_ms))
        if owner.in_doubt(world.now_s) or (owner.deposed and owner.drained):
            world.say("%s ends", owner.settings.owner)
            self.dead = True
            return
        world.after(TICK_S * (0.5 + world.rng.random()), self._tick, self)

    # --- effects ---

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Append():
                    self._append(effect.record)
                case Share():
                    if not (self.faults and self.world.rng.random() < 0.2):
                        delay_s = self.world.rng.expovariate(1 / 0.05)
                        self.world.after(delay_s, partial(self.logs.campaigns.append, effect.record))
                case Fetch():
                    self.owner.batch_loaded(effect.job_offset, self.logs.batches[self.partition, effect.job_offset])
                case Send():
                    self._waiting[effect.intent] = effect
                    self.world.after(self.world.rng.random() * 0.05, partial(self._writes, effect.intent), self)
                case Go():
                    self._writes(effect.intent)
                case _:
                    pass

    def _append(self, record: Any) -> None:
        world, rng = self.world, self.world.rng
        chance = rng.random() if self.faults else 1.0
        if chance < 0.03:
            world.after(0.05, lambda: self.owner.append_refused(record, world.now_s), self)
            return
        delay_s = rng.expovariate(1 / 0.02)
        if chance < 0.08:  # it times out; it is written late, or never
            world.after(1.0, lambda: self.owner.append_doubted(record, world.now_s), self)
            delay_s = rng.choice([1.5, 4.0, 9.0])
            if rng.random() < 0.5:
                return
        world.after(delay_s, lambda: self.logs.write(self.partition, record))  # also if the process died

    def _writes(self, intent: int) -> None:
        """The request is built and connected: it goes out if it may."""
        send, now_s = self._waiting.get(intent), self.world.now_s
        if send is None or self.dead:
            return
        may = self.owner.may_write(intent, send.account, now_s, self.world.now_ms)
        if may is None:
            return
        del self._waiting[intent]
        numbers = [int(each) for each in bytes(send.numbers).split(b",")]
        if not may:
            self._answers(send, NOT_WRITTEN, len(numbers), None)
            return
        chance = self.world.rng.random() if now_s < START_S + PATIENT_S else 0.0
        taken = len(numbers) if chance < 0.7 else self.world.rng.randrange(len(numbers)) if chance < 0.8 else 0
        unheard = 0.9 <= chance < 0.95
        if unheard:
            taken = self.world.rng.choice([0, len(numbers)])
        self.vendor.take(numbers[:taken])
        verdict = SILENT if unheard else TAKEN if taken else REFUSED if chance >= 0.95 else BUSY
        self.world.after(
            0.02 + self.world.rng.random() * 0.3,
            lambda: self._answers(send, verdict, len(numbers), None if unheard else taken),
            self,
        )

    def _answers(self, send: Send, verdict: Verdict, count: int, taken: int | None) -> None:
        now_s, now_ms = self.world.now_s, self.world.now_ms
        if taken and taken < count:
            rest = self.world.rng.choice([BUSY, REFUSED])
            runs = (AnswerRun(taken, TAKEN), AnswerRun(count - taken, rest))
            self.owner.runs_answered(send.intent, send.account, RunsAnswer(runs), now_s, now_ms, sent_ms=now_ms)
            return
        answered_s = None if verdict is SILENT else now_s
        self.owner.answered(
            send.intent, send.account, verdict, now_s, now_ms, wrote_s=now_s, answered_s=answered_s, sent_ms=now_ms
        )


def change_budget(world: World, logs: Logs, vendor: Vendor, budget: int) -> None:
    """A person gives the campaign another budget."""
    world.say("the budget is %d", budget)
    vendor.most = max(vendor.most, budget)
    logs.campaigns.append(Budgeted(campaign=CAMPAIGN, budget=budget, at_ms=0, by="ann"))
