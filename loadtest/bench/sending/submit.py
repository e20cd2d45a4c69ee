"""Submitting through the real lane: intents and outcomes durable on a SQLite log, the vendor in its own process.

The naive way in the same run: read the list, one aiohttp POST after the other with `data={…}`, one committed row before
and one after each request: what a careful script does.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import orjson

from consumers.lanes.role import run_lanes
from dispatcher.config.file import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.service.launching import LaunchRequest
from dispatcher.service.session import Session
from loadtest.sim.process import spawn
from producers.launch.api import launch

TEXT = "【Shop】Sale from 8 to 10"
FIRST = 13_000_000_000
ROUNDS = 3


async def run(quick: bool) -> list[dict[str, Any]]:
    """Numbers per second at 500 and at 50,000 per request, without a flow limit; medians of three rounds."""
    figures = []
    for per_request, numbers, inflight in ((500, 3_000_000, 32), (50_000, 20_000_000, 8)):
        total = numbers // 20 if quick else numbers
        ours, naive = [], []
        for _ in range(ROUNDS):
            ours.append(await _ours(total, per_request, inflight))
            naive.append(await _naive(max(total // 20, 4 * per_request), per_request))
        value, baseline = statistics.median(ours), statistics.median(naive)
        figures.append(
            {
                "name": f"submit_{per_request}",
                "value": value,
                "unit": "numbers/s",
                "baseline": baseline,
                "ratio": value / baseline,
            }
        )
    return figures


def _config(folder: str, url: str, per_request: int, inflight: int) -> Config:
    account = {
        "vendor": "batch-a",
        "url": url,
        "account": "spring",
        "pswd": "secret",
        "numbers_per_request": per_request,
        "inflight_max": inflight,
    }
    return parse({"log": {"url": f"sqlite:{folder}/log.db"}, "account": {"spring": account}}, "bench")


async def _accepted(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(f"{url}/_sim/ledger") as response:
        ledger: dict[str, Any] = orjson.loads(await response.read())
    account: dict[str, Any] = ledger["accounts"]["spring"]
    return account


async def _ours(total: int, per_request: int, inflight: int) -> float:
    """From the moment the lanes start until the vendor's ledger has every number."""
    with tempfile.TemporaryDirectory() as folder, spawn({"account": {"spring": {}}}, loop="uvloop") as sim:
        config = _config(folder, sim.url, per_request, inflight)
        log = await open_log(config.log.url)
        numbers = np.arange(FIRST, FIRST + total)
        await launch(Session(config, log), LaunchRequest(numbers=numbers, text=TEXT, route=["spring"], id="bench"))
        stop = asyncio.Event()
        async with aiohttp.ClientSession() as session:
            start_s = time.perf_counter()
            lanes = asyncio.create_task(run_lanes(config, log, stop))
            while (account := await _accepted(session, sim.url))["numbers_accepted"] < total:
                if lanes.done():
                    lanes.result()
                await asyncio.sleep(0.02)
            took_s = time.perf_counter() - start_s
        assert account["double_texts"] == 0
        stop.set()
        await lanes
        await log.close()
    return total / took_s


async def _naive(total: int, per_request: int) -> float:
    with tempfile.TemporaryDirectory() as folder, spawn({"account": {"spring": {}}}, loop="uvloop") as sim:
        path = Path(folder) / "numbers.txt"
        path.write_text("\n".join(str(number) for number in range(FIRST, FIRST + total)))
        database = sqlite3.connect(Path(folder) / "naive.db")
        database.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE sent (start INTEGER, state TEXT)"
        )
        start_s = time.perf_counter()
        numbers = path.read_text().split("\n")
        async with aiohttp.ClientSession() as session:
            for start in range(0, total, per_request):
                with database:
                    database.execute("INSERT INTO sent VALUES (?, 'sending')", (start,))
                form = {
                    "account": "spring",
                    "pswd": "secret",
                    "mobile": ",".join(numbers[start : start + per_request]),
                    "msg": TEXT,
                    "needstatus": "true",
                }
                async with session.post(f"{sim.url}/msg/HttpBatchSendSM", data=form) as response:
                    assert (await response.text()).split("\n")[0].endswith(",0")
                with database:
                    database.execute("UPDATE sent SET state = 'sent' WHERE start = ?", (start,))
        took_s = time.perf_counter() - start_s
        database.close()
    return total / took_s
