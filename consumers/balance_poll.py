"""Asking one account's balance at the vendor's interval, for the lane that spends it."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from consumers.driver import Driver
from dispatcher.core.account_lane import AccountLane
from dispatcher.core.verdict import Kind

INTERVAL_MARGIN: Final = 1.02
SLOWER_MAX: Final = 8


async def poll_balance(lane: AccountLane, driver: Driver, wake: asyncio.Event, interval_s: float | None) -> None:
    """Ask for ever, a little slower than the vendor allows, twice as slow after each "too fast".

    Returns at once where the vendor has no balance query (`interval_s` None).
    """
    if interval_s is None:
        return
    logger = structlog.get_logger("balance").bind(account=lane.spec.account)
    slower = 1
    while True:
        mark = lane.balance_asked()
        balance = await driver.balance()
        if balance is None:
            return
        if balance.messages is not None:
            lane.balance_is(balance.messages, mark)
            wake.set()
            slower = 1
        elif balance.verdict is not None:
            logger.warning("balance not known", kind=balance.verdict.kind.value, code=balance.verdict.code)
            if balance.verdict.kind is Kind.THROTTLED:
                slower = min(slower * 2, SLOWER_MAX)
            elif balance.verdict.kind is Kind.AUTH:
                lane.stop("auth", f"balance query: code {balance.verdict.code}", 0.0)
        await asyncio.sleep(interval_s * INTERVAL_MARGIN * slower)
