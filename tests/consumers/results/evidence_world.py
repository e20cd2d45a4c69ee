"""A small world that knows the truth: what the vendor took and under which id, and records that tell a part of it.

Written record by record in the order in which things happen; a joiner may read its topics in any other. The model of
what can be known is computed here the slow way, and knows nothing of dispatcher/core/results/evidence.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import msgspec

from dispatcher.log.port import Entry, Log, StoredRecord
from schemas import codec
from schemas.records import Decided, Job
from schemas.topics import lane_partition
from tests.store.joined_history import History, batch_numbers, rows_of

ACCOUNT = "spring"
PARTITION = lane_partition(ACCOUNT)


class Request(msgspec.Struct):
    """One intent: what the vendor made of it (`took`: its id, or ""), and what the journal says of it.

    `told`: its answer named its id; `given`: the id under which it was resolved, which may be another attempt's.
    """

    intent: int
    job: int
    start: int
    numbers: list[int]
    attempt: int
    took: str
    state: str = "in flight"
    told: bool = False
    given: str = ""
    was_unknown: bool = False
    over: bool = False

    @property
    def end(self) -> int:
        """The position after its last recipient."""
        return self.start + len(self.numbers)

    def within(self, other: Request) -> bool:
        """Whether the other has every recipient of this one."""
        return self.job == other.job and other.start <= self.start and self.end <= other.end


class World:
    """Campaigns whose lists overlap, one account, and everything that can happen to it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.history = History()
        self.log = HistoryLog(self.history)
        self.requests: dict[int, Request] = {}
        self.todo: list[tuple[int, int, int, int]] = []
        self.owner = ""
        self.former: list[str] = []
        self.ids = 0
        self.unreported: list[tuple[str, int]] = []
        for index in range(random.randint(1, 3)):
            sizes = [random.randint(1, 6) for _ in range(random.randint(1, 2))]
            first = 13_800_000_000 + random.randint(0, 4)
            jobs = self.history.launch(f"c{index}", {ACCOUNT: sizes}, first_number=first)
            self.todo += [(job, 0, size, 0) for job, size in zip(jobs[ACCOUNT], sizes, strict=True)]
        self.own()

    def step(self) -> None:
        """Something happens."""
        steps = [self.send] * 4 + [self.answer] * 3 + [self.report] * 4 + [self.own, self.decide, self.woken]
        self.random.choice(steps)()

    # --- what happens ------------------------------------------------------------------------------------------------

    def own(self) -> None:
        """A new owner: what was in flight is unknown."""
        self.former.append(self.owner)
        self.owner = f"o{len(self.former)}"
        self.history.owned(ACCOUNT, self.owner)
        for request in self.requests.values():
            if request.state == "in flight":
                self._unknown(request)

    def send(self) -> None:
        if not self.todo:
            return
        job, start, left, attempt = self.todo.pop(self.random.randrange(len(self.todo)))
        count = self.random.choice([left, self.random.randint(1, left)])
        if count < left:
            self.todo.append((job, start + count, left - count, attempt))
        intent = self.history.intent(ACCOUNT, self.owner, job, start, count, attempt=attempt)
        record = self.history.decoded["jobs", PARTITION][job]
        assert isinstance(record, Job)
        took = ""
        if self.random.random() < 0.65:
            self.ids += 1
            took = f"id{self.ids}"
        numbers = batch_numbers(self.history, record)[start : start + count]
        self.requests[intent] = Request(intent, job, start, numbers, attempt, took)
        if took:
            self.unreported += [(took, number) for number in numbers if self.random.random() < 0.8]

    def answer(self) -> None:
        """An answer is read, or its time is over; one that was given up may still come to be known."""
        open_ = [r for r in self.requests.values() if not r.over]
        if not open_:
            return
        request = self.random.choice(open_)
        truly = ["accepted", "accepted", "unknown"] if request.took else ["queued", "failed", "unknown"]
        effect = self.random.choice(truly)
        if effect == "unknown":
            if request.state == "in flight":
                self.history.outcome(ACCOUNT, request.intent, "unknown", code="no answer")
                self._unknown(request)
            return
        request.over = True
        named = self.random.random() < 0.6 or request.given  # what was resolved says its own id when it is heard of
        vendor_id = request.took if effect == "accepted" and named else ""
        self.history.outcome(ACCOUNT, request.intent, effect, vendor_id=vendor_id)
        request.told = request.told or bool(vendor_id)
        if request.state in ("in flight", "unknown"):
            self._move(request, {"queued": "returned"}.get(effect, effect))

    def report(self) -> None:
        """Some reports come in, of whatever the vendor took, in any order."""
        self.random.shuffle(self.unreported)
        count = self.random.randint(0, min(4, len(self.unreported)))
        rows = [(vendor_id, number, 1, "DELIVRD", 0) for vendor_id, number in self.unreported[:count]]
        self.unreported = self.unreported[count:]
        if rows:
            self.history.reports(ACCOUNT, rows)

    def decide(self) -> None:
        """A person (who may be wrong) or the policy resolves an unknown request."""
        unknown = [request for request in self.requests.values() if request.state == "unknown"]
        if unknown:
            request = self.random.choice(unknown)
            verdict = self.random.choice(["sent", "not-sent", "resend", "resend"])
            self.history.resolved(ACCOUNT, self.owner, request.intent, verdict)
            self._move(request, "accepted" if verdict == "sent" else "returned")

    def woken(self) -> None:
        """A frozen owner wakes up and appends an intent: void, and never sent."""
        jobs = [n for n, record in enumerate(self.history.decoded["jobs", PARTITION]) if isinstance(record, Job)]
        self.history.intent(ACCOUNT, self.random.choice(self.former), self.random.choice(jobs), 0, 1)

    def obey(self, decided: Decided) -> None:
        """The owner reads a decision from its inbox."""
        request = self.requests[decided.intents[0]]
        if request.state == "unknown":
            self.history.resolved(ACCOUNT, self.owner, request.intent, decided.verdict, decided.vendor_id)
            request.given = decided.vendor_id
            self._move(request, "accepted")

    # --- what can be known -------------------------------------------------------------------------------------------

    def proves(self, intent: int, vendor_id: str) -> bool:
        """Whether it is true that the recipients of this request were texted under this id."""
        request = self.requests[intent]
        return any(other.took == vendor_id and request.within(other) for other in self.requests.values())

    def provable(self) -> set[int]:
        """The unknown requests that all the records together prove to have been texted, the slow way."""
        unknown = [request for request in self.requests.values() if request.state == "unknown"]
        found = {
            request.intent
            for request in unknown
            for other in self.requests.values()
            if other.told and other.state == "returned" and request.within(other)
        }
        named = {request.took for request in self.requests.values() if request.told}
        named |= {request.given for request in self.requests.values() if request.given and request.over}
        for vendor_id, numbers in self._unsettled().items():
            given = [request for request in self.requests.values() if request.given == vendor_id]
            holders = [r for r in self.requests.values() if self._may_be(r) and numbers <= set(r.numbers)]
            if vendor_id in named or len({request.job for request in (*holders, *given)}) != 1:
                continue
            if all(any(request.within(holder) for holder in holders) for request in given):
                found |= {r.intent for r in unknown if all(r.within(holder) for holder in holders)}
        return found

    def _may_be(self, request: Request) -> bool:
        """Whether an id that no answer told may be its own."""
        if request.told:
            return False
        if request.given:
            return request.state == "accepted" and not request.over and self._was_returned(request)
        return request.state in ("in flight", "unknown", "accepted") or (
            request.state == "returned" and request.was_unknown
        )

    def _was_returned(self, request: Request) -> bool:
        """Whether an earlier attempt of some of its recipients, of unknown id, was returned while it was unknown."""
        return any(
            other.state == "returned" and other.was_unknown and not other.told and other.job == request.job
            for other in self.requests.values()
            if other.start < request.end and request.start < other.end
        )

    def _unsettled(self) -> dict[str, set[int]]:
        """The numbers reported under each id, but those of a request that the id was given to."""
        found: dict[str, set[int]] = {}
        for vendor_id, number in self._reported():
            given = [request for request in self.requests.values() if request.given == vendor_id]
            if not any(number in request.numbers for request in given):
                found.setdefault(vendor_id, set()).add(number)
        return found

    def _reported(self) -> list[tuple[str, int]]:
        records: Sequence[Any] = self.history.decoded.get(("reports", PARTITION), [])
        return [(row[0], row[1]) for record in records for row in rows_of(record)]

    def _unknown(self, request: Request) -> None:
        request.was_unknown = True
        request.state = "unknown"

    def _move(self, request: Request, state: str) -> None:
        request.state = state
        if state == "returned":
            self.todo.append((request.job, request.start, len(request.numbers), request.attempt + 1))


class HistoryLog:
    """The part of the log port that the search for evidence uses, on a History."""

    url = "history:"

    def __init__(self, history: History) -> None:
        self._history = history
        self.decided: list[Decided] = []
        self.failures: list[Exception] = []

    async def end(self, topic: str, partition: int) -> int:
        return len(self._history.records.get((topic, partition), ()))

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        if self.failures:
            raise self.failures.pop()
        offsets = []
        for entry in entries:
            record = codec.decode(entry.value)
            assert isinstance(record, Decided)
            assert (topic, partition, entry.key) == ("jobs", lane_partition(record.account), record.account.encode())
            self.decided.append(record)
            offsets.append(self._history.append(topic, partition, record, key=entry.key))
        return offsets

    async def read(self, topic: str, partition: int, offset: int, **_: Any) -> list[StoredRecord]:
        return self._history.records.get((topic, partition), [])[offset:]


async def write_out(log: Log, history: History) -> None:
    """The history on a real log that is empty; every record gets the offset it has in the history."""
    for (topic, partition), records in history.records.items():
        entries = [Entry(record.key, record.value, record.headers) for record in records]
        assert await log.append(topic, partition, entries) == [record.offset for record in records]
