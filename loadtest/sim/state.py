"""What one simulator consists of, handed to its vendor and its control endpoint; and what a vendor is."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol, runtime_checkable

from loadtest.sim.clock import Clock
from loadtest.sim.common_switches import COMMON
from loadtest.sim.config import AccountConfig, SimConfig
from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger.ledger import Book, Ledger
from loadtest.sim.reports.bundles import BundleEncoder
from loadtest.sim.reports.engine import ReportEngine
from loadtest.sim.reports.one_by_one import Encoder
from loadtest.sim.requests.faults import Rules
from loadtest.sim.switches import Switch, Switches


@dataclass(slots=True)
class ArrivedRequest:
    """One request, complete. `at_s` is the moment its first byte arrived (time.monotonic); `connection` is another
    number for every connection.
    """

    at_s: float
    method: str
    path: str
    query: bytes
    body: bytes
    peer: str
    connection: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)


class Inbound(NamedTuple):
    """A push of messages from phones: the whole HTTP request, and how many there are in it."""

    payload: bytes
    messages: int = 1


class OnDemand(Protocol):
    """What a vendor pushes when a tester asks for it."""

    def made_report(self, book: Book, wanted: Mapping[str, Any]) -> bytes:
        """The push of POST /_sim/report."""
        ...

    def inbound_pushes(self, book: Book, wanted: Mapping[str, Any]) -> list[Inbound]:
        """The pushes of POST /_sim/mo, in order."""
        ...


class Pushing(Encoder, OnDemand, Protocol):
    """What a vendor pushes, reports one by one."""


@runtime_checkable
class Fetchable(Protocol):
    """A vendor that may also be asked for its reports and messages."""

    def keep_inbound(self, book: Book, wanted: Mapping[str, Any]) -> int:
        """Keep the messages of POST /_sim/mo until they are fetched; how many."""
        ...


class BundlePushing(BundleEncoder, OnDemand, Protocol):
    """What a vendor pushes, reports in bundles."""


class Vendor(Protocol):
    """What a vendor is asked."""

    name: ClassVar[str]
    table: ClassVar[tuple[Switch, ...]]
    paths: ClassVar[tuple[str, ...]]

    def __init__(self, state: State) -> None: ...

    @staticmethod
    def example(url: str, account: AccountConfig) -> list[str]:
        """A submit request to try in a shell, line by line; the last line ends with the body in quotes."""
        ...

    @property
    def pushes(self) -> Pushing | BundlePushing:
        """What it pushes."""
        ...

    def receive(self, arrived: ArrivedRequest) -> Reply:
        """Carry one request to one of `paths` out. Never waits."""
        ...


class State:
    """Switches, clock, ledger, rules and reports of one running simulator."""

    def __init__(self, config: SimConfig, table: tuple[Switch, ...]) -> None:
        self.config = config
        self.switches = Switches((*COMMON, *table), config.switches)
        self.clock = Clock(self.switches.clock_scale, self.switches.clock_start)
        self.random = random.Random(config.seed)
        self.rules = Rules(config.rules, self.random)
        self.ledger = Ledger(config.accounts.values(), self.switches.ledger == "full", self.switches.judge_idle_s)
        self.reports: ReportEngine
        self.in_work = 0
        self.aborted = 0
        self.down = False
        self.outage: Callable[[float], None] = lambda seconds: None

    def use(self, encoder: Encoder | BundleEncoder) -> None:
        """Give the report engine its vendor."""
        self.reports = ReportEngine(self.switches, self.ledger, encoder, self.config.seed)
        self.reports.fetched = isinstance(encoder, Fetchable)
