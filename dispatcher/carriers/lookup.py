"""Numbers -> carriers, whole columns at a time: `carriers_of(numbers)`.

The truth is numbering_plan.toml, a dated file; a number that reports showed to be ported has an override, which wins.
Weak spot: about one number in a hundred is ported, and no public table says which.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.core.numbers import is_abroad
from dispatcher.core.wire_number import DOMESTIC_DIGITS, DOMESTIC_END, DOMESTIC_MIN

PREFIX_DIGITS: Final = 5
"""The longest prefix of the numbering plan, and the width of its table."""

_STEP: Final = 10 ** (DOMESTIC_DIGITS - PREFIX_DIGITS)
_FIRST: Final = DOMESTIC_MIN // _STEP
_COUNT: Final = DOMESTIC_END // _STEP - _FIRST
_BLOCK: Final = 1 << 18
_MARKS_PER_NUMBER_BITS: Final = 4
_MARKS_BITS_MAX: Final = 24
"""Marks by the low bits of a number say which numbers may have an override: most need no search."""


class Source(msgspec.Struct, frozen=True):
    """Where the numbering plan was read, and when it was true."""

    title: str
    authority: str
    published: date
    as_of: date
    read_at: str


class Compared(msgspec.Struct, frozen=True):
    """The second source."""

    title: str
    version: str
    on: date


class NumberingPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """numbering_plan.toml: prefixes by carrier, and the prefixes about which the second source differs."""

    source: Source
    compared: Compared
    own: Mapping[str, tuple[str, ...]]
    virtual: Mapping[str, tuple[str, ...]]
    satellite: Mapping[str, tuple[str, ...]]
    disputed: Mapping[str, str]

    def allocated(self) -> NDArray[np.uint8]:
        """The carrier of each five digits from 13000 to 19999 by the first source alone."""
        table = np.zeros(_COUNT, np.uint8)
        for kind in (self.own, self.virtual, self.satellite):
            for word, prefixes in kind.items():
                for each in prefixes:
                    table[_places(each)] = CARRIER_WORDS[word]
        return table

    def table(self) -> NDArray[np.uint8]:
        """The carrier of each five digits from 13000 to 19999; disputed ones are UNKNOWN."""
        table = self.allocated()
        for each in self.disputed:
            table[_places(each)] = Carrier.UNKNOWN
        return table


class Overrides:
    """Numbers with another carrier than the numbering plan says: `numbers` ascending and distinct, and `carriers`."""

    __slots__ = ("_marks", "carriers", "numbers")

    def __init__(self, numbers: NDArray[np.int64], carriers: NDArray[np.uint8]) -> None:
        self.numbers: Final = numbers
        self.carriers: Final = carriers
        self._marks = np.zeros(1 << min(len(numbers).bit_length() + _MARKS_PER_NUMBER_BITS, _MARKS_BITS_MAX), np.bool_)
        self._marks[numbers & (len(self._marks) - 1)] = True

    def apply(self, numbers: NDArray[np.int64], carriers: NDArray[np.uint8]) -> None:
        """Write the carriers of those of these numbers that have an override."""
        if not len(self.numbers):
            return
        likely = np.flatnonzero(self._marks[numbers & (len(self._marks) - 1)])
        at = np.searchsorted(self.numbers, numbers[likely])
        at[at == len(self.numbers)] = 0
        found = self.numbers[at] == numbers[likely]
        carriers[likely[found]] = self.carriers[at[found]]


NO_OVERRIDES: Final = Overrides(np.empty(0, np.int64), np.empty(0, np.uint8))


@cache
def numbering_plan() -> NumberingPlan:
    """The shipped numbering plan."""
    text = files(__package__).joinpath("numbering_plan.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), NumberingPlan)


@cache
def _table() -> NDArray[np.uint8]:
    """The shipped table with a last row for everything that is not a domestic mobile."""
    return np.append(numbering_plan().table(), np.uint8(Carrier.UNKNOWN))


def carriers_of(numbers: NDArray[np.int64], overrides: Overrides | None = None) -> NDArray[np.uint8]:
    """The carrier of each number (see `Carrier`), as a column of the same length. Any int64 is allowed."""
    carriers = np.empty(len(numbers), np.uint8)
    for start in range(0, len(numbers), _BLOCK):
        block = slice(start, start + _BLOCK)
        _look_up(numbers[block], overrides, carriers[block])
    return carriers


def _look_up(numbers: NDArray[np.int64], overrides: Overrides | None, carriers: NDArray[np.uint8]) -> None:
    """Write the carriers of these numbers into `carriers`."""
    places = numbers // _STEP
    places -= _FIRST
    odd = (places < 0) | (places >= _COUNT)
    some_odd = bool(odd.any())
    if some_odd:
        places[odd] = _COUNT
    _table().take(places, out=carriers)
    if some_odd:
        carriers[is_abroad(numbers)] = Carrier.ABROAD
    if overrides is not None:
        overrides.apply(numbers, carriers)


def carrier_of(number: int, overrides: Overrides | None = None) -> Carrier:
    """The carrier of one number."""
    return Carrier(int(carriers_of(np.array([number], np.int64), overrides)[0]))


def count_carriers(carriers: NDArray[np.uint8]) -> dict[Carrier, int]:
    """How many numbers of a column belong to each carrier; carriers without any are left out."""
    counts = np.bincount(carriers, minlength=len(Carrier)).tolist()
    return {carrier: counts[carrier] for carrier in Carrier if counts[carrier]}


def prefixes(written: str) -> Iterator[str]:
    """The prefixes that "135" or "1340-1348" means."""
    first, _, last = written.partition("-")
    yield from (str(each) for each in range(int(first), int(last or first) + 1))


def _places(written: str) -> NDArray[np.intp]:
    """The rows of the table that "135" or "1340-1348" means."""
    first, _, last = written.partition("-")
    width = 10 ** (PREFIX_DIGITS - len(first))
    return np.arange(int(first) * width - _FIRST, (int(last or first) + 1) * width - _FIRST)
