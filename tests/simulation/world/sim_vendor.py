"""A vendor that takes, refuses, is silent, throttles, runs out of our money; and keeps the only ledger that counts."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from dispatcher.core.lane.answers.verdict import NOT_CONNECTED, AnswerRun, Kind, Origin, RunsAnswer, Verdict
from schemas.records import Effect, Outcomes, Reports, Run
from tests.simulation.judging.recall import Memory
from tests.simulation.personal import messages as messages_of
from tests.simulation.personal import text_of
from tests.simulation.world.outages import Outage
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.world import ACCOUNT, START_S, World

TAKEN: Final = ("take", "take-silent", "garbage-taken", "late")
ANSWERS: Final = {
    "busy": Verdict(kind=Kind.RETRY_LATER, code="104"),
    "throttle": Verdict(kind=Kind.THROTTLED, code="103"),
    "reject": Verdict(kind=Kind.CONTENT, code="105"),
    "garbage-taken": Verdict(kind=Kind.UNKNOWN, code="?"),
    "garbage": Verdict(kind=Kind.UNKNOWN, code="?"),
    "balance": Verdict(kind=Kind.BALANCE, code="109"),
    "error": Verdict(kind=Kind.UNKNOWN, code="http 503", slower=True, origin=Origin.HTTP),
    "elsewhere": Verdict(kind=Kind.REJECTED, code="http 404", wrong_server=True, origin=Origin.HTTP),
}
MISBEHAVIOUR: Final = (
    *("take-silent", "silent", "busy", "throttle", "garbage-taken", "garbage", "reject", "refuse", "late"),
)

IN_RUNS: Final = "in runs"
"""What the vendor did with a request that has an answer for each run of its recipients."""

RUNS_SHARE: Final = 0.25
RUN_ANSWERS: Final = ("take", "take", "take", "reject", "throttle", "busy", "garbage-taken", "garbage")
BREAKS_OFF: Final = 0.1
"""How often such a request is cut off: the vendor sees only the recipients before."""

FACTS_SHARE: Final = 0.3
EFFECTS: Final = {
    Kind.ACCEPTED: Effect.ACCEPTED,
    Kind.CONTENT: Effect.FAILED,
    Kind.THROTTLED: Effect.QUEUED,
    Kind.RETRY_LATER: Effect.QUEUED,
    Kind.NOT_SENT: Effect.QUEUED,
}
"""What is known for sure of recipients with such an answer."""

IDS_FROM: Final = 2**63 - 500
"""Ids of these vendors are unsigned 64-bit numbers, on both sides of 2^63."""

NOT_OURS: Final = "not ours"
UNCLEAR: Final = ("garbage", "garbage", "silent", "garbage-taken", "take-silent")
"""What a vendor does whose answers do not say what happened."""


def in_runs(seed: int) -> bool:
    """Whether the vendor of this history answers for each recipient, in runs."""
    return random.Random(f"{seed}, runs").random() < RUNS_SHARE


class Arrival:
    """A request as the vendor sees it, with what only the judge knows: whose it is."""

    __slots__ = ("at_s", "campaign", "intent", "messages", "numbers", "owner")

    def __init__(
        self, at_s: float, numbers: list[bytes], messages: int, owner: str, intent: int, campaign: str
    ) -> None:
        self.at_s, self.numbers, self.messages = at_s, numbers, messages
        self.owner, self.intent, self.campaign = owner, intent, campaign


class SimVendor:
    """`credit` None: it never runs out. `watch` is told every arrival, what became of it and whether it was taken."""

    def __init__(self, world: World, log: SimLog, *, faults: bool, credit: int | None) -> None:
        self.world = world
        self.log = log
        self.faults = faults
        self.credit = credit
        self.taken: dict[bytes, int] = {}
        self.memory = Memory(world)
        self.took: dict[int, str] = {}  # intent -> the id it was taken under
        self.requests = 0
        self.segments: dict[str, int] = {}  # of each campaign's text
        self.runs: dict[str, int] = {}  # how many recipients of each campaign share a text, 0: all
        self.watch: Callable[[Arrival, str], None] = lambda arrival, behaviour: None
        self.down_until_s = 0.0
        self.outages: tuple[Outage, ...] = ()
        self.stalled_until_s = 0.0
        self.unclear_s = (0.0, 0.0)  # from when until when no answer says what happened
        self._unclear = random.Random(f"{world.seed}, unclear")
        self.answers_in_runs = in_runs(world.seed) and not self.memory.acts
        self._runs = random.Random(f"{world.seed}, its runs")
        self._ids = IDS_FROM

    def behave(self) -> str:
        """What it will do with the next request."""
        rng = self.world.rng
        for outage in self.outages:
            if outage.from_s <= self.world.now_s - START_S < outage.until_s:
                return outage.kind
        if self.world.now_s < self.down_until_s:
            return "refuse"
        if self.faults and self.unclear_s[0] <= self.world.now_s < self.unclear_s[1]:
            return self._unclear.choice(UNCLEAR)
        if not self.faults or rng.random() > 0.12:
            return "take"
        return rng.choice(MISBEHAVIOUR)

    def arrive(
        self, numbers: bytes, texts: list[str] | None, behaviour: str, owner: str, intent: int, campaign: str
    ) -> Verdict | RunsAnswer | None:
        """A request, with a text for each number or the campaign's; the answer, or None if it never answers."""
        recipients = numbers.split(b",")
        messages = len(recipients) * self.segments[campaign] if texts is None else sum(map(messages_of, texts))
        if (run := self.runs[campaign]) or texts is not None:
            self._read(recipients, texts, run, intent)
        self.requests += 1
        if behaviour in ("take", "late") and self.answers_in_runs and (self.credit is None or messages <= self.credit):
            each = [self.segments[campaign]] * len(recipients) if texts is None else list(map(messages_of, texts))
            return self._arrive_in_runs(recipients, each, owner, intent, campaign)
        if behaviour in TAKEN and self.credit is not None:
            if messages > self.credit:
                behaviour = "silent" if behaviour == "take-silent" else "balance"
            else:
                self.credit -= messages
        ids: tuple[str, ...] = ()
        if behaviour in TAKEN:
            self.took[intent] = str(self.requests)
            if self.memory.acts:
                ids = self.memory.take(self.requests, recipients)
            elif self.answers_in_runs:
                ids = tuple(str(self._ids + 1 + n) for n in range(len(recipients)))
                self._ids += len(recipients)
            for number in recipients:
                self.taken[number] = self.taken.get(number, 0) + 1
            self._report(recipients, ids)
        self.world.say("the vendor: %s %d of %s from %s", behaviour, len(recipients), campaign, owner, intent=intent)
        self.watch(Arrival(self.world.now_s, recipients, messages, owner, intent, campaign), behaviour)
        if behaviour in ("take", "late"):
            if ids:
                return Verdict(kind=Kind.ACCEPTED, code="0", vendor_ids=ids)
            return Verdict(kind=Kind.ACCEPTED, code="0", vendor_id=str(self.requests))
        return ANSWERS.get(behaviour)

    def _arrive_in_runs(
        self, recipients: list[bytes], messages: list[int], owner: str, intent: int, campaign: str
    ) -> RunsAnswer:
        """A request whose runs of recipients fare differently; perhaps it is cut off, and not all of it arrives."""
        rng, count = self._runs, len(recipients)
        arrived = rng.randrange(count) if self.faults and rng.random() < BREAKS_OFF else count
        cuts = rng.choice([0, 0, 1, 2, 5]) if self.faults else 0
        edges = sorted({0, arrived, *(rng.randrange(arrived + 1) for _ in range(cuts))})
        runs, ids, reported = [], [], list[tuple[bytes, str]]()
        for start, end in pairwise(edges):
            behaviour = rng.choice(RUN_ANSWERS) if self.faults else "take"
            verdict = ANSWERS.get(behaviour) or Verdict(kind=Kind.ACCEPTED)
            runs.append(AnswerRun(end - start, verdict))
            for number in recipients[start:end]:
                self._ids += 1
                ids.append(self._ids if behaviour == "take" else 0)
                if behaviour in TAKEN:
                    self.taken[number] = self.taken.get(number, 0) + 1
                    reported.append((number, str(self._ids)))
            if behaviour in TAKEN and self.credit is not None:
                self.credit -= sum(messages[start:end])
        if arrived < count:
            lost = Verdict(kind=Kind.NOT_SENT, code=NOT_CONNECTED, origin=Origin.LINK)
            runs.append(AnswerRun(count - arrived, lost))
            ids.extend([0] * (count - arrived))
        story = ", ".join(f"{run.count} {run.verdict.kind}" for run in runs)
        self.world.say("the vendor: %s of %s from %s", story, campaign, owner, intent=intent)
        if arrived:
            whole = Arrival(self.world.now_s, recipients[:arrived], sum(messages[:arrived]), owner, intent, campaign)
            self.watch(whole, IN_RUNS)
            self._report([number for number, _ in reported], tuple(each for _, each in reported))
        if self.faults and rng.random() < FACTS_SHARE:
            self._facts(rng, runs, ids, intent)
        return RunsAnswer(tuple(runs), ids=np.array(ids, "<u8").tobytes())

    def _facts(self, rng: random.Random, runs: list[AnswerRun], ids: list[int], intent: int) -> None:
        """Somebody else who knows of some of them writes it to the log, early or very late; also a second time."""
        known, at = [], 0
        for run in runs:
            if (effect := EFFECTS.get(run.verdict.kind)) is not None and rng.random() < 0.7:
                known.append(Run(at, run.count, effect, run.verdict.kind))
            at += run.count
        if known:
            of_them = [ids[at] for run in known for at in range(run.start, run.end)]
            fact = Outcomes(
                account=ACCOUNT, intent=intent, runs=tuple(known), at_ms=0, ids=np.array(of_them, "<u8").tobytes()
            )
            for _ in range(rng.choice([1, 2])):
                self.world.after(rng.random() * rng.choice([0.01, 5.0, 40.0]), lambda: self.log.put("lanes", [fact]))

    def _read(self, recipients: list[bytes], texts: list[str] | None, run: int, intent: int) -> None:
        """Everybody is sent their own text."""
        for number, text in zip(recipients, texts or [""] * len(recipients), strict=True):
            if not run or text != text_of(int(number), run):
                raise self.world.broken(f"{number.decode()} was sent a text that is not theirs: {text!r}", [intent])

    def top_up(self, messages: int) -> None:
        """Somebody pays."""
        if self.credit is not None:
            self.credit += messages
            self.world.say("%d messages are paid for, %d left", messages, self.credit)

    def _report(self, recipients: list[bytes], ids: tuple[str, ...]) -> None:
        """Reports by chance: before the answer or long after it, twice, in two different words, never, strange."""
        rng = self.world.rng
        rows = []
        vendor_id = str(self.requests)
        for index, number in enumerate(recipients):
            whom = (ids[index] if ids else vendor_id, 0 if ids and self.memory.acts else int(number))
            for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 2])):
                state = rng.choice([1, 1, 1, 1, 2, 0])
                rows.append((*whom, state, ("", "DELIVRD", "UNDELIV")[state], int(self.world.now_s)))
        if recipients and rng.random() < 0.05:
            rows.append((f"{NOT_OURS} {vendor_id}", int(recipients[0]), 1, "DELIVRD", 0))
        rng.shuffle(rows)
        while rows:
            size = rng.randint(1, len(rows))
            piece, rows = rows[:size], rows[size:]
            delay_s = rng.choice([0.0, 0.001, 1.0, 20.0]) * rng.random()
            self.world.after(delay_s, partial(self.log.put, "reports", [report_of(piece)]))


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
