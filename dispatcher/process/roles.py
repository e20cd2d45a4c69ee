"""The dispatcher's roles in one process: webhooks in, lanes out, results joined; used by `run` and by `demo`.

Start: the log; the webhooks, as a taken port must be found before anything moves; the results; the lanes. An orderly
stop: take no more pushes, drain the lanes within `lanes.drain_s`, fold what is on the log, close it.
A role that fails is told by `Running.until_failed`; the others are still stopped in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import structlog

from consumers.lanes.role import run_lanes
from consumers.results.role import run_joiner
from dispatcher.config.file import Config
from dispatcher.errors import DispatcherError, LogError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.process.command import Role
from dispatcher.service.freshness import bring_up_to_date
from dispatcher.store.opening import open_store
from dispatcher.store.sqlite.store import StoreBusy
from producers.webhooks.server import Webhooks, serve_webhooks

MAINTAIN_EVERY_S: Final = 3600.0

Stopper = Callable[[], Awaitable[None]]

_logger = structlog.get_logger("run")


class Running:
    """Roles at work on one log. `webhooks` is None without the web role."""

    def __init__(self, log: Log) -> None:
        self.log: Final = log
        self.webhooks: Webhooks | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def until_failed(self) -> None:
        """Wait for ever. Raises the error of the first role that fails."""
        await asyncio.shield(self._failed)

    def start(self, role: str, work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> Stopper:
        """Set a role to work; returns what stops it in order and raises what it raised."""
        stop = asyncio.Event()
        task = asyncio.create_task(work(stop), name=role)
        task.add_done_callback(self._ended)

        async def stopper() -> None:
            stop.set()
            await task

        return stopper

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None and not self._failed.done():
            self._failed.set_exception(error)
            self._failed.exception()  # known to whoever waits for it, and nobody has to


@asynccontextmanager
async def running(config: Config, roles: Collection[Role]) -> AsyncIterator[Running]:
    """Start these roles; stop them in order at the end. Raises ConfigError, PortInUse, LogError, StoreError."""
    async with AsyncExitStack() as stack:
        log = await open_log(config.log.url)
        stack.push_async_callback(log.close)
        running = Running(log)
        if "web" in roles:
            running.webhooks = await serve_webhooks(config, log)
            stack.push_async_callback(running.webhooks.close)
        if "results" in roles:
            await _make_store(config)
            stack.push_async_callback(_fold_the_rest, config, log)
            stack.push_async_callback(running.start("results", lambda stop: run_joiner(config, log, stop)))
            stack.push_async_callback(running.start("upkeep", lambda stop: _upkeep(log, stop)))
        if "lanes" in roles:
            stack.push_async_callback(running.start("lanes", lambda stop: run_lanes(config, log, stop)))
        if running.webhooks is not None:
            stack.push_async_callback(running.webhooks.close)  # before the others; a second call does nothing
        yield running
        _logger.info("stopping in order", drain_s_max=config.lanes.drain_s)


async def _make_store(config: Config) -> None:
    """Have a store to read from the start on. If another process keeps it, ours stands by."""
    try:
        store = await asyncio.to_thread(open_store, config.store)
    except StoreBusy:
        return
    await asyncio.to_thread(store.close)


async def _fold_the_rest(config: Config, log: Log) -> None:
    """The lanes' last words came after the joiner had stopped looking, or while it did: leave nothing unfolded."""
    try:
        await bring_up_to_date(config, log)
    except DispatcherError as error:
        _logger.warning("the last records were not folded; the next start does it", error=str(error))


async def _upkeep(log: Log, stop: asyncio.Event) -> None:
    """Delete what retention allows, every hour."""
    while not stop.is_set():
        try:
            deleted = await log.maintain(time.time_ns() // 1_000_000)
            if deleted:
                _logger.info("old records deleted", records=deleted)
        except LogError as error:
            _logger.warning("old records not deleted, trying again in an hour", error=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), MAINTAIN_EVERY_S)
