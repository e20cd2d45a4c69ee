"""Pacing at 500 messages/s for 60 s, judged by the vendor's arrival stamps; the naive way is a token bucket of 500.

Both run against simulated vendors that count windows of one second that are over the limit and do not enforce it.
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any, Final

import numpy as np

from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from loadtest.bench.harness import figure
from loadtest.bench.sending import naive
from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET, TEXT, lanes_at_work, ledger, own_log
from loadtest.sim.process import spawn
from producers.launch.api import launch

LIMIT: Final = 500
SIMULATED: Final = {"enforce": "off", "account": {ACCOUNT: {"flow": {"limit": LIMIT}}}}


async def run(quick: bool) -> list[dict[str, Any]]:
    """Windows over the limit, and the share of the limit used; ours and a token bucket's, side by side in time."""
    seconds = 8 if quick else 60
    ours, base = await asyncio.gather(_ours(seconds), naive.bucket(SIMULATED, LIMIT, seconds))
    figures = [
        figure(name, scale * ours[key], unit) | {"baseline": scale * base[key]}
        for name, key, unit, scale in (
            (f"pacing at {LIMIT}/s over {seconds} s: windows over", "windows_over_limit", "windows", 1),
            ("pacing: fullest window", "window_max", "messages", 1),
            ("pacing: limit used", "limit_used", "%", 100),
        )
    ]
    return figures


async def _ours(seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, spawn(SIMULATED) as sim:
        account = {"vendor": "batch-a", "url": sim.url, "account": ACCOUNT, "pswd": SECRET, "flow": {"limit": LIMIT}}
        numbers = np.arange(FIRST, FIRST + LIMIT * (seconds + 30))
        async with own_log(folder, account) as (config, log):
            await launch(Session(config, log), LaunchRequest(numbers=numbers, text=TEXT, route=[ACCOUNT], id="bench"))
            async with lanes_at_work(config, log):
                await asyncio.sleep(seconds)
        return await ledger(sim.url)
