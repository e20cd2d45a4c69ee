"""Which column of a list holds the phone numbers, and how its lines are divided, by its first few hundred rows.

By header (Chinese or English) if there is one that says so, else by content. Never by luck: if two columns look equally
like phone numbers and neither is named so, the user is asked to say which.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import polars as pl

from dispatcher.core.numbers import normalise
from dispatcher.errors import EmptyInput, InputError

DELIMITERS: Final = ",;\t|"
NO_DELIMITER: Final = "\x1f"
"""What divides the columns of a list that has only one: a character no text has."""

HEADERS: Final = (
    ("手机号码", "手机号", "手机", "移动电话", "移动号码", "mobile", "msisdn", "cellphone", "cell"),
    ("电话号码", "联系电话", "联系方式", "电话", "phone", "telephone", "tel"),
    ("号码", "被叫", "recipient", "number", "numbers", "no"),
)
"""Names of a phone column, the surest first; within a rank the leftmost column wins."""

SHARE_MIN: Final = 0.5
"""A column is one of phone numbers if at least this share of its sample is."""

_WORDS: Final = re.compile(r"[a-z]+|[\u4e00-\u9fff]+")


class Column(msgspec.Struct, frozen=True):
    """The phone column: its index from 0, what to call it, and whether the first row is a header."""

    index: int
    name: str
    header: bool


def headers_of(rows: Sequence[Sequence[str]], column: Column) -> tuple[str, ...]:
    """What the columns are called, one for each; empty where a column has no header."""
    width = max(len(row) for row in rows)
    first = [cell.strip() for cell in rows[0]] if column.header else []
    return tuple(first + [""] * (width - len(first)))


def chosen(table: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """These columns of a table, also one twice, called by their place."""
    return pl.DataFrame([table.get_column(name).alias(str(place)) for place, name in enumerate(names)])


def sniff_delimiter(divided: Mapping[str, Sequence[Sequence[str]]], wanted: str | int | None = None) -> str:
    """Of some rows as each of DELIMITERS divides them: the one that divides at least half, and most of them alike.

    Only of those by which the first row has the column named `wanted`, if there are such. NO_DELIMITER: there is none.
    """
    name = wanted.strip().casefold() if isinstance(wanted, str) else ""
    with_it = [each for each, rows in divided.items() if rows and name in (cell.strip().casefold() for cell in rows[0])]
    sure = bool(name and with_it) and len(with_it) < len(divided)
    best, best_score = with_it[0] if sure else NO_DELIMITER, (0.0, 0)
    for delimiter, rows in divided.items():
        if sure and delimiter not in with_it:
            continue
        widths = [len(row) for row in rows if row]
        if sum(width > 1 for width in widths) < max(1, SHARE_MIN * len(widths)):
            continue
        width = max(set(widths) - {1}, key=lambda wide: (widths.count(wide), wide))
        score = (widths.count(width) / len(widths), width)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def split_rows(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    """The cells of these lines."""
    try:
        return list(csv.reader(lines, delimiter=delimiter))
    except csv.Error:
        return [line.split(delimiter) for line in lines]


def find_column(
    rows: Sequence[Sequence[str]], wanted: str | int | None, *, label: str, named: bool | None = None
) -> Column:
    """The phone column of a list that begins with these rows. `named`: the first row is (not) a header, if known.

    `wanted` is a header or a number from 1. Raises InputError if it is not there or if none can be found.
    """
    if not any(cell.strip() for row in rows for cell in row):
        raise EmptyInput(f"{label} is empty. Give a list with one phone number a row.")
    width = max(len(row) for row in rows)
    first = [cell.strip() for cell in rows[0]] + [""] * (width - len(rows[0]))
    ranks = [_rank(cell) for cell in first]
    good = [[number > 0 for number in _numbers(rows, index)] for index in range(width)]

    by_name = False
    if wanted is not None:
        index, by_name = _wanted(wanted, first, label)
    elif named is not False and (ranked := _by_header(ranks, good)) is not None:
        index, by_name = ranked, True
    else:
        index = _by_content(rows, good, first, label)
    header = named if named is not None else by_name or _is_header(first[index], ranks[index])
    return Column(index, _name(first, index, header), header)


def _by_header(ranks: list[int | None], good: list[list[bool]]) -> int | None:
    """The column with the surest name, if its sample has a number in it (or no rows at all)."""
    named = [
        (rank, index)
        for index, rank in enumerate(ranks)
        if rank is not None and not good[index][0] and (any(good[index]) or len(good[index]) == 1)
    ]
    return min(named)[1] if named else None


def _by_content(rows: Sequence[Sequence[str]], good: list[list[bool]], first: list[str], label: str) -> int:
    filled = [sum(1 for row in rows if index < len(row) and row[index].strip()) for index in range(len(good))]
    counts = [sum(column) for column in good]
    likely = [
        index
        for index, count in enumerate(counts)
        if count and count >= SHARE_MIN * (filled[index] - (not good[index][0]))
    ]
    if len(likely) > 1:
        names = ", ".join(f'{index + 1} ("{first[index]}")' for index in likely)
        raise InputError(f"{label}: columns {names} all look like phone numbers. Say which with --column.")
    if likely:
        return likely[0]
    if len(good) == 1:
        return 0
    raise InputError(
        f"{label}: no column looks like phone numbers (columns: {_listed(first)}). "
        "Say which with --column, by its name or its number."
    )


def _wanted(wanted: str | int, first: list[str], label: str) -> tuple[int, bool]:
    """(the index of the column the user asked for, whether by its name)."""
    if isinstance(wanted, str):
        names = [cell.casefold() for cell in first]
        if wanted.strip().casefold() in names:
            return names.index(wanted.strip().casefold()), True
        if not wanted.strip().isdecimal():
            raise InputError(f'{label} has no column "{wanted}". It has: {_listed(first)}.')
    index = int(wanted) - 1
    if not 0 <= index < len(first):
        raise InputError(f"{label} has no column {int(wanted)}: it has {len(first)} ({_listed(first)}).")
    return index, False


def _listed(first: list[str]) -> str:
    shown = [f'"{cell[:30]}"' for cell in first[:20]]
    return ", ".join(shown) + (", …" if len(first) > 20 else "")


def _numbers(rows: Sequence[Sequence[str]], index: int) -> list[int]:
    cells = (row[index].replace("\n", " ") if index < len(row) else "" for row in rows)
    numbers, _ = normalise("".join(f"{cell}\n" for cell in cells).encode("utf-8", "replace"))
    return [int(number) for number in numbers]


def _rank(header: str) -> int | None:
    """How surely this header names a phone column (0 the surest), or None."""
    words = _WORDS.findall(header.casefold())
    joined = "".join(words)
    for rank, names in enumerate(HEADERS):
        for name in names:
            if name == joined or name in words or (not name.isascii() and any(name in word for word in words)):
                return rank
    return None


def _is_header(cell: str, rank: int | None) -> bool:
    """A cell without a digit can't be a number; taking it for a header loses nobody."""
    return bool(cell) and (rank is not None or not any(character.isdigit() for character in cell))


def _name(first: list[str], index: int, header: bool) -> str:
    name = first[index] if header else ""
    return f'"{name}" (column {index + 1})' if name else f"column {index + 1}"
