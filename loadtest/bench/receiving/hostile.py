"""`hostile`: 2,000 hostile connections of every kind against `dispatcher run` with all roles in one process.

Lanes send to a simulated vendor meanwhile, paced (a flow limit) and unpaced (as fast as the core allows), and a vendor
pushes good reports, over a connection that stays and over new ones, from the attackers' own address. Windows take
turns in one run: in one the attackers attack the dispatcher, in the next a socket without a reader, so that what they
cost the machine is the same. The dispatcher is bound to one core; attackers, vendor and clients have the other.

    python -m loadtest.bench.receiving.hostile [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import numpy as np
import uvloop

from dispatcher.config.file import load
from dispatcher.log.opening import open_log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import Session
from loadtest.bench.harness import cpu_s, figure
from loadtest.sim.process import SimClient, spawn
from producers.launch.api import launch

ATTACKERS: Final = 2_000
ACCOUNT: Final = "spring"
ATTACKED: Final = (
    f"/push/{ACCOUNT}/report",
    *("/v1/campaigns/bench/recipients", "/v1/streams/codes/messages", "/sign-in", "/overview/events", "/metrics"),
)
"""A path of each kind: pushes, the API, the console with and without sign-in, events, figures."""
SETTLES_S: Final = 3.0
GOOD_EVERY_S: Final = 0.1
GOOD_WITHIN_S: Final = 30.0
CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]

COMMAND: Final = (sys.executable, "-P", "-c", "from dispatcher.cli import main; main()")

CONFIG: Final = """
[log]
url = "sqlite:{folder}/log.db"
[store]
url = "sqlite:{folder}/results.db"
[web]
listen = "127.0.0.1:0"
[hours]
marketing = "00:00-24:00"
[account.spring]
vendor = "batch-a"
url = "{vendor}"
account = "spring"
pswd = "secret"
numbers_per_request = {numbers_per_request}
receiver = "admin"
push_pswd = "known to us"
{flow}
"""
PACED: Final = {"numbers_per_request": 100, "flow": 'flow = { limit = 5000, per_s = 1.0, unit = "messages" }'}
UNPACED: Final = {"numbers_per_request": 20, "flow": "inflight_max = 4"}

GOOD: Final = (
    "/push/spring/report?receiver=admin&pswd=known+to+us&msgid={id}&reportTime=2501011002&mobile=13800138000"
    "&status=DELIVRD"
)


class Window(msgspec.Struct):
    """What was measured in one window."""

    lane_per_s: float
    cpu: float
    """The share of a core that the dispatcher used."""
    kept_s: list[float]
    """How long good pushes waited over a connection that stays."""
    fresh_s: list[float]
    """The same over new connections."""


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """Rates and waits, with attackers beside without."""
    window_s, rounds = (5.0, 1) if quick else (10.0, 3)
    figures: list[dict[str, Any]] = []
    for name, settings in (("paced", PACED), ("unpaced", UNPACED)):
        quiet, attacked = await _measured(settings, window_s, rounds)
        lane, beside = (statistics.median(each.lane_per_s for each in which) for which in (attacked, quiet))
        figures.append(figure(f"hostile, {name} lane", lane, "numbers/s", beside))
        cpu, cpu_beside = (statistics.median(each.cpu for each in which) for which in (attacked, quiet))
        figures.append(figure(f"hostile, {name} lane: CPU of the dispatcher", cpu, "cores", cpu_beside))
        for kind in ("kept", "fresh"):
            waits, waits_beside = (
                sorted(wait for each in which for wait in getattr(each, f"{kind}_s")) for which in (attacked, quiet)
            )
            what = "connection that stays" if kind == "kept" else "new connection"
            figures.append(
                figure(
                    f"good push, {name}, {what}: median",
                    waits[len(waits) // 2],
                    "s",
                    waits_beside[len(waits_beside) // 2],
                )
            )
            figures.append(figure(f"good push, {name}, {what}: worst", waits[-1], "s", waits_beside[-1]))
    return figures


async def _measured(settings: dict[str, Any], window_s: float, rounds: int) -> tuple[list[Window], list[Window]]:
    quiet: list[Window] = []
    attacked: list[Window] = []
    with tempfile.TemporaryDirectory() as name, spawn({"account": {ACCOUNT: {}}}, loop="uvloop") as vendor:
        config = Path(name) / "dispatcher.toml"
        config.write_text(CONFIG.format(folder=name, vendor=vendor.url, **settings))
        await launch_campaign(config)
        async with run_dispatcher(config) as (url, pid):
            decoy = socket.create_server(("127.0.0.1", 0), backlog=2 * ATTACKERS)
            decoy_url = f"http://127.0.0.1:{decoy.getsockname()[1]}"
            for _ in range(rounds):
                for attacked_url, windows in ((decoy_url, quiet), (url, attacked)):
                    async with _attackers(attacked_url):
                        await asyncio.sleep(SETTLES_S)
                        windows.append(await measured_window(url, pid, vendor, window_s))
            decoy.close()
    return quiet, attacked


async def launch_campaign(config: Path, recipients: int = 4_000_000) -> None:
    """A campaign `bench` of so many numbers."""
    loaded = load(config)
    log = await open_log(loaded.log.url)
    numbers = np.arange(13_000_000_000, 13_000_000_000 + recipients)
    await launch(Session(loaded, log), LaunchRequest(numbers=numbers, text="hi", route=[ACCOUNT], id="bench"))
    await log.close()


async def measured_window(url: str, pid: int, vendor: SimClient, window_s: float) -> Window:
    """The lane, the dispatcher's CPU and good pushes for this long."""
    before, used_s, began_s = await _sent(vendor), cpu_s(pid), time.perf_counter()
    kept, fresh = await _good_pushes(url, began_s + window_s)
    sent = await _sent(vendor) - before
    took_s = time.perf_counter() - began_s
    return Window(sent / took_s, (cpu_s(pid) - used_s) / took_s, kept, fresh)


async def _sent(vendor: SimClient) -> int:
    totals = await asyncio.to_thread(vendor.totals, doubles=False)
    return int(totals["accounts"][ACCOUNT]["numbers_accepted"])


async def _good_pushes(url: str, until_s: float) -> tuple[list[float], list[float]]:
    waits: tuple[list[float], list[float]] = ([], [])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as kept:
        number = 0
        while time.perf_counter() < until_s:
            number += 1
            path = GOOD.format(id=number)
            waits[0].append(await _waited(kept, url + path))
            async with aiohttp.ClientSession() as fresh:
                waits[1].append(await _waited(fresh, url + path))
            await asyncio.sleep(GOOD_EVERY_S)
    return waits


async def _waited(session: aiohttp.ClientSession, url: str) -> float:
    """Until it is answered with 200, however often it has to be pushed."""
    began_s = time.perf_counter()
    while time.perf_counter() - began_s < GOOD_WITHIN_S:
        with contextlib.suppress(aiohttp.ClientError):
            async with session.get(url) as response:
                if response.status == 200:
                    break
    return time.perf_counter() - began_s


# --- processes -------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def run_dispatcher(config: Path) -> AsyncIterator[tuple[str, int]]:
    """`dispatcher run` with all roles on one core; the URL of its webhooks and its process."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "run", "--config", str(config), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        while not (line := await process.stdout.readline()).startswith(b'{"ready"'):
            if not line:
                raise RuntimeError("the dispatcher did not start")
        if len(CORES) > 1:
            os.sched_setaffinity(process.pid, {CORES[-1]})
            os.sched_setaffinity(0, set(CORES[:-1]))
        draining = asyncio.create_task(_drain(process.stdout))
        yield str(json.loads(line)["web"]), process.pid
        process.terminate()
        await process.wait()
        await draining
    finally:
        if process.returncode is None:
            process.kill()
        if len(CORES) > 1:
            os.sched_setaffinity(0, set(CORES))


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.read(65_536):
        pass


@contextlib.asynccontextmanager
async def _attackers(url: str) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.receiving.attackers", url, ",".join(ATTACKED), str(ATTACKERS)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield
        process.stdin.write(b"\n")
        opened = (await process.stdout.readline()).decode().strip()
        print(f"opened by the attackers: {opened}", file=sys.stderr)
    finally:
        process.kill()
        await process.wait()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run("--quick" in sys.argv)), indent=2))
