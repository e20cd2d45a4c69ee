"""The balances of a route, for its plan: queried, or the last answers if it is too early to query again.

An unknown balance is only a note in the plan: the lane finds out for itself. A login that the vendor refuses is more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from msgspec.structs import replace

from dispatcher.accounts.ask_book import BalanceBook, asked, why_unknown
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.errors import LogError
from dispatcher.i18n import _
from dispatcher.log.opening import log_is_there
from dispatcher.service.session import Session
from dispatcher.vendors.seam.vendor import Balance, HttpVendor, Vendor
from producers.launch.planning.plan import AccountPlan
from schemas.records import BalanceAsked

WAIT_S: Final = 10.0


async def ask_balances(
    session: Session, accounts: Mapping[str, Vendor], plans: tuple[AccountPlan, ...], by: str, *, create: bool
) -> tuple[AccountPlan, ...]:
    """The same plans with the vendors' balances; queried in parallel, WAIT_S at most for each answer.

    A query needs the query book, which is on the log: `create` creates a missing log; without it no vendor is queried
    then. Raises ConfigError (the log's URL).
    """
    if not create and not log_is_there(session.config.log.url):
        return tuple(
            replace(plan, balance_note=_("not asked: there is no log yet, and a plan alone makes none"))
            for plan in plans
        )
    try:
        log = await session.log(create=create)
    except LogError as error:
        return tuple(replace(plan, balance_note=_("not asked: {error}", error=error)) for plan in plans)
    book = BalanceBook(log, accounts, f"{by} (campaign launch)")
    return tuple(await asyncio.gather(*(_planned(book, accounts[plan.account], plan) for plan in plans)))


async def _planned(book: BalanceBook, vendor: Vendor, plan: AccountPlan) -> AccountPlan:
    from dispatcher.drivers.http.driver import query_balance

    async def query(may_leave: Callable[[], bool]) -> Balance | None:
        if not isinstance(vendor, HttpVendor):
            return None
        try:
            return await asyncio.wait_for(query_balance(vendor, plan.account, before_write=may_leave), WAIT_S)
        except TimeoutError as error:
            raise TimeoutError(f"no answer in {WAIT_S:g} s") from error

    try:
        found = await book.ask_or_recall(plan.account, query)
    except TimeoutError as error:
        return replace(plan, balance_note=str(error))
    except Exception as error:  # no failure here may stop a launch: the lane finds out for itself
        return replace(plan, balance_note=f"{type(error).__name__}: {error}"[:200])
    match found:
        case None:
            return replace(plan, balance_note=_("this vendor has no balance query"))
        case BalanceAsked(messages=None):
            note = _("{says}, asked {asked}", says=found.says or _("not answered yet"), asked=asked(found))
            return replace(plan, balance_note=note, login_refused=found.kind == Kind.AUTH)
        case BalanceAsked():
            return replace(plan, balance=found.messages, balance_note=_("asked {asked}", asked=asked(found)))
        case Balance(messages=None):
            refused = found.verdict is not None and found.verdict.kind is Kind.AUTH
            return replace(plan, balance_note=why_unknown(vendor, found), login_refused=refused)
    return replace(plan, balance=found.messages, balance_note=found.warn)
