"""The columns of the list that was launched, for the rows of an export: found again by number.

The log keeps no list, only what was sent. Of a number that is there several times the row counts that the launch took:
one that was set aside (a duplicate, a row without a value) only if there is no other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.config.places import Places
from dispatcher.core.numbers import Numbers
from dispatcher.errors import InputError
from dispatcher.service.campaigns.results import ColumnsOf
from dispatcher.store.export.recipients import Language
from dispatcher.store.port import CampaignView, Page, RejectPage, StoreReader
from producers.launch.personal_values import as_text
from producers.lists.columns import Choice, holds_no_text
from producers.lists.normalise import VALUE_CHARS_MAX
from producers.lists.opening import Opened
from producers.lists.phone_column import number_header
from producers.lists.reader.blocks import ListBlock, Reading


class ListColumns:
    """A list that is read whole. `missing` counts the recipients that were looked for and are not in it."""

    def __init__(self, path: str, choice: Choice) -> None:
        """Raises InputError."""
        numbers: list[Numbers] = []
        lines: list[NDArray[np.int64]] = []
        frames: list[pl.DataFrame] = []
        reading = Reading(choice=choice, every_column=True, international=True, phs=True)
        with Opened(path, reading) as opened:
            parts = opened.list.parts()
            assert isinstance(parts, Iterator)
            for part in parts:
                assert part.values is not None
                numbers.append(part.block.numbers)
                lines.append(_lines(part))
                frames.append(part.values)
            headers, column = opened.list.headers, opened.list.column
        if not frames or len(headers) < 2:
            raise InputError(
                "{path} has no columns beside the numbers.",
                path=path,
                about="--with-columns",
                do="Leave --with-columns out.",
            )
        self._numbers: Numbers = np.concatenate(numbers)
        self._lines = np.concatenate(lines)
        table = pl.concat(frames, rechunk=True)
        self._written = table.to_series().cast(pl.String, strict=False).fill_null("")
        self._table = _named(table, headers)
        self.names = tuple(self._table.columns)
        self.number_header = headers[column.index] if column is not None else ""
        """What the list calls its numbers; may be empty."""
        self.missing = 0
        self._sort(np.zeros(len(self._numbers), np.bool_))

    def prefer_taken(self, rejects: Iterator[RejectPage]) -> None:
        """Let rows that were set aside count only for numbers that no other row has."""
        aside = np.zeros(len(self._numbers), np.bool_)
        for page in rejects:
            rows, is_there = self._rows_of(page)
            aside[rows[is_there]] = True
        if aside.any():
            self._sort(aside)

    def of(self, page: Page) -> pl.DataFrame:
        """The columns of a page's recipients; empty for those that are not in the list."""
        at = np.minimum(np.searchsorted(self._known, page.numbers), len(self._known) - 1)
        is_there = self._known[at] == page.numbers
        self.missing += int((~is_there).sum())
        return self._gathered(self._first[at], is_there)

    def of_rejected(self, page: RejectPage) -> pl.DataFrame:
        """The columns of the rows on the same lines, if they hold the same values."""
        return self._gathered(*self._rows_of(page))

    def _sort(self, aside: NDArray[np.bool_]) -> None:
        order = np.lexsort((aside, self._numbers))
        ordered = self._numbers[order]
        first = np.append(True, ordered[1:] != ordered[:-1])
        self._known, self._first = ordered[first], order[first]

    def _rows_of(self, page: RejectPage) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """(the rows on the lines of rejected rows, whether they hold the same)."""
        lines = page.rows.astype(np.int64)
        at = np.minimum(np.searchsorted(self._lines, lines), len(self._lines) - 1)
        written = self._written.gather(at).str.replace_all("\n", " ", literal=True).str.slice(0, VALUE_CHARS_MAX)
        same = (written == pl.Series(page.values, dtype=pl.String)).to_numpy()
        same |= np.array([str(number) for number in self._numbers[at].tolist()]) == np.array(page.values)
        is_there: NDArray[np.bool_] = (self._lines[at] == lines) & same
        return at, is_there

    def _gathered(self, rows: NDArray[np.intp], is_there: NDArray[np.bool_]) -> pl.DataFrame:
        places = pl.Series(rows.astype(np.int64)).set(pl.Series(~is_there), None)
        return pl.DataFrame([column.gather(places) for column in self._table.get_columns()])


def columns_of(columns: ListColumns) -> ColumnsOf:
    """These columns for an export of a campaign."""

    @contextlib.contextmanager
    def opened(_: Places, view: CampaignView, reader: StoreReader) -> Iterator[ListColumns]:
        columns.prefer_taken(reader.rejects(view.id))
        yield columns

    return opened


def _lines(part: ListBlock) -> NDArray[np.int64]:
    if part.lines is not None:
        return part.lines
    return np.arange(part.first, part.first + len(part.block.numbers), dtype=np.int64)


def _named(table: pl.DataFrame, headers: Sequence[str]) -> pl.DataFrame:
    """The columns behind the phone column by their headers, without those that hold no text or nothing at all."""
    found: dict[str, pl.Series] = {}
    for place, (column, header) in enumerate(zip(table.get_columns()[1:], headers, strict=True), 1):
        if holds_no_text(column.dtype):
            continue
        text = as_text(column)
        if text.null_count() == len(text) and not header:
            continue
        name = header or f"column {place}"
        found[name if name not in found else f"{name} ({place})"] = text
    return pl.DataFrame([column.alias(name) for name, column in found.items()])


def header_of_numbers(listed: ListColumns | None, variables: Sequence[str] | None, language: Language) -> str:
    """What to call the numbers beside other columns, so that a launch finds them; "": as always."""
    usual, sure = ("number", "mobile") if language == "en" else ("手机号", "手机号")
    if listed is not None:
        return listed.number_header or number_header(listed.names, usual, sure)
    return "" if variables is None else number_header(variables, usual, sure)
