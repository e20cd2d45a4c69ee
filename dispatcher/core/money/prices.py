"""What messages cost by an account's prices: per part, by the recipient's carrier. Pure; micro-yuan.

A launch records the prices (`Leg.prices`), so a later change of the configuration does not change what a campaign cost.
Dated prices that come later are recorded with their days: a part costs what its day of sending says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.core.messages.text import Split, parts
from schemas.records import Launched, Leg

DEFAULT: Final = "default"
"""The word of the price of every carrier without one of its own."""

Column = NDArray[np.int64]


class CarrierCost(msgspec.Struct, frozen=True, kw_only=True):
    """What an account's recipients of one carrier cost: `parts` at the carrier's price per part."""

    carrier: str
    recipients: int
    parts: int
    price_micro_yuan: int
    cost_micro_yuan: int


def price_column(prices: Mapping[str, int]) -> Column:
    """The price of a part by the value of a Carrier. `prices` are by carrier's word, and have DEFAULT."""
    column = np.full(len(Carrier), prices[DEFAULT], np.int64)
    for word, price in prices.items():
        if word in CARRIER_WORDS:
            column[CARRIER_WORDS[word]] = price
    return column


def cost_changes(leg: Leg, carriers: NDArray[np.uint8]) -> tuple[tuple[int, Column], ...]:
    """(from when, the price of each recipient's part) for the prices that come later than the launch."""
    return tuple((change.from_ms, price_column(change.prices)[carriers]) for change in leg.price_changes)


def prices_of(leg: Leg, carriers: NDArray[np.uint8], sent_ms: Column) -> Column:
    """The price of each recipient's part at the time of its sending."""
    found = price_column(leg.prices)[carriers]
    for from_ms, prices in cost_changes(leg, carriers):
        found = np.where(sent_ms >= from_ms, prices, found)
    return found


def split_of(leg: Leg) -> Split:
    """How this account's vendor counts the parts of texts, as the launch recorded it."""
    if not leg.split:
        return Split()
    return Split(leg.split[0], leg.split[1], (leg.split[2], leg.split[3]) if len(leg.split) > 2 else None)


def segments_of(launched: Launched, leg: Leg, variant: int) -> int:
    """The parts of a message of a campaign that is not personalised; `variant`: the index of its text."""
    if launched.texts:
        return parts(launched.texts[variant], split_of(leg))
    return leg.segments or launched.segments


class CarrierParts:
    """How many recipients and parts each carrier has; add columns of them."""

    def __init__(self) -> None:
        self._recipients = np.zeros(len(Carrier), np.int64)
        self._parts = np.zeros(len(Carrier), np.int64)

    def add(self, carriers: NDArray[np.uint8], parts_each: Column | int) -> None:
        """Recipients of these carriers get this many parts, all the same number of them or each their own."""
        counts = np.bincount(carriers, minlength=len(Carrier))
        self._recipients += counts
        if isinstance(parts_each, int):
            self._parts += counts * parts_each
        else:  # weights are floats, which are exact up to 2**53
            self._parts += np.bincount(carriers, parts_each, minlength=len(Carrier)).astype(np.int64)

    def costs(self, prices: Mapping[str, int]) -> tuple[CarrierCost, ...]:
        """What they cost, by carrier; carriers without recipients are left out."""
        column = price_column(prices)
        return tuple(
            CarrierCost(
                carrier=carrier.word,
                recipients=int(self._recipients[carrier]),
                parts=int(self._parts[carrier]),
                price_micro_yuan=int(column[carrier]),
                cost_micro_yuan=int(self._parts[carrier] * column[carrier]),
            )
            for carrier in Carrier
            if self._recipients[carrier]
        )
