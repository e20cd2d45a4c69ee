"""A gateway's own connections to others: a long one with a window and timers, or a short one for a single question.

A request that has no answer in the end is answered None, once: its connection could not be made, broke, or stayed
silent N times T (vendors.md 6.12, the failure rules).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from dispatcher.cmpp import pdus
from dispatcher.cmpp.layout import Pdu
from loadtest.sim.cmpp.judging import source_hash
from loadtest.sim.cmpp.stream import Stream

SHORT_S_MAX: Final = 5.0
Answered = Callable[[Pdu | None], None]


class Address(NamedTuple):
    """Where a gateway listens."""

    host: str
    port: int


def login(code: bytes, secret: bytes, now: datetime) -> pdus.Connect:
    """The CONNECT of a gateway or of the name server."""
    text = now.strftime("%m%d%H%M%S").encode()
    return pdus.Connect(code, source_hash(code.ljust(6, b"\0"), secret, text), pdus.VERSION_20, int(text))


async def ask_once(address: Address, connect: pdus.Connect, request: Pdu) -> Pdu | None:
    """A short connection: the login, one request, its answer. None if there is no answer."""
    try:
        async with asyncio.timeout(SHORT_S_MAX):
            reader, writer = await asyncio.open_connection(*address)
            try:
                writer.write(connect.pack(1) + request.pack(2))
                stream = Stream()
                while data := await reader.read(65536):
                    for command, sequence, body in stream.frames(data):
                        if command == pdus.CONNECT_RESP and body[:1] != b"\0":
                            return None
                        if sequence == 2 and command == request.command | 0x80000000:
                            answer = pdus.LAYOUTS[command][0].unpack(body)
                            return None if isinstance(answer, str) else answer
            finally:
                writer.close()
    except (OSError, TimeoutError):
        pass
    return None


class Asked:
    """A request under way."""

    __slots__ = ("answered", "request", "sent_s", "tries")

    def __init__(self, request: Pdu, answered: Answered) -> None:
        self.request = request
        self.answered = answered
        self.sent_s = 0.0
        self.tries = 0


class Dial(asyncio.Protocol):
    """A long connection to one gateway, made when it is needed."""

    def __init__(self, address: Address, connect: Callable[[], pdus.Connect], window: Callable[[], int]) -> None:
        self._address = address
        self._connect = connect
        self._window = window
        self._transport: Any = None
        self._stream = Stream()
        self._logged_in = False
        self._connecting: asyncio.Task[None] | None = None
        self._queue: deque[Asked] = deque()
        self._under_way: dict[int, Asked] = {}
        self._sequence = 0
        self._used_s = 0.0
        self.reachable = True

    @property
    def waiting(self) -> int:
        """Requests that are not answered."""
        return len(self._queue) + len(self._under_way)

    def ask(self, request: Pdu, answered: Answered) -> None:
        """Send a request as soon as the window has room."""
        self._queue.append(Asked(request, answered))
        if self._logged_in:
            self._pump()
        elif self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._reach())

    async def _reach(self) -> None:
        try:
            if not self.reachable:
                raise ConnectionRefusedError
            async with asyncio.timeout(SHORT_S_MAX):
                await asyncio.get_running_loop().create_connection(lambda: self, *self._address)
        except (OSError, TimeoutError):
            self._connecting = None
            self._fail([*self._queue])

    def _fail(self, asked: list[Asked]) -> None:
        for each in asked:
            if each in self._queue:
                self._queue.remove(each)
            each.answered(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._stream = Stream()
        self._write(self._connect().pack(self._next()))

    def data_received(self, data: bytes) -> None:
        out = b""
        for command, sequence, body in self._stream.frames(data):
            match command:
                case pdus.CONNECT_RESP:
                    self._logged_in = body[:1] == b"\0"
                    if not self._logged_in:
                        self._transport.close()
                case pdus.ACTIVE_TEST:
                    out += pdus.ActiveTestResp().pack(sequence)
                case pdus.TERMINATE:
                    out += pdus.TerminateResp().pack(sequence)
                case _:
                    asked = self._under_way.pop(sequence, None)
                    layouts = pdus.LAYOUTS.get(command)
                    answer = layouts[0].unpack(body) if layouts else ""
                    if asked is not None:
                        asked.answered(None if isinstance(answer, str) else answer)
        if out:
            self._write(out)
        if self._stream.wrong:
            self._transport.close()
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport, self._logged_in, self._connecting = None, False, None
        broken, self._under_way = [*self._under_way.values()], {}
        waiting, self._queue = [*self._queue], deque()
        for each in (*broken, *waiting):
            each.answered(None)

    def _pump(self) -> None:
        frames = []
        while self._logged_in and self._queue and len(self._under_way) < self._window():
            asked = self._queue.popleft()
            sequence = self._next()
            asked.sent_s, asked.tries = time.monotonic(), 1
            self._under_way[sequence] = asked
            frames.append(asked.request.pack(sequence))
        if frames:
            self._write(b"".join(frames))

    def tick(self, now_s: float, interval_s: float, timeout_s: float, attempts: int) -> None:
        """Send again what has no answer; say that we are there."""
        if self._transport is None:
            return
        again = []
        for sequence, asked in list(self._under_way.items()):
            if now_s - asked.sent_s < timeout_s:
                continue
            if asked.tries >= attempts:
                del self._under_way[sequence]
                asked.answered(None)
            else:
                asked.tries, asked.sent_s = asked.tries + 1, now_s
                again.append(asked.request.pack(sequence))
        if not self._under_way and now_s - self._used_s >= interval_s:
            again.append(pdus.ActiveTest().pack(self._next()))
        if again:
            self._write(b"".join(again))
        self._pump()

    def _next(self) -> int:
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        return self._sequence

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._used_s = time.monotonic()
            self._transport.write(data)

    def close(self) -> None:
        """End it; what is under way is answered None."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.abort()
