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


async def told(groups: Groups[int], *pushes: list[int]) -> list[str]:
    """What each push is told at last: `ok`, or the kind of failure."""
    answers: list[str | None] = [None] * len(pushes)

    def answer(at: int, failure: Exception | None) -> None:
        assert answers[at] is None
        answers[at] = "ok" if failure is None else type(failure).__name__

    for at, items in enumerate(pushes):
        groups.add(items, lambda failure, at=at: answer(at, failure))  # type: ignore[misc]
    await groups.drained()
    return [answer or "nothing" for answer in answers]


def stored(log: MemoryLog) -> list[int]:
    return [int(record.value) for record in log.records[INBOUND.name, 0]]


async def test_what_comes_together_is_appended_together():
    log = MemoryLog()
    groups = Groups(log, INBOUND.name, 0, pack)
    assert await told(groups, *[[number] for number in range(10)]) == ["ok"] * 10
    assert stored(log) == list(range(10))
    assert log.appends == groups.appends == 1


async def test_a_push_that_cannot_be_packed_fails_alone():
    log = MemoryLog()
    pushes = [[number] for number in range(40)]
    answers = await told(Groups(log, INBOUND.name, 0, pack), *pushes)
    assert answers == ["ValueError" if number == 13 else "ok" for number in range(40)]
    assert stored(log) == [number for number in range(40) if number != 13]
    assert log.appends < 10


async def test_so_does_one_whose_first_step_fails():
    log = MemoryLog()
    led: list[int] = []

    async def first(items: list[int]) -> None:
        await asyncio.sleep(0)
        if 7 in items:
            raise TypeError("7")
        led.extend(items)

    answers = await told(Groups(log, INBOUND.name, 0, pack, first), *[[number] for number in range(10)])
    assert answers == ["TypeError" if number == 7 else "ok" for number in range(10)]
    assert stored(log) == led == [number for number in range(10) if number != 7]


async def test_a_log_that_fails_fails_the_whole_group_and_what_is_to_be_read_alone_is_told_so_at_once():
    log = MemoryLog()
    log.failures.append((LogTimeout("late"), False))
    groups = Groups(log, INBOUND.name, 0, pack)
    assert await told(groups, [1], [2], [3]) == ["LogTimeout"] * 3
    assert await told(groups, [1], [99], [2]) == ["ReadAlone"] * 3
    assert log.appends == 1
    assert await told(groups, [99]) == ["ok"]
    assert stored(log) == [99]


async def test_one_whose_answer_fails_keeps_no_other_from_its_own():
    log = MemoryLog()
    groups = Groups(log, INBOUND.name, 0, pack)
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
    broken = ZeroDivisionError()

    def answers_badly(failure: Exception | None) -> None:
        raise broken

    groups.add([1], answers_badly)
    assert await told(groups, [2]) == ["ok"]
    assert failures == [broken]
