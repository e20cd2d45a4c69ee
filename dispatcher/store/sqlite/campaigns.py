"""The SQLite store's values of campaigns, for their views (store/campaign_view.py).

Reads only, inside the caller's snapshot. A recipient without a report is late if the wait for it began before
`overdue_ms` or its campaign is closed.
"""

from __future__ import annotations

import sqlite3
from typing import Final, cast

from dispatcher.core.campaigns import campaign_of
from dispatcher.store.campaign_view import CampaignNow, campaign_view
from dispatcher.store.fold.tallies import COLUMNS, Tally
from dispatcher.store.meanings import Meaning
from dispatcher.store.views import CampaignView, Move
from schemas import codec
from schemas.records import Control, Launched

IS_UNKNOWN: Final = "c.state IN (1, 6) AND c.state = 6 AND c.reported + c.proven < c.count"  # so that the index is used

_CAMPAIGN: Final = "SELECT launched FROM campaigns WHERE launched IS NOT NULL"
_CONTROLS: Final = "SELECT record FROM controls WHERE campaign = ? ORDER BY word"
_TALLIES: Final = (
    f"SELECT account, day, {', '.join(COLUMNS)}, first_sent_ms, last_sent_ms, last_report_ms FROM tallies "
    "WHERE campaign = ? AND attempt = ?"
)
_OF: Final = "JOIN batches b ON b.id = c.batch WHERE b.campaign = ? AND b.attempt = ?"
_LATE: Final = (
    "SELECT c.account, b.day, sum(c.count - c.reported) FROM chunks c INDEXED BY chunks_waiting "
    f"{_OF} AND c.state = 2 AND c.expired = 0 AND c.sent_ms <= ? GROUP BY c.account, b.day"
)
_UNKNOWN_SINCE: Final = f"SELECT min(c.since_ms) FROM chunks c {_OF} AND {IS_UNKNOWN}"
_MOVES: Final = (
    "SELECT account, moved_to, why, back, recipients, first_ms, last_ms FROM moves WHERE campaign = ? AND attempt = ?"
)
_FAILURES: Final = (
    "SELECT account, day, source, code, recipients FROM failures WHERE campaign = ? AND attempt = ? AND recipients > 0"
)


def newest_first(connection: sqlite3.Connection, now_ms: int, overdue_ms: int, meaning: Meaning) -> list[CampaignView]:
    """All launched campaigns."""
    rows = connection.execute(f"{_CAMPAIGN} ORDER BY launched_offset DESC").fetchall()
    return [campaign_view(_now(connection, encoded, now_ms, overdue_ms), meaning) for (encoded,) in rows]


def one(
    connection: sqlite3.Connection, campaign: str, now_ms: int, overdue_ms: int, meaning: Meaning
) -> CampaignView | None:
    """This campaign, if it was launched."""
    row = connection.execute(f"{_CAMPAIGN} AND id = ?", (campaign,)).fetchone()
    return None if row is None else campaign_view(_now(connection, row[0], now_ms, overdue_ms), meaning)


def _now(connection: sqlite3.Connection, encoded: bytes, now_ms: int, overdue_ms: int) -> CampaignNow:
    record = codec.decode(encoded)
    assert isinstance(record, Launched)
    controls = [codec.decode(control) for (control,) in connection.execute(_CONTROLS, (record.campaign,))]
    campaign = campaign_of(record, cast("list[Control]", controls))
    key = (record.campaign, record.attempt)
    (since_ms,) = connection.execute(_UNKNOWN_SINCE, key).fetchone()
    tallies = {(account, day): Tally(*sums) for account, day, *sums in connection.execute(_TALLIES, key)}
    if campaign.closed is None:
        later = record.reports_from_ms
        rows = connection.execute(_LATE, (*key, overdue_ms))
        late = {(account, day): recipients for account, day, recipients in rows if later.get(account, 0) <= overdue_ms}
    else:
        late = {of: tally.accepted for of, tally in tallies.items()}
    return CampaignNow(
        now_ms=now_ms,
        campaign=campaign,
        tallies=tallies,
        late=late,
        failures=connection.execute(_FAILURES, key).fetchall(),
        unknown_since_ms=since_ms,
        moves=[
            Move(account=account, to=to, why=why, back=bool(back), recipients=recipients, first_ms=first, last_ms=last)
            for account, to, why, back, recipients, first, last in connection.execute(_MOVES, key)
        ],
    )
