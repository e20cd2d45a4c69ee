"""Reports that wait for their id, and the sums that views show, saved for the fold.

Statements only (tables.py).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from dispatcher.core.results.reports import Origin, ParkedReports
from dispatcher.store.fold.tallies import COLUMNS, Tallies
from schemas.topics import LANE_PARTITIONS

_pack = msgspec.msgpack.encode
_parked = msgspec.msgpack.Decoder(ParkedReports)
_FIELDS: Final = (*COLUMNS, "first_sent_ms", "last_sent_ms", "last_report_ms")
_ADD_TALLY: Final = (
    f"INSERT INTO tallies (campaign, attempt, account, day, {', '.join(_FIELDS)}) "
    f"VALUES ({', '.join('?' * (len(_FIELDS) + 4))}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COLUMNS)
    # min() and max() of SQLite are NULL if one argument is
    + ", first_sent_ms = coalesce(min(first_sent_ms, excluded.first_sent_ms), first_sent_ms, excluded.first_sent_ms)"
    + ", last_sent_ms = coalesce(max(last_sent_ms, excluded.last_sent_ms), last_sent_ms, excluded.last_sent_ms)"
    + ", last_report_ms = coalesce(max(last_report_ms, excluded.last_report_ms), last_report_ms, "
    "excluded.last_report_ms)"
)


class ReportTables:
    """The tables `parked`, `tallies`, `failures`, `moves`, `report_counts` and `oddities`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute
        self._many = connection.executemany

    # --- parked reports ----------------------------------------------------------------------------------------------

    def park(self, rows: Iterable[tuple[Origin, str, ParkedReports]]) -> None:
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

    def unpark(self, account: str, vendor_ids: Sequence[str]) -> list[tuple[Origin, int, str, ParkedReports]]:
        """Take out the reports that wait for these ids."""
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

    # --- sums --------------------------------------------------------------------------------------------------------

    def save_sums(self, tallies: Tallies) -> None:
        """Add the differences."""
        self._many(
            _ADD_TALLY,
            [(*key, *(getattr(tally, name) for name in _FIELDS)) for key, tally in tallies.campaigns.items()],
        )
        failures = [(*key, recipients) for key, recipients in tallies.failures.items() if recipients]
        self._many(
            "INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET recipients = recipients + excluded.recipients",
            failures,
        )
        if any(row[-1] < 0 for row in failures):
            self._run("DELETE FROM failures WHERE recipients = 0")
        self._many(
            "INSERT INTO moves VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
            "SET recipients = recipients + excluded.recipients, first_ms = min(first_ms, excluded.first_ms), "
            "last_ms = max(last_ms, excluded.last_ms)",
            [(*key, move.recipients, move.first_ms, move.last_ms) for key, move in tallies.moves.items()],
        )
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
