"""Distributes partitions between the processes of one machine with file locks.

A folder per (group, topic). Each member locks its own file, so the others can count the living; each held partition is
a locked file that names its holder (`holders`). Members look once a second: of `m` members none holds more than
ceil(partitions / m); a member with too many returns some, one with too few takes free ones. The operating system
releases a dead process's locks.

Weak spot: a frozen process keeps its locks until it dies. Safety never depends on these locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import IO, Final

import msgspec

from dispatcher.clock import now_ms
from dispatcher.loggers import get_logger
from dispatcher.private_files import make_folder, open_to_lock

LOOK_S: Final = 1.0

PartitionsChanged = Callable[[frozenset[int]], Awaitable[None]]
_log = get_logger("log.claim")


class Holder(msgspec.Struct, frozen=True):
    """The holder of a partition, for people."""

    pid: int
    host: str
    since_ms: int


class FileClaim:
    """A running claim; see `dispatcher.log.port.Log.claim`."""

    def __init__(self, folder: Path, partitions: int, assigned: PartitionsChanged, revoked: PartitionsChanged) -> None:
        self._folder = folder
        self._partitions = partitions
        self._assigned, self._revoked = assigned, revoked
        self._held: dict[int, IO[str]] = {}
        self._me: IO[str] | None = None
        self._member = folder / f"member-{os.getpid()}-{secrets.token_hex(4)}"
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    async def start(self) -> None:
        """Become a member; the first share is taken right away, in the background. Raises OSError."""
        make_folder(self._folder)
        while self._me is None or not self._member.exists():  # another member may be removing it as a dead one's
            self._me = _lock(self._member)
        self._task = asyncio.create_task(self._run(), name=f"claim {self._folder.name}")

    async def release(self) -> None:
        """Return everything and stop. A second call does nothing."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stop.set()
        await task

    async def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    await self._look()
                except OSError as error:
                    _log.warning("cannot look for partitions", folder=str(self._folder), error=str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), LOOK_S)
            await self._give_back(set(self._held))
        finally:
            for file in self._held.values():
                file.close()
            self._held.clear()
            self._member.unlink(missing_ok=True)
            if self._me is not None:
                self._me.close()

    async def _look(self) -> None:
        share = -(-self._partitions // self._members())
        if len(self._held) > share:
            await self._give_back(set(sorted(self._held)[share:]))
            return
        taken = set()
        for partition in range(self._partitions):
            if len(self._held) >= share:
                break
            if partition not in self._held and (file := _lock(self._file(partition))) is not None:
                self._held[partition] = file
                taken.add(partition)
        if taken:
            await self._tell(self._assigned, taken)

    async def _give_back(self, partitions: set[int]) -> None:
        """Unlock after the holder has drained."""
        if partitions:
            await self._tell(self._revoked, partitions)
        for partition in partitions:
            file = self._held.pop(partition)
            file.truncate(0)
            file.close()

    async def _tell(self, callback: PartitionsChanged, partitions: set[int]) -> None:
        try:
            await callback(frozenset(partitions))
        except Exception:
            _log.exception("a claim's callback failed", folder=str(self._folder), partitions=sorted(partitions))

    def _members(self) -> int:
        """How many members live, this one included; removes the files of dead ones."""
        members = 1
        for path in self._folder.glob("member-*"):
            if path == self._member:
                continue
            file = _lock(path, create=False)
            if file is None:
                members += path.exists()
            else:
                path.unlink(missing_ok=True)
                file.close()
        return members

    def _file(self, partition: int) -> Path:
        return self._folder / f"partition-{partition}"


def holders(folder: Path) -> dict[int, Holder]:
    """The current holder of each partition, by the lock files in a claim's folder."""
    found = {}
    for path in folder.glob("partition-*"):
        with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError), path.open() as file:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                continue  # nobody holds it
            found[int(path.name.removeprefix("partition-"))] = msgspec.json.decode(file.read(), type=Holder)
    return found


def _lock(path: Path, *, create: bool = True) -> IO[str] | None:
    """The locked file with our name in it, or None if another process (or claim) holds it."""
    try:
        file = open_to_lock(path) if create else path.open("r+")
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    if create:
        file.truncate(0)
        holder = Holder(os.getpid(), socket.gethostname(), now_ms())
        file.write(msgspec.json.encode(holder).decode())
        file.flush()
    return file
