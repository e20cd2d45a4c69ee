"""The file of the SQLite store: its tables, opening it, and our error for each of SQLite's.

Format 9: streams, with sums by day; 8: what people decided of campaigns is kept as records; 7: recipients may be
suppressed after the launch; 6: drafts have revisions. Formats 2 to 8 are upgraded when they are opened; format 1 kept
raw messages from phones.

No table has a row per recipient: numbers and results are packed columns, one row per batch and per 4,096 recipients;
about 13.5 bytes per recipient, 8 more for each id if the vendor gives an id to each. Every id is a place in the log
(core/results/places.py) and every row a function of the log alone, so a rebuilt store is equal byte for byte. `outbox`
is the exception: work still to be done.

`synchronous=NORMAL`: a power failure may lose the last micro-batches, whole, with their offsets; they are folded again
from the log, which is durable.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import IO, Final
from urllib.parse import quote

from dispatcher.core.results.places import PIECES
from dispatcher.errors import ConfigError, StoreBusy, StoreError
from dispatcher.private_files import make_file, make_folder, open_to_lock
from dispatcher.store.sqlite import inbound as sqlite_inbound
from schemas.codec import encode
from schemas.records import Cancelled, Closed, Control, Flowed, Weighed

VERSION: Final = 9
APPLICATION_ID: Final = 0x44535231  # "DSR1"
BUSY_S: Final = 30.0

_SUMS: Final = """
CREATE TABLE tallies (
    campaign TEXT, attempt TEXT, account TEXT, day INTEGER,
    in_flight INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0, no_report INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0, unknown INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0,
    undelivered INTEGER NOT NULL DEFAULT 0,
    first_sent_ms INTEGER, last_sent_ms INTEGER, last_report_ms INTEGER, suppressed INTEGER NOT NULL DEFAULT 0,
    repeated INTEGER NOT NULL DEFAULT 0, appended INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign, attempt, account, day)
) WITHOUT ROWID;
CREATE TABLE failures (
    campaign TEXT, attempt TEXT, account TEXT, day INTEGER, source TEXT, code TEXT, recipients INTEGER NOT NULL,
    PRIMARY KEY (campaign, attempt, account, day, source, code)
) WITHOUT ROWID;
CREATE TABLE moves (
    campaign TEXT, attempt TEXT, account TEXT, moved_to TEXT, why TEXT, back INTEGER, recipients INTEGER NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, PRIMARY KEY (campaign, attempt, account, moved_to, why, back)
) WITHOUT ROWID
"""

TABLES: Final = f"""
CREATE TABLE offsets (topic TEXT, partition INTEGER, next INTEGER NOT NULL, PRIMARY KEY (topic, partition))
    WITHOUT ROWID;
CREATE TABLE owners (partition INTEGER PRIMARY KEY, owner TEXT);
CREATE TABLE campaigns (
    id TEXT PRIMARY KEY, launched_offset INTEGER, attempt TEXT, launched BLOB,
    cancelled INTEGER NOT NULL DEFAULT 0, revision TEXT
) WITHOUT ROWID;
CREATE TABLE controls (campaign TEXT, word TEXT, record BLOB NOT NULL, PRIMARY KEY (campaign, word)) WITHOUT ROWID;
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, campaign TEXT NOT NULL, attempt TEXT NOT NULL, account TEXT NOT NULL,
    batch INTEGER NOT NULL, number INTEGER NOT NULL, moved INTEGER NOT NULL DEFAULT -1
);
CREATE TABLE batches (
    id INTEGER PRIMARY KEY, campaign TEXT NOT NULL, attempt TEXT NOT NULL, number INTEGER NOT NULL,
    sha256 BLOB NOT NULL, loaded INTEGER NOT NULL DEFAULT 0, recipients INTEGER NOT NULL DEFAULT 0,
    broken TEXT NOT NULL DEFAULT '', contested INTEGER NOT NULL DEFAULT 0, codes BLOB, day INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE streams (
    account TEXT, campaign TEXT, attempt TEXT, job INTEGER NOT NULL, count INTEGER NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (account, campaign, attempt)
) WITHOUT ROWID;
CREATE INDEX batches_of_campaign ON batches (campaign, attempt, number);
CREATE INDEX batches_to_load ON batches (id) WHERE loaded = 0;
CREATE TABLE numbers (batch INTEGER PRIMARY KEY, numbers BLOB NOT NULL);
CREATE TABLE finals (id INTEGER PRIMARY KEY, finals BLOB NOT NULL, times BLOB NOT NULL, places BLOB);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY, batch INTEGER NOT NULL, account TEXT NOT NULL, start INTEGER NOT NULL,
    count INTEGER NOT NULL, attempt INTEGER NOT NULL, state INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    sent_ms INTEGER NOT NULL, since_ms INTEGER NOT NULL, code TEXT NOT NULL, text TEXT NOT NULL,
    vendor_id TEXT NOT NULL, reported INTEGER NOT NULL, heard INTEGER NOT NULL, expired INTEGER NOT NULL,
    proven INTEGER NOT NULL DEFAULT 0, whole INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX chunks_of_batch ON chunks (batch);
CREATE INDEX chunks_open ON chunks (state) WHERE state IN (1, 6);
CREATE INDEX chunks_nameless ON chunks (account) WHERE vendor_id = '';
CREATE INDEX chunks_waiting ON chunks (sent_ms) WHERE state = 2 AND expired = 0;
CREATE TABLE vendor_ids (
    account TEXT, vendor_id TEXT, place INTEGER, chunk INTEGER NOT NULL, PRIMARY KEY (account, vendor_id, place, chunk)
) WITHOUT ROWID;
CREATE TABLE recipient_ids (
    chunk INTEGER, place INTEGER, account TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
    keys BLOB NOT NULL, texts BLOB, parts INTEGER NOT NULL DEFAULT 1, states BLOB, PRIMARY KEY (chunk, place)
);
CREATE INDEX recipient_ids_by_range ON recipient_ids (account, high, low);
CREATE TABLE parked (
    account TEXT, vendor_id TEXT, place INTEGER, rows INTEGER NOT NULL, parked BLOB NOT NULL,
    PRIMARY KEY (account, vendor_id, place)
) WITHOUT ROWID;
{_SUMS};
CREATE TABLE report_counts (
    account TEXT PRIMARY KEY, rows INTEGER NOT NULL, waiting INTEGER NOT NULL, applied INTEGER NOT NULL,
    repeats INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE rejects (campaign TEXT, attempt TEXT, part INTEGER, record BLOB NOT NULL,
    PRIMARY KEY (campaign, attempt, part));
CREATE TABLE oddities (topic TEXT, what TEXT, count INTEGER NOT NULL, PRIMARY KEY (topic, what)) WITHOUT ROWID;
CREATE TABLE outbox (chunk INTEGER PRIMARY KEY);
CREATE TABLE closings (campaign TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE later_reports (
    campaign TEXT, attempt TEXT, account TEXT, from_ms INTEGER NOT NULL, PRIMARY KEY (campaign, attempt, account)
) WITHOUT ROWID;
"""

_FROM_2: Final = """
CREATE TABLE IF NOT EXISTS closings (campaign TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID;
ALTER TABLE chunks ADD COLUMN proven INTEGER NOT NULL DEFAULT 0
"""
"""Recipients that were named while their chunk was unknown stay unknown with it."""

_FROM_3: Final = f"""
ALTER TABLE chunks ADD COLUMN whole INTEGER NOT NULL DEFAULT 0;
UPDATE chunks SET whole = count, id = -1 - id;
UPDATE chunks SET id = (-1 - id) * {PIECES};
ALTER TABLE recipient_ids ADD COLUMN parts INTEGER NOT NULL DEFAULT 1;
ALTER TABLE recipient_ids ADD COLUMN states BLOB;
UPDATE recipient_ids SET chunk = chunk * {PIECES};
ALTER TABLE vendor_ids RENAME TO vendor_ids_before;
CREATE TABLE vendor_ids (
    account TEXT, vendor_id TEXT, place INTEGER, chunk INTEGER NOT NULL, PRIMARY KEY (account, vendor_id, place, chunk)
) WITHOUT ROWID;
INSERT INTO vendor_ids SELECT account, vendor_id, place, chunk * {PIECES} FROM vendor_ids_before;
DROP TABLE vendor_ids_before;
UPDATE outbox SET chunk = -1 - chunk;
UPDATE outbox SET chunk = (-1 - chunk) * {PIECES}
"""
"""Every chunk is one piece. Ids pass through negative numbers, so that none meets another one on its way."""

_FROM_4: Final = """
CREATE TABLE IF NOT EXISTS later_reports (
    campaign TEXT, attempt TEXT, account TEXT, from_ms INTEGER NOT NULL, PRIMARY KEY (campaign, attempt, account)
) WITHOUT ROWID
"""
"""Launches of releases with format 4 have no later beginning."""

_FROM_5: Final = "ALTER TABLE campaigns ADD COLUMN revision TEXT"
"""A log of a release with format 5 has no drafts."""

_FROM_6: Final = "ALTER TABLE tallies ADD COLUMN suppressed INTEGER NOT NULL DEFAULT 0"

_FROM_7: Final = """
CREATE TABLE controls (campaign TEXT, word TEXT, record BLOB NOT NULL, PRIMARY KEY (campaign, word)) WITHOUT ROWID
"""
"""What people decided of campaigns is kept as it is on the log (`_keep_controls`)."""

_OLD_SUMS: Final = (
    "campaign, attempt, account, 0, in_flight, accepted, no_report, refused, unknown, delivered, undelivered, "
    "first_sent_ms, last_sent_ms, last_report_ms, suppressed, 0, 0"
)
_FROM_8: Final = f"""
ALTER TABLE jobs ADD COLUMN moved INTEGER NOT NULL DEFAULT -1;
ALTER TABLE batches ADD COLUMN day INTEGER NOT NULL DEFAULT 0;
CREATE TABLE streams (
    account TEXT, campaign TEXT, attempt TEXT, job INTEGER NOT NULL, count INTEGER NOT NULL, day INTEGER NOT NULL,
    PRIMARY KEY (account, campaign, attempt)
) WITHOUT ROWID;
ALTER TABLE tallies RENAME TO tallies_before;
ALTER TABLE failures RENAME TO failures_before;
{_SUMS};
INSERT INTO tallies SELECT {_OLD_SUMS} FROM tallies_before;
INSERT INTO failures SELECT campaign, attempt, account, 0, source, code, recipients FROM failures_before;
DROP TABLE tallies_before;
DROP TABLE failures_before;
UPDATE controls SET word = 'money!0!' || word WHERE word = 'budget' OR word LIKE 'share!%'
"""
"""A log of a release with format 8 has no streams, and nobody was moved.

That release kept only the last record of each account about a budget: they come before all later ones. Until the
results are rebuilt, its campaigns with a spent budget may look as if they ran.
"""

_UPGRADES: Final = {2: _FROM_2, 3: _FROM_3, 4: _FROM_4, 5: _FROM_5, 6: _FROM_6, 7: _FROM_7, 8: _FROM_8}


def open_writer(path: Path) -> sqlite3.Connection:
    """A connection that may write; a missing file is created. Raises StoreError or ConfigError."""
    _check_name(path)
    try:
        make_folder(path.parent)
        make_file(path)
        connection = _connect(f"file:{quote(str(path))}?mode=rw")
    except (OSError, sqlite3.Error) as error:
        raise mapped(error, path) from error
    try:
        if not _tables(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            create_tables(connection)
        if _is_older(connection):
            _upgrade(connection)
        _check(connection, path)
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 16000")
        connection.execute("PRAGMA journal_size_limit = 268435456")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        connection.close()
        raise mapped(error, path) from error
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads; without a file, an empty store in memory. Raises StoreError or ConfigError."""
    _check_name(path)
    if not path.exists():
        return _empty()
    try:
        connection = _connect(f"file:{quote(str(path))}?mode=ro")
        try:
            if not _tables(connection):  # another process is creating them
                connection.close()
                return _empty()
            if _is_older(connection):
                _upgrade_unwritten(path)
            _check(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise mapped(error, path) from error
    return connection


def _empty() -> sqlite3.Connection:
    connection = _connect("file::memory:")
    create_tables(connection)
    return connection


def _tables(connection: sqlite3.Connection) -> int:
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    return int(tables)


def _check_name(path: Path) -> None:
    if path.is_dir():
        raise ConfigError(
            "the store {path} is a folder; give a file name in it, such as sqlite:{path}/results.db", path=path
        )


def lock(path: Path) -> IO[str]:
    """The locked file beside the store, `PATH.lock`. Raises StoreBusy with its holder.

    The operating system releases it if the process dies.
    """
    try:
        make_folder(path.parent)
        file = open_to_lock(path.with_name(path.name + ".lock"))
    except OSError as error:
        raise mapped(error, path) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise StoreBusy(
            "the store {path} is being written by another process (pid {holder})", path=path, holder=holder
        ) from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def overwrite(path: Path, fresh: Path) -> bool:
    """Make the store at `path` a copy of `fresh`, in one transaction: readers see either the old or the new one.

    False, and nothing done, if the file at `path` is too damaged for that. Raises StoreError.
    """
    try:
        source, old = _connect(f"file:{quote(str(fresh))}?mode=ro"), _connect(f"file:{quote(str(path))}?mode=rw")
        with contextlib.closing(source), contextlib.closing(old):
            old.execute("PRAGMA journal_mode = WAL")
            source.backup(old)
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        if (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return False
        raise mapped(error, path) from error
    return True


def outbox(connection: sqlite3.Connection, path: Path) -> list[int]:
    """The chunks still to be written downstream. Raises StoreError."""
    try:
        return [chunk for (chunk,) in connection.execute("SELECT chunk FROM outbox ORDER BY chunk")]
    except sqlite3.Error as error:
        raise mapped(error, path) from error


def create_tables(connection: sqlite3.Connection) -> None:
    """Create all tables in one transaction; a process that lost the race finds them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _tables(connection):
            for statement in (*TABLES.split(";"), *sqlite_inbound.TABLES.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        rollback(connection)
        raise


def _is_older(connection: sqlite3.Connection) -> bool:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return application == APPLICATION_ID and version in _UPGRADES


def _upgrade(connection: sqlite3.Connection) -> None:
    """Make an older format this one, in one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        while _is_older(connection):
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            for statement in _UPGRADES[version].split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")
            if version == 3:
                _bound_ids(connection)
            if version == 7:
                _keep_controls(connection)
        connection.execute("COMMIT")
    except BaseException:
        rollback(connection)
        raise


def _bound_ids(connection: sqlite3.Connection) -> None:
    """The bounds of ids leave out recipients without one; before format 4 they did not."""
    from dispatcher.core.results.recipient_ids import of_stored
    from dispatcher.core.results.reports import NO_ID_KEY

    rows = connection.execute("SELECT rowid, keys FROM recipient_ids WHERE high = ?", (int(NO_ID_KEY),)).fetchall()
    for rowid, keys in rows:
        bounds = of_stored(keys, None, 1).bounds
        connection.execute("UPDATE recipient_ids SET low = ?, high = ? WHERE rowid = ?", (*bounds, rowid))


def _keep_controls(connection: sqlite3.Connection) -> None:
    """The records behind the columns of format 7; their times and authors were not kept."""
    controls: list[Control] = []
    rows = connection.execute("SELECT id, paused, cancelled, weight, urgent FROM campaigns").fetchall()
    for campaign, paused, cancelled, weight, urgent in rows:
        if paused:
            controls.append(Flowed(campaign=campaign, paused=True, at_ms=0, by=""))
        if cancelled:
            controls.append(Cancelled(campaign=campaign, at_ms=0, by=""))
        if weight is not None:
            controls.append(Weighed(campaign=campaign, weight=weight, urgent=bool(urgent), at_ms=0, by=""))
    closings = connection.execute("SELECT campaign, at_ms FROM closings").fetchall()
    controls.extend(Closed(campaign=campaign, at_ms=at_ms, by="") for campaign, at_ms in closings)
    for each in controls:
        connection.execute("INSERT INTO controls VALUES (?, ?, ?)", (each.campaign, each.word, encode(each)))
    for column in ("paused", "weight", "urgent"):
        connection.execute(f"ALTER TABLE campaigns DROP COLUMN {column}")


def _upgrade_unwritten(path: Path) -> None:
    """Upgrade it for a reader, unless a process of an earlier release writes it: that one would fail."""
    try:
        held = lock(path)
    except StoreBusy as error:
        raise StoreError("{error}, of an earlier release: restart that one first", error=error) from None
    with contextlib.closing(held), contextlib.closing(_connect(f"file:{quote(str(path))}?mode=rw")) as writer:
        _upgrade(writer)


def rollback(connection: sqlite3.Connection) -> None:
    """Roll back a failed transaction, unless SQLite has already done so."""
    with contextlib.suppress(sqlite3.Error):
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def mapped(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """Our error for theirs: one sentence that says what to do."""
    rebuild = "`dispatcher store rebuild` makes a new one from the log"
    if isinstance(error, OSError):
        return StoreError("the store {path} cannot be opened: {reason}", path=path, reason=error.strerror or error)
    code = getattr(error, "sqlite_errorcode", 0) or 0
    match code & 0xFF:
        case sqlite3.SQLITE_CORRUPT:
            return StoreError(
                "the store {path} is damaged ({error}); {rebuild}", path=path, error=error, rebuild=rebuild
            )
        case sqlite3.SQLITE_NOTADB:
            return StoreError(
                "{path} is no store, or its first page is damaged; name another file, or: {rebuild}",
                path=path,
                rebuild=rebuild,
            )
        case sqlite3.SQLITE_FULL:
            return StoreError(
                "the disk of the store {path} is full, nothing was written; make room, nothing is lost", path=path
            )
        case sqlite3.SQLITE_IOERR:
            return StoreError(
                "the store {path} cannot be read or written ({error}); make room or check the disk",
                path=path,
                error=error,
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreError("the store {path} was locked too long by another process; try again", path=path)
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_AUTH:
            return StoreError(
                "the store {path} cannot be opened ({error}); check the rights of file and folder",
                path=path,
                error=error,
            )
        case _:
            return StoreError("the store {path} failed: {error}", path=path, error=error)


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(
        uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
    )


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise ConfigError("{path} is a database of another program; name another file in [store] url", path=path)
    if version != VERSION:
        raise StoreError(
            "the store {path} has format {version}, this release uses {known}; "
            "`dispatcher store rebuild` makes a new one from the log",
            path=path,
            version=version,
            known=VERSION,
        )
