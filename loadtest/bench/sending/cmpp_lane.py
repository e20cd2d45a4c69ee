"""`cmpp_lane`: a whole lane over one connection, and pacing over connections with a round trip.

The lane: launched, sent through one link, answered, reported, joined, every step in a SQLite log; lanes in this
process, joiner and simulated gateway in processes of their own. W is 16, as in the document, and 128: a window of
reports is on the log before the next one comes, so W and the time of a commit bound the rate. Pacing: 500 messages/s at
gateways that answer at once, after 5 ms and after 30 ms, judged by their arrival stamps.

    python -m loadtest.bench.sending.cmpp_lane [--quick]
"""

from __future__ import annotations

import asyncio
import json
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
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import view_of
from dispatcher.service.session import Session
from loadtest.bench.harness import figure
from loadtest.bench.sending.lanes import ACCOUNT, FIRST, SECRET, TEXT, lanes_at_work, ledger
from loadtest.sim.process import SpawnedSimulator, spawn
from producers.launch.api import launch

SP_ID: Final = "901234"
LIMIT: Final = 500
ROUND_TRIPS_S: Final = (0.0, 0.005, 0.03)
LOOK_S: Final = 0.25
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
        numbers = np.arange(FIRST, FIRST + messages)
        await launch(session, LaunchRequest(numbers=numbers, text=TEXT, route=[ACCOUNT], id="bench"))
        async with _joiner(folder, _wire(sim)):
            await _until_joined(session, 0)
            started_s, cpu_s = time.perf_counter(), time.process_time()
            async with lanes_at_work(config, log):
                await _until_joined(session, messages)
            took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        await log.close()
    name = f"cmpp_lane, W = {window}"
    return [
        figure(f"{name}: sent, reported, joined", messages / took_s, "messages/s"),
        figure(f"{name}: CPU of the lanes' process", cpu_s / messages * 1e6, "us/message"),
    ]


def _wire(sim: SpawnedSimulator) -> str:
    """Where SPs connect to."""
    return next(iter(sim.addresses.values()))


async def _until_joined(session: Session, messages: int) -> None:
    """Until this many are reported; 0: until the joiner has read the launch."""
    while True:
        with suppress(UserError):  # the joiner has not read the launch yet
            counts = (await view_of(session, "bench")).counts
            if counts.delivered + counts.failed >= messages:
                return
        await asyncio.sleep(LOOK_S)


@asynccontextmanager
async def _joiner(folder: str, address: str) -> AsyncIterator[None]:
    """The joiner in a process of its own, as in production."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.sending.cmpp_lane", "join", folder, address),
        stdin=asyncio.subprocess.PIPE,
    )
    try:
        yield
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
