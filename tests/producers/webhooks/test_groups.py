"""Pushes gather while the log is busy and go in one piece; who fails, fails alone."""

from __future__ import annotations

import asyncio

from dispatcher.errors import LogTimeout
from dispatcher.log.port import Entry
from producers.webhooks.groups import Groups, ReadAlone
from schemas.topics import INBOUND
from tests.memory_log import MemoryLog


def pack(items: list[int]) -> list[Entry]:
    """One entry each; 13 cannot be packed, and of 99 in company each has to be read alone."""
    if 13 in items:
        raise ValueError("13")
    if 99 in items and len(items) > 1:
        raise ReadAlone
    return [Entry(b"spring", b"%d" % item) for item in items]


async def answers(groups: Groups[int], *pushes: list[int]) -> list[str]:
    """What each push is told at last: `ok`, or the kind of failure."""
    waiting = [groups.add(items) for items in pushes]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    return ["ok" if each is None else type(each).__name__ for each in found]


def stored(log: MemoryLog) -> list[int]:
    return [int(record.value) for record in log.records[INBOUND.name, 0]]


async def test_what_comes_together_is_appended_together():
    log = MemoryLog()
    groups = Groups(log, INBOUND.name, 0, pack)
    assert await answers(groups, *[[number] for number in range(10)]) == ["ok"] * 10
    assert stored(log) == list(range(10))
    assert log.appends == groups.appends == 1


async def test_a_push_that_cannot_be_packed_fails_alone():
    log = MemoryLog()
    pushes = [[number] for number in range(40)]
    found = await answers(Groups(log, INBOUND.name, 0, pack), *pushes)
    assert found == ["ValueError" if number == 13 else "ok" for number in range(40)]
    assert stored(log) == [number for number in range(40) if number != 13]
    assert log.appends < 10


async def test_a_push_whose_first_step_fails_fails_alone():
    log = MemoryLog()
    led: list[int] = []

    async def first(items: list[int]) -> None:
        await asyncio.sleep(0)
        if 7 in items:
            raise TypeError("7")
        led.extend(items)

    found = await answers(Groups(log, INBOUND.name, 0, pack, first), *[[number] for number in range(10)])
    assert found == ["TypeError" if number == 7 else "ok" for number in range(10)]
    assert stored(log) == led == [number for number in range(10) if number != 7]


async def test_a_log_that_fails_fails_the_whole_group_and_what_is_to_be_read_alone_is_told_so_at_once():
    log = MemoryLog()
    log.failures.append((LogTimeout("late"), False))
    groups = Groups(log, INBOUND.name, 0, pack)
    assert await answers(groups, [1], [2], [3]) == ["LogTimeout"] * 3
    assert await answers(groups, [1], [99], [2]) == ["ReadAlone"] * 3
    assert log.appends == 1
    assert await answers(groups, [99]) == ["ok"]
    assert stored(log) == [99]


async def test_a_push_whose_sender_has_gone_keeps_no_other_from_its_answer():
    log = MemoryLog()
    groups = Groups(log, INBOUND.name, 0, pack)
    gone = groups.add([1])
    gone.cancel()
    assert await answers(groups, [2]) == ["ok"]
    await groups.drained()
    assert stored(log) == [1, 2]
