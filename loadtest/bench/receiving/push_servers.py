"""The servers that the benchmarks of pushes push at: ours and what people write first, each in a process of its own.

Each is bound to one core, the client to the others, where the system can do that and has several.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import uvloop

from consumers.results.role import run_joiner
from dispatcher.config.file import Config
from dispatcher.log.opening import open_log
from dispatcher.process.command import collect_rarely
from loadtest.bench.harness import figure
from loadtest.bench.receiving.pushing import Accounts, Report, config_of, joined, push, send_campaigns
from producers.webhooks.server import serve_webhooks

if TYPE_CHECKING:
    import fastapi

CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVERS_CORE: Final = int(os.environ.get("SERVERS_CORE", CORES[-1]))

Route = Callable[["fastapi.FastAPI", sqlite3.Connection], None]
"""Gives the naive app the path that vendors push to."""


# --- the servers -----------------------------------------------------------------------------------------------------


async def _serve_ours(config: Config) -> None:
    """Webhooks and joiner: print the address, serve until standard input ends, print how many reports came."""
    log = await open_log(config.log.url)
    stop = asyncio.Event()
    joiner = asyncio.create_task(run_joiner(config, log, stop))
    webhooks = await serve_webhooks(config, log)
    collect_rarely()
    print(webhooks.url, flush=True)
    await _marked()
    await webhooks.close()
    stop.set()
    await joiner
    await log.close()
    print(webhooks.counts.reports, flush=True)


async def _serve_naive(folder: Path, route: Route) -> None:
    """The same for the app people write first, which joins nothing."""
    import fastapi
    import uvicorn

    database = sqlite3.connect(folder / "naive.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE report (msgid TEXT, mobile TEXT, status TEXT, at TEXT)")
    app = fastapi.FastAPI()
    route(app, database)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
    await _marked()
    server.should_exit = True
    await serving
    print(database.execute("SELECT count(*) FROM report").fetchone()[0], flush=True)


async def _marked() -> None:
    """Answer each line of standard input with the CPU seconds used so far, until it ends."""
    while await asyncio.to_thread(sys.stdin.readline):
        print(time.process_time(), flush=True)


def _bind(*cores: int) -> None:
    """Keep this process to these cores, if there are several and the system can do that."""
    if hasattr(os, "sched_setaffinity") and (len(CORES) > 1 or "SERVERS_CORE" in os.environ):
        os.sched_setaffinity(0, cores)


# --- a benchmark of them ---------------------------------------------------------------------------------------------


class PushBench(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark pushes, and at what: `module` is its name, `requests(account, reports)` its vendors' pushes."""

    module: str
    accounts: Accounts
    connections: int
    requests: Callable[[str, Sequence[Report]], Sequence[bytes]]
    naive: Route

    def main(self, run: Callable[[bool], Coroutine[Any, Any, list[dict[str, Any]]]]) -> None:
        """Run the benchmark, or one of its servers."""
        match sys.argv[1:]:
            case ["ours", folder]:
                _bind(SERVERS_CORE)
                uvloop.run(_serve_ours(config_of(Path(folder), self.accounts)))
            case ["naive", folder]:
                _bind(SERVERS_CORE)
                uvloop.run(_serve_naive(Path(folder), self.naive))
            case options:
                print(json.dumps(uvloop.run(run("--quick" in options)), indent=2))

    async def measured(self, count: int, naive_count: int, rounds: int) -> dict[str, Speeds]:
        """Push `count` reports through each account in each round, interleaved with the naive server's."""
        speeds = {name: Speeds() for name in self.accounts}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            config = config_of(folder, self.accounts)
            reports = await send_campaigns(folder, self.accounts, count * rounds)
            _bind(*(core for core in CORES if core != SERVERS_CORE))
            expected, naive_expected = (each * rounds * len(self.accounts) for each in (count, naive_count))
            async with (
                self._server("ours", folder, expected) as ours,
                self._server("naive", folder, naive_expected) as naive,
            ):
                for done in range(0, count * rounds, count):
                    for account, speed in speeds.items():
                        pushes = self.requests(account, reports[account][done : done + count])
                        async with _timed(ours, count, speed.ours, speed.ours_cpu):
                            await push(ours.url, pushes, self.connections)
                            await joined(config, account, done + count)
                        pushes = self.requests(account, reports[account][:naive_count])
                        async with _timed(naive, naive_count, speed.naive, speed.naive_cpu):
                            await push(naive.url, pushes, self.connections)
        _bind(*CORES)
        return speeds

    @contextlib.asynccontextmanager
    async def _server(self, which: str, folder: Path, expected: int) -> AsyncIterator[_Server]:
        """A server; at the end it must have stored exactly `expected` reports."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self.module, which, str(folder)),
            env=os.environ | {"SERVERS_CORE": str(SERVERS_CORE)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield _Server(process, (await process.stdout.readline()).decode().strip())
            process.stdin.close()
            stored = int(await process.stdout.readline())
        finally:
            process.stdin.close()
            await process.wait()
        if stored != expected:
            raise RuntimeError(f"{which}: {stored} reports stored, {expected} answered")


class Speeds(msgspec.Struct):
    """Reports per second of each round, and per CPU second of the server's process."""

    ours: list[float] = []
    ours_cpu: list[float] = []
    naive: list[float] = []
    naive_cpu: list[float] = []

    def figures(self, name: str) -> list[dict[str, Any]]:
        """The medians."""
        return [
            figure(f"{name}{of}", statistics.median(ours), "reports/s", statistics.median(naive))
            for of, ours, naive in (("", self.ours, self.naive), (" (own CPU)", self.ours_cpu, self.naive_cpu))
        ]


class _Server:
    """A server in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        self.url = url

    async def cpu_s(self) -> float:
        """The CPU seconds it has used so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return float(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def _timed(server: _Server, count: int, wall: list[float], cpu: list[float]) -> AsyncIterator[None]:
    """Adds reports per second, and per CPU second of the server, of what happens meanwhile."""
    cpu_s, began_s = await server.cpu_s(), time.perf_counter()
    yield
    wall.append(count / (time.perf_counter() - began_s))
    cpu.append(count / (await server.cpu_s() - cpu_s))
