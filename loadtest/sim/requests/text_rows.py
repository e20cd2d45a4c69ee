"""Rows of text made all at once: constant parts and columns side by side, no Python object per row.

Columns are as wide as their longest value and padded with zero bytes; the zeros are dropped at the end, so no value may
contain one (url-encoded text and JSON don't).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Text = NDArray[np.uint8]  # shape (rows, width)

GROUPS = np.array([b"%04d" % i for i in range(10_000)], "S4").view(np.uint32)
DIGITS = 11


def lines(size: int, *parts: bytes | Text) -> bytes:
    """`size` rows, each made of these parts in this order."""
    width = sum(len(p) if isinstance(p, bytes) else p.shape[1] for p in parts)
    table = np.empty((size, width), np.uint8)
    at = 0
    for part in parts:
        if isinstance(part, bytes):
            table[:, at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        else:
            table[:, at : at + part.shape[1]] = part
            at += part.shape[1]
    return table.tobytes().translate(None, b"\0")


def mobiles(numbers: NDArray[np.int64], odd: Sequence[bytes] = ()) -> Text:
    """Numbers of 11 digits as text; -1-k stands for `odd[k]`."""
    table = np.empty((numbers.size, 3), np.uint32)
    rest = numbers // 10_000
    table[:, 2] = GROUPS[numbers - rest * 10_000]
    table[:, 1] = GROUPS[rest % 10_000]
    table[:, 0] = GROUPS[rest // 10_000 % 10_000]
    text = table.view(np.uint8)[:, 1:]
    if not (numbers < 0).any():
        return text
    strings = np.ascontiguousarray(text).view(f"S{DIGITS}").reshape(-1).tolist()
    for place in np.flatnonzero(numbers < 0).tolist():
        strings[place] = odd[-1 - int(numbers[place])]
    return column(np.array(strings, np.bytes_))


def column(values: NDArray[np.bytes_]) -> Text:
    """Byte strings as text."""
    if not values.dtype.itemsize or not values.size:
        return np.zeros((values.size, 0), np.uint8)
    return np.ascontiguousarray(values).view(np.uint8).reshape(values.size, -1)


def chosen(names: Sequence[bytes], which: NDArray[np.uint8]) -> Text:
    """`names[which[i]]` as the i-th row's text."""
    return column(np.array(names, np.bytes_)[which])


def groups(values: NDArray[np.int64]) -> Text:
    """Numbers below 10,000 as four digits."""
    return column(GROUPS[values].view("S4"))
