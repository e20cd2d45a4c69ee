"""The batches of the SQLite store and their columns, loaded and saved for the fold.

Statements only (tables.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.core.results.columns import SEGMENT, SEGMENTS_MAX, UNCONTESTED, Columns
from dispatcher.store.port import BatchPlace

_pack = msgspec.msgpack.encode
_codes = msgspec.msgpack.Decoder(list[tuple[int, str]])
_NO_CODES: Final = _pack([])


class BatchRow(msgspec.Struct, gc=False):
    """A batch without its columns."""

    id: int
    campaign: str
    attempt: str
    number: int
    contested: bool
    codes: bytes | None


class BatchTables:
    """The tables `batches`, `numbers` and `finals`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._many = connection.executemany

    def row(self, batch_id: int) -> BatchRow:
        """The batch of this id, which a job named."""
        row = self._run(
            "SELECT id, campaign, attempt, number, contested, codes FROM batches WHERE id = ?", (batch_id,)
        ).fetchone()
        return BatchRow(*row)

    def to_load(self, batches_max: int) -> list[BatchPlace]:
        """Batches of launched campaigns whose numbers are not in the store yet."""
        rows = self._run(
            "SELECT b.id, b.sha256 FROM batches b JOIN campaigns c ON c.id = b.campaign AND c.attempt = b.attempt "
            "WHERE b.loaded = 0 ORDER BY b.id LIMIT ?",
            (batches_max,),
        )
        return [BatchPlace(*row) for row in rows]

    def of_jobs(self, jobs: Iterable[int]) -> list[BatchPlace]:
        """The batches of these jobs that are not in the store yet."""
        rows = self._run(
            "SELECT DISTINCT b.id, b.sha256 FROM json_each(?) j JOIN jobs ON jobs.id = j.value "
            "JOIN batches b ON b.id = jobs.batch WHERE b.loaded = 0",
            (json.dumps(list(jobs)),),
        )
        return [BatchPlace(*row) for row in rows]

    def save_numbers(self, batch_id: int, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> None:
        """The batch's numbers, in list order."""
        self._run("INSERT OR IGNORE INTO numbers VALUES (?, ?)", (batch_id, numbers.astype("<i8", copy=False).data))
        self._run("UPDATE batches SET loaded = 1, recipients = ? WHERE id = ?", (len(numbers), batch_id))

    def save_broken(self, batch_id: int, why: str) -> None:
        """The log does not have the batch as it was written."""
        self._run("UPDATE batches SET loaded = 1, broken = ? WHERE id = ?", (why, batch_id))

    def columns(self, row: BatchRow) -> Columns:
        """The batch's columns; empty ones if it is broken."""
        found = self._run("SELECT numbers FROM numbers WHERE batch = ?", (row.id,)).fetchone()
        columns = Columns(np.frombuffer(found[0] if found else b"", "<i8").astype(np.int64, copy=False))
        columns.codes = _codes.decode(row.codes) if row.codes else []
        columns.finals = np.zeros(len(columns), finals_type(columns.codes))
        if row.contested:
            columns.contest(0, 0)
        pieces = self._run(
            "SELECT id, finals, times, places FROM finals WHERE id >= ? AND id < ?", finals_range(row.id)
        )
        for piece, finals, times, places in pieces:
            start = piece % SEGMENTS_MAX * SEGMENT
            end = start + len(times) // 4
            columns.finals[start:end] = np.frombuffer(finals, columns.finals.dtype)
            columns.times[start:end] = np.frombuffer(times, np.uint32)
            if columns.places_in_log is not None and places is not None:
                columns.places_in_log[start:end] = np.frombuffer(places, np.int64)
        columns.dirty.clear()
        return columns

    def save_columns(self, row: BatchRow, columns: Columns) -> None:
        """Write what changed."""
        codes = _pack(columns.codes)
        contested = columns.places_in_log is not None
        if codes != (row.codes or _NO_CODES) or contested:
            row.codes = codes
            self._run("UPDATE batches SET codes = ?, contested = ? WHERE id = ?", (codes, contested, row.id))
        pieces = []
        for segment in sorted(columns.dirty):
            part = slice(segment * SEGMENT, (segment + 1) * SEGMENT)
            places = columns.places_in_log[part] if columns.places_in_log is not None else None
            if places is not None and (places == UNCONTESTED).all():
                places = None
            finals, times = columns.finals[part], columns.times[part]
            pieces.append((row.id * SEGMENTS_MAX + segment, finals.data, times.data, places))
        self._many("INSERT OR REPLACE INTO finals VALUES (?, ?, ?, ?)", pieces)
        columns.dirty.clear()


def finals_type(codes: Sequence[object]) -> type[np.uint8] | type[np.uint16]:
    """The width of a batch's `finals`."""
    return np.uint16 if len(codes) > 255 else np.uint8


def finals_range(batch_id: int) -> tuple[int, int]:
    """The ids of a batch's rows in `finals`: from, to before."""
    return batch_id * SEGMENTS_MAX, (batch_id + 1) * SEGMENTS_MAX
