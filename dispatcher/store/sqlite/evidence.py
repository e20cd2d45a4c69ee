"""The SQLite store's part of the evidence (store/evidence.py). Reads only, inside the caller's snapshot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from dispatcher.core.results.evidence import Candidate, LateAnswer, Numbers
from dispatcher.core.results.recipient_ids import IdRow
from dispatcher.core.results.reports import ParkedReports, id_keys
from dispatcher.store.sqlite.chunks import id_rows
from schemas import codec
from schemas.records import Launched
from schemas.states import State

_parked = msgspec.msgpack.Decoder(ParkedReports)

_ANSWERED: Final = (
    "r.batch = c.batch AND r.account = c.account AND r.state = 0 AND r.heard = 1 AND r.vendor_id != '' "
    "AND r.start <= c.start AND r.start + r.count >= c.start + c.count"
)
"""r is an attempt for the recipients of c that was returned to the queue and then accepted by a late answer."""

ACCOUNTS: Final = (
    "SELECT DISTINCT c.account FROM chunks c WHERE c.state IN (1, 6) AND c.state = 6 AND c.vendor_id = '' "
    "AND (EXISTS (SELECT 1 FROM parked p WHERE p.account = c.account) "
    f"OR EXISTS (SELECT 1 FROM chunks r WHERE {_ANSWERED}))"
)
_EACH: Final = "SELECT 1 FROM recipient_ids WHERE account = ? LIMIT 1"
# An id that only evidence or a person gave to a chunk may be another attempt's, with other numbers still parked.
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
# In flight, accepted, unknown; or queued again after being unknown. All without an id. And chunks resolved as sent with
# an id that may be another attempt's: then their own id is not known.
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

_NAMELESS: Final = (
    "SELECT c.id, c.batch, b.campaign, c.start, c.count, c.state, c.at_ms FROM chunks c JOIN batches b "
    "ON b.id = c.batch WHERE c.account = ?1 AND c.vendor_id = '' AND (c.state IN (1, 6) OR (c.state = 0 AND "
    "c.since_ms != 0) OR (c.state = 2 AND NOT EXISTS (SELECT 1 FROM recipient_ids r WHERE r.chunk = c.id))) "
    "ORDER BY 2, 1 LIMIT ?2"
)
_GAVE: Final = "SELECT keys FROM recipient_ids WHERE account = ?1 AND high >= ?2 AND low <= ?2"
_LAUNCHED: Final = "SELECT launched FROM campaigns WHERE id = ? AND launched IS NOT NULL"


class SqliteTraces:
    """See dispatcher.store.evidence.Traces."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._run = connection.execute

    def each(self, account: str) -> bool:
        return self._run(_EACH, (account,)).fetchone() is not None

    def nameless(self, account: str, candidates_max: int) -> list[Candidate]:
        return [_candidate(row) for row in self._run(_NAMELESS, (account, candidates_max))]

    def ids_of(self, chunk_id: int) -> list[IdRow]:
        return id_rows(self._run, chunk_id)

    def gave(self, account: str, vendor_id: str) -> bool:
        (key,) = id_keys([vendor_id]).tolist()
        return any((np.frombuffer(keys, "<i8") == key).any() for (keys,) in self._run(_GAVE, (account, key)))

    def segments(self, campaign: str) -> int:
        row = self._run(_LAUNCHED, (campaign,)).fetchone()
        record = codec.decode(row[0]) if row else None
        return record.segments if isinstance(record, Launched) else 1

    def late(self, account: str, answers_max: int) -> list[LateAnswer]:
        return [LateAnswer(_candidate(row), row[-1]) for row in self._run(_LATE, (account, answers_max)).fetchall()]

    def parked(self, account: str, after: str) -> Iterator[tuple[str, int, ParkedReports, int]]:
        for vendor_id, place, encoded in self._run(_PARKED, (account, after)):
            yield vendor_id, place, _parked.decode(encoded), len(encoded)

    def named(self, account: str, vendor_id: str) -> list[Candidate]:
        return [_candidate(row) for row in self._run(_NAMED, (account, vendor_id))]

    def candidates(self, account: str, candidates_max: int) -> list[Candidate]:
        return [_candidate(row) for row in self._run(_CANDIDATES, (account, candidates_max))]

    def numbers(self, batch: int) -> Numbers | None:
        row = self._run("SELECT numbers FROM numbers WHERE batch = ?", (batch,)).fetchone()
        return None if row is None else np.frombuffer(row[0], "<i8").astype(np.int64, copy=False)


def _candidate(row: Sequence[Any]) -> Candidate:
    id_, batch, campaign, start, count, state, at_ms, *_ = row
    return Candidate(id=id_, batch=batch, campaign=campaign, start=start, count=count, state=State(state), at_ms=at_ms)
