"""Numbers from a program: an iterable (also asynchronous), or a column of numpy, polars or any Arrow library.

Columns are read in place, without copies or Python objects; an iterable's objects are gone after each block.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import numpy as np
import polars as pl

from dispatcher.errors import InputError
from producers.lists.columns import Table

ROWS: Final = 200_000


class ColumnList:
    """A column in memory."""

    encoding: Final = ""
    column: Final = None
    headers: Final = ()
    header_line: Final = None
    notes: Final = ()
    hidden_rows: Final = 0
    label: Final = "the column"

    def __init__(self, values: pl.Series | np.ndarray[Any, Any]) -> None:
        self.bytes_read = 0
        self._values: Final = values

    def tables(self, columns: Sequence[int]) -> Iterator[Table]:
        """Slices of the column."""
        for start in range(0, len(self._values), ROWS):
            part = self._values[start : start + ROWS]
            yield _table(part if isinstance(part, pl.Series) else _of_array(part), start)


class IterableList:
    """Any iterable of str, bytes or int."""

    encoding: Final = ""
    column: Final = None
    headers: Final = ()
    header_line: Final = None
    notes: Final = ()
    hidden_rows: Final = 0
    label: Final = "the numbers"

    def __init__(self, values: Iterable[object]) -> None:
        self.bytes_read = 0
        self._values: Final = values

    def tables(self, columns: Sequence[int]) -> Iterator[Table]:
        """The values, some at a time."""
        values, start = iter(self._values), 0
        while block := list(islice(values, ROWS)):
            yield _table(of_values(block), start)
            start += len(block)


class AsyncList:
    """An asynchronous iterable of str, bytes or int."""

    encoding: Final = ""
    column: Final = None
    headers: Final = ()
    header_line: Final = None
    notes: Final = ()
    hidden_rows: Final = 0
    label: Final = "the numbers"

    def __init__(self, values: AsyncIterable[object]) -> None:
        self.bytes_read = 0
        self._values: Final = values

    async def tables(self, columns: Sequence[int]) -> AsyncIterator[Table]:
        """The values, some at a time."""
        block: list[object] = []
        start = 0
        async for value in self._values:
            block.append(value)
            if len(block) == ROWS:
                yield _table(of_values(block), start)
                start += len(block)
                block = []
        if block:
            yield _table(of_values(block), start)


def _table(values: pl.Series, start: int) -> Table:
    return Table(values.alias("0").to_frame(), start + 1)


def of_arrow(values: object) -> pl.Series | pl.DataFrame:
    """A polars column (or table) that shares the memory of what another Arrow library made. Raises InputError."""
    try:
        return pl.Series(values)  # type: ignore[arg-type]  # anything with the Arrow C interface
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        raise InputError(
            "this {kind} is no column of numbers: {error}.", kind=type(values).__name__, error=error
        ) from error


def of_values(values: list[object]) -> pl.Series:
    """A block of single values. Raises InputError if one of them can't be a number."""
    for kind in {type(value) for value in values}:
        if not issubclass(kind, str | bytes | int | np.integer | type(None)) or kind is bool:
            raise InputError("a number must be str, bytes or int, not {kind}.", kind=kind.__name__)
    texts = [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in values]
    return pl.Series([None if value is None else str(value) for value in texts], dtype=pl.String)


def _of_array(values: np.ndarray[Any, Any]) -> pl.Series:
    if values.dtype.kind in "iu":
        return pl.Series(values)
    if values.dtype.kind == "f":
        return pl.Series(values, nan_to_null=True)
    return of_values(values.tolist())
