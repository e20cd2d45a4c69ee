"""The suppression list as a file, some 100,000 numbers at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np
import polars as pl

from dispatcher.core.numbers import Numbers, is_domestic
from dispatcher.core.suppression import shown
from dispatcher.store.export.table_files import TIME, TableKind, write_table
from dispatcher.suppression.list import SuppressionList

ROWS: Final = 100_000
SCHEMA: Final[dict[str, Any]] = {
    "number": pl.String,
    "since": TIME,
    "source": pl.String,
    "by": pl.String,
    "why": pl.String,
}


def export_list(found: SuppressionList, out: IO[bytes], kind: TableKind) -> int:
    """Write the (detailed) list to `out`; returns how many numbers. Raises OSError from `out`."""
    write_table(_frames(found), SCHEMA, out, kind)
    return len(found.listing)


def _frames(found: SuppressionList) -> Iterator[pl.DataFrame]:
    listing = found.listing
    origins = pl.DataFrame(
        {
            "source": [origin.source for origin in found.origins],
            "by": [origin.by for origin in found.origins],
            "why": [origin.why or None for origin in found.origins],
        },
        schema=dict.fromkeys(("source", "by", "why"), pl.String),
    )
    for start in range(0, len(listing), ROWS):
        piece = slice(start, start + ROWS)
        since = pl.Series(listing.times[piece].astype(np.int64) * 1000).cast(pl.Datetime("ms", "UTC"))
        columns = {
            "number": _written(listing.numbers[piece]),
            "since": since.dt.convert_time_zone(TIME.time_zone or "UTC"),
        }
        yield pl.DataFrame(columns).hstack(origins[listing.origins[piece]])


def _written(numbers: Numbers) -> pl.Series:
    if is_domestic(numbers).all():
        return pl.Series(numbers).cast(pl.String)
    return pl.Series([shown(number) for number in numbers.tolist()], dtype=pl.String)
