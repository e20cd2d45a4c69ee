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

_ZERO: Final = np.uint8(ord("0"))


class Spans:
    """The values text[starts[i]:ends[i]]; at least one."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: Text, starts: Places, ends: Places) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends

    def matrix(self, width: int) -> Text | None:
        """The values as rows, if all of them are `width` bytes long."""
        return self._rows(width) if (self.ends - self.starts == width).all() else None

    def numbers(self) -> NDArray[np.int64] | None:
        """The int64 (core/numbers.py) of each, if all are domestic mobiles of eleven digits."""
        digits = self._digits(DOMESTIC_DIGITS)
        found = None if digits is None else columns.mobiles(digits)
        return found if found is not None and is_domestic(found).all() else None

    def times(self, marks: bytes = b"", marks_at: tuple[int, ...] = ()) -> NDArray[np.uint32] | None:
        """Unix seconds of each YYYYMMDDhhmmss, if all of them are times; `marks` stand between, at those places."""
        rows = self.matrix(columns.TIME_DIGITS + len(marks))
        if rows is None:
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

    def distinct(self) -> tuple[list[bytes], NDArray[np.intp]] | None:
        """The different values and which of them each one is; None if one is empty, too long or holds a NUL."""
        widths = self.ends - self.starts
        low, high = int(widths.min()), int(widths.max())
        if low < 1 or high > WIDTH_MAX or (low < high and self.starts[-1] + high > len(self.text)):
            return None
        rows = self._rows(high)
        if low < high:  # shorter ones are filled up with NULs, which no value holds
            rows *= np.arange(high) < widths[:, None]
            if np.count_nonzero(rows) != widths.sum():
                return None
        elif not rows.all():
            return None
        values = rows.view(f"S{high}").ravel()
        # Neighbours are often alike: reports of one request come together, and most have the same code.
        begins = np.empty(len(values), np.bool_)
        begins[0] = True
        np.not_equal(values[1:], values[:-1], out=begins[1:])
        known: columns.Numbered[bytes] = columns.Numbered()
        of_run = [known[value] for value in values[begins].tolist()]
        if len(of_run) == 1:
            return list(known), np.zeros(len(values), np.intp)
        return list(known), np.array(of_run, np.intp)[begins.cumsum() - 1]

    def _rows(self, width: int) -> Text:
        """`width` bytes from each start on, copied."""
        windows = np.ndarray((len(self.text) - width + 1,), f"V{width}", self.text, 0, (1,))
        return windows[self.starts].view(np.uint8).reshape(-1, width)

    def _digits(self, width: int) -> Text | None:
        rows = self.matrix(width)
        if rows is None:
            return None
        digits = rows - _ZERO
        return digits if digits.max() <= 9 else None
