"""One batch of the SQLite store as a Page: the chunks paint their ranges, the final reports go on top."""

from __future__ import annotations

import sqlite3
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.results.columns import CodePair, states_of
from dispatcher.core.results.reports import id_text
from dispatcher.store.port import Page
from dispatcher.store.sqlite.batches import finals_of
from schemas.states import State

_codes = msgspec.msgpack.Decoder(list[CodePair])
_texts = msgspec.msgpack.Decoder(list[str])
NOT_LOADED: Final = "the batch was not read from the log yet"


class _Names:
    """Texts by number; 0 is ""."""

    def __init__(self) -> None:
        self.texts = [""]
        self._numbers = {"": 0}

    def __call__(self, text: str) -> int:
        number = self._numbers.setdefault(text, len(self.texts))
        if number == len(self.texts):
            self.texts.append(text)
        return number

    def extend(self, texts: list[str]) -> int:
        """Add texts that need no look-up; the number of the first."""
        first = len(self.texts)
        self.texts.extend(texts)
        return first


def page(connection: sqlite3.Connection, batch_id: int, *, overdue_ms: int, cancelled: bool) -> Page:
    """The batch as of now: accepted before `overdue_ms` without a report is `no_report`, queued is `cancelled`."""
    number, loaded, count, broken, packed_codes = connection.execute(
        "SELECT number, loaded, recipients, broken, codes FROM batches WHERE id = ?", (batch_id,)
    ).fetchone()
    found = connection.execute("SELECT numbers FROM numbers WHERE batch = ?", (batch_id,)).fetchone()
    numbers = np.frombuffer(found[0], "<i8").astype(np.int64, copy=False) if found else np.zeros(count, np.int64)
    count = len(numbers)
    states = np.full(count, State.CANCELLED if cancelled else State.QUEUED, np.uint8)
    code_index = np.zeros(count, np.uint32)
    vendor_id_index = np.zeros(count, np.uint32)
    account_index = np.zeros(count, np.uint32)
    submitted_ms = np.zeros(count, np.int64)
    codes, vendor_ids, accounts = _Names(), _Names(), _Names()

    chunks = connection.execute(
        "SELECT id, account, start, start + count, state, sent_ms, code, vendor_id, expired FROM chunks "
        "WHERE batch = ? ORDER BY state != 0, id",  # those that were returned to the queue lie below
        (batch_id,),
    )
    for chunk_id, account, start, end, state, sent_ms, code, vendor_id, expired in chunks.fetchall():
        at = slice(start, end)
        if state == State.QUEUED and not vendor_id:
            continue
        account_index[at] = accounts(account)
        vendor_id_index[at] = vendor_ids(vendor_id)
        submitted_ms[at] = sent_ms
        if state != State.QUEUED:
            states[at] = State.NO_REPORT if state == State.ACCEPTED and (expired or sent_ms <= overdue_ms) else state
            code_index[at] = codes(code)
        if not vendor_id:
            _paint_recipient_ids(connection, chunk_id, vendor_id_index[at], vendor_ids)

    pairs = _codes.decode(packed_codes) if packed_codes else []
    finals, times = finals_of(connection.execute, batch_id, 0, count, pairs)
    reported = finals != 0
    states = np.where(reported, states_of(pairs)[finals], states)
    numbered = np.array([0, *(codes(code) for _, code in pairs)], np.uint32)
    return Page(
        batch=number,
        place=batch_id,
        numbers=numbers,
        states=states,
        codes=codes.texts,
        code_index=np.where(reported, numbered[finals], code_index),
        from_report=reported,
        vendor_ids=vendor_ids.texts,
        vendor_id_index=vendor_id_index,
        accounts=accounts.texts,
        account_index=account_index,
        submitted_ms=submitted_ms,
        reported_s=times,
        broken=broken or ("" if loaded else NOT_LOADED),
    )


def selected(whole: Page, wanted: NDArray[np.bool_]) -> Page:
    """Only these recipients of a page."""
    columns = {
        name: getattr(whole, name)[wanted]
        for name in (
            "numbers",
            "states",
            "code_index",
            "from_report",
            "vendor_id_index",
            "account_index",
            "submitted_ms",
            "reported_s",
        )
    }
    return msgspec.structs.replace(whole, **columns)


def _paint_recipient_ids(
    connection: sqlite3.Connection, chunk_id: int, index: NDArray[np.uint32], vendor_ids: _Names
) -> None:
    rows = connection.execute("SELECT keys, texts FROM recipient_ids WHERE chunk = ? ORDER BY place DESC", (chunk_id,))
    for keys, packed in rows:  # who was told an id first has it
        texts = _texts.decode(packed) if packed else [id_text(key) for key in np.frombuffer(keys, "<i8").tolist()]
        first = vendor_ids.extend(texts[: len(index)])
        at = np.arange(first, first + len(index), dtype=np.uint32)
        if packed and "" in texts:
            index[:] = np.where([bool(text) for text in texts[: len(index)]], at, index)
        else:
            index[:] = at
