"""Removing duplicates and numbers that are not texted from a whole list: 8 bytes per row, 16 at the very worst.

A domestic mobile less 13e9 fits 33 bits and a row index 31, so both share one uint64: number above, row below. Sorted
in place (numpy's vectorised sort, the only pass that is not linear), equal numbers are neighbours and the first row of
each comes first. Turned round, row above and number below, and sorted once more, the list is in its own order again.

Numbers abroad stand in a small list beside this one, ascending, and are packed as their place in it, above all that a
domestic mobile can be: 8 bytes more for each.

Weak spot: 2,147,483,648 rows at most, and 1,589,934,592 numbers abroad.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.caps.number_set import NumberSet, SetOfMany
from dispatcher.core.numbers import Numbers, is_domestic
from dispatcher.core.suppression import among, domestic
from dispatcher.core.wire_number import DOMESTIC_END, DOMESTIC_MIN
from dispatcher.errors import InputError
from schemas.states import BY_FILES

ROWS_MAX: Final = 1 << 31
_ROW_BITS: Final = np.uint64(31)
_ROW: Final = np.uint64((1 << 31) - 1)
_NUMBER_BITS: Final = np.uint64(33)
_NUMBER: Final = np.uint64((1 << 33) - 1)
_ABROAD: Final = DOMESTIC_END - DOMESTIC_MIN
"""What is packed for the first number abroad."""

_BLOCK_BITS: Final = 18
_BLOCK: Final = 1 << _BLOCK_BITS
_BLOCK_PLACE: Final = np.uint64(_BLOCK - 1)

Packed = NDArray[np.uint64]
_NOBODY: Final[Numbers] = np.empty(0, np.int64)


class Rows(msgspec.Struct, frozen=True):
    """Some rows of a list in the list's order, one uint64 each: the row index above, the number below.

    `abroad` are the list's numbers abroad, ascending.
    """

    packed: Packed
    abroad: Numbers = _NOBODY

    def __len__(self) -> int:
        return len(self.packed)

    def numbers(self, start: int, end: int) -> Numbers:
        """The numbers of these rows from `start` to `end`, as int64."""
        return self._unpacked(self.packed[start:end])

    def numbers_of(self, places: NDArray[np.intp]) -> Numbers:
        """The numbers of the rows in these places."""
        return self._unpacked(self.packed[places])

    def _unpacked(self, rows: Packed) -> Numbers:
        packed = (rows & _NUMBER).astype(np.int64)
        if not len(self.abroad):
            return packed + DOMESTIC_MIN
        elsewhere = self.abroad[np.clip(packed - _ABROAD, 0, None)]
        return np.where(packed >= _ABROAD, elsewhere, packed + DOMESTIC_MIN)

    def rows(self, start: int, end: int) -> Numbers:
        """The row indices (the list's first is 0) from `start` to `end`."""
        return (self.packed[start:end] >> _NUMBER_BITS).astype(np.int64)

    def position(self, row: int) -> int:
        """How many of these rows lie before the list's row `row`."""
        return int(np.searchsorted(self.packed, np.uint64(row << int(_NUMBER_BITS))))

    def blocks(self) -> Iterator[Numbers]:
        """All numbers in order, some 100,000 at a time."""
        for start in range(0, len(self.packed), _BLOCK):
            yield self.numbers(start, start + _BLOCK)


class Repeats(msgspec.Struct, frozen=True):
    """Rows whose number an earlier row has, in the list's order, one uint64 each: the row above, the earlier below."""

    packed: Packed

    def __len__(self) -> int:
        return len(self.packed)

    def rows(self, start: int, end: int) -> Numbers:
        """The row indices from `start` to `end`."""
        return (self.packed[start:end] >> _ROW_BITS).astype(np.int64)

    def first_rows(self, start: int, end: int) -> Numbers:
        """For each of these, the first row of the list with the same number."""
        return (self.packed[start:end] & _ROW).astype(np.int64)

    def position(self, row: int) -> int:
        """How many of these rows lie before the list's row `row`."""
        return int(np.searchsorted(self.packed, np.uint64(row << int(_ROW_BITS))))


class Separated(msgspec.Struct, frozen=True):
    """A list taken apart: every good number is in exactly one of these.

    `aside`: by reason (schemas/states.py), the rows whose numbers are not texted. Those with a reason of BY_FILES are
    set aside by files of this launch; all others may be other rows when the same launch is repeated.
    """

    recipients: Rows
    duplicates: Repeats
    aside: dict[str, Rows]

    def numbers_at(self, rows: Numbers) -> Numbers:
        """The numbers of rows that are the first with theirs."""
        numbers = np.zeros(len(rows), np.int64)
        for part in (self.recipients, *self.aside.values()):
            if len(part):
                at = np.minimum(np.searchsorted(part.packed, rows.astype(np.uint64) << _NUMBER_BITS), len(part) - 1)
                there = (part.packed[at] >> _NUMBER_BITS).astype(np.int64) == rows
                numbers[there] = part.numbers_of(at[there])
        return numbers

    def without(self, reason: str, numbers: Numbers | NumberSet) -> Separated:
        """The same with the recipients among these numbers (ascending) set aside for this reason."""
        abroad = self.recipients.abroad
        barred, packed = _Barred(numbers, abroad), self.recipients.packed
        out = np.empty(len(packed), np.bool_)
        for start in range(0, len(packed), _BLOCK):  # sorted: searching in random order takes six times as long
            part = packed[start : start + _BLOCK] & _NUMBER
            part <<= np.uint64(_BLOCK_BITS)
            part |= np.arange(len(part), dtype=np.uint64)
            part.sort()
            out[start + (part & _BLOCK_PLACE).astype(np.intp)] = barred.among(part >> np.uint64(_BLOCK_BITS))
        if not out.any():
            return self
        before = self.aside.get(reason, Rows(packed[:0]))
        rows = np.concatenate([before.packed, packed[out]])
        rows.sort()
        aside = self.aside | {reason: Rows(rows, abroad)}
        return Separated(Rows(packed[~out], abroad), self.duplicates, aside)

    def unjudged(self) -> Separated:
        """The same before everything that is judged anew at each launch: only files of this launch set rows aside."""
        others = [rows.packed for reason, rows in self.aside.items() if reason not in BY_FILES and len(rows)]
        if not others:
            return Separated(self.recipients, self.duplicates, self._by_files())
        packed = np.concatenate([self.recipients.packed, *others])
        packed.sort()
        return Separated(Rows(packed, self.recipients.abroad), self.duplicates, self._by_files())

    def _by_files(self) -> dict[str, Rows]:
        return {reason: rows for reason, rows in self.aside.items() if reason in BY_FILES}

    def given(self) -> Iterator[Rows]:
        """The rows of recipients, and of those that are set aside for a reason that may change, in the list's order.

        Some 100,000 at a time.
        """
        packed, abroad = self.recipients.packed, self.recipients.abroad
        others = [rows.packed for reason, rows in self.aside.items() if reason not in BY_FILES]
        judged = np.concatenate([packed[:0], *others])
        judged.sort()
        taken = 0
        for start in range(0, len(packed), _BLOCK):
            part = packed[start : start + _BLOCK]
            end = int(np.searchsorted(judged, part[-1]))
            if end > taken:
                part = np.concatenate([part, judged[taken:end]])
                part.sort()
                taken = end
            yield Rows(part, abroad)
        yield Rows(judged[taken:], abroad)


class Growing:
    """A uint64 array that grows by its memory being extended in place, not copied."""

    __slots__ = ("_array", "_count")

    def __init__(self) -> None:
        self._array: Packed = np.empty(1 << 12, np.uint64)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, values: Packed) -> None:
        """Append these."""
        end = self._count + len(values)
        if end > len(self._array):
            # Room that was not written to costs no memory, so growing by half is free.
            self._array.resize(max(end, len(self._array) * 3 // 2), refcheck=False)
        self._array[self._count : end] = values
        self._count = end

    def view(self) -> Packed:
        """What is in it, in place: to be used before anything is added."""
        return self._array[: self._count]

    def taken(self) -> Packed:
        """The array itself, at its own length. This object is empty afterwards."""
        array, self._array = self._array, np.empty(0, np.uint64)
        array.resize(self._count, refcheck=False)
        self._count = 0
        return array


class Listed(Growing):
    """The good numbers of a list as they are read, block after block; those abroad as they come in `abroad`."""

    __slots__ = ("abroad",)

    def __init__(self) -> None:
        super().__init__()
        self.abroad = Growing()

    def add_block(self, numbers: Numbers, first_row: int) -> None:
        """The numbers of the rows from `first_row` on; 0 where a row has none. Raises InputError over ROWS_MAX."""
        if first_row + len(numbers) > ROWS_MAX:
            raise InputError("the list has more than {max:,} rows. Split it into several campaigns.", max=ROWS_MAX)
        packed = (numbers - DOMESTIC_MIN).view(np.uint64)
        elsewhere = np.flatnonzero(numbers >= DOMESTIC_END)
        if len(elsewhere):
            first = _ABROAD + len(self.abroad)
            if first + len(elsewhere) > int(_NUMBER):
                raise InputError("the list has too many numbers abroad. Split it into several campaigns.")
            packed[elsewhere] = np.arange(first, first + len(elsewhere), dtype=np.uint64)
            self.abroad.add(numbers[elsewhere].view(np.uint64))
        packed <<= _ROW_BITS
        packed |= np.arange(first_row, first_row + len(numbers), dtype=np.uint64)
        self.add(packed if numbers.all() else packed[numbers != 0])


def separate(
    listed: Listed, not_texted: Mapping[str, Numbers | NumberSet], recipients: SetOfMany | None = None
) -> Separated:
    """The list without repetitions (the first row wins), less the numbers that are not texted.

    `not_texted` has these by reason, ascending; a number counts for the first reason. A repetition counts as
    `duplicate` even if its number is not texted. Takes `listed` over. Domestic recipients are added to `recipients`.
    """
    packed = listed.taken()
    abroad = _settled(packed, listed.abroad.taken().view(np.int64))
    packed.sort()
    barred = [_Barred(numbers, abroad) for numbers in not_texted.values()]
    duplicates, set_aside = Growing(), [Growing() for _ in barred]
    before, before_row, kept = None, np.uint64(0), 0
    for start in range(0, len(packed), _BLOCK):
        part = packed[start : start + _BLOCK]
        number = part >> _ROW_BITS
        first = np.empty(len(part), np.bool_)
        first[0] = before is None or number[0] != before
        np.not_equal(number[1:], number[:-1], out=first[1:])
        before = number[-1]
        if first.all():
            before_row = part[-1] & _ROW
        else:
            begun = np.cumsum(first)
            first_rows = np.append(before_row, part[first] & _ROW)[begun]
            before_row = first_rows[-1]
            duplicates.add(((part[~first] & _ROW) << _ROW_BITS) | first_rows[~first])
            part, number = part[first], number[first]
        for numbers, kept_aside in zip(barred, set_aside, strict=True):
            if len(numbers) and (out := numbers.among(number)).any():
                kept_aside.add(_turned(part[out]))
                part, number = part[~out], number[~out]
        if recipients is not None:
            recipients.add(number[: np.searchsorted(number, np.uint64(_ABROAD))])
        part = _turned(part)
        packed[kept : kept + len(part)] = part
        kept += len(part)
    packed.resize(kept, refcheck=False)
    packed.sort()
    repeats = duplicates.taken()
    repeats.sort()
    aside = {reason: _ordered(rows, abroad) for reason, rows in zip(not_texted, set_aside, strict=True)}
    return Separated(Rows(packed, abroad), Repeats(repeats), aside)


def _settled(packed: Packed, abroad: Numbers) -> Numbers:
    """Give equal numbers abroad one place; the places are changed in `packed`. The numbers by place, ascending."""
    if not len(abroad):
        return _NOBODY
    distinct, place = np.unique(abroad, return_inverse=True)
    row = (np.uint64(1) << _ROW_BITS) - np.uint64(1)
    for start in range(0, len(packed), _BLOCK):
        part = packed[start : start + _BLOCK]
        at = np.flatnonzero((part >> _ROW_BITS) >= np.uint64(_ABROAD))
        came = ((part[at] >> _ROW_BITS) - np.uint64(_ABROAD)).astype(np.intp)
        part[at] = ((place[came] + _ABROAD).astype(np.uint64) << _ROW_BITS) | (part[at] & row)
    return distinct


def ascending_of(numbers: Growing) -> Numbers:
    """Numbers as `separate` wants them: sorted. Takes `numbers` over."""
    barred = numbers.taken()
    barred.sort()
    return barred.view(np.int64)


class _Barred:
    """Numbers that are set aside, as they are packed: domestic mobiles, and the places of those abroad on our list."""

    __slots__ = ("_mobiles", "_places")

    def __init__(self, numbers: Numbers | NumberSet, abroad: Numbers) -> None:
        self._mobiles: Final[Packed | NumberSet] = (
            numbers if isinstance(numbers, NumberSet) else (domestic(numbers) - DOMESTIC_MIN).view(np.uint64)
        )
        places = np.empty(0, np.intp)
        if len(abroad):
            elsewhere = numbers.abroad if isinstance(numbers, NumberSet) else numbers[~is_domestic(numbers)]
            places = np.flatnonzero(np.isin(abroad, elsewhere))
        self._places: Final = places.astype(np.uint64) + np.uint64(_ABROAD)

    def __len__(self) -> int:
        return len(self._mobiles) + len(self._places)

    def among(self, ascending: Packed) -> NDArray[np.bool_]:
        """Which of these packed numbers, each once, are barred."""
        end = np.searchsorted(ascending, np.uint64(_ABROAD))
        mobiles, others = ascending[:end], ascending[end:]
        if isinstance(self._mobiles, NumberSet):
            found = self._mobiles.has_ascending(mobiles.view(np.int64))
        else:
            found = among(_between(self._mobiles, mobiles), mobiles)
        return np.append(found, among(self._places, others)) if len(others) else found


def _between(known: Packed, ascending: Packed) -> Packed:
    """The known numbers that are neither below nor above all of these."""
    if not len(ascending):
        return known[:0]
    return known[slice(*np.searchsorted(known, [ascending[0], ascending[-1] + np.uint64(1)]))]


def _turned(packed: Packed) -> Packed:
    return (packed << _NUMBER_BITS) | (packed >> _ROW_BITS)


def _ordered(rows: Growing, abroad: Numbers) -> Rows:
    packed = rows.taken()
    packed.sort()
    return Rows(packed, abroad)
