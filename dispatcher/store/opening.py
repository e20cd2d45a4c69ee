"""From `[store] url` to an open store: `sqlite:PATH`.

The writing side is imported when it is used: most queries only read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dispatcher.config.places import StoreConfig
from dispatcher.core.results.inbound import Bounds
from dispatcher.errors import ConfigError, StoreBusy
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.store.meanings import Meaning, meaning
from dispatcher.store.port import Store, StoreReader
from dispatcher.store.sqlite import file as sqlite_file
from dispatcher.store.sqlite.reader import SqliteReader

ASK_AGAIN_S: Final = 0.5

_log = get_logger("store")


def check_url(config: StoreConfig) -> None:
    """Raises ConfigError if no store can be opened under this URL."""
    _path(config.url)


def _path(url: str) -> Path:
    """The file of a store URL. Raises ConfigError for any other kind of URL."""
    scheme, found, path = url.partition(":")
    if scheme != "sqlite" or not found or not path or "?" in path:
        raise ConfigError('the store URL "{url}" is not known; write [store] url = "sqlite:PATH"', url=url)
    return Path(path)


def open_reader(config: StoreConfig, meanings: Meaning = meaning) -> StoreReader:
    """The store for reading, beside a writer; an empty one if there is none.

    Raises ConfigError or StoreError.
    """
    path = _path(config.url)
    connection = sqlite_file.open_reader(path)
    return SqliteReader(path, connection, config.no_report_after_s, meanings, bounds(config).parts_within_ms)


def open_store(config: StoreConfig, *, emits: bool = True) -> Store:
    """The store, to write. Raises StoreBusy if another process has it, ConfigError or StoreError.

    `emits`: finished chunks are collected for the topic `results`.
    """
    path = _path(config.url)
    held = sqlite_file.lock(path)
    from dispatcher.store.sqlite.store import open_locked

    return open_locked(path, held, emits=emits, bounds=bounds(config))


def bounds(config: StoreConfig) -> Bounds:
    """How messages from phones are put together."""
    return Bounds(
        parts_within_ms=int(config.parts_within_s * 1000), repeats_within_ms=int(config.repeats_within_s * 1000)
    )


async def rebuild(config: StoreConfig, log: Log, progress: Callable[[int, int], None]) -> None:
    """Replay the whole log into a new store, then replace the old one. `progress` as in Joining.catch_up.

    Raises UserError while another process writes to the store, and errors of log and store.
    """
    from dispatcher.store.sqlite.rebuild import rebuild as rebuild_sqlite

    await rebuild_sqlite(_path(config.url), bounds(config), config.no_report_after_s, log, progress)


async def wait_for_store(config: StoreConfig, stop: asyncio.Event) -> Store | None:
    """`open_store` as soon as no other process has it; None if `stop` was set first."""
    waiting = False
    while not stop.is_set():
        try:
            return await asyncio.to_thread(open_store, config)
        except StoreBusy as error:
            if not waiting:
                _log.info("waiting for the store", reason=str(error))
                waiting = True
        try:
            await asyncio.wait_for(stop.wait(), ASK_AGAIN_S)
        except TimeoutError:
            continue
    return None
