"""A stream's messages in a history: two appenders, repeats of all kinds, times that end; and what is judged meanwhile.

Each key has a number of its own, but for some that share one. A message's text follows from its number (personal.py).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.core.lane.effects import Fetch, Send
from dispatcher.core.lane.suppressed import Suppressed
from dispatcher.core.messages.personal import Personal
from dispatcher.core.messages.text import parts
from dispatcher.core.money.costs import Costs
from dispatcher.core.streams.hidden_codes import packed
from dispatcher.core.streams.keys import digest
from dispatcher.core.streams.messages import AppendedMessages, SegmentBatch, SegmentReading
from schemas.records import Appended, Intent, Launched, Leg, StreamTerms
from tests.simulation.personal import PARTS_MAX, SPLIT, TEXT, template_of, text_of, values_of
from tests.simulation.world.sim_log import Fate, SimLog
from tests.simulation.world.world import ACCOUNT, START_S, World

STREAM: Final = "codes"
ATTEMPT: Final = "s"
FIRST: Final = 13_900_000_000
RUN: Final = 1
KEEP_MS: Final = 3_600_000
LIVES_MS: Final = (2_000, 10_000, 60_000, 400_000)
SHARED: Final = 0.1
AGAIN_S: Final = (0.0, 2.0, 30.0)
"""How soon an append that was not confirmed is repeated."""

DAY_S: Final = 20.0
"""Days end so often for the appenders, so that messages belong to several."""


class Key(msgspec.Struct, frozen=True):
    """A message that somebody wants to send."""

    key: str
    number: int
    life_ms: int


def launched(unknown: str, weight: int, *, urgent: bool, budget: int = 0) -> Launched:
    """The stream; a part of a text costs 1."""
    return Launched(
        campaign=STREAM, attempt=ATTEMPT, fingerprint="f", name="", text=TEXT, variables=("a", "b"),
        legs=(
            Leg(
                account=ACCOUNT, vendor="batch-a", jobs=0, recipients=0, segments=PARTS_MAX,
                split=(SPLIT.single, SPLIT.multi), prices={"default": 1}, share=budget,
            ),
        ),
        budget=budget, weight=weight, urgent=urgent,
        unknown=unknown, rows=0, recipients=0, invalid=0, duplicate=0, suppressed=0, batches=0,  # type: ignore[arg-type]
        segments=PARTS_MAX, at_ms=0, by="test",
        stream=StreamTerms(expires_after_ms=10_000, keys_kept_ms=KEEP_MS, weights=((ACCOUNT, 1),)),
    )  # fmt: skip


def appended(offset: int, record: Appended) -> AppendedMessages:
    """The messages as the account sends them."""
    personal = Personal(record.values, template_of(), SPLIT, None)
    return AppendedMessages(offset, record, personal, Costs(personal.parts_each))


def cost_of(number: int) -> int:
    """What a message to this number costs."""
    return parts(text_of(number, RUN), SPLIT)


def segment_of(jobs: Sequence[Any], fetch: Fetch) -> SegmentBatch:
    """What the shell reads for this."""
    reading = SegmentReading(fetch.job, fetch.start, appended)
    for offset in range(fetch.job_offset, len(jobs)):
        if not reading.read(offset, jobs[offset]):
            break
    assert reading.batch is not None
    return reading.batch


class Appenders:
    """Who appends: `wanted` are all their messages, `refused` a log that wrote nothing, so all end on the log."""

    def __init__(self, world: World, log: SimLog, war_s: float) -> None:
        self.world, self.log = world, log
        self._rng = rng = random.Random(f"{world.seed}, stream")
        self.wanted: list[Key] = []
        for index in range(rng.choice([5, 30, 120])):
            shares = self.wanted and rng.random() < SHARED
            number = self.wanted[-1].number if shares else FIRST + index
            self.wanted.append(Key(f"key {index}", number, rng.choice(LIVES_MS)))
        at = 0
        while at < len(self.wanted):
            size = rng.choice([1, 1, 1, 2, 6])
            group = self.wanted[at : at + size]
            world.after(0.5 + rng.random() * war_s, partial(self._append, group))
            at += size
        for _ in range(rng.choice([0, 2, 10])):
            again = rng.sample(self.wanted, min(len(self.wanted), rng.choice([1, 1, 3])))
            world.after(0.5 + rng.random() * war_s * 1.5, partial(self._append, again))

    def _append(self, group: list[Key]) -> None:
        world, rng = self.world, self._rng
        if rng.random() < 0.1:
            group = [*group, group[0]]
        at_ms = world.now_ms
        columns = list(zip(*(values_of(each.number, RUN) for each in group), strict=True))
        record = Appended(
            campaign=STREAM,
            attempt=ATTEMPT,
            account=ACCOUNT,
            at_ms=at_ms + 86_400_000 * int((world.now_s - START_S) / DAY_S),
            numbers=b",".join(b"%d" % each.number for each in group),
            values=packed(("a", "b"), columns),
            keys=np.array([digest(each.key) for each in group], "<u8").tobytes(),
            expires=np.array([at_ms + each.life_ms for each in group], "<i8").tobytes(),
            keep_ms=100 * 86_400_000,
        )

        def done(fate: Fate) -> None:
            if fate != "written":
                pieces = [group] if rng.random() < 0.5 else [[each] for each in group]
                for piece in pieces:
                    world.after(rng.random() * rng.choice(AGAIN_S), partial(self._append, piece))

        self.log.append(None, "jobs", [record], done)


class Message(msgspec.Struct, frozen=True):
    """A message on the log, in its order. `repeats`: its key was there before."""

    key: int
    number: int
    expires_ms: int
    day: int
    repeats: bool


def messages_on(jobs: Sequence[Any]) -> list[Message]:
    """All messages of the stream on the log, in order."""
    found: list[Message] = []
    seen: set[int] = set()
    for record in jobs:
        if isinstance(record, Appended):
            columns = (np.frombuffer(record.keys, "<u8"), np.frombuffer(record.expires, "<i8"))
            numbers = map(int, record.numbers.split(b","))
            for key, expires_ms, number in zip(*(column.tolist() for column in columns), numbers, strict=True):
                day = (record.at_ms + 8 * 3_600_000) // 86_400_000
                found.append(Message(key, number, expires_ms, day, key in seen))
                seen.add(key)
    return found


class StreamWatch:
    """What is judged whenever a request is about to leave: no number that was suppressed before its intent was asked
    for, no message whose time is over.
    """

    def __init__(self, world: World, log: SimLog) -> None:
        self._world, self._log = world, log
        self.suppressed = Suppressed(float("inf"))
        self._since_s: dict[int, float] = {}
        self.written = 0

    def opts_out(self, number: int) -> None:
        """Somebody does not want to be texted any more."""
        self._since_s.setdefault(number, self._world.now_s)
        touched = np.array([number], np.int64)
        self.suppressed.read(np.array(sorted(self._since_s), np.int64), touched, float("inf"))
        self._world.say("%d opts out", number)

    @property
    def opted_out(self) -> set[int]:
        """Everybody who did."""
        return set(self._since_s)

    def writes(self, send: Send, now_ms: int) -> None:
        """The first byte of this leaves now, by the clock of its process."""
        if send.campaign != STREAM:
            return
        intent = self._log.topics["lanes"][send.intent]
        assert isinstance(intent, Intent)
        jobs = self._log.topics["jobs"]
        first = len(messages_on(jobs[: intent.job])) + intent.start
        mine = messages_on(jobs)[first : first + intent.count]
        by_number = {message.number: message for message in mine}
        numbers = [int(number) for number in bytes(send.numbers).split(b",")]
        if len(set(numbers)) < len(numbers):
            raise self._world.broken("a request has a number twice", [send.intent])
        for number in numbers:
            self.written += 1
            message = by_number.get(number)
            if message is None:
                raise self._world.broken(f"{number} is sent by an intent without it", [send.intent])
            if message.repeats:
                raise self._world.broken(f"{number} is sent for a key that was there before", [send.intent])
            if now_ms > message.expires_ms:
                raise self._world.broken(f"{number} is sent {now_ms - message.expires_ms} ms late", [send.intent])
            if self._since_s.get(number, float("inf")) < self._log.asked_s[id(intent)]:
                raise self._world.broken(f"{number} is sent after it opted out", [send.intent])
