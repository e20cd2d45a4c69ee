"""One dispatcher process in virtual time: what consumers/lanes/runner.py and journal.py are on a real machine.

It may be killed, frozen, drained, read late, and its wall clock is wrong; the owner it runs is the one that ships.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from dispatcher.core.campaigns import Campaigns
from dispatcher.core.lane.answers.verdict import Kind, RunsAnswer, Verdict
from dispatcher.core.lane.effects import Append, Fetch, Go, Point, Send, Share, Tell
from dispatcher.core.lane.notices import old_word
from dispatcher.core.lane.owner import DOUBT_S, Owner, OwnerSettings
from dispatcher.core.lane.state import LaneState, pages_of
from dispatcher.core.results.requests import RequestTime
from dispatcher.core.streams.segments import is_segment
from schemas.records import Appended, Checked, Checkpoint, CheckpointAt, Intent, Outcome, Outcomes, Owned, Stop, Stopped
from tests.simulation.judging.fair_watch import OvertakenWatch, WatchedShare, Weights
from tests.simulation.judging.held_watch import HeldWatch
from tests.simulation.judging.recall import Search
from tests.simulation.streams.messages import appended, segment_of
from tests.simulation.world.place import BALANCE_INTERVAL_S, TTL_S, Place
from tests.simulation.world.sim_log import Fate
from tests.simulation.world.sim_wire import Wire
from tests.simulation.world.world import ACCOUNT, CLOCK_AHEAD_MS, WALL_S


class Process:
    """`name` is the name of its present ownership; a process in doubt makes a new start under another one."""

    def __init__(self, place: Place) -> None:
        self.world, self.log, self.vendor = place.world, place.log, place.vendor
        self.place = place
        self._wire = Wire(self, place.vendor, place.batch_limits, place.slowness, place.spec.timeout_s, self._answered)
        self.dead = False
        self.frozen_until_s = 0.0
        self.reads_late_until_s = 0.0
        self.stopped = False
        self.name = ""
        self.owner: Owner | None = None
        self.wall_skew_ms = self.world.rng.choice([0, 0, CLOCK_AHEAD_MS, -86_400_000])
        self._draining = False
        self._newest: Stopped | None = None
        self._begin()

    def _begin(self) -> None:
        self.campaigns = Campaigns()
        self.weights = Weights()
        self.positions = {"campaigns": 0, "jobs": 0, "lanes": 0}
        self._poll_at_s = float("inf")
        self._broke = False
        self._overtaken = OvertakenWatch(self._unfair)
        self._last: Checkpoint | None = None
        self._balance_s: float | None = None
        self._watch_held(())
        self._serial = getattr(self, "_serial", 0) + 1
        self.log.readers.append(self._written)

    @property
    def now_ms(self) -> int:
        """This machine's wall clock; where the vendor's history is asked, all clocks agree."""
        if self.vendor.memory.acts:
            return round((WALL_S + self.world.now_s) * 1000)
        return self.world.now_ms + self.wall_skew_ms

    @property
    def at_work(self) -> bool:
        """Nothing keeps it from sending what its owner decides to send."""
        awake = not self.dead and max(self.frozen_until_s, self.reads_late_until_s) + 1.0 < self.world.now_s
        owner = self.owner
        return awake and not self.stopped and owner is not None and owner.in_charge and not owner.deposed

    @property
    def busy(self) -> bool:
        """It has something to send, or under way."""
        owner = self.owner
        if self.dead or self.stopped or owner is None or not owner.in_charge or owner.deposed:
            return False
        lane = owner.lanes[ACCOUNT]
        return bool(lane.proposed or lane.ready or lane.sending or any(lane.active(self.now_ms)))

    def start(self) -> None:
        """Read the campaigns, load the last checkpoint, append Owned."""
        self._read("campaigns")
        offset = self.campaigns.checkpoints.get(0)
        state = LaneState()
        if offset is not None:
            checkpoint = self.log.topics["lanes"][offset]
            assert isinstance(checkpoint, Checkpoint)
            lanes = self.log.topics["lanes"]
            state = LaneState.load(checkpoint, {at: lanes[at] for at in pages_of(checkpoint)})
        self.name = f"p{next(self.world.names)}-{self.world.rng.getrandbits(32):08x}"
        every = self.world.rng.choice([2, 7, 50])
        settings = OwnerSettings(partition=0, owner=self.name, ttl_s=TTL_S, checkpoint_every=every)
        self.owner = None
        opt_outs = self.place.opt_outs
        suppressed = None if opt_outs is None else opt_outs.for_process(self)
        self.owner = self.place.owner_type(
            settings, [self.place.spec], state, self.campaigns, self.world.now_s, suppressed
        )
        lane = self.owner.lanes[ACCOUNT]
        lane.fair = WatchedShare(lane.fair, self.weights.__getitem__, self._unfair)
        self.positions["lanes"], self.positions["jobs"] = state.position, state.inbox
        self.world.say("%s starts at %d", self.name, state.position)
        self.log.append(self, "lanes", [Owned(owner=self.name, at_ms=self.now_ms, where="")], lambda fate: None)
        self.world.after(0.001, lambda: self._read("lanes"), self)
        if self.vendor.memory.acts:
            takes = RequestTime(round(TTL_S * 1000), round(self.place.spec.timeout_s * 1000))
            Search(self, self, self.owner, self.vendor.memory, takes, self.vendor.took.__contains__)
        if self.place.spec.polls_balance and self.vendor.credit is not None:
            self._ask_balance(self._serial)

    # --- what is done to it ---

    def kill(self) -> None:
        """kill -9."""
        self.world.say("%s is killed", self.name)
        self.dead = True
        self._deaf()

    def stop(self) -> None:
        """An orderly stop begins."""
        if self.owner is not None:
            self.world.say("%s is asked to stop", self.name)
            self._draining = True
            self._poll()

    def freeze(self, seconds: float) -> None:
        """Nothing of this process happens for so long; when it wakes up, what it reads comes late."""
        self.world.say("%s freezes for %.1f s", self.name, seconds)
        self.frozen_until_s = self.world.now_s + seconds

    def read_late(self, seconds: float) -> None:
        """What it reads of jobs and journal comes late, while it goes on with what it knows."""
        self.world.say("%s reads %.1f s late", self.name, seconds)
        self.reads_late_until_s = self.world.now_s + seconds

    # --- reading ---

    def _written(self, topic: str) -> None:
        if topic not in self.positions:
            return
        lag_s = self.world.rng.expovariate(1 / 0.002) + self.place.slowness.reading_s
        self.world.after(lag_s, lambda: self._read(topic), self)

    def _read(self, topic: str) -> None:
        late_s = self.reads_late_until_s - self.world.now_s
        if topic != "campaigns" and late_s > 0:
            self.world.after(late_s + 0.001, lambda: self._read(topic), self)
            return
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
                self._campaign(offset, record)
            elif self.owner is not None and topic == "lanes":
                was = self.owner.in_charge
                self.owner.journal_read(offset, record, self.world.now_s, self.now_ms)
                if self.owner.in_charge and not was:
                    stopped = self.campaigns.stops.get(ACCOUNT)
                    self._watch_held(() if stopped is None else stopped.reasons())
                    self._read("jobs")
            elif self.owner is not None:
                if isinstance(record, Checked):
                    self.held.checked()
                    if self._broke:  # whether there is credit again, nobody knows
                        self._broke, self._balance_s = False, None
                messages = appended(offset, record) if isinstance(record, Appended) else None
                self.owner.inbox_read(offset, record, self.world.now_s, self.now_ms, messages)
        self._poll()

    def poll_soon(self) -> None:
        """Something that its owner shares with it changed."""
        self._poll()

    def _watch_held(self, stops: tuple[Stop, ...]) -> None:
        self.held = HeldWatch(self.world.broken_off, self.place.spec, stops)

    def _campaign(self, offset: int, record: Any) -> None:
        self.weights.read(record)
        changed = self.campaigns.apply(offset, record)
        if changed is not None and self.owner is not None:
            self.owner.campaign_changed(changed)

    # --- deciding ---

    def _poll(self) -> None:
        owner = self.owner
        if owner is None or self.stopped or self.dead:
            return
        if self._last is not None:
            self._give_back(owner, self._last)
            return
        if self._draining and owner.in_charge and not owner.draining:
            owner.drain(self.now_ms)
        together, sends = [], list[Send]()
        for effect in owner.poll(self.world.now_s, self.now_ms):
            match effect:
                case Append():
                    together.append(effect.record)
                    if isinstance(effect.record, Intent) and self.place.opt_outs is not None:
                        self.place.opt_outs.announces(self.name, effect.record, owner.suppressed)
                    if isinstance(effect.record, Intent) and self._balance_s is not None:
                        self.place.cut_by[self.name, effect.record.n] = self._balance_s
                case Point():
                    self.log.append(self, "campaigns", [effect.record], lambda fate: None)
                case Share():
                    self.log.append(self, "campaigns", [effect.record], lambda fate: None)
                case Tell():
                    self._tell(effect)
                case Fetch():
                    self.world.after(0.003, partial(self._fetched, effect), self)
                case Send():
                    sends.append(effect)
                case Go():
                    self._wire.go(effect.intent)
        for send in sends:
            self._send(send)
        if together:
            self._append(together)
        if owner.deposed and not any(lane.sending for lane in owner.lanes.values()):
            self._leave("deposed")
        elif owner.draining and owner.drained:
            self._last = last = owner.last_checkpoint(self.now_ms)
            self.log.append(self, "lanes", [last], lambda fate: None if fate == "written" else self._leave("drained"))
        elif owner.wake_s < self._poll_at_s:
            self._poll_at_s = owner.wake_s
            self.world.at(owner.wake_s, self._timer, self)

    def _tell(self, effect: Tell) -> None:
        """What keeps the account from sending, for its next owner to know; again if the log does not take it."""
        self.world.say("%s tells %s", self.name, ", ".join(stop.why for stop in effect.stops) or "that it sends again")
        why = old_word(effect.stops)
        record = Stopped(account=effect.account, at_ms=effect.at_ms, why=why, says="", stops=effect.stops)
        self._newest = record

        def written(fate: Fate) -> None:
            if fate != "written" and self._newest is record:
                self.world.after(0.5, write, self)

        def write() -> None:
            self.log.append(self, "campaigns", [record], written)

        write()

    def _timer(self) -> None:
        self._poll_at_s = float("inf")
        self._check_doubt()
        self._poll()

    def _check_doubt(self) -> None:
        owner = self.owner
        if owner is None or self.stopped:
            return
        if owner.in_doubt(self.world.now_s):
            self._leave("in doubt")
            self.world.after(1.0, self._again, self)

    def _again(self) -> None:
        self.stopped = False
        self._begin()
        self.start()

    def _give_back(self, owner: Owner, last: Checkpoint) -> None:
        """Once the last checkpoint is read back, the next owner is told where it lies."""
        offset = next((offset for offset, record in enumerate(self.log.topics["lanes"]) if record is last), None)
        if owner.deposed:
            self._leave("deposed")
        elif offset is not None and owner.state.position > offset:
            self.log.append(None, "campaigns", [CheckpointAt(partition=0, offset=offset)], lambda fate: None)
            self._leave("drained")

    def _leave(self, why: str) -> None:
        if self.stopped:
            return
        self.world.say("%s leaves: %s", self.name, why)
        self.stopped = True
        self._deaf()

    def _deaf(self) -> None:
        if self._written in self.log.readers:
            self.log.readers.remove(self._written)

    def _append(self, records: list[Any]) -> None:
        facts = [record for record in records if isinstance(record, Outcome | Outcomes)]

        def done(fate: Fate) -> None:
            if fate == "written":
                return
            if self.owner is not None and not self.stopped:
                tell = self.owner.append_refused if fate == "refused" else self.owner.append_doubted
                for record in records:
                    tell(record, self.world.now_s)
                self._poll()
            self.world.after(1.0, self._check_doubt, self)
            if facts:
                self.world.after(0.5, lambda: self._append(list(facts)), self)

        self.log.append(self, "lanes", records, done)
        if any(isinstance(record, Intent) for record in records):
            self.world.after(TTL_S + DOUBT_S + 1.0, self._check_doubt, self)

    def _fetched(self, fetch: Fetch) -> None:
        if self.owner is not None:
            jobs, batches = self.log.topics["jobs"], self.place.batches
            content = segment_of(jobs, fetch) if is_segment(fetch.job) else batches[fetch.job_offset]
            self.owner.batch_loaded(fetch.job_offset, content)
            self._poll()

    # --- sending ---

    def _send(self, send: Send) -> None:
        if self.place.waves is not None:
            self.place.waves.built(send.intent, send.variant)
        self._wire.send(send, self.name, self._may_write)

    def _may_write(self, send: Send) -> bool | None:
        if self.owner is None:
            return False
        lane = self.owner.lanes[send.account]
        word = self.owner.may_write(send.intent, send.account, self.world.now_s, self.now_ms)
        if word and self.place.schedules is not None:
            self.place.schedules.writes(send.campaign, self.now_ms)
        if word and self.place.streams is not None:
            self.place.streams.writes(send, self.now_ms)
        if word and self._broke:
            raise self.world.broken(f"{self.name} goes on sending with an empty balance", [send.intent])
        if word:
            self._overtaken.leaves(lane, send.intent)
            self.held.writes(send, self.world.now_s)
        self.world.after(0.0, self._poll, self)
        return word

    def _answered(
        self, send: Send, answer: Verdict | RunsAnswer, wrote_s: float | None, answered_s: float | None
    ) -> None:
        owner = self.owner
        assert owner is not None
        sending = owner.lanes[send.account].sending.get(send.intent)
        if sending is None:
            return
        times = (self.world.now_s, self.now_ms)
        if isinstance(answer, RunsAnswer):
            self.held.answered_in_runs(send, [run.verdict for run in answer.runs], self.world.now_s)
            if wrote_s is not None and answered_s is not None:
                owner.messages_answered(send.account, sending.ticket, wrote_s, answered_s)
            owner.runs_answered(send.intent, send.account, answer, *times)
        else:
            self._broke = self._broke or answer.kind is Kind.BALANCE
            self.held.answered(send, answer, self.world.now_s)
            owner.answered(send.intent, send.account, answer, *times, wrote_s=wrote_s, answered_s=answered_s)
            if answer.kind is Kind.BALANCE and not self.place.spec.polls_balance:
                self.world.after(300.0, partial(setattr, self, "_broke", False), self)
        if self.stopped:  # a former owner's request came to its end: its outcome is a fact
            facts = [effect.record for effect in owner._out if isinstance(effect, Append)]
            owner._out.clear()
            self._append([record for record in facts if isinstance(record, Outcome | Outcomes)])
        else:
            self._poll()

    # --- the balance ---

    def _ask_balance(self, serial: int) -> None:
        """Once per interval, as long as this ownership lasts; an answer may be lost."""
        owner = self.owner
        if owner is None or self.stopped or serial != self._serial:
            return
        self.world.after(BALANCE_INTERVAL_S, lambda: self._ask_balance(serial), self)
        mark = owner.balance_asked(ACCOUNT)
        self._wire.ask_balance(lambda credit, seen_s: self._balance_is(serial, owner, credit, mark, seen_s))

    def _balance_is(self, serial: int, owner: Owner, credit: int, mark: float, seen_s: float) -> None:
        if serial != self._serial or self.stopped:
            return
        owner.balance_answered(ACCOUNT, credit, mark, self.world.now_s, self.now_ms)
        self._balance_s = seen_s
        if credit >= 1:
            self.held.paid()
        self._broke = self._broke and credit < 1
        self._poll()

    def _unfair(self, what: str) -> None:
        raise self.world.broken(what)
