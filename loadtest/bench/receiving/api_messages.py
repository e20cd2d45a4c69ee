"""`api_messages`: `POST /v1/streams/{stream}/messages` with one message each, answered when it is durable.

Beside it aiohttp's own part: a handler of its low-level server that reads the same body and answers 202. Both on
uvloop, each in a process of its own on one core; the same load, from this process, in interleaved rounds. Figures are
per CPU second of the server's process: what one free core would do.

    python -m loadtest.bench.receiving.api_messages [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import uvloop
from aiohttp import web

from dispatcher.core.people import PERMISSIONS
from dispatcher.log.opening import open_log
from dispatcher.process.command import collect_rarely
from dispatcher.service.people.directory import open_directory
from dispatcher.service.session import Session
from dispatcher.service.streams import StreamRequest, open_stream
from loadtest.bench.harness import figure
from loadtest.bench.receiving.push_servers import CORES, SERVERS_CORE
from loadtest.bench.receiving.pushing import FIRST, config_of, push
from producers.api.site import open_site
from producers.web.serving import serve

CONNECTIONS: Final = 128
ROUNDS: Final = 3
STREAM: Final = "orders"
ACCOUNTS: Final = {"spring": {"vendor": "batch-a", "account": "spring", "pswd": "secret", "push_open": True}}


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """The medians of a few interleaved rounds."""
    count, rounds = (3_000, 1) if quick else (30_000, ROUNDS)
    rates: dict[str, list[float]] = {"ours": [], "aiohttp": []}
    with tempfile.TemporaryDirectory() as folder:
        async with _server("ours", folder) as ours, _server("aiohttp", folder) as bare:
            for at in range(rounds):
                for name, server in (("ours", ours), ("aiohttp", bare)):
                    requests = [_request(server.secret, at * count + each) for each in range(count)]
                    cpu_s = await server.cpu_s()
                    await push(server.url, requests, CONNECTIONS)
                    rates[name].append(count / (await server.cpu_s() - cpu_s))
    value, baseline = (statistics.median(rates[name]) for name in ("ours", "aiohttp"))
    return [
        figure("api_messages: one a request, durable (own CPU; beside aiohttp alone)", value, "messages/s", baseline)
    ]


def _request(secret: str, at: int) -> bytes:
    body = b'{"messages":[{"number":"%d","key":"order-%d","text":"hi"}]}' % (FIRST + at, at)
    head = f"POST /v1/streams/{STREAM}/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Authorization: Bearer {secret}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class _Server:
    """A server in a process of its own; `secret` is the token that it takes."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, secret: str) -> None:
        self._process = process
        self.url = url
        self.secret = secret

    async def cpu_s(self) -> float:
        """The CPU seconds it has used so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return float(await self._process.stdout.readline())


@contextlib.asynccontextmanager
async def _server(which: str, folder: str) -> AsyncIterator[_Server]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.receiving.api_messages", which, folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url, secret = (await process.stdout.readline()).decode().split()
        yield _Server(process, url, secret)
    finally:
        process.stdin.close()
        await process.wait()


# --- the servers -----------------------------------------------------------------------------------------------------


async def _serve_ours(folder: Path) -> None:
    table = config_of(folder, ACCOUNTS)
    log = await open_log(table.log.url, create=True)
    session = Session(table, log)
    await open_stream(session, StreamRequest(id=STREAM, route=["spring"], campaign_class="code"))
    made = await (await open_directory(session)).add_token("bench", list(PERMISSIONS), by="bench")
    serving = await serve(table, log, [open_site])
    collect_rarely()
    print(serving.url, made.secret, flush=True)
    await _marked()
    await serving.close()
    await session.close()
    await log.close()


async def _serve_bare() -> None:
    async def handle(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.Response(status=202, body=b'{"taken":1}', content_type="application/json")

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]} none", flush=True)
    await _marked()
    await runner.cleanup()


async def _marked() -> None:
    """Answer each line of standard input with the CPU seconds used so far, until it ends."""
    while await asyncio.to_thread(sys.stdin.readline):
        print(time.process_time(), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [("ours" | "aiohttp") as which, folder]:
            if hasattr(os, "sched_setaffinity") and len(CORES) > 1:
                os.sched_setaffinity(0, {SERVERS_CORE})
            uvloop.run(_serve_ours(Path(folder)) if which == "ours" else _serve_bare())
        case options:
            print(json.dumps(uvloop.run(run("--quick" in options)), indent=2))
