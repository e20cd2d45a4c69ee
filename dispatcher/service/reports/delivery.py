"""How well, and how fast, each account delivers to each carrier, as the reports of a time say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from dispatcher.carriers.lookup import Overrides, carriers_of
from dispatcher.core.results.delivery import Delivery, DeliveryCounts, delays_s
from dispatcher.errors import UserError
from dispatcher.service.carriers import ported_numbers
from dispatcher.service.session import Session
from dispatcher.store.meanings import reports_to_the_minute
from dispatcher.store.port import Page, StoreReader
from dispatcher.store.views import CampaignView
from schemas.states import State

TAKEN: Final = (State.ACCEPTED, State.DELIVERED, State.NO_REPORT)


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent from `since_ms` to before `until_ms` (Unix milliseconds), by account and carrier."""

    since_ms: int
    until_ms: int
    rows: list[Delivery]


async def report_delivery(
    session: Session, *, since_ms: int, until_ms: int, account: str | None = None
) -> DeliveryReport:
    """The figures of all accounts, or of this one. Numbers count at their carrier of today.

    Raises UserError for an empty time or an unknown account, ConfigError if there is no log, LogError, StoreError.
    """
    if since_ms >= until_ms:
        raise UserError("the time ends before it begins.", about="--from", do="Give --from a time before --to.")
    if account is not None and account not in session.config.accounts:
        session.config.account(account)  # says which there are
    overrides = await ported_numbers(session)
    async with session.reader() as reader:
        rows = await asyncio.to_thread(_rows, reader, since_ms, until_ms, account, overrides)
    return DeliveryReport(since_ms=since_ms, until_ms=until_ms, rows=rows)


def _rows(
    reader: StoreReader, since_ms: int, until_ms: int, account: str | None, overrides: Overrides
) -> list[Delivery]:
    counts = DeliveryCounts()
    for view, page in _pages(reader, since_ms, until_ms):
        to_the_minute = {leg.account for leg in view.legs if reports_to_the_minute(leg.vendor)}
        taken = np.isin(page.states, TAKEN) | ((page.states == State.FAILED) & page.from_report)
        taken &= (page.submitted_ms >= since_ms) & (page.submitted_ms < until_ms)
        carriers = carriers_of(page.numbers, overrides)
        for index, name in enumerate(page.accounts):
            mine = np.flatnonzero(taken & (page.account_index == index))
            if name and len(mine) and account in (None, name):
                reported_s = page.reported_s[mine].astype(np.int64)
                took_s = delays_s(reported_s, page.submitted_ms[mine], to_the_minute=name in to_the_minute)
                counts.add(name, carriers[mine], page.states[mine], took_s)
    return counts.rows()


def _pages(reader: StoreReader, since_ms: int, until_ms: int) -> Iterator[tuple[CampaignView, Page]]:
    """The pages of the campaigns of which something may have been sent in this time."""
    for view in reader.campaigns():
        if view.sent_between(since_ms, until_ms):
            yield from ((view, page) for page in reader.pages(view.id))
