"""Ports for servers whose address must be known before they start, such as the one that vendors push to."""

from __future__ import annotations

import secrets
import socket
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
LEAST: Final = 10_000
EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
EPHEMERAL_FROM: Final = 32_768  # where the kernel does not say


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on, from those that the kernel gives to no connection and no other server."""
    first = int(EPHEMERAL.read_text("ascii").split()[0]) if EPHEMERAL.exists() else EPHEMERAL_FROM
    found: list[int] = []
    with ExitStack() as held:
        while len(found) < count:
            least = min(LEAST, first - 1_000)
            port = least + secrets.randbelow(first - least)  # two processes, equally seeded, get different ones
            probe = held.enter_context(closing(socket.socket()))
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found.append(port)
    return found


def free_port() -> int:
    """One of them."""
    return free_ports(1)[0]
