"""One Kafka broker for all processes of a test session: the first that asks starts it and ends it when all have left.

Locks on two files of a folder that the processes share say who is there: POSIX locks, which go with their process.
Weak spot: a process that dies takes the broker that it started with it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from loadtest.broker import Broker

HEAP_MB = 384


@contextmanager
def shared_broker(folder: Path) -> Iterator[str]:
    """`host:port` of the broker of all who name this folder. Not to be stopped."""
    address = folder / "kafka-address"
    broker: Broker | None = None
    with (folder / "kafka-door").open("a+") as door, (folder / "kafka-users").open("a+") as users:
        with _locked(door):
            if not address.exists():
                broker = Broker(heap_mb=HEAP_MB).start()
                address.write_text(broker.bootstrap, encoding="ascii")
            fcntl.lockf(users, fcntl.LOCK_SH)
        try:
            yield address.read_text(encoding="ascii")
        finally:
            if broker is not None:
                with _locked(door):  # nobody enters any more; those inside leave without it
                    fcntl.lockf(users, fcntl.LOCK_EX)
                    address.unlink()
                    broker.close()


@contextmanager
def _locked(file: IO[str]) -> Iterator[None]:
    fcntl.lockf(file, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.lockf(file, fcntl.LOCK_UN)
