"""Waiting for what another task, thread or process does.

How long something takes depends on the machine, so no test says it. The bound only ends a wait for what never comes,
and names it; it is shorter than pytest's timeout, which would say less.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

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
