"""The places for connections: bounded in total and for each address; the oldest idle one makes room for a new one.

The oldest stranger goes first; then the idle known client that was heard longest ago.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Literal

IPV6_PREFIX: Final = 64
"""The network of an IPv6 client, which has all its addresses."""

Refusal = Literal["too_many_connections", "too_many_of_one_address"]


class Slot:
    """One connection's place. `end` closes it at once; `idle`: whether it waits for nothing.

    `silent_since_s` is None after its first bytes.
    """

    __slots__ = ("address", "end", "idle", "known", "open", "serial", "silent_since_s")

    def __init__(self, address: str, serial: int) -> None:
        self.address = address
        self.serial = serial
        self.known = False
        self.open = True
        self.silent_since_s: float | None = None
        self.end: Callable[[], None] = _nothing
        self.idle: Callable[[], bool] = _always


def _nothing() -> None:
    return None


def _always() -> bool:
    return True


class _Places:
    """Slots in the order in which they make room."""

    __slots__ = ("known", "strangers")

    def __init__(self) -> None:
        self.strangers: OrderedDict[Slot, None] = OrderedDict()
        self.known: OrderedDict[Slot, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self.strangers) + len(self.known)

    def add(self, slot: Slot) -> None:
        (self.known if slot.known else self.strangers)[slot] = None

    def discard(self, slot: Slot) -> None:
        (self.known if slot.known else self.strangers).pop(slot, None)

    def first(self) -> Slot | None:
        """The slot that makes room; None: all are busy."""
        for slot in self.strangers:
            return slot
        return next((slot for slot in self.known if slot.idle()), None)


class Slots:
    """Assigns places. Addresses in `unbounded` (trusted proxies) are bounded in total only."""

    def __init__(self, total_max: int, per_address_max: int, unbounded: Callable[[str], bool]) -> None:
        self.total_max = total_max
        self.per_address_max = per_address_max
        self.made_room = 0
        """How many connections were closed to make room."""
        self._unbounded = unbounded
        self._all = _Places()
        self._of_address: dict[str, _Places] = {}
        self._serial = 0

    def __len__(self) -> int:
        return len(self._all)

    def admit(self, address: str) -> Slot | Refusal:
        """A place for a new connection from this address, perhaps another one's; or why there is none."""
        key = bounded_as(address)
        theirs = self._of_address.get(key)
        if theirs is not None and len(theirs) >= self.per_address_max and not self._unbounded(address):
            if not self._make_room(theirs):
                return "too_many_of_one_address"
        elif len(self._all) >= self.total_max and not self._make_room(self._all):
            return "too_many_connections"
        self._serial += 1
        slot = Slot(key, self._serial)
        self._all.add(slot)
        self._of_address.setdefault(key, _Places()).add(slot)
        return slot

    def free(self, slot: Slot) -> None:
        """The connection has ended."""
        if slot.open:
            slot.open = False
            self._all.discard(slot)
            theirs = self._of_address[slot.address]
            theirs.discard(slot)
            if not len(theirs):
                del self._of_address[slot.address]

    def trust(self, slot: Slot, *, known: bool) -> None:
        """Its client has proved who it is, or did something that a known one does not."""
        if not slot.open or not (known or slot.known):
            return
        places = (self._all, self._of_address[slot.address])
        for each in places:
            each.discard(slot)
        slot.known = known
        for each in places:
            each.add(slot)

    def end(self, slot: Slot) -> None:
        """Close it at once."""
        self.free(slot)
        slot.end()

    def end_silent(self, before_s: float) -> int:
        """Close those that have been silent since before then; returns how many."""
        silent = [slot for slot in self._all.strangers if (slot.silent_since_s or before_s) < before_s]
        for slot in silent:
            self.end(slot)
        return len(silent)

    def strangers(self) -> list[Slot]:
        """Those of unknown clients, the oldest first."""
        return list(self._all.strangers)

    def _make_room(self, places: _Places) -> bool:
        slot = places.first()
        if slot is None:
            return False
        self.made_room += 1
        self.end(slot)
        return True


def bounded_as(address: str) -> str:
    """The key that an address counts under: IPv6 by its network, IPv4 in IPv6 as IPv4."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, IPV6_PREFIX), strict=False))
