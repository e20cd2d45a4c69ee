"""An open file -> a list that is read in blocks, whatever kind of file it is (file_kinds.py)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from dispatcher.errors import InputError
from producers.lists.columns import Choice, Table
from producers.lists.file_kinds import PARQUET, START_BYTES, TEXT, kind_of
from producers.lists.phone_column import PhoneColumn
from producers.lists.tables import read_parquet
from producers.lists.text_file import TextList
from producers.lists.xlsx.sheet_list import SheetList


class ColumnedList(Protocol):
    """A list with columns. It is read once, block after block."""

    @property
    def column(self) -> PhoneColumn | None:
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

    def tables(self, columns: Sequence[int]) -> Iterator[Table]:
        """The phone column and behind it these columns, a block of rows at a time. Raises InputError."""
        ...


class _Continued:
    """A pipe whose beginning was read already."""

    def __init__(self, start: bytes, rest: io.BufferedReader[Any]) -> None:
        self._start = start
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """What comes next: the beginning in one piece, then the rest."""
        if self._start:
            start, self._start = self._start, b""
            return start + self._rest.read(max(size - len(start), 0) if size >= 0 else -1)
        return self._rest.read(size)


def open_file(stream: io.BufferedReader[Any], label: str, choice: Choice) -> ColumnedList:
    """The list in a file. Raises InputError."""

    def read_at(offset: int, size: int) -> bytes:
        stream.seek(offset)
        return stream.read(size)

    try:
        if stream.seekable():
            kind = kind_of(stream.read(START_BYTES), label, read_at)
            stream.seek(0)
            file: Any = stream
        else:
            start = stream.read(START_BYTES)
            kind = kind_of(start, label)
            file = _Continued(start, stream)
            if kind != TEXT:
                file = io.BytesIO(file.read())
    except OSError as error:
        raise InputError("{label} cannot be read ({reason}).", label=label, reason=error.strerror) from error
    if kind == TEXT:
        return TextList(file, label, choice)
    if choice.encoding is not None:
        raise InputError(
            "{label} is no text: it says its encoding itself.", label=label, about="--encoding", do="Leave {about} out."
        )
    return read_parquet(file, label, choice) if kind == PARQUET else SheetList(file, label, choice)
