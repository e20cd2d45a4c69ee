"""The SQLite store, writing side: its transactions, and the lock that keeps other processes out.

One process at a time writes: it holds a lock on `PATH.lock` from opening to closing, which the operating system lets
go of if it dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dispatcher.core.results.inbound import DEFAULT_BOUNDS, Bounds
from dispatcher.errors import StoreBusy
from dispatcher.private_files import make_folder, open_to_lock
from dispatcher.store.fold.folding import FoldingStore
from dispatcher.store.sqlite import file as sqlite_file
from dispatcher.store.sqlite.tables import SqliteTables


class SqliteTransactions:
    """See dispatcher.store.fold.folding.Transactions."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: IO[str]) -> None:
        self._path = path
        self._connection = connection
        self._lock = lock

    @property
    def url(self) -> str:
        return f"sqlite:{self._path}"

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        with self.reading():
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                sqlite_file.rollback(self._connection)
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise sqlite_file.mapped(error, self._path) from error

    def close(self) -> None:
        self._connection.close()
        self._lock.close()


def open_sqlite(path: Path, *, emits: bool, bounds: Bounds = DEFAULT_BOUNDS) -> FoldingStore:
    """Open the store at `path` for writing, made new if there is none. Raises StoreBusy, StoreError or ConfigError."""
    held = lock(path)
    try:
        connection = sqlite_file.open_writer(path)
        try:
            transactions = SqliteTransactions(path, connection, held)
            return FoldingStore(SqliteTables(connection, bounds), transactions, emits=emits)
        except BaseException:
            connection.close()
            raise
    except BaseException:
        held.close()
        raise


def lock(path: Path) -> IO[str]:
    """The locked file beside the store. Raises StoreBusy with who holds it."""
    try:
        make_folder(path.parent)
        file = open_to_lock(path.with_name(path.name + ".lock"))
    except OSError as error:
        raise sqlite_file.mapped(error, path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StoreBusy(f"the store {path} is being written by another process (pid {holder})") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file
