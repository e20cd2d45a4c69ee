"""A list in a sheet of an XLSX workbook: one reading gives header, numbers and values together.

Which sheet: the one that is asked for, else the one visible sheet with phone numbers; a hidden sheet is read only if it
is asked for. Columns and rows are those of the sheet, counted from A and 1, whatever is empty. Numbers are taken from
what is stored, with all digits; values are what the spreadsheet shows (number_formats.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.errors import EmptyInput, InputError
from dispatcher.sentences import N_, Sentence, joined
from producers.lists.columns import Choice, Table, one_line
from producers.lists.phone_column import NoColumn, PhoneColumn, find_column, header_notes, headers_of
from producers.lists.xlsx.cells import COLUMNS_MAX, ROWS_MAX, Chunk, chunks_of, column_of, head_of
from producers.lists.xlsx.number_formats import NumberFormat, whole_number
from producers.lists.xlsx.workbook import Damaged, Sheet, Workbook, unescaped

SAMPLE_ROWS: Final = 500
SHEETS_MAX: Final = 255
EXAMPLES_MAX: Final = 3
_ATTRIBUTE: Final = re.compile(r' ([st])="([^"]*)"')


class _Found(msgspec.Struct, frozen=True):
    """A sheet, the rows it begins with, and its phone column."""

    sheet: Sheet
    rows: list[list[str]]
    column: PhoneColumn


class SheetList:
    """A list in a sheet. Raises InputError."""

    encoding: Final = ""

    def __init__(self, file: BinaryIO, label: str, choice: Choice) -> None:
        self.label: Final = label
        self.bytes_read = 0
        self.hidden_rows = 0
        self._choice: Final = choice
        try:
            self._book: Final = Workbook(file, label)
        except Damaged as error:
            raise self._unreadable(error) from error
        self.sheets: Final = tuple(sheet.name for sheet in self._book.sheets)
        try:
            found = self._found()
        except Damaged as error:
            raise self._unreadable(error) from error
        except InputError as error:
            error.sheets = self.sheets
            raise
        self._sheet: Final = found.sheet
        self.column: Final[PhoneColumn] = found.column
        self.headers: Final = headers_of(found.rows, found.column)
        self._unfollowed: dict[str, tuple[str, str]] = {}
        self._unsaved = 0

    @property
    def header_line(self) -> int | None:
        """The row of the header, as the spreadsheet counts."""
        return None if self.column.header_at is None else self.column.header_at + 1

    @property
    def notes(self) -> Sequence[str]:
        """What to say of the list; complete when it is read."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        yield from header_notes(self.column, self.header_line)
        others = [sheet for sheet in self._book.sheets if sheet is not self._sheet]
        if others:
            kinds = [f'"{sheet.name}"{" (hidden)" if sheet.hidden else ""}' for sheet in others[:10]]
            more = f" and {len(others) - 10:,} more" if len(others) > 10 else ""
            yield f'only sheet "{self._sheet.name}" is read, not {", ".join(kinds)}{more}; choose with --sheet'
        if self._sheet.hidden:
            yield f'sheet "{self._sheet.name}" is hidden'
        for code, (stored, sent) in list(self._unfollowed.items())[:EXAMPLES_MAX]:
            yield f'the format "{code}" is not followed: {stored} is sent as "{sent}", not as the spreadsheet shows it'
        if self._unsaved:
            have = "formula has" if self._unsaved == 1 else "formulas have"
            yield (
                f"{self._unsaved:,} {have} no result in the file: open it in a spreadsheet, "
                "save it, and launch it again"
            )

    # --- which sheet -------------------------------------------------------------------------------------------------

    def _found(self) -> _Found:
        sheets, wanted = self._book.sheets, self._choice.sheet
        if wanted is not None:
            sheet = self._wanted(wanted)
            try:
                return self._look_at(sheet)
            except EmptyInput:
                raise InputError(
                    '{label}: sheet "{sheet}" is empty. {there}',
                    label=self.label,
                    sheet=sheet.name,
                    there=self._sheets_there_are(),
                ) from None
        visible = [sheet for sheet in sheets if not sheet.hidden]
        if not visible:
            raise InputError(
                "{label}: all its sheets are hidden. {there}",
                label=self.label,
                there=self._sheets_there_are(),
            )
        if len(visible) > SHEETS_MAX:
            raise InputError(
                "{label} has {count:,} sheets. {there}",
                label=self.label,
                count=len(visible),
                there=self._sheets_there_are(),
            )
        found: list[_Found] = []
        refused: list[tuple[Sheet, InputError]] = []
        for sheet in visible:
            try:
                found.append(self._look_at(sheet))
            except Damaged:
                raise
            except EmptyInput:
                continue
            except InputError as error:
                refused.append((sheet, error))
        lists = [each for each in found if each.column.samples]
        if len(lists) == 1 and all(isinstance(error, NoColumn) for _, error in refused):
            return lists[0]
        if len(found) == 1 and not refused:
            return found[0]
        if len(refused) == 1 and not found:
            raise refused[0][1]
        raise self._unclear(lists, found, refused)

    def _unclear(self, lists: list[_Found], found: list[_Found], refused: list[tuple[Sheet, InputError]]) -> InputError:
        """Why none of several sheets can be taken."""
        if not found and not refused:
            if any(sheet.hidden for sheet in self._book.sheets):
                return InputError(
                    "{label}: its visible sheets are empty. {there}",
                    label=self.label,
                    there=self._sheets_there_are(),
                )
            return EmptyInput("{label} is empty. Give a list with one phone number a row.", label=self.label)
        if len(lists) > 1 and not refused:
            names = ", ".join(f'"{each.sheet.name}"' for each in lists)
            return InputError(
                "{label}: sheets {names} all hold phone numbers.",
                label=self.label,
                names=names,
                about="--sheet",
                do="Say which with {about}.",
            )
        reasons = [
            Sentence('sheet "{sheet}" holds phone numbers', sheet=each.sheet.name)
            if each in lists
            else Sentence('sheet "{sheet}" holds no phone numbers', sheet=each.sheet.name)
            for each in found
        ]
        reasons += [
            Sentence('sheet "{sheet}": {reason}', sheet=sheet.name, reason=_reason(self.label, error))
            for sheet, error in refused
        ]
        return InputError(
            "{label}: {reasons}. {there}",
            label=self.label,
            reasons=joined(reasons, N_("{parts}; {part}")),
            there=self._sheets_there_are(),
        )

    def _sheets_there_are(self) -> Sentence:
        shown = [
            Sentence('{number} "{name}" (hidden)', number=at, name=each.name) if each.hidden else f'{at} "{each.name}"'
            for at, each in enumerate(self._book.sheets[:20], 1)
        ]
        return Sentence(
            "Its sheets are: {names}{more}. Say which with --sheet, by name or number.",
            names=joined(shown),
            more=", …" if len(self._book.sheets) > 20 else "",
        )

    def _wanted(self, wanted: str | int) -> Sheet:
        sheets = self._book.sheets
        if isinstance(wanted, str):
            for alike in (str, str.casefold):
                named = [each for each in sheets if alike(each.name.strip()) == alike(wanted.strip())]
                if named:
                    return named[0]
        if isinstance(wanted, int) or wanted.strip().isdecimal():
            place = int(wanted)
            if 1 <= place <= len(sheets):
                return sheets[place - 1]
        raise InputError(
            '{label} has no sheet "{wanted}". {there}',
            label=self.label,
            wanted=wanted,
            there=self._sheets_there_are(),
        )

    def _look_at(self, sheet: Sheet) -> _Found:
        """The phone column of a sheet. Raises InputError."""
        rows = self._sample(sheet)
        header_at = self._choice.header_at(range(1, len(rows) + 1), self.label)
        column = find_column(
            rows,
            self._choice.column,
            label=self.label,
            named=False if self._choice.header_row == 0 else None,
            header_at=header_at,
            hidden=head_of(self._book, sheet).hidden_columns,
            phs=self._choice.phs,
        )
        return _Found(sheet, rows, column)

    def _sample(self, sheet: Sheet) -> list[list[str]]:
        """The first rows of a sheet, each as wide as its last cell."""
        rows: list[list[str]] = []
        for chunk in chunks_of(self._book, sheet):
            for column, cells in _by_column(chunk).items():
                cells = cells.filter(pl.col("row") <= SAMPLE_ROWS)
                if not cells.height:
                    continue
                texts = self._values(cells, SAMPLED)
                for row, value in zip(texts.rows.tolist(), texts.values.to_list(), strict=True):
                    rows += ([] for _ in range(row - len(rows)))
                    rows[row - 1] += [""] * (column + 1 - len(rows[row - 1]))
                    rows[row - 1][column] = value
            if chunk.end > SAMPLE_ROWS:
                break
        return rows or [[]]

    # --- the cells ---------------------------------------------------------------------------------------------------

    def tables(self, columns: Sequence[int]) -> Iterator[Table]:
        """The phone column and behind it these, without the header and what is above it. Raises InputError."""
        try:
            yield from self._tables(columns)
        except Damaged as error:
            raise self._unreadable(error) from error

    def _tables(self, columns: Sequence[int]) -> Iterator[Table]:
        wanted = [self.column.index, *columns]
        next_row = self.column.skip + 1
        pending: list[tuple[int, int, list[pl.Series], NDArray[np.bool_]]] = []
        for chunk in chunks_of(self._book, self._sheet, set(wanted)):
            last = chunk.end
            if last > ROWS_MAX:
                raise Damaged("it has a row {last:,}, and a sheet ends at {max:,}", last=last, max=ROWS_MAX)
            if last < next_row:
                continue
            cells = _by_column(chunk)
            self._unsaved += chunk.unsaved
            size = last - next_row + 1
            series = [
                self._values(cells[index], NUMBERS if place == 0 else SHOWN).dense(next_row, size)
                if index in cells
                else pl.Series([None], dtype=pl.String).new_from_index(0, size)
                for place, index in enumerate(wanted)
            ]
            hidden = np.zeros(size, np.bool_)
            hidden[[row - next_row for row in chunk.hidden if row >= next_row]] = True
            pending.append((next_row, size, series, hidden))
            next_row = last + 1
            if chunk.last_row:
                yield from self._settled(pending, chunk.last_row)
        return

    def _settled(
        self, pending: list[tuple[int, int, list[pl.Series], NDArray[np.bool_]]], last_row: int
    ) -> Iterator[Table]:
        """What is certain to be part of the list: rows up to the last one with content."""
        held, pending[:] = list(pending), []
        for first, size, series, hidden in held:
            kept = min(size, last_row - first + 1)
            if kept < size:
                pending.append((first + kept, size - kept, [each.slice(kept) for each in series], hidden[kept:]))
            if kept <= 0:
                continue
            frame = pl.DataFrame([each.slice(0, kept).alias(str(place)) for place, each in enumerate(series)])
            unseen = hidden[:kept] & frame.select(pl.any_horizontal(pl.all().is_not_null())).to_series().to_numpy()
            self.hidden_rows += int(unseen.sum())
            if self._choice.hidden_rows == "skip" and hidden[:kept].any():
                shown = np.flatnonzero(~hidden[:kept])
                yield Table(frame[shown], first, (shown + first).astype(np.int64))
            else:
                yield Table(frame, first)

    def _values(self, cells: pl.DataFrame, purpose: str) -> _Values:
        """The cells of one column as text, without those that hold nothing."""
        parts = [
            part.select("row", text=self._converted(part["text"], str(attributes), purpose))
            for (attributes,), part in cells.partition_by("attributes", as_dict=True).items()
        ]
        whole = pl.concat(parts).filter(pl.col("text").str.len_bytes() > 0)
        whole = whole.sort("row") if len(parts) > 1 else whole
        return _Values(whole["row"].to_numpy().astype(np.int64), whole["text"])

    def _converted(self, stored: pl.Series, attributes: str, purpose: str) -> pl.Series:
        """What these cells, which have the same type and style, hold or show."""
        known = dict(_ATTRIBUTE.findall(attributes))
        style = known.get("s", "")
        form = self._book.number_format(int(style) if style.isascii() and style.isdigit() and len(style) < 8 else 0)
        kind = known.get("t", "n")
        if kind == "n":
            if purpose == NUMBERS:
                return _whole_numbers(stored)
            return self._formatted(stored, form, purpose)
        if kind == "b":
            return stored.replace({"1": "TRUE", "0": "FALSE"})
        if kind == "d":
            return stored.str.replace("T", " ", literal=True).str.strip_suffix(" 00:00:00")
        if kind == "s":
            stored = self._shared(stored)
        elif kind in ("str", "inlineStr") and bool(stored.str.contains("_x", literal=True).any()):
            stored = pl.Series([unescaped(text) for text in stored.to_list()], dtype=pl.String)
        if form.changes_text and purpose == SHOWN:
            stored = pl.Series([form.show_text(text) for text in stored.to_list()], dtype=pl.String)
        return one_line(stored)

    def _shared(self, places: pl.Series) -> pl.Series:
        strings = self._book.strings()
        places = places.replace("", None).cast(pl.UInt32, strict=False)
        if bool((places >= len(strings)).any()):
            raise Damaged("a cell refers to a text that is not there")
        return strings.gather(places)

    def _formatted(self, stored: pl.Series, form: NumberFormat, purpose: str) -> pl.Series:
        """Numbers as the spreadsheet shows them; in a sample, whole ones that may be phone numbers as they are."""
        if form.plain and bool(stored.str.contains(_DIGITS).all()):
            return stored
        shown: dict[str, str] = {}
        for text in stored.unique().to_list():
            whole = whole_number(text) if text and purpose == SAMPLED else None
            if not text or (whole is not None and len(whole) >= PHONE_DIGITS_MIN):
                shown[text] = whole or ""
                continue
            found = form.show(text)
            shown[text] = found.text.strip()
            if not found.followed and purpose == SHOWN and form.code not in self._unfollowed:
                self._unfollowed[form.code] = (text, found.text)
        return stored.replace_strict(shown, return_dtype=pl.String) if shown else stored

    def _unreadable(self, error: Exception) -> InputError:
        return InputError(
            "{label} is not a readable workbook ({error}). "
            "Open it in a spreadsheet and save it again as XLSX, or as CSV.",
            label=self.label,
            error=error,
        )


NUMBERS: Final = "numbers"
"""What the phone column is read for: whole numbers with all their digits."""
SHOWN: Final = "shown"
"""What values are read for: the text that the spreadsheet shows."""
SAMPLED: Final = "sampled"
"""What the first rows are read for: headers as they are shown, and whole numbers."""

PHONE_DIGITS_MIN: Final = 7
_DIGITS: Final = r"^(0|[1-9]\d{0,20})$"


class _Values(msgspec.Struct, frozen=True):
    """Texts of a column, and the rows they are in, ascending."""

    rows: NDArray[np.int64]
    values: pl.Series

    def dense(self, first: int, size: int) -> pl.Series:
        """One value for each of these rows, null where there is none. Raises Damaged if a row has two."""
        at = self.rows - first
        inside = at >= 0
        if not inside.all():
            at = at[inside]
        if len(at) > 1 and not (np.diff(at) > 0).all():
            raise Damaged("a cell is there twice")
        if len(at) == size:
            return self.values.slice(len(self.values) - size)
        places = np.full(size, -1, np.int64)
        places[at] = np.arange(len(self.rows) - len(at), len(self.rows))
        wanted = pl.Series(places)
        return self.values.gather(wanted.set(wanted < 0, None))


def _by_column(chunk: Chunk) -> dict[int, pl.DataFrame]:
    """The cells of each column (from 0): their rows, attributes and texts. Raises Damaged if rows do not ascend."""
    if not chunk.cells["row"].is_sorted():
        raise Damaged("its rows are not in their order")
    found = {
        column_of(str(letters)): part for (letters,), part in chunk.cells.partition_by("column", as_dict=True).items()
    }
    if found and max(found) >= COLUMNS_MAX:
        raise Damaged("it has a column beyond the {max:,} of a sheet", max=COLUMNS_MAX)
    return found


def _whole_numbers(stored: pl.Series) -> pl.Series:
    """Stored numbers with all their digits."""
    if bool(stored.str.contains(_DIGITS).all()):
        return stored
    return pl.Series([(whole_number(text) or text) if text else text for text in stored.to_list()], dtype=pl.String)


def _reason(label: str, error: InputError) -> str:
    """An error of one sheet, without the name of the file and the full stop."""
    return str(error).removeprefix(f"{label}: ").removeprefix(f"{label} ").rstrip(".")
