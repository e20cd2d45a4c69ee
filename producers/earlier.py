"""Was a campaign launched before? The first `Launched` record of an id is the one that counts."""

from __future__ import annotations

from dispatcher.errors import LogDamaged, LogNewer
from dispatcher.log.port import Log
from schemas.codec import BrokenRecord, NewerRecord, decode
from schemas.records import Launched
from schemas.topics import CAMPAIGNS


async def find_launched(log: Log, campaign: str) -> Launched | None:
    """The launch of this id that counts: the first one. Raises LogError."""
    wanted, offset = f"{campaign}#".encode(), 0
    while records := await log.read(CAMPAIGNS.name, 0, offset):
        for stored in records:
            if not stored.key.startswith(wanted):
                continue
            try:
                record = decode(stored.value)
            except NewerRecord as error:
                raise LogNewer(f"the log at {log.url} is of a newer release ({error}). Upgrade dispatcher.") from error
            except BrokenRecord as error:
                raise LogDamaged(
                    f"campaigns: the record at offset {stored.offset} cannot be read ({error})."
                ) from error
            if isinstance(record, Launched):
                return record
        offset = records[-1].offset + 1
    return None
