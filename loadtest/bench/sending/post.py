"""`post_500`, `post_50000`: what one request costs the HTTP driver, beside aiohttp as people use it (`data={…}`).

The other side is a bare socket server in its own process that takes everything at once, so that what is measured is
ours: preparing, writing, reading and classifying. Nothing is journalled here; for the whole way see `submit`.
Numbers per second of wall time, 16 requests under way, interleaved rounds, both on uvloop.

    python -m loadtest.bench.sending.post [--quick]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import aiohttp
import uvloop

from dispatcher.config.file import parse
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.drivers.http.driver import HttpDriver
from dispatcher.vendors.seam.vendor import HttpVendor, Message
from loadtest.bench.harness import figure, in_turn
from loadtest.bench.sending import naive
from loadtest.bench.sending.lanes import TEXT

UNDER_WAY: Final = 16
ROUNDS: Final = 3
FIRST: Final = 13_800_000_000
TAKEN: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n20110725160412,0\n1234567890123"


class Sink(asyncio.Protocol):
    """Takes every POST whole and answers that it was taken."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._head = b""
        self._missing = 0

    def data_received(self, data: bytes) -> None:
        if self._missing:
            self._missing -= len(data)
        else:
            self._head += data
            head, end, body = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._missing = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n", 1)[0]) - len(body)
        if self._missing <= 0:
            self._head, self._missing = b"", 0
            self._transport.write(TAKEN)


async def serve_sink() -> None:
    """Print the address, serve until standard input ends."""
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextlib.asynccontextmanager
async def sink() -> AsyncIterator[str]:
    """The address of a sink in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.sending.post", "sink"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.stdin.close()
        await process.wait()


async def _timed(requests: int, one: Callable[[], Awaitable[None]]) -> float:
    """Seconds for this many requests, UNDER_WAY at a time."""
    left = iter(range(requests))

    async def work() -> None:
        for _ in left:
            await one()

    started_s = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(UNDER_WAY)))
    return time.perf_counter() - started_s


async def _ours(vendor: HttpVendor, batch: bytes, count: int, requests: int) -> float:
    driver = HttpDriver(vendor, "spring")
    prepared, chunk = vendor.prepare(Message(text=TEXT)), memoryview(batch)

    async def one() -> None:
        sent = await driver.submit(prepared, chunk, count, before_write=lambda: True)
        assert sent.verdict.kind is Kind.ACCEPTED

    took_s = await _timed(requests, one)
    await driver.close()
    return took_s


async def _naive(url: str, batch: bytes, requests: int) -> float:
    mobiles = batch.decode()
    async with aiohttp.ClientSession() as session:
        return await _timed(requests, lambda: naive.post(session, url, mobiles))


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """One figure for 500 and one for 50,000 numbers a request."""
    figures = []
    async with sink() as url:
        account = {"vendor": "batch-a", "url": url, **naive.BATCH_LOGIN}
        vendor = parse({"account": {"spring": account}}, "bench").http_account("spring")
        for count, requests, naive_requests in ((500, 20_000, 6_000), (50_000, 2_000, 60)):
            batch = b",".join(b"%d" % number for number in range(FIRST, FIRST + count))
            rounds, share = (1, 10) if quick else (ROUNDS, 1)

            async def ours(count: int = count, batch: bytes = batch, requests: int = requests // share) -> float:
                return count * requests / await _ours(vendor, batch, count, requests)

            async def base(count: int = count, batch: bytes = batch, requests: int = naive_requests // share) -> float:
                return count * requests / await _naive(url, batch, requests)

            value, baseline = await in_turn(rounds, ours, base)
            figures.append(figure(f"post_{count}", value, "numbers/s", baseline))
    return figures


def main() -> None:
    """Run the benchmark, or its sink."""
    if sys.argv[1:] == ["sink"]:
        uvloop.run(serve_sink())
    else:
        print(json.dumps(uvloop.run(run("--quick" in sys.argv)), indent=2))


if __name__ == "__main__":
    main()
