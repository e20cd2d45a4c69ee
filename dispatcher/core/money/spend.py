"""What was spent, from results: parts that vendors took, at the prices of the launch, by account, carrier, day, ...

Charged is what a vendor accepted, whatever was reported later; of a message that was refused in part, the parts that
were taken. What is unknown or under way may be charged or not: it is counted apart, as open. A message that was sent
again because nobody knew about the first counts once; if both were taken, the other one is in the unexplained
difference.

Pure: columns of recipients in, sums out; micro-yuan. Days are those of Asia/Shanghai.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.carriers import Carrier
from dispatcher.core.money.prices import Column, prices_of
from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS
from schemas.records import Leg

Dimension = Literal["account", "carrier", "day", "person", "campaign"]
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of recipients, parts and costs. `parts` are charged, `open_parts` may be; `unpriced_parts` and
    `open_unpriced_parts` are those among them whose launch had no price, so they are in no cost.
    """

    recipients: int = 0
    parts: int = 0
    cost_micro_yuan: int = 0
    unpriced_parts: int = 0
    open_recipients: int = 0
    open_parts: int = 0
    open_cost_micro_yuan: int = 0
    open_unpriced_parts: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(**{name: getattr(self, name) + getattr(other, name) for name in Spent.__struct_fields__})


class Cell(NamedTuple):
    """Whose sums: the smallest unit. `day` is a date, as 2026-11-30."""

    account: str
    carrier: str
    day: str
    person: str
    campaign: str


class Parts(NamedTuple):
    """Columns of recipients of one account: carriers, when they were sent, the parts charged and the open ones."""

    carriers: NDArray[np.uint8]
    sent_ms: Column
    charged: Column
    open: Column

    def between(self, since_ms: int, until_ms: int) -> Parts:
        """Those that were sent from `since_ms` on and before `until_ms`, and have parts."""
        wanted = (self.sent_ms >= since_ms) & (self.sent_ms < until_ms) & ((self.charged > 0) | (self.open > 0))
        return self if wanted.all() else self.of(wanted)

    def of(self, wanted: NDArray[np.bool_]) -> Parts:
        """Those of these recipients."""
        return Parts(self.carriers[wanted], self.sent_ms[wanted], self.charged[wanted], self.open[wanted])


def sums(parts: Parts, leg: Leg) -> dict[tuple[str, str], Spent]:
    """Sums by (carrier's word, day) of an account's parts, at the prices of their days, if it has some."""
    if not len(parts.carriers):
        return {}
    days = (parts.sent_ms + SHANGHAI_MS) // DAY_MS
    keys, index = np.unique(days * len(Carrier) + parts.carriers, return_inverse=True)
    prices, none = leg.prices, np.zeros(len(parts.carriers), np.int64)
    price = prices_of(leg, parts.carriers, parts.sent_ms) if prices else none
    columns = [parts.charged > 0, parts.charged, parts.charged * price, parts.open > 0, parts.open, parts.open * price]
    added = [_added(np.asarray(column, np.int64), index, len(keys)) for column in columns]
    found = {}
    for at, key in enumerate(keys.tolist()):
        day, carrier = divmod(key, len(Carrier))
        recipients, charged, cost, open_recipients, open_parts, open_cost = (column[at] for column in added)
        found[Carrier(carrier).word, str(np.datetime64(day, "D"))] = Spent(
            recipients=recipients,
            parts=charged,
            cost_micro_yuan=cost,
            unpriced_parts=0 if prices else charged,
            open_recipients=open_recipients,
            open_parts=open_parts,
            open_cost_micro_yuan=open_cost,
            open_unpriced_parts=0 if prices else open_parts,
        )
    return found


def _added(column: Column, index: NDArray[np.intp], count: int) -> list[int]:
    """The exact sums of a column by index."""
    found = np.zeros(count, np.int64)
    np.add.at(found, index, column)
    return [int(each) for each in found]


class SpendRow(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of one value of each dimension that was asked for; the others are ""."""

    account: str = ""
    carrier: str = ""
    day: str = ""
    person: str = ""
    campaign: str = ""
    spent: Spent


def grouped(cells: Mapping[Cell, Spent], by: Sequence[Dimension]) -> tuple[SpendRow, ...]:
    """The sums by these dimensions, in their order."""
    found: dict[tuple[str, ...], Spent] = {}
    for cell, spent in cells.items():
        key = tuple(getattr(cell, name) for name in by)
        found[key] = found.get(key, Spent()) + spent
    return tuple(SpendRow(**dict(zip(by, key, strict=True)), spent=found[key]) for key in sorted(found))


def total(spends: Iterable[Spent]) -> Spent:
    """All together."""
    return sum(spends, Spent())


class Reading(NamedTuple):
    """A balance that a vendor told, in messages."""

    at_ms: int
    messages: float


def around(readings: Sequence[Reading], since_ms: int, until_ms: int) -> tuple[Reading, Reading] | None:
    """The readings before and after a time: the last one at its beginning, else the first one in it; the last one at
    its end. None if there are no two. `readings` are in the order of their times.
    """
    before = [reading for reading in readings if reading.at_ms <= since_ms]
    inside = [reading for reading in readings if since_ms < reading.at_ms <= until_ms]
    first = before[-1] if before else inside[0] if inside else None
    if first is None or not inside or inside[-1] is first:
        return None
    return first, inside[-1]


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """An account's balances before and after, beside the estimate for the time between them, in messages (parts).

    `used = before + topped_up - after`; `difference = used - charged`, of which up to `open` may be what is unknown.
    """

    account: str
    before_ms: int
    before: float
    after_ms: int
    after: float
    topped_up: int
    used: float
    charged: int
    open: int
    difference: float


def reconciled(account: str, first: Reading, last: Reading, topped_up: int, between: Spent) -> Reconciled:
    """`between`: what was spent from the balance between the two readings."""
    used = first.messages + topped_up - last.messages
    return Reconciled(
        account=account,
        before_ms=first.at_ms,
        before=first.messages,
        after_ms=last.at_ms,
        after=last.messages,
        topped_up=topped_up,
        used=used,
        charged=between.parts,
        open=between.open_parts,
        difference=used - between.parts,
    )
