"""Hundreds of pushed reports at once: lists of fields into the columns of `Reports`, with no object per report.

Pure. The vendor decides what a field must look like; here an invalid number or time is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import is_domestic
from dispatcher.core.wire_number import DOMESTIC_DIGITS
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading.identifiers import CODE_CHARS_MAX, identifiers
from schemas.records import Reports

ROWS_MAX: Final = 1_500
"""Reports per record: 0.8 MB with the longest ids and codes, under the topic's limit."""

BYTES_MAX: Final = 400_000
ROW_BYTES: Final = 8 + 4 + 1 + 2 + 4 + 10
"""The most bytes of a row: its columns, and the overhead of its own id and code beside their characters."""

TIME_DIGITS: Final = 14
DAY_S: Final = 86_400

_MOBILE: Final = 10.0 ** np.arange(DOMESTIC_DIGITS - 1, -1, -1)
_ZERO: Final = ord("0")
_MOBILE_OF_ZEROS: Final = _ZERO * int(_MOBILE.sum())
_FIELDS: Final = np.zeros((TIME_DIGITS, 4))
"""The value of each digit of YYYYMMDDhhmmss in the date, hours, minutes and seconds."""

_FIELDS[:8, 0] = 10.0 ** np.arange(7, -1, -1)
_FIELDS[[8, 10, 12], [1, 2, 3]] = 10
_FIELDS[[9, 11, 13], [1, 2, 3]] = 1

Value = TypeVar("Value")


class NumberedValues(dict[Value, int]):
    """Distinct values, numbered from 0 in the order of first use."""

    def __missing__(self, value: Value) -> int:
        number = self[value] = len(self)
        return number


def numbers(values: Sequence[bytes]) -> NDArray[np.int64]:
    """The int64 (core/numbers.py) of each pushed number, 0 if invalid; `86` and the like are removed."""
    rows = _rows(values, DOMESTIC_DIGITS)
    if rows is not None:
        found = mobiles(rows)
        if is_domestic(found).all():
            return found
    return np.fromiter(map(forms.number, values), np.int64, len(values))


def times(values: Sequence[bytes]) -> NDArray[np.uint32]:
    """Unix seconds of each YYYYMMDDhhmmss (Shanghai time), 0 if invalid."""
    rows = _rows(values, TIME_DIGITS)
    if rows is None:
        fit = (value if len(value) == TIME_DIGITS else b"" for value in values)
        return np.fromiter(map(forms.time_s, fit), np.uint32, len(values))
    return seconds(rows - np.uint8(_ZERO))


def mobiles(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The values of rows of eleven digits (their characters)."""
    values = rows.astype(np.float64) @ _MOBILE  # floats multiply fastest; these are exact
    return values.astype(np.int64) - _MOBILE_OF_ZEROS


def seconds(digits: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Unix seconds of rows of fourteen digits, YYYYMMDDhhmmss in Shanghai; 0 if invalid."""
    fields = digits.astype(np.float64) @ _FIELDS  # floats, as only their products are fast; these are exact
    dates, hours, minutes, rest = fields.T
    fine = (hours < 24) & (minutes < 60) & (rest < 60)
    if (dates == dates[0]).all():
        midnights: float | NDArray[np.float64] = midnight_s(int(dates[0]))
        fine &= midnights > 0
    else:
        days, day_of = np.unique(dates, return_inverse=True)
        midnights = np.array([midnight_s(int(day)) for day in days.tolist()], np.float64)[day_of]
        fine &= midnights > 0
    unix_s = midnights + hours * 3_600 + minutes * 60 + rest
    fine &= unix_s < 2**32
    found: NDArray[np.uint32] = (unix_s * fine).astype(np.uint32)
    return found


@lru_cache(maxsize=64)
def midnight_s(day: int) -> int:
    """Unix seconds of the beginning of the day YYYYMMDD, 0 if there is no such day."""
    return forms.time_s(b"%08d000000" % day)


def _rows(values: Sequence[bytes], width: int) -> NDArray[np.uint8] | None:
    """The characters of values that are all `width` digits, one row each; else None."""
    text = np.frombuffer(b",".join([*values, b""]), np.uint8)
    if not values or len(text) != (width + 1) * len(values):
        return None
    rows = text.reshape(-1, width + 1)
    digits = rows[:, :width]
    are_digits = digits.min() >= _ZERO and digits.max() <= _ZERO + 9
    return digits if are_digits and (rows[:, width] == ord(",")).all() else None


def in_columns(
    account: str,
    at_ms: int,
    *,
    ids: Sequence[bytes | str],
    numbers: NDArray[np.int64],
    codes: Sequence[bytes | str],
    state: Callable[[str], int],
    times: NDArray[np.uint32],
) -> list[Reports]:
    """Records of at most ROWS_MAX rows each. `state` gives the meaning of a code (schemas/states.py REPORT_…)."""
    return [
        record(
            account,
            at_ms,
            ids=indexed(ids[rows]),
            numbers=numbers[rows],
            codes=indexed(codes[rows]),
            state=state,
            times=times[rows],
        )
        for rows in (slice(at, at + ROWS_MAX) for at in range(0, len(ids), ROWS_MAX))
    ]


def indexed(values: Sequence[Value]) -> tuple[list[Value], NDArray[np.intp]]:
    """The distinct values in their order, and the index of each value among them."""
    if len(set(values)) == len(values):
        return list(values), np.arange(len(values))
    known: NumberedValues[Value] = NumberedValues()
    index = np.fromiter(map(known.__getitem__, values), np.intp, len(values))
    return list(known), index


Indexed = tuple[Sequence[bytes | str], NDArray[np.intp]]
"""Distinct values, and the index of each row's value."""


def records(
    account: str,
    at_ms: int,
    *,
    ids: Indexed,
    numbers: NDArray[np.int64],
    codes: Indexed,
    state: Callable[[str], int],
    times: NDArray[np.uint32],
) -> list[Reports]:
    """One record if it certainly fits, the usual case; else several of ROWS_MAX rows."""
    size = len(numbers) * ROW_BYTES + sum(map(len, ids[0])) + sum(map(len, codes[0]))
    if size <= BYTES_MAX:
        return [record(account, at_ms, ids=ids, numbers=numbers, codes=codes, state=state, times=times)]
    return in_columns(
        account,
        at_ms,
        ids=[ids[0][at] for at in ids[1].tolist()],
        numbers=numbers,
        codes=[codes[0][at] for at in codes[1].tolist()],
        state=state,
        times=times,
    )


def record(
    account: str,
    at_ms: int,
    *,
    ids: Indexed,
    numbers: NDArray[np.int64],
    codes: Indexed,
    state: Callable[[str], int],
    times: NDArray[np.uint32],
) -> Reports:
    """One record; at most ROWS_MAX rows. `state` gives the meaning of a code (schemas/states.py REPORT_…)."""
    names = [code[:CODE_CHARS_MAX] for code in identifiers(codes[0])]
    states = np.array([state(name) for name in names], np.uint8)[codes[1]]
    of_ids, of_codes = (identifiers(ids[0]), ids[1]), (names, codes[1])
    return packed(account, at_ms, ids=of_ids, numbers=numbers, states=states, codes=of_codes, times=times)


def packed(
    account: str,
    at_ms: int,
    *,
    ids: tuple[list[str], NDArray[np.intp]],
    numbers: NDArray[np.int64],
    states: NDArray[np.uint8],
    codes: tuple[list[str], NDArray[np.intp]],
    times: NDArray[np.uint32],
) -> Reports:
    """One record of these columns as the log has them: little-endian."""
    return Reports(
        account=account,
        at_ms=at_ms,
        ids=ids[0],
        id_index=ids[1].astype("<u4").tobytes(),
        numbers=numbers.astype("<i8", copy=False).tobytes(),
        states=states.tobytes(),
        codes=codes[0],
        code_index=codes[1].astype("<u2").tobytes(),
        times=times.astype("<u4", copy=False).tobytes(),
    )
