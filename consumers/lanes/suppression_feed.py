"""Reads the suppression list again and again, for all lanes of this process (dispatcher/core/lane/suppressed.py).

It reads twice a second, so an opt-out counts for chunks that are announced from then on; more seldom where the list is
so long that taking in a change would cost more than a tenth of the time. When it cannot read, it tries
again for ever; after a minute without a reading the lanes announce nothing (AGE_MAX_S) and say why.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.suppressed import Suppressed
from dispatcher.errors import DispatcherError
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.suppression.list import SuppressionList

EVERY_S: Final = 0.5
PAUSE: Final = 10
"""The pause after a reading is at least this many times as long as it took, and at most LONGEST_S."""

LONGEST_S: Final = 15.0
AGAIN: Final = Backoff(1.0, 10.0)

Listener = Callable[[], None]


class SuppressionFeed:
    """`suppressed` is what was read; listeners are called when it changed, and when it can be read again."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log
        self.suppressed: Final = Suppressed()
        self._list: SuppressionList | None = None
        self._listeners: list[Listener] = []
        self._failures = 0

    def listen(self, listener: Listener) -> Listener:
        """Call `listener` from now on; returns the call that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def run(self) -> None:
        """Read for ever."""
        while True:
            began_s = time.monotonic()
            try:
                await self._read()
            except DispatcherError as error:
                self._failures += 1
                get_logger("lanes").error("the suppression list was not read", error=str(error))
                self._list = None  # which changes it took before it failed is not known
            took_s = time.monotonic() - began_s
            pause_s = min(max(EVERY_S, PAUSE * took_s), LONGEST_S)
            await asyncio.sleep(AGAIN.pause_s(self._failures) if self._failures else pause_s)

    async def _read(self) -> None:
        """Read what the log has now. Raises LogError, LogDamaged and LogNewer."""
        began_s = time.monotonic()
        was_current = self.suppressed.is_current(began_s)
        known = self._list
        reading = self._list = known or SuppressionList()
        touched = await reading.read_changes(self._log)
        self._failures = 0
        self.suppressed.read(reading.listing.numbers, None if known is None else touched, began_s)
        if known is None or len(touched) or not was_current:
            for listener in list(self._listeners):
                listener()
