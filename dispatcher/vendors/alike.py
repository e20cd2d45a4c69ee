"""A JSON list of flat objects that are written alike: their values as columns of bytes, with no object per value.

Pure. Objects of the same length are held against the first of them, which is read as JSON: where a value stands, bytes
may differ; everywhere else they must not. What does not fit (escapes, nested values, a dozen shapes) is None, and a
JSON parser's.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.vendors.spans import Text, rows_at

SHAPES_MAX: Final = 12
"""Lists of more lengths than this are read faster one by one."""

_PAIR: Final = re.compile(rb'\s*"([^"\\]+)"\s*:\s*(?:"([^"\\]*)"|(0|[1-9][0-9]*))\s*([,}])')
_OPEN, _COMMA, _QUOTE, _NINE, _ZERO = (ord(character) for character in '{,"90')


class Shape(msgspec.Struct, frozen=True):
    """Objects of one shape: which of the list they are, and of each key a matrix, a value per row.

    A string without its quotes; a number as its digits. An empty value has no columns.
    """

    rows: NDArray[np.intp]
    values: dict[str, Text]


def read_alike(text: bytes) -> list[Shape] | None:
    """The shapes of `{…},{…}` (a list without its brackets). None: not alike, or no JSON."""
    if not (text.startswith(b"{") and text.endswith(b"}")) or b"\\" in text or not _is_utf8(text):
        return None
    characters = np.frombuffer(text, np.uint8)
    begins = np.flatnonzero(characters == _OPEN)
    if not (characters[begins[1:] - 1] == _COMMA).all():
        return None
    lengths = np.diff(begins, append=len(text) + 1) - 1
    shapes: list[Shape] = []
    for length in np.flatnonzero(np.bincount(lengths)).tolist():
        rows = np.flatnonzero(lengths == length)
        if len(shapes) == SHAPES_MAX:
            return None
        values = _values(rows_at(characters, begins[rows], length))
        if values is None:
            return None
        shapes.append(Shape(rows, values))
    return shapes


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _values(objects: Text) -> dict[str, Text] | None:
    """The values of objects of one length, or None if they differ anywhere else."""
    first = objects[0].tobytes()
    spots = _spots(first)
    if spots is None:
        return None
    differs = (objects != objects[0]).any(axis=0)
    found: dict[str, Text] = {}
    for key, start, end, is_number in spots:
        column = objects[:, start:end]
        if differs[start:end].any() and not (_digits(column) if is_number else _plain(column)):
            return None
        differs[start:end] = False
        found[key] = column
    return None if differs.any() else found


def _spots(first: bytes) -> list[tuple[str, int, int, bool]] | None:
    """(key, where its value begins, where it ends, whether it is a number) of each pair of a flat object."""
    spots = []
    known: dict[str, Any] = {}
    at, ended = 1, False
    while not ended:
        pair = _PAIR.match(first, at)
        if pair is None:
            return None
        number = pair[3] is not None
        value = pair[3] if number else pair[2]
        key = pair[1].decode()
        start, end = pair.span(3 if number else 2)
        spots.append((key, start, end, number))
        known[key] = int(value) if number else value.decode()
        at, ended = pair.end(), pair[4] == b"}"
    try:
        whole = msgspec.json.decode(first)
    except msgspec.DecodeError:
        return None
    return spots if at == len(first) and whole == known and len(known) == len(spots) else None


def _digits(column: Text) -> bool:
    """Whether these are whole numbers as JSON has them."""
    if column.min() < _ZERO or column.max() > _NINE:
        return False
    return column.shape[1] == 1 or bool((column[:, 0] != _ZERO).all())


def _plain(column: Text) -> bool:
    """Whether these are the insides of strings: no quotes, no control characters (the text has no escapes)."""
    return bool((column != _QUOTE).all() and column.min() >= ord(" "))
