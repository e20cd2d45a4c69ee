"""`parse_500`, `parse_250`, `webhook_500`, `webhook_250`: reports pushed by the hundred, as HEZHONG and GUODU do.

`parse_…`: pushes into columns, and nothing else; beside it what people write first: parse_qs or json.loads, strptime,
an object per report. One core, best of a few rounds, in reports per second of its own time (other processes don't
count).

`webhook_…`: parsed, durable and joined. Webhooks and joiner in one process, on the SQLite log and store, fed with the
reports of campaigns that were really sent; the time ends when the store says that every recipient is delivered. Beside
it a FastAPI app under uvicorn that inserts the rows of a push and commits them (and joins nothing). Otherwise as in
webhook_get.py. Each server is bound to one core, the client to the others (where the system can do that).
`… (own CPU)` divides by the CPU time of the server's process instead: what one free core would do.

    python -m loadtest.bench.webhook_batches [--quick]
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
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import uvloop

import producers
from consumers.joiner import run_joiner
from consumers.lanes import run_lanes
from dispatcher.config import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.store.catching_up import up_to_date
from dispatcher.store.opening import open_reader
from dispatcher.vendors.seam import Push
from loadtest.bench.pushed_lists import BODIES, NAIVE, PER_PUSH, Report, requests
from loadtest.bench.webhook_get import Client
from loadtest.sim.spawn import spawn
from producers.webhooks import serve_webhooks

CONNECTIONS: Final = 32
ROUNDS: Final = 3
TOGETHER: Final = 5
"""Pushes read at once, as the webhooks read what came while the log was busy."""

CORES: Final = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
SERVERS_CORE: Final = int(os.environ.get("SERVERS_CORE", CORES[-1]))
FIRST: Final = 13_800_000_000
ACCOUNTS: Final[dict[str, dict[str, Any]]] = {
    "hezhong": {"vendor": "hezhong", "userid": "1", "username": "spring", "password": "secret"},
    "guodu": {"vendor": "guodu", "oper_id": "spring", "oper_pass": "secret"},
}
# --- parsing alone ---------------------------------------------------------------------------------------------------


def parsing(account: str, quick: bool) -> dict[str, Any]:
    """Reports per second of one core."""
    per_push = PER_PUSH[account]
    bodies = [
        BODIES[account]([(str(881_000_000 + n // 40), FIRST + n) for n in range(at, at + per_push)])
        for at in range(0, 20 * per_push, per_push)
    ]
    vendor = config_of(Path(), {}).account(account)
    pushes = [Push(account, "POST", b"", body, "", 1_700_000_000_000) for body in bodies]
    rounds = 3 if quick else 15
    groups = [pushes[at : at + TOGETHER] for at in range(0, len(pushes), TOGETHER)]
    ours = _best(vendor.report_pushes, groups, rounds) / TOGETHER
    naive = _best(NAIVE[account], bodies, rounds)
    return _figure(f"parse_{per_push}", per_push / ours, per_push / naive)


def _best(parse_one: Callable[[Any], Any], inputs: Sequence[Any], rounds: int) -> float:
    """Seconds of this process's own time for one of the inputs, in the best round."""
    best = float("inf")
    for _ in range(rounds):
        began_s = time.process_time()
        for each in inputs:
            parse_one(each)
        best = min(best, (time.process_time() - began_s) / len(inputs))
    return best


def _figure(name: str, value: float, baseline: float) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "reports/s", "baseline": baseline, "ratio": value / baseline}


# --- the whole way ---------------------------------------------------------------------------------------------------


def config_of(folder: Path, urls: dict[str, str]) -> Config:
    """Both accounts, log and store in the folder."""
    accounts = {name: {"url": urls.get(name, "http://127.0.0.1:1"), **keys} for name, keys in ACCOUNTS.items()}
    table = {
        "log": {"url": f"sqlite:{folder / 'log.db'}"},
        "store": {"url": f"sqlite:{folder / 'results.db'}"},
        "web": {"listen": "127.0.0.1:0"},
        "account": accounts,
    }
    return parse(table, "bench")


async def send_campaigns(folder: Path, recipients: int) -> dict[str, list[Report]]:
    """Launch and really send a campaign through each account; (vendor id, number) of each recipient."""
    sims = {name: {"vendor": name, "account": {"spring": {}}} for name in ACCOUNTS}
    with spawn(sims) as vendors:
        config = config_of(folder, {name: client.url for name, client in vendors.named.items()})
        log = await open_log(config.log.url)
        for name in ACCOUNTS:
            numbers = np.arange(FIRST, FIRST + recipients)
            await producers.launch(numbers, text="hi", route=[name], config=config, log=log, id=name)
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(config, log, stop))
        found: dict[str, list[Report]] = {}
        while len(found) < len(ACCOUNTS):
            await asyncio.sleep(0.2)
            async with up_to_date(config, log) as reader:
                for name in ACCOUNTS:
                    view = reader.campaign(name)
                    if name not in found and view is not None and view.counts.accepted == recipients:
                        found[name] = []
                        for page in reader.pages(name):
                            ids = [page.vendor_ids[at] for at in page.vendor_id_index]
                            found[name] += zip(ids, page.numbers.tolist(), strict=True)
        stop.set()
        await lanes
        await log.close()
    return found


async def push(url: str, pushes: Sequence[bytes]) -> None:
    """Send these over CONNECTIONS connections until the last is answered."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    todo = iter(pushes)
    finished = [loop.create_future() for _ in range(CONNECTIONS)]
    links = [
        await loop.create_connection(partial(Client, todo, done), parts.hostname or "", parts.port or 0)
        for done in finished
    ]
    await asyncio.gather(*finished)
    for transport, _ in links:
        transport.close()


async def joined(folder: Path, account: str, delivered: int) -> None:
    """Wait until the store says that so many recipients are delivered."""
    reader = open_reader(config_of(folder, {}).store)
    while (view := reader.campaign(account)) is None or view.counts.delivered < delivered:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    reader.close()


async def serve_ours(folder: Path) -> None:
    """Webhooks and joiner: print the address, serve until standard input ends, print how many reports came."""
    _bind(SERVERS_CORE)
    config = config_of(folder, {})
    log = await open_log(config.log.url)
    stop = asyncio.Event()
    joiner = asyncio.create_task(run_joiner(config, log, stop))
    webhooks = await serve_webhooks(config, log)
    print(webhooks.url, flush=True)
    await _marked()
    await webhooks.close()
    stop.set()
    await joiner
    await log.close()
    print(webhooks.counts.reports, flush=True)


async def serve_naive(folder: Path) -> None:
    """The same for the app people write first: a row per report, a commit per push."""
    import fastapi
    import uvicorn
    from starlette.requests import Request

    _bind(SERVERS_CORE)
    database = sqlite3.connect(folder / "naive.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE report (msgid TEXT, mobile TEXT, status TEXT, at REAL)")
    app = fastapi.FastAPI()

    async def report(request: Request) -> fastapi.Response:
        rows = NAIVE[request.path_params["account"]](await request.body())
        database.execute("BEGIN")
        database.executemany("INSERT INTO report VALUES (?, ?, ?, ?)", rows)
        database.execute("COMMIT")
        return fastapi.Response()

    app.add_route("/push/{account}/report", report, methods=["POST"])

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
    await _marked()
    server.should_exit = True
    await serving
    print(database.execute("SELECT count(*) FROM report").fetchone()[0], flush=True)


def _bind(*cores: int) -> None:
    """Keep this process to these cores, if there are several and the system can do that."""
    if hasattr(os, "sched_setaffinity") and (len(CORES) > 1 or "SERVERS_CORE" in os.environ):
        os.sched_setaffinity(0, cores)


async def _marked() -> None:
    """Answer each line of standard input with the CPU seconds used so far, until it ends."""
    while await asyncio.to_thread(sys.stdin.readline):
        print(time.process_time(), flush=True)


class Server:
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
async def server(which: str, folder: Path, expected: int) -> AsyncIterator[Server]:
    """A server; at the end it must have stored exactly `expected` reports."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.webhook_batches", which, str(folder)),
        env=os.environ | {"SERVERS_CORE": str(SERVERS_CORE)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield Server(process, (await process.stdout.readline()).decode().strip())
        process.stdin.close()
        stored = int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()
    if stored != expected:
        raise RuntimeError(f"{which}: {stored} reports stored, {expected} answered")


async def _served(quick: bool) -> list[dict[str, Any]]:
    count, rounds = (50_000, 1) if quick else (500_000, ROUNDS)
    naive_count = count // 10
    wall: dict[str, list[float]] = {name: [] for name in (*ACCOUNTS, *(f"{name} naive" for name in ACCOUNTS))}
    cpu: dict[str, list[float]] = {name: [] for name in wall}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reports = await send_campaigns(folder, count * rounds)
        _bind(*(core for core in CORES if core != SERVERS_CORE))
        async with (
            server("ours", folder, count * rounds * len(ACCOUNTS)) as ours,
            server("naive", folder, naive_count * rounds * len(ACCOUNTS)) as naive,
        ):
            for done in range(0, count * rounds, count):
                for account in ACCOUNTS:
                    pushes = requests(account, reports[account][done : done + count])
                    async with _timed(ours, count, wall[account], cpu[account]):
                        await push(ours.url, pushes)
                        await joined(folder, account, done + count)
                    pushes = requests(account, reports[account][:naive_count])
                    async with _timed(naive, naive_count, wall[f"{account} naive"], cpu[f"{account} naive"]):
                        await push(naive.url, pushes)
    _bind(*CORES)
    return [
        _figure(
            f"webhook_{PER_PUSH[account]}{of}",
            statistics.median(speeds[account]),
            statistics.median(speeds[f"{account} naive"]),
        )
        for account in ACCOUNTS
        for of, speeds in (("", wall), (" (own CPU)", cpu))
    ]


@contextlib.asynccontextmanager
async def _timed(server: Server, count: int, wall: list[float], cpu: list[float]) -> AsyncIterator[None]:
    """Adds reports per second, and per CPU second of the server, of what happens meanwhile."""
    cpu_s, began_s = await server.cpu_s(), time.perf_counter()
    yield
    wall.append(count / (time.perf_counter() - began_s))
    cpu.append(count / (await server.cpu_s() - cpu_s))


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """Parsing alone, then the whole way."""
    return [*(parsing(account, quick) for account in ACCOUNTS), *await _served(quick)]


def main() -> None:
    """Run the benchmark, or one of its servers."""
    match sys.argv[1:]:
        case ["ours", folder]:
            uvloop.run(serve_ours(Path(folder)))
        case ["naive", folder]:
            uvloop.run(serve_naive(Path(folder)))
        case options:
            print(json.dumps(uvloop.run(run("--quick" in options)), indent=2))


if __name__ == "__main__":
    main()
