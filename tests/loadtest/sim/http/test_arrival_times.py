"""Connections stamped by the kernel: an arrival is when it was, however busy the simulator."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
import time
from typing import Any

import pytest

from loadtest.sim.http import arrival_times as stamped
from loadtest.sim.http.arrival_times import LAG_S_MAX, SO_TIMESTAMPNS, STAMP, Listener, stamp
from tests.loadtest.sim.sim_kit import Vendor, numbers, vendor
from tests.waiting import until


def connect(v: Vendor) -> socket.socket:
    host, _, port = v.sim.url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps packets")
async def test_requests_that_waited_for_a_busy_simulator_arrived_when_they_were_sent() -> None:
    async with vendor({"flow": {"limit": 1, "per_s": 0.1}}) as v:
        with connect(v) as first, connect(v) as second:
            await until(lambda: len(v.sim._server.connections) == 2)  # type: ignore[union-attr]
            moments: list[float] = []
            for sock in (first, second):
                sock.sendall(v.post(v.form(msg=str(len(moments)))))
                time.sleep(0.2)  # noqa: ASYNC251 - the event loop is kept busy: nothing is read meanwhile
                moments.append(v.sim.state.clock.at(time.monotonic()))
            await until(lambda: v.sim.rows().height == 2)
            arrived = v.sim.rows().sort("text")["arrived_s"].to_list()
            assert arrived[0] < moments[0] < arrived[1] < moments[1]
            assert (await v.account())["windows_over_limit"] == 0


def test_without_a_usable_stamp_the_moment_of_reading_counts() -> None:
    future = STAMP.pack(int(time.time()) + 1000, 0)
    long_ago = STAMP.pack(int(time.time() - LAG_S_MAX) - 1000, 0)
    for ancillary in (
        [],
        [(socket.SOL_SOCKET, SO_TIMESTAMPNS, b"short")],
        [(socket.SOL_SOCKET, 1, STAMP.pack(1, 1))],
        [(socket.SOL_SOCKET, SO_TIMESTAMPNS, future)],
        [(socket.SOL_SOCKET, SO_TIMESTAMPNS, long_ago)],
    ):
        before = time.monotonic()
        assert before <= stamp(ancillary) <= time.monotonic()


def test_a_stamp_is_told_on_the_monotonic_clock() -> None:
    earlier = time.time() - 5
    told = stamp([(socket.SOL_SOCKET, SO_TIMESTAMPNS, STAMP.pack(int(earlier), int(earlier % 1 * 1e9)))])
    assert told <= time.monotonic() - 5


async def test_an_answer_that_the_client_reads_slowly_comes_whole() -> None:
    async with vendor() as v:
        await v.send(mobile=numbers(50_000))
        rows = await v.raw(b"GET /_sim/ledger/rows?format=ndjson HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
        head, _, body = rows.partition(b"\r\n\r\n")
        assert f"Content-Length: {len(body)}".encode() in head
        assert body.count(b"\n") == 50_000


async def test_a_client_that_resets_in_the_middle_of_an_answer_does_no_harm() -> None:
    async with vendor() as v:
        await v.send(mobile=numbers(50_000))
        with connect(v) as sock:
            sock.sendall(b"GET /_sim/ledger/rows?format=ndjson HTTP/1.1\r\nHost: s\r\n\r\n")
            await asyncio.get_running_loop().run_in_executor(None, sock.recv, 1000)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        assert (await v.send()).code == "0"


async def test_many_connections_at_once_are_all_served() -> None:
    async with vendor() as v:
        answers = await asyncio.gather(*(v.raw(v.post(v.form())) for _ in range(200)))
        assert sum(b",0\n" in a for a in answers) == 200


class Silent(asyncio.Protocol):
    stamp_s = 0.0

    def __init__(self) -> None:
        self.transport: Any = None
        self.received = b""

    def begins(self, at_s: float) -> None:
        self.stamp_s = at_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data


async def test_a_paused_connection_reads_on_when_it_is_resumed() -> None:
    made: list[Silent] = []
    listener = Listener("127.0.0.1", 0, lambda: made.append(Silent()) or made[-1])  # type: ignore[func-returns-value]
    with socket.create_connection(("127.0.0.1", listener.port)) as sock:
        await until(lambda: bool(made))
        made[0].transport.pause_reading()
        assert not made[0].transport.is_reading()
        sock.sendall(b"x" * 1000)
        await asyncio.sleep(0.02)
        assert made[0].received == b""
        made[0].transport.resume_reading()
        await until(lambda: len(made[0].received) == 1000)
        assert made[0].transport.get_protocol() is made[0]
        made[0].transport.close()
        made[0].transport.write(b"too late")
        assert made[0].transport.is_closing()
        assert await asyncio.get_running_loop().run_in_executor(None, sock.recv, 10) == b""
    listener.close()


async def test_out_of_file_handles_it_stops_accepting_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Silent] = []
    listener = Listener("127.0.0.1", 0, lambda: made.append(Silent()) or made[-1])  # type: ignore[func-returns-value]
    failures = [OSError(errno.EMFILE, "too many open files")]
    accept = socket.socket.accept

    def exhausted(self: socket.socket) -> Any:
        if self is listener.socket and failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(stamped, "ACCEPT_PAUSE_S", 0.01)
    monkeypatch.setattr(socket.socket, "accept", exhausted)
    with socket.create_connection(("127.0.0.1", listener.port)):
        await until(lambda: bool(made))
    assert failures == []
    made[0].transport.abort()
    listener.close()
