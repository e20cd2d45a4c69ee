"""The rows of the SQLite store, loaded and saved for the fold. Statements only; what they mean is decided elsewhere.

Everything here runs inside a transaction that the caller began. Nothing is cached.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.core.inbound import Bounds
from dispatcher.core.join import SEGMENT, SEGMENTS_MAX, UNCONTESTED, Columns
from dispatcher.core.join_journal import JoinedChunk, JoinedJob
from dispatcher.core.join_reports import Origin, Parked
from dispatcher.store import sqlite_inbound
from dispatcher.store.port import BatchPlace
from dispatcher.store.tallies import COLUMNS, Tallies
from schemas.records import Cancelled, Dead, Flowed, Inbound, Job, Launched, Rejects, Weighed
from schemas.topics import LANE_PARTITIONS

_pack = msgspec.msgpack.encode
_parked = msgspec.msgpack.Decoder(Parked)
_codes = msgspec.msgpack.Decoder(list[tuple[int, str]])


class BatchRow(msgspec.Struct, gc=False):
    """A batch without its columns."""

    id: int
    campaign: str
    attempt: str
    number: int
    contested: bool
    codes: bytes | None


class Tables:
    """Typed access to the tables of sqlite_file.py."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds) -> None:
        self._connection = connection
        self._bounds = bounds
        self._run = connection.execute
        self._many = connection.executemany

    # --- positions ---------------------------------------------------------------------------------------------------

    def offsets(self) -> dict[tuple[str, int], int]:
        """Every partition's next offset."""
        return {(topic, partition): at for topic, partition, at in self._run("SELECT * FROM offsets")}

    def advance(self, topic: str, partition: int, before: int, after: int) -> bool:
        """Move a partition's offset from `before` to `after`; False if it is not at `before` (any more)."""
        if before == 0:
            self._run("INSERT OR IGNORE INTO offsets VALUES (?, ?, 0)", (topic, partition))
        moved = self._run(
            "UPDATE offsets SET next = ? WHERE topic = ? AND partition = ? AND next = ?",
            (after, topic, partition, before),
        )
        return moved.rowcount == 1

    def owner(self, partition: int) -> str | None:
        """The owner in force at the folded end of a journal."""
        row = self._run("SELECT owner FROM owners WHERE partition = ?", (partition,)).fetchone()
        return row[0] if row else None

    def save_owner(self, partition: int, owner: str | None) -> None:
        """Remember it."""
        self._run("INSERT OR REPLACE INTO owners VALUES (?, ?)", (partition, owner))

    # --- campaigns, jobs and what is only kept -----------------------------------------------------------------------

    def launched(self, offset: int, record: Launched, encoded: bytes) -> None:
        """The first of an id counts; rejected rows of its other attempts are of no use any more."""
        self._campaign(record.campaign)
        changed = self._run(
            "UPDATE campaigns SET launched_offset = ?, attempt = ?, launched = ? WHERE id = ? AND launched IS NULL",
            (offset, record.attempt, encoded, record.campaign),
        ).rowcount
        if changed:
            self._run("DELETE FROM rejects WHERE campaign = ? AND attempt != ?", (record.campaign, record.attempt))

    def controlled(self, record: Flowed | Cancelled | Weighed) -> None:
        """Paused, resumed, cancelled or weighed; may come before the launch (compaction)."""
        self._campaign(record.campaign)
        match record:
            case Flowed():
                self._run("UPDATE campaigns SET paused = ? WHERE id = ?", (record.paused, record.campaign))
            case Cancelled():
                self._run("UPDATE campaigns SET cancelled = 1 WHERE id = ?", (record.campaign,))
            case Weighed():
                self._run(
                    "UPDATE campaigns SET weight = ?, urgent = ? WHERE id = ?",
                    (record.weight, record.urgent, record.campaign),
                )

    def _campaign(self, campaign: str) -> None:
        self._run("INSERT OR IGNORE INTO campaigns (id) VALUES (?)", (campaign,))

    def add_job(self, job_id: int, batch_id: int, job: Job) -> None:
        """A job and the batch it names."""
        self._run(
            "INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?)",
            (job_id, job.campaign, job.attempt, job.account, batch_id, job.batch),
        )
        self._run(
            "INSERT INTO batches (id, campaign, attempt, number, sha256, recipients) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET recipients = max(recipients, excluded.recipients) WHERE loaded = 0",
            (batch_id, job.campaign, job.attempt, job.batch, job.sha256, job.start + job.count),
        )

    def job(self, job_id: int) -> JoinedJob | None:
        """The job of this id."""
        row = self._run("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return JoinedJob(*row) if row else None

    def add_rejects(self, record: Rejects, encoded: bytes) -> None:
        """Rejected rows, unless another attempt of the campaign was launched."""
        self._run(
            "INSERT OR IGNORE INTO rejects SELECT ?1, ?2, ?3, ?4 WHERE NOT EXISTS "
            "(SELECT 1 FROM campaigns WHERE id = ?1 AND attempt != ?2)",
            (record.campaign, record.attempt, record.part, encoded),
        )

    def add_inbound(self, place: int, record: Inbound) -> None:
        """A message from a phone, or a part of one."""
        sqlite_inbound.add(self._connection, place, record, self._bounds)

    def add_dead(self, place: int, record: Dead) -> None:
        """A dead letter."""
        sqlite_inbound.add_dead(self._connection, place, record)

    # --- batches -----------------------------------------------------------------------------------------------------

    def batch(self, batch_id: int) -> BatchRow:
        """The batch of this id, which a job named."""
        row = self._run(
            "SELECT id, campaign, attempt, number, contested, codes FROM batches WHERE id = ?", (batch_id,)
        ).fetchone()
        return BatchRow(*row)

    def batches_to_load(self, batches_max: int) -> list[BatchPlace]:
        """Batches of launched campaigns whose numbers are not in the store yet."""
        rows = self._run(
            "SELECT b.id, b.sha256 FROM batches b JOIN campaigns c ON c.id = b.campaign AND c.attempt = b.attempt "
            "WHERE b.loaded = 0 ORDER BY b.id LIMIT ?",
            (batches_max,),
        )
        return [BatchPlace(*row) for row in rows]

    def batches_of_jobs(self, jobs: Iterable[int]) -> list[BatchPlace]:
        """The batches of these jobs that are not in the store yet."""
        rows = self._run(
            "SELECT DISTINCT b.id, b.sha256 FROM json_each(?) j JOIN jobs ON jobs.id = j.value "
            "JOIN batches b ON b.id = jobs.batch WHERE b.loaded = 0",
            (_json(jobs),),
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

    # --- chunks and their ids ----------------------------------------------------------------------------------------

    def chunks(self, chunk_ids: Iterable[int]) -> list[JoinedChunk]:
        """The chunks of these ids that exist."""
        return _chunks(self._run(f"{_CHUNK} FROM json_each(?) j JOIN chunks c ON c.id = j.value", (_json(chunk_ids),)))

    def open_chunks(self, partition: int) -> list[JoinedChunk]:
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

    def save_chunks(self, chunks: Iterable[JoinedChunk]) -> None:
        """Write these as they are now."""
        self._many(
            f"INSERT OR REPLACE INTO chunks VALUES ({', '.join('?' * len(_CHUNK_FIELDS))})",
            (tuple(getattr(chunk, name) for name in _CHUNK_FIELDS) for chunk in chunks),
        )

    def save_reported(self, chunks: Iterable[JoinedChunk]) -> None:
        """Write only what reports change."""
        reported = {chunk.id: chunk.reported for chunk in chunks}
        if reported:
            self._run(
                "UPDATE chunks SET reported = j.value FROM json_each(?) j WHERE chunks.id = CAST(j.key AS INTEGER)",
                (json.dumps(reported),),
            )

    def add_vendor_ids(self, rows: Sequence[tuple[str, str, int, int]]) -> None:
        """(account, vendor id, place of the record that says so, chunk)."""
        self._many("INSERT OR IGNORE INTO vendor_ids VALUES (?, ?, ?, ?)", rows)

    def has_vendor_ids(self, account: str) -> bool:
        """Whether the account's vendor gave an id to any whole request."""
        return self._run("SELECT 1 FROM vendor_ids WHERE account = ? LIMIT 1", (account,)).fetchone() is not None

    def chunks_named(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[str, int]]:
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
        """One id per recipient of a chunk, as keys; `texts` where they cannot be read back from the keys."""
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

    def has_recipient_ids(self, account: str) -> bool:
        """Whether the account's vendor gives an id to each recipient."""
        row = self._run("SELECT 1 FROM recipient_ids WHERE account = ? LIMIT 1", (account,)).fetchone()
        return row is not None

    # --- parked reports ----------------------------------------------------------------------------------------------

    def park(self, rows: Iterable[tuple[Origin, str, Parked]]) -> None:
        """Keep them until their id is known."""
        self._many(
            "INSERT OR REPLACE INTO parked VALUES (?, ?, ?, ?, ?)",
            (
                (origin.account, vendor_id, origin.place, len(parked.times) // 4, _pack(parked))
                for origin, vendor_id, parked in rows
            ),
        )

    def has_parked(self, account: str) -> bool:
        """Whether reports of this account wait for their id."""
        return self._run("SELECT 1 FROM parked WHERE account = ? LIMIT 1", (account,)).fetchone() is not None

    def unpark(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[Origin, int, str, Parked]]:
        """Take out what waits for these ids."""
        asked = (json.dumps(vendor_ids), account)
        rows = self._run(
            "SELECT p.vendor_id, p.place, p.parked FROM json_each(?) j JOIN parked p ON p.account = ? "
            "AND p.vendor_id = j.value",
            asked,
        ).fetchall()
        if rows:
            self._run("DELETE FROM parked WHERE vendor_id IN (SELECT value FROM json_each(?)) AND account = ?", asked)
        found = []
        for vendor_id, place, encoded in rows:
            parked = _parked.decode(encoded)
            found.append((Origin(account, place, parked.at_ms), place // LANE_PARTITIONS, vendor_id, parked))
        return found

    # --- sums, expiry, outbox ----------------------------------------------------------------------------------------

    def save_tallies(self, tallies: Tallies) -> None:
        """Add the differences."""
        fields = [*COLUMNS, "first_sent_ms", "last_sent_ms", "last_report_ms"]
        self._many(
            _ADD_TALLY, [(*key, *(getattr(tally, name) for name in fields)) for key, tally in tallies.campaigns.items()]
        )
        failures = [(*key, recipients) for key, recipients in tallies.failures.items() if recipients]
        self._many(
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET recipients = recipients + excluded.recipients",
            failures,
        )
        if any(row[-1] < 0 for row in failures):
            self._run("DELETE FROM failures WHERE recipients = 0")
        self._many(
            "INSERT INTO report_counts VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows, "
            "waiting = waiting + excluded.waiting, applied = applied + excluded.applied, "
            "repeats = repeats + excluded.repeats",
            [(account, t.rows, t.waiting, t.applied, t.repeats) for account, t in tallies.reports.items()],
        )
        self._many(
            "INSERT INTO oddities VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count",
            [(*key, count) for key, count in tallies.oddities.items()],
        )

    def overdue(self, before_ms: int, chunks_max: int) -> list[JoinedChunk]:
        """Accepted chunks sent before then whose time for reports is not over yet."""
        where = "WHERE state = 2 AND expired = 0 AND sent_ms <= ? LIMIT ?"
        return _chunks(self._run(f"{_CHUNK} FROM chunks c {where}", (before_ms, chunks_max)))

    def put_out(self, chunk_ids: Iterable[int]) -> None:
        """These chunks have their final words, to be told downstream."""
        self._run("INSERT OR IGNORE INTO outbox SELECT value FROM json_each(?)", (_json(chunk_ids),))

    def outbox(self, chunks_max: int) -> list[int]:
        """Chunks whose final words were not told yet, first sent first."""
        rows = self._run(
            "SELECT chunk FROM outbox WHERE EXISTS (SELECT 1 FROM chunks WHERE id = chunk) ORDER BY chunk LIMIT ?",
            (chunks_max,),
        )
        return [chunk for (chunk,) in rows.fetchall()]

    def take_out(self, chunk_ids: Iterable[int]) -> None:
        """They were told."""
        self._run("DELETE FROM outbox WHERE chunk IN (SELECT value FROM json_each(?))", (_json(chunk_ids),))


_CHUNK_FIELDS: Final = tuple(name for name in JoinedChunk.__struct_fields__ if name != "slot")
_CHUNK: Final = "SELECT " + ", ".join(f"c.{name}" for name in _CHUNK_FIELDS)
_NO_CODES: Final = _pack([])
_ADD_TALLY: Final = (
    f"INSERT INTO tallies VALUES ({', '.join('?' * (len(COLUMNS) + 6))}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COLUMNS)
    # min() and max() of SQLite are NULL if one argument is
    + ", first_sent_ms = coalesce(min(first_sent_ms, excluded.first_sent_ms), first_sent_ms, excluded.first_sent_ms)"
    + ", last_sent_ms = coalesce(max(last_sent_ms, excluded.last_sent_ms), last_sent_ms, excluded.last_sent_ms)"
    + ", last_report_ms = coalesce(max(last_report_ms, excluded.last_report_ms), last_report_ms, "
    "excluded.last_report_ms)"
)


def finals_type(codes: Sequence[object]) -> type[np.uint8] | type[np.uint16]:
    """The width of a batch's `finals`."""
    return np.uint16 if len(codes) > 255 else np.uint8


def finals_range(batch_id: int) -> tuple[int, int]:
    """The ids of a batch's rows in `finals`: from, to before."""
    return batch_id * SEGMENTS_MAX, (batch_id + 1) * SEGMENTS_MAX


def _chunks(rows: Iterable[Sequence[Any]]) -> list[JoinedChunk]:
    chunks = [JoinedChunk(*row) for row in rows]
    for chunk in chunks:
        chunk.heard, chunk.expired = bool(chunk.heard), bool(chunk.expired)
    return chunks


def _json(numbers: Iterable[int]) -> str:
    return json.dumps(list(numbers))
