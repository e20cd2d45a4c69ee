"""Pacing at 500 messages/s for 60 s, judged by the vendor's arrival stamps; the naive way is a token bucket of 500.

Both run against simulated vendors that count windows of one second that are over the limit and do not enforce it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from typing import Any

import aiohttp
import numpy as np
import orjson

from consumers.lanes.role import run_lanes
from dispatcher.config.file import parse
from dispatcher.log.opening import open_log
from dispatcher.service.launching import LaunchRequest
from dispatcher.service.session import Session
from loadtest.sim.process import spawn
from producers.launch.api import launch

LIMIT = 500
TEXT = "【Shop】Sale from 8 to 10"


async def run(quick: bool) -> list[dict[str, Any]]:
    """Windows over the limit, and the share of the limit used; ours and a token bucket's, side by side in time."""
    seconds = 8 if quick else 60
    ours, naive = await asyncio.gather(_ours(seconds), _naive(seconds))
    return [
        {
            "name": f"pacing at {LIMIT}/s over {seconds} s: windows over",
            "value": ours["windows_over_limit"],
            "unit": "windows",
            "baseline": naive["windows_over_limit"],
            "ratio": None,
        },
        {
            "name": "pacing: fullest window",
            "value": ours["window_max"],
            "unit": "messages",
            "baseline": naive["window_max"],
            "ratio": None,
        },
        {
            "name": "pacing: limit used",
            "value": 100 * ours["limit_used"],
            "unit": "%",
            "baseline": 100 * naive["limit_used"],
            "ratio": None,
        },
    ]


def _sim() -> dict[str, Any]:
    return {"enforce": "off", "account": {"spring": {"flow": {"limit": LIMIT}}}}


async def _ledger(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_sim/ledger") as response:
        account: dict[str, Any] = orjson.loads(await response.read())["accounts"]["spring"]
        return account


async def _ours(seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder, spawn(_sim()) as sim:
        account = {
            "vendor": "batch-a",
            "url": sim.url,
            "account": "spring",
            "pswd": "secret",
            "flow": {"limit": LIMIT},
        }
        config = parse({"log": {"url": f"sqlite:{folder}/log.db"}, "account": {"spring": account}}, "bench")
        log = await open_log(config.log.url)
        numbers = np.arange(13_000_000_000, 13_000_000_000 + LIMIT * (seconds + 30))
        await launch(Session(config, log), LaunchRequest(numbers=numbers, text=TEXT, route=["spring"], id="bench"))
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(config, log, stop))
        await asyncio.sleep(seconds)
        stop.set()
        await lanes
        await log.close()
        return await _ledger(sim.url)


async def _naive(seconds: int) -> dict[str, Any]:
    """A token bucket of one window's capacity, refilled steadily: 500 at once, and 500 more within the same second."""
    with spawn(_sim()) as sim:
        async with aiohttp.ClientSession() as session:
            start_s = time.monotonic()
            tokens, filled_s, number = float(LIMIT), start_s, 13_000_000_000
            while time.monotonic() - start_s < seconds:
                now_s = time.monotonic()
                tokens = min(float(LIMIT), tokens + (now_s - filled_s) * LIMIT)
                filled_s = now_s
                if tokens < 100:
                    await asyncio.sleep((100 - tokens) / LIMIT)
                    continue
                tokens -= 100
                mobiles = ",".join(str(number + index) for index in range(100))
                number += 100
                form = {"account": "spring", "pswd": "secret", "mobile": mobiles, "msg": TEXT, "needstatus": "false"}
                async with session.post(f"{sim.url}/msg/HttpBatchSendSM", data=form) as response:
                    await response.read()
        return await _ledger(sim.url)
