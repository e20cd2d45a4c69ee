"""What the balance says of unknown requests, as their lane noted it in its journal
(dispatcher/core/results/balance_hint.py).

A hint for people, shown beside the evidence and never used alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from dispatcher.log.port import Log
from dispatcher.log.records import record_of
from dispatcher.service.resolutions import READ_RECORDS_MAX, first_kept
from dispatcher.service.unknowns import Doubt
from schemas.codec import peek_tag
from schemas.records import BalanceTold
from schemas.topics import LANES

NOTED_WITHIN_MS: Final = 3_600_000
"""A lane at work notes it at the first answer; one that was down when its balance was told may be later than this."""


async def with_hints(log: Log, found: Sequence[Doubt]) -> list[Doubt]:
    """The same requests, each with what the balance says of it, if anything. Raises LogError."""
    hints: dict[tuple[int, int], BalanceTold] = {}
    for partition in sorted({doubt.chunk.partition for doubt in found}):
        here = [doubt.chunk for doubt in found if doubt.chunk.partition == partition]
        first = max(await first_kept(log, partition), min(chunk.intent for chunk in here))
        until_ms = max(chunk.since_ms for chunk in here) + NOTED_WITHIN_MS
        wanted = {chunk.intent for chunk in here}
        hints |= {(partition, intent): hint for intent, hint in (await _hints(log, partition, first, until_ms, wanted))}
    return [replace(doubt, hint=hints.get((doubt.chunk.partition, doubt.chunk.intent))) for doubt in found]


async def _hints(
    log: Log, partition: int, offset: int, until_ms: int, wanted: set[int]
) -> list[tuple[int, BalanceTold]]:
    found = []
    while wanted and (records := await log.read(LANES.name, partition, offset, records_max=READ_RECORDS_MAX)):
        for stored in records:
            record = record_of(stored, LANES.name) if peek_tag(stored.value) == "balance-told" else None
            if isinstance(record, BalanceTold):
                named = wanted.intersection(record.intents)
                found += [(intent, record) for intent in named]
                wanted = wanted - named
        if records[-1].at_ms > until_ms:
            break
        offset = records[-1].offset + 1
    return found
