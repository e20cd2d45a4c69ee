"""The variables of a personalised campaign: finds rows whose values an account cannot send.

Whole columns at a time. A value is the cell's text without surrounding blanks and invisible characters. A row is set
aside if a value is missing or stands for none (`#N/A`, `NULL`), holds a character that an account of the route cannot
carry, or makes a text too long for one: the reason names the column and the character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from dispatcher.core.invisible import AROUND
from dispatcher.core.messages.template import Template
from dispatcher.core.messages.text import not_carried, units
from dispatcher.errors import InputError
from dispatcher.vendors.seam.vendor import Vendor
from dispatcher.vendors.text_check import named
from producers.lists.columns import holds_no_text
from producers.lists.rejects import Spool
from schemas.batch import Values

CHARACTERS_MAX: Final = 100
"""This many different characters get their own reasons; more share one."""

_ERROR: Final = (
    r"^(?:#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NULL!|NUM!|SPILL!|CALC!|FIELD!|BLOCKED!|CONNECT!|UNKNOWN!|BUSY!|EXTERNAL!"
    r"|PYTHON!|GETTING_DATA|N/A .{0,20}|#+)|NULL|null|[(<\[](?:NULL|null)[)>\]]|\\N|NaN|nan|None|undefined|N/A|n/a)$"
)
"""What spreadsheets and databases write for a missing value or a failed formula."""

_BROKEN: Final = "\ufffd"
_ASTRAL: Final = 0xFFFF


class CheckedValues(msgspec.Struct, frozen=True):
    """The values of a block's rows, the length of each row's text in UTF-16 units, and reason codes (0: fine).

    `hashes` are equal for equal values, and almost never for others.
    """

    values: pl.DataFrame
    lengths: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    codes: NDArray[np.uint8]


class Judge:
    """Finds each row's values and their faults; reasons get a code in `spool`."""

    def __init__(self, template: Template, route: Mapping[str, Vendor], spool: Spool) -> None:
        self._template = template
        self._spool = spool
        self._charsets = {vendor.limits.charset: account for account, vendor in route.items()}
        chars_max, account = min((vendor.limits.text_chars_max, account) for account, vendor in route.items())
        self._chars_max = chars_max
        self._too_long = f'the text is over the {chars_max} characters of account "{account}"'
        self._fine: set[str] = set()
        self._lost: dict[str, str] = {}  # a character -> why it cannot be sent

    def judge(self, columns: Sequence[pl.Series]) -> CheckedValues:
        """Judge the rows of a block whose columns are the variables."""
        rows = len(columns[0])
        lengths = np.full(rows, units(self._template.plain), np.int32)
        codes = np.zeros(rows, np.uint8)
        values = []
        for index, (name, column) in enumerate(zip(self._template.names, columns, strict=True)):
            text = as_text(column.alias(f"{{{name}}}"))
            missing = text.is_null().to_numpy()
            if missing.any():
                _mark(codes, missing, self._spool.code_of(f"no value for {{{name}}}"))
                text = text.fill_null("")
            self._judge_errors(name, text, codes)
            characters = _characters(text)
            self._judge_characters(name, text, characters, codes)
            size = text.str.len_chars().to_numpy().astype(np.int32)
            if any(ord(character) > _ASTRAL for character in characters):
                size += text.str.count_matches("[\U00010000-\U0010ffff]").to_numpy().astype(np.int32)
            lengths += size * self._template.slots.count(index)
            values.append(text.alias(str(index)))
        if (long := lengths > self._chars_max).any():
            _mark(codes, long, self._spool.code_of(self._too_long))
        table = pl.DataFrame(values)
        return CheckedValues(table, lengths, table.hash_rows().to_numpy(), codes)

    def _judge_errors(self, name: str, text: pl.Series, codes: NDArray[np.uint8]) -> None:
        wrong = text.str.contains(_ERROR)
        if not wrong.any():
            return
        for value in text.filter(wrong).unique().sort():
            reason = f"{{{name}}} is {value}, which stands for no value"
            _mark(codes, (text == value).to_numpy(), self._spool.code_of(reason))

    def _judge_characters(self, name: str, text: pl.Series, characters: set[str], codes: NDArray[np.uint8]) -> None:
        for character in characters - self._fine - self._lost.keys():
            self._look_at(character)
        lost = sorted(characters & self._lost.keys())
        if not lost:
            return
        found = text.str.extract(f"([{re.escape(''.join(lost))}])", 1)
        for character in found.drop_nulls().unique():
            reason = f"{{{name}}} has {self._lost[character]}"
            _mark(codes, (found == character).fill_null(False).to_numpy(), self._spool.code_of(reason))

    def _look_at(self, character: str) -> None:
        if character == _BROKEN:
            self._lost[character] = "a broken character"
            return
        for charset, account in self._charsets.items():
            if not_carried(character, charset):
                shown = named(character) if len(self._lost) < CHARACTERS_MAX else "a character"
                self._lost[character] = f'{shown}, which account "{account}" cannot carry ({charset.upper()})'
                return
        self._fine.add(character)


def as_text(column: pl.Series) -> pl.Series:
    """The cells as people read them, without surrounding blanks; null if empty. Raises InputError."""
    if holds_no_text(column.dtype):
        raise InputError(
            "column {column} holds no text and no numbers ({dtype}). Write it as text.",
            column=column.name,
            dtype=column.dtype,
        )
    if column.dtype.is_float():
        whole = column.cast(pl.Int64, strict=False)
        if bool((whole.cast(pl.Float64) == column.cast(pl.Float64)).fill_null(True).all()):
            column = whole
    text = column.cast(pl.String, strict=False).str.strip_chars()
    if text.str.len_bytes().sum() != text.str.len_chars().sum() or bool(text.str.contains("[\x00-\x1f\x7f]").any()):
        text = text.str.replace_all(AROUND, "")
    return text.set(text.str.len_bytes().fill_null(1) == 0, None)


def packed_values(names: tuple[str, ...], columns: Sequence[pl.Series]) -> Values:
    """The values of a batch as it carries them (schemas/batch.py)."""
    ends, texts, rows = [], [], []
    for column in columns:
        at = column.alias("value").to_frame().with_row_index("at").select(pl.col("at").first().over("value"))
        first = at.to_series().to_numpy()  # for each recipient: the first one with the same value
        entry = np.flatnonzero(first == np.arange(len(first)))
        entries = column.gather(entry)
        ends.append(entries.str.len_bytes().cum_sum().to_numpy().astype("<u4").tobytes())
        texts.append(str(entries.str.join("").item()).encode())
        rows.append(np.searchsorted(entry, first).astype("<u2").tobytes())
    return Values(names=names, ends=tuple(ends), texts=tuple(texts), rows=tuple(rows))


def _characters(text: pl.Series) -> set[str]:
    """All non-ASCII characters in these values; every charset has ASCII."""
    if text.str.len_bytes().sum() == text.str.len_chars().sum():
        return set()
    return {character for character in set(str(text.str.join("").item())) if not character.isascii()}


def _mark(codes: NDArray[np.uint8], rows: NDArray[np.bool_], code: int) -> None:
    """A row's first fault is its reason."""
    codes[rows & (codes == 0)] = code
