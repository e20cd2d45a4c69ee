"""Where numbers come from: whatever the user gave -> a list that is read in blocks.

Files are read by a process of their own (reader/main.py); `-` is standard input. From a program: bytes (a file's
content), a column, a table, any iterable, a source that opens itself; these are read in this process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import msgspec
import numpy as np
import polars as pl

from dispatcher.errors import InputError
from producers.lists.columns import Choice, Table
from producers.lists.phone_column import PhoneColumn
from producers.lists.reader.blocks import Found, ListBlock, Read, Reading, block_of
from producers.lists.reader.process import ReaderProcess, give_back, spooled, take
from producers.lists.tables import TableList
from producers.lists.values import AsyncList, ColumnList, IterableList, of_arrow

STDIN: Final = "-"


class OpenList(Protocol):
    """A list that is open. It is read once, part after part; what comes last is known then."""

    label: str
    column: PhoneColumn | None
    headers: Sequence[str]
    header_line: int | None
    encoding: str
    notes: Sequence[str]
    hidden_rows: int

    def parts(self) -> Iterator[ListBlock] | AsyncIterator[ListBlock]:
        """The rows, a part at a time. Raises InputError."""
        ...


@runtime_checkable
class OpenedLater(Protocol):
    """A source of rows that knows itself how to read them, as a campaign on the log."""

    def open(self, reading: Reading) -> OpenList:
        """The open list. Raises InputError."""
        ...


class NamedFile(msgspec.Struct, frozen=True):
    """A file whose path is nobody's business: plans and errors call it `label`."""

    path: str
    label: str


class Opened:
    """An open list, and its size in bytes where that is known. Use it as a context manager."""

    def __init__(self, numbers: object, reading: Reading | None = None) -> None:
        """See `LaunchRequest` for what `numbers` may be. Raises InputError."""
        self._stack = contextlib.ExitStack()
        self.bytes_total: int | None = None
        try:
            self.list: OpenList = self._open(numbers, reading or Reading())
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, numbers: object, reading: Reading) -> OpenList:
        if isinstance(numbers, str | os.PathLike):
            name = os.fspath(numbers)
            return self._open_stdin(reading) if name == STDIN else self._open_path(name, name, reading)
        if isinstance(numbers, NamedFile):
            return self._open_path(numbers.path, numbers.label, reading)
        if isinstance(numbers, bytes | bytearray | memoryview):
            return self._open_bytes(bytes(numbers), "the list", reading)
        if isinstance(numbers, OpenedLater):
            return numbers.open(reading)
        found = _open_values(numbers, reading.choice)
        return _InMemory(found, reading)

    def _open_stdin(self, reading: Reading) -> OpenList:
        try:
            descriptor = sys.stdin.fileno()
        except OSError:  # no file: a stand-in for one
            return self._open_bytes(sys.stdin.buffer.read(), "standard input", reading)
        return self._read(descriptor, "standard input", reading)

    def _open_bytes(self, content: bytes, label: str, reading: Reading) -> OpenList:
        self.bytes_total = len(content)
        descriptor = spooled(content)
        self._stack.callback(os.close, descriptor)
        return self._read(descriptor, label, reading)

    def _open_path(self, name: str, label: str, reading: Reading) -> OpenList:
        if not name:
            raise InputError("the path of the list is empty. Give a file: CSV, TSV, TXT, XLSX or Parquet.")
        path = Path(name)
        try:
            if path.is_dir():
                raise InputError("{label} is a directory. Give a file: CSV, TSV, TXT, XLSX or Parquet.", label=label)
            file = self._stack.enter_context(path.open("rb", buffering=0))
            self.bytes_total = path.stat().st_size
        except FileNotFoundError:
            raise InputError("{label}: no such file.", label=label) from None
        except OSError as error:
            raise InputError(
                "{label} cannot be read ({reason}). Check the path and its permissions.",
                label=label,
                reason=error.strerror,
            ) from error
        return self._read(file.fileno(), label, reading)

    def _read(self, descriptor: int, label: str, reading: Reading) -> OpenList:
        found = _FromFile(descriptor, label, reading)
        self._stack.callback(found.close)
        return found


class _FromFile:
    """A list that a process reads from a file."""

    def __init__(self, descriptor: int, label: str, reading: Reading) -> None:
        self.label = label
        self.encoding = ""
        self.notes: Sequence[str] = ()
        self.hidden_rows = 0
        self._reader: ReaderProcess | None = take()
        try:
            found: Found = self._reader.open(descriptor, label, reading)
        except InputError:
            self._done()
            raise
        except BaseException:
            self.close()
            raise
        self.column = found.column
        self.headers: Sequence[str] = found.headers
        self.header_line = found.header_line
        self.sheets = found.sheets

    def parts(self) -> Iterator[ListBlock]:
        assert self._reader is not None
        try:
            for part in self._reader.parts():
                if isinstance(part, Read):
                    self.encoding, self.notes, self.hidden_rows = part.encoding, part.notes, part.hidden_rows
                else:
                    yield part
        except InputError:
            self._done()
            raise
        self._done()

    def _done(self) -> None:
        """The process waits for the next list, or has ended."""
        reader, self._reader = self._reader, None
        if reader is not None:
            give_back(reader)

    def close(self) -> None:
        """End the process if it is in the middle of the list."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


class _InMemory:
    """A list of values of this program."""

    encoding = ""
    notes: Sequence[str] = ()
    hidden_rows = 0
    header_line: int | None = None

    def __init__(self, values: ColumnList | IterableList | AsyncList | TableList, reading: Reading) -> None:
        self.label = values.label
        self.column: PhoneColumn | None = values.column
        self.headers: Sequence[str] = values.headers
        self._columns = reading.columns(self.headers, self.label)
        self._values = values
        self._reading = reading

    def parts(self) -> Iterator[ListBlock] | AsyncIterator[ListBlock]:
        if isinstance(self._values, AsyncList):
            return self._waited_for(self._values.tables(self._columns))
        return (block_of(table, self._reading, 0) for table in self._values.tables(self._columns))

    async def _waited_for(self, tables: AsyncIterator[Table]) -> AsyncIterator[ListBlock]:
        async for table in tables:
            yield block_of(table, self._reading, 0)


def _open_values(numbers: object, choice: Choice) -> ColumnList | IterableList | AsyncList | TableList:
    if isinstance(numbers, pl.DataFrame | pl.LazyFrame):
        return TableList(numbers.lazy(), "the table", choice)
    if isinstance(numbers, np.ndarray):
        if numbers.ndim != 1:
            raise InputError("an array of numbers has one dimension, this one has {count}.", count=numbers.ndim)
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
    raise InputError(
        "a list of numbers is a path or something to iterate over, not {kind}.", kind=type(numbers).__name__
    )
