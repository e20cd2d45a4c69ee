"""A log in memory that holds a history, or is written like any other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

from dispatcher.log.port import Stored
from tests.memory_log import MemoryLog
from tests.store.joined_history import History


class HistoryLog(MemoryLog):
    """See `dispatcher.log.port.Log`."""

    def __init__(self, history: History | None = None) -> None:
        super().__init__()
        for place, records in history.records.items() if history is not None else ():
            self.records[place] = list(records)

    async def follow(self, topic: str, partition: int, offset: int) -> AsyncGenerator[list[Stored], None]:
        following = cast("AsyncGenerator[list[Stored], None]", super().follow(topic, partition, offset))
        async with aclosing(following):
            async for records in following:
                yield records

    async def maintain(self, now_ms: int) -> int:
        return 0
