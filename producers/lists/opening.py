"""Where numbers come from: whatever the user gave -> a list that is read in blocks.

A file is taken for what its first bytes say (file_kinds.py). `-` is standard input. From a program: bytes (a file's
content), a column, a table, any iterable.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

import numpy as np
import polars as pl

from dispatcher.errors import InputError
from producers.lists.columns import Choice, Table
from producers.lists.file_kinds import PARQUET, START_BYTES, TEXT, kind_of
from producers.lists.phone_column import Column
from producers.lists.tables import TableList, read_parquet
from producers.lists.text_file import TextList
from producers.lists.values import AsyncList, ColumnList, IterableList, of_arrow
from producers.lists.xlsx.sheet_list import SheetList

STDIN: Final = "-"


class NumberList(Protocol):
    """A list of numbers. It is read once, block after block."""

    @property
    def label(self) -> str:
        """What to call it in messages."""
        ...

    @property
    def column(self) -> Column | None:
        """The phone column, where there are columns."""
        ...

    @property
    def headers(self) -> Sequence[str]:
        """What its columns are called; empty where there are none."""
        ...

    @property
    def header_line(self) -> int | None:
        """The line of the file that is the header, as an editor counts."""
        ...

    @property
    def encoding(self) -> str:
        """The encoding of a text file, known once it is read."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What the plan should say of the list, complete once it is read."""
        ...

    @property
    def hidden_rows(self) -> int:
        """How many rows with content were hidden, known once it is read."""
        ...

    @property
    def bytes_read(self) -> int:
        """How far a text file is read."""
        ...

    def tables(self, columns: Sequence[int]) -> Iterator[Table] | AsyncIterator[Table]:
        """The phone column and behind it these columns, a block of rows at a time. Raises InputError."""
        ...


class Opened:
    """An open list, and its size in bytes where that is known. Use it as a context manager."""

    def __init__(self, numbers: object, choice: Choice | None = None) -> None:
        """See `producers.launch` for what `numbers` may be. Raises InputError."""
        self._stack = contextlib.ExitStack()
        self.bytes_total: int | None = None
        try:
            self.list: NumberList = self._open(numbers, choice or Choice())
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, numbers: object, choice: Choice) -> NumberList:
        if isinstance(numbers, str | os.PathLike):
            return self._open_path(os.fspath(numbers), choice)
        if isinstance(numbers, bytes | bytearray | memoryview):
            content = bytes(numbers)
            self.bytes_total = len(content)
            return _open_stream(io.BufferedReader(io.BytesIO(content), START_BYTES), "the list", choice)
        return _open_values(numbers, choice)

    def _open_path(self, name: str, choice: Choice) -> NumberList:
        if name == STDIN:
            return _open_stream(_standard_input(), "standard input", choice)
        path = Path(name)
        try:
            if path.is_dir():
                raise InputError(f"{name} is a directory. Give a file: CSV, TSV, TXT, XLSX or Parquet.")
            stream = path.open("rb", buffering=START_BYTES)
            self._stack.callback(stream.close)
            self.bytes_total = path.stat().st_size
        except FileNotFoundError:
            raise InputError(f"{name}: no such file.") from None
        except OSError as error:
            raise InputError(
                f"{name} cannot be read ({error.strerror}). Check the path and its permissions."
            ) from error
        return _open_stream(cast("io.BufferedReader[Any]", stream), name, choice)


def _open_stream(stream: io.BufferedReader[Any], label: str, choice: Choice) -> NumberList:
    def read_at(offset: int, size: int) -> bytes:
        if not stream.seekable():
            return b""
        stream.seek(offset)
        return stream.read(size)

    try:
        kind = kind_of(stream.peek(START_BYTES)[:START_BYTES], label, read_at)
        if kind == TEXT:
            return TextList(stream, label, choice)
        file = stream if stream.seekable() else io.BytesIO(stream.read())
    except OSError as error:
        raise InputError(f"{label} cannot be read ({error.strerror}).") from error
    return read_parquet(file, label, choice) if kind == PARQUET else SheetList(file, label, choice)


def _standard_input() -> io.BufferedReader[Any]:
    """A reader of our own: the interpreter's could not be closed at exit while a thread still waits in it."""
    try:
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False), START_BYTES)
    except OSError:
        return io.BufferedReader(sys.stdin.buffer, START_BYTES)  # no file: a stand-in for one


def _open_values(numbers: object, choice: Choice) -> NumberList:
    if isinstance(numbers, pl.DataFrame | pl.LazyFrame):
        return TableList(numbers.lazy(), "the table", choice)
    if isinstance(numbers, np.ndarray):
        if numbers.ndim != 1:
            raise InputError(f"an array of numbers has one dimension, this one has {numbers.ndim}.")
        return ColumnList(numbers)
    if (
        isinstance(numbers, pl.Series)
        or hasattr(numbers, "__arrow_c_stream__")
        or hasattr(numbers, "__arrow_c_array__")
    ):
        column = numbers if isinstance(numbers, pl.Series) else of_arrow(numbers)
        if isinstance(column, pl.Series) and column.dtype == pl.Struct:
            return TableList(column.struct.unnest().lazy(), "the table", choice)
        return ColumnList(column) if isinstance(column, pl.Series) else TableList(column.lazy(), "the table", choice)
    if isinstance(numbers, AsyncIterable):
        return AsyncList(numbers)
    if isinstance(numbers, Iterable):
        return IterableList(numbers)
    raise InputError(f"a list of numbers is a path or something to iterate over, not {type(numbers).__name__}.")
