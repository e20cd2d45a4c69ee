"""XLSX and Parquet lists, and tables already in memory, as blocks of the phone column.

A Parquet file is read a slice of rows at a time. Weak spot: a spreadsheet is unpacked whole by its reader (fastexcel),
so its memory grows with its cells; the format ends at 1,048,576 rows. Only its first sheet is read; the plan says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from dispatcher.errors import EmptyInput, InputError
from producers.lists.phone_column import Column, chosen, find_column, headers_of

ROWS: Final = 400_000
SAMPLE_ROWS: Final = 500
_READERS_ERRORS: Final = (OSError, ValueError, RuntimeError, pl.exceptions.PolarsError)


class TableList:
    """A list in a table of named columns: a Parquet file or a frame in memory."""

    encoding: Final = ""

    def __init__(self, table: pl.LazyFrame, label: str, wanted: str | int | None) -> None:
        self.label: Final = label
        self.bytes_read = 0
        self._table: Final = table
        try:
            head = table.head(SAMPLE_ROWS).collect()
        except _READERS_ERRORS as error:
            raise InputError(f"{label} cannot be read as Parquet ({_first_line(error)}). Save it again.") from error
        if not head.height:
            raise EmptyInput(f"{label} is empty. Give a list with one phone number a row.")
        rows = [head.columns, *([_shown(cell) for cell in row] for row in head.rows())]
        self.column: Final[Column] = find_column(rows, wanted, label=label, named=True)
        self.headers: Final = headers_of(rows, self.column)

    def blocks(self) -> Iterator[pl.Series]:
        """The phone column, block after block."""
        for table in self.tables([]):
            yield table.to_series()

    def tables(self, columns: Sequence[int]) -> Iterator[pl.DataFrame]:
        """The phone column and behind it these, block after block."""
        known = self._table.collect_schema().names()
        names = [known[index] for index in (self.column.index, *columns)]
        source = self._table.select(list(dict.fromkeys(names)))
        start = 0
        while True:
            try:
                table = source.slice(start, ROWS).collect()
            except _READERS_ERRORS as error:
                said = ", ".join(dict.fromkeys(names))
                raise InputError(f"{self.label}: column {said} cannot be read ({_first_line(error)}).") from error
            if not table.height:
                return
            start += table.height
            yield chosen(table, names)


class SheetList:
    """A list in the first sheet of a spreadsheet (XLSX, XLS, ODS)."""

    encoding: Final = ""

    def __init__(self, source: Path | bytes, label: str, wanted: str | int | None) -> None:
        import fastexcel  # a second's worth of memory only spreadsheets need

        self.label: Final = label
        self.bytes_read = 0
        try:
            self._book = book = fastexcel.read_excel(source)
            head = book.load_sheet(0, header_row=None, n_rows=SAMPLE_ROWS, dtypes="string").to_polars()
            rows = [[_shown(cell) for cell in row] for row in head.rows()]
            self.column: Final[Column] = find_column(rows, wanted, label=label)
            self.headers: Final = headers_of(rows, self.column)
        except InputError:
            raise
        except Exception as error:  # the reader's own tree of errors, whose base is Exception
            raise self._unreadable(error) from error
        first, *others = book.sheet_names
        self.notes: Final = (
            (f'only sheet "{first}" is read, not {", ".join(others)}; save them on one sheet',) if others else ()
        )

    def blocks(self) -> Iterator[pl.Series]:
        """The phone column, without the header."""
        for table in self.tables([]):
            yield table.to_series()

    def tables(self, columns: Sequence[int]) -> Iterator[pl.DataFrame]:
        """The phone column and behind it these, without the header."""
        wanted = [self.column.index, *columns]
        try:
            sheet = self._book.load_sheet(
                0,
                header_row=None,
                use_columns=sorted(set(wanted)),
                dtypes="string",
                skip_whitespace_tail_rows=True,
            ).to_polars()
        except Exception as error:
            raise self._unreadable(error) from error
        places = dict(zip(sorted(set(wanted)), sheet.columns, strict=True))
        # A day is a moment to the reader: midnight.
        sheet = sheet.with_columns(pl.all().str.strip_suffix(" 00:00:00"))
        yield chosen(sheet, [places[index] for index in wanted]).slice(int(self.column.header))

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.label} is not a readable spreadsheet ({_first_line(error)}). "
            "Save it again as XLSX without a password, or as CSV."
        )


def read_parquet(source: Path | bytes, label: str, wanted: str | int | None) -> TableList:
    """The list in a Parquet file. Raises InputError."""
    try:
        table = pl.scan_parquet(source)
    except _READERS_ERRORS as error:
        raise InputError(f"{label} cannot be read as Parquet ({_first_line(error)}). Save it again.") from error
    return TableList(table, label, wanted)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
