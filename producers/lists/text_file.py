"""CSV, TSV and TXT lists: bytes of any usual encoding -> blocks of the wanted columns, in memory that does not grow.

Bytes are read in blocks and cut at line ends; polars takes the wanted columns out of each block. The encoding
(encodings.py) is settled by the first bytes that are not ASCII.
Line ends may be LF, CR LF and CR, also mixed. Every line is a row, blank ones too; a line break inside quotes ends none
(csv_quotes.py). A first line `sep=;` says what divides the columns. Numbers side by side in one line are a row each.

Weak spot: a line may not be longer than a block (4 MiB).
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.core.numbers import normalise
from dispatcher.core.wire_number import to_wire
from dispatcher.errors import InputError
from dispatcher.masking import masked_number
from dispatcher.wording import counted
from producers.lists.columns import Choice, Table, one_line, unprotected
from producers.lists.csv_quotes import mend
from producers.lists.encodings import (
    ASCII,
    BIG5,
    GB,
    HONG_KONG,
    LATIN,
    SAMPLE_BYTES,
    UTF8,
    codec_of,
    guessed,
    marked,
)
from producers.lists.phone_column import (
    DELIMITERS,
    NO_DELIMITER,
    SAMPLES,
    SHARE_MIN,
    PhoneColumn,
    chosen,
    find_column,
    header_notes,
    headers_of,
    sniff_delimiter,
    split_rows,
)

BLOCK_BYTES: Final = 4 << 20
SAMPLE_LINES: Final = 500
_LF: Final = 10

_WIDE_MARKS: Final = ("，".encode(), "；".encode())
_SEP: Final = re.compile(rb'"?sep=(\t|[!-~])"?[ \t,;]*\r?\n', re.IGNORECASE)
_BETWEEN_NUMBERS: Final = re.compile(r"[,，、;；|/\s]+")
_LIKE_NUMBERS: Final = re.compile(r"[\d+\-().（）＋－,，、;；|/\s]+")


class Readable(Protocol):
    """Bytes that are read from the beginning to the end."""

    def read(self, size: int, /) -> bytes:
        """So many bytes; fewer at the end, none behind it."""
        ...


class TextList:
    """A list in a text file. `bytes_read` grows while `tables` is consumed. Raises InputError."""

    hidden_rows: Final = 0

    def __init__(self, stream: Readable, label: str, choice: Choice, *, block_bytes: int = BLOCK_BYTES) -> None:
        self.label: Final = label
        self.bytes_read = 0
        self.encoding, self._certain = ASCII, True
        self._named = codec_of(choice.encoding) if choice.encoding is not None else ""
        self._wide = b""
        self._stream = stream
        self._block_bytes = block_bytes
        if choice.sheet is not None:
            raise InputError("{label} has no sheets.", label=label, about="--sheet", do="Leave {about} out.")
        self._raw = self._whole_lines()
        self._first = next(self._raw, b"")
        self._first_line = 1
        divider = self._divider()
        head = self._first[: self._first.rfind(b"\n", 0, SAMPLE_BYTES) + 1] or self._first[:SAMPLE_BYTES]
        head = self._utf8(head)
        self._side_by_side: Final = choice.column is None and not choice.header_row and _side_by_side(head)
        divided = {delimiter: _sample(head, delimiter) for delimiter in divider or (*DELIMITERS, NO_DELIMITER)}
        if divider:
            self._delimiter = divider
        else:
            self._delimiter = sniff_delimiter({each: found[0] for each, found in divided.items()}, choice.column)
        if self._delimiter == NO_DELIMITER and not self._side_by_side:
            self._wide, divided[NO_DELIMITER] = _widely_divided(head, divided[NO_DELIMITER])
        rows, lines = divided[self._delimiter]
        self.column: Final = self._column(rows, lines, choice, head)
        self.headers: Final = headers_of(rows, self.column)
        self.header_line: Final = (
            None if self.column.header_at is None else lines[self.column.header_at] + self._first_line
        )
        width = len(rows[self.column.header_at]) if self.column.header_at is not None else 0
        self._width: Final = width if width > 1 else None
        self._surplus = self._first_surplus = 0

    @property
    def notes(self) -> Sequence[str]:
        """What to say of the list; complete when it is read."""
        found = list(header_notes(self.column, self.header_line))
        if not self._certain:
            found.append(
                f"its encoding may be another than {self.encoding}: look at the values, or name it (--encoding)"
            )
        if self._surplus:
            found.append(
                f"{counted(self._surplus, 'row')} with more cells than the header, first on line "
                f"{self._first_surplus:,}: what divides columns stands inside a value and moves the cells behind"
            )
        return found

    def _column(self, rows: list[list[str]], lines: list[int], choice: Choice, head: bytes) -> PhoneColumn:
        """The phone column. Raises InputError, also for bytes that are no text."""
        if self._side_by_side:
            return PhoneColumn(0, "numbers side by side", None, _samples(head))
        try:
            column = find_column(
                rows,
                choice.column,
                label=self.label,
                named=False if choice.header_row == 0 else None,
                header_at=choice.header_at([line + self._first_line for line in lines], self.label),
                phs=choice.phs,
            )
            if column.samples or not _no_text(head):
                return column
        except InputError:
            if not _no_text(head):
                raise
        raise InputError(
            "{label} is neither text nor XLSX nor Parquet, or it is damaged. Save the list again.", label=self.label
        )

    def _divider(self) -> str:
        """What the first line says that divides the columns, as spreadsheets write it; the line is taken away."""
        said = _SEP.match(self._first)
        if said is None:
            return ""
        self._first = self._first[said.end() :]
        self._first_line = 2
        return said[1].decode()

    def tables(self, columns: Sequence[int]) -> Iterator[Table]:
        """The phone column and behind it these, block after block, without the header and what is above it."""
        first, self._first = self._first, b""
        blocks = chain((first,), self._raw)
        if self._side_by_side:
            yield from self._numbers(blocks)
            return
        wanted = [self.column.index, *columns]
        read = wanted if self._width is None else [*wanted, self._width]
        skip, carry, line = self.column.skip, b"", self._first_line
        for lines in chain(blocks, (None,)):
            if lines is None and not carry:
                return
            block = carry + (self._utf8(lines) if lines is not None else b"")
            table, carry, starts = self._table_of(block, read, last=lines is None)
            if table.height > skip:
                at = None if starts is None else (starts[skip:] + line)
                rows = table.slice(skip)
                if self._width is not None:
                    self._note_surplus(rows.to_series(len(wanted)), line + skip, at)
                yield Table(_values_cleaned(rows[:, : len(wanted)]), line + skip, at)
            skip -= min(skip, table.height)
            line += block.count(b"\n") - carry.count(b"\n")

    def _note_surplus(self, cells: pl.Series, first: int, lines: NDArray[np.int64] | None) -> None:
        """Count the rows with something in the cell behind the last column that has a header."""
        if cells.null_count() == len(cells):
            return
        rows = np.flatnonzero(cells.str.contains(r"\S").fill_null(False).to_numpy())
        if len(rows) and not self._surplus:
            self._first_surplus = int(rows[0]) + first if lines is None else int(lines[rows[0]])
        self._surplus += len(rows)

    def _numbers(self, blocks: Iterator[bytes]) -> Iterator[Table]:
        """Each number that stands beside others as a row, on the line where it stands."""
        line = self._first_line
        for block in blocks:
            values: list[str] = []
            lines: list[int] = []
            for text in self._utf8(block).decode(UTF8, "replace").split("\n")[:-1]:
                found = [each for each in _BETWEEN_NUMBERS.split(text) if each]
                values += found
                lines += [line] * len(found)
                line += 1
            if values:
                frame = pl.DataFrame({"0": values}, schema={"0": pl.String})
                yield Table(frame, lines[0], np.array(lines, np.int64))

    def _table_of(
        self, block: bytes, wanted: Sequence[int], *, last: bool
    ) -> tuple[pl.DataFrame, bytes, NDArray[np.int64] | None]:
        """(the wanted columns of these lines, the lines that belong to the next block, which line each row begins on).

        The last is None where every row is a line.
        """
        carry, starts = b"", None
        table = self._split(block, wanted, '"')
        if table is None:
            mended, carry = mend(block, ord(self._delimiter), last=last)
            starts = _starts(block[: len(mended)], mended)
            block = mended
            table = self._split(block, wanted, '"')
        if table is None:
            table = self._split(block, wanted, None)
        if table is None:  # without quotes a row is a line, whatever is in it
            raise InputError("{label} cannot be divided into rows. Save it again as CSV in UTF-8.", label=self.label)
        return chosen(table, [str(index) for index in wanted]), carry, starts

    def _split(self, block: bytes, wanted: Sequence[int], quote: str | None) -> pl.DataFrame | None:
        """The wanted columns of these lines, or None if they are not a row each."""
        if not block:
            return pl.DataFrame(schema={str(index): pl.String for index in wanted})
        rows = np.count_nonzero(np.frombuffer(block, np.uint8) == _LF)
        for encoding in ("utf8", "utf8-lossy"):  # the second is slower, and only for broken characters
            try:
                frame = pl.read_csv(
                    block,
                    has_header=False,
                    schema={str(number): pl.String for number in range(max(wanted) + 1)},
                    columns=sorted(set(wanted)),
                    separator=self._delimiter,
                    quote_char=quote,
                    encoding=encoding,
                    extra_columns="ignore",
                    missing_columns="insert",
                )
            except pl.exceptions.PolarsError:
                continue
            return frame if frame.height == rows else None
        return None

    # --- bytes -> whole lines -> UTF-8 -------------------------------------------------------------------------------

    def _whole_lines(self) -> Iterator[bytes]:
        """Lines, each ended by LF, about a block at a time."""
        rest = b""
        for chunk in self._chunks():
            end = chunk.rfind(b"\n") + 1
            if not end:
                rest += chunk
                if len(rest) >= self._block_bytes:
                    size = f"{self._block_bytes >> 20} MiB"
                    raise InputError(
                        "{label}: there is no line end in {size}. Give one number a line.", label=self.label, size=size
                    )
                continue
            yield b"".join((rest, memoryview(chunk)[:end]))
            rest = chunk[end:]
        if rest:
            yield rest + b"\n"

    def _chunks(self) -> Iterator[bytes]:
        """The file without its BOM; as UTF-8 what is wide or in a named encoding; line ends of old Macs as LF."""
        chunk = self._read()
        codec, name, mark = marked(chunk)
        if mark or (codec and self._named.startswith("utf-16")):
            self._named = ""  # a mark is right, whatever people say; so is the order of bytes that the zeros show
        codec, name = (self._named, self._named) if self._named else (codec, name)
        self.encoding = name or ASCII
        chunk = chunk[mark:]
        errors = "strict" if self._named else "replace"
        decoder = codecs.getincrementaldecoder(codec)(errors) if codec and not (mark and codec == UTF8) else None
        waiting = b""  # a CR at the end of a chunk, which may belong to an LF
        while chunk or decoder is not None:
            last = not chunk
            if decoder is not None:
                chunk = self._decoded(decoder, chunk)
            chunk = waiting + chunk
            waiting = b"\r" if chunk.endswith(b"\r") else b""
            yield _line_ends(chunk.removesuffix(b"\r"))
            if last:
                break
            chunk = self._read()
        if waiting:
            yield b"\n"

    def _decoded(self, decoder: codecs.IncrementalDecoder, chunk: bytes) -> bytes:
        """The chunk as UTF-8; the last one is empty. Raises InputError for what is not in the named encoding."""
        try:
            return decoder.decode(chunk, final=not chunk).encode(UTF8, "replace")
        except UnicodeDecodeError:
            raise InputError(
                "{label} is not in {encoding}. Name its encoding, or let it be found.",
                label=self.label,
                encoding=self._named,
                about="--encoding",
                do="For that leave {about} out.",
            ) from None

    def _utf8(self, text: bytes) -> bytes:
        """These lines as UTF-8 (or as they are, where they are broken). Settles the encoding."""
        if text.isascii():
            return text
        if self.encoding == ASCII:
            self.encoding, self._certain = guessed(text)
        if self.encoding in (GB, BIG5, HONG_KONG, LATIN) and not self._named:
            text = text.decode(codec_of(self.encoding), "replace").encode(UTF8)
        return text.replace(self._wide, NO_DELIMITER.encode()) if self._wide else text

    def _read(self) -> bytes:
        try:
            chunk = self._stream.read(self._block_bytes)
        except OSError as error:
            raise InputError("{label} cannot be read ({reason}).", label=self.label, reason=error.strerror) from error
        self.bytes_read += len(chunk)
        return chunk


def _line_ends(chunk: bytes) -> bytes:
    """The chunk with LF for each CR that stands alone. GB18030, Big5 and UTF-8 have no CR within a character."""
    if b"\r" not in chunk or chunk.count(b"\r") == chunk.count(b"\r\n"):
        return chunk
    return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _values_cleaned(table: pl.DataFrame) -> pl.DataFrame:
    """The table with its values, behind the phone column, as people see them."""
    if table.width == 1:
        return table
    return table.with_columns(unprotected(one_line(table.to_series(at))) for at in range(1, table.width))


def _starts(written: bytes, mended: bytes) -> NDArray[np.int64]:
    """The line (from 0) on which each row of a mended block begins."""
    ends = np.flatnonzero(np.frombuffer(written, np.uint8) == _LF)
    kept = np.flatnonzero(np.frombuffer(mended, np.uint8)[ends] == _LF)
    return np.append(0, kept[:-1] + 1).astype(np.int64)


def _sample(head: bytes, delimiter: str) -> tuple[list[list[str]], list[int]]:
    """(some rows to judge a list by, as this character divides them; the line, from 0, on which each begins)."""
    mended, _ = mend(head, ord(delimiter), last=True)
    text = mended.decode(UTF8, "replace").replace("\0", "").replace("\r", " ").removesuffix("\n")
    lines = [f"{line}\n" for line in text.split("\n")[:SAMPLE_LINES]]
    return [row for line in lines for row in split_rows([line], delimiter)], _starts(head, mended)[
        : len(lines)
    ].tolist()


def _widely_divided(
    head: bytes, whole: tuple[list[list[str]], list[int]]
) -> tuple[bytes, tuple[list[list[str]], list[int]]]:
    """(the full-width mark that divides columns where nothing else does, the sample so divided), or (none, `whole`).

    It counts as the character that no text has, so that values keep their commas.
    """
    for mark in _WIDE_MARKS:
        found = _sample(head.replace(mark, NO_DELIMITER.encode()), NO_DELIMITER)
        filled = [row for row in found[0] if any(row)]
        if filled and sum(len(row) > 1 for row in filled) >= SHARE_MIN * len(filled):
            return mark, found
    return b"", whole


def _side_by_side(head: bytes) -> bool:
    """Whether a text is nothing but numbers of which several stand in a line, divided as no table is.

    In more than one line, what divides the columns of tables may not stand between them: then they are columns.
    """
    text = head.decode(UTF8, "replace")
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines or _LIKE_NUMBERS.fullmatch(text) is None:
        return False
    if len(lines) > 1 and any(delimiter in text for delimiter in DELIMITERS):
        return False
    found = [[each for each in _BETWEEN_NUMBERS.split(line) if each] for line in lines[:SAMPLE_LINES]]
    good = [int((_judged(values) > 0).sum()) for values in found]
    if len(lines) == 1:
        return good[0] > 1 and good[0] >= len(found[0]) / 2
    return max(good) > 1 and all(count == len(values) for count, values in zip(good, found, strict=True))


def _judged(values: Sequence[str]) -> NDArray[np.int64]:
    numbers, _ = normalise("".join(f"{value}\n" for value in values).encode(UTF8, "replace"), international=True)
    return numbers


def _samples(head: bytes) -> tuple[str, ...]:
    found = [each for each in _BETWEEN_NUMBERS.split(head.decode(UTF8, "replace")) if each]
    return tuple(masked_number(to_wire(number)) for number in _judged(found)[:SAMPLES].tolist() if number)


def _no_text(head: bytes) -> bool:
    """Whether there are more control characters in it than any text has."""
    controls = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\f\r\x1b")
    return controls * 50 > len(head)
