"""What was spent in a time: the estimate from the results, beside the vendors' balances before and after.

The estimate counts parts that vendors took, at the prices of each launch (dispatcher/core/money/spend.py). Where the
balances say something else, the difference is a figure of its own, never spread over the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from msgspec.structs import asdict
from numpy.typing import NDArray

from dispatcher.accounts.readings import balance_readings
from dispatcher.carriers.lookup import Overrides, carriers_of
from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaign, Campaigns, OperationState
from dispatcher.core.carriers import Carrier
from dispatcher.core.messages.personal import Personal
from dispatcher.core.messages.template import parse
from dispatcher.core.money.amounts import MICRO_YUAN
from dispatcher.core.money.prices import DEFAULT, Column, segments_of, split_of
from dispatcher.core.money.spend import (
    DIMENSIONS,
    Cell,
    Dimension,
    Parts,
    Reading,
    Reconciled,
    SpendRow,
    Spent,
    around,
    grouped,
    reconciled,
    sums,
    total,
)
from dispatcher.core.streams.hidden_codes import masked_values
from dispatcher.errors import LogDamaged, LogError, StoreError, UserError
from dispatcher.log.batch_on_log import batch_on_log
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Log
from dispatcher.sentences import Sentence
from dispatcher.service.campaigns.views import view_in
from dispatcher.service.carriers import ported_numbers
from dispatcher.service.session import Session
from dispatcher.store.meanings import ids_per_part
from dispatcher.store.port import CampaignView, Page, StoreReader
from dispatcher.vendors.seam.vendor import Vendor
from schemas.batch import BrokenBatch, Values
from schemas.records import Launched, Leg
from schemas.states import State

SIGNS: Final = {"recharge": 1, "deduct": -1}
"""Operations that change a balance, by their names (dispatcher/vendors/batch/agent.py)."""

CHARGED: Final = (State.ACCEPTED, State.DELIVERED, State.NO_REPORT)
OPEN: Final = (State.IN_FLIGHT, State.UNKNOWN)


class SpendWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which spend: sent from `since_ms` on and before `until_ms`; its sums by these dimensions.

    `top_ups`: messages that were added to accounts in that time, besides the recharges on the log.
    """

    since_ms: int
    until_ms: int
    by: tuple[Dimension, ...] = ("account",)
    top_ups: Mapping[str, int] = {}


class AccountBalance(Reconciled, frozen=True, kw_only=True):
    """An account's balances beside the estimate. `difference_micro_yuan`: at its price, if it had one price only."""

    difference_micro_yuan: int | None


class SpendReport(msgspec.Struct, frozen=True, kw_only=True):
    """The estimate (`rows` add up to `total`), and by account what the balances say.

    `no_balances`: the accounts that were used and have no balance before and after. Amounts are millionths of a yuan.
    """

    since_ms: int
    until_ms: int
    by: tuple[Dimension, ...]
    rows: tuple[SpendRow, ...]
    total: Spent
    balances: tuple[AccountBalance, ...]
    no_balances: tuple[str, ...]
    records_behind: int


class _Between(msgspec.Struct):
    """What was sent from an account between its balances, and the prices that it had."""

    first: Reading
    last: Reading
    spent: Spent = Spent()
    prices: set[int] = msgspec.field(default_factory=set)


async def report_spend(session: Session, wanted: SpendWanted) -> SpendReport:
    """The spend in a time. Raises UserError, ConfigError, LogError, StoreError."""
    _check(wanted)
    for account in wanted.top_ups:
        if account not in session.config.accounts:
            known = ", ".join(sorted(session.config.accounts)) or Sentence("none")
            raise UserError(
                '{about}: account "{account}" is not in {path} (accounts there: {known}).',
                account=account,
                path=session.config.path,
                known=known,
                about="--top-up",
            )
    log = await session.log()
    behind = await session.behind(whole=True)
    between = {
        account: _Between(*found)
        for account, readings in (await balance_readings(log)).items()
        if (found := around(readings, wanted.since_ms, min(wanted.until_ms, now_ms()))) is not None
    }
    campaigns, overrides = await read_campaigns(log), await ported_numbers(session)
    cells: dict[Cell, Spent] = {}
    async for view, leg, parts in _all_parts(session, log, campaigns, overrides, wanted, between):
        for (carrier, day), spent in sums(parts.between(wanted.since_ms, wanted.until_ms), leg).items():
            cell = Cell(leg.account, carrier, day, view.launched_by, view.id)
            cells[cell] = cells.get(cell, Spent()) + spent
        if leg.account in between and view.kind != "mms":
            _add_between(between[leg.account], leg, parts)
    used = {cell.account for cell in cells}
    operations = campaigns.operations.values()
    return SpendReport(
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
        by=wanted.by,
        rows=grouped(cells, wanted.by),
        total=total(cells.values()),
        balances=tuple(
            _balance(account, found, wanted.top_ups.get(account, 0), operations, session.config.accounts.get(account))
            for account, found in sorted(between.items())
        ),
        no_balances=tuple(sorted(used - between.keys())),
        records_behind=behind,
    )


async def campaign_spend(session: Session, campaign: str) -> Spent:
    """What a campaign cost so far, recipient by recipient. Raises UserError for an unknown id, LogError, StoreError."""
    log = await session.log()
    await session.behind()
    campaigns, overrides = await read_campaigns(log), await ported_numbers(session)
    found = Spent()
    async with session.reader() as reader:
        view = await asyncio.to_thread(view_in, reader, campaign)
        async for leg, parts in _parts_of(reader, log, campaigns, overrides, view):
            found = found + total(sums(parts, leg).values())
    return found


def _check(wanted: SpendWanted) -> None:
    if wanted.since_ms >= wanted.until_ms:
        raise UserError("the time to report must begin before it ends.", about="--from", do="Correct --from or --to.")
    wrong = [name for name in wanted.by if name not in DIMENSIONS]
    if wrong or not wanted.by or len(set(wanted.by)) != len(wanted.by):
        raise UserError(
            '{about} takes {dimensions}, each once, not "{by}".',
            dimensions=", ".join(DIMENSIONS),
            by=",".join(wanted.by),
            about="--by",
        )


# --- the estimate ----------------------------------------------------------------------------------------------------


async def _all_parts(
    session: Session,
    log: Log,
    campaigns: Campaigns,
    overrides: Overrides,
    wanted: SpendWanted,
    between: Mapping[str, _Between],
) -> AsyncIterator[tuple[CampaignView, Leg, Parts]]:
    """The parts of every campaign that was sent in the time, or between two balances."""
    since_ms = min([wanted.since_ms, *(found.first.at_ms for found in between.values())])
    async with session.reader() as reader:
        for view in await asyncio.to_thread(reader.campaigns):
            is_open = view.counts.in_flight or view.counts.unknown
            if not is_open and not view.sent_between(since_ms, wanted.until_ms):
                continue
            async for leg, parts in _parts_of(reader, log, campaigns, overrides, view):
                yield view, leg, parts


async def _parts_of(
    reader: StoreReader, log: Log, campaigns: Campaigns, overrides: Overrides, view: CampaignView
) -> AsyncIterator[tuple[Leg, Parts]]:
    """The parts of one campaign."""
    since = await asyncio.to_thread(_unknown_since, reader, view.id)
    pages = reader.pages(view.id)
    while (page := await asyncio.to_thread(next, pages, None)) is not None:
        values = await _values(log, page) if view.variables else None
        carriers = await asyncio.to_thread(carriers_of, page.numbers, overrides)
        for each in await asyncio.to_thread(_of, campaigns.by_id[view.id], page, carriers, values, since):
            yield each


def _unknown_since(reader: StoreReader, campaign: str) -> dict[int, list[tuple[int, int, int]]]:
    """By batch: (start, end, since when) of its unknown recipients."""
    found: dict[int, list[tuple[int, int, int]]] = {}
    for chunk in reader.unknown(campaign):
        for start, count in chunk.ranges:
            first = chunk.start + start
            found.setdefault(chunk.batch, []).append((first, first + count, chunk.since_ms))
    return found


def _of(
    campaign: Campaign,
    page: Page,
    carriers: NDArray[np.uint8],
    values: Values | None,
    unknown_since: Mapping[int, Sequence[tuple[int, int, int]]],
) -> list[tuple[Leg, Parts]]:
    """The parts of a page's recipients, by the leg of their account."""
    found = []
    sent_ms = page.submitted_ms.copy()
    for start, end, since_ms in unknown_since.get(page.batch, ()):
        part = sent_ms[start:end]
        part[part == 0] = since_ms
    sent_ms[sent_ms == 0] = now_ms()  # it is under way
    launched = campaign.launched
    assert launched is not None
    for leg in launched.legs:
        if leg.account not in page.accounts:
            continue
        mine = page.account_index == page.accounts.index(leg.account)
        charged, open_parts = _charged(page, leg, _expected(campaign, launched, leg, page, values))
        found.append((leg, Parts(carriers, sent_ms, charged, open_parts).of(mine)))
    return found


def _charged(page: Page, leg: Leg, expected: Column) -> tuple[Column, Column]:
    """(the parts that the vendor took of each recipient's message, those that it may have taken)."""
    taken = np.isin(page.states, CHARGED) | ((page.states == State.FAILED) & page.from_report)
    is_open = np.isin(page.states, OPEN)
    if not ids_per_part(leg.vendor):
        return np.where(taken, expected, 0), np.where(is_open, expected, 0)
    named = page.parts_named.astype(np.int64)
    whole = np.where(page.parts > 0, page.parts.astype(np.int64), expected)
    in_part = is_open | (page.states == State.FAILED)
    charged = np.where(taken, whole, np.where(in_part, named, 0))
    return charged, np.where(is_open, whole - named, 0)


def _expected(campaign: Campaign, launched: Launched, leg: Leg, page: Page, values: Values | None) -> Column:
    """The parts of each recipient's message as this account's vendor counts them."""
    count = len(page.numbers)
    if values is None:
        variant = campaign.waves.variant_of_batch(page.batch)
        return np.full(count, segments_of(launched, leg, variant), np.int64)
    template = parse(launched.text).of(values.names)
    parts = Personal(values, template, split_of(leg)).parts_each
    if len(parts) != count:
        raise LogDamaged(
            "batch {batch} of {campaign} has other recipients on the log than in the results.",
            batch=page.batch,
            campaign=campaign.id,
        )
    return parts


async def _values(log: Log, page: Page) -> Values | None:
    """The values of a personalised campaign's batch, with codes of their length. Raises LogError, StoreError."""
    try:
        values = (await batch_on_log(log, page.place)).values
        return None if values is None else masked_values(values)
    except (LogError, BrokenBatch) as error:
        raise StoreError(
            "the texts of batch {batch} cannot be read, so its parts are unknown: {error}",
            batch=page.batch,
            error=error,
        ) from error


# --- the balances ----------------------------------------------------------------------------------------------------


def _add_between(between: _Between, leg: Leg, parts: Parts) -> None:
    """Count what this balance pays: numbers abroad have another credit."""
    ours = parts.of(parts.carriers != Carrier.ABROAD).between(between.first.at_ms, between.last.at_ms)
    if len(ours.carriers):
        between.spent = between.spent + total(sums(ours, leg).values())
        changed = [change.prices for change in leg.price_changes if change.from_ms < between.last.at_ms]
        between.prices |= {price for prices in (leg.prices, *changed) for price in prices.values()} or {0}


def _balance(
    account: str, between: _Between, top_up: int, operations: Iterable[OperationState], vendor: Vendor | None
) -> AccountBalance:
    known = reconciled(
        account, between.first, between.last, top_up + _recharged(between, operations, vendor), between.spent
    )
    one_price = between.prices.pop() if len(between.prices) == 1 else 0
    return AccountBalance(
        **asdict(known), difference_micro_yuan=round(known.difference * one_price) if one_price else None
    )


def _recharged(between: _Between, operations: Iterable[OperationState], vendor: Vendor | None) -> int:
    """The messages that agents' recharges on the log bought for this account, at its usual price of that day."""
    login = getattr(vendor, "account", None)
    if vendor is None or vendor.price is None or login is None:
        return 0
    found = 0
    for operation in operations:
        asked, shows = operation.asked, dict(operation.asked.shows)
        if asked.name not in SIGNS or operation.result != "done" or shows.get("account") != login:
            continue
        price = vendor.prices_at(asked.at_ms)[DEFAULT]
        if between.first.at_ms < asked.at_ms <= between.last.at_ms and price:
            found += SIGNS[asked.name] * (int(shows["fee"]) * MICRO_YUAN // price)
    return found
