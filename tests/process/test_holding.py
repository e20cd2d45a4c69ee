"""A role that holds partitions ends with the error of a reader that it depends on."""

from __future__ import annotations

import asyncio

import pytest

from dispatcher.process.holding import hold
from schemas.topics import CAMPAIGNS
from tests.memory_log import MemoryLog


async def held(*readers, stop: asyncio.Event) -> list[frozenset[int]]:
    given: list[frozenset[int]] = []

    async def takes(partitions: frozenset[int]) -> None:
        given.append(partitions)

    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    await hold(MemoryLog(), "test", CAMPAIGNS.name, takes, takes, readers=readers, failed=failed, stop=stop)
    return given


async def reads_until_cancelled(ended: list[str]) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append("cancelled")


@pytest.mark.parametrize("error", [ValueError("it broke"), None], ids=["with an error", "by itself"])
async def test_a_reader_that_ends_ends_the_role(error: Exception | None):
    async def ends() -> None:
        if error is not None:
            raise error

    others: list[str] = []
    with pytest.raises(ValueError if error is not None else RuntimeError):
        await held(ends(), reads_until_cancelled(others), stop=asyncio.Event())
    assert others == ["cancelled"]


async def test_a_role_that_is_told_to_stop_gives_back_what_it_holds():
    stop = asyncio.Event()
    readers: list[str] = []
    asyncio.get_running_loop().call_later(0.05, stop.set)
    await held(reads_until_cancelled(readers), stop=stop)
    assert readers == ["cancelled"]
