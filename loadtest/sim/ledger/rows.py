"""The ledger row by row: one row per (request, number), for a comparison with somebody else's export."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from loadtest.sim.ledger.ledger import ACKED, DUE, LOST, PUSHED, Entry, Ledger

SCHEMA = {
    "request": pl.Int64,  # in the order of arrival
    "account": pl.String,  # the section's name
    "msgid": pl.String,
    "number": pl.String,
    "text": pl.String,
    "parts": pl.Int32,
    "arrived_s": pl.Float64,  # simulated seconds since 1970
    "code": pl.String,
    "answer": pl.String,  # the code, or the name of the fault it was answered with
    "accepted": pl.Boolean,
    "status": pl.String,  # the final report's, null if none is planned
    "due": pl.Boolean,
    "pushed": pl.Boolean,
    "acked": pl.Boolean,
    "lost": pl.Boolean,
}


def frame(ledger: Ledger, start: int = 0, limit: int | None = None, account: str = "") -> pl.DataFrame:
    """Rows `start` to `start + limit` of those numbers (of one account)."""
    entries = [e for e in ledger.entries if not account or e.account.config.name == account]
    chosen, first, last = _cut(entries, start, limit)
    if not chosen:
        return pl.DataFrame(schema=SCHEMA)
    sizes = np.array([e.numbers.size for e in chosen])
    numbers = np.concatenate([e.numbers for e in chosen])
    status = np.concatenate([e.status if e.accepted else _zeros(e) for e in chosen])
    flags = np.concatenate([np.frombuffer(bytes(e.flags), np.uint8) if e.accepted else _zeros(e) for e in chosen])
    of = np.repeat(np.arange(len(chosen)), sizes)[first:last]
    numbers, status, flags = numbers[first:last], status[first:last], flags[first:last]
    per_request = pl.DataFrame(
        {
            "request": [e.index for e in chosen],
            "account": [e.account.config.name for e in chosen],
            "msgid": [e.vendor_id for e in chosen],
            "text": [ledger.texts[e.text] if e.text >= 0 else None for e in chosen],
            "parts": [e.parts for e in chosen],
            "arrived_s": [e.arrived_s for e in chosen],
            "code": [e.code for e in chosen],
            "answer": [e.answer for e in chosen],
            "accepted": [e.accepted for e in chosen],
        },
        schema={k: v for k, v in SCHEMA.items() if k in REQUEST_COLUMNS},
    )
    number = pl.Series("number", numbers).cast(pl.String)
    if (numbers < 0).any():
        odd = pl.Series([raw.decode("utf-8", "replace") for raw in ledger.odd], dtype=pl.String)
        places = pl.Series(np.where(numbers < 0, -1 - numbers, 0))
        number = pl.select(pl.when(pl.Series(numbers < 0)).then(odd.gather(places)).otherwise(number)).to_series()
    names = pl.Series(ledger.status_names, dtype=pl.String)
    per_number = per_request[of]
    if any(e.is_personal for e in chosen):
        texts = np.concatenate([e.each_text if e.is_personal else _all(e, e.text) for e in chosen])[first:last]
        parts = np.concatenate([e.each_parts if e.is_personal else _all(e, e.parts) for e in chosen])[first:last]
        words = pl.Series([*ledger.texts, None], dtype=pl.String).gather(
            pl.Series(np.where(texts < 0, len(ledger.texts), texts).astype(np.uint32))
        )
        per_number = per_number.with_columns(words.alias("text"), pl.Series("parts", parts))
    if ledger.id_of is not None:
        starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
        places = (np.arange(sizes.sum()) - starts)[first:last]
        ids = per_number["msgid"].cast(pl.Int64, strict=False)
        own = pl.Series("msgid", ledger.id_of(ids.fill_null(0).to_numpy(), places)).cast(pl.String)
        per_number = per_number.with_columns(own.set(ids.is_null(), ""))
    return per_number.with_columns(
        number.alias("number"),
        names.gather(pl.Series(status.astype(np.uint32))).alias("status"),
        *(pl.Series(name, (flags & bit) > 0) for name, bit in FLAGS.items()),
    ).select(list(SCHEMA))  # fmt: skip


REQUEST_COLUMNS = ("request", "account", "msgid", "text", "parts", "arrived_s", "code", "answer", "accepted")
FLAGS = {"due": DUE, "pushed": PUSHED, "acked": ACKED, "lost": LOST}


def _zeros(entry: Entry) -> NDArray[np.uint8]:
    return np.zeros(entry.numbers.size, np.uint8)


def _all(entry: Entry, value: int) -> NDArray[np.int32]:
    return np.full(entry.numbers.size, value, np.int32)


def _cut(entries: Sequence[Entry], start: int, limit: int | None) -> tuple[list[Entry], int, int]:
    """The entries that rows start to start + limit lie in, and where these begin and end in them."""
    chosen: list[Entry] = []
    before, taken = 0, 0
    first = 0
    end = None if limit is None else start + limit
    at = 0
    for entry in entries:
        size = entry.numbers.size
        if at + size > start and (end is None or at < end):
            if not chosen:
                before = at
            chosen.append(entry)
            taken += size
        at += size
    first = max(start - before, 0)
    last = taken if end is None else min(taken, end - before)
    return chosen, first, last


def parquet(rows: pl.DataFrame) -> bytes:
    """The rows as one Parquet file."""
    out = io.BytesIO()
    rows.write_parquet(out, compression="zstd", compression_level=1)
    return out.getvalue()


def ndjson(rows: pl.DataFrame) -> bytes:
    """The rows as one JSON object per line."""
    return rows.write_ndjson().encode()
