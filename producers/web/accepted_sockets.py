"""Accepted sockets that are not connections yet: they wait for their first bytes, then for their turn.

An idle one costs only a file. The first bytes are peeked at: a client that they prove gets a connection at once, all
others at their turn (time_share.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import Final

from producers.web.connection_limits import Slot, Slots
from producers.web.time_share import READING_S, Turns

PEEKED_BYTES: Final = 4_096
READY_MAX: Final = 64
"""Newcomers handled before the event loop continues with other work."""
PEEKING_S: Final = 2 * READING_S
CREDIT_S: Final = 0.005
"""The cost that a seemingly known client may cause before it waits for strangers' turns."""


class Newcomer:
    """A socket of a client that has sent nothing yet, or waits for its turn."""

    __slots__ = ("_open", "address", "free_s", "queued", "serial", "slot", "socket", "spent_s", "vouched")

    def __init__(self, slot: Slot, accepted: socket.socket, address: str, open_it: Callable[[Newcomer], None]) -> None:
        self._open = open_it
        self.slot = slot
        self.socket = accepted
        self.address = address
        self.serial = slot.serial
        self.spent_s = self.free_s = 0.0
        self.queued = False
        self.vouched = False

    def turn(self) -> bool:
        """Become a connection."""
        if self.slot.open:
            self._open(self)
        return False


class Newcomers:
    """`proves` judges the first bytes and the address; `open_it` makes a connection of a newcomer."""

    def __init__(
        self,
        slots: Slots,
        turns: Turns,
        proves: Callable[[bytes, str], bool],
        open_it: Callable[[Newcomer], None],
    ) -> None:
        self._slots = slots
        self._turns = turns
        self._proves = proves
        self._open = open_it
        self._loop = asyncio.get_running_loop()
        self._silent = selectors.DefaultSelector()
        self._heard_by = self._silent.fileno()
        self._loop.add_reader(self._heard_by, self._heard)

    def add(self, newcomer: Newcomer) -> None:
        """Wait for its first bytes."""
        newcomer.slot.silent_since_s = self._loop.time()
        newcomer.slot.end = lambda: self._end(newcomer)
        self._silent.register(newcomer.socket, selectors.EVENT_READ, newcomer)

    def close(self) -> None:
        """Stop waiting."""
        if self._heard_by >= 0:
            self._loop.remove_reader(self._heard_by)
            self._silent.close()
            self._heard_by = -1

    def _heard(self) -> None:
        """Some have sent something, or have gone."""
        for key, _ in self._silent.select(0)[:READY_MAX]:
            self._silent.unregister(key.fileobj)
            self._look_at(key.data)

    def _look_at(self, newcomer: Newcomer) -> None:
        newcomer.slot.silent_since_s = None
        try:
            first = newcomer.socket.recv(PEEKED_BYTES, socket.MSG_PEEK)
        except OSError:
            first = b""
        if not first:
            self._slots.end(newcomer.slot)
            return
        if self._proves(first, newcomer.address):
            newcomer.vouched = True
            newcomer.turn()
        else:
            self._turns.spend(newcomer, PEEKING_S)
            self._turns.offer(newcomer)

    def _end(self, newcomer: Newcomer) -> None:
        with contextlib.suppress(KeyError):
            self._silent.unregister(newcomer.socket)
        newcomer.socket.close()
