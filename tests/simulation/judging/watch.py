"""What is checked while a history goes on, after every step, where it shows: at the vendor, in the log, in the lane.

Nobody texted twice (policy `hold`); no window over the limit; nothing of a campaign that was paused or cancelled;
nothing sent again that may still arrive; nothing sent on an empty balance; nobody starved; something that may be sent
leaves within a bounded time, however slow the steps before it are. Each raises Broken at once.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from dispatcher.core.flow.fairness import URGENT_RUN
from dispatcher.core.lane.account import LaneSpec
from schemas.records import (
    Cancelled,
    Flowed,
    Intent,
    Kind,
    Launched,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    Run,
    Stopped,
    Weighed,
    Why,
)
from tests.simulation.judging.evidence import READ_S
from tests.simulation.judging.recall import READS
from tests.simulation.opt_outs import OptOuts
from tests.simulation.waves import Waves
from tests.simulation.world.process import Process
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.sim_vendor import IN_RUNS, TAKEN, Arrival, SimVendor
from tests.simulation.world.slowness import Slowness
from tests.simulation.world.world import ACCOUNT, World

GRACE_S: Final = 6.0
STARVED_S: Final = 30.0
STAGES: Final = 3
"""A chunk is chosen, handed to the driver and let out: each time URGENT_RUN - 1 urgent ones at most go before it."""

IDLE_S: Final = 60.0
IDLE_STEPS: Final = 20
"""Something that may be sent leaves within IDLE_S and so many times the slow steps that lie before a first byte."""

LOOK_S: Final = 1.0
UNTOLD_S: Final = 30.0
OUTAGES: Final = (Why.BUSY, Why.NO_ANSWER, Why.UNREACHABLE, Why.TOO_FAST)


class Waiting:
    """A campaign with work of which nothing arrived since `since_s`; and the others, if asked for after that.

    `others`: recipients of each campaign of its own class. `urgent`: urgent requests that went before others. `turns`:
    requests that were not urgent, sent or not. `missed`: requests of its own of which nothing was sent.
    """

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.others: dict[str, int] = {}
        self.urgent = self.turns = self.missed = 0


class Watch:
    """Sees every record and every arrival. `processes` are all that ever lived."""

    def __init__(
        self,
        world: World,
        log: SimLog,
        vendor: SimVendor,
        spec: LaneSpec,
        cut_by: dict[tuple[str, int], float],
        known_s: dict[int, float],
        slowness: Slowness,
        opt_outs: OptOuts,
        waves: Waves | None = None,
    ) -> None:
        self.world, self.log, self.vendor, self.spec = world, log, vendor, spec
        self.processes: list[Process] = []
        self.doubles = 0
        self._cut_by = cut_by
        self._slowness = slowness
        self._opt_outs = opt_outs
        self._waves = waves
        self._known_s = known_s
        self._policy: dict[str, str] = {}
        self._stopped_s: dict[str, float] = {}
        self._cancelled: set[str] = set()
        self._resent: set[int] = set()
        self._window: deque[tuple[float, int]] = deque()
        self._units = 0
        self._taken_from: dict[str, float] = {}
        self._waiting: dict[str, Waiting] = {}
        self._weights: dict[str, tuple[int, bool]] = {}
        self._largest = 0
        self._owner = ""
        self._idle_max_s = IDLE_S + IDLE_STEPS * slowness.all_s
        self._idle_since_s = world.now_s
        self._told = False
        self._still: dict[str, float] = {}
        log.listeners.append(self._written)
        vendor.watch = self._arrived
        world.after(LOOK_S, self._look)

    # --- the log ---

    def _written(self, topic: str, offset: int, record: Any) -> None:
        match record:
            case Launched():
                self._policy.setdefault(record.campaign, record.unknown)
            case Cancelled():
                self._cancelled.add(record.campaign)
                self._stopped_s.setdefault(record.campaign, self.world.now_s)
            case Flowed() if record.paused:
                self._stopped_s.setdefault(record.campaign, self.world.now_s)
            case Flowed() if record.campaign not in self._cancelled:
                self._stopped_s.pop(record.campaign, None)
            case Weighed():
                self._waiting.clear()
            case Owned():
                self._owner = record.owner
                self._waiting.clear()
            case Outcome(kind=Kind.NOT_SENT) | Outcomes(runs=(Run(kind=Kind.NOT_SENT), *_)):
                self._turn(self.log.topics["lanes"][record.intent].campaign, missed=True)
            case Stopped():
                self._told = bool(record.reasons())
                self._still.clear()
            case Resolved() if record.verdict != "sent":
                self._resent.add(record.intent)
                if record.by == "policy":
                    self._against_evidence(record)

    def _against_evidence(self, resolved: Resolved) -> None:
        """A policy sends nothing again of which reports, or a decision in the owner's inbox, say what became of it."""
        known_s = self._known_s.get(resolved.intent, float("inf"))
        for process in self.processes:
            if process.name == resolved.owner == self._owner:
                read_s = max(known_s, process.frozen_until_s, process.reads_late_until_s)
                read_s += READ_S + READS * self._slowness.reading_s
                if read_s < self.log.asked_s[id(resolved)]:
                    raise self.world.broken(
                        "a policy sends again what reports or a decision say was taken", [resolved.intent]
                    )

    # --- the vendor ---

    def _arrived(self, arrival: Arrival, behaviour: str) -> None:
        now_s, campaign, chunk = self.world.now_s, arrival.campaign, [arrival.intent]
        self._idle_since_s = now_s
        if arrival.intent in self._resent:
            raise self.world.broken(f"intent {arrival.intent} arrives after it was resolved to be sent again", chunk)
        if now_s - self._stopped_s.get(campaign, now_s) > GRACE_S:
            raise self.world.broken(f"{campaign} is stopped since {GRACE_S:.0f} s, and is sent", chunk)
        self._flow(arrival)
        self._opt_outs.arrives(arrival)
        if self._waves is not None:
            self._waves.arrives(arrival)
        if behaviour in (*TAKEN, IN_RUNS):
            for number in arrival.numbers:
                if self.vendor.taken.get(number, 0) > 1:
                    self._double(number, campaign)
            self._taken_from[arrival.owner] = now_s
        if behaviour == "balance":
            self._overdrawn(arrival)
        self._largest = max(self._largest, len(arrival.numbers))
        self._waiting.pop(campaign, None)
        self._passes(arrival)

    def _passes(self, arrival: Arrival) -> None:
        """A request arrived while other campaigns wait."""
        self._turn(arrival.campaign)
        asked_s = self.log.asked_s[id(self.log.topics["lanes"][arrival.intent])]
        for name, waiting in self._waiting.items():
            if asked_s < waiting.since_s:
                continue
            if self._is_urgent(name) == self._is_urgent(arrival.campaign):
                sent = waiting.others.get(arrival.campaign, 0)
                waiting.others[arrival.campaign] = sent + len(arrival.numbers)
            elif self._is_urgent(arrival.campaign):
                waiting.urgent += 1

    def _turn(self, campaign: str, *, missed: bool = False) -> None:
        """A request of this campaign had its turn, and perhaps was not sent all the same."""
        for name, waiting in self._waiting.items():
            waiting.turns += not self._is_urgent(campaign)
            waiting.missed += missed and name == campaign

    def _is_urgent(self, campaign: str) -> bool:
        return self._weights.get(campaign, (1, False))[1]

    def _flow(self, arrival: Arrival) -> None:
        if self.spec.limit is None:
            return
        units = {"messages": len(arrival.numbers), "requests": 1, "parts": arrival.messages}[self.spec.unit]
        self._window.append((arrival.at_s, units))
        self._units += units
        while self._window[0][0] <= arrival.at_s - self.spec.per_s:
            self._units -= self._window.popleft()[1]
        if self._units > self.spec.limit:
            limit = f"{self.spec.limit} {self.spec.unit} in {self.spec.per_s:g} s"
            raise self.world.broken(f"{self._units} in one window, the limit is {limit}")

    def _double(self, number: bytes, campaign: str) -> None:
        self.doubles += 1
        if self._policy[campaign] != "resend":
            times = self.vendor.taken[number]
            raise self.world.broken(f"{number.decode()} of {campaign} was sent {times} times", self.chunks_of(number))

    def _overdrawn(self, arrival: Arrival) -> None:
        """A lane that knows its balance stops before it is empty; unless others spent of it since it was computed."""
        intent = self.log.topics["lanes"][arrival.intent]
        known_s = self._cut_by.get((intent.owner, intent.n))
        if known_s is None:
            return
        others = (at_s for owner, at_s in self._taken_from.items() if owner != intent.owner)
        if max(others, default=0.0) < known_s:
            raise self.world.broken("more was sent than the balance covers, and the lane knew it", [arrival.intent])

    def chunks_of(self, number: bytes) -> set[int]:
        """The intents that ever named this recipient."""
        jobs = self.log.topics["jobs"]
        found = set()
        for offset, record in enumerate(self.log.topics["lanes"]):
            if isinstance(record, Intent) and record.job < len(jobs):
                first = 13_000_000_000 + jobs[record.job].offset + record.start
                if first <= int(number) < first + record.count:
                    found.add(offset)
        return found

    # --- the lane ---

    def _look(self) -> None:
        """No campaign with work waits long while the others are served, nor do all; no account stands still unsaid."""
        self.world.after(LOOK_S, self._look)
        self._silent()
        able = {name for process in self.processes for name in self._able(process)}
        if not able:
            self._idle_since_s = self.world.now_s
        elif self.world.now_s - self._idle_since_s > self._idle_max_s:
            names = ", ".join(sorted(able))
            raise self.world.broken(f"{names} may be sent, and nothing is since {self._idle_max_s:.0f} s")
        self._waiting = {name: self._waiting.get(name) or Waiting(self.world.now_s) for name in able}
        self._weights = {name: each for process in self.processes for name, each in process.weights.items()}
        for name, waiting in self._waiting.items():
            waits_s = self.world.now_s - waiting.since_s
            if waits_s > STARVED_S and (others := self._starve(name, waiting)):
                raise self.world.broken(f"{name} waits for {waits_s:.0f} s, {others}")

    def _starve(self, name: str, waiting: Waiting) -> str:
        """What was sent meanwhile beyond the shares of the others; empty if nothing was.

        By weight, two campaigns of a class differ by at most one chunk of each, and begin again when one was not sent;
        one chunk in URGENT_RUN is for those that are not urgent.
        """
        weight = self._weights[name][0]
        for other, recipients in waiting.others.items():
            share = self._largest * (1 + self._weights[other][0] / weight) * (STAGES + waiting.missed)
            if recipients > share:
                return f"{other} was sent {recipients} recipients, {share:.0f} is fair"
        if waiting.urgent > URGENT_RUN * (waiting.turns + STAGES):
            return f"{waiting.urgent} urgent requests went before it, and {waiting.turns} others had their turn"
        return ""

    def _silent(self) -> None:
        """An account that does not send says so on the log."""
        stands = [process.name for process in self.processes if self._in_charge(process) and not self._is_open(process)]
        self._still = {name: self._still.get(name, self.world.now_s) for name in stands}
        for name, since_s in self._still.items():
            if self.world.now_s - since_s > UNTOLD_S and not self._told:
                raise self.world.broken(f"{name} has not sent for {UNTOLD_S:.0f} s, and the log does not say why")
        for process in self.processes:
            if self._in_charge(process) and process.held.may_send_all and self._is_held(process):
                raise self.world.broken(f"{process.name} is held back, though the vendor answered")

    def _in_charge(self, process: Process) -> bool:
        return process.at_work and process.name == self._owner and process.owner is not None

    def _is_open(self, process: Process) -> bool:
        assert process.owner is not None
        standing = process.owner.lanes[ACCOUNT].standing
        return standing.sends and not standing.trying and process.owner.suppressed.is_current(self.world.now_s)

    def _is_held(self, process: Process) -> bool:
        assert process.owner is not None
        stop = process.owner.lanes[ACCOUNT].standing.stop
        return stop is not None and stop.why in OUTAGES

    def _able(self, process: Process) -> list[str]:
        """The campaigns that this process could send for now, if it is the one in charge."""
        if not process.at_work or process.name != self._owner or process.owner is None or process.owner.draining:
            return []
        lane, now_s = process.owner.lanes[ACCOUNT], self.world.now_s
        if not lane.standing.sends or lane.standing.trying or lane.held_until_s > now_s:
            return []
        if not process.owner.suppressed.is_current(now_s):
            return []
        return [name for name, work in lane.work.items() if self._sends(process, name, work, now_s)]

    def _sends(self, process: Process, name: str, work: Any, now_s: float) -> bool:
        known = process.campaigns.get(name)
        if known is None or not known.sends_at(process.now_ms):
            return False
        fresh = any(piece.job.wave <= known.waves.released for piece in work.fresh)
        return fresh or any(piece.not_before_s <= now_s for piece in work.returned)
