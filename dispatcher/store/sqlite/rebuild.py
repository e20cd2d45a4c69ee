"""Rebuilds the store from the log: the new one is made beside the old one and replaces it when it is complete.

A failure before that leaves the old store unchanged, and readers can use it meanwhile. Chunks that were still to be
written downstream stay queued; written ones are not written again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from dispatcher.core.results.inbound import Bounds
from dispatcher.errors import StoreBusy, StoreError, UserError
from dispatcher.log.port import Log
from dispatcher.store.fold.log_feed import Joining
from dispatcher.store.sqlite import file as sqlite_file
from dispatcher.store.sqlite.file import lock
from dispatcher.store.sqlite.store import open_sqlite

WAIT_S: Final = 10.0
ASK_AGAIN_S: Final = 0.1


async def rebuild(
    path: Path, bounds: Bounds, no_report_after_s: float, log: Log, progress: Callable[[int, int], None]
) -> None:
    """Replay the whole log into a new store, then replace the old one. `progress` as in Joining.catch_up.

    Raises UserError while another process writes to the store, and errors of log and store.
    """
    fresh = path.with_name(f"{path.name}.rebuilding")
    with await _held(path):
        _remove(fresh)
        try:
            store = await asyncio.to_thread(open_sqlite, fresh, emits=False, bounds=bounds)
            try:
                await Joining(log, store, no_report_after_s=no_report_after_s).catch_up(progress)
                await asyncio.to_thread(store.carry_outbox, _outbox(path))
            finally:
                await asyncio.to_thread(store.close)
            await asyncio.to_thread(_replace, path, fresh)
        finally:
            _remove(fresh)


async def _held(path: Path) -> IO[str]:
    """The store's lock. A command that folds new records has it for a moment only."""
    give_up_s = time.monotonic() + WAIT_S
    while True:
        try:
            return lock(path)
        except StoreBusy as error:
            if time.monotonic() >= give_up_s:
                raise UserError(
                    "{error}. Stop the dispatcher (role results) first, then rebuild.", error=error
                ) from error
        await asyncio.sleep(ASK_AGAIN_S)


def _outbox(path: Path) -> list[int]:
    """The old store's queue for downstream; empty if it is too damaged to read."""
    if path.exists():
        with contextlib.suppress(StoreError, UserError):
            sqlite_file.open_writer(path).close()  # an older format has other ids
        with contextlib.suppress(StoreError, UserError), contextlib.closing(sqlite_file.open_reader(path)) as old:
            return sqlite_file.outbox(old, path)
    return []


def _replace(path: Path, fresh: Path) -> None:
    if path.exists() and sqlite_file.overwrite(path, fresh):
        return
    _remove(path, but_lock=True)
    fresh.replace(path)


def _remove(path: Path, *, but_lock: bool = False) -> None:
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", *(() if but_lock else (f"{path.name}.lock",))):
        path.with_name(name).unlink(missing_ok=True)
