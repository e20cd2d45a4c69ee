"""Was a campaign launched before? The first `Launched` record of an id is the one that counts."""

from __future__ import annotations

from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from schemas.records import Launched
from schemas.topics import CAMPAIGNS


async def find_launched(log: Log, campaign: str) -> Launched | None:
    """The launch of this id that counts: the first one. Raises LogError."""
    wanted, offset = f"{campaign}#".encode(), 0
    while records := await log.read(CAMPAIGNS.name, 0, offset):
        for stored in records:
            if not stored.key.startswith(wanted):
                continue
            record = record_of(stored, CAMPAIGNS.name)
            if isinstance(record, Launched):
                return record
        offset = records[-1].offset + 1
    return None
