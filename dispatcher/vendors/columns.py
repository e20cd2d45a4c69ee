"""Hundreds of pushed reports at once: lists of fields into the columns of `Reports`, with no object per report.

Pure. What a field must look like is its vendor's business; here a number that is none is 0, and so is such a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import DOMESTIC_DIGITS, is_domestic
from dispatcher.vendors import forms
from schemas.records import Reports

ROWS_MAX: Final = 1_500
"""Reports per record: 0.8 MB with the longest ids and codes, under the topic's limit."""

CODE_CHARS_MAX: Final = 64
TIME_DIGITS: Final = 14

_MOBILE: Final = 10 ** np.arange(DOMESTIC_DIGITS - 1, -1, -1, dtype=np.int64)
_DATE: Final = 10 ** np.arange(7, -1, -1, dtype=np.int64)
_CLOCK: Final = np.array([36_000, 3_600, 600, 60, 10, 1], np.int64)

Value = TypeVar("Value")


class Numbered(dict[Value, int]):
    """Distinct values, numbered from 0 as they are first asked for."""

    def __missing__(self, value: Value) -> int:
        number = self[value] = len(self)
        return number


def numbers(values: Sequence[bytes]) -> NDArray[np.int64]:
    """The int64 (core/numbers.py) of each pushed number, 0 where it is none; `86` and the like are taken off."""
    digits = _digits(values, DOMESTIC_DIGITS)
    if digits is not None:
        found = digits @ _MOBILE
        if is_domestic(found).all():
            return found
    return np.fromiter(map(forms.number, values), np.int64, len(values))


def times(values: Sequence[bytes]) -> NDArray[np.uint32]:
    """Unix seconds of each YYYYMMDDhhmmss (Shanghai time), 0 where it is no time."""
    digits = _digits(values, TIME_DIGITS)
    if digits is None:
        fit = (value if len(value) == TIME_DIGITS else b"" for value in values)
        return np.fromiter(map(forms.time_s, fit), np.uint32, len(values))
    dates = digits[:, :8] @ _DATE
    one_day = (dates == dates[0]).all()
    days, day_of = (dates[:1], 0) if one_day else np.unique(dates, return_inverse=True)
    midnights = np.array([forms.time_s(b"%08d000000" % day) for day in days.tolist()], np.int64)[day_of]
    seconds = midnights + digits[:, 8:] @ _CLOCK
    clock = (digits[:, 8] * 10 + digits[:, 9] < 24) & (digits[:, 10] < 6) & (digits[:, 12] < 6)
    return np.where(clock & (midnights > 0) & (seconds < 2**32), seconds, 0).astype(np.uint32)


def _digits(values: Sequence[bytes], width: int) -> NDArray[np.uint8] | None:
    """The digits (0 to 9) of values that have all `width` of them, one row each; else None."""
    text = np.frombuffer(b",".join([*values, b""]), np.uint8)
    if not values or len(text) != (width + 1) * len(values):
        return None
    rows = text.reshape(-1, width + 1)
    digits = rows[:, :width] - np.uint8(ord("0"))
    return digits if digits.max() <= 9 and (rows[:, width] == ord(",")).all() else None


def in_columns(
    account: str,
    at_ms: int,
    *,
    ids: Sequence[bytes] | Sequence[str],
    numbers: NDArray[np.int64],
    codes: Sequence[bytes] | Sequence[str],
    state: Callable[[str], int],
    times: NDArray[np.uint32],
) -> list[Reports]:
    """Records of at most ROWS_MAX rows each. `state` says what a code means (schemas/states.py REPORT_…)."""
    return [
        _record(account, at_ms, ids[rows], numbers[rows], codes[rows], state, times[rows])
        for rows in (slice(at, at + ROWS_MAX) for at in range(0, len(ids), ROWS_MAX))
    ]


def _record(
    account: str,
    at_ms: int,
    ids: Sequence[bytes] | Sequence[str],
    numbers: NDArray[np.int64],
    codes: Sequence[bytes] | Sequence[str],
    state: Callable[[str], int],
    times: NDArray[np.uint32],
) -> Reports:
    known_ids: Numbered[bytes | str] = Numbered()
    known_codes: Numbered[bytes | str] = Numbered()
    id_index = np.fromiter(map(known_ids.__getitem__, ids), "<u4", len(ids))
    code_index = np.fromiter(map(known_codes.__getitem__, codes), "<u2", len(codes))
    names = [_text(code)[:CODE_CHARS_MAX] for code in known_codes]
    return Reports(
        account=account,
        at_ms=at_ms,
        ids=[_text(vendor_id) for vendor_id in known_ids],
        id_index=id_index.tobytes(),
        numbers=numbers.astype("<i8", copy=False).tobytes(),
        states=np.array([state(name) for name in names], np.uint8)[code_index].tobytes(),
        codes=names,
        code_index=code_index.tobytes(),
        times=times.astype("<u4", copy=False).tobytes(),
    )


def _text(value: bytes | str) -> str:
    return value if isinstance(value, str) else value.decode("utf-8", "replace")
