"""A launch that kills itself (SIGKILL) right before or right after one of its appends; run by test_crash.py.

    python launch_and_die.py LOG_URL LIST before|after N

Exits 0 if it had fewer than N + 1 appends to make.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dispatcher.config.file import parse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from producers.launch.api import launch
from tests.always import ALWAYS

TABLE = {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}
CONFIG = parse({"account": {"spring": TABLE, "summer": TABLE}} | ALWAYS, "test.toml")


class DyingLog:
    """The real log, up to one append."""

    def __init__(self, log: Log, when: str, number: int) -> None:
        self._log, self._when, self._left = log, when, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
        dies = self._left == 0
        self._left -= 1
        if dies and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        offsets = await self._log.append(topic, partition, entries)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        return offsets


async def run(url: str, path: Path, when: str = "", number: int = -1) -> Any:
    """Launch the list as campaign `may`."""
    log = await open_log(url)
    try:
        dying: Any = DyingLog(log, when, number)
        request = LaunchRequest(numbers=path, text="hi", route=["spring", "summer"], id="may")
        return await launch(Session(CONFIG, dying), request)
    finally:
        await log.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
