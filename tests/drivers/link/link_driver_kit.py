"""A link driver before a simulated gateway in this process, with a lane that grants what a test says."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dispatcher.arrivals import pack_reports
from dispatcher.core.lane.answers.verdict import RunsAnswer, Verdict
from dispatcher.core.lane.gate import NOTHING_EVER, Grant
from dispatcher.drivers.link.driver import LinkDriver
from dispatcher.drivers.port import Columns, Deliveries
from dispatcher.vendors.cmpp.vendor import Cmpp
from dispatcher.vendors.seam.vendor import Message, Secret
from schemas.codec import decode
from schemas.records import Reports
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, Ismg, ismg
from tests.waiting import until

FIRST = 13_800_138_000


@dataclass
class Lane:
    """Gate and host. `most`: what one grant has at most; `refuses`: nothing may be written; `waits`: nothing yet."""

    most: int = 1_000
    refuses: bool = False
    waits: bool = False
    granted: list[tuple[int, bool]] = field(default_factory=list)
    resumes: list[Callable[[], None]] = field(default_factory=list)
    tickets: list[int] = field(default_factory=list)
    said: list[Verdict] = field(default_factory=list)
    facts: list[tuple[int, RunsAnswer]] = field(default_factory=list)
    logins: list[Verdict | None] = field(default_factory=list)
    taken: list[Deliveries] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    busy: asyncio.Event = field(default_factory=asyncio.Event)
    """Cleared: the log takes nothing yet."""

    def __post_init__(self) -> None:
        self.busy.set()

    def reports(self) -> list[tuple[int, str, str]]:
        """Number, id and code of every report that was taken, in order."""
        entries = [entry for each in self.taken for entry in pack_reports("polar", each.reports, 0)]
        return [row for entry in entries for row in rows_of(decode(entry.value))]

    def may_write(self) -> bool:
        raise AssertionError("a link asks for messages")

    def grant(self, messages: int, resume: Callable[[], None], *, started: bool = False) -> Grant | None:
        if self.refuses and not started:
            return NOTHING_EVER
        if self.waits:
            self.resumes.append(resume)
            return None
        count = min(messages, self.most)
        self.granted.append((count, started))
        return Grant(count, len(self.granted))

    def columns(self, count: int, parts: int) -> Columns | None:
        return None

    def go(self) -> None:
        """The gate opens."""
        self.waits = False
        while self.resumes:
            self.resumes.pop()()

    def messages_answered(self, ticket: int, wrote_s: float, answered_s: float) -> None:
        assert wrote_s <= answered_s
        self.tickets.append(ticket)

    def heard(self, verdict: Verdict) -> None:
        self.said.append(verdict)

    def late(self, first: int, answer: RunsAnswer) -> None:
        self.facts.append((first, answer))

    async def take(self, deliveries: Deliveries) -> None:
        if self.failures:
            raise self.failures.pop()
        await self.busy.wait()
        self.taken.append(deliveries)

    def login(self, verdict: Verdict | None) -> None:
        self.logins.append(verdict)


def account(gateway: Ismg | None = None, **keys: Any) -> Cmpp:
    """An account at this gateway."""
    url = "cmpp://127.0.0.1:1" if gateway is None else f"cmpp://{gateway.sim.wire_address}"
    needed: dict[str, Any] = {"url": url, "sp_id": "901234", "secret": Secret("sim-secret"), "src_id": "1069"}
    return Cmpp(**needed | {"service_id": "SVC", "connect_timeout_s": 5.0} | keys)


class Sender:
    """A driver with its lane."""

    def __init__(self, vendor: Cmpp, gateway: Ismg) -> None:
        self.vendor = vendor
        self.gateway = gateway
        self.lane = Lane()
        self.driver = LinkDriver(vendor, "polar")

    async def send(
        self, count: int = 1, text: str = "hi", *, first: int = FIRST, lane: Lane | None = None
    ) -> RunsAnswer:
        """Send to this many numbers; what became of them."""
        chunk = ",".join(str(first + at) for at in range(count)).encode()
        prepared = self.vendor.prepare(Message(text=text))
        sent = await self.driver.send(prepared, memoryview(chunk), count, lane or self.lane)
        assert isinstance(sent.verdict, RunsAnswer)
        assert sum(run.count for run in sent.verdict.runs) == count
        return sent.verdict

    async def figure(self, name: str, value: Any) -> None:
        """Wait until a figure of the gateway's ledger is this."""
        await self.gateway.figure(name, value)

    async def is_open(self, links: int = 1) -> None:
        """Wait until this many links are open."""
        await until(lambda: sum(each.is_open for each in self.driver._connections) == links, "the links are open")


@asynccontextmanager
async def sender(
    switches: dict[str, Any] | None = None, *, config: dict[str, Any] | None = None, **keys: Any
) -> AsyncIterator[Sender]:
    """A driver that is open, at a gateway with these switches."""
    async with ismg(config, **(NEVER if switches is None else switches)) as gateway:
        made = Sender(account(gateway, **keys), gateway)
        await made.driver.open(made.lane)
        try:
            yield made
        finally:
            await made.driver.close()
            await asyncio.sleep(0)


def rows_of(record: object) -> list[tuple[int, str, str]]:
    """Number, id and code of each report of a record."""
    assert isinstance(record, Reports)
    numbers = array("q", record.numbers)
    ids = [record.ids[place] for place in array("I", record.id_index)]
    codes = [record.codes[place] for place in array("H", record.code_index)]
    return list(zip(numbers, ids, codes, strict=True))


def words(answer: RunsAnswer) -> list[tuple[int, str, str]]:
    """The runs, as (count, class, code)."""
    return [(run.count, run.verdict.kind.value, run.verdict.code) for run in answer.runs]
