"""What became of the recipients that were sent in a time, by day, account, carrier, campaign or code.

They count at the day of their submit, in Asia/Shanghai, and at their carrier of today.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
import numpy as np
import polars as pl

from dispatcher.carriers.lookup import Overrides, carriers_of
from dispatcher.core.carriers import Carrier
from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS
from dispatcher.errors import UserError
from dispatcher.service.campaigns.views import view_in
from dispatcher.service.carriers import ported_numbers
from dispatcher.service.session import Session
from dispatcher.store.meanings import advice, chinese_meaning, meaning
from dispatcher.store.port import CampaignView, Page, StoreReader
from dispatcher.store.views import Source
from dispatcher.wording import day_of
from schemas.states import State

OutcomeDimension = Literal["day", "account", "carrier", "campaign", "code"]
DIMENSIONS: Final[tuple[OutcomeDimension, ...]] = ("day", "account", "carrier", "campaign", "code")
SENT: Final = (State.ACCEPTED, State.DELIVERED, State.FAILED, State.NO_REPORT, State.UNKNOWN)

_COUNTED: Final = {
    "delivered": State.DELIVERED,
    "failed": State.FAILED,
    "no_report": State.NO_REPORT,
    "waiting": State.ACCEPTED,
    "unknown": State.UNKNOWN,
}


class OutcomesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was sent from `since_ms` on and before `until_ms`, of one account or campaign or of all.

    `by`: a row for each value of these. With `code` among them only failed recipients count, by the code of their end.
    """

    since_ms: int = 0
    until_ms: int
    by: tuple[OutcomeDimension, ...] = ("account",)
    account: str = ""
    campaign: str = ""


class OutcomeRow(msgspec.Struct, frozen=True, kw_only=True):
    """Recipients that have these dimensions in common, those that were not asked for are "".

    `vendor`, `source`, `meaning`, `chinese` and `advice` are of the code.
    """

    day: str = ""
    account: str = ""
    carrier: str = ""
    campaign: str = ""
    code: str = ""
    vendor: str = ""
    source: str = ""
    meaning: str = ""
    chinese: str = ""
    advice: str = ""
    delivered: int = 0
    failed: int = 0
    no_report: int = 0
    waiting: int = 0
    unknown: int = 0

    @property
    def sent(self) -> int:
        """All of them."""
        return self.delivered + self.failed + self.no_report + self.waiting + self.unknown


class OutcomeReport(msgspec.Struct, frozen=True, kw_only=True):
    """The rows in the order of their dimensions, those with codes by their recipients, the most first."""

    since_ms: int
    until_ms: int
    by: tuple[OutcomeDimension, ...]
    rows: list[OutcomeRow]


async def report_outcomes(session: Session, wanted: OutcomesWanted) -> OutcomeReport:
    """What became of what was sent. Raises UserError (an empty time, no such campaign), LogError, StoreError."""
    if wanted.since_ms >= wanted.until_ms:
        raise UserError("the time ends before it begins. Give a beginning before the end.")
    wrong = [name for name in wanted.by if name not in DIMENSIONS]
    if wrong or not wanted.by or len(set(wanted.by)) != len(wanted.by):
        raise UserError(
            'outcomes are reported by {dimensions}, each once, not "{by}".',
            dimensions=", ".join(DIMENSIONS),
            by=",".join(wanted.by),
        )
    overrides = await ported_numbers(session)
    async with session.reader() as reader:
        rows = await asyncio.to_thread(_rows, reader, wanted, overrides)
    return OutcomeReport(since_ms=wanted.since_ms, until_ms=wanted.until_ms, by=wanted.by, rows=rows)


def _rows(reader: StoreReader, wanted: OutcomesWanted, overrides: Overrides) -> list[OutcomeRow]:
    views = [view_in(reader, wanted.campaign)] if wanted.campaign else reader.campaigns()
    keys = [*wanted.by, *(("vendor", "source") if "code" in wanted.by else ())]
    parts = [
        _counted(view, page, wanted, overrides, keys)
        for view in views
        if view.sent_between(wanted.since_ms, wanted.until_ms)
        for page in reader.pages(view.id)
    ]
    if not parts:
        return []
    order = [pl.col(name) for name in keys if name not in ("code", "vendor", "source")]
    most = [-pl.col("failed").cast(pl.Int64), pl.col("code"), pl.col("vendor")] if "code" in wanted.by else []
    table = pl.concat(parts).group_by(keys).sum().sort(*order, *most)
    return [_row(row) for row in table.iter_rows(named=True)]


def _counted(
    view: CampaignView, page: Page, wanted: OutcomesWanted, overrides: Overrides, keys: Sequence[str]
) -> pl.DataFrame:
    """The counts of one page."""
    by_code = "code" in wanted.by
    chosen = np.isin(page.states, (State.FAILED,) if by_code else SENT)
    chosen &= (page.submitted_ms >= wanted.since_ms) & (page.submitted_ms < wanted.until_ms)
    if wanted.account:
        chosen &= page.account_index == (page.accounts.index(wanted.account) if wanted.account in page.accounts else -1)
    at = np.flatnonzero(chosen)
    vendor_of = {leg.account: leg.vendor for leg in view.legs}
    vendors = [vendor_of.get(account, "") for account in page.accounts]

    def texts(names: list[str], index: Any) -> pl.Series:
        return pl.Series(names, dtype=pl.String).gather(index[at])

    columns: dict[str, Any] = {"state": page.states[at]}
    for name in keys:
        match name:
            case "day":
                columns[name] = (page.submitted_ms[at] + SHANGHAI_MS) // DAY_MS
            case "account":
                columns[name] = texts(page.accounts, page.account_index)
            case "carrier":
                columns[name] = carriers_of(page.numbers[at], overrides).astype(np.int64)
            case "campaign":
                columns[name] = pl.repeat(view.id, len(at), dtype=pl.String, eager=True)
            case "code":
                columns[name] = texts(page.codes, page.code_index)
            case "vendor":
                columns[name] = texts(vendors, page.account_index)
            case "source":
                columns[name] = page.from_report[at]
    counts = [(pl.col("state") == state).sum().cast(pl.Int64).alias(name) for name, state in _COUNTED.items()]
    return pl.DataFrame(columns).group_by(keys).agg(counts)


def _row(row: dict[str, Any]) -> OutcomeRow:
    if "day" in row:
        row["day"] = day_of(row["day"] * DAY_MS - SHANGHAI_MS)
    if "carrier" in row:
        row["carrier"] = Carrier(row["carrier"]).word
    if "code" in row:
        source: Source = "report" if row["source"] else "submit"
        about = (row["vendor"], source, row["code"])
        row |= {"source": source, "meaning": meaning(*about), "chinese": chinese_meaning(*about)}
        row["advice"] = advice(*about)
    return OutcomeRow(**row)
