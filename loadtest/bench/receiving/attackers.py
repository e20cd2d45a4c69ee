"""Hostile clients of a web server: a process with many connections of every kind, opened again when they are closed.

    python -m loadtest.bench.receiving.attackers URL PATH[,PATH…] CONNECTIONS

runs until its standard input ends, then prints how many connections of each kind it has opened. Each kind attacks the
paths in turn; the attackers know them, and no secret.
"""

from __future__ import annotations

import asyncio
import os
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final, cast
from urllib.parse import urlsplit

import msgspec
import orjson
import uvloop

AGAIN_S: Final = 0.05
OPENED_AT_ONCE: Final = 100


class Attack(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of attacker sends: `begins` once, then `goes_on` again and again.

    Every `every_s`, or as fast as the server reads.
    """

    begins: bytes = b""
    goes_on: bytes = b""
    every_s: float = 0.0


def attacks(path: str) -> dict[str, Attack]:
    """Every kind, against this path."""
    get = f"GET {path} HTTP/1.1\r\nHost: x\r\n".encode()
    post = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n".encode()
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n"
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS + 16)
    bomb = packer.compress(bytes(1_000_000)) + packer.flush()
    fields = b"&".join(b"f%d=1" % number for number in range(10_000))
    return {
        "endless trailer": Attack(begins=chunked + b"0\r\nX: ", goes_on=b"x" * 1_000),
        "many trailers": Attack(begins=chunked + b"0\r\n", goes_on=b"X: y\r\n" * 100),
        "chunk extensions": Attack(begins=chunked + b"1;", goes_on=b"x" * 1_000),
        "slow head": Attack(begins=get + b"X: ", goes_on=b"x", every_s=0.1),
        "slow body": Attack(begins=post + b"Content-Length: 60000\r\n\r\n", goes_on=b"x", every_s=0.1),
        "bomb": Attack(
            goes_on=post + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s" % (len(bomb), bomb), every_s=0.01
        ),
        "10,000 fields": Attack(goes_on=post + b"Content-Length: %d\r\n\r\n%s" % (len(fields), fields), every_s=0.01),
        "pipelining": Attack(goes_on=(get + b"\r\n") * 50),
        "idle": Attack(),
    }


class Attacker(asyncio.Protocol):
    """One hostile connection. It never reads what matters: answers are thrown away."""

    def __init__(self, attack: Attack, lost: asyncio.Future[None]) -> None:
        self._attack = attack
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.Handle | None = None
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(16_384)
        self._transport.write(self._attack.begins)
        self._go_on()

    def pause_writing(self) -> None:
        """Called by the loop."""
        self._full = True

    def resume_writing(self) -> None:
        """Called by the loop."""
        self._full = False
        if self._timer is None:
            self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._lost.done():
            self._lost.set_result(None)

    def _go_on(self) -> None:
        self._timer = None
        if self._transport is None or self._transport.is_closing() or self._full or not self._attack.goes_on:
            return
        self._transport.write(self._attack.goes_on)
        loop = asyncio.get_running_loop()
        if self._attack.every_s:
            self._timer = loop.call_later(self._attack.every_s, self._go_on)
        else:
            self._timer = loop.call_soon(self._go_on)


class Attackers:
    """This many connections, shared equally by the kinds, from `start` to `stop`; `opened` counts them by kind."""

    def __init__(self, url: str, paths: Sequence[str], connections: int) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 0
        self._kinds = [attack for path in paths for attack in attacks(path).items()]
        self._connections = connections
        self._tasks: list[asyncio.Task[None]] = []
        self.opened: Counter[str] = Counter()

    async def start(self) -> None:
        """Open the connections."""
        for number in range(self._connections):
            name, attack = self._kinds[number % len(self._kinds)]
            self._tasks.append(asyncio.create_task(self._one(name, attack)))
            if number % OPENED_AT_ONCE == 0:
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Close them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _one(self, name: str, attack: Attack) -> None:
        loop = asyncio.get_running_loop()
        while True:
            lost = loop.create_future()
            try:
                transport, _ = await loop.create_connection(lambda: Attacker(attack, lost), self._host, self._port)  # noqa: B023
                self.opened[name] += 1
                try:
                    await lost
                finally:
                    transport.abort()
            except OSError:
                pass
            await asyncio.sleep(AGAIN_S)


async def _run(url: str, paths: Sequence[str], connections: int) -> None:
    attackers = Attackers(url, paths, connections)
    await attackers.start()
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(orjson.dumps(attackers.opened).decode(), flush=True)
    await attackers.stop()


if __name__ == "__main__":
    os.nice(5)  # they share a core with the vendor and the clients that are measured
    uvloop.run(_run(sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])))
