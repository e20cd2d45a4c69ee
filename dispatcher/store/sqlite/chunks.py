"""The chunks of the SQLite store, the ids of their reports, and the chunks to write downstream.

Loaded and saved for the fold. Statements only (tables.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from dispatcher.core.results.journal import JoinedChunk
from dispatcher.core.results.places import PIECES
from dispatcher.core.results.recipient_ids import IdRow, of_stored
from dispatcher.store.fold.tables import IdRange
from schemas.topics import LANE_PARTITIONS

_CHUNK_FIELDS: Final = tuple(name for name in JoinedChunk.__struct_fields__ if name != "slot")
_CHUNK: Final = "SELECT " + ", ".join(f"c.{name}" for name in _CHUNK_FIELDS)

_SENT_BEFORE: Final = (
    "SELECT c.id FROM chunks c WHERE c.state = 2 AND c.expired = 0 AND c.sent_ms <= ?1 AND NOT EXISTS "
    "(SELECT 1 FROM batches b JOIN later_reports l ON l.campaign = b.campaign AND l.attempt = b.attempt "
    "WHERE b.id = c.batch AND l.account = c.account AND l.from_ms > ?1)"
)
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

    def pieces(self, chunk_id: int) -> list[JoinedChunk]:
        """The saved pieces of this chunk, in order."""
        where = "WHERE id >= ? AND id < ? ORDER BY id"
        return _chunks(self._run(f"{_CHUNK} FROM chunks c {where}", (chunk_id, chunk_id + PIECES)))

    def still_open(self, partition: int) -> list[JoinedChunk]:
        """In flight or unknown."""
        where = f"WHERE state IN (1, 6) AND id / {PIECES} % {LANE_PARTITIONS} = ? ORDER BY id"
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
        """Accepted chunks whose wait for reports began up to then, and those of closed campaigns; not yet expired."""
        where = f"WHERE c.id IN ({_SENT_BEFORE} UNION {_OF_CLOSED} LIMIT ?2)"
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
            "AND v.vendor_id = j.value ORDER BY v.place, v.chunk",
            (json.dumps(vendor_ids), account),
        )
        return rows.fetchall()

    def vendor_ids_of(self, account: str, chunk_id: int) -> list[tuple[str, int]]:
        """(vendor id, place) of this chunk, first named first."""
        where = "WHERE account = ? AND chunk = ? ORDER BY place"
        return self._run(f"SELECT vendor_id, place FROM vendor_ids {where}", (account, chunk_id)).fetchall()

    def save_recipient_ids(self, chunk_id: int, account: str, row: IdRow) -> None:
        """The ids that a record gave to the chunk's recipients; instead of those of the same chunk and place."""
        keys = row.ids.keys.astype("<i8", copy=False).tobytes()
        self._run(
            "INSERT OR REPLACE INTO recipient_ids VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (chunk_id, row.place, account, *row.ids.bounds, keys, row.ids.packed_texts, row.ids.parts, row.states),
        )

    def recipient_id_ranges(self, account: str, low: int, high: int) -> list[IdRange]:
        """The rows of ids of the account's chunks that may have keys in [low, high]."""
        rows = self._run(
            "SELECT chunk, place, low, high, parts FROM recipient_ids WHERE account = ? AND high >= ? AND low <= ? "
            "ORDER BY place, chunk",
            (account, low, high),
        )
        return [IdRange(*row) for row in rows]

    def recipient_ids(self, chunk_id: int) -> list[IdRow]:
        """The ids of this chunk's recipients, the last named first."""
        return id_rows(self._run, chunk_id)

    def recipient_ids_at(self, chunk_id: int, place: int) -> IdRow:
        """Those that the record at this place gave."""
        row = self._run(f"{_IDS} AND place = ?", (chunk_id, place)).fetchone()
        return _id_row(*row)

    def save_part_states(self, rows: Iterable[tuple[int, int, bytes]]) -> None:
        """(chunk, place, states of the parts)."""
        self._many(
            "UPDATE recipient_ids SET states = ? WHERE chunk = ? AND place = ?",
            ((states, chunk_id, place) for chunk_id, place, states in rows),
        )

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


_IDS: Final = "SELECT place, keys, texts, parts, states FROM recipient_ids WHERE chunk = ?"


def id_rows(run: Callable[..., sqlite3.Cursor], chunk_id: int) -> list[IdRow]:
    """The ids of a chunk's recipients, the last named first."""
    return [_id_row(*row) for row in run(f"{_IDS} ORDER BY place DESC", (chunk_id,))]


def _id_row(place: int, keys: bytes, texts: bytes | None, parts: int, states: bytes | None) -> IdRow:
    return IdRow(place, of_stored(keys, texts, parts), states)


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
