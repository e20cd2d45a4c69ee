"""Files and folders that only their owner may read, under any umask: logs, results and exports hold numbers.

Existing ones keep their mode, which somebody may have widened on purpose. A new file is never created through a link.
SQLite gives its `-wal` and `-shm` files the mode of the database.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600


def make_folder(path: Path) -> None:
    """Create this folder and the missing ones above it, mode 0700. Raises OSError."""
    for folder in reversed((path, *path.parents)):
        with suppress(FileExistsError):
            folder.mkdir(FOLDER_MODE)
            folder.chmod(FOLDER_MODE)
    if not path.is_dir():
        path.mkdir()  # a file is in the way: raises the error that says so


def make_file(path: Path) -> None:
    """Create this file, empty and with mode 0600, if the name is free. Raises OSError."""
    with suppress(FileExistsError):
        os.close(_create(path))


def open_to_lock(path: Path) -> IO[str]:
    """A file to lock and to write its holder into, created with mode 0600; a link is refused. Raises OSError."""
    make_file(path)
    return os.fdopen(os.open(path, os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC), "a+", encoding="utf-8")


@contextmanager
def written_whole(path: Path) -> Iterator[IO[bytes]]:
    """A new file that gets the name `path` when the block ends without an error, and is deleted otherwise.

    It replaces a file or link of that name. Raises OSError.
    """
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    descriptor = _create(part)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def written_new(path: Path) -> Iterator[IO[bytes]]:
    """A new file of this name. Raises FileExistsError if the name is taken, also by a link, and OSError."""
    with os.fdopen(_create(path), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


def first_written(path: Path, content: bytes) -> bytes:
    """What this file holds: `content`, unless the file is there already. Written whole, by one process only.

    Raises OSError, also if the path is a link.
    """
    part = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(_create(part), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path, follow_symlinks=False)
    finally:
        part.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return file.read(1 << 16)


def is_plain(path: Path) -> bool:
    """Whether this name is free or that of an ordinary file (not a device, pipe or socket). Links are followed."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return True


def _create(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE)
    os.fchmod(descriptor, FILE_MODE)
    return descriptor
