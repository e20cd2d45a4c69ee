"""`cmpp_wire`: SUBMITs and answers over one connection, W = 16: our link beside asyncio streams with a future each.

The other side is a bare server in its own process that answers everything at once, so what is measured is the client's:
packing, writing, reading, matching. `cmpp_wire_simulated` is our link at the simulated gateway, which judges and
remembers every SUBMIT, with the gateway's CPU per message. Nothing is journalled. Per second of wall time, and CPU time
per message, which is the honest figure on a busy machine.

What the machine allows: the same octets, 16 SUBMITs there and 16 answers back, between two event loops that look at
nothing. No client with W = 16 can be faster than those round trips.

    python -m loadtest.bench.sending.cmpp_wire [--quick]
"""

from __future__ import annotations

import asyncio
import json
import statistics
import struct
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final, NamedTuple

import uvloop

from dispatcher.cmpp import pdus
from dispatcher.cmpp.link import Answers, Batch, Link, LinkSettings, LoggedIn
from dispatcher.cmpp.submits import SubmitTemplate
from loadtest.bench.harness import figure
from loadtest.sim.cmpp.server import CmppSimulator

WINDOW: Final = 16
CHUNK: Final = 500
ROUNDS: Final = 3
SUBMIT: Final = pdus.Submit(registered_delivery=0, msg_src=b"901234", src_id=b"1069000101", msg_content=b"hello")
SUBMIT_BYTES: Final = len(SUBMIT.pack(0)) + 21
SETTINGS: Final = LinkSettings(sp_id=b"901234", secret=b"secret", window=WINDOW)
NUMBER: Final = b"13800138000"
HEAD: Final = struct.Struct(">III")
WINDOW_BYTES: Final = WINDOW * SUBMIT_BYTES
ANSWERS: Final = bytes(WINDOW * len(pdus.SubmitResp().pack(0)))


class Sink(asyncio.Protocol):
    """Takes every SUBMIT of SUBMIT_BYTES and answers it; the first frame is a login."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._rest = b""
        self._known = False

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        if not self._known:
            self._known, data = True, data[39:]
            self._transport.write(pdus.ConnectResp().pack(1))
        count = len(data) // SUBMIT_BYTES
        if count:
            sequences = _submits(count).unpack_from(data)
            values = [21, pdus.SUBMIT_RESP, 0, 0, 0] * count
            values[2::5] = values[3::5] = sequences
            self._transport.write(_resps(count).pack(*values))
        self._rest = data[count * SUBMIT_BYTES :]


@lru_cache(CHUNK)
def _submits(count: int) -> struct.Struct:
    """The Sequence_Ids of this many."""
    return struct.Struct(">" + f"8xI{SUBMIT_BYTES - 12}x" * count)


@lru_cache(CHUNK)
def _resps(count: int) -> struct.Struct:
    return struct.Struct(">" + "IIIQB" * count)


class Echo(asyncio.Protocol):
    """Answers as many octets as a window has with as many as its answers have: no protocol at all."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._missing = WINDOW_BYTES

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if not self._missing:
            self._missing = WINDOW_BYTES
            self._transport.write(ANSWERS)


class Bare(asyncio.Protocol):
    """The other side of it."""

    def __init__(self, windows: int) -> None:
        self._windows = windows
        self._missing = 0
        self._transport: Any = None
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing:
            return
        self._windows -= 1
        if self._windows:
            self._next()
        else:
            self.done.set()

    def _next(self) -> None:
        self._missing = len(ANSWERS)
        self._transport.write(bytes(WINDOW_BYTES))


class Ours(asyncio.Protocol):
    """The link with its socket."""

    def __init__(self, messages: int) -> None:
        self._link = Link(SETTINGS)
        self._template = SubmitTemplate([SUBMIT])
        self._left = self._missing = messages
        self._batch: Batch | None = None
        self._transport: Any = None
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._link.connected("0131235959", time.monotonic())
        self._transport.write(self._link.take_output())

    def data_received(self, data: bytes) -> None:
        now_s = time.monotonic()
        for event in self._link.received(data, now_s):
            match event:
                case Answers(tokens):
                    self._missing -= len(tokens)
                case LoggedIn():
                    pass
        link = self._link
        if self._batch is None or not self._batch.left:
            count = min(self._left, CHUNK)
            self._left -= count
            self._batch = link.prepare(self._template, [NUMBER] * count, 0)
        count = min(link.room, self._batch.left)
        if count:
            link.send(self._batch, count, now_s)
            self._transport.write(link.take_output())
        if not self._missing:
            self.done.set()


async def _ours(address: tuple[str, int], messages: int) -> None:
    transport, client = await asyncio.get_running_loop().create_connection(lambda: Ours(messages), *address)
    await client.done.wait()
    transport.close()


async def _bare(address: tuple[str, int], messages: int) -> None:
    transport, client = await asyncio.get_running_loop().create_connection(lambda: Bare(messages // WINDOW), *address)
    await client.done.wait()
    transport.close()


async def _naive(address: tuple[str, int], messages: int) -> None:
    """A careful user's code: streams, a semaphore, a future per request, every PDU packed."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(pdus.Connect().pack(1))
    await reader.readexactly(30)
    waiting: dict[int, asyncio.Future[tuple[int, int]]] = {}
    window = asyncio.Semaphore(WINDOW)
    loop = asyncio.get_running_loop()

    async def read() -> None:
        for _ in range(messages):
            length, _, sequence = HEAD.unpack(await reader.readexactly(12))
            msg_id, result = struct.unpack(">QB", await reader.readexactly(length - 12))
            waiting.pop(sequence).set_result((msg_id, result))
            window.release()

    reading = asyncio.create_task(read())
    packed = SUBMIT.pack(0)
    head, tail = packed[12:128], packed[129:]
    for sequence in range(messages):
        await window.acquire()
        waiting[sequence] = loop.create_future()
        body = head + b"\x01" + NUMBER.ljust(21, b"\0") + tail
        writer.write(HEAD.pack(12 + len(body), pdus.SUBMIT, sequence) + body)
    await reading
    writer.close()


async def serve(side: str) -> None:
    """Print the port of this side, serve until standard input ends; print the CPU seconds."""
    if side in ("sink", "echo"):
        protocol = Sink if side == "sink" else Echo
        server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        cpu_s = time.process_time()
        await asyncio.to_thread(sys.stdin.read)
    else:
        account = {"account": SETTINGS.sp_id.decode(), "pswd": SETTINGS.secret.decode()}
        config = {"vendor": "cmpp", "listen": "127.0.0.1:0", "account": {"bench": account}}
        async with CmppSimulator(config) as simulator:
            print(simulator.address[1], flush=True)
            cpu_s = time.process_time()
            await asyncio.to_thread(sys.stdin.read)
    print(time.process_time() - cpu_s, flush=True)


class Side(NamedTuple):
    """A server in a process of its own, and the CPU seconds it used in the end."""

    address: tuple[str, int]
    cpu_s: list[float]


@asynccontextmanager
async def other_side(side: str) -> AsyncIterator[Side]:
    """A sink, an echo or a simulated gateway."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "loadtest.bench.sending.cmpp_wire", side),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    made = Side(("127.0.0.1", int(await process.stdout.readline())), [])
    try:
        yield made
    finally:
        process.stdin.close()
        made.cpu_s.append(float(await process.stdout.readline()))
        await process.wait()


async def _timed(one: Callable[[], Awaitable[None]], messages: int) -> tuple[float, float]:
    """Messages per second, and microseconds of CPU per message."""
    started_s, cpu_s = time.perf_counter(), time.process_time()
    await one()
    return messages / (time.perf_counter() - started_s), (time.process_time() - cpu_s) / messages * 1e6


async def run(quick: bool = False) -> list[dict[str, Any]]:
    """Messages per second, and CPU per message (where the ratio is the naive way's over ours)."""
    messages = 10_000 if quick else 100_000
    ours, naive, simulated, bare = [], [], [], []
    async with other_side("sink") as sink, other_side("gateway") as gateway, other_side("echo") as echo:
        for _ in range(ROUNDS):
            bare.append(await _timed(lambda: _bare(echo.address, messages), messages))
            ours.append(await _timed(lambda: _ours(sink.address, messages), messages))
            naive.append(await _timed(lambda: _naive(sink.address, messages // 2), messages // 2))
            simulated.append(await _timed(lambda: _ours(gateway.address, messages), messages))
    rate, cpu_us = (statistics.median(column) for column in zip(*ours, strict=True))
    naive_rate, naive_cpu_us = (statistics.median(column) for column in zip(*naive, strict=True))
    gateway_cpu_us = gateway.cpu_s[0] / (ROUNDS * messages) * 1e6
    simulated_rate = statistics.median(rate for rate, _ in simulated)
    bare_rate, bare_cpu_us = (statistics.median(column) for column in zip(*bare, strict=True))
    return [
        figure("cmpp_wire", rate, "messages/s", naive_rate),
        figure("cmpp_wire, of what round trips without a protocol allow", rate, "messages/s", bare_rate),
        figure("cmpp_wire_cpu, of those round trips", cpu_us, "CPU us/message", bare_cpu_us, less_is_better=True),
        figure("cmpp_wire_cpu", cpu_us, "CPU us/message", naive_cpu_us, less_is_better=True),
        figure("cmpp_wire_simulated", simulated_rate, "messages/s"),
        figure("cmpp_wire_simulated_cpu", gateway_cpu_us, "CPU us/message of the gateway"),
    ]


def main() -> None:
    """Run the benchmark, or its sink."""
    if sys.argv[1:2] in (["sink"], ["echo"], ["gateway"]):
        uvloop.run(serve(sys.argv[1]))
    else:
        print(json.dumps(uvloop.run(run("--quick" in sys.argv)), indent=2))


if __name__ == "__main__":
    main()
