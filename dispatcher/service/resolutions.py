"""How unknown requests were resolved, and by whom: read from the lanes' journals, the newest last.

The results store keeps the state, not who decided it; the journal has every Resolved. Only these records are decoded,
so a million others pass in seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from dispatcher.core.ownership import Ownership
from dispatcher.core.ranges import Ranges, total
from dispatcher.errors import LogDamaged
from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from schemas.codec import peek_tag
from schemas.records import Intent, Resolved, ResolvedAs
from schemas.topics import LANE_PARTITIONS, LANES, lane_partition

READ_RECORDS_MAX: Final = 10_000
KEPT_MAX: Final = 100_000
_TAGS: Final = frozenset({"resolved", "owned"})

Progress = Callable[[int], None]
"""Called with the number of records read."""


def silent(records: int) -> None:
    """Does nothing."""


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """One resolution, and the request it was about."""

    partition: int
    resolved: Resolved
    intent: Intent

    @property
    def recipients(self) -> int:
        """How many recipients of the request it is about."""
        return total(self.resolved.ranges) or self.intent.count

    @property
    def chunk(self) -> str:
        """The request's name, as in `unknown list`."""
        return f"{self.partition}:{self.resolved.intent}"


class ListedResolution(msgspec.Struct, frozen=True, kw_only=True):
    """A resolution as a person reads it."""

    at_ms: int
    campaign: str
    chunk: str
    account: str
    recipients: int
    as_: ResolvedAs = msgspec.field(name="as")
    by: str
    why: str
    vendor_id: str


class ResolutionList(msgspec.Struct, frozen=True, kw_only=True):
    """The `newest` resolutions at most, oldest first."""

    newest: int
    resolutions: list[ListedResolution]


def resolution_list(found: Sequence[Resolution], newest: int) -> ResolutionList:
    """The list of these resolutions, as a person reads it."""
    return ResolutionList(newest=newest, resolutions=[_listed(each) for each in found])


def _listed(each: Resolution) -> ListedResolution:
    resolved, intent = each.resolved, each.intent
    return ListedResolution(
        at_ms=resolved.at_ms,
        campaign=intent.campaign,
        chunk=each.chunk,
        account=intent.account,
        recipients=each.recipients,
        as_=resolved.verdict,
        by=resolved.by,
        why=resolved.why,
        vendor_id=resolved.vendor_id,
    )


async def list_resolutions(
    session: Session, campaign: str | None = None, *, newest: int, progress: Progress = silent
) -> list[Resolution]:
    """The newest resolutions, oldest first; of this campaign or of all. Raises UserError, LogError."""
    partitions: Collection[int] = range(LANE_PARTITIONS)
    if campaign is not None:
        view = await view_of(session, campaign)
        partitions = {lane_partition(account) for account in view.accounts}
    return await resolutions(await session.log(), partitions, campaign=campaign, newest=newest, progress=progress)


async def resolutions(
    log: Log, partitions: Collection[int], *, campaign: str | None, newest: int, progress: Progress
) -> list[Resolution]:
    """The newest resolutions of these journals, oldest first; those of one campaign, or of all. Raises LogError.

    Weak spot: one that an earlier answer had made void (its owner was frozen, not dead) is among them.
    """
    found: list[tuple[int, Resolved]] = []
    read = 0
    for partition in sorted(partitions):
        journal, read = await _resolved(log, partition, read, progress)
        found += [(partition, resolved) for resolved in journal]
    found.reverse()  # those of one moment stay in the order of the journal
    found.sort(key=lambda each: (each[1].at_ms, each[1].intent), reverse=True)
    kept: list[Resolution] = []
    for partition, resolved in found:
        intent = record_of(await log.fetch(LANES.name, partition, resolved.intent), LANES.name)
        if isinstance(intent, Intent) and campaign in (None, intent.campaign):
            kept.append(Resolution(partition=partition, resolved=resolved, intent=intent))
            if len(kept) == newest:
                break
    return kept[::-1]


async def _resolved(log: Log, partition: int, read: int, progress: Progress) -> tuple[deque[Resolved], int]:
    """The valid resolutions of a journal: the first of each intent, or of each part of it, by the lane's owner."""
    ownership, found, seen = Ownership(), deque[Resolved](maxlen=KEPT_MAX), set[tuple[int, Ranges]]()
    begin = offset = await _first_kept(log, partition)
    while records := await log.read(LANES.name, partition, offset, records_max=READ_RECORDS_MAX):
        for stored in records:
            if peek_tag(stored.value) not in _TAGS:
                continue
            record = record_of(stored, LANES.name)
            if not ownership.valid(record) or not isinstance(record, Resolved):
                continue
            if (record.intent, record.ranges) in seen:
                continue
            seen.add((record.intent, record.ranges))
            if record.intent >= begin:
                found.append(record)
        offset = records[-1].offset + 1
        read += len(records)
        progress(read)
    return found, read


async def _first_kept(log: Log, partition: int) -> int:
    """The first offset that is still kept."""
    if await _is_there(log, partition, 0):
        return 0
    low, high = 1, await log.end(LANES.name, partition)
    while low < high:
        middle = (low + high) // 2
        if await _is_there(log, partition, middle):
            high = middle
        else:
            low = middle + 1
    return low


async def _is_there(log: Log, partition: int, offset: int) -> bool:
    try:
        await log.read(LANES.name, partition, offset, records_max=1)
    except LogDamaged:
        return False
    return True
