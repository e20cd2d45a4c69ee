"""What the log's tests run in processes of their own.

other_process.py append URL TOPIC PARTITION NAME COUNT     append "NAME 0", "NAME 1", … one after another
other_process.py claim URL GROUP TOPIC                     claim; print the held partitions whenever they change
other_process.py lock PATH                                 hold the SQLite file's write lock until stdin closes
other_process.py small URL BYTES                           append until an error, with a file size limit of BYTES
"""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from dispatcher.errors import LogError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry


async def append(url: str, topic: str, partition: str, name: str, count: str) -> None:
    log = await open_log(url)
    for i in range(int(count)):
        (offset,) = await log.append(topic, int(partition), [Entry(b"key", f"{name} {i}".encode())])
        print(offset, flush=True)
    await log.close()


async def claim(url: str, group: str, topic: str) -> None:
    held: set[int] = set()

    async def assigned(partitions: frozenset[int]) -> None:
        held.update(partitions)
        print(sorted(held), flush=True)

    async def revoked(partitions: frozenset[int]) -> None:
        held.difference_update(partitions)
        print(sorted(held), flush=True)

    log = await open_log(url)
    running = await log.claim(group, topic, assigned, revoked)
    await asyncio.to_thread(sys.stdin.read)
    await running.release()
    await log.close()


async def lock(path: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    print("locked", flush=True)
    sys.stdin.read()
    os._exit(0)


async def small(url: str, size: str) -> None:
    log = await open_log(url)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    written = 0
    try:
        while True:
            await log.append("recipients", 0, [Entry(b"", os.urandom(100_000))])
            written += 1
    except LogError as error:
        print(written, type(error).__name__, flush=True)
    await log.close()


if __name__ == "__main__":
    commands: dict[str, Callable[..., Coroutine[Any, Any, None]]]
    commands = {"append": append, "claim": claim, "lock": lock, "small": small}
    asyncio.run(commands[sys.argv[1]](*sys.argv[2:]))
