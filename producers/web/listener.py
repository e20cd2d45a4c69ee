"""Listening sockets: bounded accepting, sharing a port with other processes, TLS, room for files."""

from __future__ import annotations

import asyncio
import errno
import resource
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from dispatcher.errors import ConfigError

BACKLOG: Final = 1_024
ACCEPTS_MAX: Final = 50
ACCEPTS_EVERY_S: Final = 0.02
"""Connections accepted per period; more wait in the backlog."""
NO_FILES_S: Final = 0.2
FILES_KEPT: Final = 256
"""Files that the process needs besides connections: logs, stores, connections to vendors."""
FILES_WANTED: Final = 65_536

_OUT_OF_FILES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class Listener:
    """Accepts on every address of a host, from `open` to `close`; `accepted` gets each new socket and its address."""

    def __init__(self, accepted: Callable[[socket.socket, str], None], out_of_files: Callable[[], None]) -> None:
        self._accepted = accepted
        self._out_of_files = out_of_files
        self._loop = asyncio.get_running_loop()
        self._sockets: list[socket.socket] = []
        self._timers: dict[socket.socket, asyncio.TimerHandle] = {}

    async def open(self, host: str, port: int, *, share_port: bool) -> int:
        """Listen; the port (of the first address, where the host has several). Raises OSError."""
        found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                listening = socket.create_server(
                    (str(address[0]), int(address[1])), family=family, backlog=BACKLOG, reuse_port=share_port
                )
                listening.setblocking(False)
                self._sockets.append(listening)
        except OSError:
            self.close()
            raise
        for listening in self._sockets:
            self._watch(listening)
        bound: int = self._sockets[0].getsockname()[1]
        return bound

    def close(self) -> None:
        """Stop listening."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()

    def _watch(self, listening: socket.socket) -> None:
        self._timers.pop(listening, None)
        self._loop.add_reader(listening, self._accept, listening)

    def _rest(self, listening: socket.socket, for_s: float) -> None:
        """Accept nothing for a while."""
        self._loop.remove_reader(listening)
        self._timers[listening] = self._loop.call_later(for_s, self._watch, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_MAX):
            try:
                accepted, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_FILES:
                    self._out_of_files()
                    self._rest(listening, NO_FILES_S)
                    return
                continue  # the client has already gone
            accepted.setblocking(False)
            self._accepted(accepted, str(address[0]))
        self._rest(listening, ACCEPTS_EVERY_S)


def raise_file_limit() -> int:
    """Raise the process's limit on open files as far as allowed; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return FILES_WANTED if soft == resource.RLIM_INFINITY else soft


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS 1.2 and later with this certificate (with its chain) and its key. Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    for name, file in (("certificate", certificate), ("key", key)):
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise ConfigError(
                "[web] {name}: {file} cannot be read ({reason}).", name=name, file=file, reason=error.strerror
            ) from error
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        raise ConfigError(
            "[web] certificate {certificate} and key {key} are not a certificate and its key in PEM format "
            "({reason}). The key must have no password.",
            certificate=certificate,
            key=key,
            reason=error.reason or "unreadable",
        ) from error
    return context


def _no_password(*_: Any) -> str:
    return ""
