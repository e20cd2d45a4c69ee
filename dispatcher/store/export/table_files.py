"""Tables as CSV, NDJSON, Parquet or XLSX, a frame at a time: memory does not grow with the rows.

Times are ISO 8601 at Beijing's offset (+08:00), the zone of the vendors' times; in Parquet they are timestamps of the
zone Asia/Shanghai. CSV and XLSX are made for spreadsheets: a text that would be taken for a formula, now or when its
cell is edited, gets a leading apostrophe (in XLSX a hidden one). CSV begins with a byte order mark, so that a
spreadsheet reads Chinese, and holds no terminal control characters. In XLSX every text is a text, also long ids; a full
sheet is continued on the next.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, Final, Literal

import polars as pl
from polars.io.plugins import register_io_source

from dispatcher.core.shanghai import SHANGHAI_MS

TableKind = Literal["csv", "ndjson", "parquet", "xlsx"]

ZONE: Final = "Asia/Shanghai"
TIME: Final = pl.Datetime("ms", ZONE)
SHEET_ROWS_MAX: Final = 1_048_576
_FORMULA: Final = r"^[\s\x00-\x20\u{200b}-\u{200f}\u{2060}\u{feff}]*[=+\-@＝＋－＠﹢﹣﹦﹫]|^[\t\r\n]"
_SIGNED_NUMBER: Final = r"^[+-]\d*\.?\d+$"
_C1: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
"""Control characters that JSON may hold as they are."""

_CONTROLS: Final = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\u{9f}]"


def write_table(
    frames: Iterable[pl.DataFrame],
    schema: Mapping[str, Any],
    out: IO[bytes],
    kind: TableKind,
) -> None:
    """Write the frames (all of this schema).

    Raises OSError from `out`, and the errors of `frames`.
    """
    match kind:
        case "parquet":
            _write_parquet(frames, schema, out)
        case "xlsx":
            _write_sheets(frames, list(schema), out)
        case "ndjson":
            for frame in frames:
                lines = as_text(frame).write_ndjson().encode()
                out.write(_C1.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), lines))
        case "csv":
            _write_csv(frames, schema, out)


def _write_csv(frames: Iterable[pl.DataFrame], schema: Mapping[str, Any], out: IO[bytes]) -> None:
    out.write(codecs.BOM_UTF8)
    names = pl.Series(list(schema), dtype=pl.String)
    pl.DataFrame({"name": _for_spreadsheets(names)}).transpose().write_csv(out, include_header=False)
    for frame in frames:
        text = as_text(frame)
        columns = [_for_spreadsheets(each) if each.dtype == pl.String else each for each in text.get_columns()]
        pl.DataFrame(columns).write_csv(out, include_header=False)


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
    import xlsxwriter  # most exports are not spreadsheets

    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        apostrophe = book.add_format({"quote_prefix": True})
        sheet, at = None, SHEET_ROWS_MAX
        for frame in frames:
            for row in _protected_rows(frame):
                if sheet is None or at == SHEET_ROWS_MAX:
                    sheet, at = book.add_worksheet(), 1
                    _write_header(sheet, names, apostrophe)
                _write_row(sheet, at, row, apostrophe)
                at += 1
        if sheet is None:
            _write_header(book.add_worksheet(), names, apostrophe)


def write_workbook(sheets: Mapping[str, pl.DataFrame], out: IO[bytes]) -> None:
    """Write small tables as XLSX, each on a sheet of its name. Raises OSError from `out`."""
    import xlsxwriter  # most exports are not spreadsheets

    with xlsxwriter.Workbook(out, {"constant_memory": True}) as book:
        apostrophe = book.add_format({"quote_prefix": True})
        for name, frame in sheets.items():
            sheet = book.add_worksheet(name)
            _write_header(sheet, frame.columns, apostrophe)
            for at, row in enumerate(_protected_rows(frame), 1):
                _write_row(sheet, at, row, apostrophe)


def _protected_rows(frame: pl.DataFrame) -> Iterator[list[tuple[Any, bool]]]:
    """The values of each row, and whether a spreadsheet would take the value for a formula."""
    text = as_text(frame)
    formulas = [_formulas(each) if each.dtype == pl.String else frozenset() for each in text.get_columns()]
    for place, row in enumerate(text.iter_rows()):
        yield [(value, place in like_formula) for value, like_formula in zip(row, formulas, strict=True)]


def _write_row(sheet: Any, at: int, row: list[tuple[Any, bool]], apostrophe: Any) -> None:
    for column, (value, protected) in enumerate(row):
        if isinstance(value, str):
            sheet.write_string(at, column, value, apostrophe if protected else None)
        elif value is not None:
            sheet.write_number(at, column, value)


def _write_header(sheet: Any, names: list[str], apostrophe: Any) -> None:
    like_formula = _formulas(pl.Series(names, dtype=pl.String))
    for column, name in enumerate(names):
        sheet.write_string(0, column, name, apostrophe if column in like_formula else None)


def as_local_time(at_ms: pl.Series) -> pl.Series:
    """Unix milliseconds as times."""
    return at_ms.cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(ZONE)


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """Times as ISO 8601 with their offset; each distinct time is formatted once."""
    columns = []
    for name in (name for name, kind in frame.schema.items() if kind == TIME):
        at_ms = frame[name].dt.timestamp("ms")
        used = at_ms.unique()
        shifted = (used + SHANGHAI_MS).cast(pl.Datetime("ms"))
        whole = (used % 1000 == 0).fill_null(True)
        texts = shifted.dt.to_string("%Y-%m-%dT%H:%M:%S%.3f+08:00")
        short = shifted.dt.to_string("%Y-%m-%dT%H:%M:%S+08:00")
        columns.append(at_ms.replace_strict(used, short.zip_with(whole, texts)).cast(pl.String).alias(name))
    return frame.with_columns(columns)


def _for_spreadsheets(texts: pl.Series) -> pl.Series:
    """With an apostrophe before a would-be formula, without terminal control characters."""
    if bool(texts.str.contains(_CONTROLS).any()):
        texts = texts.str.replace_all(_CONTROLS, "")
    found = _formulas(texts)
    if not found:
        return texts
    return pl.Series(
        texts.name, [f"'{text}" if at in found else text for at, text in enumerate(texts.to_list())], dtype=pl.String
    )


def _formulas(texts: pl.Series) -> frozenset[int]:
    """The texts that a spreadsheet would take for a formula; a signed number is not one."""
    found = texts.str.contains(_FORMULA) & ~texts.str.contains(_SIGNED_NUMBER)
    return frozenset(found.fill_null(False).arg_true().to_list())
