"""The SQLite store, writing side: its transactions. One process at a time writes: see `lock` in file.py."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dispatcher.core.results.inbound import DEFAULT_BOUNDS, Bounds
from dispatcher.store.fold.transactions import FoldingStore
from dispatcher.store.sqlite import file as sqlite_file
from dispatcher.store.sqlite.tables import SqliteTables


class SqliteTransactions:
    """See dispatcher.store.fold.transactions.Transactions."""

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
    """Open the store at `path` for writing, created if missing. Raises StoreBusy, StoreError or ConfigError."""
    return open_locked(path, sqlite_file.lock(path), emits=emits, bounds=bounds)


def open_locked(path: Path, held: IO[str], *, emits: bool, bounds: Bounds) -> FoldingStore:
    """Open a store whose lock is held; the lock is released if that fails. Raises StoreError or ConfigError."""
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
