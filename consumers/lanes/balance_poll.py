"""Queries one account's balance at the vendor's interval, for the lane that spends it.

Other processes may query the same account; the query book (dispatcher/accounts/ask_book.py) keeps all of them to the
interval.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from consumers.lanes.query_lock import QueryLock
from dispatcher.accounts.ask_book import BalanceBook
from dispatcher.clock import now_ms
from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.core.lane.owner import Owner
from dispatcher.drivers.port import QueryingDriver
from dispatcher.errors import LogError
from dispatcher.loggers import get_logger
from dispatcher.vendors.seam.vendor import Balance

ASKED_BY: Final = "the lane"
SLOWER_MAX: Final = 8


async def poll_balance(
    owner: Owner, driver: QueryingDriver, queries: QueryLock, book: BalanceBook, interval_s: float | None
) -> None:
    """Query for ever, whenever the book allows it; each "too fast" doubles the interval.

    After a refused login the vendor is not queried until a person has checked the account.

    Returns at once if the vendor has no balance query (`interval_s` None). While the log is away nothing is queried.
    Raises LogError if waiting does not help.
    """
    if interval_s is None:
        return
    account = queries.account
    logger = get_logger("balance").bind(account=account)
    too_fast, mark = 0, 0.0
    backoff = Backoff(interval_s, interval_s * SLOWER_MAX)

    async def query(may_leave: Callable[[], bool]) -> Balance | None:
        nonlocal mark
        async with queries.turn():
            mark = owner.balance_asked(account)
            balance = await driver.balance(before_write=may_leave)
            if balance is not None:
                queries.heard("balance", balance.verdict)
            return balance

    while True:
        await queries.open()
        try:
            balance = await book.ask(account, query)
        except LogError as error:
            if not error.retryable:
                raise
            logger.warning("balance not asked", error=str(error))
            await asyncio.sleep(interval_s)
            continue
        if balance is None:
            return
        if balance.messages is not None or balance.verdict is not None:
            owner.balance_answered(account, balance.messages, mark, time.monotonic(), now_ms())
            queries.wake()
        if balance.messages is not None:
            too_fast = 0
        elif balance.verdict is not None:
            logger.warning("balance not known", kind=balance.verdict.kind.value, code=balance.verdict.code)
            if balance.verdict.kind is Kind.THROTTLED:
                too_fast += 1
        await asyncio.sleep(backoff.pause_s(1 + too_fast) - interval_s)
