"""Deletes from the SQLite log, a slice at a time: too old records, and those that a newer one of their key replaced.

The newest record of a partition always stays, because the next number is counted from it.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from dispatcher.log.sqlite.file import table
from schemas.topics import Topic

SLICE_RECORDS: Final = 500  # per transaction: other appends wait for it


def upkeep(connection: sqlite3.Connection, *, topic: Topic, partition: int, now_ms: int) -> int:
    """Delete up to SLICE_RECORDS records; returns the number. Runs inside the caller's transaction."""
    name = table(topic.name, partition)
    if topic.cleanup == "compact":
        return connection.execute(
            f"DELETE FROM {name} WHERE n IN (SELECT old.n FROM {name} AS old WHERE EXISTS "
            f"(SELECT 1 FROM {name} AS new WHERE new.key = old.key AND new.n > old.n) LIMIT ?)",
            (SLICE_RECORDS,),
        ).rowcount
    if topic.retention_ms is None:
        return 0
    limit_ms, count, last = now_ms - topic.retention_ms, 0, 0
    for n, at_ms in connection.execute(f"SELECT n, at_ms FROM {name} ORDER BY n LIMIT ?", (SLICE_RECORDS,)):
        if at_ms >= limit_ms:
            break
        count, last = count + 1, n
    return connection.execute(f"DELETE FROM {name} WHERE n <= ? AND n < (SELECT max(n) FROM {name})", (last,)).rowcount
