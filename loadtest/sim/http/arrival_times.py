"""Connections that know when a request's first byte reached this machine: by the kernel's stamp.

A simulator that is busy reads late, and then requests seem to come in bursts that never were; a judge of "never more
than N in any second" would see ghosts. Linux stamps every packet (SO_TIMESTAMPNS) and tells on `recvmsg`, which
asyncio's own transports don't call; hence this one. Where the kernel has no stamp, the moment of reading counts.
Weak spot: Linux joins packets that wait together and keeps the last one's stamp, so a request that was sent in pieces
while it was not read is stamped with a later piece (microseconds apart for any client that sends its request at once).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, cast

from dispatcher.errors import ConfigError, PortInUse

SO_TIMESTAMPNS = 35  # socket.h on Linux, all common architectures; not in Python's socket module
STAMP = struct.Struct("@ll")
READ_BYTES = 256 * 1024
BACKLOG = 1024
ACCEPTS_MAX = 64
ACCEPT_PAUSE_S = 1.0  # when there are no file handles left
LAG_S_MAX = 3600.0  # a stamp further back than that is a clock that was set


class Stamping(Protocol):
    """What a connection is handed to: an asyncio.Protocol that is told of every request's first byte."""

    stamp_s: float

    def begins(self, at_s: float) -> None:
        """A request begins; `stamp_s` is not 0 until it has been read."""
        ...

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool | None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...


def stamp(ancillary: list[tuple[int, int, bytes]]) -> float:
    """When the kernel took the bytes in, on time.monotonic()'s clock; now, if it does not say."""
    now_s = time.monotonic()
    for level, kind, value in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(value) >= STAMP.size:
            seconds, nanoseconds = STAMP.unpack_from(value)
            lag_s = time.time() - seconds - nanoseconds / 1e9
            return now_s - lag_s if 0 <= lag_s <= LAG_S_MAX else now_s
    return now_s


class Listener:
    """Accepts connections on host:port and hands each to a new protocol. Raises OSError."""

    def __init__(self, host: str, port: int, make: Callable[[], Stamping]) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(READ_BYTES)
        self.socket = socket.create_server((host, port), family=family, backlog=BACKLOG)
        self.socket.setblocking(False)
        with suppress(OSError):  # not Linux: `stamp` says now
            self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)  # inherited by what it accepts
        self._loop.add_reader(self.socket, self._accept)

    @property
    def port(self) -> int:
        """The port listened on."""
        port: int = self.socket.getsockname()[1]
        return port

    def close(self) -> None:
        """Accept no more."""
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _accept(self) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                sock, _ = self.socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self._loop.remove_reader(self.socket)
                    self._loop.call_later(ACCEPT_PAUSE_S, self._listen_again)
                    return
                raise
            sock.setblocking(False)
            StampedTransport(self._loop, sock, self._make(), self._buffer)

    def _listen_again(self) -> None:
        if self.socket.fileno() >= 0:
            self._loop.add_reader(self.socket, self._accept)


def listening(make: Callable[[], Stamping], host: str, port: int) -> Listener:
    """A listener there. ConfigError, PortInUse."""
    try:
        return Listener(host, port, make)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(
                f"{host}:{port} is taken by another program. End that one, or choose another address with --listen."
            ) from None
        raise ConfigError(
            f"the simulator cannot listen on {host}:{port}: {error.strerror}. Use 127.0.0.1:PORT."
        ) from None


class StampedTransport(asyncio.Transport):
    """One connection. Writes are buffered without a bound: answers are small, or asked for by the one who waits.

    `buffer` is the listener's: each read copies what came out of it, which is cheaper than a large object per read.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: Stamping, buffer: bytearray
    ) -> None:
        super().__init__({"socket": sock, "peername": sock.getpeername(), "sockname": sock.getsockname()})
        self._loop = loop
        self._sock = sock
        self._protocol = protocol
        self._buffer = memoryview(buffer)
        self._unsent = bytearray()
        self._closing = False
        self._lost = False
        self._reading = True
        protocol.connection_made(self)
        if not self._closing:
            loop.add_reader(sock, self._readable)

    # reading

    def _readable(self) -> None:
        protocol = self._protocol
        try:
            if protocol.stamp_s:
                data = self._read()
            else:
                data, ancillary, _, _ = self._sock.recvmsg(1, 64)  # one byte: no later packet's stamp
                if data:
                    protocol.begins(stamp(ancillary))
                    data = self._with_the_rest(data)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        if data:
            protocol.data_received(data)
        else:
            protocol.eof_received()
            self.close()

    def _with_the_rest(self, first: bytes) -> bytes:
        try:
            return first + self._read()
        except (BlockingIOError, InterruptedError):
            return first

    def _read(self) -> bytes:
        return bytes(self._buffer[: self._sock.recv_into(self._buffer)])

    def is_reading(self) -> bool:
        """Not paused and not closing."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Leave what comes in the kernel's buffer."""
        if self.is_reading():
            self._reading = False
            self._loop.remove_reader(self._sock)

    def resume_reading(self) -> None:
        """Read on."""
        if not self._reading and not self._closing:
            self._reading = True
            self._loop.add_reader(self._sock, self._readable)

    # writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send now what the kernel takes, the rest when it can."""
        if self._closing:
            return
        if not self._unsent:
            try:
                sent = self._sock.send(data)
            except (BlockingIOError, InterruptedError):
                sent = 0
            except OSError as error:
                self._lose(error)
                return
            if sent == len(data):
                return
            data = memoryview(data)[sent:]
            self._loop.add_writer(self._sock, self._writable)
        self._unsent += data

    def _writable(self) -> None:
        try:
            sent = self._sock.send(self._unsent)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._lose(error)
            return
        del self._unsent[:sent]
        if not self._unsent:
            self._loop.remove_writer(self._sock)
            if self._closing:
                self._lose(None)

    def get_write_buffer_size(self) -> int:
        """Bytes not sent yet."""
        return len(self._unsent)

    # the end

    def is_closing(self) -> bool:
        """`close` or `abort` was called, or the other side is gone."""
        return self._closing

    def close(self) -> None:
        """Send what is unsent, then close."""
        if self._closing:
            return
        self._closing = True
        self._loop.remove_reader(self._sock)
        if not self._unsent:
            self._lose(None)

    def abort(self) -> None:
        """Close at once."""
        self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._unsent.clear()
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._loop.call_soon(self._end, error)

    def _end(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._sock.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """For asyncio's sake."""
        self._protocol = cast(Any, protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """For asyncio's sake."""
        return cast(asyncio.BaseProtocol, self._protocol)
