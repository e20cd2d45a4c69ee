"""The file of the SQLite log: its format, opening it, and our error for each of SQLite's.

Format 1: one table per (topic, partition), named `topic/partition`, so that every append goes to the right end of a
B-tree. Its key `n` is the record's offset + 1: SQLite numbers the rows itself (largest + 1), in the same step that
writes them. The newest row of a table is never deleted, which keeps the numbers growing.

`PRAGMA user_version` is the format's version; `application_id` marks the file as ours.
Weak spot: WAL needs shared memory, so all processes must be on one machine (no network file system).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from dispatcher.errors import ConfigError, LogDamaged, LogError, LogFull, LogNewer, LogTimeout, LogUnavailable
from dispatcher.loggers import get_logger
from dispatcher.private_files import make_file, make_folder, open_to_lock
from schemas.topics import TOPICS, Topic

VERSION: Final = 1
APPLICATION_ID: Final = 0x44535031  # "DSP1"
PAGE_BYTES: Final = 8192  # a commit of one small record writes one page; larger ones make pushes no faster
CHECKPOINT_PAGES: Final = 1000  # 8 MB: larger ones are no faster and delay some commits
WAL_BYTES_KEPT: Final = 64_000_000
STATEMENTS_CACHED: Final = 512

_logger = get_logger("log")


def table(topic: str, partition: int) -> str:
    """The quoted name of the table that holds this partition."""
    return f'"{topic}/{partition}"'


def end(connection: sqlite3.Connection, topic: str, partition: int) -> int:
    """The offset after the partition's last record."""
    (largest,) = connection.execute(f"SELECT max(n) FROM {table(topic, partition)}").fetchone()
    return int(largest or 0)


def locks_folder(path: Path) -> Path:
    """The folder beside the file that holds all file locks of this log."""
    return path.with_name(path.name + ".locks")


def connect(path: Path, busy_s: float) -> sqlite3.Connection:
    """A connection to the existing file, in autocommit mode. Raises sqlite3.Error."""
    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=rw",
        uri=True,
        timeout=busy_s,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=STATEMENTS_CACHED,
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
    return connection


def open_file(path: Path, *, create: bool, busy_s: float) -> sqlite3.Connection:
    """Open the log, created if missing and `create`; returns the connection for writing.

    Raises ConfigError, LogNewer, LogDamaged, LogUnavailable, LogFull or LogError, each with one plain sentence.
    """
    if path.is_dir():
        raise ConfigError("the log {path} is a folder; give a file name in it, such as sqlite:{path}/log.db", path=path)
    if not create and not _size(path):
        why = "the file is empty" if path.exists() else "there is no such file"
        raise ConfigError(
            "there is no log at {path} ({why}); correct [log] url, or start the dispatcher there first",
            path=path,
            why=why,
        )
    try:
        _make_folder(path)
        with _alone(locks_folder(path) / "open"):
            if path.exists() and not _size(path):
                _logger.warning("the log's file is there and empty: a new log begins in it", path=str(path))
            make_file(path)
            if not os.access(path, os.W_OK):
                raise LogUnavailable("the log {path} is read-only; make it writable for this user", path=path)
            connection = connect(path, busy_s)
            try:
                _prepare(connection, path)
            except BaseException:
                connection.close()
                raise
    except (OSError, sqlite3.Error) as error:
        raise mapped(error, path) from error
    return connection


def _size(path: Path) -> int:
    """Its size in bytes; 0 without a file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _make_folder(path: Path) -> None:
    """Raises ConfigError if no log can be there, or OSError."""
    try:
        make_folder(locks_folder(path))
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EEXIST):
            raise
        why = (error.strerror or str(error)).lower()
        raise ConfigError(
            "there cannot be a log at {path} ({why}); correct [log] url, or make the folder writable",
            path=path,
            why=why,
        ) from error


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with open_to_lock(lock) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Create or verify format and tables; one process at a time."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and application != APPLICATION_ID:
        raise ConfigError("{path} is a database of another program; name another file in [log] url", path=path)
    if tables and version < 1:
        raise LogDamaged(
            "the log {path} says format {version}, which no release writes: its first page was changed; stop all its "
            "processes and restore a copy of it",
            path=path,
            version=version,
        )
    if version > VERSION:
        raise LogNewer(
            "the log {path} was written by a newer release (format {version}, this release knows {known}); "
            "update this dispatcher",
            path=path,
            version=version,
            known=VERSION,
        )
    if not tables:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
    known = _known_topics(connection) if tables else {}
    for topic in TOPICS:
        if known.get(topic.name, topic.partitions) != topic.partitions:
            raise LogError(
                "topic {topic!r} of the log {path} has {known} partitions, this release needs "
                "{needed}; use a new log file",
                topic=topic.name,
                path=path,
                known=known[topic.name],
                needed=topic.partitions,
            )
    missing = [topic for topic in TOPICS if topic.name not in known]
    if not missing:
        return
    connection.execute("BEGIN IMMEDIATE")
    with _rolled_back_on_error(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, partitions INTEGER NOT NULL)")
        for topic in missing:
            _create(connection, topic)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")


def _known_topics(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute("SELECT name, partitions FROM topic").fetchall())


def _create(connection: sqlite3.Connection, topic: Topic) -> None:
    connection.execute("INSERT INTO topic VALUES (?, ?)", (topic.name, topic.partitions))
    for partition in range(topic.partitions):
        name = table(topic.name, partition)
        connection.execute(
            f"CREATE TABLE {name} (n INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, key BLOB NOT NULL, headers BLOB, "
            "value BLOB NOT NULL)"
        )
        if topic.cleanup == "compact":
            connection.execute(f'CREATE INDEX "{topic.name}/{partition} key" ON {name} (key, n)')


@contextlib.contextmanager
def _rolled_back_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        rollback(connection)
        raise


def rollback(connection: sqlite3.Connection) -> None:
    """Roll back a failed transaction, unless SQLite has already done so."""
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def is_busy(error: sqlite3.Error) -> bool:
    """Another connection holds the lock that was needed; nothing was written."""
    return _code(error) & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def mapped(error: Exception, path: Path) -> LogError:
    """Our error for theirs.

    A failed write of a commit leaves nothing behind: the frame that makes it valid is written last. Only a failed
    sync is uncertain: the frame is written and may or may not survive.
    """
    if isinstance(error, LogError):
        return error
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _full(path)
        return LogUnavailable("the log {path} cannot be opened: {reason}", path=path, reason=error.strerror or error)
    code = _code(error)
    match code & 0xFF:
        case sqlite3.SQLITE_CORRUPT:
            return LogDamaged(
                "the log {path} is damaged ({error}); stop all its processes and restore a copy of it",
                path=path,
                error=error,
            )
        case sqlite3.SQLITE_NOTADB:
            return LogDamaged(
                "{path} is no log, or its first page is damaged; restore a copy, or name another file", path=path
            )
        case sqlite3.SQLITE_FULL:
            return _full(path)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LogUnavailable(
                "the log {path} was locked too long by another process; nothing was written", path=path
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_AUTH:
            return LogUnavailable(
                "the log {path} cannot be opened for writing ({error}); check the folder's rights",
                path=path,
                error=error,
            )
        case sqlite3.SQLITE_IOERR:
            return _io_error(code, error, path)
        case _:
            return LogError("the log {path} failed: {error}", path=path, error=error)


def _io_error(code: int, error: Exception, path: Path) -> LogError:
    if code in (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_TRUNCATE):
        return _full(path)  # a quota or a file size limit: SQLite calls only ENOSPC "full"
    if code in (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC):
        return LogTimeout("the disk did not confirm a write to the log {path}; it may or may not be there", path=path)
    if code == sqlite3.SQLITE_IOERR_SHORT_READ:
        return LogDamaged(
            "the log {path} is cut off ({error}); stop all its processes and restore a copy of it",
            path=path,
            error=error,
        )
    return LogUnavailable("the log {path} cannot be read or written ({error})", path=path, error=error)


def _full(path: Path) -> LogFull:
    return LogFull(
        "the disk (or quota) of the log {path} is full, nothing was written; make room and try again", path=path
    )


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) or 0
