"""What the SQLite store has for the evidence (core/results/evidence.py): parked reports under ids no answer told us,
the chunks they may belong to, and returned attempts whose answer came late.

Reads only, inside the caller's snapshot, and a bounded amount: PARKED_MAX parked entries a call, the next call goes on
behind them; an account with too many candidates is `crowded`, and nothing is concluded there.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.core.results.evidence import Candidate, LateAnswer, Numbers, Search, Unexplained
from dispatcher.core.results.reports import Parked
from dispatcher.store.port import Evidence
from schemas.states import State
from schemas.topics import LANE_PARTITIONS

PARKED_MAX: Final = 5_000
PARKED_BYTES_MAX: Final = 8_000_000
"""Parked entries (a record's rows of one id) read in one call, and their bytes; the last id may be read in part."""

CANDIDATES_MAX: Final = 20_000
BATCHES_MAX: Final = 200

_parked = msgspec.msgpack.Decoder(Parked)

_ANSWERED: Final = (
    "r.batch = c.batch AND r.account = c.account AND r.state = 0 AND r.heard = 1 AND r.vendor_id != '' "
    "AND r.start <= c.start AND r.start + r.count >= c.start + c.count"
)
"""r is an attempt of the recipients of c that was returned to the queue, and then its answer came: accepted."""

ACCOUNTS: Final = (
    "SELECT DISTINCT c.account FROM chunks c WHERE c.state IN (1, 6) AND c.state = 6 AND c.vendor_id = '' "
    "AND (EXISTS (SELECT 1 FROM parked p WHERE p.account = c.account) "
    f"OR EXISTS (SELECT 1 FROM chunks r WHERE {_ANSWERED}))"
)
_EACH: Final = "SELECT 1 FROM recipient_ids WHERE account = ? LIMIT 1"
# An id that only evidence or a person gave to a chunk may be another attempt's, whose other numbers are parked still.
_PARKED: Final = (
    "SELECT vendor_id, place, parked FROM parked p WHERE account = ?1 AND vendor_id > ?2 AND NOT EXISTS "
    "(SELECT 1 FROM vendor_ids v JOIN chunks c ON c.id = v.chunk "
    "WHERE v.account = ?1 AND v.vendor_id = p.vendor_id AND c.heard = 1) ORDER BY vendor_id, place"
)
_NAMED: Final = (
    "SELECT c.id, c.batch, b.campaign, c.start, c.count, c.state, c.at_ms FROM vendor_ids v "
    "JOIN chunks c ON c.id = v.chunk JOIN batches b ON b.id = c.batch WHERE v.account = ? AND v.vendor_id = ?"
)
_LATE: Final = (
    "SELECT c.id, c.batch, b.campaign, c.start, c.count, c.state, c.at_ms, r.vendor_id FROM chunks c "
    f"JOIN chunks r ON {_ANSWERED} JOIN batches b ON b.id = c.batch "
    "WHERE c.state IN (1, 6) AND c.state = 6 AND c.vendor_id = '' AND c.account = ? ORDER BY c.id, r.id LIMIT ?"
)
# In flight, accepted, unknown; or queued again after it had been unknown. All without an id. And what was resolved as
# sent under an id that may be another attempt's: its own is not known then.
_CANDIDATES: Final = (
    "SELECT c.id, c.batch, b.campaign, c.start, c.count, c.state, c.at_ms FROM chunks c JOIN batches b "
    "ON b.id = c.batch WHERE c.account = ?1 AND c.vendor_id = '' "
    "AND (c.state IN (1, 2, 6) OR (c.state = 0 AND c.since_ms != 0)) "
    "UNION SELECT c.id, c.batch, b.campaign, c.start, c.count, c.state, c.at_ms FROM chunks r "
    "JOIN chunks c ON c.batch = r.batch AND c.state = 2 AND c.heard = 0 AND c.vendor_id != '' AND c.account = ?1 "
    "AND c.start < r.start + r.count AND c.start + c.count > r.start JOIN batches b ON b.id = c.batch "
    "WHERE r.account = ?1 AND r.vendor_id = '' AND r.state = 0 AND r.since_ms != 0 "
    "ORDER BY 2, 1 LIMIT ?2"
)


def search(connection: sqlite3.Connection, account: str, after: str) -> Evidence:
    """The traces of the account's unexplained ids behind `after`."""
    if connection.execute(_EACH, (account,)).fetchone() is not None:
        return Evidence(account=account, each=True)
    late = tuple(
        LateAnswer(_candidate(row), row[-1]) for row in connection.execute(_LATE, (account, CANDIDATES_MAX)).fetchall()
    )
    ids, more_after = _unexplained(connection, account, after)
    if not ids:
        return Evidence(account=account, late=late, more_after=more_after)
    rows = connection.execute(_CANDIDATES, (account, CANDIDATES_MAX + 1)).fetchall()
    found = [_candidate(row) for row in rows]
    by_batch: dict[int, list[Candidate]] = {}
    for candidate in found:
        by_batch.setdefault(candidate.batch, []).append(candidate)
    if len(found) > CANDIDATES_MAX or len(by_batch) > BATCHES_MAX:
        return Evidence(account=account, late=late, more_after=more_after, crowded=True)
    looking = Search(ids)
    doubtful = {candidate.batch for candidate in found if candidate.state is State.UNKNOWN}
    for batch in doubtful:
        looking.look(_numbers(connection, batch), by_batch[batch])
    if looking.narrow():
        for batch in by_batch.keys() - doubtful:
            looking.look(_numbers(connection, batch), by_batch[batch])
    return Evidence(account=account, traces=tuple(looking.traces()), late=late, more_after=more_after)


def _unexplained(connection: sqlite3.Connection, account: str, after: str) -> tuple[list[Unexplained], str]:
    """The next ids, and where the call after this one goes on ("": from the beginning)."""
    entries: list[tuple[str, int, Parked]] = []
    more_after, size = "", 0
    for vendor_id, place, encoded in connection.execute(_PARKED, (account, after)):
        if len(entries) >= PARKED_MAX or size >= PARKED_BYTES_MAX:
            more_after = entries[-1][0]
            break
        entries.append((vendor_id, place, _parked.decode(encoded)))
        size += len(encoded)
    found = []
    for vendor_id, group in groupby(entries, key=lambda entry: entry[0]):
        of_id = list(group)
        numbers = np.concatenate([np.frombuffer(parked.numbers, "<i8") for _, _, parked in of_id])
        named = np.unique(numbers[numbers != 0]).astype(np.int64, copy=False)
        if len(named):
            found.append(
                Unexplained(
                    vendor_id=vendor_id,
                    numbers=named,
                    reports=len(numbers),
                    first_offset=min(place for _, place, _ in of_id) // LANE_PARTITIONS,
                    first_ms=min(parked.at_ms for _, _, parked in of_id),
                    named=tuple(map(_candidate, connection.execute(_NAMED, (account, vendor_id)))),
                )
            )
    return found, more_after


def _candidate(row: Sequence[Any]) -> Candidate:
    id_, batch, campaign, start, count, state, at_ms, *_ = row
    return Candidate(id=id_, batch=batch, campaign=campaign, start=start, count=count, state=State(state), at_ms=at_ms)


def _numbers(connection: sqlite3.Connection, batch: int) -> Numbers | None:
    row = connection.execute("SELECT numbers FROM numbers WHERE batch = ?", (batch,)).fetchone()
    return None if row is None else np.frombuffer(row[0], "<i8").astype(np.int64, copy=False)
