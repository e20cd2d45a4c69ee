"""The SQLite store's rows behind the port of the fold (store/fold/tables.py). Statements only; nothing is cached."""

from __future__ import annotations

import sqlite3

from dispatcher.core.campaigns import first_counts, kept_as
from dispatcher.core.results.inbound import Bounds
from dispatcher.core.results.journal import JoinedJob
from dispatcher.core.results.places import move_place
from dispatcher.core.streams.segments import Segment, StreamKey
from dispatcher.store.sqlite import inbound as sqlite_inbound
from dispatcher.store.sqlite.batches import BatchTables
from dispatcher.store.sqlite.chunks import ChunkTables
from dispatcher.store.sqlite.reports import ReportTables
from schemas import codec
from schemas.records import Cancelled, Closed, Control, Dead, Inbound, Job, Launched, Rejects


class SqliteTables:
    """Typed access to the tables of file.py: inputs and positions here, the others in their own modules."""

    def __init__(self, connection: sqlite3.Connection, bounds: Bounds) -> None:
        self._connection = connection
        self._bounds = bounds
        self._run = connection.execute
        self.batches = BatchTables(connection)
        self.chunks = ChunkTables(connection)
        self.reports = ReportTables(connection)

    # --- positions ---------------------------------------------------------------------------------------------------

    def offsets(self) -> dict[tuple[str, int], int]:
        """Every partition's next offset."""
        return {(topic, partition): at for topic, partition, at in self._run("SELECT * FROM offsets")}

    def advance(self, topic: str, partition: int, before: int, after: int) -> bool:
        """Move a partition's offset from `before` to `after`; False if it is not at `before`."""
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
        """The first of an id counts; rejected rows of its other attempts are dropped."""
        self._campaign(record.campaign)
        changed = self._run(
            "UPDATE campaigns SET launched_offset = ?1, attempt = ?2, launched = ?3 WHERE id = ?4 AND launched IS NULL "
            "AND (?5 = '' OR (revision IS ?5 AND NOT cancelled))",
            (offset, record.attempt, encoded, record.campaign, record.revision),
        ).rowcount
        if changed:
            self._run("DELETE FROM rejects WHERE campaign = ? AND attempt != ?", (record.campaign, record.attempt))
            for account, from_ms in record.reports_from_ms.items():
                row = (record.campaign, record.attempt, account, from_ms)
                self._run("INSERT OR IGNORE INTO later_reports VALUES (?, ?, ?, ?)", row)

    def launches_since(self, offset: int) -> list[Launched]:
        """Those from this offset on."""
        rows = self._run(
            "SELECT launched FROM campaigns WHERE launched_offset >= ? AND launched IS NOT NULL", (offset,)
        )
        return [record for (encoded,) in rows if isinstance(record := codec.decode(encoded), Launched)]

    def revised(self, campaign: str, revision: str) -> None:
        """A draft, or its schedule, was made or changed."""
        self._campaign(campaign)
        self._run("UPDATE campaigns SET revision = ? WHERE id = ?", (revision, campaign))

    def controlled(self, record: Control, encoded: bytes, offset: int) -> None:
        """A control; the last of its word counts, or the first (core/campaigns.py). It may come before the launch."""
        self._campaign(record.campaign)
        match record:
            case Cancelled():
                self._run("UPDATE campaigns SET cancelled = 1 WHERE id = ?", (record.campaign,))
            case Closed():
                self._run("INSERT OR IGNORE INTO closings VALUES (?, ?)", (record.campaign, record.at_ms))
            case _:
                pass
        or_what = "IGNORE" if first_counts(record) else "REPLACE"
        row = (record.campaign, kept_as(record, offset), encoded)
        self._run(f"INSERT OR {or_what} INTO controls VALUES (?, ?, ?)", row)

    def _campaign(self, campaign: str) -> None:
        self._run("INSERT OR IGNORE INTO campaigns (id) VALUES (?)", (campaign,))

    def add_job(self, job_id: int, batch_id: int, job: Job) -> None:
        """A job and the batch it names."""
        self._run(
            "INSERT OR IGNORE INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?)",
            (job_id, job.campaign, job.attempt, job.account, batch_id, job.batch, move_place(job)),
        )
        self._run(
            "INSERT INTO batches (id, campaign, attempt, number, sha256, recipients) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET recipients = max(recipients, excluded.recipients) WHERE loaded = 0",
            (batch_id, job.campaign, job.attempt, job.batch, job.sha256, job.start + job.count),
        )

    def segment(self, stream: StreamKey) -> Segment | None:
        """The last segment of a stream on an account."""
        row = self._run(
            "SELECT job, count, day FROM streams WHERE account = ? AND campaign = ? AND attempt = ?", stream
        ).fetchone()
        return Segment(*row) if row else None

    def save_segment(self, stream: StreamKey, segment: Segment) -> None:
        """Remember it."""
        row = (*stream, segment.job, segment.count, segment.day)
        self._run("INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?)", row)

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
