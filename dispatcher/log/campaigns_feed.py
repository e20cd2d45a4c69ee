"""Reads the topic `campaigns` into its fold (dispatcher/core/campaigns.py), once or for as long as a process runs.

Nothing else reads that topic to its end, except the query book (dispatcher/accounts/ask_book.py), which needs the
offsets and the log's own times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from dispatcher.core.campaigns import Campaigns
from dispatcher.log.port import Log, StoredRecord
from dispatcher.log.records import record_of
from schemas.topics import CAMPAIGNS

Listener = Callable[[str], None]


class CampaignsFeed:
    """`campaigns` is current up to the last record read; listeners are called with the id of each changed campaign."""

    def __init__(self, log: Log) -> None:
        self._log: Final = log
        self.campaigns: Final = Campaigns()
        self._listeners: list[Listener] = []
        self._position = 0

    async def catch_up(self) -> None:
        """Read everything there is now."""
        while records := await self._log.read(CAMPAIGNS.name, 0, self._position):
            self._apply(records)

    async def follow(self) -> None:
        """Follow for ever. Raises LogError."""
        async for records in self._log.follow(CAMPAIGNS.name, 0, self._position):
            self._apply(records)
            await asyncio.sleep(0)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` for every change from now on; returns the call that ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _apply(self, records: list[StoredRecord]) -> None:
        for stored in records:
            self._position = stored.offset + 1
            changed = self.campaigns.apply(stored.offset, record_of(stored, CAMPAIGNS.name))
            if changed is not None:
                for listener in list(self._listeners):
                    listener(changed)


async def read_campaigns(log: Log) -> Campaigns:
    """The topic's fold now. Raises LogError."""
    feed = CampaignsFeed(log)
    await feed.catch_up()
    return feed.campaigns
