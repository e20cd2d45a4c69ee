"""`cmpp_lane`: a whole lane over one connection, and pacing over connections with a round trip.

The lane: launched, sent through one link, answered, reported, joined, every step in a SQLite log; lanes in this
process, joiner and simulated gateway in processes of their own. A campaign of a few messages goes first, so that
modules are loaded and the link is open; then the CPU of each process is counted.

W is 16, as in the document, and 128. The gateway sends no further report before one of the last W is acknowledged, and
that is after its commit: no lane is faster than W reports in each commit of this log, which is measured beside it.

Pacing: 500 messages/s at gateways that answer at once, after 5 ms and after 30 ms, judged by their arrival stamps.

    python -m loadtest.bench.sending.cmpp_lane [--quick]
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import numpy as np
import uvloop

from consumers.results.role import run_joiner
from dispatcher.config.file import Config, parse
from dispatcher.errors import UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from loadtest.bench.harness import cpu_s, figure
from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET, TEXT, lanes_at_work, ledger
from loadtest.sim.process import SpawnedSimulator, spawn
from producers.launch.api import launch
from schemas.topics import LANE_PARTITIONS, REPORTS, lane_partition

SP_ID: Final = "901234"
LIMIT: Final = 500
ROUND_TRIPS_S: Final = (0.0, 0.005, 0.03)
LOOK_S: Final = 0.25
WARM_MESSAGES: Final = 1_000
REPORT_BYTES: Final = 50
COMMITS: Final = 200
SPARE_PARTITION: Final = (lane_partition(ACCOUNT) + 1) % LANE_PARTITIONS
WINDOWS: Final = (16, 128)


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """Messages per second of the lane; windows over, fullest window, share of the limit for each round trip."""
    figures = [each for window in WINDOWS for each in await _whole_lane(5_000 if quick else 60_000, window)]
    seconds = 8 if quick else 20
    paced = await asyncio.gather(*(_paced(round_trip_s, seconds) for round_trip_s in ROUND_TRIPS_S))
    for round_trip_s, found in zip(ROUND_TRIPS_S, paced, strict=True):
        name = f"cmpp pacing at {LIMIT}/s, {round_trip_s * 1e3:.0f} ms"
        figures += [
            figure(f"{name}: windows over", found["windows_over_limit"], "windows"),
            figure(f"{name}: fullest window", found["window_max"], "messages"),
            figure(f"{name}: limit used", 100 * (found["limit_used"] or 0.0), "%"),
            figure(f"{name}: most under way", found["outstanding_max"], "messages"),
        ]
    return figures


def simulated(**switches: Any) -> dict[str, Any]:
    """A gateway with the account."""
    account = {"account": SP_ID, "pswd": SECRET}
    return {"vendor": "cmpp", "enforce": "off", "account": {ACCOUNT: account | switches.pop("account", {})}} | switches


def configured(folder: str, wire_address: str, **keys: Any) -> Config:
    """The account on links, log and results in the folder."""
    account = {"vendor": "cmpp", "url": f"cmpp://{wire_address}", "sp_id": SP_ID, "secret": SECRET} | keys
    urls = {name: {"url": f"sqlite:{folder}/{name}.db"} for name in ("log", "store")}
    return parse(urls | {"account": {ACCOUNT: account}, "hours": {"marketing": "00:00-24:00"}}, "bench")


async def _whole_lane(messages: int, window: int) -> list[dict[str, Any]]:
    at_once = {"report_delay": "fixed", "report_delay_min_s": 0.0, "window": window}
    with tempfile.TemporaryDirectory() as folder, spawn(simulated(**at_once)) as sim:
        config = configured(folder, _wire(sim), window=window)
        log = await open_log(config.log.url)
        session = Session(config, log)
        async with _joiner(folder, _wire(sim)) as joiner, lanes_at_work(config, log):
            await _launched(session, "warm", WARM_MESSAGES)  # modules are loaded, and the link is open
            await _until_joined(session, "warm", WARM_MESSAGES)
            await _launched(session, "bench", messages)
            processes = {"lanes": os.getpid(), "gateway": sim.pid, "joiner": joiner}
            started_s, used_s = time.perf_counter(), {name: cpu_s(pid) for name, pid in processes.items()}
            await _until_joined(session, "bench", messages)
            took_s = time.perf_counter() - started_s
            used_s = {name: cpu_s(pid) - used_s[name] for name, pid in processes.items()}
            commits_per_s = await _commits_per_s(log, window)
        await log.close()
    name = f"cmpp_lane, W = {window}"
    return [
        figure(f"{name}: sent, reported, joined", messages / took_s, "messages/s", window * commits_per_s),
        *(figure(f"{name}: CPU, {each}", seconds / messages * 1e6, "us/message") for each, seconds in used_s.items()),
    ]


async def _commits_per_s(log: Log, window: int) -> float:
    """How many windows of reports this log commits, one behind the other, while nothing else happens."""
    entry = Entry(ACCOUNT.encode(), bytes(REPORT_BYTES * window))
    started_s = time.perf_counter()
    for _ in range(COMMITS):
        await log.append(REPORTS.name, SPARE_PARTITION, [entry])
    return COMMITS / (time.perf_counter() - started_s)


def _wire(sim: SpawnedSimulator) -> str:
    """Where SPs connect to."""
    return next(iter(sim.addresses.values()))


async def _launched(session: Session, campaign: str, messages: int) -> None:
    numbers = np.arange(FIRST, FIRST + messages)
    await launch(session, LaunchRequest(numbers=numbers, text=TEXT, route=[ACCOUNT], id=campaign))


async def _until_joined(session: Session, campaign: str, messages: int) -> None:
    """Until this many are reported."""
    while True:
        with suppress(UserError):  # the joiner has not read the launch yet
            counts = (await view_of(session, campaign)).counts
            if counts.delivered + counts.failed >= messages:
                return
        await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def _joiner(folder: str, address: str) -> AsyncIterator[int]:
    """The joiner in a process of its own, as in production; its process id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.sending.cmpp_lane", "join", folder, address),
        stdin=asyncio.subprocess.PIPE,
    )
    try:
        yield process.pid
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def _join(folder: str, address: str) -> None:
    """Join until standard input ends."""
    config = configured(folder, address)
    log = await open_log(config.log.url)
    stop = asyncio.Event()
    joining = asyncio.create_task(run_joiner(config, log, stop))
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await joining
    await log.close()


async def _paced(round_trip_s: float, seconds: int) -> dict[str, Any]:
    flow = {"limit": LIMIT}
    gateway = simulated(account={"flow": flow}, latency_s=round_trip_s, report_loss=1.0)
    with tempfile.TemporaryDirectory() as folder, spawn(gateway) as sim:
        config = configured(folder, _wire(sim), flow=flow | {"unit": "parts"})
        log = await open_log(config.log.url)
        numbers = np.arange(FIRST, FIRST + LIMIT * (seconds + 30))
        await launch(Session(config, log), LaunchRequest(numbers=numbers, text=TEXT, route=[ACCOUNT], id="bench"))
        async with lanes_at_work(config, log):
            await asyncio.sleep(seconds)
        await log.close()
        return await ledger(sim.url)


def main() -> None:
    """Run the benchmark, or its joiner."""
    if sys.argv[1:2] == ["join"]:
        uvloop.run(_join(*sys.argv[2:]))
    else:
        print(json.dumps(uvloop.run(run("--quick" in sys.argv)), indent=2))


if __name__ == "__main__":
    main()
