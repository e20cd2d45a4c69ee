"""Pushes on their way into the log: while one append is under way the next group gathers, then goes in one piece.

A push waits for at most two appends; under load thousands share one. Nobody is answered before the log has said that
the group is durable, and a log that fails fails the whole group: the vendor pushes again, and the joiner counts once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from dispatcher.log.port import Entry, Log

Item = TypeVar("Item")


class ReadAlone(Exception):
    """What a `pack` raises that cannot read a group at once: each of it has to be read by itself."""


class Groups(Generic[Item]):
    """Items of one account, appended to one partition in groups. `pack` makes the entries of a group.

    `first` is what must be durable before a group is appended.
    """

    def __init__(
        self,
        log: Log,
        topic: str,
        partition: int,
        pack: Callable[[list[Item]], list[Entry]],
        first: Callable[[list[Item]], Awaitable[None]] | None = None,
    ) -> None:
        self._log = log
        self._topic = topic
        self._partition = partition
        self._pack = pack
        self._first = first
        self._loop = asyncio.get_running_loop()
        self._items: list[Item] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._appending: asyncio.Task[None] | None = None
        self.appends = 0

    def add(self, items: Sequence[Item]) -> asyncio.Future[None]:
        """Put items into the gathering group. The future is done when they are durable, or raises what the log did."""
        durable = self._loop.create_future()
        self._items.extend(items)
        self._waiting.append(durable)
        if self._appending is None:
            self._appending = self._loop.create_task(self._append())
        return durable

    async def drained(self) -> None:
        """Wait until nothing is gathered or under way."""
        while self._appending is not None:
            await asyncio.wait([self._appending])

    async def _append(self) -> None:
        try:
            while self._waiting:
                items, self._items = self._items, []
                waiting, self._waiting = self._waiting, []
                failure = await self._appended(items)
                for durable in waiting:
                    if durable.done():  # whoever waited was cancelled
                        continue
                    if failure is None:
                        durable.set_result(None)
                    else:
                        durable.set_exception(failure)
        finally:
            self._appending = None

    async def _appended(self, items: list[Item]) -> Exception | None:
        try:
            self.appends += 1
            if self._first is not None:
                await self._first(items)
            await self._log.append(self._topic, self._partition, self._pack(items))
        except Exception as error:  # whatever it is, nobody may wait for ever
            return error
        return None
