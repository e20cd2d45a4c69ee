"""Parts of pages that change, as server-sent events: rendered once per tick for all who watch the same.

A channel has one task while somebody watches. It keeps only the newest fragment, so a watcher that reads slowly misses
some and delays nobody; one that does not read at all is cut by the server. htmx connects again by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Hashable
from typing import Final

from dispatcher.errors import DispatcherError
from dispatcher.loggers import get_logger

PING: Final = b": \n\n"
PING_S: Final = 15.0
FAILED_AGAIN_S: Final = 5.0

logger = get_logger(__name__)


class Channel:
    """One fragment, its newest bytes, and how many watch it."""

    def __init__(self, render: Callable[[], Awaitable[str]], every_s: float) -> None:
        self.watchers = 0
        self.number = 0
        self.event = b""
        self.rendered = 0
        self._render = render
        self._every_s = every_s
        self._changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run())

    async def after(self, number: int) -> None:
        """Wait until there is a newer fragment than this one."""
        while self.number <= number:
            await asyncio.shield(self._changed)

    def close(self) -> None:
        """Render no more."""
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            wait_s = self._every_s
            try:
                event = as_event(await self._render())
            except DispatcherError as error:
                logger.warning("fragment-failed", error=str(error))
                wait_s = FAILED_AGAIN_S
            except Exception as error:  # one bad fragment must not end what others watch
                logger.error("fragment-failed", error=f"{type(error).__name__}: {error}")
                wait_s = FAILED_AGAIN_S
            else:
                self.rendered += 1
                if event != self.event:
                    self.event, self.number = event, self.number + 1
                    changed, self._changed = self._changed, asyncio.get_running_loop().create_future()
                    changed.set_result(None)
            await asyncio.sleep(wait_s)


class Live:
    """The channels that are watched now."""

    def __init__(self) -> None:
        self._channels: dict[Hashable, Channel] = {}

    @property
    def channels(self) -> int:
        """How many different fragments are watched."""
        return len(self._channels)

    async def watch(
        self, key: Hashable, render: Callable[[], Awaitable[str]], every_s: float, allowed: Callable[[], bool]
    ) -> AsyncGenerator[bytes, None]:
        """The events of a fragment, for as long as `allowed` says so; `render` is that of the first watcher."""
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = Channel(render, every_s)
        channel.watchers += 1
        seen = 0
        try:
            while allowed():
                try:
                    async with asyncio.timeout(PING_S):
                        await channel.after(seen)
                except TimeoutError:
                    yield PING
                    continue
                if not allowed():
                    break
                seen, event = channel.number, channel.event
                yield event
        finally:
            channel.watchers -= 1
            if not channel.watchers:
                channel.close()
                self._channels.pop(key, None)

    def close(self) -> None:
        """End every channel."""
        for channel in self._channels.values():
            channel.close()


def as_event(html: str) -> bytes:
    """A fragment as an unnamed event: htmx puts it into the element that connected."""
    return "".join(f"data: {line}\n" for line in html.split("\n")).encode() + b"\n"
