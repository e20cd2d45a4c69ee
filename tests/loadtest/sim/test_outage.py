"""A vendor whose gateway dies and comes back: connections reset, nobody listening, the ledger still there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest

from dispatcher.errors import ConfigError
from tests.loadtest.sim.sim_kit import NOW, Vendor, numbers, receiver, vendor
from tests.waiting import patience, until

OUTAGE_S = 0.05


def lasting(v: Vendor) -> Callable[[], Awaitable[None]]:
    """Let the next outage last until what is returned is called, however late this test looks."""
    due: list[tuple[Any, ...]] = []
    come_back = v.sim._return
    v.sim._return = lambda *arguments: due.append(arguments)  # type: ignore[method-assign]

    async def end() -> None:
        await until(lambda: due)
        come_back(*due[0])

    return end


async def dead(v: Vendor) -> None:
    """Wait until nobody listens."""
    async with patience():
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", int(v.sim.url.rpartition(":")[2]))
                writer.close()
            except ConnectionRefusedError:
                return
            await asyncio.sleep(0.005)


async def test_a_request_under_way_is_taken_and_gets_no_answer_and_the_next_finds_nobody() -> None:
    async with vendor(latency_s=5.0) as v:
        sending = asyncio.create_task(v.send())
        await until(lambda: v.sim.state.in_work == 1)
        end = lasting(v)
        v.sim.outage(OUTAGE_S)
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await sending
        await dead(v)
        await end()
        assert not v.sim.state.down
        assert (await v.account())["numbers_accepted"] == 1
        v.sim.configure(latency_s=0.0)
        assert (await v.send(mobile="13800138001")).code == "0"
        assert (await v.account())["numbers_accepted"] == 2


async def test_what_falls_due_meanwhile_is_pushed_after_the_return() -> None:
    async with receiver() as pushed, vendor({"report_url": pushed.url}, **NOW) as v:
        was_down: list[bool] = []
        pushed.answer = lambda _: was_down.append(v.sim.state.down) or 200  # type: ignore[func-returns-value]
        await v.send(mobile=numbers(20))
        await pushed.have(20)
        await until(lambda: v.sim.state.ledger.books["spring"].reports_acked == 20)
        v.sim.outage(5.0)
        await until(lambda: v.sim.state.down)
        assert v.sim.control.repeat("spring") == 20, "all of them are due while it is down"
        await pushed.have(40)
        assert was_down == [False] * 40


async def test_an_outage_can_be_asked_for_and_is_answered_before_it_begins() -> None:
    async with vendor(**NOW) as v:
        end = lasting(v)
        answer = await v.call("/_sim/outage", b'{"seconds": 0.2}', "POST")
        assert (answer.status, answer.text.split()) == (200, ["{", '"down_s":', "0.2", "}"])
        await dead(v)
        await end()
        assert not v.sim.state.down
        assert (await v.send()).code == "0"


@pytest.mark.parametrize("seconds", [0, -1, True, "5", 1e9])
async def test_an_outage_of_no_sensible_time_is_refused(seconds: object) -> None:
    async with vendor() as v:
        with pytest.raises(ConfigError, match="seconds must be a number above 0"):
            v.sim.control.outage(seconds)
