"""What the SQLite store has for the evidence (core/results/evidence.py): ids that no outcome has, and candidates.

Reads only, inside the caller's snapshot, and a bounded amount: each call reads a number of parked reports, the next one
continues behind them; an account with too many candidates is `crowded`, and nothing is concluded there.
"""

from __future__ import annotations

import sqlite3
from itertools import groupby
from typing import Final

import msgspec
import numpy as np

from dispatcher.core.results.evidence import Candidate, Numbers, Search, Unexplained
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

ACCOUNTS: Final = (
    "SELECT DISTINCT c.account FROM chunks c WHERE c.state IN (1, 6) AND c.state = 6 AND c.vendor_id = '' "
    "AND EXISTS (SELECT 1 FROM parked p WHERE p.account = c.account)"
)
_EACH: Final = "SELECT 1 FROM recipient_ids WHERE account = ? LIMIT 1"
_PARKED: Final = (
    "SELECT vendor_id, place, parked FROM parked p WHERE account = ?1 AND vendor_id > ?2 AND NOT EXISTS "
    "(SELECT 1 FROM vendor_ids v WHERE v.account = ?1 AND v.vendor_id = p.vendor_id) ORDER BY vendor_id, place"
)
# In flight, accepted, unknown; or queued again after it had been unknown. All without an id.
_CANDIDATES: Final = (
    "SELECT c.id, c.batch, b.campaign, c.start, c.count, c.state, c.at_ms FROM chunks c JOIN batches b "
    "ON b.id = c.batch WHERE c.account = ? AND c.vendor_id = '' "
    "AND (c.state IN (1, 2, 6) OR (c.state = 0 AND c.since_ms != 0)) ORDER BY c.state != 6, c.batch, c.id LIMIT ?"
)


def search(connection: sqlite3.Connection, account: str, after: str) -> Evidence:
    """The traces of the account's unexplained ids behind `after`."""
    if connection.execute(_EACH, (account,)).fetchone() is not None:
        return Evidence(account=account, each=True)
    ids, more_after = _unexplained(connection, account, after)
    if not ids:
        return Evidence(account=account, more_after=more_after)
    rows = connection.execute(_CANDIDATES, (account, CANDIDATES_MAX + 1)).fetchall()
    found = [
        Candidate(id=id_, batch=batch, campaign=campaign, start=start, count=count, state=State(state), at_ms=at_ms)
        for id_, batch, campaign, start, count, state, at_ms in rows
    ]
    by_batch: dict[int, list[Candidate]] = {}
    for candidate in found:
        by_batch.setdefault(candidate.batch, []).append(candidate)
    if len(found) > CANDIDATES_MAX or len(by_batch) > BATCHES_MAX:
        return Evidence(account=account, more_after=more_after, crowded=True)
    looking = Search(ids)
    doubtful = {candidate.batch for candidate in found if candidate.state is State.UNKNOWN}
    for batch in doubtful:
        looking.look(_numbers(connection, batch), by_batch[batch])
    if looking.narrow():
        for batch in by_batch.keys() - doubtful:
            looking.look(_numbers(connection, batch), by_batch[batch])
    return Evidence(account=account, traces=tuple(looking.traces()), more_after=more_after)


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
                )
            )
    return found, more_after


def _numbers(connection: sqlite3.Connection, batch: int) -> Numbers | None:
    row = connection.execute("SELECT numbers FROM numbers WHERE batch = ?", (batch,)).fetchone()
    return None if row is None else np.frombuffer(row[0], "<i8").astype(np.int64, copy=False)
