"""CSV, TSV and TXT lists: bytes of any usual encoding -> blocks of the phone column, in memory that does not grow.

Bytes are read in blocks and cut at line ends; polars takes the wanted columns out of each block. The encoding is UTF-8
(with or without BOM), UTF-16 with BOM, or GBK/GB18030: whatever the first bytes that are not ASCII are. Every line is a
row, blank ones too, so that row numbers are those an editor shows; a line break in quotes ends none (csv_quotes.py).

Weak spot: a line may not be longer than a block (4 MiB).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import BinaryIO, Final

import numpy as np
import polars as pl

from dispatcher.errors import InputError
from producers.lists.csv_quotes import mend
from producers.lists.phone_column import (
    DELIMITERS,
    NO_DELIMITER,
    Column,
    chosen,
    find_column,
    headers_of,
    sniff_delimiter,
    split_rows,
)

BLOCK_BYTES: Final = 4 << 20
SAMPLE_BYTES: Final = 64 << 10
SAMPLE_LINES: Final = 500
_UTF16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_UTF8: Final = "utf-8"
_GB: Final = "gb18030"
_LF: Final = 10


class TextList:
    """A list in a text file. `bytes_read` grows while `blocks` is consumed. Raises InputError."""

    def __init__(
        self, stream: BinaryIO, label: str, wanted: str | int | None, *, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self.label: Final = label
        self.bytes_read = 0
        self.encoding = "ascii"
        self._stream = stream
        self._block_bytes = block_bytes
        self._raw = self._whole_lines()
        self._first = next(self._raw, b"")
        head = self._first[: self._first.rfind(b"\n", 0, SAMPLE_BYTES) + 1] or self._first[:SAMPLE_BYTES]
        head = self._utf8(head)
        divided = {delimiter: _sample(head, delimiter) for delimiter in (*DELIMITERS, NO_DELIMITER)}
        self._delimiter: Final = sniff_delimiter(divided, wanted)
        rows = divided[self._delimiter]
        try:
            self.column: Final[Column] = find_column(rows, wanted, label=label)
        except InputError:
            if _no_text(head):
                raise InputError(
                    f"{label} is neither text nor XLSX nor Parquet, or it is damaged. Save the list again."
                ) from None
            raise
        self.headers: Final = headers_of(rows, self.column)

    def blocks(self) -> Iterator[pl.Series]:
        """The phone column, block after block, without the header."""
        for table in self.tables([]):
            yield table.to_series()

    def tables(self, columns: Sequence[int]) -> Iterator[pl.DataFrame]:
        """The phone column and behind it these, block after block, without the header."""
        first, self._first = self._first, b""
        wanted = [self.column.index, *columns]
        skip, carry = int(self.column.header), b""
        for lines in chain((first,), self._raw):
            table, carry = self._table_of(carry + self._utf8(lines), wanted, last=False)
            yield table.slice(skip) if skip else table
            skip = 0 if len(table) else skip
        if carry:
            yield self._table_of(carry, wanted, last=True)[0].slice(skip)

    def _table_of(self, block: bytes, wanted: Sequence[int], *, last: bool) -> tuple[pl.DataFrame, bytes]:
        """(the wanted columns of these lines, the lines that belong to the next block)."""
        carry = b""
        table = self._split(block, wanted, '"')
        if table is None:
            block, carry = mend(block, ord(self._delimiter), last=last)
            table = self._split(block, wanted, '"')
        if table is None:
            table = self._split(block, wanted, None)
        if table is None:  # without quotes a row is a line, whatever is in it
            raise InputError(f"{self.label} cannot be divided into rows. Save it again as CSV in UTF-8.")
        return chosen(table, [str(index) for index in wanted]), carry

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
                    raise InputError(f"{self.label}: there is no line end in {size}. Give one number a line.")
                continue
            yield b"".join((rest, memoryview(chunk)[:end]))
            rest = chunk[end:]
        if rest:
            yield rest + b"\n"

    def _chunks(self) -> Iterator[bytes]:
        """The file without its BOM; UTF-16 as UTF-8, the line ends of old Macs as LF."""
        chunk = self._read()
        decoder: codecs.IncrementalDecoder | None = None
        if chunk[:2] in _UTF16:
            self.encoding = "utf-16"
            decoder, chunk = codecs.getincrementaldecoder(_UTF16[chunk[:2]])("replace"), chunk[2:]
        chunk = chunk.removeprefix(codecs.BOM_UTF8)
        old_mac: bool | None = None
        while chunk:
            if decoder is not None:
                chunk = decoder.decode(chunk).encode(_UTF8, "replace")
            if old_mac is None:
                old_mac = b"\r" in chunk and b"\n" not in chunk
            yield chunk.replace(b"\r", b"\n") if old_mac else chunk
            chunk = self._read()

    def _utf8(self, text: bytes) -> bytes:
        """These lines as UTF-8 (or as they are, where they are broken). Settles the encoding."""
        if text.isascii():
            return text
        if self.encoding == "ascii":
            self.encoding = _guess(text)
        return text.decode(_GB, "replace").encode(_UTF8) if self.encoding == _GB else text

    def _read(self) -> bytes:
        try:
            chunk = self._stream.read(self._block_bytes)
        except OSError as error:
            raise InputError(f"{self.label} cannot be read ({error.strerror}).") from error
        self.bytes_read += len(chunk)
        return chunk


def _sample(head: bytes, delimiter: str) -> list[list[str]]:
    """Some rows to judge a list by, as this character divides them."""
    mended, _ = mend(head, ord(delimiter), last=True)
    text = mended.decode(_UTF8, "replace").replace("\0", "").replace("\r", " ").removesuffix("\n")
    return split_rows([f"{line}\n" for line in text.split("\n")[:SAMPLE_LINES]], delimiter)


def _no_text(head: bytes) -> bool:
    """Whether there are more control characters in it than any text has."""
    controls = sum(head.count(byte) for byte in range(32) if byte not in b"\t\n\f\r\x1b")
    return controls * 50 > len(head)


def _guess(text: bytes) -> str:
    """UTF-8 if it is that, else GB18030, unless that fits even worse (UTF-8 with a broken character)."""
    try:
        text.decode(_UTF8)
    except UnicodeDecodeError:
        sample = text[:SAMPLE_BYTES]
        broken = {encoding: sample.decode(encoding, "replace").count("\ufffd") for encoding in (_GB, _UTF8)}
        return min(broken, key=lambda encoding: broken[encoding])
    return _UTF8
