"""Messages from phones as a file: CSV, NDJSON, Parquet or XLSX, some thousand rows at a time.

Columns: `sent_at` (the vendor's time, else the time of receipt), `received_at`, `account`, `number`, `to`,
`text`, `message_id`, `parts`, `missing` (numbers of parts that never came), `flags` (both joined by blanks).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Final

import polars as pl

from dispatcher.store.export.table_files import TIME, TableKind, write_table
from dispatcher.store.port import InboundMessage

SCHEMA: Final[dict[str, Any]] = {
    "sent_at": TIME,
    "received_at": TIME,
    "account": pl.String,
    "number": pl.String,
    "to": pl.String,
    "text": pl.String,
    "message_id": pl.String,
    "parts": pl.UInt32,
    "missing": pl.String,
    "flags": pl.String,
}


def export_messages(pages: Iterable[Sequence[InboundMessage]], out: IO[bytes], kind: TableKind) -> int:
    """Write them to `out`; returns how many. Raises StoreError, and OSError from `out`."""
    rows = 0

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal rows
        for page in pages:
            yield _frame(page)
            rows += len(page)

    write_table(frames(), SCHEMA, out, kind)
    return rows


def _frame(page: Sequence[InboundMessage]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {
        "sent_at": [message.at_ms for message in page],
        "received_at": [message.received_ms for message in page],
        "account": [message.account for message in page],
        "number": [message.number for message in page],
        "to": [message.to or None for message in page],
        "text": [message.text for message in page],
        "message_id": [message.message_id or None for message in page],
        "parts": [message.parts for message in page],
        "missing": [" ".join(map(str, message.missing)) or None for message in page],
        "flags": [" ".join(message.flags) or None for message in page],
    }
    plain = {name: pl.Int64 if kind == TIME else kind for name, kind in SCHEMA.items()}
    frame = pl.DataFrame(columns, schema=plain)
    zoned = [
        frame[name].cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(TIME.time_zone or "UTC")
        for name in ("sent_at", "received_at")
    ]
    return frame.with_columns(zoned)
