"""Reading and changing the suppression list for a command: the log opened, what a change comes to counted."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import msgspec

from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ascending_once, contains, keys
from dispatcher.errors import LogError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.os_user import os_user
from dispatcher.suppression_list import SuppressionList, put, snapshot_if_due
from schemas.records import SuppressionSource


class Put(msgspec.Struct, frozen=True):
    """What a change came to: `numbers` different ones were named, `changed` of them it made a difference for."""

    numbers: int
    changed: int
    listed: int


@contextlib.asynccontextmanager
async def _opened(config: Config, *, create: bool) -> AsyncIterator[Log]:
    log = await open_log(config.log.url, create=create)
    try:
        yield log
    finally:
        await log.close()


async def read_list(config: Config, *, detailed: bool) -> SuppressionList:
    """The whole list as the log has it now. Raises ConfigError if there is no log."""
    async with _opened(config, create=False) as log:
        found = SuppressionList(detailed=detailed)
        await found.read_on(log)
        return found


async def listed(config: Config, numbers: Numbers) -> list[bool]:
    """Which of these numbers are on the list."""
    found = await read_list(config, detailed=False)
    return [bool(there) for there in contains(found.listing.numbers, numbers)]


async def change(config: Config, numbers: Numbers, *, adds: bool, source: SuppressionSource, why: str) -> Put:
    """Change the list; only what makes a difference goes on the log, so a list imported every day costs nothing.

    It is looked at once more afterwards: somebody else may have changed it between our reading and writing.
    """
    async with _opened(config, create=adds) as log:
        found = SuppressionList()
        await found.read_on(log)
        wanted = ascending_once(keys(numbers))
        changed = -1
        while len(rest := wanted[contains(found.listing.numbers, wanted) != adds]):
            changed = len(rest) if changed < 0 else changed
            at_ms = now_ms()
            await put(log, rest, adds=adds, source=source, by=os_user(), why=why, at_ms=at_ms)
            await found.read_on(log)
        if found.snapshot_due:
            with contextlib.suppress(LogError):  # it only makes reading shorter; the next change does it
                await snapshot_if_due(log)
        return Put(len(wanted), max(changed, 0), len(found.listing))
