"""A role holds partitions of a topic, as a hint who should act, while its readers follow the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from dispatcher.log.port import Log


async def hold(
    log: Log,
    group: str,
    topic: str,
    assigned: Callable[[frozenset[int]], Awaitable[None]],
    revoked: Callable[[frozenset[int]], Awaitable[None]],
    *,
    readers: Sequence[Coroutine[Any, Any, None]],
    failed: asyncio.Future[None],
    stop: asyncio.Event,
) -> None:
    """Take part in distributing the partitions until `stop`, or until `failed` is set; then give them back.

    A reader that ends before is a failure. Raises the error of `failed`, and LogError.
    """
    reading = [asyncio.create_task(reader) for reader in readers]
    for task in reading:
        task.add_done_callback(partial(fails, failed))
    try:
        claim = await log.claim(group, topic, assigned, revoked)
        stopped: asyncio.Future[Any] = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({stopped, failed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            await claim.release()
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    if failed.done():
        failed.result()


def fails(failed: asyncio.Future[None], task: asyncio.Task[None]) -> None:
    """A task that should run on has ended: its error is that of the role."""
    if not task.cancelled() and not failed.done():
        failed.set_exception(task.exception() or RuntimeError(f"{task.get_name()} ended by itself"))
