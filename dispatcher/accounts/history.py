"""Queries a vendor's history, in the windows and at the pace it allows all of us together (ask_book.py).

Weak spot: the vendor may count an unanswered query; so the book keeps the interval after it, too.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Protocol, TypeVar

from dispatcher.accounts.ask_book import HistoryBook, Waits
from dispatcher.core.lane.answers.verdict import Verdict
from dispatcher.core.results.history import Span, halves, windows
from dispatcher.vendors.seam.vendor import Answer, History, HttpVendor, Request

T = TypeVar("T")


class Asker(Protocol):
    """Runs a query of the account's vendor (dispatcher/drivers/http/driver.py)."""

    def query(
        self, flow: Generator[Request, Answer, T], *, before_write: Callable[[], bool] | None = None
    ) -> Awaitable[T | Verdict]:
        """The flow's result, or why there is none."""
        ...


async def history(
    book: HistoryBook,
    vendor: HttpVendor,
    account: str,
    asker: Asker,
    whole: Span | Callable[[], Awaitable[Span | None]],
    *,
    waits: Waits = lambda _wait_s, _because: None,
) -> AsyncGenerator[tuple[Span, History], None]:
    """The vendor's records of this time, window by window; an incomplete window is followed by its halves.

    A function is called for the time when the first query may leave (its turn can take a minute); None: no time. Ends
    after a window with a verdict: then no more is available now. Raises LogError.
    """
    limits = vendor.history_limits
    if limits is None:
        return
    ahead: list[Span] | None = None

    async def query(may_leave: Callable[[], bool]) -> History | None:
        nonlocal ahead
        if ahead is None:
            time = whole if isinstance(whole, Span) else await whole()
            ahead = [] if time is None else list(windows(time, limits.window_s * 1000))[::-1]
        flow = vendor.history(ahead[-1].start_ms, ahead[-1].end_ms) if ahead else None
        if flow is None:
            return None
        found = await asker.query(flow, before_write=may_leave)
        return History(complete=False, verdict=found) if isinstance(found, Verdict) else found

    while ahead is None or ahead:
        found = await book.ask(account, query, waits)
        if found is None or not ahead:
            return
        window = ahead.pop()
        yield window, found
        if found.verdict is not None:
            return
        if not found.complete:
            ahead.extend(reversed(halves(window)))
