"""The SQLite store's values of batches, for their pages (store/pages.py) and their campaign's requests.

Reads only, inside the caller's snapshot.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Final

import msgspec
import numpy as np

from dispatcher.core.results.columns import CodePair
from dispatcher.core.waves.requests import RequestColumns
from dispatcher.store.pages import NOT_LOADED, PagedBatch, paint
from dispatcher.store.sent_requests import RequestRows
from dispatcher.store.sqlite.batches import finals_of
from dispatcher.store.sqlite.chunks import chunks_of_batch, id_rows
from dispatcher.store.views import Page

_codes = msgspec.msgpack.Decoder(list[CodePair])

_LATER: Final = (
    "SELECT l.account, l.from_ms FROM batches b JOIN later_reports l "
    "ON l.campaign = b.campaign AND l.attempt = b.attempt WHERE b.id = ?"
)

_BATCHES: Final = (
    "SELECT b.id, b.number, b.recipients, b.codes FROM batches b JOIN campaigns c ON c.id = b.campaign "
    "AND c.attempt = b.attempt WHERE c.id = ? ORDER BY b.number, b.id"
)


def page(connection: sqlite3.Connection, batch_id: int, *, overdue_ms: int, cancelled: bool, closed: bool) -> Page:
    """The batch as of now: accepted before `overdue_ms` without a report is `no_report`, queued is `cancelled`.

    `closed`: the wait for its campaign's reports is over.
    """
    number, loaded, count, broken, packed_codes = connection.execute(
        "SELECT number, loaded, recipients, broken, codes FROM batches WHERE id = ?", (batch_id,)
    ).fetchone()
    found = connection.execute("SELECT numbers FROM numbers WHERE batch = ?", (batch_id,)).fetchone()
    numbers = np.frombuffer(found[0], "<i8").astype(np.int64, copy=False) if found else np.zeros(count, np.int64)
    codes = _codes.decode(packed_codes) if packed_codes else []
    finals, times = finals_of(connection.execute, batch_id, 0, len(numbers), codes)
    batch = PagedBatch(
        id=batch_id,
        number=number,
        numbers=numbers,
        codes=codes,
        finals=finals,
        times=times,
        broken=broken or ("" if loaded else NOT_LOADED),
    )
    recipient_ids = partial(id_rows, connection.execute)
    chunks = chunks_of_batch(connection, batch_id)
    later = dict(connection.execute(_LATER, (batch_id,)).fetchall())
    overdue = None if closed else overdue_ms
    return paint(batch, chunks, recipient_ids, overdue_ms=overdue, later=later, cancelled=cancelled)


def sent_requests(connection: sqlite3.Connection, campaign: str) -> RequestColumns:
    """The requests for this campaign that are over or unknown."""
    rows = RequestRows()
    for batch_id, number, count, packed_codes in connection.execute(_BATCHES, (campaign,)).fetchall():
        codes = _codes.decode(packed_codes) if packed_codes else []
        finals, _ = finals_of(connection.execute, batch_id, 0, count, codes)
        rows.add(number, chunks_of_batch(connection, batch_id), finals, codes)
    return rows.columns()
