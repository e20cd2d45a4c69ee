"""The batches of the SQLite store and their columns, loaded and saved for the fold.

Statements only (tables.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import SEGMENT, SEGMENTS_MAX, UNCONTESTED, CodePair, Columns
from dispatcher.store.fold.tables import JoinedBatch, Stretch
from dispatcher.store.port import BatchPlace

_pack = msgspec.msgpack.encode
_codes = msgspec.msgpack.Decoder(list[CodePair])


class BatchTables:
    """The tables `batches`, `numbers` and `finals`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._many = connection.executemany

    def load(self, batch_id: int) -> JoinedBatch:
        """The batch of this id, which a job named."""
        row = self._run(
            "SELECT id, campaign, attempt, number, contested, codes, day FROM batches WHERE id = ?", (batch_id,)
        ).fetchone()
        id_, campaign, attempt, number, contested, codes, day = row
        pairs = _codes.decode(codes) if codes else []
        return JoinedBatch(id_, campaign, attempt, number, bool(contested), pairs, day)

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

    def save_numbers(self, batch_id: int, numbers: NDArray[np.int64]) -> None:
        """The batch's numbers, in list order."""
        self._run("INSERT OR IGNORE INTO numbers VALUES (?, ?)", (batch_id, numbers.astype("<i8", copy=False).data))
        self._run("UPDATE batches SET loaded = 1, recipients = ? WHERE id = ?", (len(numbers), batch_id))

    def add_segment(self, batch_id: int, day: int) -> None:
        """Mark the batch as a segment of a stream."""
        self._run("UPDATE batches SET loaded = 1, recipients = 0, day = ? WHERE id = ?", (day, batch_id))

    def numbers(self, batch_id: int) -> NDArray[np.int64]:
        """The numbers saved so far."""
        found = self._run("SELECT numbers FROM numbers WHERE batch = ?", (batch_id,)).fetchone()
        return np.frombuffer(found[0] if found else b"", "<i8").astype(np.int64, copy=False)

    def grow(self, batch_id: int, numbers: NDArray[np.int64]) -> None:
        """All numbers of a segment."""
        self._run("INSERT OR REPLACE INTO numbers VALUES (?, ?)", (batch_id, numbers.astype("<i8", copy=False).data))
        self._run("UPDATE batches SET recipients = ? WHERE id = ?", (len(numbers), batch_id))

    def save_broken(self, batch_id: int, why: str) -> None:
        """Mark the batch as damaged or missing on the log."""
        self._run("UPDATE batches SET loaded = 1, broken = ? WHERE id = ?", (why, batch_id))

    def columns(self, batch: JoinedBatch) -> Columns:
        """The batch's columns; empty ones if it is broken."""
        found = self._run("SELECT numbers FROM numbers WHERE batch = ?", (batch.id,)).fetchone()
        columns = Columns(np.frombuffer(found[0] if found else b"", "<i8").astype(np.int64, copy=False))
        columns.codes = batch.codes
        columns.finals = np.zeros(len(columns), finals_type(columns.codes))
        if batch.contested:
            columns.contest(0, 0)
        pieces = self._run(
            "SELECT id, finals, times, places FROM finals WHERE id >= ? AND id < ?", finals_range(batch.id)
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

    def save_columns(self, batch: JoinedBatch, columns: Columns) -> None:
        """Write what changed."""
        contested = columns.places_in_log is not None
        if columns.codes != batch.codes or contested:
            batch.codes = columns.codes
            self._run(
                "UPDATE batches SET codes = ?, contested = ? WHERE id = ?", (_pack(batch.codes), contested, batch.id)
            )
        pieces = []
        for segment in sorted(columns.dirty):
            part = slice(segment * SEGMENT, (segment + 1) * SEGMENT)
            places = columns.places_in_log[part] if columns.places_in_log is not None else None
            if places is not None and (places == UNCONTESTED).all():
                places = None
            finals, times = columns.finals[part], columns.times[part]
            pieces.append((batch.id * SEGMENTS_MAX + segment, finals.data, times.data, places))
        self._many("INSERT OR REPLACE INTO finals VALUES (?, ?, ?, ?)", pieces)
        columns.dirty.clear()

    def stretch(self, batch: JoinedBatch, start: int, end: int) -> Stretch:
        """The saved part of the recipients [start, end)."""
        found = self._run(
            "SELECT substr(numbers, ?, ?) FROM numbers WHERE batch = ?", (start * 8 + 1, (end - start) * 8, batch.id)
        ).fetchone()
        numbers: bytes = found[0] if found else b""
        return Stretch(numbers, *finals_of(self._run, batch.id, start, len(numbers) // 8, batch.codes))


def finals_of(
    run: Callable[..., sqlite3.Cursor], batch_id: int, start: int, count: int, pairs: list[CodePair]
) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.uint32]]:
    """The final reports of [start, start+count), and their times."""
    first = start // SEGMENT * SEGMENT  # the first recipient of its segment
    finals = np.zeros(start + count - first, finals_type(pairs))
    times = np.zeros(start + count - first, np.uint32)
    rows = run(
        "SELECT id, finals, times FROM finals WHERE id BETWEEN ? AND ?",
        (batch_id * SEGMENTS_MAX + start // SEGMENT, batch_id * SEGMENTS_MAX + (start + max(count, 1) - 1) // SEGMENT),
    )
    for piece, packed, packed_times in rows:
        at = piece % SEGMENTS_MAX * SEGMENT - first
        room = len(finals) - at
        found = np.frombuffer(packed, finals.dtype)[:room]
        finals[at : at + len(found)] = found
        times[at : at + len(found)] = np.frombuffer(packed_times, np.uint32)[:room]
    return finals[start - first :], times[start - first :]


def finals_type(codes: Sequence[object]) -> type[np.uint8] | type[np.uint16]:
    """The width of a batch's `finals`."""
    return np.uint16 if len(codes) > 255 else np.uint8


def finals_range(batch_id: int) -> tuple[int, int]:
    """The ids of a batch's rows in `finals`: from, to before."""
    return batch_id * SEGMENTS_MAX, (batch_id + 1) * SEGMENTS_MAX
