"""A column of a pushed list as places in its text: n values in one matrix of bytes, with no object per value.

Pure. Functions return None if the values are not regular enough; the caller then reads them one by one. So a push of
500 reports is read in the time of a few dozen numpy calls.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.wire_number import DOMESTIC_DIGITS, DOMESTIC_END, DOMESTIC_MIN
from dispatcher.vendors.reading import report_columns as columns

WIDTH_MAX: Final = 64
"""A longer value is left to the caller that reads one by one."""

Places = NDArray[np.intp]
Text = NDArray[np.uint8]
Distinct = tuple[list[bytes], NDArray[np.intp]]

_ZERO, _TWO, _THREE, _FIVE, _NINE = (ord(digit) for digit in "02359")
_DATE: Final = 8
_HOURS, _MINUTES, _SECONDS = 8, 10, 12
_CLOCK: Final = (36_000, 3_600, 600, 60, 10, 1)
"""The seconds that each digit of hhmmss counts."""

_TOGETHER: Final = 16
_KEY_BYTES: Final = 8


class ByteColumn:
    """Values of one length, as rows of bytes, with the lowest and the highest byte of each place."""

    __slots__ = ("high", "low", "rows")

    def __init__(self, rows: Text, low: Text, high: Text) -> None:
        self.rows = rows
        self.low = low
        self.high = high

    @property
    def width(self) -> int:
        """Bytes of a value."""
        return int(self.rows.shape[1])

    def part(self, start: int, end: int) -> ByteColumn:
        """The same for some of the places."""
        return ByteColumn(self.rows[:, start:end], self.low[start:end], self.high[start:end])

    def is_same(self) -> bool:
        """Whether all the values are equal."""
        return bool((self.low == self.high).all())

    def is_digits(self) -> bool:
        """Whether the values are digits only; an empty value is not."""
        return bool(self.width and self.low.min() >= _ZERO and self.high.max() <= _NINE)

    def holds(self, character: int) -> bool:
        """Whether some value has this byte."""
        at = np.flatnonzero((self.low <= character) & (self.high >= character))
        return bool(len(at) and (self.rows[:, at] == character).any())

    def numbers(self) -> NDArray[np.int64] | None:
        """The int64 (core/numbers.py) of each value, if all are domestic mobiles of eleven digits."""
        if self.width != DOMESTIC_DIGITS or not self.is_digits():
            return None
        found = columns.mobiles(self.rows)
        return found if found.min() >= DOMESTIC_MIN and found.max() < DOMESTIC_END else None

    def times(self, marks: bytes = b"", marks_at: tuple[int, ...] = ()) -> NDArray[np.uint32] | None:
        """Unix seconds of each YYYYMMDDhhmmss, if all are times; `marks` are the separators and their places."""
        if self.width != columns.TIME_DIGITS + len(marks):
            return None
        rows, low, high, at = self.rows, self.low, self.high, _digits_at(marks_at)
        if marks:
            between = np.frombuffer(marks, np.uint8)
            if (low[[*marks_at]] != between).any() or (high[[*marks_at]] != between).any():
                return None
            low, high = low[at], high[at]
        if low.min() < _ZERO or high.max() > _NINE:
            return None
        if (low[:_DATE] != high[:_DATE]).any():  # more than one day
            found = columns.seconds(rows[:, at] - np.uint8(_ZERO))
            return found if found.all() else None
        midnight_s = columns.midnight_s(int(low[:_DATE].tobytes()))
        if not midnight_s or high[_HOURS] > _TWO or high[_MINUTES] > _FIVE or high[_SECONDS] > _FIVE:
            return None
        if high[_HOURS] == _TWO and high[_HOURS + 1] > _THREE:
            tens, ones = rows[:, at[_HOURS]], rows[:, at[_HOURS + 1]]
            if ((tens == _TWO) & (ones > _THREE)).any():
                return None
        clock = rows[:, at[_HOURS] : at[-1] + 1].astype(np.float32) @ _clock_weights(marks_at)  # exact below 2**24
        since_s = midnight_s - _ZERO * sum(_CLOCK)
        fits = since_s >= 0 and midnight_s + columns.DAY_S <= 2**32
        return clock.astype(np.uint32) + np.uint32(since_s) if fits else None

    def distinct(self) -> Distinct:
        """The distinct values (without trailing NULs) and the index of each value among them."""
        count = len(self.rows)
        differ = np.flatnonzero(self.low != self.high)
        if not len(differ):
            return [self.rows[0].tobytes().rstrip(b"\0")], np.zeros(count, np.intp)
        first, end = int(differ[0]), int(differ[-1]) + 1
        # Neighbours are often equal: reports of one request come together, and most have the same code.
        begins = np.empty(count, np.bool_)
        begins[0] = True
        keys = _keys(self.rows[:, first:end])
        np.not_equal(keys[1:], keys[:-1], out=begins[1:])
        runs = np.ascontiguousarray(self.rows[begins]).view(f"S{self.width}").ravel()
        known: columns.NumberedValues[bytes] = columns.NumberedValues()
        of_run = [known[value] for value in runs.tolist()]
        return list(known), np.array(of_run, np.intp)[begins.cumsum() - 1]


class Spans:
    """The values text[starts[i]:ends[i]]; at least one."""

    __slots__ = ("ends", "starts", "text")

    def __init__(self, text: Text, starts: Places, ends: Places) -> None:
        self.text = text
        self.starts = starts
        self.ends = ends

    def column(self) -> ByteColumn | None:
        """The values, padded with NULs; None if one is empty, too long or holds a NUL."""
        widths = self.ends - self.starts
        low, high = int(widths.min()), int(widths.max())
        if low < 1 or high > WIDTH_MAX or (low < high and self.starts[-1] + high > len(self.text)):
            return None
        rows = rows_at(self.text, self.starts, high)
        if low < high:  # padding must differ from content
            rows *= np.arange(high) < widths[:, None]
            if np.count_nonzero(rows) != widths.sum():
                return None
            return column_of(rows)
        found = column_of(rows)
        return found if found.low.all() else None


def rows_at(text: Text, starts: Places, width: int) -> Text:
    """`width` bytes (at least one) from each start on, copied."""
    windows = np.ndarray((len(text) - width + 1,), f"V{width}", text, 0, (1,))
    return windows[starts].view(np.uint8).reshape(-1, width)


def column_of(rows: Text) -> ByteColumn:
    """The column of these rows, at least one, contiguous."""
    whole = len(rows) // _TOGETHER * _TOGETHER
    if whole <= _TOGETHER:
        return ByteColumn(rows, rows.min(axis=0), rows.max(axis=0))
    width = rows.shape[1]
    wide = rows[:whole].reshape(-1, _TOGETHER * width)  # numpy is four times as fast over wide rows
    low = wide.min(axis=0).reshape(_TOGETHER, width).min(axis=0)
    high = wide.max(axis=0).reshape(_TOGETHER, width).max(axis=0)
    for row in rows[whole:]:
        np.minimum(low, row, out=low)
        np.maximum(high, row, out=high)
    return ByteColumn(rows, low, high)


def beside(left: ByteColumn, right: ByteColumn) -> ByteColumn:
    """Each value of one followed by that of the other."""
    pairs = ((left.rows, right.rows), (left.low, right.low), (left.high, right.high))
    return ByteColumn(*(np.concatenate(pair, axis=-1) for pair in pairs))


def _keys(rows: Text) -> NDArray[np.uint64] | NDArray[np.bytes_]:
    """A key of each row that compares fast."""
    width = rows.shape[1]
    if width > _KEY_BYTES:
        return np.ascontiguousarray(rows).view(f"S{width}").ravel()
    filled = np.zeros((len(rows), _KEY_BYTES), np.uint8)
    filled[:, :width] = rows
    return filled.view(np.uint64).ravel()


@lru_cache(maxsize=8)
def _digits_at(marks_at: tuple[int, ...]) -> NDArray[np.intp]:
    """The places of a time's digits, with separators at these places."""
    return np.delete(np.arange(columns.TIME_DIGITS + len(marks_at)), marks_at)


@lru_cache(maxsize=8)
def _clock_weights(marks_at: tuple[int, ...]) -> NDArray[np.float32]:
    """The seconds that each character from the hours to the end counts; 0 for a separator."""
    at = _digits_at(marks_at)[_HOURS:]
    weights = np.zeros(at[-1] - at[0] + 1, np.float32)
    weights[at - at[0]] = _CLOCK
    return weights


_HEX: Final = np.full(256, -256, np.int16)
for _digit in "0123456789abcdefABCDEF":
    _HEX[ord(_digit)] = int(_digit, 16)


def unquoted(value: bytes) -> bytes:
    """As `unquote_to_bytes`, but vectorised, for texts with thousands of escapes."""
    text = np.frombuffer(value, np.uint8)
    at = np.flatnonzero(text == ord("%"))
    at = at[at < len(text) - 2]
    byte = _HEX[text[at + 1]] * 16 + _HEX[text[at + 2]]
    fine = byte >= 0
    at, byte = at[fine], byte[fine]
    written, kept = text.copy(), np.ones(len(text), np.bool_)
    written[at] = byte
    kept[at + 1] = kept[at + 2] = False
    return written[kept].tobytes()
