"""What every simulated vendor does with a submit request: judge its flow, find a rule for it, decide, write it down,
let its reports come. Which codes there are and what is wrong with a request is the vendor's own affair.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from loadtest.sim.http.wire import Reply
from loadtest.sim.ledger.ledger import Book, Each, Entry
from loadtest.sim.ledger.numbers import ParsedNumbers
from loadtest.sim.requests.faults import Rule
from loadtest.sim.state import ArrivedRequest, State


class Order(NamedTuple):
    """An order: the numbers, the text (None: it could not be read), the parts of each message."""

    parsed: ParsedNumbers
    text: str | None
    parts: int
    each: Each | None = None

    @property
    def cost(self) -> int:
        """In parts."""
        if self.each is not None:
            return int(self.each.parts.sum())
        return self.parts * self.parsed.column.size

    @property
    def words(self) -> str:
        """Every text of it, for whoever looks for a word."""
        return "\n".join(self.each.texts) if self.each is not None else self.text or ""


class Verdict(NamedTuple):
    """What is answered, what was really done, and the rule that made them differ."""

    code: str
    accepted: bool
    rule: Rule | None


class Ids:
    """Vendor ids: digits, beyond 2^31, and others after a restart."""

    def __init__(self) -> None:
        self._last = int(time.time() * 1000) * 1000

    def next(self) -> str:
        """A new id."""
        self._last += 1
        return str(self._last)


def parts(length: int, single: int, multi: int) -> int:
    """How many short messages a text of this length becomes."""
    return 1 if length <= single else -(-length // multi)


def credit(book: Book) -> int:
    """What is left, at a vendor that knows no products."""
    return next(iter(book.balance.values()), 0)


def charge(book: Book, cost: int) -> None:
    """Take it off what is left, at a vendor that knows no products."""
    product = next(iter(book.balance), "")
    book.balance[product] = book.balance.get(product, 0) - cost


def decide(
    state: State,
    arrived: ArrivedRequest,
    book: Book,
    order: Order,
    check: Callable[[bool], str],
    good: str,
    not_taken: str,
) -> Verdict:
    """Judge the flow, find a rule, look for a reason to refuse; all of it counted.

    `check` is told whether the flow limit is kept and returns the code, `good` if nothing is wrong. `not_taken` is what
    the answer says, if any of it is sent, when a fault kept the request from being taken.
    """
    count = order.parsed.column.size
    weight = {"messages": count, "requests": 1, "parts": order.cost}[book.config.flow.unit]
    fits = book.judge.fits(arrived.at_s, weight)
    if not fits:
        book.violations["too_fast"] += 1
    book.requests += 1
    rule = state.rules.pick("send", book.config.name, order.parsed, order.words)
    taken = rule is None or rule.is_taken
    code = check(fits) if taken else not_taken
    accepted = code == good
    book.judge.arrive(arrived.at_s, weight, accepted)
    if rule is not None:
        book.faults[rule.name] += 1
        code = rule.code or code
    book.codes[code if taken or (rule and rule.code) else "none"] += 1
    return Verdict(code, accepted, rule)


def record(
    state: State,
    arrived: ArrivedRequest,
    book: Book,
    order: Order,
    verdict: Verdict,
    vendor_id: str,
    wants_report: bool,
) -> Entry:
    """Write a request with at least one number down."""
    return state.ledger.record(
        book,
        state.clock.at(arrived.at_s),
        verdict.code,
        verdict.rule.name if verdict.rule else verdict.code,
        order.parsed,
        order.text or "",
        order.parts,
        vendor_id,
        wants_report,
        verdict.accepted,
        order.each,
    )


def report(state: State, entry: Entry, reply: Reply, delay_s: float = 0.0, forced: str | None = None) -> None:
    """Let reports come: this many real seconds late, or by chance before this very answer. `forced`: one status."""
    if state.reports.planner.chance(state.switches.report_early):
        reply.hold = state.reports.early(entry, forced)
        reply.hold_s = state.switches.report_early_hold_s
    else:
        state.reports.accepted(entry, delay_s, forced)
