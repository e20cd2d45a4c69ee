"""The driver contract: over HTTP, over links, and the scripted driver of the tests."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.answers.verdict import AnswerRun, Kind, Origin, RunsAnswer, Verdict
from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.drivers.link import connection
from dispatcher.drivers.link.driver import LinkDriver
from dispatcher.drivers.port import Gate, Host, Sent, Values
from dispatcher.vendors.batch.edition_a import BatchA
from dispatcher.vendors.seam.vendor import Message, Secret
from loadtest.sim.server import Simulator
from tests.drivers.contract import ContractLane, DriverContract, Places
from tests.drivers.link.link_driver_kit import account
from tests.loadtest.sim.cmpp.cmpp_kit import NEVER, ismg
from tests.waiting import until


class HttpPlace:
    """BATCH, edition A, simulated in this process."""

    RULES: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "take": [],
        "refuse": [{"code": 107}],
        "throttle": [{"fault": "http_429"}],
        "break": [{"fault": "reset"}],
    }

    def __init__(self, sim: Simulator) -> None:
        vendor = BatchA(url=sim.url, account="spring", pswd=Secret("secret"))
        self.sim = sim
        self.driver = HttpDriver(vendor, "spring")
        self.prepared = vendor.prepare(Message(text="hi"))

    def act(self, how: str) -> None:
        self.sim.configure(rule=self.RULES[how])

    async def leave(self) -> None:
        self.sim.outage(60.0)
        await until(lambda: self.sim.state.down)

    def arrived(self) -> list[str]:
        rows = self.sim.rows()
        return [number for number, taken in zip(rows["number"], rows["accepted"], strict=True) if taken]


class TestHttpDriver(DriverContract):
    @asynccontextmanager
    async def place(self) -> Places:
        config = {"listen": "127.0.0.1:0", "account": {"spring": {"pswd": "secret"}}, "vendor": "batch", "edition": "A"}
        async with Simulator(config) as sim:
            at = HttpPlace(sim)
            await at.driver.open(ContractLane())
            yield at
            await at.driver.close()


class LinkPlace:
    """The simulated gateway in this process."""

    RULES: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "take": [],
        "refuse": [{"code": 6}],
        "throttle": [{"code": 8}],
        "break": [{"fault": "reset"}],
    }

    def __init__(self, gateway: Any) -> None:
        vendor = account(gateway, connect_timeout_s=0.5)
        self.gateway = gateway
        self.driver = LinkDriver(vendor, "polar")
        self.prepared = vendor.prepare(Message(text="hi"))

    def act(self, how: str) -> None:
        self.gateway.sim.configure(rule=self.RULES[how])

    async def leave(self) -> None:
        self.gateway.sim.outage(60.0)
        await until(lambda: self.gateway.sim.down)
        await until(lambda: not any(each.is_open for each in self.driver._connections))

    def arrived(self) -> list[str]:
        rows = self.gateway.sim.rows()
        return [number for number, taken in zip(rows["number"], rows["accepted"], strict=True) if taken]


class TestLinkDriver(DriverContract):
    @pytest.fixture(autouse=True)
    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "AGAIN", Backoff(0.01, 0.05))

    @asynccontextmanager
    async def place(self) -> Places:
        async with ismg(**NEVER) as gateway:
            at = LinkPlace(gateway)
            await at.driver.open(ContractLane())
            yield at
            await at.driver.close()


class ScriptedDriver:
    """Sends nothing anywhere: what it is told to do is what becomes of each chunk."""

    def __init__(self) -> None:
        self.how = "take"
        self.got: list[str] = []

    async def open(self, host: Host) -> None: ...

    async def send(
        self, prepared: Any, chunk: memoryview, count: int, gate: Gate, *, values: Values | None = None
    ) -> Sent:
        if self.how == "gone":
            return self._sent(count, Verdict(kind=Kind.NOT_SENT, origin=Origin.LINK))
        while not isinstance(word := gate.may_write(), bool):
            await word
        if not word:
            return self._sent(count, Verdict(kind=Kind.NOT_SENT, origin=Origin.OURS))
        if self.how in ("take", "break"):
            self.got += bytes(chunk).decode().split(",")
        kinds = {"take": Kind.ACCEPTED, "break": Kind.UNKNOWN, "refuse": Kind.REJECTED, "throttle": Kind.THROTTLED}
        return self._sent(count, Verdict(kind=kinds[self.how]))

    def _sent(self, count: int, verdict: Verdict) -> Sent:
        return Sent(RunsAnswer((AnswerRun(count, verdict),)))

    def abandon(self) -> None: ...

    async def close(self) -> None: ...


class ScriptedPlace:
    """A scripted driver, which is its own vendor."""

    def __init__(self) -> None:
        self.driver = ScriptedDriver()
        self.prepared = None

    def act(self, how: str) -> None:
        self.driver.how = how

    async def leave(self) -> None:
        self.driver.how = "gone"

    def arrived(self) -> list[str]:
        return self.driver.got


class TestScriptedDriver(DriverContract):
    @asynccontextmanager
    async def place(self) -> Places:
        yield ScriptedPlace()
