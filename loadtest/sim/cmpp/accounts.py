"""An account of the CMPP gateway: its connections, what waits for them, and its figures."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dispatcher.cmpp.pdus import Deliver
from loadtest.sim.config import AccountConfig
from loadtest.sim.ledger.flow_judge import Judge

if TYPE_CHECKING:
    from loadtest.sim.cmpp.session import Session

REMEMBERED = 16  # deliveries that were answered, for a repetition after the next login


@dataclass(slots=True, eq=False)
class Delivery:
    """The report on a row, or `pdu`, to deliver. `own_id`, the Msg_Id of the DELIVER, is the same each time."""

    own_id: int
    row: int = -1
    status: int = 0
    reported_id: int = 0
    pdu: Deliver | None = None
    rounds: int = 0
    tries: int = 0
    sent_s: float = 0.0
    repeated: bool = False
    extra: bool = False
    answered: Callable[[int | None], None] | None = None


@dataclass(slots=True)
class Day:
    """What QUERY answers for one day and service (vendors.md 6.9)."""

    mt_messages: int = 0
    mt_recipients: int = 0
    mt_forwarded: int = 0
    mt_waiting: int = 0
    mt_failed: int = 0
    mo_delivered: int = 0
    mo_waiting: int = 0
    mo_failed: int = 0


@dataclass(slots=True)
class Counts:
    """What is counted of an account besides its rows."""

    submits: int = 0
    submits_accepted: int = 0
    results: Counter[int] = field(default_factory=Counter)
    logins: Counter[int] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: Counter[str] = field(default_factory=Counter)
    outstanding_max: int = 0
    deliveries: int = 0
    reports_duplicates: int = 0
    reports_stray: int = 0
    reports_given_up: int = 0
    inbound_pushed: int = 0
    inbound_acked: int = 0
    inbound_given_up: int = 0


class Account:
    """One SP."""

    def __init__(self, place: int, config: AccountConfig, idle_s: float) -> None:
        self.place = place
        self.config = config
        self.sessions: list[Session] = []
        self.outbox: deque[Delivery] = deque()
        self.lately: deque[Delivery] = deque(maxlen=REMEMBERED)
        self.reset(idle_s)

    def reset(self, idle_s: float) -> None:
        """Forget what happened."""
        flow = self.config.flow
        self.judge = Judge(flow.limit, flow.per_s, flow.unit, idle_s)
        self.counts = Counts()
        self.days: dict[tuple[str, str], Day] = {}
        self.outbox.clear()
        self.lately.clear()
        self._turn = 0

    def reconfigure(self, config: AccountConfig, idle_s: float) -> None:
        """Other settings; a new flow limit starts a new judgement."""
        flow, self.config = self.config.flow, config
        if config.flow != flow:
            self.judge = Judge(config.flow.limit, config.flow.per_s, config.flow.unit, idle_s)

    def day(self, day: str, service: str) -> list[Day]:
        """The counters of a day that something of this service counts in: the totals and its own."""
        return [self.days.setdefault((day, name), Day()) for name in dict.fromkeys(("", service))]

    def next_session(self) -> Session | None:
        """The connections in turn."""
        if not self.sessions:
            return None
        self._turn += 1
        return self.sessions[self._turn % len(self.sessions)]

    def session(self, number: int) -> Session | None:
        """The connection of this number, if it is still there."""
        return next((each for each in self.sessions if each.number == number), None)

    def figures(self) -> dict[str, Any]:
        """For the ledger."""
        counts, verdict = self.counts, self.judge.verdict()
        results = {str(result): n for result, n in sorted(counts.results.items())}
        inbound_over = counts.inbound_acked + counts.inbound_given_up
        return {
            "account": self.config.account,
            "requests": counts.submits,
            "pushes": counts.deliveries,
            "codes": results,
            "limit": verdict.limit,
            "per_s": verdict.per_s,
            "unit": verdict.unit,
            "inbound_waiting": counts.inbound_pushed - inbound_over,
            "submits": counts.submits,
            "submits_accepted": counts.submits_accepted,
            "results": results,
            "logins": {str(status): n for status, n in sorted(counts.logins.items())},
            "faults": dict(counts.faults),
            "violations": dict(counts.violations),
            "connections": len(self.sessions),
            "outstanding_max": counts.outstanding_max,
            "windows_over_limit": verdict.windows_over_limit,
            "window_max": verdict.window_max,
            "limit_used": verdict.limit_used,
            "active_s": verdict.active_s,
            "used": verdict.used,
            "deliveries": counts.deliveries,
            "reports_duplicates": counts.reports_duplicates,
            "reports_stray": counts.reports_stray,
            "reports_given_up": counts.reports_given_up,
            "inbound_pushed": counts.inbound_pushed,
            "inbound_acked": counts.inbound_acked,
            "inbound_given_up": counts.inbound_given_up,
            "waiting": len(self.outbox) + sum(each.waiting for each in self.sessions),
        }
