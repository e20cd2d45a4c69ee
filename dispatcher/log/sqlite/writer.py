"""The one thread of a process that writes to the SQLite log: it commits waiting appends and looks for others' commits.

Many appends share a commit: while one is synced, the next ones gather. A group is written with few, wide statements,
because each statement releases and reacquires the interpreter's lock: with one statement per row, a busy event loop
makes a commit of 1,000 rows six times slower (measured). A group for one table needs no BEGIN and no COMMIT.

`PRAGMA data_version`, which on this connection changes only by other processes' commits, is queried every 2 to 25 ms
while someone follows. Processes take turns: one that commits repeatedly pauses briefly when another one waits (SQLite's
own busy handler is not fair).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import queue
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from dispatcher.clock import now_ms
from dispatcher.errors import LogError, LogUnavailable
from dispatcher.log.port import Entry
from dispatcher.log.sqlite import file as sqlite_file
from dispatcher.private_files import open_to_lock

T = TypeVar("T")
Place = tuple[str, int]  # topic, partition

GROUP_ENTRIES_MAX: Final = 10_000
GROUP_BYTES_MAX: Final = 8_000_000
ROWS_MAX: Final = 512  # per statement: any number of them up to FEW_ROWS, above that a power of two
FEW_ROWS: Final = 16
LOCK_RETRY_S: Final = 0.001
STEP_BACK_S: Final = 0.003
WATCH_S_MIN: Final = 0.002
WATCH_S_MAX: Final = 0.025

_headers = msgspec.msgpack.Encoder()


class Append(msgspec.Struct, eq=False):
    """Entries for one place; `done` (a future of the loop) gets their offsets or a LogError."""

    place: Place
    entries: Sequence[Entry]
    done: Any


class Call(msgspec.Struct, eq=False):
    """Work in its own transaction: `run(connection)` inside BEGIN and COMMIT; `done` gets its result."""

    run: Callable[[sqlite3.Connection], Any]
    done: Any


class CommittedGroup(msgspec.Struct, eq=False):
    """A written group: where each append's entries begin, or the error that stopped them all."""

    appends: list[Append]
    firsts: list[int]
    at_ms: int
    error: LogError | None = None


class Writer(threading.Thread):
    """Writes queued appends in order until stopped. Callbacks are called in this thread."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        *,
        lock_wait_s: float,
        committed: Callable[[CommittedGroup], None],
        called: Callable[[Call, Any, LogError | None], None],
        reached: Callable[[Place, int], None],
    ) -> None:
        super().__init__(name="log-writer", daemon=True)
        self._path = path
        self._inode = path.stat().st_ino
        self._connection = connection
        self._lock_wait_s = lock_wait_s
        self._committed, self._called, self._reached = committed, called, reached
        self._queue: queue.SimpleQueue[Append | Call | None] = queue.SimpleQueue()
        self._turns = _Turns(sqlite_file.locks_folder(path) / "turn")
        self._watched: dict[Place, int] = {}
        self._watch_s = WATCH_S_MIN
        self._watch_next_s = 0.0
        self._data_version = self._ask_data_version()
        self._stopping = False
        self.commits = 0
        self.looks = 0

    def put(self, work: Append | Call) -> None:
        """Queue it for writing. Never blocks."""
        self._queue.put(work)

    def stop(self) -> None:
        """Write what is queued, then end and close the connection."""
        self._stopping = True
        self._queue.put(None)

    def watch(self, place: Place) -> None:
        """Report other processes' commits to this place from now on."""
        self._watched[place] = 0
        self._queue.put(None)

    def unwatch(self, place: Place) -> None:
        """Stop what `watch` began."""
        self._watched.pop(place, None)

    def run(self) -> None:
        """The thread's main function."""
        held: Append | Call | None = None
        while True:
            first = held if held is not None else self._wait()
            held = None
            match first:
                case Append():
                    group, held = self._gather(first)
                    self._write(group)
                case Call():
                    self._call(first)
                case None if self._stopping and self._queue.empty():
                    break
            self._look()
            if held is not None or not self._queue.empty():
                self._turns.step_back_if_someone_waits()
        self._connection.close()
        self._turns.close()

    def _wait(self) -> Append | Call | None:
        if self._stopping and self._queue.empty():  # gathering may have skipped the None of `stop`
            return None
        try:
            if not self._watched:
                return self._queue.get()
            return self._queue.get(timeout=max(0.0, self._watch_next_s - time.monotonic()))
        except queue.Empty:
            return None

    def _gather(self, first: Append) -> tuple[list[Append], Append | Call | None]:
        """The waiting appends, up to a group's limits, and the next item if it is not an append."""
        group = [first]
        entries, size = len(first.entries), _bytes(first)
        while entries < GROUP_ENTRIES_MAX and size < GROUP_BYTES_MAX:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                break
            if isinstance(work, Append):
                group.append(work)
                entries += len(work.entries)
                size += _bytes(work)
            elif work is not None:
                return group, work
        return group, None

    # --- writing -----------------------------------------------------------------------------------------------------

    def _write(self, group: list[Append]) -> None:
        at_ms = now_ms()
        by_place: dict[Place, list[Append]] = {}
        for append in group:
            by_place.setdefault(append.place, []).append(append)
        try:
            self._check_file()
            rows = {place: _rows(appends, at_ms) for place, appends in by_place.items()}
            if len(rows) == 1 and _in_one_statement(count := len(next(iter(rows.values())))) == count:
                firsts = self._locked(lambda: self._insert(rows))  # one statement is its own transaction
            else:
                self._locked(lambda: self._connection.execute("BEGIN IMMEDIATE"))
                firsts = self._insert(rows)
                self._connection.execute("COMMIT")
        except Exception as error:
            sqlite_file.rollback(self._connection)
            self._committed(CommittedGroup(group, [], at_ms, sqlite_file.mapped(error, self._path)))
            return
        self.commits += 1
        offsets: list[int] = []
        for append in group:
            offsets.append(firsts[append.place])
            firsts[append.place] += len(append.entries)
        self._committed(CommittedGroup(group, offsets, at_ms))

    def _insert(self, rows: dict[Place, list[tuple[Any, ...]]]) -> dict[Place, int]:
        """Write the rows; the offset of each place's first one."""
        firsts = {}
        for place, values in rows.items():
            last, start = 0, 0
            while start < len(values):
                count = _in_one_statement(len(values) - start)
                parameters = [value for row in values[start : start + count] for value in row]
                last = self._connection.execute(_insert_sql(place, count), parameters).lastrowid or 0
                start += count
            firsts[place] = last - len(values)  # n = offset + 1
        return firsts

    def _call(self, call: Call) -> None:
        try:
            self._check_file()
            self._locked(lambda: self._connection.execute("BEGIN IMMEDIATE"))
            result = call.run(self._connection)
            self._connection.execute("COMMIT")
        except Exception as error:
            sqlite_file.rollback(self._connection)
            self._called(call, None, sqlite_file.mapped(error, self._path))
        else:
            self._called(call, result, None)

    def _check_file(self) -> None:
        """Raises if the file was deleted or replaced: it would still take writes that no reader sees."""
        if self._path.stat().st_ino != self._inode:
            raise LogUnavailable(
                "the log {path} was moved or replaced while it was open; restart this process", path=self._path
            )

    def _locked(self, action: Callable[[], T]) -> T:
        """Run an action that takes the write lock, as soon as it is free. Raises sqlite3's busy error at the limit."""
        until_s = time.monotonic() + self._lock_wait_s
        try:
            return action()
        except sqlite3.Error as error:
            if not sqlite_file.is_busy(error):
                raise
        with self._turns.waiting():
            while True:
                time.sleep(LOCK_RETRY_S * random.uniform(0.5, 1.5))
                self._look()
                try:
                    return action()
                except sqlite3.Error as error:
                    sqlite_file.rollback(self._connection)
                    if not sqlite_file.is_busy(error) or time.monotonic() > until_s:
                        raise

    # --- others' commits ---------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Report the ends of the watched places, if another process committed since the last look."""
        now_s = time.monotonic()
        if not self._watched or now_s < self._watch_next_s:
            return
        self.looks += 1
        try:
            version = self._ask_data_version()
            changed = version != self._data_version
            self._data_version = version
            places = list(self._watched)
            ends = {place: sqlite_file.end(self._connection, *place) for place in places} if changed else {}
        except sqlite3.Error:
            changed, ends = False, {}  # a reader that hits the same damage reports it
        self._watch_s = WATCH_S_MIN if changed else min(WATCH_S_MAX, self._watch_s * 1.5)
        self._watch_next_s = now_s + self._watch_s
        for place, end in ends.items():
            if end > self._watched.get(place, end):
                self._watched[place] = end
                self._reached(place, end)

    def _ask_data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])


class _Turns:
    """Lets processes take turns: one that waits for the write lock holds a shared file lock that others can see."""

    def __init__(self, path: Path) -> None:
        self._file = open_to_lock(path)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def step_back_if_someone_waits(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(STEP_BACK_S)
        else:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        self._file.close()


def _bytes(append: Append) -> int:
    return sum(len(entry.value) for entry in append.entries)


def _rows(appends: list[Append], at_ms: int) -> list[tuple[Any, ...]]:
    return [
        (at_ms, entry.key, _headers.encode(entry.headers) if entry.headers else None, entry.value)
        for append in appends
        for entry in append.entries
    ]


@functools.cache
def _insert_sql(place: Place, rows: int) -> str:
    values = ", ".join(["(?, ?, ?, ?)"] * rows)
    return f"INSERT INTO {sqlite_file.table(*place)} (at_ms, key, headers, value) VALUES {values}"


def _in_one_statement(rows: int) -> int:
    """How many of the rows go into the next statement: few different statements stay prepared."""
    return rows if rows <= FEW_ROWS else min(ROWS_MAX, 1 << rows.bit_length() - 1)
