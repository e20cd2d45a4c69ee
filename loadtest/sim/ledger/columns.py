"""What is kept of every recorded number, packed: 8 bytes the number, one its final status, one its flags.

In blocks that never move: a view of a request's part stays good while others are added, and memory is touched only as
it fills. An *address* is a number's place over all blocks, so that reports of many requests can be read and marked at
once.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from loadtest.sim.ledger.numbers import Column

BLOCK_BITS = 20
BLOCK_NUMBERS = 1 << BLOCK_BITS
ID_BYTES = 24

Addresses = NDArray[np.int64]
Flags = NDArray[np.uint8]


class Columns:
    """The blocks, and per request its first address and its vendor id."""

    def __init__(self) -> None:
        self._numbers: list[Column] = []
        self._status: list[NDArray[np.uint8]] = []
        self._flags: list[Flags] = []
        self._free = BLOCK_NUMBERS  # the place in the last block from which on nothing is written
        self._requests = 0
        self._starts = np.empty(64, np.int64)
        self._ids = np.empty(64, f"S{ID_BYTES}")

    def put(self, numbers: Column, vendor_id: str) -> tuple[Column, NDArray[np.uint8], Flags]:
        """Add a request with at most BLOCK_NUMBERS numbers; views of its numbers, status and flags, the latter zero."""
        size = numbers.size
        if self._free + size > BLOCK_NUMBERS:
            self._numbers.append(np.empty(BLOCK_NUMBERS, np.int64))
            self._status.append(np.zeros(BLOCK_NUMBERS, np.uint8))
            self._flags.append(np.zeros(BLOCK_NUMBERS, np.uint8))
            self._free = 0
        start, end = self._free, self._free + size
        self._free = end
        if self._requests == self._starts.size:
            self._starts = np.concatenate((self._starts, np.empty_like(self._starts)))
            self._ids = np.concatenate((self._ids, np.empty_like(self._ids)))
        self._starts[self._requests] = ((len(self._numbers) - 1) << BLOCK_BITS) + start
        self._ids[self._requests] = vendor_id.encode()
        self._requests += 1
        self._numbers[-1][start:end] = numbers
        return self._numbers[-1][start:end], self._status[-1][start:end], self._flags[-1][start:end]

    def addresses(self, requests: NDArray[np.int32], places: NDArray[np.int32]) -> Addresses:
        """Of the `places[i]`-th number of request `requests[i]`."""
        found: Addresses = self._starts[requests] + places
        return found

    def ids(self, requests: NDArray[np.int32]) -> NDArray[np.bytes_]:
        """The vendor ids of these requests."""
        found: NDArray[np.bytes_] = self._ids[requests]
        return found

    def numbers(self, addresses: Addresses) -> Column:
        """The numbers there."""
        found = np.empty(addresses.size, np.int64)
        for block, chosen, places in self._by_block(addresses):
            found[chosen] = self._numbers[block][places]
        return found

    def flags(self, addresses: Addresses) -> Flags:
        """The flags there."""
        found = np.empty(addresses.size, np.uint8)
        for block, chosen, places in self._by_block(addresses):
            found[chosen] = self._flags[block][places]
        return found

    def mark(self, addresses: Addresses, bits: int, clear: int = 0) -> Flags:
        """Set these flags and clear others; returns what they were before."""
        before = np.empty(addresses.size, np.uint8)
        for block, chosen, places in self._by_block(addresses):
            flags = self._flags[block]
            found = flags[places]
            before[chosen] = found
            flags[places] = (found & np.uint8(~clear & 0xFF)) | np.uint8(bits)
        return before

    def _by_block(self, addresses: Addresses) -> Iterator[tuple[int, NDArray[np.intp] | slice, Addresses]]:
        if not addresses.size:
            return
        blocks = addresses >> BLOCK_BITS
        places = addresses & (BLOCK_NUMBERS - 1)
        first, last = int(blocks.min()), int(blocks.max())
        if first == last:
            yield first, slice(None), places
            return
        for block in range(first, last + 1):
            chosen = np.flatnonzero(blocks == block)
            if chosen.size:
                yield block, chosen, places[chosen]


def distinct(addresses: Addresses) -> int:
    """How many different ones there are."""
    if addresses.size < 2:
        return addresses.size
    ordered = np.sort(addresses)
    return int(np.count_nonzero(ordered[1:] != ordered[:-1])) + 1
