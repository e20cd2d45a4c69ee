"""What every driver promises its lane. Adapters provide `place`: a driver before a vendor that a test instructs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from dispatcher.core.lane.answers.verdict import RunsAnswer, Verdict
from dispatcher.core.lane.gate import NOTHING_EVER, Grant
from dispatcher.drivers.port import Columns, Deliveries, Driver, Sent
from tests.waiting import until

NUMBERS = [str(13_800_138_000 + at) for at in range(20)]


class ContractLane:
    """Gate and host of the tests, for a driver that asks for a whole chunk and for one that asks for messages."""

    def __init__(self, *, refuses: bool = False, waits: bool = False) -> None:
        self.refuses = refuses
        self.waits = waits
        self.asked = 0
        self._going: list[Callable[[], None]] = []

    def may_write(self) -> bool | asyncio.Future[None]:
        self.asked += 1
        if self.refuses or not self.waits:
            return not self.refuses
        gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._going.append(lambda: gate.set_result(None))
        return gate

    def grant(self, messages: int, resume: Callable[[], None], *, started: bool = False) -> Grant | None:
        self.asked += 1
        if self.refuses:
            return NOTHING_EVER
        if self.waits:
            self._going.append(resume)
            return None
        return Grant(messages, 0)

    def go(self) -> None:
        """The gate opens."""
        self.waits = False
        while self._going:
            self._going.pop()()

    def columns(self, count: int, parts: int) -> Columns | None:
        return None

    def messages_answered(self, ticket: int, wrote_s: float, answered_s: float) -> None: ...
    def heard(self, verdict: Verdict) -> None: ...
    def late(self, first: int, answer: RunsAnswer) -> None: ...
    async def take(self, deliveries: Deliveries) -> None: ...
    def login(self, verdict: Verdict | None) -> None: ...


class Place(Protocol):
    """A driver and its vendor."""

    prepared: Any

    @property
    def driver(self) -> Driver: ...

    def act(self, how: str) -> None:
        """From now on the vendor does this: `take`, `refuse`, `throttle`, `break` (takes it, and the connection breaks
        instead of an answer).
        """
        ...

    async def leave(self) -> None:
        """The vendor is gone."""
        ...

    def arrived(self) -> list[str]:
        """The numbers that the vendor got, each as often as it got it."""
        ...


def each(sent: Sent, count: int) -> list[str]:
    """The class of every recipient's verdict."""
    if isinstance(sent.verdict, Verdict):
        return [sent.verdict.kind.value] * count
    return [run.verdict.kind.value for run in sent.verdict.runs for _ in range(run.count)]


class DriverContract:
    """Inherited by one class for each driver, which provides `place`."""

    def place(self) -> AbstractAsyncContextManager[Place]:
        raise NotImplementedError

    async def send(self, at: Place, lane: ContractLane | None = None, numbers: list[str] | None = None) -> list[str]:
        """Send to these numbers; the class of each."""
        numbers = NUMBERS if numbers is None else numbers
        chunk = memoryview(",".join(numbers).encode())
        return each(await at.driver.send(at.prepared, chunk, len(numbers), lane or ContractLane()), len(numbers))

    async def test_everybody_is_sent_the_message_once(self):
        async with self.place() as at:
            assert await self.send(at) == ["accepted"] * 20
            assert sorted(at.arrived()) == NUMBERS

    async def test_several_chunks_under_way_are_all_sent(self):
        async with self.place() as at:
            found = await asyncio.gather(*(self.send(at, numbers=NUMBERS[start : start + 5]) for start in (0, 5, 10)))
            assert found == [["accepted"] * 5] * 3
            assert sorted(at.arrived()) == NUMBERS[:15]

    async def test_what_the_gate_refuses_is_not_sent_and_nothing_arrives(self):
        async with self.place() as at:
            lane = ContractLane(refuses=True)
            assert await self.send(at, lane) == ["not-sent"] * 20
            assert (at.arrived(), lane.asked > 0) == ([], True)

    async def test_what_waits_at_the_gate_is_sent_once_when_it_opens(self):
        async with self.place() as at:
            lane = ContractLane(waits=True)
            sending = asyncio.ensure_future(self.send(at, lane))
            await until(lambda: lane.asked)
            await asyncio.sleep(0.02)
            assert at.arrived() == []
            lane.go()
            assert await sending == ["accepted"] * 20
            assert sorted(at.arrived()) == NUMBERS

    async def test_a_chunk_whose_time_is_over_while_it_waits_is_not_sent(self):
        async with self.place() as at:
            lane = ContractLane(waits=True)
            sending = asyncio.ensure_future(self.send(at, lane))
            await until(lambda: lane.asked)
            lane.refuses = True
            lane.go()
            assert await sending == ["not-sent"] * 20
            assert at.arrived() == []

    async def test_without_a_vendor_nothing_is_sent(self):
        async with self.place() as at:
            await at.leave()
            assert await self.send(at) == ["not-sent"] * 20

    async def test_what_left_without_an_answer_is_unknown_and_never_sent_again(self):
        async with self.place() as at:
            at.act("break")
            found = await self.send(at)
            arrived = at.arrived()
            assert len(set(arrived)) == len(arrived) > 0
            assert set(found) <= {"unknown", "not-sent"}
            assert all(kind == "unknown" for number, kind in zip(NUMBERS, found, strict=True) if number in arrived)

    async def test_what_is_refused_or_throttled_was_not_taken(self):
        async with self.place() as at:
            at.act("refuse")
            assert set(await self.send(at)) <= {"rejected-permanent", "content"}
            at.act("throttle")
            assert await self.send(at) == ["throttled"] * 20
            assert at.arrived() == []

    async def test_it_is_usable_after_a_break_and_closes_in_order(self):
        async with self.place() as at:
            at.act("break")
            await self.send(at, numbers=NUMBERS[:1])
            at.act("take")
            assert await self.send(at, numbers=NUMBERS[1:]) == ["accepted"] * 19
            await at.driver.close()


Places = AsyncIterator[Place]
