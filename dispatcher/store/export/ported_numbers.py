"""Ported numbers as a file, some 100,000 at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np
import polars as pl

from dispatcher.carriers.learnt import LearntCarriers
from dispatcher.carriers.lookup import carriers_of
from dispatcher.core.carriers import Carrier
from dispatcher.store.export.table_files import TIME, TableKind, write_table

ROWS: Final = 100_000
SCHEMA: Final[dict[str, Any]] = {
    "number": pl.String,
    "carrier": pl.String,
    "by_prefix": pl.String,
    "since": TIME,
    "account": pl.String,
    "code": pl.String,
}


def export_ported(found: LearntCarriers, out: IO[bytes], kind: TableKind) -> int:
    """Write them to `out` in the order of the numbers; returns how many. Raises OSError from `out`."""
    write_table(_frames(found), SCHEMA, out, kind)
    return len(found)


def _frames(found: LearntCarriers) -> Iterator[pl.DataFrame]:
    words = pl.Series([carrier.word for carrier in Carrier], dtype=pl.String)
    lessons = pl.DataFrame(
        {"account": [each.account for each in found.lessons], "code": [each.code for each in found.lessons]},
        schema={"account": pl.String, "code": pl.String},
    )
    for start in range(0, len(found), ROWS):
        piece = slice(start, start + ROWS)
        since = pl.Series(found.times[piece].astype(np.int64) * 1000).cast(pl.Datetime("ms", "UTC"))
        columns = {
            "number": pl.Series(found.numbers[piece]).cast(pl.String),
            "carrier": words[found.carriers[piece].astype(np.uint32)],
            "by_prefix": words[carriers_of(found.numbers[piece]).astype(np.uint32)],
            "since": since.dt.convert_time_zone(TIME.time_zone or "UTC"),
        }
        yield pl.DataFrame(columns).hstack(lessons[found.lesson_index[piece]])
