"""Three accounts that take over from each other: processes that own their lanes in turn, crash, freeze and read late.

What decides is the code that ships (dispatcher/core); made up are the logs, the vendors and the mishaps. A vendor's own
book of what it took is the truth: nobody is in two of them.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.answers.verdict import AnswerRun, Kind, Origin, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Append, Effect, Fetch, Go, Hand, Point, Send, Share, Tell
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.spec import LaneSpec
from dispatcher.core.lane.state import LaneState
from dispatcher.core.lane.suppressed import Suppressed
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.money.budget import shares
from dispatcher.core.money.costs import Costs
from dispatcher.core.ownership import Ownership
from dispatcher.core.schedule.hours import WEEK_MIN, of_spans
from schemas.records import (
    AnyRecord,
    Checkpoint,
    Handed,
    Intent,
    Job,
    Launched,
    Leg,
    Moved,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    Stopped,
    Wave,
)
from schemas.topics import lane_partition
from tests.simulation.schedules import minute_of_week
from tests.simulation.world.world import World

FIRST_NUMBER: Final = 13_000_000_000
ACCOUNTS: Final = ("elm", "larch", "ash")
PARTITIONS: Final = tuple(dict.fromkeys(map(lane_partition, ACCOUNTS)))
"""The first two accounts share one."""

TTL_S: Final = 3.0
TICK_S: Final = 0.15
CAMPAIGN: Final = "may"
BATCH_ROOM: Final = 1_000

TAKEN = Verdict(kind=Kind.ACCEPTED, code="0")
BUSY = Verdict(kind=Kind.RETRY_LATER, code="104")
REFUSED = Verdict(kind=Kind.CONTENT, code="109")
NO_LOGIN = Verdict(kind=Kind.AUTH, code="105")
NO_CREDIT = Verdict(kind=Kind.BALANCE, code="103")
NOT_WRITTEN = Verdict(kind=Kind.NOT_SENT, code="not sent", origin=Origin.OURS)
UNREACHABLE = Verdict(kind=Kind.NOT_SENT, code="cannot connect")
SILENT = Verdict(kind=Kind.UNKNOWN, code="no answer")
OUTAGES: Final = {"login": NO_LOGIN, "credit": NO_CREDIT, "busy": BUSY, "down": UNREACHABLE}


class Outage(msgspec.Struct, frozen=True):
    """An account takes nothing in this time, for this reason."""

    account: str
    what: str
    from_s: float
    until_s: float


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be sent: the sizes of each account's batches, and where their recipients may be moved."""

    sizes: dict[str, list[int]]
    then: dict[str, tuple[str, ...]]
    after_s: float
    fail_back: bool
    outages: tuple[Outage, ...]
    waves: bool
    released: bool
    spec: dict[str, LaneSpec]
    budget: int = 0  # a recipient costs 1 at every account
    closed_min: range | None = None  # the minutes of the week in which nothing may be sent

    @property
    def batches(self) -> list[tuple[str, int]]:
        """(account, recipients) of each batch; in waves they are numbered by turns."""
        return [(account, size) for account, sizes in self.sizes.items() for size in sizes]


def numbers_of(batch: int, start: int, count: int) -> range:
    """The numbers of these recipients."""
    return range(FIRST_NUMBER + BATCH_ROOM * batch + start, FIRST_NUMBER + BATCH_ROOM * batch + start + count)


class Logs:
    """The topics; `campaigns` is one for all. `valid_moves` are those that were written behind their author's Owned."""

    def __init__(self, world: World, work: Work) -> None:
        self.world, self.work = world, work
        self.campaigns: list[AnyRecord] = []
        self.lanes: dict[int, list[AnyRecord]] = {partition: [] for partition in PARTITIONS}
        self.jobs: dict[int, list[AnyRecord]] = {partition: [] for partition in PARTITIONS}
        self.valid_moves: list[Moved] = []
        self.came: list[tuple[str, int]] = []  # (topic, partition) of each record of lanes and jobs, in their order
        self.asked_s: dict[int, float] = {}  # when each intent was asked for, by its id
        self.opted_out_s: dict[int, float] = {}
        self.suppressed = Suppressed(float("inf"))
        self._once_unknown: set[int] = set()
        self._in_parts: set[tuple[int, int]] = set()
        self._owners = {partition: Ownership() for partition in PARTITIONS}
        jobs: dict[str, list[Job]] = {account: [] for account in ACCOUNTS}
        for batch, (account, size) in enumerate(work.batches):
            jobs[account].append(
                Job(
                    campaign=CAMPAIGN,
                    attempt="a",
                    account=account,
                    number=len(jobs[account]),
                    batch=batch,
                    partition=0,
                    offset=batch,
                    sha256=b"",
                    start=0,
                    count=size,
                    wave=min(2, len(jobs[account]) + 1) if work.waves else 0,
                    then=work.then[account],
                )
            )
        for account, mine in jobs.items():
            for job in mine:
                self.put_job(lane_partition(account), job)
        recipients = sum(size for _, size in work.batches)
        of_budget = shares(work.budget, [sum(work.sizes[each]) for each in ACCOUNTS])
        closed = work.closed_min
        self.campaigns.append(
            Launched(
                campaign=CAMPAIGN,
                attempt="a",
                fingerprint="f",
                name="",
                text="t",
                legs=tuple(
                    Leg(
                        account=each,
                        vendor="batch-a",
                        jobs=len(jobs[each]),
                        recipients=sum(work.sizes[each]),
                        segments=1,
                        prices={"default": 1} if work.budget else {},
                        cost=sum(work.sizes[each]) if work.budget else 0,
                        share=share,
                    )
                    for each, share in zip(ACCOUNTS, of_budget, strict=True)
                ),
                weight=1,
                urgent=False,
                unknown="hold",
                rows=recipients,
                recipients=recipients,
                invalid=0,
                duplicate=0,
                suppressed=0,
                batches=len(work.batches),
                segments=1,
                at_ms=0,
                by="test",
                waves=(Wave(1, (1,)), Wave(1, (1,))) if work.waves else (),
                failover_after_ms=round(work.after_s * 1000),
                fail_back=work.fail_back,
                budget=work.budget,
                hours=() if closed is None else of_spans([(closed.stop, closed.start + WEEK_MIN)]).spans,
                at_closing="continue",
            )
        )

    def opts_out(self, number: int) -> None:
        """Somebody does not want to be texted any more."""
        self.world.say("%d opts out", number)
        self.opted_out_s.setdefault(number, self.world.now_s)
        touched = np.array([number], np.int64)
        self.suppressed.read(np.array(sorted(self.opted_out_s), np.int64), touched, float("inf"))

    def put_job(self, partition: int, record: AnyRecord) -> None:
        """It is in the inbox now."""
        self.jobs[partition].append(record)
        self.came.append(("jobs", partition))

    def write(self, partition: int, record: AnyRecord) -> None:
        """It is in the journal now."""
        journal = self.lanes[partition]
        valid = self._owners[partition].valid(record)
        self.world.say("lanes/%d/%d: %s%s", partition, len(journal), record, "" if valid else " VOID")
        journal.append(record)
        self.came.append(("lanes", partition))
        if isinstance(record, Outcomes):
            self._in_parts.add((partition, record.intent))
        if isinstance(record, Resolved) and valid and (partition, record.intent) not in self._in_parts:
            intent = journal[record.intent]
            assert isinstance(intent, Intent)
            self._once_unknown.update(numbers_of(intent.batch, intent.start, intent.count))
        if isinstance(record, Moved) and valid:
            self.valid_moves.append(record)
            job = record.as_job
            if not self._once_unknown.isdisjoint(numbers_of(job.batch, job.start, job.count)):
                raise self.world.broken("recipients that were unknown once are moved")
            if record.back and not self.work.fail_back:
                raise self.world.broken("recipients went back, and nobody said so")
            if not record.back and record.as_job.account in record.as_job.moved.left:  # type: ignore[union-attr]
                raise self.world.broken("recipients went back, and it is not called that")


class Vendor:
    """Takes messages and books who took them. Checks that nobody is texted twice, and that nobody moved too early."""

    def __init__(self, world: World, work: Work) -> None:
        self.world, self.work = world, work
        self.took: dict[int, str] = {}
        self.refused: set[int] = set()

    def take(self, account: str, numbers: list[int], asked_s: float, logs: Logs) -> None:
        """These are texted, by an intent that was asked for then."""
        closed = self.work.closed_min
        if numbers and closed is not None and minute_of_week(self.world.now_ms) in closed:
            raise self.world.broken(f"{account} sends outside the campaign's hours")
        if self.work.budget and len(self.took) + len(numbers) > self.work.budget:
            raise self.world.broken(f"{len(self.took) + len(numbers)} are paid, the budget is {self.work.budget}")
        for number in numbers:
            if logs.opted_out_s.get(number, float("inf")) < asked_s:
                raise self.world.broken(f"{number} is texted by {account} after it opted out")
            if number in self.took:
                raise self.world.broken(f"{number} was texted by {self.took[number]} and by {account}")
            self.took[number] = account

    def outage(self, account: str) -> Outage | None:
        """What keeps the account from taking anything now."""
        now_s = self.world.now_s
        return next((o for o in self.work.outages if o.account == account and o.from_s <= now_s < o.until_s), None)


class Process:
    """One process that owns a partition until it dies or another one takes over."""

    def __init__(self, world: World, logs: Logs, vendor: Vendor, partition: int, *, faults: bool) -> None:
        self.world, self.logs, self.vendor, self.partition = world, logs, vendor, partition
        self.dead = False
        self.frozen_until_s = 0.0
        self.faults = faults
        name = f"owner-{next(world.names)}"
        self.campaigns = Campaigns()
        self._campaigns_read = 0
        state = self._loaded()
        specs = [logs.work.spec[account] for account in ACCOUNTS if lane_partition(account) == partition]
        settings = OwnerSettings(
            partition=partition, owner=name, ttl_s=TTL_S, checkpoint_every=world.rng.choice([7, 40])
        )
        self._read_campaigns()
        self.owner = Owner(settings, specs, state, self.campaigns, world.now_s, logs.suppressed)
        self._inbox_read = state.inbox
        self._waiting: dict[int, Send] = {}
        self._answered_s: dict[str, float] = {}  # when it last heard that an account took something
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
                case Hand():
                    self._hand(effect)
                case Tell():
                    stopped = Stopped(account=effect.account, at_ms=effect.at_ms, why="", says="", stops=effect.stops)
                    self.world.after(0.02, partial(self.logs.campaigns.append, stopped))
                case Fetch():
                    job = effect.job
                    size = self.logs.work.batches[job.batch][1]
                    numbers = b",".join(b"%d" % number for number in numbers_of(job.batch, 0, size))
                    costs = Costs(np.ones(size, np.int64)) if self.logs.work.budget else None
                    self.owner.batch_loaded(effect.job_offset, Batch(numbers, size, None, costs))
                case Share():
                    self.world.after(0.02, partial(self.logs.campaigns.append, effect.record))
                case Send():
                    self._waiting[effect.intent] = effect
                    self.world.after(self.world.rng.random() * 0.05, partial(self._writes, effect.intent), self)
                case Go():
                    self._writes(effect.intent)
                case Point():
                    pass
                case _:
                    pass

    def _append(self, record: Any) -> None:
        world, rng = self.world, self.world.rng
        if isinstance(record, Moved) and not record.back:
            self._is_early(record)
            self._is_held()
        if isinstance(record, Intent):
            self.logs.asked_s[id(record)] = world.now_s
        chance = rng.random() if self.faults else 1.0
        fact = isinstance(record, Outcome | Outcomes | Handed)
        moves = isinstance(record, Moved)
        if chance < (0.1 if moves else 0.03):
            world.after(0.05, lambda: self.owner.append_refused(record, world.now_s), self)
            if fact:
                world.after(0.5, lambda: self._append(record), self)
            return
        delay_s = rng.expovariate(1 / 0.02)
        if chance < (0.3 if moves else 0.10):  # it times out; it is written late, or never
            world.after(1.0, lambda: self.owner.append_doubted(record, world.now_s), self)
            if fact:
                world.after(1.5, lambda: self._append(record), self)
            delay_s = rng.choice([1.5, 4.0, 9.0, 15.0, 25.0] if moves else [1.5, 4.0, 9.0])
            if rng.random() < 0.5 and not moves:
                return
        world.after(delay_s, lambda: self.logs.write(self.partition, record))  # also if the process died

    def _is_held(self) -> None:
        """Nothing moves while its campaign may not be sent: it may never need to."""
        closed = self.logs.work.closed_min
        if closed is not None and minute_of_week(self.world.now_ms) in closed:
            raise self.world.broken("recipients move outside the hours of their campaign")

    def _is_early(self, moved: Moved) -> None:
        """Nothing leaves an account that took something a moment ago."""
        last_s = self._answered_s.get(moved.account, -float("inf"))
        if self.world.now_s - last_s < self.logs.work.after_s - 1.0:
            raise self.world.broken(f"recipients leave {moved.account}, which took some a moment ago")
        if moved.as_job.account not in self.logs.work.then[moved.account] and not moved.as_job.moved.left[:-1]:  # type: ignore[union-attr]
            raise self.world.broken(f"recipients of {moved.account} go where its route does not lead")

    def _hand(self, effect: Hand) -> None:
        """The jobs go to their inboxes one after the other; the append may time out, and some are written late."""
        world, rng = self.world, self.world.rng
        chance = rng.random() if self.faults else 1.0
        jobs = list(effect.jobs)
        if chance < 0.35:
            if rng.random() < 0.5:  # it is certain that nothing was written; or it was killed before
                jobs = []
            elif rng.random() < 0.5:  # cut off
                jobs = jobs[: rng.randrange(len(jobs) + 1)]
            world.after(rng.choice([0.01, 3.0, 20.0]), partial(self._put, jobs))
            world.after(1.0, lambda: self.owner.not_handed(world.now_s), self)
            return
        delay_s = rng.expovariate(1 / 0.02)
        world.after(delay_s, partial(self._put, jobs))
        world.after(delay_s + 0.01, lambda: self.owner.handed(world.now_ms), self)

    def _put(self, jobs: list[Job]) -> None:
        for job in jobs:
            self.world.say("jobs/%d: %s", lane_partition(job.account), job)
            self.logs.put_job(lane_partition(job.account), job)

    def _writes(self, intent: int) -> None:
        """The request is built and connected: it goes out if it may."""
        send, now_s = self._waiting.get(intent), self.world.now_s
        if send is None or self.dead:
            return
        numbers = [int(each) for each in bytes(send.numbers).split(b",")]
        outage = self.vendor.outage(send.account)
        if outage is not None and outage.what == "down":
            del self._waiting[intent]
            self._answers(send, UNREACHABLE, len(numbers), None)
            return
        may = self.owner.may_write(intent, send.account, now_s, self.world.now_ms)
        if may is None:
            return
        del self._waiting[intent]
        if not may:
            self._answers(send, NOT_WRITTEN, len(numbers), None)
            return
        if outage is not None:
            self.world.after(0.05, lambda: self._answers(send, OUTAGES[outage.what], len(numbers), 0), self)
            return
        chance = self.world.rng.random() if self.faults else 0.0
        taken = len(numbers) if chance < 0.75 else self.world.rng.randrange(len(numbers)) if chance < 0.82 else 0
        unheard = 0.93 <= chance < 0.96
        if unheard:
            taken = self.world.rng.choice([0, len(numbers)])
        asked_s = self.logs.asked_s[id(self.logs.lanes[self.partition][send.intent])]
        self.vendor.take(send.account, numbers[:taken], asked_s, self.logs)
        verdict = SILENT if unheard else TAKEN if taken else REFUSED if chance >= 0.97 else BUSY
        if verdict is REFUSED:
            self.vendor.refused.update(numbers)
        self.world.after(
            0.02 + self.world.rng.random() * 0.3,
            lambda: self._answers(send, verdict, len(numbers), None if unheard else taken),
            self,
        )

    def _answers(self, send: Send, verdict: Verdict, count: int, taken: int | None) -> None:
        now_s, now_ms = self.world.now_s, self.world.now_ms
        if taken:
            self._answered_s[send.account] = now_s
        if taken and taken < count:
            runs = (AnswerRun(taken, TAKEN), AnswerRun(count - taken, BUSY))
            self.owner.runs_answered(send.intent, send.account, RunsAnswer(runs), now_s, now_ms, sent_ms=now_ms)
            return
        answered_s = None if verdict is SILENT else now_s
        self.owner.answered(
            send.intent, send.account, verdict, now_s, now_ms, wrote_s=now_s, answered_s=answered_s, sent_ms=now_ms
        )
