"""A set of numbers in a file that is mapped into memory: 2 bytes for each where there are many, else 4.

A domestic mobile less 13e9 is split into a bucket and the rest. The file has the rests in ascending order (uint16, or
uint32 for few numbers) and where each bucket begins. Numbers abroad are int64 behind them. The file is a function of
its numbers alone.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ascending_once, keys
from dispatcher.core.wire_number import DOMESTIC_END, DOMESTIC_MIN
from dispatcher.private_files import written_whole

MANY: Final = 200_000
"""From so many numbers on 2 bytes for each and the index are less than 4 bytes for each."""

RANGE_BITS_MIN, RANGE_BITS_MAX = 20, 30
RANGE_MEMBERS: Final = 250_000
"""Numbers are looked at in ranges of a power of two: what is known of one fits into the processor's cache."""

THREADS: Final = 2
_SPAN: Final = DOMESTIC_END - DOMESTIC_MIN
_MAGIC: Final = b"NUMBERS1"
_HEADER: Final = struct.Struct("<8sQQQ")

Offsets = NDArray[np.int64]
Counts = NDArray[np.uint16]


class SetBroken(ValueError):
    """The file is not a set of numbers."""


class NumberSet:
    """The set in a file, open until nothing refers to it."""

    def __init__(self, path: Path) -> None:
        """Raises SetBroken and OSError."""
        with path.open("rb") as file:
            header = file.read(_HEADER.size)
        if len(header) != _HEADER.size or not header.startswith(_MAGIC):
            raise SetBroken(f"{path} is not a set of numbers")
        bits, count, abroad = (int(each) for each in _HEADER.unpack(header)[1:])
        self._bits: Final = bits
        self._count: Final = count
        if self._bits not in (16, 32):
            raise SetBroken(f"{path} is not a set of numbers")
        buckets, size = _buckets(self._bits), self._bits // 8
        sizes = [(buckets + 1) * 4, _padded(self._count * size), abroad * 8]
        if path.stat().st_size != _HEADER.size + sum(sizes):
            raise SetBroken(f"{path} is cut")
        whole = np.memmap(path, np.uint8, "r", offset=_HEADER.size, shape=(sum(sizes),))
        parts = np.split(whole, np.cumsum(sizes[:-1]))
        self._starts: NDArray[np.int64] = parts[0].view("<u4").astype(np.int64)
        self._rests: NDArray[Any] = parts[1][: self._count * size].view(f"<u{size}")
        self.abroad: Numbers = parts[2].view("<i8").astype(np.int64)

    def __len__(self) -> int:
        return self._count + len(self.abroad)

    @property
    def domestic(self) -> int:
        """How many of them are domestic mobiles."""
        return self._count

    def within(self, start: int, end: int) -> NDArray[np.uint32]:
        """The domestic ones (less 13e9) from `start` to `end`, less `start`: a range as in `at_least`."""
        first = start >> self._bits
        begins = self._starts[first : (end - 1 >> self._bits) + 2]
        rests = self._rests[begins[0] : begins[-1]]
        if self._bits == 32:  # the range is a part of one bucket
            inside = start - (first << 32)
            found = rests[slice(*np.searchsorted(rests, [inside, inside + end - start]))].astype(np.uint32)
            found -= np.uint32(inside)
            return found
        found = np.repeat(np.arange(len(begins) - 1, dtype=np.uint32) << 16, np.diff(begins))
        found += rests
        return found

    def has(self, offsets: Offsets) -> NDArray[np.bool_]:
        """Which of these domestic numbers (less 13e9) are in the set: for few of them."""
        bucket = offsets >> self._bits
        rest = offsets & ((1 << self._bits) - 1)
        low, high = self._starts[bucket], self._starts[bucket + 1]
        end = high.copy()
        if not self._count:
            return np.zeros(len(offsets), np.bool_)
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            less = self._rests[np.minimum(middle, self._count - 1)] < rest
            low = np.where(open_ & less, middle + 1, low)
            high = np.where(open_ & ~less, middle, high)
        at = np.minimum(low, self._count - 1)
        found: NDArray[np.bool_] = (low < end) & (self._rests[at] == rest)
        return found


def write_set(path: Path, numbers: Numbers) -> None:
    """Write the set of these numbers, whole or not at all. Raises OSError."""
    ascending = ascending_once(keys(numbers))
    first, end = np.searchsorted(ascending, [DOMESTIC_MIN, DOMESTIC_END])
    domestic, abroad = ascending[first:end] - DOMESTIC_MIN, np.concatenate([ascending[:first], ascending[end:]])
    bits = 16 if len(domestic) >= MANY else 32
    buckets = np.arange(_buckets(bits) + 1, dtype=np.int64) << bits
    starts = np.searchsorted(domestic, buckets).astype("<u4")
    rests = (domestic & ((1 << bits) - 1)).astype(f"<u{bits // 8}")
    padding = b"\0" * (_padded(rests.nbytes) - rests.nbytes)
    with written_whole(path) as file:
        file.write(_HEADER.pack(_MAGIC, bits, len(domestic), len(abroad)))
        file.write(starts.tobytes())
        file.write(rests.data)
        file.write(padding)
        file.write(abroad.astype("<i8").tobytes())


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


def at_least(times: int, sets: Sequence[NumberSet], ascending: Numbers) -> NDArray[np.bool_]:
    """Which of these numbers are in so many of the sets or more; they ascend, each once."""
    first, end = np.searchsorted(ascending, [DOMESTIC_MIN, DOMESTIC_END])
    mobiles = ascending[first:end]
    if len(mobiles) * len(sets) * 10 < sum(each.domestic for each in sets):
        return times_in(sets, ascending) >= times
    found = np.empty(len(ascending), np.bool_)
    found[first:end] = _scanned(times, sets, mobiles)
    abroad = np.concatenate([ascending[:first], ascending[end:]])
    elsewhere = times_in(sets, abroad) >= times
    found[:first], found[end:] = elsewhere[:first], elsewhere[first:]
    return found


def _scanned(times: int, sets: Sequence[NumberSet], mobiles: Numbers) -> NDArray[np.bool_]:
    """Goes through the sets once, range by range.

    In a range the numbers of the list (doubled) and those of the sets (doubled, and one more) are sorted together: a
    number of the list is followed by itself as often as sets have it.
    """
    found = np.zeros(len(mobiles), np.bool_)
    size = _range_size(sets)
    at = np.searchsorted(mobiles, np.arange(0, _SPAN + size, size) + DOMESTIC_MIN)
    end_marks = np.full(times, np.iinfo(np.uint32).max, np.uint32)

    def scan(ranges: NDArray[np.intp]) -> None:
        for index in ranges.tolist():
            start, part = index * size, slice(at[index], at[index + 1])
            together = [((mobiles[part] - (start + DOMESTIC_MIN)) << 1).astype(np.uint32)]
            for each in sets:
                known = each.within(start, min(start + size, _SPAN))
                known <<= 1
                known |= 1
                together.append(known)
            ordered = np.concatenate([*together, end_marks])
            ordered.sort()
            mine = np.flatnonzero(ordered & 1 == 0)
            found[part] = ordered[mine + times] == ordered[mine] + 1

    with ThreadPoolExecutor(THREADS) as threads:  # numpy lets them run beside each other
        list(threads.map(scan, np.array_split(np.flatnonzero(np.diff(at)), THREADS)))
    return found


def _range_size(sets: Sequence[NumberSet]) -> int:
    members = max(1, sum(each.domestic for each in sets))
    bits = (_SPAN * RANGE_MEMBERS // members).bit_length() - 1
    return 1 << min(max(bits, RANGE_BITS_MIN), RANGE_BITS_MAX)


def _buckets(bits: int) -> int:
    """How many buckets there are."""
    return (_SPAN >> bits) + 1


def _padded(size: int) -> int:
    """The next multiple of 8."""
    return -(-size // 8) * 8
