"""Waiting for what another task, thread or process does.

How long something takes depends on the machine, so no test says it. The bound only ends a wait for what never comes,
and names it; it is shorter than pytest's timeout, which would say less.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 500.0


async def until(condition: Callable[[], object], what: str = "the condition holds", *, every_s: float = 0.01) -> None:
    """Returns as soon as the condition holds; other tasks run meanwhile."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, f"waited {PATIENCE_S:g} s in vain until {what}"
        await asyncio.sleep(every_s)


def wait_until(condition: Callable[[], object], what: str = "the condition holds", *, every_s: float = 0.05) -> None:
    """Returns as soon as the condition holds; for what happens in another thread or process."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, f"waited {PATIENCE_S:g} s in vain until {what}"
        time.sleep(every_s)


def patience() -> asyncio.Timeout:
    """A bound for a block that waits for something else than a condition: `async with patience():`"""
    return asyncio.timeout(PATIENCE_S)


def freeze(process: int) -> None:
    """Stop a process in its tracks (SIGSTOP): no thread of it runs any more when this returns.

    The signal alone stops a thread only when one of them has taken it, which may be later on a busy machine.
    """
    os.kill(process, signal.SIGSTOP)
    tasks = Path(f"/proc/{process}/task")

    def stands() -> bool:
        try:
            states = [(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks.iterdir()]
        except (FileNotFoundError, ProcessLookupError):
            return not tasks.is_dir()  # a thread ended, or the process
        return all(state in "TtZX" for state in states)

    if tasks.is_dir():  # elsewhere than on Linux the signal has to do
        wait_until(stands, f"process {process} stands", every_s=0.001)
