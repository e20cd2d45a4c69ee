"""Tables as CSV, NDJSON, Parquet or XLSX, a frame at a time: memory does not grow with the rows.

Times are ISO 8601 at Beijing's offset (+08:00), which is what the vendors' own times mean; in Parquet they are
timestamps of the zone Asia/Shanghai. CSV is made for spreadsheets: a text that one would take for a formula
gets an apostrophe in front. In XLSX every text is a text; a sheet that is full is continued on the next.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import IO, Any, Final, Literal

import polars as pl
from polars.io.plugins import register_io_source

TableKind = Literal["csv", "ndjson", "parquet", "xlsx"]

ZONE: Final = "Asia/Shanghai"
TIME: Final = pl.Datetime("ms", ZONE)
SHEET_ROWS_MAX: Final = 1_048_576
_OFFSET_MS: Final = 8 * 3_600_000
_FORMULA: Final = re.compile(r"[=+\-@\t\r](?!\d*\.?\d+$)")


def write_table(
    frames: Iterable[pl.DataFrame],
    schema: Mapping[str, Any],
    out: IO[bytes],
    kind: TableKind,
    *,
    written: Collection[str] = (),
    byte_order_mark: bool = False,
) -> None:
    """Write the frames (all of this schema). `written` are the columns of texts that somebody else wrote.

    Raises OSError where `out` does, and whatever `frames` raises.
    """
    match kind:
        case "parquet":
            _write_parquet(frames, schema, out)
        case "xlsx":
            _write_sheets(frames, list(schema), out)
        case "ndjson":
            for frame in frames:
                as_text(frame).write_ndjson(out)
        case "csv":
            _write_csv(frames, schema, out, written, byte_order_mark=byte_order_mark)


def _write_csv(
    frames: Iterable[pl.DataFrame],
    schema: Mapping[str, Any],
    out: IO[bytes],
    written: Collection[str],
    *,
    byte_order_mark: bool,
) -> None:
    if byte_order_mark:
        out.write(codecs.BOM_UTF8)
    header = True
    for frame in frames:
        _for_spreadsheets(as_text(frame), written).write_csv(out, include_header=header)
        header = False
    if header:
        pl.DataFrame(schema=dict(schema)).write_csv(out)


def _write_parquet(frames: Iterable[pl.DataFrame], schema: Mapping[str, Any], out: IO[bytes]) -> None:
    """Streamed: only a few row groups are in memory."""
    failed: list[Exception] = []

    def source(columns: Any, predicate: Any, rows: Any, batch: Any) -> Iterator[pl.DataFrame]:
        try:
            yield from frames
        except Exception as error:
            failed.append(error)  # polars would hide its type
            raise

    try:
        lazy = register_io_source(source, schema=dict(schema))
        lazy.sink_parquet(out, compression="zstd", row_group_size=200_000, maintain_order=True, engine="streaming")
    except Exception:
        if failed:
            raise failed[0] from None
        raise


def _write_sheets(frames: Iterable[pl.DataFrame], names: list[str], out: IO[bytes]) -> None:
    """Row by row to a temporary file, and from there to `out`."""
    import xlsxwriter  # most exports are no spreadsheets

    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        sheet, at = None, SHEET_ROWS_MAX
        for frame in frames:
            for row in as_text(frame).iter_rows():
                if sheet is None or at == SHEET_ROWS_MAX:
                    sheet, at = book.add_worksheet(), 1
                    sheet.write_row(0, 0, names)
                for column, value in enumerate(row):
                    if isinstance(value, str):
                        sheet.write_string(at, column, value)
                    elif value is not None:
                        sheet.write_number(at, column, value)
                at += 1
        if sheet is None:
            book.add_worksheet().write_row(0, 0, names)


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as ISO 8601 with their offset; the few different ones are written once each."""
    columns = []
    for name in (name for name, kind in frame.schema.items() if kind == TIME):
        at_ms = frame[name].dt.timestamp("ms")
        used = at_ms.unique()
        shifted = (used + _OFFSET_MS).cast(pl.Datetime("ms"))
        whole = (used % 1000 == 0).fill_null(True)
        texts = shifted.dt.to_string("%Y-%m-%dT%H:%M:%S%.3f+08:00")
        short = shifted.dt.to_string("%Y-%m-%dT%H:%M:%S+08:00")
        columns.append(at_ms.replace_strict(used, short.zip_with(whole, texts)).cast(pl.String).alias(name))
    return frame.with_columns(columns)


def _for_spreadsheets(frame: pl.DataFrame, written: Collection[str]) -> pl.DataFrame:
    """With an apostrophe in front of what would be a formula."""
    columns = []
    for name in written:
        if name in frame.columns and any(map(_FORMULA.match, frame[name].drop_nulls().unique().to_list())):
            texts = [f"'{text}" if text and _FORMULA.match(text) else text for text in frame[name].to_list()]
            columns.append(pl.Series(name, texts, dtype=pl.String))
    return frame.with_columns(columns)
