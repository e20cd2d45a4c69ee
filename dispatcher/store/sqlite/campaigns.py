"""Campaigns of the SQLite store as views: the launch's record, and what the sums and the clock make of it.

Reads only, inside the caller's snapshot. Who was accepted before `overdue_ms` and has no report is `no_report`.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

from dispatcher.core.results.equation import Counts, launched, status, total
from dispatcher.store.fold.tallies import COLUMNS
from dispatcher.store.meanings import Meaning
from dispatcher.store.views import CampaignView, Failure
from schemas import codec
from schemas.records import Launched

IS_UNKNOWN: Final = "c.state IN (1, 6) AND c.state = 6 AND c.reported < c.count"  # so that the index is used

_CAMPAIGN: Final = "SELECT launched, paused, cancelled, weight, urgent FROM campaigns WHERE launched IS NOT NULL"
_TALLIES: Final = (
    f"SELECT account, {', '.join(COLUMNS)}, first_sent_ms, last_sent_ms, last_report_ms FROM tallies "
    "WHERE campaign = ? AND attempt = ?"
)
_OF: Final = "JOIN batches b ON b.id = c.batch WHERE b.campaign = ? AND b.attempt = ?"
_LATE: Final = (
    "SELECT c.account, sum(c.count - c.reported) FROM chunks c INDEXED BY chunks_waiting "
    f"{_OF} AND c.state = 2 AND c.expired = 0 AND c.sent_ms <= ? GROUP BY c.account"
)
_UNKNOWN_SINCE: Final = f"SELECT min(c.since_ms) FROM chunks c {_OF} AND {IS_UNKNOWN}"
_FAILURES: Final = (
    "SELECT account, source, code, recipients FROM failures WHERE campaign = ? AND attempt = ? AND recipients > 0 "
    "ORDER BY recipients DESC, account, source, code"
)


def newest_first(connection: sqlite3.Connection, overdue_ms: int, meaning: Meaning) -> list[CampaignView]:
    """All launched campaigns."""
    rows = connection.execute(f"{_CAMPAIGN} ORDER BY launched_offset DESC").fetchall()
    return [_view(connection, row, overdue_ms, meaning) for row in rows]


def one(connection: sqlite3.Connection, campaign: str, overdue_ms: int, meaning: Meaning) -> CampaignView | None:
    """This campaign, if it was launched."""
    row = connection.execute(f"{_CAMPAIGN} AND id = ?", (campaign,)).fetchone()
    return None if row is None else _view(connection, row, overdue_ms, meaning)


def _view(connection: sqlite3.Connection, row: tuple[Any, ...], overdue_ms: int, meaning: Meaning) -> CampaignView:
    encoded, paused, cancelled, weight, urgent = row
    record = codec.decode(encoded)
    assert isinstance(record, Launched)
    key = (record.campaign, record.attempt)
    late = dict(connection.execute(_LATE, (*key, overdue_ms)))
    tallies = {tally[0]: tally[1:] for tally in connection.execute(_TALLIES, key)}
    sent: dict[str, int] = {}
    for leg in record.legs:
        sent[leg.account] = sent.get(leg.account, 0) + leg.recipients
    accounts = {
        account: _account(sent.get(account, 0), tallies.get(account), late.get(account, 0), bool(cancelled))
        for account in dict.fromkeys((*sent, *tallies))
    }
    rejected = Counts(
        rows=record.invalid + record.duplicate + record.suppressed,
        invalid=record.invalid,
        duplicate=record.duplicate,
        suppressed=record.suppressed,
    )
    counts = total((rejected, *accounts.values()))
    vendors = {leg.account: leg.vendor for leg in record.legs}
    failures = tuple(
        Failure(
            account=account,
            vendor=vendors.get(account, ""),
            source=source,
            code=code,
            meaning=meaning(vendors.get(account, ""), source, code),
            recipients=recipients,
        )
        for account, source, code, recipients in connection.execute(_FAILURES, key)
    )
    (since_ms,) = connection.execute(_UNKNOWN_SINCE, key).fetchone()
    times = [tally[-3:] for tally in tallies.values()]
    return CampaignView(
        id=record.campaign,
        name=record.name,
        status=status(counts, paused=bool(paused), cancelled=bool(cancelled)),
        launched_ms=record.at_ms,
        launched_by=record.by,
        text=record.text,
        segments=record.segments,
        legs=record.legs,
        weight=record.weight if weight is None else weight,
        urgent=record.urgent if urgent is None else bool(urgent),
        unknown=record.unknown,
        options=record.options,
        kind=record.kind,
        variables=record.variables,
        paused=bool(paused),
        cancelled=bool(cancelled),
        counts=counts,
        accounts=accounts,
        invalid_reasons=record.invalid_reasons,
        suppressed_reasons=record.suppressed_reasons,
        failures=failures,
        first_sent_ms=min((first for first, _, _ in times if first is not None), default=None),
        last_sent_ms=max((last for _, last, _ in times if last is not None), default=None),
        last_report_ms=max((last for _, _, last in times if last is not None), default=None),
        unknown_since_ms=since_ms,
    )


def _account(rows: int, tally: tuple[Any, ...] | None, late: int, cancelled: bool) -> Counts:
    if tally is None:
        return launched(rows=rows, cancelled=cancelled)
    named = dict(zip(COLUMNS, tally, strict=False))
    return launched(
        rows=rows,
        cancelled=cancelled,
        in_flight=named["in_flight"],
        accepted=named["accepted"] - late,
        delivered=named["delivered"],
        failed=named["refused"] + named["undelivered"],
        no_report=named["no_report"] + late,
        unknown=named["unknown"],
    )
