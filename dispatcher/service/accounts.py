"""What can be known of an account from outside its lane: who holds it, whether the vendor lets it in, its balance."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import msgspec

from dispatcher.accounts.ask_book import BalanceBook, Query, Waits, asked
from dispatcher.accounts.holders import lane_holders
from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.lane.verdict import Kind, Verdict
from dispatcher.drivers.http.driver import query_balance
from dispatcher.log.port import Entry, Log
from dispatcher.os_user import os_user
from dispatcher.vendors.seam.vendor import Balance, Vendor
from schemas.codec import encode
from schemas.records import BalanceAsked, Checked
from schemas.topics import JOBS, lane_partition

ASKED_MAX: Final = 3


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What a balance query told. `let_in` None: the vendor did not say (unreachable, busy, no such query).

    `asked` False: it has no query to ask with; only a send can tell. `recalled`: it was asked before, then and by whom;
    the vendor may not be asked again yet.
    """

    account: str
    let_in: bool | None
    messages: float | None
    products: dict[str, float]
    says: str
    asked: bool = True
    recalled: str = ""


def run_by_the_old(config: Config, accounts: Collection[str]) -> list[int]:
    """The processes of this machine that run these accounts by a configuration that was changed since."""
    changed_ms = Path(config.path).stat().st_mtime * 1000
    held = lane_holders(config) or {}
    holders = [held[partition] for partition in {lane_partition(account) for account in accounts} & held.keys()]
    return sorted({holder.pid for holder in holders if holder.since_ms < changed_ms})


async def probe(book: BalanceBook, vendor: Vendor, account: str, waits: Waits) -> Probe:
    """Ask the vendor as soon as it may be asked, again if it says "too fast": not only we may ask. Raises LogError."""
    query = _query(vendor, account)
    balance = await book.ask(account, query, waits)
    for _ in range(ASKED_MAX - 1):
        if balance is None or balance.verdict is None or balance.verdict.kind is not Kind.THROTTLED:
            break
        balance = await book.ask(account, query, waits)
    return _told(vendor, account, balance)


async def balance_of(book: BalanceBook, vendor: Vendor, account: str) -> Probe:
    """Ask the vendor, or tell what it said last if it may not be asked again yet. Raises LogError."""
    found = await book.ask_or_recall(account, _query(vendor, account))
    if not isinstance(found, BalanceAsked):
        return _told(vendor, account, found)
    let_in = True if found.messages is not None else None
    says = found.says or ("" if let_in else "the vendor has not answered yet")
    return Probe(account=account, let_in=let_in, messages=found.messages, products={}, says=says, recalled=asked(found))


async def tell_lane(log: Log, account: str) -> None:
    """Tell the account's lane that the vendor lets it in again. Raises LogError."""
    record = Checked(account=account, at_ms=now_ms(), by=os_user())
    await log.append(JOBS.name, lane_partition(account), [Entry(account.encode(), encode(record))])


def _query(vendor: Vendor, account: str) -> Query:
    async def query(may_leave: Callable[[], bool]) -> Balance | None:
        return await query_balance(vendor, account, before_write=may_leave)

    return query


def _told(vendor: Vendor, account: str, balance: Balance | None) -> Probe:
    if balance is None:
        says = f"vendor {vendor.tag} has no balance query to check the login with; the first send will tell"
        return Probe(account=account, let_in=None, messages=None, products={}, says=says, asked=False)
    products = {product.name: product.messages for product in balance.products}
    verdict = balance.verdict
    if verdict is None:
        return Probe(
            account=account, let_in=True, messages=balance.messages, products=products, says=balance.warn or "let in"
        )
    let_in = False if verdict.kind is Kind.AUTH else None
    return Probe(account=account, let_in=let_in, messages=None, products=products, says=_sentence(vendor, verdict))


def _sentence(vendor: Vendor, verdict: Verdict) -> str:
    row = vendor.codes.find(verdict.code)
    if verdict.kind is Kind.AUTH:
        meaning, advice = (row.english, row.advice) if row else ("no reason known", "")
        return f"{meaning} (code {verdict.code}){f'; {advice}' if advice else ''}"
    if verdict.kind is Kind.THROTTLED:
        return "the vendor answers that it is asked too often: does anybody else use this account?"
    if row is not None:
        return f"the vendor answered: {row.english} (code {verdict.code})"
    status = f"{verdict.code}: " if verdict.code.startswith("http ") and verdict.text else ""
    return f"{vendor.url} gave no usable answer: {status}{verdict.text or verdict.code}"
