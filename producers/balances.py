"""Asking the vendors for the balances of a route, for its plan. A query that fails is a note in the plan, no more."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from dispatcher.vendors.seam import Balance, Vendor
from producers.plan import AccountPlan

WAIT_S: Final = 10.0


async def ask_balances(accounts: Mapping[str, Vendor], plans: tuple[AccountPlan, ...]) -> tuple[AccountPlan, ...]:
    """The same plans with what the vendors say is left; all are asked at once, WAIT_S at most."""
    return tuple(await asyncio.gather(*(_asked(accounts[plan.account], plan) for plan in plans)))


async def _asked(vendor: Vendor, plan: AccountPlan) -> AccountPlan:
    from dispatcher.http_driver import query_balance  # the HTTP client is not loaded by launches that don't ask

    try:
        balance = await asyncio.wait_for(query_balance(vendor, plan.account), WAIT_S)
    except TimeoutError:
        return replace(plan, balance_note=f"no answer in {WAIT_S:g} s")
    except Exception as error:  # whatever is wrong, it must not stop a launch: the lane finds out for itself
        return replace(plan, balance_note=f"{type(error).__name__}: {error}"[:200])
    if balance is None:
        return replace(plan, balance_note="this vendor has no balance query")
    if balance.messages is None:
        return replace(plan, balance_note=_why(vendor, balance))
    return replace(plan, balance=balance.messages, balance_note=balance.warn)


def _why(vendor: Vendor, balance: Balance) -> str:
    verdict = balance.verdict
    if verdict is None:
        return balance.warn or "the answer has no balance"
    meaning = vendor.codes.meaning(verdict.code)
    return f"{verdict.code}: {meaning or verdict.warn or verdict.text}".rstrip(": ")
