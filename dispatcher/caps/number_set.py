"""A set of numbers, in memory or in a file that is mapped into it: 2 bytes for each where there are many, else 4.

A domestic mobile less 13e9 is split into a bucket and the rest. The rests are in ascending order (uint16, or uint32 for
few numbers) beside the place where each bucket begins. Numbers abroad are int64 behind them. The file is a function of
its numbers alone.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import among, ascending_once, keys
from dispatcher.core.wire_number import DOMESTIC_END, DOMESTIC_MIN
from dispatcher.private_files import written_whole

MANY: Final = 200_000
"""From so many numbers on 2 bytes for each and the index are less than 4 bytes for each."""

RANGE_MEMBERS: Final = 250_000
"""Several sets are looked at in ranges with about so many members: these fit into the processor's cache."""

_MANY_BITS: Final = 16
_FEW_BITS: Final = 32
_CELL_BITS: Final = 18
"""Ranges are cut where a cell of 2 to the power of this many numbers begins."""
_CELLS_MAX: Final = 1 << (31 - _CELL_BITS)
"""The most cells in a range: a number in it, counted from its start, fits into 32 bits."""

_SPAN: Final = DOMESTIC_END - DOMESTIC_MIN
_CELL_STARTS: Final = np.arange(0, _SPAN + (1 << _CELL_BITS), 1 << _CELL_BITS, dtype=np.int64)
_MAGIC: Final = b"NUMBERS1"
_HEADER: Final = struct.Struct("<8sQQQ")

Offsets = NDArray[np.int64]
Counts = NDArray[np.uint16]
Mask = NDArray[np.bool_]


class SetBroken(ValueError):
    """The file is not a set of numbers."""


class NumberSet:
    """A set of numbers: `starts` of the buckets, the `rests` in them, and the numbers `abroad`."""

    __slots__ = ("_bits", "_rests", "_starts", "abroad")

    def __init__(self, starts: Offsets, rests: NDArray[Any], abroad: Numbers) -> None:
        self._bits: Final = rests.itemsize * 8
        self._starts: Final = starts
        self._rests: Final = rests
        self.abroad: Final = abroad

    def __len__(self) -> int:
        return len(self._rests) + len(self.abroad)

    @property
    def domestic(self) -> int:
        """How many of them are domestic mobiles."""
        return len(self._rests)

    def places(self, offsets: Offsets) -> Offsets:
        """How many domestic numbers (less 13e9) come before each of these, which are multiples of 65536."""
        if self._bits == _MANY_BITS:
            return self._starts.take(offsets >> _MANY_BITS, mode="clip")
        return np.searchsorted(self._values(0, self.domestic), offsets).astype(np.int64)

    def write_range(self, start: int, places: slice, into: NDArray[np.uint32]) -> None:
        """The domestic numbers in these places, less `start`, a multiple of 65536 from which the first place counts."""
        rests = self._rests[places]
        if self._bits == _FEW_BITS:
            into[:] = self._values(places.start, places.stop) - start
            return
        if not len(rests):
            return
        first, end = (int(np.searchsorted(self._starts, each, "right")) for each in (places.start, places.stop - 1))
        begins = np.clip(self._starts[first - 1 : end + 1], places.start, places.stop)
        bases = (np.arange(first - 1, end, dtype=np.int64) << _MANY_BITS) - start
        np.add(np.repeat(bases.astype(np.uint32), np.diff(begins)), rests, out=into)

    def has(self, offsets: Offsets) -> Mask:
        """Which of these domestic numbers (less 13e9) are in the set: for few of them."""
        if not self.domestic:
            return np.zeros(len(offsets), np.bool_)
        bucket = offsets >> self._bits
        rest = offsets & ((1 << self._bits) - 1)
        low, high = self._starts[bucket], self._starts[bucket + 1]
        end = high.copy()
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            less = self._rests[np.minimum(middle, self.domestic - 1)] < rest
            low = np.where(open_ & less, middle + 1, low)
            high = np.where(open_ & ~less, middle, high)
        at = np.minimum(low, self.domestic - 1)
        found: Mask = (low < end) & (self._rests[at] == rest)
        return found

    def has_ascending(self, offsets: Offsets) -> Mask:
        """The same for many of them, which ascend."""
        if len(offsets) * 10 < self.domestic:
            return self.has(offsets)
        found = np.zeros(len(offsets), np.bool_)
        for start, end, _ in _ranges([self]):
            first, last = np.searchsorted(offsets, [start, end])
            if first == last:
                continue
            wanted = offsets[first:last]
            bounds = np.array([wanted[0] >> _MANY_BITS, (wanted[-1] >> _MANY_BITS) + 1], np.int64) << _MANY_BITS
            places = slice(*self.places(bounds).tolist())
            known = np.empty(places.stop - places.start, np.uint32)
            self.write_range(int(bounds[0]), places, known)
            found[first:last] = among(known, (wanted - bounds[0]).astype(np.uint32))
        return found

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises OSError."""
        rests = self._rests
        with written_whole(path) as file:
            file.write(_HEADER.pack(_MAGIC, self._bits, self.domestic, len(self.abroad)))
            file.write(self._starts.astype("<u4").tobytes())
            file.write(rests.astype(f"<u{rests.itemsize}", copy=False).data)
            file.write(b"\0" * (_padded(rests.nbytes) - rests.nbytes))
            file.write(self.abroad.astype("<i8", copy=False).tobytes())

    def _values(self, first: int, end: int) -> Offsets:
        """The domestic ones in these places, less 13e9, of a set with few."""
        values = self._rests[first:end].astype(np.int64)
        for bucket in range(1, len(self._starts) - 1):
            values[max(0, int(self._starts[bucket]) - first) :] += 1 << _FEW_BITS
        return values


class SetOfMany:
    """A set that is made of ascending blocks of domestic numbers (less 13e9), each number once."""

    __slots__ = ("_counts", "_rests")

    def __init__(self) -> None:
        self._rests: Final[list[NDArray[np.uint16]]] = []
        self._counts: Final = np.zeros(_buckets(_MANY_BITS), np.int64)

    def add(self, offsets: NDArray[Any]) -> None:
        """The next block."""
        if not len(offsets):
            return
        first, last = (int(offsets[at]) >> _MANY_BITS for at in (0, -1))
        begins = np.arange(first + 1, last + 1).astype(offsets.dtype) << offsets.dtype.type(_MANY_BITS)
        ends = np.append(np.searchsorted(offsets, begins), len(offsets))
        self._counts[first : last + 1] += np.diff(ends, prepend=0)
        self._rests.append(offsets.astype(np.uint16))

    def made(self, abroad: Numbers) -> NumberSet:
        """The set of all blocks, and of these numbers abroad."""
        rests = np.concatenate([np.empty(0, np.uint16), *self._rests])
        return NumberSet(np.append(0, np.cumsum(self._counts)), rests, abroad)


def open_set(path: Path) -> NumberSet:
    """The set in a file, which stays open until nothing refers to the set. Raises SetBroken and OSError."""
    with path.open("rb") as file:
        header = file.read(_HEADER.size)
    if len(header) != _HEADER.size or not header.startswith(_MAGIC):
        raise SetBroken(f"{path} is not a set of numbers")
    bits, count, abroad = (int(each) for each in _HEADER.unpack(header)[1:])
    if bits not in (_MANY_BITS, _FEW_BITS):
        raise SetBroken(f"{path} is not a set of numbers")
    size = bits // 8
    sizes = [(_buckets(bits) + 1) * 4, _padded(count * size), abroad * 8]
    if path.stat().st_size != _HEADER.size + sum(sizes):
        raise SetBroken(f"{path} is cut")
    whole = np.memmap(path, np.uint8, "r", offset=_HEADER.size, shape=(sum(sizes),))
    starts, rests, others = (np.asarray(part) for part in np.split(whole, np.cumsum(sizes[:-1])))
    abroad_numbers = others.view("<i8").astype(np.int64)
    return NumberSet(starts.view("<u4").astype(np.int64), rests[: count * size].view(f"<u{size}"), abroad_numbers)


def set_of(numbers: Numbers) -> NumberSet:
    """The set of these numbers, in any order."""
    ascending = ascending_once(keys(numbers))
    first, end = np.searchsorted(ascending, [DOMESTIC_MIN, DOMESTIC_END])
    domestic, abroad = ascending[first:end] - DOMESTIC_MIN, np.concatenate([ascending[:first], ascending[end:]])
    if len(domestic) >= MANY:
        many = SetOfMany()
        many.add(domestic)
        return many.made(abroad)
    starts = np.searchsorted(domestic, np.arange(_buckets(_FEW_BITS) + 1, dtype=np.int64) << _FEW_BITS)
    return NumberSet(starts.astype(np.int64), domestic.astype(np.uint32), abroad)


def times_in(sets: Sequence[NumberSet], ascending: Numbers) -> Counts:
    """In how many of these sets each number is: for few of them; they ascend, each once."""
    first, end = np.searchsorted(ascending, [DOMESTIC_MIN, DOMESTIC_END])
    offsets = ascending[first:end] - DOMESTIC_MIN
    counts = np.zeros(len(ascending), np.uint16)
    for each in sets:
        counts[first:end] += each.has(offsets)
        counts[:first] += np.isin(ascending[:first], each.abroad)
        counts[end:] += np.isin(ascending[end:], each.abroad)
    return counts


def few_beside(sets: Sequence[NumberSet], numbers: int) -> bool:
    """Whether `times_in` of this many numbers costs less than `common`."""
    return numbers * len(sets) * 10 < sum(each.domestic for each in sets)


def common(times: int, sets: Sequence[NumberSet]) -> NumberSet:
    """The numbers that are in so many of these sets or more.

    Goes through the sets once, range by range. Sorted together, a number follows itself as often as sets have it.
    """
    found, more = SetOfMany(), times - 1
    room = np.empty(0, np.uint32)
    for start, _, places in _ranges(sets):
        sizes = [each.stop - each.start for each in places]
        total = sum(sizes)
        if total > len(room):
            room = np.empty(max(total, RANGE_MEMBERS * 5 // 4), np.uint32)
        ordered, at = room[:total], 0
        for each, its_places, size in zip(sets, places, sizes, strict=True):
            each.write_range(start, its_places, ordered[at : at + size])
            at += size
        ordered.sort()
        often = np.flatnonzero(ordered[: total - more] == ordered[more:]) if total > more else np.empty(0, np.intp)
        values = ordered[often]
        if len(values):
            once = np.append(True, values[1:] != values[:-1])
            found.add(values[once].astype(np.int64) + start)
    abroad = np.sort(np.concatenate([np.empty(0, np.int64), *(each.abroad for each in sets)]))
    often_abroad = abroad[: max(0, len(abroad) - more)]
    return found.made(ascending_once(often_abroad[often_abroad == abroad[more:]]))


def _ranges(sets: Sequence[NumberSet]) -> Iterator[tuple[int, int, list[slice]]]:
    """Ranges (start, end) of numbers less 13e9 with about RANGE_MEMBERS members, and these' places in each set."""
    places = np.stack([each.places(_CELL_STARTS) for each in sets])
    before = places.sum(axis=0)
    first, cells = 0, len(_CELL_STARTS) - 1
    while first < cells:
        end = int(np.searchsorted(before, before[first] + RANGE_MEMBERS, "right")) - 1
        end = min(max(end, first + 1), first + _CELLS_MAX, cells)
        ends = places[:, [first, end]].tolist()
        yield int(_CELL_STARTS[first]), int(_CELL_STARTS[end]), [slice(*each) for each in ends]
        first = end


def _buckets(bits: int) -> int:
    """How many buckets there are."""
    return (_SPAN >> bits) + 1


def _padded(size: int) -> int:
    """The next multiple of 8."""
    return -(-size // 8) * 8
