"""A table for people that never hides anything: on a terminal that is too narrow, each row becomes a paragraph.

    campaign: may-sale  state: delivered  code: DELIVRD  account: spring
      vendor id: 1795277224854001  submitted: 2026-11-21 16:08:42

Drawing only. Columns of prose are folded first, down to PROSE_CELLS_MIN; the others keep their width, or the rows
become paragraphs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

PROSE_CELLS_MIN: Final = 16
INDENT: Final = 2

_GAP: Final = 2


class PlainTable(Table):
    """Columns without lines. Add rows of texts; a column with `no_wrap=False` is prose."""

    def __init__(self) -> None:
        super().__init__(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._fits(console, options):
            yield from super().__rich_console__(console, options)
        else:
            for row in range(self.row_count):
                yield from self._paragraph(row, options.max_width)

    def _fits(self, console: Console, options: ConsoleOptions) -> bool:
        unbounded = options.update(width=1_000_000)
        width = 0
        for column in self.columns:
            cells = [column.header, *column.cells]
            widest = max(Measurement.get(console, unbounded, cell).maximum for cell in cells)
            width += _GAP + (widest if column.no_wrap else min(widest, PROSE_CELLS_MIN))
        return width - _GAP <= options.max_width

    def _paragraph(self, row: int, width: int) -> Iterator[RenderableType]:
        line = Text()
        indent = 0
        for column in self.columns:
            cell = list(column.cells)[row]
            value = cell if isinstance(cell, Text) else Text(str(cell))
            if not value.plain:
                continue
            named = Text(f"{column.header}: " if column.header else "", style="dim").append_text(value)
            if line.plain and line.cell_len + _GAP + named.cell_len > width - indent:
                yield Padding(line, (0, 0, 0, indent), expand=False)
                line, indent = Text(), INDENT
            line = (line.append(" " * _GAP) if line.plain else line).append_text(named)
        yield Padding(line, (0, 0, 0, indent), expand=False)
