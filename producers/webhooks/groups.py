"""Groups pushes for the log: while one append is under way the next group gathers, then is appended in one piece.

A push waits for at most two appends; under load thousands share one. No push is answered before the log has confirmed
its group. A failing log fails the whole group: the vendor pushes again, and the joiner counts once. Items that cannot
be packed fail alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from dispatcher.errors import LogError
from dispatcher.log.port import Entry, Log

Item = TypeVar("Item")


class ReadAlone(Exception):
    """Raised by a `pack` that cannot read a group at once: each item must be read by itself."""


class Groups(Generic[Item]):
    """Items of one account, appended to one partition in groups. `pack` makes the entries of a group.

    `first` makes something durable before a group is appended.
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
        self._added: list[tuple[Sequence[Item], asyncio.Future[None]]] = []
        self._appending: asyncio.Task[None] | None = None
        self.appends = 0

    def add(self, items: Sequence[Item]) -> asyncio.Future[None]:
        """Put items into the gathering group. The future is done when they are durable, or raises the error."""
        durable = self._loop.create_future()
        self._added.append((items, durable))
        if self._appending is None:
            self._appending = self._loop.create_task(self._append())
        return durable

    async def drained(self) -> None:
        """Wait until nothing is gathered or under way."""
        while self._appending is not None:
            await asyncio.wait([self._appending])

    async def _append(self) -> None:
        try:
            while self._added:
                group, self._added = self._added, []
                await self._append_group(group)
        finally:
            self._appending = None

    async def _append_group(self, group: list[tuple[Sequence[Item], asyncio.Future[None]]]) -> None:
        """Append it in one piece and set each result; a group that cannot be packed is divided into halves."""
        items = [item for each, _ in group for item in each]
        failure: Exception | None = None
        try:
            entries = self._pack(items)
            if self._first is not None:
                await self._first(items)
        except (LogError, ReadAlone) as error:
            failure = error
        except Exception as error:
            if len(group) > 1:  # one of them is bad: the others must not fail with it
                middle = len(group) // 2
                await self._append_group(group[:middle])
                await self._append_group(group[middle:])
                return
            failure = error
        if failure is None:
            try:
                self.appends += 1
                await self._log.append(self._topic, self._partition, entries)
            except Exception as error:  # on any error, no caller may wait for ever
                failure = error
        for _, durable in group:
            if durable.done():  # the waiter was cancelled
                continue
            if failure is None:
                durable.set_result(None)
            else:
                durable.set_exception(failure)
