"""Submitting through the real lane: intents and outcomes durable on a SQLite log, the vendor in its own process.

The naive way in the same run: read the list, one aiohttp POST after the other with `data={…}`, one committed row before
and one after each request: what a careful script does.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import aiohttp
import numpy as np

from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from loadtest.bench.harness import figure, in_turn
from loadtest.bench.sending import naive
from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET, TEXT, lanes_at_work, ledgers, own_log
from loadtest.sim.process import spawn
from producers.launch.api import launch

ROUNDS = 3


async def run(quick: bool) -> list[dict[str, Any]]:
    """Numbers per second at 500 and at 50,000 per request, without a flow limit; medians of three rounds."""
    figures = []
    for per_request, numbers, inflight in ((500, 3_000_000, 32), (50_000, 20_000_000, 8)):
        total = numbers // 20 if quick else numbers
        account = {
            "vendor": "batch-a", "account": ACCOUNT, "pswd": SECRET, "numbers_per_request": per_request,
            "inflight_max": inflight,
        }  # fmt: skip
        ours = partial(submitted, {}, account, total)
        base = partial(naive.submit, max(total // 20, 4 * per_request), per_request)
        value, baseline = await in_turn(ROUNDS, ours, base)
        figures.append(figure(f"submit_{per_request}", value, "numbers/s", baseline))
    return figures


async def submitted(simulated: Mapping[str, Any], account: Mapping[str, Any], total: int) -> float:
    """Numbers per second from the moment the lanes start until the vendor's ledger has every number."""
    with (
        tempfile.TemporaryDirectory() as folder,
        spawn({"account": {ACCOUNT: {}}, **simulated}, loop="uvloop") as sim,
    ):
        numbers = np.arange(FIRST, FIRST + total)
        async with own_log(folder, {**account, "url": sim.url}) as (config, log):
            await launch(Session(config, log), LaunchRequest(numbers=numbers, text=TEXT, route=[ACCOUNT], id="bench"))
            async with aiohttp.ClientSession() as session:
                start_s = time.perf_counter()
                async with lanes_at_work(config, log) as lanes:
                    while (counted := (await ledgers(session, sim.url))[ACCOUNT])["numbers_accepted"] < total:
                        if lanes.done():
                            lanes.result()
                        await asyncio.sleep(0.02)
                    took_s = time.perf_counter() - start_s
            assert counted["double_texts"] == 0
    return total / took_s
