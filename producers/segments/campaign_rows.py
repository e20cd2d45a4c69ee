"""Recipients of a launched campaign as a list that a launch reads: their numbers and values, from the log.

Nothing is kept of it but the batch at hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.core.numbers import Numbers, is_domestic
from dispatcher.core.suppression import ascending_once, keys, shown
from dispatcher.errors import InputError, StoreError
from dispatcher.service.campaigns.results import batch_of, values_of
from dispatcher.service.session import Session
from dispatcher.store.meanings import failure_class
from dispatcher.store.port import StoreReader
from dispatcher.store.views import CampaignView, Page
from producers.lists.columns import Table
from producers.lists.phone_column import PhoneColumn
from producers.lists.reader.blocks import ListBlock, Reading, block_of
from producers.segments.campaign_parts import CampaignPart
from producers.segments.excluded import check_readable, numbers_of
from schemas.states import State


class Wanted(msgspec.Struct, frozen=True):
    """Which recipients: those in these states (empty: all), of the failed ones those of these classes (empty: all).

    Without the recipients of the campaigns `but`.
    """

    states: frozenset[State] = frozenset()
    classes: frozenset[str] = frozenset()
    but: frozenset[str] = frozenset()


class CampaignRows:
    """The wanted recipients of a campaign, each as a row in the campaign's order."""

    def __init__(self, session: Session, view: CampaignView, wanted: Wanted) -> None:
        self._session: Final = session
        self._view: Final = view
        self._wanted: Final = wanted

    async def has_some(self) -> bool:
        """Whether there is one. Raises StoreError and LogError."""
        async for _ in self.open(Reading()).wanted_pages():
            return True
        return False

    def open(self, reading: Reading) -> OpenCampaign:
        """The rows, to be read once. Raises InputError for placeholders that the campaign has no values for."""
        return OpenCampaign(self._session, self._view, self._wanted, reading)


class OpenCampaign:
    """See `OpenList` (producers/lists/opening.py)."""

    column: PhoneColumn | None = None
    header_line: int | None = None
    encoding = ""
    notes: Sequence[str] = ()
    hidden_rows = 0

    def __init__(self, session: Session, view: CampaignView, wanted: Wanted, reading: Reading) -> None:
        self.label: Final = f"campaign {view.id}"
        self.headers: Sequence[str] = view.variables
        self._session = session
        self._view = view
        self._wanted = wanted
        self._reading = reading
        self._columns = reading.columns(view.variables, self.label)

    async def parts(self) -> AsyncIterator[ListBlock]:
        """The rows, a batch of the campaign at a time. Raises StoreError and LogError."""
        row = 1
        async for page, taken in self.wanted_pages():
            frame = await self._frame(page, taken)
            yield await asyncio.to_thread(block_of, Table(frame, row), self._reading, 0)
            row += frame.height
        if row == 1:
            classes = " or ".join(sorted(self._wanted.classes))
            raise InputError(
                "no failed recipient of {campaign} has a code of the class {classes}.",
                campaign=self._view.id,
                classes=classes,
                do="The codes are in: dispatcher campaign show {campaign}",
            )

    async def wanted_pages(self) -> AsyncIterator[tuple[Page, NDArray[np.bool_]]]:
        """The pages that have somebody who is wanted, and who that is. Raises StoreError."""
        async with self._session.reader() as reader:
            await asyncio.to_thread(check_readable, reader, self._view.id)
            elsewhere = await asyncio.to_thread(self._elsewhere, reader)
            pages = reader.pages(self._view.id, self._wanted.states or None)
            while (page := await asyncio.to_thread(next, pages, None)) is not None:
                taken = await asyncio.to_thread(self._taken, page, elsewhere)
                if taken.any():
                    yield page, taken

    def _elsewhere(self, reader: StoreReader) -> Numbers:
        """The numbers of the campaigns whose recipients are not wanted."""
        found = [numbers_of(reader, CampaignPart(campaign)) for campaign in sorted(self._wanted.but)]
        return ascending_once(np.concatenate(found)) if found else np.empty(0, np.int64)

    async def _frame(self, page: Page, taken: NDArray[np.bool_]) -> pl.DataFrame:
        """The numbers of these recipients as people write them, and behind them the values that are wanted."""
        columns = [_written(page.numbers).alias("number")]
        if self._columns:
            batch = await batch_of(await self._session.log(), page)
            values, is_known = await asyncio.to_thread(values_of, page, batch)
            if not is_known.all():
                raise StoreError(
                    "batch {batch} of {campaign} on the log lacks numbers that the results have.",
                    batch=page.batch,
                    campaign=self._view.id,
                )
            names = self._view.variables
            columns += [values[names[at]].alias(f"value {place}") for place, at in enumerate(self._columns)]
        return pl.DataFrame(columns).filter(pl.Series(taken))

    def _taken(self, page: Page, elsewhere: Numbers) -> NDArray[np.bool_]:
        """Which recipients of a page are wanted."""
        taken: NDArray[np.bool_] = np.isin(keys(page.numbers), elsewhere, invert=True)
        if not self._wanted.classes:
            return taken
        vendors = {leg.account: leg.vendor for leg in self._view.legs}
        key = (page.account_index.astype(np.int64) * 2 + page.from_report) * len(page.codes) + page.code_index
        used, index = np.unique(key, return_inverse=True)
        meant = np.zeros(len(used), np.bool_)
        for at, value in enumerate(used.tolist()):
            account_and_source, code = divmod(value, len(page.codes))
            account, from_report = divmod(account_and_source, 2)
            vendor = vendors.get(page.accounts[account], "")
            found = failure_class(vendor, "report" if from_report else "submit", page.codes[code])
            meant[at] = found in self._wanted.classes
        taken &= (page.states != State.FAILED) | meant[index]
        return taken


def _written(numbers: Numbers) -> pl.Series:
    if is_domestic(numbers).all():
        return pl.Series(numbers)
    return pl.Series([shown(number) for number in numbers.tolist()], dtype=pl.String)
