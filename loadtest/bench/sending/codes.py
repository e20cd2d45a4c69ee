"""Verification codes beside a campaign of 5 M on one account of 500 messages/s, measured on the vendor's stamps.

20 codes a second, from the call that makes a code (two durable appends) to the first byte at the vendor. The
naive way, in turn with ours in the same run, is a stream that is not urgent: its codes wait for their turn by weight,
and no room is kept for them. The share of the limit that was used is that of both together, and of the campaign
alone; windows are those of the whole run.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import numpy as np

from dispatcher.config.file import Config
from dispatcher.log.port import Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from dispatcher.service.streams import StreamRequest, open_stream
from dispatcher.service.verification import start_verification
from loadtest.bench.harness import figure
from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET, lanes_at_work, ledger, own_log
from loadtest.sim.process import SimClient, spawn
from producers.launch.api import launch

LIMIT: Final = 500
BULK: Final = 5_000_000
PER_S: Final = 20
PHONES: Final = 18_900_000_000
TEXT: Final = "【Shop】{code} is your code"

Sends = Callable[[str], Awaitable[Any]]


async def run(quick: bool) -> list[dict[str, Any]]:
    """Rounds of ours and of the naive way in turn; the bulk begins before, and outlasts them."""
    seconds, rounds = (6, 1) if quick else (20, 3)
    delays: dict[str, list[float]] = {"ours": [], "naive": []}
    used: dict[str, list[float]] = {"ours": [], "naive": [], "alone": []}
    simulated = {"enforce": "off", "account": {ACCOUNT: {"flow": {"limit": LIMIT}}}}
    with tempfile.TemporaryDirectory() as folder, spawn(simulated) as sim:
        account = {"vendor": "batch-a", "url": sim.url, "account": ACCOUNT, "pswd": SECRET, "flow": {"limit": LIMIT}}
        async with own_log(folder, account) as (config, log), lanes_at_work(config, log):
            session = await _prepared(config, log)
            await asyncio.sleep(5.0)
            loads = []
            for number in range(rounds):
                begun_s = time.time()
                await asyncio.sleep(seconds)
                used["alone"].append(await _used(sim, begun_s, seconds))
                for way, send in (("ours", _over(session, "codes")), ("naive", _over(session, "plain"))):
                    begun_s = time.time()
                    delays[way] += await _delays(sim, send, PHONES + (2 * number + (way == "naive")) * 10_000, seconds)
                    used[way].append(await _used(sim, begun_s, seconds))
                loads.append(os.getloadavg()[0])
        judged = await ledger(sim.url)
    what = f"codes, {PER_S}/s beside a campaign of {BULK:,}: call to first byte"
    shares = {way: 100 * float(np.median(each)) for way, each in used.items()}
    ours, naive = np.array(delays["ours"]), np.array(delays["naive"])
    return [
        figure(f"{what}, median", *_milliseconds(ours, naive, 50), less_is_better=True),
        figure(f"{what}, p99", *_milliseconds(ours, naive, 99), less_is_better=True),
        figure(f"{what}, longest", *_milliseconds(ours, naive, 100), less_is_better=True),
        figure("codes: share of the limit used", shares["ours"], "%") | {"baseline": shares["naive"]},
        figure("codes: share of the limit used by the campaign alone", shares["alone"], "%"),
        figure("codes: windows over the limit", judged["windows_over_limit"], "windows"),
        figure("codes: load of the machine (one minute), median", float(np.median(loads)), ""),
    ]


async def _prepared(config: Config, log: Log) -> Session:
    """The bulk under way, a stream of codes and one that is not urgent."""
    session = Session(config, log)
    numbers = np.arange(FIRST, FIRST + BULK)
    await launch(session, LaunchRequest(numbers=numbers, text="bulk", route=[ACCOUNT], id="bulk"))
    terms = {"text": TEXT, "route": [ACCOUNT], "campaign_class": "code"}
    await open_stream(session, StreamRequest(id="codes", **terms))  # type: ignore[arg-type]
    await open_stream(session, StreamRequest(id="plain", urgent=False, **terms))  # type: ignore[arg-type]
    return session


def _over(session: Session, stream: str) -> Sends:
    return lambda number: start_verification(session, number, stream)


async def _delays(sim: SimClient, send: Sends, first: int, seconds: int) -> list[float]:
    """Send to one number after the other at the rate; how long after each call its message arrived."""
    called_s: dict[int, float] = {}
    calls: set[asyncio.Task[Any]] = set()
    begun_s = time.monotonic()
    for index in range(seconds * PER_S):
        await asyncio.sleep(max(0.0, begun_s + index / PER_S - time.monotonic()))
        called_s[first + index] = time.time()
        calls.add(asyncio.ensure_future(send(str(first + index))))
    await asyncio.gather(*calls)
    while True:
        rows = await asyncio.to_thread(sim.rows)
        arrived = dict(zip(rows["number"].to_list(), rows["arrived_s"].to_list(), strict=True))
        found = {number: arrived.get(str(number)) for number in called_s}
        if None not in found.values():
            return [at_s - called_s[number] for number, at_s in found.items() if at_s is not None]
        await asyncio.sleep(0.5)


async def _used(sim: SimClient, begun_s: float, seconds: int) -> float:
    """The share of the limit that arrived in these seconds."""
    arrived_s = (await asyncio.to_thread(sim.rows))["arrived_s"].to_numpy()
    inside = (arrived_s >= begun_s) & (arrived_s < begun_s + seconds)
    return float(inside.sum()) / (LIMIT * seconds)


def _milliseconds(ours: Any, naive: Any, percentile: float) -> tuple[float, str, float]:
    value, baseline = (1000 * float(np.percentile(each, percentile)) for each in (ours, naive))
    return value, "ms", baseline
