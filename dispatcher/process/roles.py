"""The roles of `dispatcher run` at work on one log; `demo` uses it, too.

A role is an entry point of the group `dispatcher.roles`: a coroutine function that starts it and returns its `Work`.
So this package knows the names and the order of roles, not their code.

An orderly stop: take no more pushes, drain the lanes within `lanes.drain_s`, fold what is on the log, close it.
`Running.until_failed` raises a role's failure; the other roles are still stopped in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import entry_points
from typing import Any, Final

from dispatcher.config.file import Config
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.process.command import ROLE_GROUP, STOP_ORDER

START_ORDER: Final = ("web", "results", "lanes", "campaigns")  # a taken port is found before anything moves

_logger = get_logger("run")


class Work:
    """A running role: where it listens (None: nowhere), how it is stopped, and whether it has failed.

    `greetings` are lines for whoever starts the process.
    """

    def __init__(
        self, stop: Callable[[], Awaitable[None]], url: str | None = None, greetings: Sequence[str] = ()
    ) -> None:
        self.url: Final = url
        self.greetings: Final = tuple(greetings)
        self._stop = stop
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        """Stop in order. Raises the role's error."""
        await self._stop()

    async def until_failed(self) -> None:
        """Wait for ever. Raises the error of the role when it fails."""
        await asyncio.shield(self._failed)

    def fail(self, error: BaseException) -> None:
        """Report that the role failed; the first error counts."""
        if not self._failed.done():
            self._failed.set_exception(error)
            self._failed.exception()  # retrieved, so asyncio does not complain when no caller waits for it


Start = Callable[[Config, Log], Awaitable[Work]]
"""An entry point of `dispatcher.roles`: starts a role. Raises ConfigError, PortInUse, LogError, StoreError."""

Task = Callable[[asyncio.Event], Coroutine[Any, Any, None]]
"""Runs until the event is set."""


def start_tasks(*tasks: Task, after: Callable[[], Awaitable[None]] | None = None) -> Work:
    """A role made of tasks; at the end they are stopped, the first one last, and `after` is called."""
    stopping: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    async def stopped() -> None:
        async with AsyncExitStack() as stack:
            if after is not None:
                stack.push_async_callback(after)
            for event, task in stopping:
                stack.push_async_callback(_stop, event, task)

    work = Work(stopped)

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            work.fail(error)

    for each in tasks:
        stop = asyncio.Event()
        task = asyncio.create_task(each(stop))
        task.add_done_callback(ended)
        stopping.append((stop, task))
    return work


async def _stop(event: asyncio.Event, task: asyncio.Task[None]) -> None:
    event.set()
    await task


class Running:
    """Roles running on one log. `url` is where vendors push to; None without the web role."""

    def __init__(self, log: Log, works: dict[str, Work]) -> None:
        self.log: Final = log
        self.works: Final = works

    @property
    def url(self) -> str | None:
        work = self.works.get("web")
        return None if work is None else work.url

    async def until_failed(self) -> None:
        """Wait for ever. Raises the error of the first role that fails."""
        waiting = [asyncio.create_task(work.until_failed()) for work in self.works.values()]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waiting:
                task.cancel()


@asynccontextmanager
async def running(config: Config, roles: Sequence[str]) -> AsyncIterator[Running]:
    """Start these roles; stop them in order at the end. Raises ConfigError, PortInUse, LogError, StoreError."""
    async with AsyncExitStack() as stack:
        log = await open_log(config.log.url)
        stack.push_async_callback(log.close)
        works: dict[str, Work] = {}
        stack.push_async_callback(_stop_in_order, works)
        starts = {found.name: found for found in entry_points(group=ROLE_GROUP)}
        for name in _sorted(roles, START_ORDER):
            start: Start = starts[name].load()
            works[name] = await start(config, log)
        yield Running(log, works)
        _logger.info("stopping in order", drain_s_max=config.lanes.drain_s)


async def _stop_in_order(works: dict[str, Work]) -> None:
    """Stop each, even if another one raises; the last error is raised."""
    async with AsyncExitStack() as stack:
        for name in reversed(_sorted(works, STOP_ORDER)):
            stack.push_async_callback(works[name].stop)


def _sorted(names: Iterable[str], order: Sequence[str]) -> list[str]:
    """The named ones in this order, others after them."""
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))
