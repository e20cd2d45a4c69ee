"""Sharing one account of 500 messages/s, measured on the vendor's arrival stamps.

Shares: a campaign of 5 M recipients under way and 20 more of 10,000 with weights 1 to 4. The naive way is one queue,
first come first served: while the big one is under way the others get nothing, a deviation of 100 %.
Urgent: how long until the first request of an urgent campaign of 200 arrives beside the big one, from the moment its
launch returned. Pause and cancel: how long after the command the last request of that campaign arrives.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from typing import Any

import aiohttp
import numpy as np
import polars as pl

from dispatcher.config.file import Config
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from loadtest.bench.harness import figure
from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET, lanes_at_work, own_log
from loadtest.sim.process import spawn
from producers.launch.api import launch
from schemas.codec import encode
from schemas.records import Cancelled, Flowed
from schemas.topics import CAMPAIGNS

LIMIT = 500
BIG = 5_000_000
SMALL = 10_000
SMALLS = 20
URGENT = 200


async def run(quick: bool) -> list[dict[str, Any]]:
    """Largest deviation from the weights over 30 s; p99 of urgent start, pause and cancel over 100 tries."""
    seconds, tries = (8, 5) if quick else (30, 100)
    with tempfile.TemporaryDirectory() as folder, spawn({"account": {ACCOUNT: {"flow": {"limit": LIMIT}}}}) as sim:
        account = {"vendor": "batch-a", "url": sim.url, "account": ACCOUNT, "pswd": SECRET, "flow": {"limit": LIMIT}}
        async with own_log(folder, account) as (config, log), lanes_at_work(config, log):
            await _launch(config, log, "big", 0, BIG, weight=4)
            deviation = await _shares(config, log, sim.url, seconds)
            reactions = await _reactions(config, log, sim.url, tries)
    figures = [figure("fairness: largest deviation of a share from its weight", 100 * deviation, "%")]
    for name, delays_s in reactions.items():
        figures.append(figure(f"{name}, p99 of {tries}", 1000 * _p99(delays_s), "ms"))
        figures.append(figure(f"{name}, median", 1000 * statistics.median(delays_s), "ms"))
    return figures


async def _shares(config: Config, log: Log, url: str, seconds: int) -> float:
    """20 more campaigns come; over the stretch in which all have work, who got what against the weights."""
    weights = {"big": 4} | {f"small{index}": 1 + index % 4 for index in range(SMALLS)}
    for index in range(SMALLS):
        name = f"small{index}"
        await _launch(config, log, name, BIG + index * SMALL, SMALL, weight=weights[name])
    await asyncio.sleep(1.0)
    since_s = time.time()
    await asyncio.sleep(seconds)
    rows = (await _rows(url)).filter((pl.col("arrived_s") >= since_s) & (pl.col("arrived_s") < since_s + seconds))
    got = dict(rows.group_by("text").len().iter_rows())
    total, all_weights = sum(got.values()), sum(weights.values())
    for index in range(SMALLS):
        await _control(log, Cancelled(campaign=f"small{index}", at_ms=0, by="bench"))
    deviations = [abs(got.get(name, 0) / total / (weight / all_weights) - 1) for name, weight in weights.items()]
    return float(max(deviations))


async def _reactions(config: Config, log: Log, url: str, tries: int) -> dict[str, list[float]]:
    delays: dict[str, list[float]] = {"urgent start": [], "pause": [], "cancel": []}
    at = BIG + SMALLS * SMALL
    for index in range(tries):
        await _launch(config, log, f"urgent{index}", at, URGENT, urgent=True)
        delays["urgent start"].append(await _first_arrival(url, f"urgent{index}", time.time()))
        at += URGENT
        paused_s = time.time()
        await _control(log, Flowed(campaign="big", paused=True, at_ms=0, by="bench"))
        await asyncio.sleep(1.2)
        delays["pause"].append(await _last_arrival(url, "big", paused_s))
        await _control(log, Flowed(campaign="big", paused=False, at_ms=0, by="bench"))
        await _launch(config, log, f"doomed{index}", at, SMALL, weight=4)
        at += SMALL
        await asyncio.sleep(0.7)
        cancelled_s = time.time()
        await _control(log, Cancelled(campaign=f"doomed{index}", at_ms=0, by="bench"))
        await asyncio.sleep(1.2)
        delays["cancel"].append(await _last_arrival(url, f"doomed{index}", cancelled_s))
    return delays


async def _launch(config: Config, log: Log, name: str, first: int, count: int, **fields: Any) -> None:
    numbers = np.arange(FIRST + first, FIRST + first + count)
    await launch(Session(config, log), LaunchRequest(numbers=numbers, text=name, route=[ACCOUNT], id=name, **fields))


async def _control(log: Log, record: Flowed | Cancelled) -> None:
    key = f"{record.campaign}!{'flow' if isinstance(record, Flowed) else 'cancelled'}"
    await log.append(CAMPAIGNS.name, 0, [Entry(key.encode(), encode(record))])


async def _rows(url: str) -> pl.DataFrame:
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_sim/ledger/rows") as response:
        return pl.read_parquet(await response.read())


async def _first_arrival(url: str, text: str, since_s: float) -> float:
    while True:
        arrived = (await _rows(url)).filter(pl.col("text") == text)["arrived_s"].min()
        if isinstance(arrived, float):
            return max(0.0, arrived - since_s)
        await asyncio.sleep(0.2)


async def _last_arrival(url: str, text: str, since_s: float) -> float:
    arrived = (await _rows(url)).filter(pl.col("text") == text)["arrived_s"].max()
    return max(0.0, arrived - since_s) if isinstance(arrived, float) else 0.0


def _p99(values: list[float]) -> float:
    return float(np.percentile(values, 99))
