"""What a simulated COSMS remembers of an account besides its ledger, and its credits (vendors.md 1.2, 1.8).

A sub-user has an account of its own, with `sub_of` naming the enterprise's: its credit is its quota, and what it sends
is taken off both. Credits are called `domestic` (or whatever else the first is called), `international` and `mms`;
those not configured never run out.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from loadtest.sim.clock import Clock
from loadtest.sim.ledger.ledger import Book, Ledger
from loadtest.sim.reports.mailbox import Mailbox

DOMESTIC, INTERNATIONAL, MMS = "domestic", "international", "mms"
UNLIMITED = 1_000_000_000
NO_CREDIT = {DOMESTIC: ("503", "504"), MMS: ("503", "504"), INTERNATIONAL: ("505", "506")}
MO_ID_FIRST = 1000


class Message(NamedTuple):
    """A message from a phone, as it will be told."""

    mo_id: str
    time: str
    mobile: str
    dest: str
    text: str


@dataclass(slots=True)
class Own:
    """One account's."""

    failures: int = 0
    failures_day: str = ""
    last_s: dict[str, float] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    inbound: Mailbox = field(default_factory=Mailbox)
    fetched: set[int] = field(default_factory=set)
    mo_id: int = MO_ID_FIRST
    refused_once: set[int] = field(default_factory=set)
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)

    def next_mo_id(self) -> str:
        """The next message's number."""
        self.mo_id += 1
        return str(self.mo_id)

    def too_soon(self, what: str, now_s: float, interval_s: float) -> bool:
        """Is it asked for again within its interval? If not, the interval begins now."""
        if now_s - self.last_s.get(what, float("-inf")) < interval_s:
            return True
        self.last_s[what] = now_s
        return False


def own(book: Book) -> Own:
    """The account's; a new one after a reset."""
    if book.own is None:
        book.own = Own()
    kept: Own = book.own
    return kept


def enterprise(ledger: Ledger, book: Book) -> Book | None:
    """Whose sub-user this is."""
    return ledger.books.get(book.config.sub_of) if book.config.sub_of else None


def product(book: Book, credit: str) -> str:
    """What the credit is called in the account's balance."""
    if credit in book.balance:
        return credit
    if credit == DOMESTIC:
        return next((name for name in book.balance if name not in (INTERNATIONAL, MMS)), DOMESTIC)
    book.balance[credit] = UNLIMITED
    return credit


def left(book: Book, credit: str) -> int:
    """How much of it there is."""
    return book.balance.get(product(book, credit), 0)


def refusal(ledger: Ledger, book: Book, costs: dict[str, int]) -> str:
    """The code if a credit does not cover its cost."""
    above = enterprise(ledger, book)
    for credit, cost in costs.items():
        of_enterprise, of_sub_user = NO_CREDIT[credit]
        if cost and above is not None and left(above, credit) < cost:
            return of_enterprise
        if cost and left(book, credit) < cost:
            return of_sub_user if book.config.sub_of else of_enterprise
    return ""


def charge(ledger: Ledger, book: Book, costs: dict[str, int], clock: Clock) -> None:
    """Take the costs off, and count them to the day and the month."""
    day = clock.local().strftime("%Y%m%d")
    for each in filter(None, (book, enterprise(ledger, book))):
        for credit, cost in costs.items():
            if cost:
                name = product(each, credit)
                each.balance[name] = each.balance.get(name, 0) - cost
                own(each).sent.update({(credit, day): cost, (credit, day[:6]): cost})


def sent(book: Book, credit: str, clock: Clock) -> tuple[int, int]:
    """Charged today and this month."""
    day = clock.local().strftime("%Y%m%d")
    counted = own(book).sent
    return counted[credit, day], counted[credit, day[:6]]
