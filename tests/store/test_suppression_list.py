"""The suppression list on the log: read from a snapshot or from the beginning, it is the same list."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import LogDamaged, LogNewer
from dispatcher.log.port import Entry
from dispatcher.suppression import list as suppression_list
from dispatcher.suppression.list import SuppressionList, put, snapshot_if_due
from schemas.codec import VERSION, decode, encode
from schemas.records import SuppressionOrigin, SuppressionSnapshotAt
from tests.memory_log import MemoryLog

N = 13_800_138_000


async def changed(log: MemoryLog, *numbers: int, adds: bool = True, by: str = "ann", at_ms: int = 5000) -> None:
    await put(log, np.array(numbers, np.int64), adds=adds, source="person", by=by, why="asked", at_ms=at_ms)


async def read(log: MemoryLog, *, detailed: bool = False) -> SuppressionList:
    found = SuppressionList(detailed=detailed)
    await found.read_on(log)
    return found


async def test_what_was_put_on_is_read_and_what_was_taken_off_is_not():
    log = MemoryLog()
    await changed(log, N + 1, N, N, by="ann", at_ms=5000)
    await changed(log, N + 1, N + 2, by="bob", at_ms=6000)
    await changed(log, N, adds=False)
    found = await read(log, detailed=True)
    assert found.listing.numbers.tolist() == [N + 1, N + 2]
    assert found.listing.times.tolist() == [5, 6]
    assert [found.origin(at) for at in (0, 1)] == [
        SuppressionOrigin("person", "ann", "asked"),
        SuppressionOrigin("person", "bob", "asked"),
    ]
    assert (await read(log)).listing.numbers.tolist() == [N + 1, N + 2]


async def test_reading_on_tells_the_numbers_that_came_and_stayed():
    log = MemoryLog()
    await changed(log, N)
    found = SuppressionList()
    assert (await found.read_on(log)).tolist() == [N]
    assert (await found.read_on(log)).tolist() == []
    await changed(log, N + 1, N + 2)
    await changed(log, N + 2, adds=False)
    assert (await found.read_on(log)).tolist() == [N + 1]
    assert found.listing.numbers.tolist() == [N, N + 1]


async def test_an_import_of_many_is_cut_into_records_and_repeating_it_changes_nothing(monkeypatch):
    monkeypatch.setattr(suppression_list, "NUMBERS_MAX", 10)
    monkeypatch.setattr(suppression_list, "FOLD_NUMBERS", 25)
    log = MemoryLog()
    many = [N + 3 * step for step in range(95)]
    for _ in range(2):
        await changed(log, *many)
    assert len(log.records["suppression", 0]) == 20
    assert (await read(log)).listing.numbers.tolist() == many


STEPS = st.lists(
    st.one_of(st.tuples(st.sets(st.integers(0, 15), max_size=6), st.booleans()), st.just("snapshot"), st.just("read")),
    max_size=15,
)


@given(STEPS)
def test_snapshots_do_not_change_the_list(steps):
    async def story() -> None:
        log, reading = MemoryLog(), SuppressionList()
        known: set[int] = set()
        for step in steps:
            if step == "snapshot":
                await snapshot_if_due(log)
            elif step == "read":
                await reading.read_on(log)
                assert reading.listing.numbers.tolist() == sorted(known)
            else:
                numbers, adds = step
                await changed(log, *(N + number for number in numbers), adds=adds)
                known = known | {N + n for n in numbers} if adds else known - {N + n for n in numbers}
        from_the_beginning = MemoryLog()
        from_the_beginning.records["suppression", 0] = log.records["suppression", 0]
        whole, short = await read(from_the_beginning, detailed=True), await read(log, detailed=True)
        assert whole.listing.numbers.tolist() == short.listing.numbers.tolist() == sorted(known)
        assert whole.listing.times.tolist() == short.listing.times.tolist()
        origins = [[each.origin(at) for at in range(len(known))] for each in (whole, short)]
        assert origins[0] == origins[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression_list, "SNAPSHOT_AFTER_RECORDS", 1)
        patch.setattr(suppression_list, "PIECE_NUMBERS", 4)
        patch.setattr(suppression_list, "FOLD_NUMBERS", 3)
        asyncio.run(story())


async def test_a_snapshot_is_read_instead_of_what_is_before_it(monkeypatch):
    monkeypatch.setattr(suppression_list, "SNAPSHOT_AFTER_RECORDS", 3)
    log = MemoryLog()
    for number in range(4):
        assert not await snapshot_if_due(log)
        await changed(log, N + number)
    assert await snapshot_if_due(log)
    assert not await snapshot_if_due(log)
    before = [stored.offset for stored in log.records["suppression", 0][:4]]
    monkeypatch.setattr(log, "read", watched(log, forbidden=before))
    await changed(log, N + 9)
    assert (await read(log)).listing.numbers.tolist() == [N, N + 1, N + 2, N + 3, N + 9]


def watched(log, forbidden):
    read = log.read

    async def reading(topic, partition, offset, **bounds):
        assert topic != "suppression" or offset not in forbidden
        return await read(topic, partition, offset, **bounds)

    return reading


async def test_a_snapshot_that_is_not_whole_is_passed_over(monkeypatch):
    monkeypatch.setattr(suppression_list, "SNAPSHOT_AFTER_RECORDS", 0)
    log = MemoryLog()
    await changed(log, N)
    assert await snapshot_if_due(log)
    (stored,) = log.records["campaigns", 0]
    at = decode(stored.value)
    assert isinstance(at, SuppressionSnapshotAt)
    broken = SuppressionSnapshotAt(snapshot=at.snapshot, upto=at.upto, parts=2, numbers=100)
    await log.append("campaigns", 0, [Entry(stored.key, encode(broken))])
    assert (await read(log)).listing.numbers.tolist() == [N]


@pytest.mark.parametrize(
    ("value", "error", "says"),
    [
        (b"\x01rubbish", LogDamaged, "offset 1 cannot be read"),
        (bytes([VERSION + 1]) + b"?", LogNewer, "newer release"),
    ],
)
async def test_a_list_that_cannot_be_read_is_not_taken_for_an_empty_one(value, error, says):
    log = MemoryLog()
    await changed(log, N)
    await log.append("suppression", 0, [Entry(b"", value)])
    with pytest.raises(error, match=says):
        await read(log)
    log.records["suppression", 0].pop()
    await put(log, np.array([N], np.int64), adds=True, source="person", by="ann", why="", at_ms=1)
    assert (await read(log)).listing.numbers.tolist() == [N]
