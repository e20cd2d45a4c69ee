"""A small world on virtual time: the real owner against a log, a network and a vendor that misbehave by seed.

Everything that decides is the code that ships (dispatcher/core); what is made up here is only the outside: when an
append is written and confirmed, when a process dies, freezes or wakes up, what the vendor does. One seed, one history.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dispatcher.core.account_lane import LaneSpec
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.chunks import Batch
from dispatcher.core.effects import Append, Fetch, Point, Send
from dispatcher.core.lane import LaneState
from dispatcher.core.owner import Owner, OwnerSettings
from dispatcher.core.verdict import NO_ANSWER, NOT_CONNECTED, Kind, Verdict
from schemas.records import Cancelled, Checkpoint, Flowed, Intent, Job, Launched, Leg, Outcome, Owned, Reports

ACCOUNT = "spring"


class World:
    """Virtual time: events in order; an event of a dead process never happens, one of a frozen process happens late."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now_s = 1_000.0
        self._events: list[tuple[float, int, Process | None, Callable[[], None]]] = []
        self._serial = itertools.count()
        self.trace: list[str] = []

    def at(self, when_s: float, do: Callable[[], None], process: Process | None = None) -> None:
        heapq.heappush(self._events, (when_s, next(self._serial), process, do))

    def after(self, delay_s: float, do: Callable[[], None], process: Process | None = None) -> None:
        self.at(self.now_s + delay_s, do, process)

    def run(self, until_s: float) -> None:
        while self._events and self._events[0][0] <= until_s:
            when_s, _, process, do = heapq.heappop(self._events)
            self.now_s = max(self.now_s, when_s)
            if process is not None:
                if process.dead:
                    continue
                if process.frozen_until_s > self.now_s:
                    self.at(process.frozen_until_s, do, process)
                    continue
            do()
        self.now_s = until_s

    def say(self, text: str) -> None:
        self.trace.append(f"{self.now_s - 1000:9.3f} {text}")

    @property
    def now_ms(self) -> int:
        return int(self.now_s * 1000)


class SimLog:
    """Three topics of one partition. An append is written later than asked for and confirmed later still, or not."""

    def __init__(self, world: World, *, faults: bool) -> None:
        self.world = world
        self.topics: dict[str, list[Any]] = {"campaigns": [], "jobs": [], "lanes": [], "reports": []}
        self.written_s: dict[str, list[float]] = {"campaigns": [], "jobs": [], "lanes": [], "reports": []}
        self.readers: list[Callable[[str], None]] = []
        self.faults = faults
        self._last_s: dict[tuple[int, str], float] = {}

    def append(self, process: Process | None, topic: str, records: list[Any], done: Callable[[bool], None]) -> None:
        """`done(True)` once durable, `done(False)` on a time-out (they may be written all the same, even later)."""
        rng, world = self.world.rng, self.world
        key = (id(process), topic)
        when_s = max(world.now_s + rng.expovariate(1 / 0.004), self._last_s.get(key, 0.0))
        fault = self.faults and rng.random() < 0.02
        if fault:
            when_s += rng.choice([0.5, 3.0, 12.0])
        self._last_s[key] = when_s
        lost = fault and rng.random() < 0.3

        def write() -> None:
            if process is not None and process.dead and rng.random() < 0.5:
                return
            self.put(topic, records)

        if not lost:
            world.at(when_s, write)
        if fault:
            world.after(2.0, lambda: done(False), process)
        else:
            world.at(when_s + rng.expovariate(1 / 0.001), lambda: done(True), process)

    def put(self, topic: str, records: list[Any]) -> None:
        """These records are in the log now."""
        self.topics[topic].extend(records)
        self.written_s[topic].extend([self.world.now_s] * len(records))
        for reader in list(self.readers):
            reader(topic)


class SimVendor:
    """Takes, refuses, is silent; and keeps the only ledger that counts."""

    def __init__(self, world: World, log: SimLog, *, faults: bool) -> None:
        self.world = world
        self.log = log
        self.faults = faults
        self.taken: dict[bytes, int] = {}
        self.arrivals: list[tuple[float, int]] = []
        self.of_intent: list[tuple[float, int, str]] = []
        self.down_until_s = 0.0
        self.stalled_until_s = 0.0

    def behave(self) -> str:
        rng = self.world.rng
        if self.world.now_s < self.down_until_s:
            return "refuse"
        if not self.faults or rng.random() > 0.12:
            return "take"
        return rng.choice(["take-silent", "silent", "busy", "throttle", "garbage-taken", "reject", "refuse", "late"])

    def arrive(self, numbers: bytes, behaviour: str, intent: int, campaign: str) -> Verdict | None:
        recipients = numbers.split(b",")
        self.of_intent.append((self.world.now_s, intent, campaign))
        self.arrivals.append((self.world.now_s, len(recipients)))
        if behaviour in ("take", "take-silent", "garbage-taken", "late"):
            for number in recipients:
                self.taken[number] = self.taken.get(number, 0) + 1
            self._report(recipients, str(len(self.arrivals)))
        match behaviour:
            case "take" | "late":
                return Verdict(kind=Kind.ACCEPTED, code="0", vendor_id=str(len(self.arrivals)))
            case "busy":
                return Verdict(kind=Kind.RETRY_LATER, code="104")
            case "throttle":
                return Verdict(kind=Kind.THROTTLED, code="103")
            case "reject":
                return Verdict(kind=Kind.CONTENT, code="105")
            case "garbage-taken":
                return Verdict(kind=Kind.UNKNOWN, code="?")
            case _:
                return None

    def _report(self, recipients: list[bytes], vendor_id: str) -> None:
        """Reports by chance: before the answer or long after it, twice, in two different words, never, strange."""
        rng = self.world.rng
        rows = []
        for number in recipients:
            for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 2])):
                state = rng.choice([1, 1, 1, 1, 2, 0])
                rows.append((vendor_id, int(number), state, ("", "DELIVRD", "UNDELIV")[state], int(self.world.now_s)))
        if rng.random() < 0.05:
            rows.append((f"not ours {vendor_id}", int(recipients[0]), 1, "DELIVRD", 0))
        rng.shuffle(rows)
        while rows:
            size = rng.randint(1, len(rows))
            piece, rows = rows[:size], rows[size:]
            delay_s = rng.choice([0.0, 0.001, 1.0, 20.0]) * rng.random()
            self.world.after(delay_s, partial(self.log.put, "reports", [report_of(piece)]))

    def windows_over(self, limit: int, per_s: float) -> int:
        over, first, units = 0, 0, 0
        for at_s, weight in self.arrivals:
            units += weight
            while self.arrivals[first][0] <= at_s - per_s:
                units -= self.arrivals[first][1]
                first += 1
            over += units > limit
        return over


class Process:
    """One dispatcher process: the shell of consumers/lane_runner.py in virtual time."""

    names = itertools.count()

    def __init__(
        self,
        world: World,
        log: SimLog,
        vendor: SimVendor,
        batches: dict[int, Batch],
        spec: LaneSpec,
        owner_type: type[Owner] = Owner,
    ) -> None:
        self.world, self.log, self.vendor, self.batches, self.spec = world, log, vendor, batches, spec
        self.owner_type = owner_type
        self.dead = False
        self.frozen_until_s = 0.0
        self.name = ""
        self.campaigns = Campaigns()
        self.positions = {"campaigns": 0, "jobs": 0, "lanes": 0}
        self.owner: Owner | None = None
        self.stopped = False
        self._poll_at_s = float("inf")
        self._draining = False
        log.readers.append(self._written)

    def start(self) -> None:
        """Read the campaigns, load the last checkpoint, append Owned."""
        self._read("campaigns")
        offset = self.campaigns.checkpoints.get(0)
        state = LaneState()
        if offset is not None:
            checkpoint = self.log.topics["lanes"][offset]
            assert isinstance(checkpoint, Checkpoint)
            state = LaneState.load(checkpoint)
        self.name = f"p{next(self.names)}-{self.world.rng.getrandbits(32):08x}"
        settings = OwnerSettings(
            partition=0, owner=self.name, ttl_s=5.0, checkpoint_every=self.world.rng.choice([7, 50])
        )
        self.owner = self.owner_type(settings, [self.spec], state, self.campaigns, self.world.now_s)
        self.positions["lanes"], self.positions["jobs"] = state.position, state.inbox
        self.world.say(f"{self.name} starts at {state.position}")
        self.log.append(self, "lanes", [Owned(owner=self.name, at_ms=self.world.now_ms, where="")], lambda ok: None)
        self.world.after(0.001, lambda: self._read("lanes"), self)

    def kill(self) -> None:
        self.world.say(f"{self.name} is killed")
        self.dead = True
        if self._written in self.log.readers:
            self.log.readers.remove(self._written)

    def stop(self) -> None:
        if self.owner is not None:
            self._draining = True
            self.owner.drain(self.world.now_ms)
            self._poll()

    # --- reading ---

    def _written(self, topic: str) -> None:
        if topic not in self.positions:
            return
        lag_s = self.world.rng.expovariate(1 / 0.002)
        self.world.after(lag_s, lambda: self._read(topic), self)

    def freeze(self, seconds: float) -> None:
        """Nothing of this process happens for so long; when it wakes up, what it reads comes late."""
        self.frozen_until_s = self.world.now_s + seconds

    def _read(self, topic: str) -> None:
        if 0.0 <= self.world.now_s - self.frozen_until_s < 0.3:
            self.world.after(0.3 + self.world.rng.random() * 0.3, lambda: self._read(topic), self)
            return
        records = self.log.topics[topic]
        while self.positions[topic] < len(records) and not self.stopped:
            offset = self.positions[topic]
            if topic == "jobs" and (self.owner is None or not self.owner.in_charge):
                return
            self.positions[topic] = offset + 1
            record = records[offset]
            if topic == "campaigns":
                changed = self.campaigns.apply(offset, record)
                if changed is not None and self.owner is not None:
                    self.owner.campaign_changed(changed, self.world.now_s)
            elif self.owner is not None and topic == "lanes":
                was = self.owner.in_charge
                self.owner.journal_read(offset, record, self.world.now_s, self.world.now_ms)
                if self.owner.in_charge and not was:
                    self._read("jobs")
            elif self.owner is not None:
                self.owner.inbox_read(offset, record, self.world.now_s, self.world.now_ms)
        self._poll()

    # --- deciding ---

    def _poll(self) -> None:
        owner = self.owner
        if owner is None or self.stopped or self.dead:
            return
        together = []
        for effect in owner.poll(self.world.now_s, self.world.now_ms):
            match effect:
                case Append():
                    together.append(effect.record)
                case Point():
                    self.log.append(self, "campaigns", [effect.record], lambda ok: None)
                case Fetch():
                    self.world.after(0.003, partial(self._fetched, effect.job_offset), self)
                case Send():
                    self._send(effect)
        if together:
            self._append(together)
        if owner.deposed and not any(lane.sending for lane in owner.lanes.values()):
            self._leave("deposed")
        elif self._draining and owner.drained:
            self.world.say(f"{self.name} has drained")
            self._leave("drained")
        elif owner.wake_s < self._poll_at_s:
            self._poll_at_s = owner.wake_s
            self.world.at(owner.wake_s, self._timer, self)

    def _timer(self) -> None:
        self._poll_at_s = float("inf")
        self._check_doubt()
        self._poll()

    def _check_doubt(self) -> None:
        owner = self.owner
        if owner is None or self.stopped:
            return
        asked = [p.asked_s for lane in owner.lanes.values() for p in lane.proposed.values()]
        if asked and self.world.now_s - min(asked) > 15.0:
            self._leave("in doubt")
            self.world.after(1.0, self._again, self)

    def _again(self) -> None:
        self.stopped = False
        self._poll_at_s = float("inf")
        self.campaigns = Campaigns()
        self.positions = {"campaigns": 0, "jobs": 0, "lanes": 0}
        self.log.readers.append(self._written)
        self.start()

    def _leave(self, why: str) -> None:
        self.world.say(f"{self.name} leaves: {why}")
        self.stopped = True
        if self._written in self.log.readers:
            self.log.readers.remove(self._written)

    def _append(self, records: list[Any]) -> None:
        facts = [record for record in records if isinstance(record, Outcome)]

        def done(confirmed: bool) -> None:
            if not confirmed:
                self.world.after(1.0, self._check_doubt_later, self)
                if facts:
                    self.world.after(0.5, lambda: self._append(list(facts)), self)

        self.log.append(self, "lanes", records, done)
        if any(isinstance(record, Intent) for record in records):
            self.world.after(16.0, self._check_doubt_later, self)

    def _check_doubt_later(self) -> None:
        self._check_doubt()

    def _fetched(self, job_offset: int) -> None:
        if self.owner is not None:
            self.owner.batch_loaded(job_offset, self.batches[job_offset])
            self._poll()

    # --- sending ---

    def _send(self, send: Send) -> None:
        world = self.world
        connect_s = world.rng.expovariate(1 / 0.001) + (world.rng.random() < 0.01) * world.rng.random() * 2
        stalled_s = self.vendor.stalled_until_s - world.now_s
        world.after(max(connect_s, stalled_s), lambda: self._write(send), self)

    def _write(self, send: Send) -> None:
        owner, world = self.owner, self.world
        assert owner is not None
        behaviour = self.vendor.behave()
        if behaviour == "refuse":
            self._answered(send, Verdict(kind=Kind.NOT_SENT, code=NOT_CONNECTED), None, None)
            return
        if not owner.may_write(send.intent, send.account, world.now_s):
            self._answered(send, Verdict(kind=Kind.NOT_SENT), None, None)
            return
        wrote_s, numbers = world.now_s, bytes(send.numbers)
        forward_s = 0.0005 + world.rng.expovariate(1 / 0.001) + (world.rng.random() < 0.01) * world.rng.random() * 0.1
        state = {"over": False}

        def conclude(verdict: Verdict, answered_s: float | None) -> None:
            if not state["over"]:
                state["over"] = True
                self._answered(send, verdict, wrote_s, answered_s)

        def arrive() -> None:
            verdict = self.vendor.arrive(numbers, behaviour, send.intent, send.campaign)
            back_s = 0.0005 + world.rng.expovariate(1 / 0.003) + (6.0 if behaviour == "late" else 0.0)
            if verdict is not None:
                world.after(back_s, lambda: conclude(verdict, world.now_s), self)

        world.after(forward_s, arrive)
        silence = Verdict(kind=Kind.UNKNOWN, code=NO_ANSWER)
        world.after(8.0, lambda: conclude(silence, None), self)

    def _answered(self, send: Send, verdict: Verdict, wrote_s: float | None, answered_s: float | None) -> None:
        owner = self.owner
        assert owner is not None
        if send.intent not in owner.lanes[send.account].sending:
            return
        owner.answered(
            send.intent,
            send.account,
            verdict,
            self.world.now_s,
            self.world.now_ms,
            wrote_s=wrote_s,
            answered_s=answered_s,
        )
        if self.stopped:  # a former owner's request came to its end: its outcome is a fact
            facts = [effect.record for effect in owner._out if isinstance(effect, Append)]
            owner._out.clear()
            self._append([record for record in facts if isinstance(record, Outcome)])
        else:
            self._poll()


def launched(campaign: str, recipients: int, jobs: int, *, attempt: str = "a", **fields: Any) -> Launched:
    """A Launched record of so many recipients on the one account."""
    values: dict[str, Any] = {
        "name": campaign,
        "text": "t",
        "fingerprint": "f",
        "weight": 1,
        "urgent": False,
        "unknown": "hold",
        "batches": jobs,
        "segments": 1,
        "at_ms": 0,
        "by": "test",
    } | fields
    return Launched(
        campaign=campaign,
        attempt=attempt,
        legs=(Leg(account=ACCOUNT, vendor="batch-a", jobs=jobs, recipients=recipients),),
        rows=recipients,
        recipients=recipients,
        invalid=0,
        duplicate=0,
        suppressed=0,
        **values,
    )


def report_of(rows: list[tuple[str, int, int, str, int]]) -> Reports:
    """A record of these rows: (vendor id, number, state, code, Unix seconds)."""
    ids, codes = sorted({row[0] for row in rows}), sorted({row[3] for row in rows})
    return Reports(
        account=ACCOUNT,
        at_ms=0,
        ids=ids,
        id_index=np.array([ids.index(row[0]) for row in rows], "<u4").tobytes(),
        numbers=np.array([row[1] for row in rows], "<i8").tobytes(),
        states=bytes(row[2] for row in rows),
        codes=codes,
        code_index=np.array([codes.index(row[3]) for row in rows], "<u2").tobytes(),
        times=np.array([row[4] for row in rows], "<u4").tobytes(),
    )


def numbered(first: int, count: int) -> bytes:
    """So many comma-joined numbers from 13000000000 + first on."""
    return b",".join(b"%d" % (13_000_000_000 + first + index) for index in range(count))


def launch(log: SimLog, batches: dict[int, Batch], campaign: str, first: int, sizes: list[int], **fields: Any) -> None:
    """Append a campaign's jobs, some of them twice, then its commit point; before it, an attempt that crashed."""
    rng = log.world.rng
    for attempt, committed in (("crashed", False), ("a", True)):
        if not committed and rng.random() < 0.7:
            continue
        at = first
        for number, size in enumerate(sizes):
            if not committed and rng.random() < 0.3:
                break
            for _ in range(rng.choice([1, 1, 1, 2])):
                batches[len(log.topics["jobs"])] = Batch(numbered(at, size), size)
                job = Job(
                    campaign=campaign,
                    attempt=attempt,
                    account=ACCOUNT,
                    number=number,
                    batch=number,
                    partition=0,
                    offset=at,
                    sha256=b"",
                    start=0,
                    count=size,
                )
                log.put("jobs", [job])
            at += size
        if committed:
            log.put("campaigns", [launched(campaign, sum(sizes), len(sizes), attempt=attempt, **fields)])
    if rng.random() < 0.3:  # an append of the launch that timed out is written very late
        offset = next(o for o, j in enumerate(log.topics["jobs"]) if j.campaign == campaign and j.attempt == "a")

        def late() -> None:
            batches[len(log.topics["jobs"])] = batches[offset]
            log.put("jobs", [log.topics["jobs"][offset]])

        log.world.after(rng.random() * 60, late)
    if rng.random() < 0.3:  # a second launch of the same id, a moment later: void
        log.put("campaigns", [launched(campaign, sum(sizes), len(sizes), attempt="crashed", **fields)])


def control(log: SimLog, record: Flowed | Cancelled) -> None:
    """Append a control record, at once."""
    log.put("campaigns", [record])
