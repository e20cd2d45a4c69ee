"""A balance book's world in virtual time: sleeping takes none, and every process has a wall clock of its own."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from contextvars import ContextVar
from types import SimpleNamespace
from typing import Any, Final

from dispatcher.log.port import StoredRecord
from schemas.codec import decode
from schemas.records import BalanceAsked
from schemas.topics import CAMPAIGNS
from tests.memory_log import MemoryLog

EPOCH_S: Final = 1_700_000_000.0


class VirtualLoop(asyncio.SelectorEventLoop):
    """Jumps to the next timer whenever nothing is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        timers = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        if timers and not self._ready:  # type: ignore[attr-defined]
            self.now_s = max(self.now_s, min(timers))
        super()._run_once()  # type: ignore[misc]


skew_s: ContextVar[float] = ContextVar("skew_s", default=0.0)
"""How wrong the wall clock of the process is that a task belongs to."""

CLOCK: Final = SimpleNamespace(
    monotonic=lambda: asyncio.get_running_loop().time(),
    time_ns=lambda: int((EPOCH_S + skew_s.get() + asyncio.get_running_loop().time()) * 1e9),
)


class TimedLog(MemoryLog):
    """Its own clock writes the times; appends and reads take a while."""

    def __init__(self, dice: random.Random | None = None) -> None:
        super().__init__()
        self._dice = dice

    async def append(self, topic: str, partition: int, entries: Any) -> list[int]:
        await self._pause()
        offsets = await super().append(topic, partition, entries)
        await self._pause()
        return offsets

    async def read(self, *args: Any, **keys: Any) -> list[StoredRecord]:
        await self._pause()
        return await super().read(*args, **keys)

    def _write(self, topic: str, partition: int, entries: Any) -> list[int]:
        token = skew_s.set(0.0)
        try:
            return super()._write(topic, partition, entries)
        finally:
            skew_s.reset(token)

    async def _pause(self) -> None:
        if self._dice is not None:
            await asyncio.sleep(self._dice.uniform(0, 0.05))

    def asks(self) -> list[BalanceAsked]:
        return [decode(each.value) for each in self.records[CAMPAIGNS.name, 0]]  # type: ignore[misc]


def virtually(work: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


def now_s() -> float:
    """The virtual time."""
    return asyncio.get_running_loop().time()
