"""The log in memory, with what each adapter may do to an append.

SQLite: it is written or it is not, all of it, and the author knows which (full disk); or it waits for the lock. Kafka:
it is written later than asked for and confirmed later still; after a time-out it may be written all the same, never,
behind later ones, or only its beginning (a batch that was cut in two). Whoever reads may lag behind (process.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final, Literal

from schemas.records import Checkpoint, Intent, Outcome, Outcomes, Owned, Resolved
from tests.simulation.world.world import Mortal, World

Fate = Literal["written", "refused", "in doubt"]
Kind = Literal["sqlite", "kafka"]

TOPICS = ("campaigns", "jobs", "lanes", "reports")
TIMED_OUT_S = 2.0
FAULTS: Final = (0.02, 0.02, 0.02, 0.08)
"""The share of appends that go wrong."""


def faults_of(seed: int) -> float:
    """How often an append of this history goes wrong."""
    return random.Random(f"{seed}, log").choice(FAULTS)


class SimLog:
    """One partition of each topic. `listeners` are told every record when it is there; `readers` only the topic."""

    def __init__(self, world: World, kind: Kind, *, faults: bool) -> None:
        self.world = world
        self.kind = kind
        self.faults = faults
        self._share = faults_of(world.seed)
        self.topics: dict[str, list[Any]] = {topic: [] for topic in TOPICS}
        self.readers: list[Callable[[str], None]] = []
        self.listeners: list[Callable[[str, int, Any], None]] = []
        self.on_late: Callable[[list[Any]], None] = lambda records: None  # an append that later ones will overtake
        self.asked_s: dict[int, float] = {}  # id of a record -> when its append was asked for
        self._last_s: dict[tuple[int, str], float] = {}

    def append(self, process: Mortal | None, topic: str, records: list[Any], done: Callable[[Fate], None]) -> None:
        """`done` says what became of it; "in doubt": it timed out, and may be written all the same, even later."""
        rng, world = self.world.rng, self.world
        self.asked_s.update((id(record), world.now_s) for record in records)
        key = (id(process), topic)
        when_s = max(world.now_s + rng.expovariate(1 / 0.004), self._last_s.get(key, 0.0))
        fault = self.faults and rng.random() < self._share
        fate: Fate = "written"
        overtaken = False
        if fault and self.kind == "sqlite":
            if rng.random() < 0.5:
                world.say("the disk is full: %d records refused", len(records))
                world.after(0.05, lambda: done("refused"), process)
                return
            when_s += rng.choice([0.2, 1.0, 4.0])
        elif fault:
            fate = "in doubt"
            when_s += rng.choice([0.5, 3.0, 12.0])
            overtaken = rng.random() < 0.3
            records = self._cut(records)
        if overtaken:
            self.on_late(records)
        else:
            self._last_s[key] = when_s
        if records:
            world.at(when_s, lambda: self._write(process, topic, records))
        if fate == "in doubt":
            world.say("an append times out; of %s, %d are written later", topic, len(records))
            world.after(TIMED_OUT_S, lambda: done("in doubt"), process)
        else:
            world.at(when_s + rng.expovariate(1 / 0.001), lambda: done("written"), process)

    def put(self, topic: str, records: list[Any]) -> None:
        """These records are in the log now."""
        for record in records:
            offset = len(self.topics[topic])
            self.topics[topic].append(record)
            self._tell(topic, offset, record)
            for listener in self.listeners:
                listener(topic, offset, record)
        for reader in list(self.readers):
            reader(topic)

    def _cut(self, records: list[Any]) -> list[Any]:
        """All of a torn append, none of it, or its beginning."""
        rng = self.world.rng
        fate = rng.random()
        if fate < 0.3:
            return []
        return records if fate < 0.8 else records[: rng.randint(0, len(records))]

    def _write(self, process: Mortal | None, topic: str, records: list[Any]) -> None:
        if process is not None and process.dead:  # killed between asking and writing: inside the commit
            records = self._cut(records) if self.kind == "kafka" else self.world.rng.choice([[], records])
        if records:
            self.put(topic, records)

    def _tell(self, topic: str, offset: int, record: Any) -> None:
        say = self.world.say
        match record:
            case Owned():
                say("lanes/%d: owned by %s", offset, record.owner)
            case Intent():
                end = record.start + record.count
                who, whom = (offset, record.owner), (record.campaign, record.job, record.start, end, record.attempt)
                say("lanes/%d: intent of %s: %s, job %d [%d, %d), attempt %d", *who, *whom, intent=offset)
            case Outcome():
                say("lanes/%d: %s -> %s (%s)", offset, record.intent, record.effect, record.kind, intent=record.intent)
            case Outcomes():
                runs = ", ".join(f"{run.count} {run.effect} ({run.kind})" for run in record.runs)
                say("lanes/%d: %s -> %s", offset, record.intent, runs, intent=record.intent)
            case Resolved():
                word = (record.verdict, record.by, record.owner)
                say("lanes/%d: %d resolved as %s by %s, says %s", offset, record.intent, *word, intent=record.intent)
            case Checkpoint():
                say("lanes/%d: checkpoint of %s up to %d", offset, record.owner, record.upto)
            case _ if topic != "reports":
                say("%s/%d: %s %s", topic, offset, type(record).__name__.lower(), getattr(record, "campaign", ""))
