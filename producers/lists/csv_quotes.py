"""Quotes of a CSV block: line breaks inside a quoted value become blanks, quotes that enclose nothing are removed.

For blocks in which polars counts other rows than line ends (producers/lists/text_file.py). A quoted value may run over
LINES_MAX lines; a quote that opens more than that, or opens nothing (`5" pipe`), is stray and must not swallow the
rows behind it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

LINES_MAX: Final = 100
CARRY_BYTES_MAX: Final = 1 << 20
_QUOTE, _LF, _CR, _BLANK = 34, 10, 13, 32

Positions = NDArray[np.int64]


def mend(block: bytes, delimiter: int, *, last: bool) -> tuple[bytes, bytes]:
    """(the block with one row a line, the rest that belongs to the next block) of whole lines.

    The rest begins with a value whose closing quote is not in this block; it is empty if the block is the `last`.
    """
    text = np.frombuffer(block, np.uint8).copy()
    quotes, ends = np.flatnonzero(text == _QUOTE), np.flatnonzero(text == _LF)
    line = np.searchsorted(ends, quotes)
    odd = np.flatnonzero(np.bincount(line, minlength=len(ends) + 1) & 1)
    after = np.append(text[1:], np.uint8(_LF))[quotes]
    before = np.append(np.uint8(_LF), text[:-1])[quotes]
    opens = np.isin(odd, line[(before == delimiter) | (before == _LF)])
    closes = np.isin(odd, line[(after == delimiter) | (after == _LF) | (after == _CR)])

    openers, closers, stray, hanging = _pair(odd, opens, closes)
    cut = len(block)
    if hanging is not None:
        begin = int(ends[hanging - 1]) + 1 if hanging else 0
        near = len(ends) - hanging <= LINES_MAX and len(block) - begin <= CARRY_BYTES_MAX
        if near and not last:
            cut = begin
        else:
            stray.append(hanging)
    _blank(text, ends, openers, closers)
    text[quotes[np.isin(line, np.array(stray, np.int64))]] = _BLANK
    return text[:cut].tobytes(), block[cut:]


def _pair(
    odd: Positions, opens: NDArray[np.bool_], closes: NDArray[np.bool_]
) -> tuple[list[int], list[int], list[int], int | None]:
    """(lines that open a value, lines that close it, lines with a stray quote, a line whose value stays open)."""
    openers: list[int] = []
    closers: list[int] = []
    stray: list[int] = []
    waiting: int | None = None
    for number, can_open, can_close in zip(odd.tolist(), opens.tolist(), closes.tolist(), strict=True):
        if waiting is not None and can_close and number - waiting <= LINES_MAX:
            openers.append(waiting)
            closers.append(number)
            waiting = None
            continue
        if waiting is not None and can_open:
            stray.append(waiting)
            waiting = number
        elif waiting is None and can_open:
            waiting = number
        else:
            stray.append(number)
    return openers, closers, stray, waiting


def _blank(text: NDArray[np.uint8], ends: Positions, openers: list[int], closers: list[int]) -> None:
    """Make blanks of the line ends from each opening line up to its closing one."""
    depth = np.zeros(len(ends) + 1, np.int8)
    depth[openers] += 1
    depth[closers] -= 1
    inside = np.cumsum(depth[:-1]) > 0
    text[ends[inside]] = _BLANK
