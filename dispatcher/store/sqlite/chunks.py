"""The chunks of the SQLite store, the ids of their reports, and the chunks to write downstream.

Loaded and saved for the fold. Statements only (tables.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from dispatcher.core.results.journal import JoinedChunk
from schemas.topics import LANE_PARTITIONS

_CHUNK_FIELDS: Final = tuple(name for name in JoinedChunk.__struct_fields__ if name != "slot")
_CHUNK: Final = "SELECT " + ", ".join(f"c.{name}" for name in _CHUNK_FIELDS)

_SENT_BEFORE: Final = "SELECT id FROM chunks WHERE state = 2 AND expired = 0 AND sent_ms <= ?"
_OF_CLOSED: Final = (
    "SELECT c.id FROM closings k JOIN batches b ON b.campaign = k.campaign JOIN chunks c ON c.batch = b.id "
    "WHERE c.state = 2 AND c.expired = 0 AND EXISTS (SELECT 1 FROM tallies t "
    "WHERE t.campaign = b.campaign AND t.attempt = b.attempt AND t.account = c.account AND t.accepted > 0)"
)
"""Accepted chunks of closed campaigns; campaigns without waiting recipients are skipped by their sums."""


class ChunkTables:
    """The tables `chunks`, `vendor_ids`, `recipient_ids` and `outbox`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._many = connection.executemany

    # --- chunks ------------------------------------------------------------------------------------------------------

    def load(self, chunk_ids: Iterable[int]) -> list[JoinedChunk]:
        """The chunks of these ids that exist."""
        return _chunks(self._run(f"{_CHUNK} FROM json_each(?) j JOIN chunks c ON c.id = j.value", (_json(chunk_ids),)))

    def still_open(self, partition: int) -> list[JoinedChunk]:
        """In flight or unknown."""
        where = f"WHERE state IN (1, 6) AND id % {LANE_PARTITIONS} = ? ORDER BY id"
        return _chunks(self._run(f"{_CHUNK} FROM chunks c {where}", (partition,)))

    def covering(self, batch_id: int, position: int) -> int | None:
        """The chunk that holds this recipient and was not returned to the queue."""
        row = self._run(
            "SELECT id FROM chunks WHERE batch = ?1 AND state != 0 AND start <= ?2 AND start + count > ?2",
            (batch_id, position),
        ).fetchone()
        return row[0] if row else None

    def save(self, chunks: Iterable[JoinedChunk]) -> None:
        """Write these as they are now."""
        self._many(
            f"INSERT OR REPLACE INTO chunks VALUES ({', '.join('?' * len(_CHUNK_FIELDS))})",
            (tuple(getattr(chunk, name) for name in _CHUNK_FIELDS) for chunk in chunks),
        )

    def save_reported(self, chunks: Iterable[JoinedChunk]) -> None:
        """Write only the parts that reports change."""
        rows = [(chunk.reported, chunk.proven, chunk.id) for chunk in chunks]
        self._many("UPDATE chunks SET reported = ?, proven = ? WHERE id = ?", rows)

    def overdue(self, before_ms: int, chunks_max: int) -> list[JoinedChunk]:
        """Accepted chunks sent before then, and those of closed campaigns, whose time for reports is not over yet."""
        where = f"WHERE c.id IN ({_SENT_BEFORE} UNION {_OF_CLOSED} LIMIT ?)"
        return _chunks(self._run(f"{_CHUNK} FROM chunks c {where}", (before_ms, chunks_max)))

    # --- ids ---------------------------------------------------------------------------------------------------------

    def add_vendor_ids(self, rows: Sequence[tuple[str, str, int, int]]) -> None:
        """(account, vendor id, place of the record that says so, chunk)."""
        self._many("INSERT OR IGNORE INTO vendor_ids VALUES (?, ?, ?, ?)", rows)

    def has_vendor_ids(self, account: str) -> bool:
        """Whether the account's vendor gave an id to any whole request."""
        return self._run("SELECT 1 FROM vendor_ids WHERE account = ? LIMIT 1", (account,)).fetchone() is not None

    def named(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[str, int]]:
        """(vendor id, chunk) of those that are known, first named first."""
        rows = self._run(
            "SELECT v.vendor_id, v.chunk FROM json_each(?) j JOIN vendor_ids v ON v.account = ? "
            "AND v.vendor_id = j.value ORDER BY v.place",
            (json.dumps(vendor_ids), account),
        )
        return rows.fetchall()

    def add_recipient_ids(
        self, chunk_id: int, place: int, account: str, keys: np.ndarray[Any, np.dtype[np.int64]], texts: bytes | None
    ) -> None:
        """One id per recipient of a chunk, as keys; `texts` if they cannot be read back from the keys."""
        self._run(
            "INSERT OR IGNORE INTO recipient_ids VALUES (?, ?, ?, ?, ?, ?, ?)",
            (chunk_id, place, account, int(keys.min()), int(keys.max()), keys.astype("<i8", copy=False).data, texts),
        )

    def recipient_id_ranges(self, account: str, low: int, high: int) -> list[tuple[int, int, int, int]]:
        """(chunk, place, lowest key, highest key) of the account's chunks that may have keys in [low, high]."""
        return self._run(
            "SELECT chunk, place, low, high FROM recipient_ids WHERE account = ? AND high >= ? AND low <= ? "
            "ORDER BY place",
            (account, low, high),
        ).fetchall()

    def recipient_id_keys(self, chunk_id: int, place: int) -> bytes:
        """The keys, in submitted order."""
        row = self._run("SELECT keys FROM recipient_ids WHERE chunk = ? AND place = ?", (chunk_id, place)).fetchone()
        return bytes(row[0])

    def recipient_keys(self, chunk_id: int) -> list[bytes]:
        """The keys of this chunk's recipients, one list for each place that named them."""
        return [bytes(keys) for (keys,) in self._run("SELECT keys FROM recipient_ids WHERE chunk = ?", (chunk_id,))]

    def has_recipient_ids(self, account: str) -> bool:
        """Whether the account's vendor gives an id to each recipient."""
        row = self._run("SELECT 1 FROM recipient_ids WHERE account = ? LIMIT 1", (account,)).fetchone()
        return row is not None

    # --- downstream --------------------------------------------------------------------------------------------------

    def put_out(self, chunk_ids: Iterable[int]) -> None:
        """Queue these finished chunks for downstream."""
        self._run("INSERT OR IGNORE INTO outbox SELECT value FROM json_each(?)", (_json(chunk_ids),))

    def outbox(self, chunks_max: int) -> list[int]:
        """Finished chunks not yet written downstream, smallest id first."""
        rows = self._run(
            "SELECT chunk FROM outbox WHERE EXISTS (SELECT 1 FROM chunks WHERE id = chunk) ORDER BY chunk LIMIT ?",
            (chunks_max,),
        )
        return [chunk for (chunk,) in rows.fetchall()]

    def take_out(self, chunk_ids: Iterable[int]) -> None:
        """Remove written ones."""
        self._run("DELETE FROM outbox WHERE chunk IN (SELECT value FROM json_each(?))", (_json(chunk_ids),))


def chunks_of_batch(connection: sqlite3.Connection, batch_id: int) -> list[JoinedChunk]:
    """The chunks of a batch; those that were returned to the queue first, then by id."""
    return _chunks(connection.execute(f"{_CHUNK} FROM chunks c WHERE c.batch = ? ORDER BY state != 0, id", (batch_id,)))


def _chunks(rows: Iterable[Sequence[Any]]) -> list[JoinedChunk]:
    chunks = [JoinedChunk(*row) for row in rows]
    for chunk in chunks:
        chunk.heard, chunk.expired = bool(chunk.heard), bool(chunk.expired)
    return chunks


def _json(numbers: Iterable[int]) -> str:
    return json.dumps(list(numbers))
