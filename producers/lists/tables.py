"""Parquet lists, and tables already in memory, as blocks of the phone column and the variables.

A Parquet file is read a slice of rows at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final

import polars as pl

from dispatcher.errors import EmptyInput, InputError
from producers.lists.columns import Choice, Table, holds_no_text
from producers.lists.phone_column import PhoneColumn, chosen, find_column, headers_of

ROWS: Final = 400_000
SAMPLE_ROWS: Final = 500
_READERS_ERRORS: Final = (OSError, ValueError, RuntimeError, pl.exceptions.PolarsError, pl.exceptions.PanicException)


class TableList:
    """A list in a table of named columns: a Parquet file or a frame in memory. Its rows count from 1."""

    encoding: Final = ""
    notes: Final = ()
    hidden_rows: Final = 0
    header_line: Final = None

    def __init__(self, table: pl.LazyFrame, label: str, choice: Choice) -> None:
        self.label: Final = label
        self.bytes_read = 0
        self._table: Final = table
        choice.check_only_column(label)
        try:
            head = table.head(SAMPLE_ROWS).collect()
        except _READERS_ERRORS as error:
            raise InputError(
                "{label} cannot be read as Parquet ({reason}). Save it again.",
                label=label,
                reason=_first_line(error),
            ) from error
        if not head.height:
            raise EmptyInput("{label} is empty. Give a list with one phone number a row.", label=label)
        nested = {at for at, kind in enumerate(head.dtypes) if holds_no_text(kind)}
        rows = [
            head.columns,
            *(["" if at in nested else _shown(cell) for at, cell in enumerate(row)] for row in head.rows()),
        ]
        self.column: Final[PhoneColumn] = find_column(rows, choice.column, label=label, named=True, phs=choice.phs)
        self.headers: Final = headers_of(rows, self.column)

    def tables(self, columns: Sequence[int]) -> Iterator[Table]:
        """The phone column and behind it these, block after block."""
        known = self._table.collect_schema()
        names = [known.names()[index] for index in (self.column.index, *columns)]
        if holds_no_text(known[names[0]]):
            raise InputError(
                "{label}: column {column} holds no text and no numbers ({kind}). Write it as text.",
                label=self.label,
                column=names[0],
                kind=known[names[0]],
            )
        source = self._table.select(list(dict.fromkeys(names)))
        start = 0
        while True:
            try:
                table = source.slice(start, ROWS).collect()
            except _READERS_ERRORS as error:
                said = ", ".join(dict.fromkeys(names))
                raise InputError(
                    "{label}: column {column} cannot be read ({reason}).",
                    label=self.label,
                    column=said,
                    reason=_first_line(error),
                ) from error
            if not table.height:
                return
            yield Table(chosen(table, names), start + 1)
            start += table.height


def read_parquet(source: Path | IO[bytes] | bytes, label: str, choice: Choice) -> TableList:
    """The list in a Parquet file. Raises InputError."""
    try:
        table = pl.scan_parquet(source)
    except _READERS_ERRORS as error:
        raise InputError(
            "{label} cannot be read as Parquet ({reason}). Save it again.",
            label=label,
            reason=_first_line(error),
        ) from error
    return TableList(table, label, choice)


def _shown(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200] or type(error).__name__
