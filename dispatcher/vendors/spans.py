"""A column of a pushed list as places in its text: n values in one matrix of bytes, with no object per value.

Pure. Everything here says None where the values are not as regular as it needs; the caller then reads them one by one
(columns.py). It is what lets a push of 500 reports be read in the time of a few dozen numpy calls.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import DOMESTIC_DIGITS, is_domestic
from dispatcher.vendors import columns

WIDTH_MAX: Final = 64
"""A value longer than this is left to whoever reads one by one."""

Places = NDArray[np.intp]
Text = NDArray[np.uint8]
Distinct = tuple[list[bytes], NDArray[np.intp]]

_ZERO: Final = np.uint8(ord("0"))


class Spans:
    """The values text[starts[i]:ends[i]]; at least one."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: Text, starts: Places, ends: Places) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends

    def numbers(self) -> NDArray[np.int64] | None:
        """See `numbers_of`."""
        rows = self._matrix(DOMESTIC_DIGITS)
        return None if rows is None else numbers_of(rows)

    def times(self) -> NDArray[np.uint32] | None:
        """See `times_of`."""
        rows = self._matrix(columns.TIME_DIGITS)
        return None if rows is None else times_of(rows)

    def distinct(self) -> Distinct | None:
        """The different values and which of them each one is; None if one is empty, too long or holds a NUL."""
        widths = self.ends - self.starts
        low, high = int(widths.min()), int(widths.max())
        if low < 1 or high > WIDTH_MAX or (low < high and self.starts[-1] + high > len(self.text)):
            return None
        rows = rows_at(self.text, self.starts, high)
        if low < high:  # shorter ones are filled up with NULs, which no value holds
            rows *= np.arange(high) < widths[:, None]
            if np.count_nonzero(rows) != widths.sum():
                return None
        elif not rows.all():
            return None
        return distinct_of(rows)

    def _matrix(self, width: int) -> Text | None:
        """The values as rows, if all of them are `width` bytes long."""
        return rows_at(self.text, self.starts, width) if (self.ends - self.starts == width).all() else None


def rows_at(text: Text, starts: Places, width: int) -> Text:
    """`width` bytes (at least one) from each start on, copied."""
    windows = np.ndarray((len(text) - width + 1,), f"V{width}", text, 0, (1,))
    return windows[starts].view(np.uint8).reshape(-1, width)


def numbers_of(rows: Text) -> NDArray[np.int64] | None:
    """The int64 (core/numbers.py) of each row, if all are domestic mobiles of eleven digits."""
    if rows.shape[1] != DOMESTIC_DIGITS:
        return None
    digits = rows - _ZERO
    if digits.max() > 9:
        return None
    found = columns.mobiles(digits)
    return found if is_domestic(found).all() else None


def times_of(rows: Text, marks: bytes = b"", marks_at: tuple[int, ...] = ()) -> NDArray[np.uint32] | None:
    """Unix seconds of each YYYYMMDDhhmmss, if all of them are times; `marks` stand between, at those places."""
    if rows.shape[1] != columns.TIME_DIGITS + len(marks):
        return None
    if marks:
        if not (rows[:, marks_at] == np.frombuffer(marks, np.uint8)).all():
            return None
        rows = np.delete(rows, marks_at, axis=1)
    digits = rows - _ZERO
    if digits.max() > 9:
        return None
    found = columns.seconds(digits)
    return found if found.all() else None


def distinct_of(rows: Text) -> Distinct:
    """The different rows (without the NULs behind them) and which of them each one is."""
    values = np.ascontiguousarray(rows).view(f"S{rows.shape[1]}").ravel()
    # Neighbours are often alike: reports of one request come together, and most have the same code.
    begins = np.empty(len(values), np.bool_)
    begins[0] = True
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    known: columns.Numbered[bytes] = columns.Numbered()
    of_run = [known[value] for value in values[begins].tolist()]
    if len(of_run) == 1:
        return list(known), np.zeros(len(values), np.intp)
    return list(known), np.array(of_run, np.intp)[begins.cumsum() - 1]
