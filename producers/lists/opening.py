"""Where numbers come from: whatever the user gave -> a list of blocks of one column.

A file is taken for what its first bytes say, whatever its name: Parquet, a spreadsheet, else text (CSV, TSV, one number
a line). `-` is standard input. From a program: bytes (a file's content), a column, a table, any iterable.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
import polars as pl

from dispatcher.errors import InputError
from producers.lists.phone_column import Column
from producers.lists.tables import SheetList, TableList, read_parquet
from producers.lists.text_file import TextList
from producers.lists.values import AsyncList, ColumnList, IterableList, of_arrow

STDIN: Final = "-"
_PARQUET: Final = b"PAR1"
_SPREADSHEET: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_OTHERS: Final = {b"\x1f\x8b": "gzip", b"%PDF": "PDF", b"Rar!": "RAR", b"7z\xbc\xaf": "7z", b"\x28\xb5\x2f\xfd": "zstd"}


class NumberList(Protocol):
    """A list of numbers. What it holds is read once, block after block, each a column of text or whole numbers."""

    @property
    def label(self) -> str:
        """What to call it in messages."""
        ...

    @property
    def column(self) -> Column | None:
        """The phone column, where there are columns."""
        ...

    @property
    def encoding(self) -> str:
        """The encoding of a text file, known once it is read."""
        ...

    @property
    def bytes_read(self) -> int:
        """How far a text file is read."""
        ...

    def blocks(self) -> Iterator[pl.Series] | AsyncIterator[pl.Series]:
        """The column, a block at a time. Raises InputError."""
        ...


Columned = TextList | TableList | SheetList
"""The lists that have columns beside the phone column: `headers` names them, `tables` reads them with it."""


class Opened:
    """An open list, and its size in bytes where that is known. Use it as a context manager."""

    def __init__(self, numbers: object, wanted: str | int | None = None) -> None:
        """See `producers.launch` for what `numbers` may be; `wanted` is the phone column. Raises InputError."""
        self._stack = contextlib.ExitStack()
        self.bytes_total: int | None = None
        try:
            self.list: NumberList = self._open(numbers, wanted)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _open(self, numbers: object, wanted: str | int | None) -> NumberList:
        if isinstance(numbers, str | os.PathLike):
            return self._open_path(os.fspath(numbers), wanted)
        if isinstance(numbers, bytes | bytearray | memoryview):
            content = bytes(numbers)
            self.bytes_total = len(content)
            return self._open_stream(io.BytesIO(content), None, "the list", wanted)
        return _open_values(numbers, wanted)

    def _open_path(self, name: str, wanted: str | int | None) -> NumberList:
        if name == STDIN:
            return self._open_stream(_standard_input(), None, "standard input", wanted)
        path = Path(name)
        try:
            if path.is_dir():
                raise InputError(f"{name} is a directory. Give a file: CSV, TSV, TXT, XLSX or Parquet.")
            stream = self._stack.enter_context(path.open("rb", buffering=1 << 16))
            self.bytes_total = path.stat().st_size
        except FileNotFoundError:
            raise InputError(f"{name}: no such file.") from None
        except OSError as error:
            raise InputError(
                f"{name} cannot be read ({error.strerror}). Check the path and its permissions."
            ) from error
        return self._open_stream(stream, path, name, wanted)

    def _open_stream(self, stream: Any, path: Path | None, label: str, wanted: str | int | None) -> NumberList:
        try:
            start = stream.peek(4)[:4] if hasattr(stream, "peek") else stream.getvalue()[:4]
        except OSError as error:
            raise InputError(f"{label} cannot be read ({error.strerror}).") from error
        for magic, kind in _OTHERS.items():
            if start.startswith(magic):
                raise InputError(f"{label} is a {kind} file. Give CSV, TSV, TXT, XLSX or Parquet (unpacked).")
        if start == _PARQUET:
            return read_parquet(path or stream.read(), label, wanted)
        if start.startswith(_SPREADSHEET):
            return SheetList(path or stream.read(), label, wanted)
        binary: BinaryIO = stream
        return TextList(binary, label, wanted)


def _standard_input() -> BinaryIO:
    """A reader of our own: the interpreter's could not be closed at exit while a thread still waits in it."""
    try:
        return io.BufferedReader(io.FileIO(sys.stdin.fileno(), closefd=False), 1 << 16)
    except OSError:
        return sys.stdin.buffer  # no file: a stand-in for one


def _open_values(numbers: object, wanted: str | int | None) -> NumberList:
    if isinstance(numbers, pl.DataFrame | pl.LazyFrame):
        return TableList(numbers.lazy(), "the table", wanted)
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
            return TableList(column.struct.unnest().lazy(), "the table", wanted)
        return ColumnList(column) if isinstance(column, pl.Series) else TableList(column.lazy(), "the table", wanted)
    if isinstance(numbers, AsyncIterable):
        return AsyncList(numbers)
    if isinstance(numbers, Iterable):
        return IterableList(numbers)
    raise InputError(f"a list of numbers is a path or something to iterate over, not {type(numbers).__name__}.")
