"""On which line of its file each row of a list begins, as an editor or a spreadsheet counts.

Rows that follow each other line by line cost nothing; 8 bytes are kept wherever lines and rows part: a value that runs
over several lines, a row that is left out, several numbers in one line.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from producers.lists.dedupe import Growing

_LINE_BITS: Final = np.uint64(32)
_LINE: Final = np.uint64((1 << 32) - 1)


class Lines:
    """The lines of a list's rows. Rows count from 0, lines from 1."""

    def __init__(self) -> None:
        self._breaks: Final = Growing()  # each the row above, its line below
        self._row = self._line = 0

    def add(self, rows: int, first: int, lines: NDArray[np.int64] | None = None) -> None:
        """The next rows, which begin on line `first`, and on a line each unless `lines` says otherwise."""
        if not rows:
            return
        if lines is None:
            at, there = np.zeros(1, np.int64), np.array([first], np.int64)
            last = first + rows - 1
        else:
            at = np.flatnonzero(np.diff(lines, prepend=lines[0] - 2) != 1)
            there, last = lines[at], int(lines[-1])
        if self._row and len(there) and there[0] == self._line + 1:
            at, there = at[1:], there[1:]
        self._breaks.add(((at + self._row).astype(np.uint64) << _LINE_BITS) | there.astype(np.uint64))
        self._row += rows
        self._line = last

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The lines of these rows."""
        breaks = self._breaks.view()
        found = breaks[np.searchsorted(breaks, (rows.astype(np.uint64) + np.uint64(1)) << _LINE_BITS) - 1]
        return (found & _LINE).astype(np.int64) + rows - (found >> _LINE_BITS).astype(np.int64)
