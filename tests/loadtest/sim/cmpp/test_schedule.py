"""The schedule of what the simulated CMPP gateway does later."""

from __future__ import annotations

import asyncio
import time

import pytest
import uvloop

from loadtest.sim.cmpp.schedule import Schedule

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


class StoppedClock:
    """It stands until `go`: what is scheduled before counts from one moment, however slow the machine is."""

    def __init__(self) -> None:
        self._stopped_s: float | None = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() if self._stopped_s is None else self._stopped_s

    def go(self) -> None:
        self._stopped_s = None


@pytest.mark.parametrize("loop", LOOPS)
def test_calls_come_in_their_order_however_soon_they_are(loop: str) -> None:
    came: list[int] = []
    clock = StoppedClock()

    async def schedule() -> None:
        schedule = Schedule(clock=clock)
        done = asyncio.Event()
        for place, delay_s in enumerate((0.003, 0.00001, 0.001, 0.0, 0.00002)):
            schedule.after(delay_s, came.append, place)
        schedule.after(0.003, done.set)
        clock.go()
        await done.wait()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(schedule())
    assert came == [3, 1, 4, 2, 0]
