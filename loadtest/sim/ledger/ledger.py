"""The ledger: every (request, number) a simulated vendor was sent, exactly once, in packed columns.

Per number: 8 bytes for the number, one for its final status, one for its flags; per request one Entry. No Python object
per number. Weak spot: `doubles` sorts every accepted number of a text when asked; a second question costs nothing until
more is accepted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadtest.sim.config import AccountConfig
from loadtest.sim.ledger import doubles
from loadtest.sim.ledger.columns import Columns
from loadtest.sim.ledger.flow_judge import Judge
from loadtest.sim.ledger.numbers import Column, ParsedNumbers

DUE = 1  # a report shall be pushed
PUSHED = 2  # at least once
ACKED = 4  # the receiver took it
LOST = 8  # the vendor never sends it (report_loss)
DUPLICATE = 16  # is pushed once more
GIVEN_UP = 32  # pushed as often as allowed, never taken

NONE = memoryview(b"")
NO_TEXTS: NDArray[np.int32] = np.empty(0, np.int32)
OPERATIONS_MAX = 10_000

# Where every number has an id of its own: these, made of the ids of their requests and of their places in them.
IdOf = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.int64]]


class Each(NamedTuple):
    """The texts of a request where every number has its own, and the parts of each."""

    texts: list[str]
    parts: NDArray[np.int32]


@dataclass(slots=True, eq=False)
class Entry:
    """One submit request with at least one number; `status` and `flags` have a place per number if it was accepted.

    Where every number has a text of its own, `text` is -1 and `parts` 0: see `each_text` and `each_parts`.
    """

    index: int
    account: Book
    arrived_s: float
    code: str
    accepted: bool
    answer: str
    numbers: Column
    text: int
    parts: int
    vendor_id: str
    wants_report: bool
    flags: memoryview = NONE  # like `status`, a view into the ledger's columns
    status: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    more: Any = None  # what its vendor remembers of it besides
    each_text: NDArray[np.int32] = field(default_factory=lambda: NO_TEXTS)
    each_parts: NDArray[np.int32] = field(default_factory=lambda: NO_TEXTS)

    @property
    def is_personal(self) -> bool:
        """Has every number a text of its own?"""
        return self.each_text.size > 0


class Book:
    """One account: its settings, its balance, its judge, its counters."""

    def __init__(self, config: AccountConfig, idle_s: float) -> None:
        self.config = config
        self.balance = dict(config.products)
        self.judge = Judge(config.flow.limit, config.flow.per_s, config.flow.unit, idle_s)
        self.gone = False  # deleted at run time: it is refused; its figures stay in the ledger
        self.last_balance_s = float("-inf")
        self.month = ""
        self.month_used = 0
        self.reset()

    def reset(self) -> None:
        """Counters and judge to zero; settings and balance stay."""
        self.judge.reset()
        self.month_used = 0
        self.last_balance_s = float("-inf")
        self.requests = 0
        self.balance_requests = 0
        self.numbers = 0
        self.accepted = 0
        self.charged = 0
        self.in_work = 0
        self.codes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.reports_due = 0
        self.reports_pushed = 0
        self.reports_acked = 0
        self.reports_lost = 0
        self.reports_duplicates = 0
        self.reports_given_up = 0
        self.reports_stray = 0
        self.pushes = 0
        self.push_failures = 0
        self.inbound_pushed = 0
        self.inbound_acked = 0
        self.own: Any = None  # what its vendor remembers of it besides

    def reconfigure(self, config: AccountConfig, idle_s: float, products_given: bool) -> None:
        """New settings; the judge starts anew only if the flow changed."""
        if config.flow != self.config.flow or idle_s != self.judge.idle_s:
            self.judge = Judge(config.flow.limit, config.flow.per_s, config.flow.unit, idle_s)
        if products_given:
            self.balance = dict(config.products)
        self.config = config


COUNTERS = (
    *(
        "requests",
        "balance_requests",
        "numbers",
        "charged",
        "pushes",
        "push_failures",
        "inbound_pushed",
        "inbound_acked",
    ),
    *(f"reports_{what}" for what in ("due", "pushed", "acked", "lost", "duplicates", "given_up", "stray")),
)
HISTOGRAMS = ("codes", "faults", "violations", "statuses", "kinds")


class Ledger:
    """All accounts of one simulator. `keep_rows=False` counts only: no rows, no doubles."""

    def __init__(self, accounts: Iterable[AccountConfig], keep_rows: bool, idle_s: float) -> None:
        self.books = {a.name: Book(a, idle_s) for a in accounts}
        self.keep_rows = keep_rows
        self.id_of: IdOf | None = None
        self.index_accounts()
        self.reset()

    def index_accounts(self) -> None:
        """After accounts were added or renamed."""
        self.by_account = {b.config.account: b for b in self.books.values() if not b.gone}

    def reset(self) -> None:
        """Forget every request; settings and balances stay."""
        self.entries: list[Entry] = []
        self.columns = Columns()
        self.odd: list[bytes] = []
        self._odd_ids: dict[bytes, int] = {}
        self.texts: list[str] = []
        self._text_ids: dict[str, int] = {}
        self.status_names: list[str | None] = [None]
        self._status_ids: dict[str, int] = {}
        self.unmatched: Counter[str] = Counter()  # codes of requests without an account
        self.operations: list[dict[str, Any]] = []  # what was done to accounts, and refused; no secrets
        self._by_text: dict[int, list[Entry]] = {}
        self._personal: list[Entry] = []
        self._accepted_requests = 0
        self._doubles: tuple[int, dict[str, tuple[int, int]]] = (-1, {})
        for book in self.books.values():
            book.reset()

    def text_id(self, text: str) -> int:
        """A small id for a text, the same for the same text."""
        found = self._text_ids.get(text)
        if found is None:
            found = self._text_ids[text] = len(self.texts)
            self.texts.append(text)
        return found

    def status_id(self, status: str) -> int:
        """A byte for a report status; at most 255 different ones."""
        found = self._status_ids.get(status)
        if found is None:
            if len(self.status_names) > 255:
                raise ValueError("more than 255 different report statuses")
            found = self._status_ids[status] = len(self.status_names)
            self.status_names.append(status)
        return found

    def record(
        self,
        book: Book,
        arrived_s: float,
        code: str,
        answer: str,
        parsed: ParsedNumbers,
        text: str,
        parts: int,
        vendor_id: str,
        wants_report: bool,
        accepted: bool,
        each: Each | None = None,
    ) -> Entry:
        """Write down one submit. `answer` is what the client got: the code, or the name of the fault; `each` has the
        texts instead of `text` and `parts`, if the numbers have their own.
        """
        column = parsed.column
        book.numbers += column.size
        if accepted:
            book.accepted += column.size
            book.charged += parts * column.size if each is None else int(each.parts.sum())
        if parsed.odd and (self.keep_rows or wants_report):
            column = self._place_odd(parsed)
        text_id = self.text_id(text) if self.keep_rows and each is None else -1
        entry = Entry(
            len(self.entries), book, arrived_s, code, accepted, answer, column, text_id, parts, vendor_id, wants_report
        )
        if self.keep_rows or wants_report:
            self.entries.append(entry)
            entry.numbers, status, flags = self.columns.put(column, vendor_id)
            if accepted:
                entry.status, entry.flags = status, flags.data
        if self.keep_rows and each is not None:
            entry.each_text = np.fromiter(map(self.text_id, each.texts), np.int32, len(each.texts))
            entry.each_parts = each.parts
        if self.keep_rows and accepted:
            if entry.is_personal:
                self._personal.append(entry)
            else:
                self._by_text.setdefault(text_id, []).append(entry)
            self._accepted_requests += 1
        return entry

    def _place_odd(self, parsed: ParsedNumbers) -> Column:
        """Let the column refer to the ledger's own list, where each odd text stands once."""
        places = [self._odd_ids.setdefault(raw, len(self._odd_ids)) for raw in parsed.odd]
        self.odd.extend(list(self._odd_ids)[len(self.odd) :])
        column = parsed.column.copy()
        column[column < 0] = -1 - np.array(places, dtype=np.int64)
        return column

    def doubles(self) -> dict[str, tuple[int, int]]:
        """Per account and for "" (all of them): (unique numbers, double texts).

        A double text is a number accepted once more with the same text; over all accounts also when another account
        had it. May take a while (sorting): a server asks it in a thread.
        """
        requests, known = self._accepted_requests, self._doubles
        if known[0] == requests:
            return known[1]
        result = doubles.count(self.books, self._by_text, list(self._personal))
        self._doubles = (requests, result)
        return result

    def operated(self, operation: dict[str, Any]) -> None:
        """Write down what somebody did to an account, or was refused; the newest OPERATIONS_MAX stay."""
        self.operations.append(operation)
        del self.operations[:-OPERATIONS_MAX]

    def totals(self, counted: dict[str, tuple[int, int]] | None = None) -> dict[str, Any]:
        """The JSON of GET /_sim/ledger: the whole, and `accounts` by name; with what `doubles` said, if anything."""
        counted = counted or {}
        accounts = {name: self._account(book, counted.get(name)) for name, book in self.books.items()}
        whole: dict[str, Any] = {c: sum(a[c] for a in accounts.values()) for c in (*COUNTERS, "numbers_accepted")}
        for histogram in HISTOGRAMS:
            total: Counter[str] = Counter()
            for a in accounts.values():
                total.update(a[histogram])
            whole[histogram] = dict(total)
        for code, times in self.unmatched.items():
            whole["codes"][code] = whole["codes"].get(code, 0) + times
        whole["requests"] += self.unmatched.total()
        whole["windows_over_limit"] = sum(a["windows_over_limit"] for a in accounts.values())
        used = [a["limit_used"] for a in accounts.values() if a["limit_used"] is not None]
        whole["limit_used"] = min(used, default=None)
        if counted:
            whole["unique_numbers"], whole["double_texts"] = counted[""]
        return whole | {"accounts": accounts}

    def _account(self, book: Book, counted: tuple[int, int] | None) -> dict[str, Any]:
        verdict = asdict(book.judge.verdict())
        result: dict[str, Any] = {c: getattr(book, c) for c in COUNTERS}
        result |= {"account": book.config.account, "numbers_accepted": book.accepted}
        if counted is not None:
            result["unique_numbers"], result["double_texts"] = counted
        result |= {h: dict(getattr(book, h)) for h in HISTOGRAMS}
        return result | verdict | {"balance": dict(book.balance)}
