"""An open dispatcher: its configuration, its log and its results, for one call or for many.

Every function of this package takes a `Session` first. Log and results are opened when the first call needs them; a
session serves one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from os import PathLike
from typing import Final, TypeVar

from dispatcher.config.file import Config, Secrets, load
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.freshness import (
    FOLDED,
    FRESH_WITHIN_S,
    Ends,
    Progress,
    behind,
    bring_up_to_date,
    ends_of,
    missing,
    silent,
)
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from schemas.topics import Topic

FOLD_AGAIN_S: Final = 1.0

T = TypeVar("T")
ConfigSource = Config | str | PathLike[str] | None
"""A configuration, the path of one, or None: $DISPATCHER_CONFIG, else dispatcher.toml."""


class Session:
    """Made by `open_session`. `config` has no secrets; `config_with` reads those that a call needs."""

    def __init__(self, source: ConfigSource = None, log: Log | None = None, progress: Progress = silent) -> None:
        self._source: Final = source
        self.config: Final = source if isinstance(source, Config) else load(source, secrets="none")
        self._progress: Final = progress
        self._log = log
        self._reader: StoreReader | None = None
        self._reading: Final = asyncio.Lock()
        self._opening: Final = asyncio.Lock()
        self._stack: Final = AsyncExitStack()
        self._folded_s = float("-inf")
        self._ends_before: Ends = {}

    def config_with(self, secrets: Secrets) -> Config:
        """The configuration with the secrets of these accounts. Raises ConfigError if one is missing."""
        return self._source if isinstance(self._source, Config) else load(self._source, secrets=secrets)

    async def log(self, *, create: bool = False) -> Log:
        """The open log. Raises ConfigError if there is none and it is not to be created, and LogError."""
        async with self._opening:
            if self._log is None:
                self._log = await open_log(self.config.log.url, create=create)
                self._stack.push_async_callback(self._log.close)
            return self._log

    async def read(self, ask: Callable[[StoreReader], T]) -> T:
        """Ask the results, in a thread. Raises ConfigError if there is no log yet, LogError, StoreError."""
        await self.fold()
        async with self._reading:
            return await asyncio.to_thread(ask, await self._opened_reader())

    async def fold(self) -> None:
        """Fold what is new, unless a running dispatcher does; at most once in FOLD_AGAIN_S."""
        if time.monotonic() - self._folded_s >= FOLD_AGAIN_S:
            await bring_up_to_date(self.config, await self.log(), self._progress)
            self._folded_s = time.monotonic()

    async def behind(self, topics: Sequence[Topic] = FOLDED, within_s: float = FRESH_WITHIN_S) -> int:
        """How many records the results are behind the log, after a running dispatcher had a moment to fold them."""
        await self.fold()
        async with self._reading:
            return await behind(await self.log(), await self._opened_reader(), topics=topics, within_s=within_s)

    async def late(self) -> int:
        """How many records that were on the log at the last call are not folded yet."""
        ends, self._ends_before = self._ends_before, await ends_of(await self.log())
        return await self.read(lambda reader: missing(reader, ends))

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[StoreReader]:
        """A reader of its own for a long read, brought up to date; its calls block. Raises what `read` raises."""
        await self.fold()
        reader = await asyncio.to_thread(open_reader, self.config.store)
        try:
            yield reader
        finally:
            reader.close()

    async def close(self) -> None:
        """Close what was opened here."""
        await self._stack.aclose()

    async def _opened_reader(self) -> StoreReader:
        if self._reader is None:
            self._reader = await asyncio.to_thread(open_reader, self.config.store)
            self._stack.callback(self._reader.close)
        return self._reader


@asynccontextmanager
async def open_session(
    config: ConfigSource = None, *, log: Log | None = None, progress: Progress = silent
) -> AsyncIterator[Session]:
    """Open a session; `log` is an open log to use instead of the configured one. Raises ConfigError.

    `progress` is told (done, of how many) records while results are brought up to date.
    """
    session = Session(config, log, progress)
    try:
        yield session
    finally:
        await session.close()
