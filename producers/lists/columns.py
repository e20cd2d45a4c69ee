"""What the user says of a list's columns, which columns placeholders mean, and blocks of columns as they are read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final, Literal

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.errors import InputError
from dispatcher.sentences import Sentence
from producers.lists.phone_column import folded, without_notes

HiddenRows = Literal["skip", "include"]

_BREAKS: Final = "\r\n|[\r\n\x0b\x0c\u0085\u2028\u2029]"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a file the list is, as far as the user says so. None: it is found, or asked about.

    `column` is the phone column's header or number from 1, `sheet` a sheet's name or number from 1, `header_row` the
    line of the header as an editor counts (0: there is none), `encoding` that of a text file. `phs`: fixed lines count
    as numbers.
    """

    column: str | int | None = None
    sheet: str | int | None = None
    header_row: int | None = None
    hidden_rows: HiddenRows | None = None
    encoding: str | None = None
    phs: bool = False

    def check_only_column(self, label: str) -> None:
        """Raises InputError where a sheet or a header's line is asked for in a list that has neither."""
        if self.sheet is not None:
            raise InputError("{label} has no sheets.", label=label, about="--sheet", do="Leave {about} out.")
        if self.header_row is not None:
            raise InputError(
                "{label} names its columns itself.", label=label, about="--header-row", do="Leave {about} out."
            )

    def header_at(self, lines: Sequence[int], label: str) -> int | None:
        """Which of the rows that begin on these lines is the header. Raises InputError."""
        if not self.header_row:
            return None
        if self.header_row not in lines:
            raise InputError(
                "{label}: no row begins on line {header_row} among its first {count:,}.",
                label=label,
                header_row=self.header_row,
                count=len(lines),
                about="--header-row",
                do="Check {about}.",
            )
        return list(lines).index(self.header_row)


def check_hidden_rows(hidden: int, choice: HiddenRows | None, label: str, what: str) -> None:
    """Raises InputError if a list has rows that its sheet does not show and `what` is not given."""
    if hidden and choice is None:
        raise InputError(
            "{label}: {hidden:,} of its rows are hidden in the sheet, by a filter or "
            "by hand. Say whether they are {what}.",
            label=label,
            hidden=hidden,
            what=what,
            about="--hidden-rows",
            do="Give {about} include, or {about} skip.",
        )


class Table(msgspec.Struct, frozen=True):
    """Rows of a list as they were read: the phone column and behind it the variables.

    They begin on line `first` of the file (from 1) and are on a line each, unless `lines` has the line of every row.
    """

    frame: pl.DataFrame
    first: int
    lines: NDArray[np.int64] | None = None


def holds_no_text(kind: pl.DataType) -> bool:
    """Whether a column of this type holds something that cannot be written as one text a row."""
    return kind.is_nested() or kind in (pl.Duration, pl.Binary, pl.Object)


def one_line(text: pl.Series) -> pl.Series:
    """The texts with a blank for each line break."""
    if not bool(text.str.contains(_BREAKS).any()):
        return text
    return text.str.replace_all(_BREAKS, " ")


def find_columns(names: Sequence[str], headers: Sequence[str], label: str) -> list[int]:
    """The index of each variable's column, by header or by number from 1. Raises InputError.

    A header is found as it is, else whatever its case, width, blanks and line breaks, else without its notes in
    brackets.
    """
    return [_find_column(name, headers, label) for name in names]


def _find_column(name: str, headers: Sequence[str], label: str) -> int:
    for compared in (str, folded, without_notes):
        alike = [index for index, header in enumerate(headers) if header and compared(header) == compared(name)]
        if len(alike) > 1:
            numbers = " and ".join(f"{{{index + 1}}}" for index in alike)
            raise InputError(
                '{label} has {count} columns "{name}". Name the one you mean by its number: {numbers}.',
                label=label,
                count=len(alike),
                name=name,
                numbers=numbers,
            )
        if alike:
            return alike[0]
    if name.isascii() and name.isdecimal() and 1 <= int(name) <= len(headers):
        return int(name) - 1
    raise InputError(_unknown(name, headers, label))


def _unknown(name: str, headers: Sequence[str], label: str) -> Sentence:
    placeholder = f"{{{name}}}"
    braces = Sentence("Write {doubled} to send the braces as they are", doubled=f"{{{placeholder}}}")
    if not headers:
        return Sentence(
            "the text has the placeholder {placeholder}, but {label} has no columns. {braces}.",
            placeholder=placeholder,
            label=label,
            braces=braces,
        )
    known = [header for header in headers if header]
    shown = ", ".join(f'"{header[:30]}"' for header in known[:20])
    close = difflib.get_close_matches(name, known, n=1)
    meant = Sentence("Did you mean {close}? ", close=f"{{{close[0]}}}") if close else ""
    return Sentence(
        'the text has the placeholder {placeholder}, but {label} has no column "{name}" (its columns: {shown}). '
        "{meant}{braces}.",
        placeholder=placeholder,
        label=label,
        name=name,
        shown=shown or Sentence("they have no names, the first is {1}"),
        meant=meant,
        braces=braces,
    )


def unprotected(text: pl.Series) -> pl.Series:
    """The texts without what keeps a spreadsheet from changing them: `="0012"` and `'0012` are 0012."""
    if not bool(text.str.contains("^[='＝]").any()):
        return text
    return text.str.replace(r'^[=＝]"([^"]*)"$', "${1}").str.replace(r"^'([0-9=+\-@＝＋－＠])", "${1}")
