"""A block of a list's phone column -> int64 numbers, and what was odd about the rest, kept as it was written.

Most values are eleven bare digits: polars casts the whole column at once, and only what that does not judge
goes through dispatcher/core/numbers.py. No Python object per number anywhere.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.core import numbers as core
from dispatcher.core.wire_number import DOMESTIC_DIGITS

VALUE_CHARS_MAX: Final = 32_767
"""How much of a refused value is kept: as much as a cell of a spreadsheet can hold."""


class Block(msgspec.Struct, frozen=True):
    """The numbers of one block (0: none), and its odd rows: those not written as eleven bare digits, good or bad.

    `odd_rows` are row indices within the block, ascending; `odd_values` their values as written (UTF-8, each ended by
    LF, a line break inside as a blank, cut at VALUE_CHARS_MAX); `odd_reasons` their reason codes (0: a good number).
    """

    numbers: core.Numbers
    odd_rows: NDArray[np.uint32]
    odd_values: bytes
    odd_reasons: core.Bytes


def normalise(values: pl.Series, *, international: bool = False, phs: bool = False) -> Block:
    """The block of these values: text, or numbers as spreadsheets and Parquet files have them."""
    written, whole = _written(values)
    found = whole.fill_null(0).to_numpy()
    plain = core.is_domestic(found)
    if written is not None:
        plain &= written.str.len_bytes().fill_null(0).to_numpy() == DOMESTIC_DIGITS
    odd_rows = np.flatnonzero(~plain)
    if not len(odd_rows):
        empty = np.empty(0, np.uint32)
        return Block(found, empty, b"", np.empty(0, np.uint8))
    odd = (whole.cast(pl.String) if written is None else written).filter(pl.Series(~plain)).fill_null("")
    lines = _lines(odd)
    odd_numbers, reasons = core.normalise(lines, international=international, phs=phs)
    numbers = np.where(plain, found, 0)
    numbers[odd_rows] = odd_numbers
    return Block(numbers, odd_rows.astype(np.uint32), _shortened(odd, lines), reasons)


def barred(block: Block, values: pl.Series, codes: core.Bytes) -> Block:
    """The block of these values where rows with a reason in `codes` have no number, whatever it is."""
    out = (codes > 0) & (block.numbers != 0)
    if not out.any():
        return block
    reasons = np.zeros(len(values), np.uint8)
    reasons[block.odd_rows] = block.odd_reasons
    reasons[out] = codes[out]
    odd_rows = np.union1d(block.odd_rows, np.flatnonzero(out))
    odd = values.cast(pl.String, strict=False).gather(odd_rows).fill_null("")
    numbers = np.where(out, 0, block.numbers)
    return Block(numbers, odd_rows.astype(np.uint32), _shortened(odd, _lines(odd)), reasons[odd_rows])


def _written(values: pl.Series) -> tuple[pl.Series | None, pl.Series]:
    """(the values as text, None if they are whole numbers; the whole numbers in them, null where there is none)."""
    if values.dtype.is_integer():
        return None, values.cast(pl.Int64, strict=False)
    if values.dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        if bool((whole.cast(pl.Float64) == values.cast(pl.Float64)).fill_null(True).all()):
            return None, whole
    text = values.cast(pl.String, strict=False)
    return text, text.cast(pl.Int64, strict=False)


def _lines(values: pl.Series) -> bytes:
    """The values (one or more), each ended by LF."""
    text = str(values.str.join("\n").item())
    if text.count("\n") != len(values) - 1:
        text = str(values.str.replace_all("\n", " ", literal=True).str.join("\n").item())
    return text.encode() + b"\n"


def _shortened(values: pl.Series, lines: bytes) -> bytes:
    longest = values.str.len_chars().max() or 0
    if not isinstance(longest, int) or longest <= VALUE_CHARS_MAX:
        return lines
    return _lines(values.str.slice(0, VALUE_CHARS_MAX))
