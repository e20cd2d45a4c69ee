"""What a vendor remembers of what it sent for an account, asked for at the pace that all processes share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing

import msgspec

from dispatcher.accounts.ask_book import HistoryBook, why_no_history
from dispatcher.accounts.history import history
from dispatcher.core.results.history import Span, windows
from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.errors import UserError
from dispatcher.os_user import os_user
from dispatcher.service.session import Session
from dispatcher.vendors.seam.vendor import History, HistoryLimits, HistoryRow, HttpVendor
from schemas.records import BalanceAsked

Waits = Callable[[float, BalanceAsked], None]
"""Called with (seconds it waits, the earlier query that causes it)."""


class WindowRead(msgspec.Struct, frozen=True, kw_only=True):
    """One answer was read: which time it covers, how many answers there are, and the messages so far."""

    window: Span
    answers: int
    answers_expected: int
    messages: int


class VendorHistory(msgspec.Struct, kw_only=True):
    """Everything the vendor returned, oldest first.

    `complete` False: it knows of more in some second than it says at a time. `unreadable` rows are left out; `why`: why
    the rest is missing.
    """

    rows: list[HistoryRow] = []
    complete: bool = True
    unreadable: int = 0
    why: str = ""


def history_of(session: Session, account: str) -> tuple[HttpVendor, HistoryLimits]:
    """The account's vendor and the bounds of its history. Raises UserError if it has none, and ConfigError."""
    vendor = session.config_with([account]).account(account)
    if not isinstance(vendor, HttpVendor) or vendor.history_limits is None:
        raise UserError(
            'account "{account}": vendor {vendor} has no history that could be asked for.',
            account=account,
            vendor=vendor.tag,
        )
    return vendor, vendor.history_limits


async def vendor_history(
    session: Session, account: str, whole: Span, *, waits: Waits, progress: Callable[[WindowRead], None]
) -> VendorHistory:
    """Ask for this time; rows that overlapping answers repeat count once. Raises UserError, ConfigError, LogError."""
    vendor, limits = history_of(session, account)
    log = await session.log(create=True)
    driver = HttpDriver(vendor, account)
    expected, answers = len(list(windows(whole, limits.window_s * 1000))), 0
    found, known = VendorHistory(), set[str]()
    try:
        book = HistoryBook(log, {account: vendor}, f"{os_user()} (account history)", "history")
        async with aclosing(history(book, vendor, account, driver, whole, waits=waits)) as told:
            async for window, answer in told:
                _add(found, window, answer, vendor, known)
                answers += 1
                progress(
                    WindowRead(window=window, answers=answers, answers_expected=expected, messages=len(found.rows))
                )
    finally:
        await driver.close()
    found.rows.sort(key=lambda row: (row.sent_ms, row.vendor_id))
    return found


def _add(found: VendorHistory, window: Span, answer: History, vendor: HttpVendor, known: set[str]) -> None:
    for row in answer.rows:
        if row.vendor_id not in known:
            known.add(row.vendor_id)
            found.rows.append(row)
    found.unreadable += answer.count
    found.why = why_no_history(vendor, answer)
    if not answer.complete and window.end_ms - window.start_ms <= 1_000:
        found.complete = False
