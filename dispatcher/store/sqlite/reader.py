"""The reading side of the SQLite store (port.py: StoreReader). It has its own connection and never writes.

Calls that read columns import numpy themselves: listing and showing campaigns needs none.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from dispatcher import clock
from dispatcher.core.results.inbound import DEFAULT_BOUNDS
from dispatcher.errors import StoreError
from dispatcher.store.meanings import Meaning
from dispatcher.store.port import (
    CampaignView,
    DeadCount,
    DeadLetter,
    Evidence,
    InboundFilter,
    InboundMarks,
    InboundMessage,
    InboundTally,
    Oddity,
    Page,
    RejectPage,
    ReportCounts,
    Sighting,
    UnknownChunk,
)
from dispatcher.store.sqlite import campaigns as sqlite_campaigns
from dispatcher.store.sqlite import file as sqlite_file
from dispatcher.store.sqlite import inbound as sqlite_inbound
from dispatcher.store.unknown_chunks import UnknownPiece, unknown_chunks
from schemas import codec
from schemas.records import Launched, Rejects
from schemas.states import State

if TYPE_CHECKING:
    from dispatcher.core.waves.requests import RequestColumns


class SqliteReader:
    """See dispatcher.store.port.StoreReader."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        no_report_after_s: float,
        meaning: Meaning,
        parts_within_ms: int = DEFAULT_BOUNDS.parts_within_ms,
    ) -> None:
        self._parts_within_ms = parts_within_ms
        self._path = path
        self._connection = connection
        self._no_report_after_ms = int(no_report_after_s * 1000)
        self._meaning = meaning

    @property
    def url(self) -> str:
        return f"sqlite:{self._path}"

    @property
    def is_there(self) -> bool:
        (_, _, file) = self._connection.execute("PRAGMA database_list").fetchone()
        return bool(file)

    def close(self) -> None:
        self._connection.close()

    # --- campaigns ---------------------------------------------------------------------------------------------------

    def campaigns(self, now_ms: int | None = None) -> list[CampaignView]:
        at_ms = clock.now_ms() if now_ms is None else now_ms
        with self._snapshot():
            return sqlite_campaigns.newest_first(self._connection, at_ms, self._overdue_ms(at_ms), self._meaning)

    def campaign(self, campaign: str, now_ms: int | None = None) -> CampaignView | None:
        at_ms = clock.now_ms() if now_ms is None else now_ms
        with self._snapshot():
            return sqlite_campaigns.one(self._connection, campaign, at_ms, self._overdue_ms(at_ms), self._meaning)

    # --- recipients --------------------------------------------------------------------------------------------------

    def pages(
        self, campaign: str, states: Collection[State] | None = None, now_ms: int | None = None, *, from_batch: int = 0
    ) -> Iterator[Page]:
        import numpy as np

        from dispatcher.store.pages import selected
        from dispatcher.store.sqlite.pages import page

        overdue_ms = self._overdue_ms(now_ms)
        wanted = np.isin(np.arange(max(State) + 1), list(State) if states is None else list(states))
        for batch_id, cancelled, closed in self._all(_BATCHES, campaign, from_batch):
            with self._mapped():
                found = page(
                    self._connection, batch_id, overdue_ms=overdue_ms, cancelled=bool(cancelled), closed=bool(closed)
                )
            if states is not None:
                found = selected(found, wanted[found.states])
            if len(found.numbers):
                yield found

    def sent_requests(self, campaign: str) -> RequestColumns:
        from dispatcher.store.sqlite.pages import sent_requests

        with self._snapshot():
            return sent_requests(self._connection, campaign)

    def unread(self, campaign: str) -> int:
        return len(self._all(f"SELECT b.id {_OF_CAMPAIGN} AND b.loaded = 0", campaign))

    def damaged(self, campaign: str) -> dict[int, str]:
        return dict(self._all(f"SELECT b.number, b.broken {_OF_CAMPAIGN} AND b.broken != ''", campaign))

    def rejects(self, campaign: str) -> Iterator[RejectPage]:
        from dispatcher.store.pages import reject_page

        parts = self._all(
            "SELECT r.rowid FROM rejects r JOIN campaigns c ON c.id = r.campaign AND c.attempt = r.attempt "
            "WHERE c.id = ? ORDER BY r.part",
            campaign,
        )
        for (rowid,) in parts:
            for (encoded,) in self._all("SELECT record FROM rejects WHERE rowid = ?", rowid):
                record = codec.decode(encoded)
                assert isinstance(record, Rejects)
                yield reject_page(record)

    def lookup(self, number: int, now_ms: int | None = None) -> list[Sighting]:
        import numpy as np

        with self._snapshot():
            cursor = self._connection.execute("SELECT batch, numbers FROM numbers")
            seen = [batch for batch, numbers in cursor if (np.frombuffer(numbers, "<i8") == number).any()]
            found = [sighting for batch in seen for sighting in self._sightings(batch, number, now_ms)]
        return sorted(found, key=lambda sighting: sighting.launched_ms, reverse=True)

    def _sightings(self, batch_id: int, number: int, now_ms: int | None) -> Iterator[Sighting]:
        from dispatcher.store.pages import sightings
        from dispatcher.store.sqlite.pages import page

        overdue_ms = self._overdue_ms(now_ms)
        for encoded, cancelled, closed in self._all(_LAUNCH_OF_BATCH, batch_id):
            record = codec.decode(encoded)
            assert isinstance(record, Launched)
            whole = page(
                self._connection, batch_id, overdue_ms=overdue_ms, cancelled=bool(cancelled), closed=bool(closed)
            )
            yield from sightings(whole, number, record, self._meaning)

    # --- messages from phones ----------------------------------------------------------------------------------------

    def inbound(
        self,
        number: str | None = None,
        *,
        wanted: InboundFilter | None = None,
        messages_max: int = 100,
        now_ms: int | None = None,
    ) -> list[InboundMessage]:
        wanted = wanted or InboundFilter(number=number)
        with self._mapped():
            return sqlite_inbound.newest(self._connection, wanted, messages_max, self._given_up_ms(now_ms))

    def inbound_pages(self, wanted: InboundFilter, now_ms: int | None = None) -> Iterator[list[InboundMessage]]:
        with self._mapped():
            yield from sqlite_inbound.pages(self._connection, wanted, self._given_up_ms(now_ms))

    def inbound_marks(self, now_ms: int | None = None) -> InboundMarks:
        with self._mapped():
            return sqlite_inbound.marks(self._connection, self._given_up_ms(now_ms))

    def inbound_news(
        self, since: InboundMarks, wanted: InboundFilter, now_ms: int | None = None
    ) -> tuple[list[InboundMessage], InboundMarks]:
        with self._snapshot():
            return sqlite_inbound.news(self._connection, since, wanted, self._given_up_ms(now_ms))

    def inbound_tallies(self, now_ms: int | None = None) -> list[InboundTally]:
        with self._snapshot():
            return sqlite_inbound.tallies(self._connection, self._given_up_ms(now_ms))

    def dead_letters(self, account: str | None = None, *, letters_max: int = 100) -> list[DeadLetter]:
        with self._mapped():
            return sqlite_inbound.dead_letters(self._connection, account, letters_max)

    # --- what is unknown, unmatched or odd ---------------------------------------------------------------------------

    def unknown(self, campaign: str | None = None) -> list[UnknownChunk]:
        return unknown_chunks(UnknownPiece(*row) for row in self._all(_UNKNOWN, campaign))

    def in_doubt(self) -> list[str]:
        from dispatcher.store.sqlite.evidence import ACCOUNTS

        return sorted(account for (account,) in self._all(ACCOUNTS))

    def evidence(self, account: str, after: str = "", *, each: bool = False) -> Evidence:
        from dispatcher.store.evidence import search
        from dispatcher.store.sqlite.evidence import SqliteTraces

        with self._snapshot():
            return search(SqliteTraces(self._connection), account, after, each=each)

    def reports(self) -> list[ReportCounts]:
        with self._snapshot():
            parked = {account: (rows, strangers) for account, rows, strangers in self._all(_PARKED)}
            counted = self._all("SELECT account, rows, waiting, applied, repeats FROM report_counts ORDER BY account")
        found = []
        for account, rows, waiting, applied, repeats in counted:
            kept, strangers = parked.get(account, (0, 0))
            found.append(
                ReportCounts(
                    account=account,
                    rows=rows,
                    waiting=waiting,
                    applied=applied,
                    repeats=repeats,
                    parked=kept - strangers,
                    strangers=strangers,
                )
            )
        return found

    def dead(self) -> list[DeadCount]:
        rows = self._all("SELECT account, count, last_ms, last_why FROM dead ORDER BY account")
        return [DeadCount(account=row[0], count=row[1], last_ms=row[2], last_why=row[3]) for row in rows]

    def oddities(self) -> list[Oddity]:
        rows = self._all("SELECT topic, what, count FROM oddities ORDER BY topic, what")
        return [Oddity(topic=row[0], what=row[1], count=row[2]) for row in rows]

    def offsets(self) -> dict[tuple[str, int], int]:
        return {(topic, partition): after for topic, partition, after in self._all("SELECT * FROM offsets")}

    # --- the connection ----------------------------------------------------------------------------------------------

    def _overdue_ms(self, now_ms: int | None) -> int:
        return (clock.now_ms() if now_ms is None else now_ms) - self._no_report_after_ms

    def _given_up_ms(self, now_ms: int | None) -> int:
        """Up to then the wait for parts of long messages is over."""
        return (clock.now_ms() if now_ms is None else now_ms) - self._parts_within_ms

    def _all(self, statement: str, *values: Any) -> list[Any]:
        with self._mapped():
            return self._connection.execute(statement, values).fetchall()

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[None]:
        """Reads inside see one snapshot."""
        with self._mapped():
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                sqlite_file.rollback(self._connection)

    @contextlib.contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise sqlite_file.mapped(error, self._path) from error
        except (codec.BrokenRecord, codec.NewerRecord, msgspec.MsgspecError) as error:
            raise StoreError(
                "the store {path} holds a record that cannot be read: {error}", path=self._path, error=error
            ) from error


_OF_CAMPAIGN: Final = "FROM batches b JOIN campaigns c ON c.id = b.campaign AND c.attempt = b.attempt WHERE c.id = ?"
_CLOSED: Final = "EXISTS (SELECT 1 FROM closings k WHERE k.campaign = c.id)"
_BATCHES: Final = f"SELECT b.id, c.cancelled, {_CLOSED} {_OF_CAMPAIGN} AND b.number >= ? ORDER BY b.number, b.id"
_LAUNCH_OF_BATCH: Final = (
    f"SELECT c.launched, c.cancelled, {_CLOSED} FROM campaigns c JOIN batches b "
    "ON c.id = b.campaign AND c.attempt = b.attempt WHERE b.id = ? AND c.launched IS NOT NULL"
)
_UNKNOWN: Final = (
    "SELECT c.id, c.account, b.campaign, b.number, c.start, c.count, c.whole, c.count - c.reported - c.proven, "
    "c.attempt, c.since_ms, c.code, c.text FROM chunks c JOIN batches b ON b.id = c.batch "
    f"WHERE {sqlite_campaigns.IS_UNKNOWN} AND (?1 IS NULL OR b.campaign = ?1)"
)
_PARKED: Final = (
    "SELECT account, sum(rows), sum(CASE WHEN EXISTS (SELECT 1 FROM vendor_ids v WHERE v.account = p.account "
    "AND v.vendor_id = p.vendor_id) THEN rows ELSE 0 END) FROM parked p GROUP BY account"
)
