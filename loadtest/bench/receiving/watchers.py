"""`watchers`: 50 browsers watch the overview and the page of a campaign of 5 M recipients while its lane sends.

`dispatcher run` with all roles is bound to one core; vendor, watchers and a good push now and then have the other.
Windows take turns in one run: in one nobody watches, in the next all do.

    python -m loadtest.bench.receiving.watchers [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import uvloop

from dispatcher.config.file import load
from dispatcher.log.opening import open_log
from dispatcher.service.people.directory import open_directory
from dispatcher.service.session import Session
from loadtest.bench.harness import figure
from loadtest.bench.receiving.hostile import (
    ACCOUNT,
    CONFIG,
    PACED,
    Window,
    launch_campaign,
    measured_window,
    run_dispatcher,
)
from loadtest.sim.process import spawn
from producers.console.arrival import SESSION_COOKIE

WATCHERS: Final = 50
RECIPIENTS: Final = 5_000_000
SETTLES_S: Final = 3.0
PASSWORD: Final = "green horses 7"
PATHS: Final = ("/overview/events", "/campaigns/bench/events")


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """The lane's rate and the dispatcher's CPU, watched beside unwatched."""
    window_s, rounds = (5.0, 1) if quick else (15.0, 5)
    alone: list[Window] = []
    watched: list[Window] = []
    with tempfile.TemporaryDirectory() as name, spawn({"account": {ACCOUNT: {}}}, loop="uvloop") as vendor:
        config = Path(name) / "dispatcher.toml"
        config.write_text(CONFIG.format(folder=name, vendor=vendor.url, **PACED))
        await launch_campaign(config, RECIPIENTS)
        secret = await _signed_in(config)
        async with run_dispatcher(config) as (url, pid):
            for _ in range(rounds):
                await asyncio.sleep(SETTLES_S)
                alone.append(await measured_window(url, pid, vendor, window_s))
                async with _watching(url, secret):
                    await asyncio.sleep(SETTLES_S)
                    watched.append(await measured_window(url, pid, vendor, window_s))
    lane, beside = (statistics.median(each.lane_per_s for each in which) for which in (watched, alone))
    cpu, cpu_beside = (statistics.median(each.cpu for each in which) for which in (watched, alone))
    return [
        figure(f"{WATCHERS} watchers, {RECIPIENTS:,} recipients: lane", lane, "numbers/s", beside),
        figure("watchers: CPU of the dispatcher", cpu, "cores", cpu_beside),
        figure("watchers: what they cost", cpu - cpu_beside, "cores"),
    ]


async def _signed_in(config: Path) -> str:
    loaded = load(config)
    log = await open_log(loaded.log.url)
    session = Session(loaded, log)
    directory = await open_directory(session)
    await directory.add_person("ann", "admin", PASSWORD, by="bench")
    secret = (await directory.sign_in("ann", PASSWORD)).secret
    await session.close()
    await log.close()
    return secret


@contextlib.asynccontextmanager
async def _watching(url: str, secret: str) -> AsyncIterator[None]:
    """All of them, half at each of the pages."""
    connector = aiohttp.TCPConnector(limit=WATCHERS)
    timeout = aiohttp.ClientTimeout(total=None)
    headers = {"Cookie": f"{SESSION_COOKIE}={secret}"}
    seen = [0] * WATCHERS

    async def watch(at: int) -> None:
        async with http.get(url + PATHS[at % len(PATHS)]) as answer:
            assert answer.status == 200
            async for piece in answer.content.iter_any():
                seen[at] += len(piece)

    async with aiohttp.ClientSession(connector=connector, timeout=timeout, headers=headers) as http:
        tasks = [asyncio.create_task(watch(at)) for at in range(WATCHERS)]
        try:
            yield
            assert all(seen), "every watcher saw something"
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    print(json.dumps(uvloop.run(run("--quick" in sys.argv)), indent=2))
