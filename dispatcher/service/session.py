"""An open dispatcher: its configuration, its log and its results, for one call or for many.

Every function of this package takes a `Session` first. Log and results are opened when the first call needs them; a
session serves one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Final, TypeVar, Union

from dispatcher.config.places import Places, load_places
from dispatcher.core.campaigns import Campaigns
from dispatcher.errors import ConfigError
from dispatcher.log.campaigns_feed import CampaignsFeed
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
    is_up_to_date,
    missing,
    silent,
)
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from schemas.topics import Topic

if TYPE_CHECKING:
    from dispatcher.config.file import Config, Secrets

FOLD_AGAIN_S: Final = 1.0

T = TypeVar("T")
ConfigSource = Union["Config", str, PathLike[str], None]
"""A configuration, the path of one, or None: $DISPATCHER_CONFIG, else dispatcher.toml."""


class Session:
    """Made by `open_session`. `places` are read at once, the rest of the configuration when a call needs it."""

    def __init__(self, source: ConfigSource = None, log: Log | None = None, progress: Progress = silent) -> None:
        self._source: Final = source
        self.places: Final = source if isinstance(source, Places) else load_places(source)
        self._progress: Final = progress
        self._log = log
        self._reader: StoreReader | None = None
        self._reading: Final = asyncio.Lock()
        self._opening: Final = asyncio.Lock()
        self._catching_up: Final = asyncio.Lock()
        self._feed: CampaignsFeed | None = None
        self._stack: Final = AsyncExitStack()
        self._folded_s = float("-inf")
        self._is_whole = False
        self._ends_before: Ends = {}

    @cached_property
    def config(self) -> Config:
        """The whole configuration, without secrets. Raises ConfigError."""
        return self.config_with("none")

    def config_with(self, secrets: Secrets) -> Config:
        """The configuration with the secrets of these accounts. Raises ConfigError if one is missing."""
        if isinstance(self._source, Places):
            return self._source
        from dispatcher.config.file import load  # most queries need no account and no vendor's module

        return load(self._source, secrets=secrets)

    async def log(self, *, create: bool = False) -> Log:
        """The open log. Raises ConfigError if there is none and it is not to be created, and LogError."""
        async with self._opening:
            if self._log is None:
                try:
                    self._log = await open_log(self.places.log.url, create=create)
                except ConfigError:
                    self.config_with("none")  # a mistake elsewhere in the file may be the reason: report it first
                    raise
                self._stack.push_async_callback(self._log.close)
            return self._log

    async def campaigns(self) -> Campaigns:
        """The fold of the topic `campaigns` as of now; only what is new is read. Raises ConfigError, LogError.

        The next call changes it: copy what must stay as it was. Who appends and compares uses `read_campaigns`.
        """
        log = await self.log()
        async with self._catching_up:
            self._feed = self._feed or CampaignsFeed(log)
            await self._feed.catch_up()
            return self._feed.campaigns

    async def read(self, ask: Callable[[StoreReader], T]) -> T:
        """Query the results, in a thread. Raises ConfigError if there is no log yet, LogError, StoreError."""
        await self.fold()
        async with self._reading:
            return await asyncio.to_thread(ask, await self._opened_reader())

    async def fold(self, *, whole: bool = False) -> None:
        """Fold new records, unless a running dispatcher does; at most once in FOLD_AGAIN_S.

        `whole`: with the numbers of every batch, which an interrupted fold may have left out.
        """
        if time.monotonic() - self._folded_s < FOLD_AGAIN_S and (self._is_whole or not whole):
            return
        log = await self.log()
        if whole or not await is_up_to_date(self.places, log):
            await bring_up_to_date(self.places, log, self._progress)
            self._is_whole = True
        self._folded_s = time.monotonic()

    async def behind(
        self, topics: Sequence[Topic] = FOLDED, *, within_s: float = FRESH_WITHIN_S, whole: bool = False
    ) -> int:
        """How many records the results are behind the log, after a running dispatcher had a moment to fold them."""
        await self.fold(whole=whole)
        async with self._reading:
            return await behind(await self.log(), await self._opened_reader(), topics=topics, within_s=within_s)

    async def late(self) -> int:
        """How many records that were on the log at the last call are not folded yet."""
        ends, self._ends_before = self._ends_before, await ends_of(await self.log())
        return await self.read(lambda reader: missing(reader, ends))

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[StoreReader]:
        """A separate reader for a long read, brought up to date; its calls block. Raises the errors of `read`."""
        await self.fold(whole=True)
        reader = await asyncio.to_thread(open_reader, self.places.store)
        try:
            yield reader
        finally:
            reader.close()

    async def close(self) -> None:
        """Close what was opened here."""
        await self._stack.aclose()

    async def _opened_reader(self) -> StoreReader:
        if self._reader is not None and not self._reader.is_there:  # the joiner may have made it meanwhile
            self._reader.close()
            self._reader = None
        if self._reader is None:
            self._reader = await asyncio.to_thread(open_reader, self.places.store)
            self._stack.callback(self._reader.close)
        return self._reader


@asynccontextmanager
async def open_session(
    config: ConfigSource = None, *, log: Log | None = None, progress: Progress = silent
) -> AsyncIterator[Session]:
    """Open a session; `log` is an open log to use instead of the configured one. Raises ConfigError.

    `progress` is called with (done, all) records while results are brought up to date.
    """
    session = Session(config, log, progress)
    try:
        yield session
    finally:
        await session.close()
