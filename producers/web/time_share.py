"""The event loop's time for strangers: a share of it, in turns, so that lanes and vendors keep theirs.

A stranger is a connection whose client has not proved who it is. It is charged: measured time for parsing, a flat
charge for what cannot be measured (system calls, aiohttp's work for a request). While the share is used up, strangers
are not read; then the cheapest come first, of these the newest. So a new client is read before those that flood us, and
its cost is given back when it proves who it is.

The share is of the time that this process really gets: ticks of the event loop grant it, less if the loop is late, and
less if the process waits for a processor (measured on Linux).
"""

from __future__ import annotations

import asyncio
import heapq
import time
from pathlib import Path
from typing import Final, Protocol

OPENING_S: Final = 0.0003
"""The cost of opening and closing a connection."""
HANDSHAKE_S: Final = 0.002
"""The additional cost with TLS."""
READING_S: Final = 0.00003
REQUEST_S: Final = 0.0002

TICK_S: Final = 0.01
TICKS_PER_LOOK: Final = 10
"""How often the process's wait for a processor is measured."""
SCHEDULED: Final = Path("/proc/thread-self/schedstat")
BURST_S: Final = 0.1
"""The most time that may be spent at once after a quiet period."""
SLICE_S: Final = 0.002
"""How long turns are given before the event loop continues with other work."""


class Client(Protocol):
    """A client that waits for a turn."""

    spent_s: float
    """Its cost so far."""
    free_s: float
    """The cost that it may cause even while the share is used up."""
    serial: int
    queued: bool

    def turn(self) -> bool:
        """Parse a little of what it sent; returns whether more is left."""


class Turns:
    """Spends `share` of the time on strangers."""

    def __init__(self, share: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._share = self._share_of_all = share
        self._ticks = 0
        self._scheduled = _scheduled()
        self._left_s = BURST_S
        self._waiting: list[tuple[float, int, Client]] = []
        self._tick_handle: asyncio.TimerHandle | None = None
        self._give_handle: asyncio.Handle | None = None

    @property
    def open(self) -> bool:
        """Whether strangers may take more time now."""
        return self._left_s > 0

    def spend(self, client: Client, cost_s: float) -> None:
        """Charge a client."""
        client.spent_s += cost_s
        self._left_s -= cost_s
        if self._tick_handle is None:
            self._tick_handle = self._loop.call_later(TICK_S, self._tick)

    def give_back(self, client: Client) -> None:
        """It is not a stranger: give its cost back."""
        self._left_s = min(BURST_S, self._left_s + client.spent_s)
        client.spent_s = 0.0

    def offer(self, client: Client) -> None:
        """Give a client its turn, now or when it is due."""
        if client.queued:
            return
        if (client.spent_s < client.free_s or (self.open and not self._waiting)) and not client.turn():
            return
        self.queue(client)

    def queue(self, client: Client) -> None:
        """Give a client its turn in another round of the event loop."""
        if client.queued:
            return
        client.queued = True
        heapq.heappush(self._waiting, (client.spent_s, -client.serial, client))
        self._schedule()

    def close(self) -> None:
        """No more turns."""
        for handle in (self._tick_handle, self._give_handle):
            if handle is not None:
                handle.cancel()
        self._waiting.clear()

    def _tick(self) -> None:
        """Grant the share of one tick, even if it is late."""
        self._left_s = min(BURST_S, self._left_s + self._share * TICK_S)
        self._ticks += 1
        if self._ticks % TICKS_PER_LOOK == 0:
            self._look()
        full = self._left_s >= BURST_S
        self._tick_handle = None if full else self._loop.call_later(TICK_S, self._tick)
        self._schedule()

    def _look(self) -> None:
        """Adapt the share to the time that the process gets."""
        ran, waited = self._scheduled
        self._scheduled = _scheduled()
        ran, waited = self._scheduled[0] - ran, self._scheduled[1] - waited
        self._share = self._share_of_all * (ran / (ran + waited) if ran > 0 else 1.0)

    def _schedule(self) -> None:
        if self._waiting and self.open and self._give_handle is None:
            self._give_handle = self._loop.call_soon(self._give)

    def _give(self) -> None:
        self._give_handle = None
        until_s = time.perf_counter() + SLICE_S
        again: list[Client] = []
        while self._waiting and self.open and time.perf_counter() < until_s:
            _, _, client = heapq.heappop(self._waiting)
            client.queued = False
            if client.turn():
                again.append(client)
        for client in again:
            self.queue(client)
        self._schedule()


def _scheduled() -> tuple[int, int]:
    """How long this thread has run and has waited for a processor, in nanoseconds; zeros if unknown."""
    try:
        ran, waited, _ = SCHEDULED.read_text().split()
        return int(ran), int(waited)
    except (OSError, ValueError):
        return 0, 0
