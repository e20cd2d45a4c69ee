"""Our log's count of a day's messages on links: each counts once, whatever the log repeats or learns later."""

from __future__ import annotations

from array import array
from datetime import datetime

import pytest

from dispatcher.log.port import Entry
from dispatcher.service.vendor_requests.gateway_totals import OurCounts, our_counts
from dispatcher.wording import SHANGHAI
from schemas.codec import encode
from schemas.records import Effect, Kind, Outcomes, Run
from schemas.topics import LANES, lane_partition
from tests.memory_log import MemoryLog

DAY = datetime(2026, 1, 31, tzinfo=SHANGHAI)
NOON_MS = round(DAY.timestamp() * 1000) + 12 * 3_600_000


def told(effect: Effect, ids: list[int], *, start: int = 0, parts: int = 1, kind: Kind = Kind.ACCEPTED) -> Outcomes:
    run = Run(start, len(ids) // parts, effect, kind)
    packed = array("Q", ids).tobytes()
    return Outcomes(account="polar", intent=7, runs=(run,), at_ms=NOON_MS, sent_ms=NOON_MS, ids=packed, parts=parts)


CASES = {
    "once": ([told(Effect.ACCEPTED, [1, 2])], OurCounts(taken=2)),
    "a fact that was appended twice": ([told(Effect.ACCEPTED, [1, 2])] * 2, OurCounts(taken=2)),
    "taken in part": ([told(Effect.UNKNOWN, [1, 0, 3], parts=3)], OurCounts(taken=2, unknown=1)),
    "and the rest answered late": (
        [told(Effect.UNKNOWN, [1, 0, 3], parts=3), told(Effect.ACCEPTED, [1, 2, 3], parts=3)],
        OurCounts(taken=3),
    ),
    "unknown, then refused late": (
        [told(Effect.UNKNOWN, [0, 0]), told(Effect.FAILED, [0], start=1, kind=Kind.REJECTED)],
        OurCounts(unknown=1, refused=1),
    ),
    "too fast": ([told(Effect.QUEUED, [0, 0], kind=Kind.THROTTLED)], OurCounts(throttled=2)),
    "never written": ([told(Effect.QUEUED, [0, 0], kind=Kind.NOT_SENT)], OurCounts()),
}


@pytest.mark.parametrize(("records", "expected"), CASES.values(), ids=CASES)
async def test_each_message_counts_once(records: list[Outcomes], expected: OurCounts) -> None:
    log = MemoryLog()
    entries = [Entry(b"polar", encode(record)) for record in records]
    await log.append(LANES.name, lane_partition("polar"), entries)
    assert await our_counts(log, "polar", DAY) == expected
