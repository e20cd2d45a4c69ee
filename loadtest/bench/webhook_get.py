"""`webhook_get`: delivery reports, one per GET, over many keep-alive connections: parsed, durable and joined.

Ours: webhooks and joiner in one process, on the SQLite log and store, fed with the reports of a campaign that was
really sent; the time ends when the store says that every recipient is delivered. Beside it what people write first: a
FastAPI app under uvicorn that inserts a row per report and commits it (and joins nothing). Both on uvloop, both with
WAL and `synchronous=FULL`, in a process of their own; the same load, from this process, in interleaved rounds.

    python -m loadtest.bench.webhook_get [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import numpy as np
import uvloop

import producers
from consumers.joiner import run_joiner
from consumers.lanes import run_lanes
from dispatcher.config import Config, parse
from dispatcher.core.equation import Counts
from dispatcher.log.opening import open_log
from dispatcher.store.catching_up import up_to_date
from dispatcher.store.opening import open_reader
from dispatcher.store.port import StoreReader
from loadtest.sim.spawn import spawn
from producers.webhooks import serve_webhooks

CONNECTIONS: Final = 128
ROUNDS: Final = 3
ACCOUNT: Final = "spring"
CAMPAIGN: Final = "bench"
FIRST: Final = 13_800_000_000


# --- the load --------------------------------------------------------------------------------------------------------


def requests(reports: Iterable[tuple[str, int]]) -> Iterator[bytes]:
    """GET requests that say of each (vendor id, number): delivered."""
    for vendor_id, number in reports:
        yield (
            f"GET /push/spring/report?receiver=admin&pswd=12345&msgid={vendor_id}&reportTime=2501011002"
            f"&mobile={number}&status=DELIVRD HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: vendor\r\n\r\n"
        ).encode()


class Client(asyncio.Protocol):
    """One keep-alive connection of a vendor: pushes the next report when the last one was answered."""

    def __init__(self, todo: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._todo = todo
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name
        self._next()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data
        head, end, body = buffer.partition(b"\r\n\r\n")
        if not end:
            self._buffer = buffer
            return
        lowered = head.lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(body) < length:
            self._buffer = buffer
            return
        self._buffer = b""
        if not head.startswith(b"HTTP/1.1 200"):
            self._done.set_exception(RuntimeError(head.decode("latin-1")))
            return
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError(f"the server hung up: {exc}"))

    def _next(self) -> None:
        assert self._transport is not None
        request = next(self._todo, None)
        if request is not None:
            self._transport.write(request)
        elif not self._done.done():
            self._done.set_result(None)


async def push(url: str, reports: Sequence[tuple[str, int]]) -> float:
    """Push these reports over CONNECTIONS connections until the last is answered; when it began (perf_counter)."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(url)
    todo = iter(list(requests(reports)))
    finished = [loop.create_future() for _ in range(CONNECTIONS)]
    started_s = time.perf_counter()
    links = []
    for done in finished:
        client = partial(Client, todo, done)
        links.append(await loop.create_connection(client, parts.hostname or "", parts.port or 0))
    await asyncio.gather(*finished)
    for transport, _ in links:
        transport.close()
    return started_s


# --- the servers, each in a process of its own -----------------------------------------------------------------------


def config_of(folder: Path, vendor_url: str = "http://127.0.0.1:1") -> Config:
    """One account, log and store in the folder."""
    account: dict[str, Any] = {"vendor": "batch-a", "url": vendor_url, "account": ACCOUNT, "pswd": "secret"}
    account |= {"numbers_per_request": 500, "receiver": "admin", "push_pswd": "12345"}
    table = {
        "log": {"url": f"sqlite:{folder / 'log.db'}"},
        "store": {"url": f"sqlite:{folder / 'results.db'}"},
        "web": {"listen": "127.0.0.1:0"},
        "account": {ACCOUNT: account},
    }
    return parse(table, "bench")


async def send_campaign(folder: Path, recipients: int) -> list[tuple[str, int]]:
    """Launch and really send a campaign; (vendor id, number) of each recipient."""
    with spawn({"account": {ACCOUNT: {}}}, loop="uvloop") as vendor:
        config = config_of(folder, vendor.url)
        log = await open_log(config.log.url)
        numbers = np.arange(FIRST, FIRST + recipients)
        await producers.launch(numbers, text="hi", route=[ACCOUNT], config=config, log=log, id=CAMPAIGN)
        stop = asyncio.Event()
        lanes = asyncio.create_task(run_lanes(config, log, stop))
        taken = 0
        while taken < recipients:
            await asyncio.sleep(0.1)
            async with up_to_date(config, log) as reader:
                taken = _counts(reader).accepted
        stop.set()
        await lanes
        pairs: list[tuple[str, int]] = []
        async with up_to_date(config, log) as reader:
            for page in reader.pages(CAMPAIGN):
                ids = [page.vendor_ids[at] for at in page.vendor_id_index]
                pairs += zip(ids, page.numbers.tolist(), strict=True)
        await log.close()
    return pairs


def _counts(reader: StoreReader) -> Counts:
    view = reader.campaign(CAMPAIGN)
    return view.counts if view else Counts()


async def joined(folder: Path, delivered: int) -> None:
    """Wait until the store says that so many recipients are delivered."""
    reader = open_reader(config_of(folder).store)
    while _counts(reader).delivered < delivered:  # noqa: ASYNC110  the store is another process's
        await asyncio.sleep(0.01)
    reader.close()


async def serve_ours(folder: Path) -> None:
    """Webhooks and joiner: print the address, serve until standard input ends, print how many reports came."""
    config = config_of(folder)
    log = await open_log(config.log.url)
    stop = asyncio.Event()
    joiner = asyncio.create_task(run_joiner(config, log, stop))
    webhooks = await serve_webhooks(config, log)
    print(webhooks.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await webhooks.close()
    stop.set()
    await joiner
    await log.close()
    print(webhooks.counts.reports, flush=True)


async def serve_naive(folder: Path) -> None:
    """The same for the app people write first: a row per report."""
    import fastapi
    import uvicorn

    database = sqlite3.connect(folder / "naive.db", isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE report (msgid TEXT, mobile TEXT, status TEXT, at TEXT)")
    app = fastapi.FastAPI()

    @app.get("/push/spring/report", response_class=fastapi.Response)
    async def report(receiver: str, pswd: str, msgid: str, mobile: str, status: str, reportTime: str) -> None:
        if receiver != "admin" or pswd != "12345":
            raise fastapi.HTTPException(403)
        database.execute("INSERT INTO report VALUES (?, ?, ?, ?)", (msgid, mobile, status, reportTime))

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has no event for it
        await asyncio.sleep(0.01)
    print(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await serving
    print(database.execute("SELECT count(*) FROM report").fetchone()[0], flush=True)


@contextlib.asynccontextmanager
async def server(which: str, folder: Path, expected: int) -> AsyncIterator[str]:
    """The address of a server of its own; at the end it must have stored exactly `expected` reports."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.webhook_get", which, str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
        process.stdin.close()
        stored = int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()
    if stored != expected:
        raise RuntimeError(f"{which}: {stored} reports stored, {expected} answered")


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """The medians of a few interleaved rounds."""
    ours_count, naive_count, rounds = (20_000, 2_000, 1) if quick else (100_000, 10_000, ROUNDS)
    ours: list[float] = []
    naive: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        reports = await send_campaign(folder, ours_count * rounds)
        async with (
            server("ours", folder, ours_count * rounds) as our_url,
            server("naive", folder, naive_count * rounds) as naive_url,
        ):
            for done in range(0, ours_count * rounds, ours_count):
                began_s = await push(our_url, reports[done : done + ours_count])
                await joined(folder, done + ours_count)
                ours.append(ours_count / (time.perf_counter() - began_s))
                began_s = await push(naive_url, reports[:naive_count])
                naive.append(naive_count / (time.perf_counter() - began_s))
    value, baseline = statistics.median(ours), statistics.median(naive)
    return [
        {"name": "webhook_get", "value": value, "unit": "reports/s", "baseline": baseline, "ratio": value / baseline}
    ]


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
