"""A vendor that gives every recipient an id and remembers what it sent, and the lane's search in what it remembers.

In some histories only, where all clocks agree within seconds. What decides is the code that ships: when the vendor is
asked, of which chunks an answer speaks (history_looks.py), whose ids they are (history.py), what follows (owner.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from dispatcher.core.lane.owner import Owner
from dispatcher.core.lane.state import ChunkState
from dispatcher.core.results.history import HistoryTarget, Numbers, SentMessage, Span, find, span
from dispatcher.core.results.history_looks import LOOKS, HistoryLooks, Look
from dispatcher.core.results.requests import Requests, RequestTime
from schemas.records import Intent
from tests.simulation.launches import FIRST_NUMBER
from tests.simulation.world.sim_log import SimLog
from tests.simulation.world.world import ACCOUNT, WALL_S, Mortal, World

if TYPE_CHECKING:
    from tests.simulation.world.place import Place

SHARE: Final = 0.2
EVIDENCE_S: Final = 180.0
INTERVAL_S: Final = 60.0
WINDOW_S: Final = 1_800
LOST: Final = 0.2
SKEW_S: Final = 10.0
SEEN_S: Final = 1.0
READS: Final = 2
"""How often in a row a record may have to be read back."""
"""How long after an answer what it proves is in the journal, at most, if no append fails."""


def remembers(seed: int) -> bool:
    """Whether the vendor of this history remembers."""
    return random.Random(f"{seed}, recall").random() < SHARE


class Memory:
    """What the vendor remembers. `acts`: it gives an id to each recipient, and may be asked once in INTERVAL_S."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.rng = random.Random(f"{world.seed}, recall")
        self.acts = self.rng.random() < SHARE  # as `remembers` says
        self.free_s = 0.0
        self._skew_ms = round(self.rng.uniform(-SKEW_S, SKEW_S) * 1000)
        self._rows: list[SentMessage] = []

    def take(self, request: int, recipients: list[bytes]) -> tuple[str, ...]:
        """The request was taken: the ids of its recipients."""
        ids = tuple(f"{request}{index:05}" for index in range(len(recipients)))
        at_ms = round((WALL_S + self.world.now_s) * 1000) + self._skew_ms
        self._rows += [
            SentMessage(vendor_id, int(number), at_ms) for vendor_id, number in zip(ids, recipients, strict=True)
        ]
        return ids

    def rows(self, when: Span) -> list[SentMessage]:
        """What it says of this time."""
        return [row for row in self._rows if when.start_ms <= row.sent_ms < when.end_ms]


class Runs(Protocol):
    """The process whose lane is looked after."""

    place: Place
    world: World
    log: SimLog
    stopped: bool
    owner: Owner | None

    @property
    def at_work(self) -> bool: ...

    def _poll(self) -> None: ...


class Search:
    """One ownership's search, as consumers/lanes/history_watch.py is on a real machine."""

    def __init__(
        self,
        process: Runs,
        mortal: Mortal,
        owner: Owner,
        memory: Memory,
        takes: RequestTime,
        took: Callable[[int], bool],
    ) -> None:
        self._process, self._mortal, self._owner, self._memory, self._took = process, mortal, owner, memory, took
        self._world, self._log = process.world, process.log
        self._takes = takes
        self._looks = HistoryLooks(WINDOW_S)
        self._asking = False
        self._world.after(1.0, self._tick, mortal)

    @property
    def _now_ms(self) -> int:
        return round((WALL_S + self._world.now_s) * 1000)

    @property
    def _is_over(self) -> bool:
        return self._process.stopped or self._process.owner is not self._owner or self._owner.deposed

    def _tick(self) -> None:
        if self._is_over:
            return
        self._world.after(1.0, self._tick, self._mortal)
        self._read_unknown()
        if not self._asking and self._looks.is_due(self._now_ms):
            self._asking = True
            self._leave()

    def _read_unknown(self) -> set[int]:
        open_ = self._owner.state.open.values()
        unknown = {chunk.intent for chunk in open_ if chunk.state is ChunkState.UNKNOWN}
        for intent in self._looks.missing(unknown):
            record = self._intent(intent)
            self._looks.add(intent, record.at_ms, self._takes.of_ms(record))
        return unknown

    def _leave(self) -> None:
        """As soon as it is our turn: the time to ask for is decided then."""
        if self._memory.free_s > self._world.now_s:
            self._world.at(self._memory.free_s, self._leave, self._mortal)
            return
        self._memory.free_s = self._world.now_s + INTERVAL_S
        self._read_unknown()
        look = self._looks.begin(self._now_ms, 0)
        if look is None:
            self._asking = False
        elif self._memory.rng.random() < LOST:
            self._world.after(1.0, lambda: self._failed(look), self._mortal)
        else:
            self._world.after(0.05, lambda: self._seen(look))

    def _seen(self, look: Look) -> None:
        """The vendor looks it up; the answer takes a while."""
        rows, known = self._memory.rows(look.whole), set(self._log_intents())
        taken = {intent for intent in known if self._took(intent)}
        self._world.after(0.05 + self._memory.rng.random(), lambda: self._answered(look, rows, taken), self._mortal)

    def _failed(self, look: Look) -> None:
        self._asking = False
        self._looks.failed(look, self._now_ms)

    def _answered(self, look: Look, rows: list[SentMessage], taken: set[int]) -> None:
        self._asking = False
        if self._is_over:
            return
        unknown = self._read_unknown()
        requests = Requests(ACCOUNT, look.whole, self._takes)
        for offset, record in enumerate(self._log.topics["lanes"]):
            requests.apply(offset, record)
        others = requests.others({at: self._numbers(intent) for at, intent in requests.nameless.items()})
        for each in self._looks.spoken(look, look.whole.end_ms):
            intent = self._intent(each.intent)
            numbers = self._numbers(intent)
            asked = HistoryTarget(
                intent=each.intent, numbers=numbers, when=each.when, job=intent.job, start=intent.start
            )
            finding = find(asked, rows, others)
            said = finding.whole or each.is_said(finding.found, over=True)
            if said and self._looks.is_news(each.intent, finding.found):
                ids = finding.vendor_ids
                self._owner.history_says(each.intent, ids, "history", intent.at_ms, self._world.now_s, self._now_ms)
        self._process._poll()
        for offset in unknown & taken:
            if self._is_covered(look, offset):
                seen_s = SEEN_S + READS * self._process.place.slowness.reading_s
                self._world.after(seen_s, lambda offset=offset: self._judge(offset), self._mortal)  # type: ignore[misc]

    def _is_covered(self, look: Look, offset: int) -> bool:
        """Whether the vendor was asked for all of the time in which this chunk can have been sent."""
        apart_ms, intent = LOOKS[0][1] * 1000, self._intent(offset)
        when = span(intent.at_ms - apart_ms, intent.at_ms + self._takes.of_ms(intent) + apart_ms)
        return look.whole.start_ms <= when.start_ms and when.end_ms <= look.whole.end_ms

    def _judge(self, offset: int) -> None:
        """The vendor had named all of it."""
        chunk = self._owner.state.open.get(offset)
        if chunk is not None and chunk.state is ChunkState.UNKNOWN and self._process.at_work and not self._log.faults:
            raise self._world.broken(f"intent {offset} is unknown, though an answer had named all of it", [offset])

    def _log_intents(self) -> list[int]:
        return [offset for offset, record in enumerate(self._log.topics["lanes"]) if isinstance(record, Intent)]

    def _intent(self, offset: int) -> Intent:
        record = self._log.topics["lanes"][offset]
        assert isinstance(record, Intent)
        return record

    def _numbers(self, intent: Intent) -> Numbers:
        first = FIRST_NUMBER + self._log.topics["jobs"][intent.job].offset + intent.start
        numbers = np.arange(first, first + intent.count)
        for start, count in intent.left_out:
            numbers[start : start + count] = 0
        return numbers
