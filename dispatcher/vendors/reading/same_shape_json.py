"""JSON lists of flat objects with the same shape: their values as columns of bytes, with no object per value.

Pure. Objects of one length are compared with the first, which is read as JSON: bytes may differ inside values and
nowhere else. For anything else (escapes, nested values, a dozen shapes) the result is None, and a JSON parser reads it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.vendors.reading.byte_columns import ByteColumn, Text, column_of, rows_at

SHAPES_MAX: Final = 12
"""Lists with more different lengths are read faster one by one."""

_PAIR: Final = re.compile(rb'\s*"([^"\\]+)"\s*:\s*(?:"([^"\\]*)"|(0|[1-9][0-9]*))\s*([,}])')
_OPEN, _COMMA, _QUOTE, _ZERO, _BLANK = (ord(character) for character in '{,"0 ')
_ASCII_MAX: Final = 0x7F

Buffer = bytes | memoryview


class Shape(msgspec.Struct, frozen=True):
    """Objects of one shape: their places in the list, and a column per key with a value per row.

    A string without its quotes; a number as its digits. An empty value has no width.
    """

    rows: NDArray[np.intp]
    values: dict[str, ByteColumn]


def read_alike(lists: Sequence[Buffer]) -> tuple[list[Shape], list[int]] | None:
    """The shapes of lists `{…},{…}` (without brackets), and the objects in each. None: other shapes, or not JSON."""
    text = b",".join([*lists, b""])
    if not text.startswith(b"{") or b"\\" in text:
        return None
    characters = np.frombuffer(text, np.uint8)
    lengths = np.array([len(each) + 1 for each in lists])
    return _of_one_shape(text, characters, lengths) or _of_shapes(text, characters, lengths)


def _of_one_shape(text: bytes, characters: Text, lengths: NDArray[np.intp]) -> tuple[list[Shape], list[int]] | None:
    """The same if all objects have the first one's length, the usual case."""
    second = text.find(b"},{") + 2
    width = second if second > 1 else len(text)
    if (lengths % width).any():
        return None
    objects = column_of(characters.reshape(-1, width))
    if objects.low[-1] != _COMMA or objects.high[-1] != _COMMA:
        return None
    values = _values(objects.part(0, width - 1))
    if values is None:
        return None
    return [Shape(np.arange(len(objects.rows)), values)], (lengths // width).tolist()


def _of_shapes(text: bytes, characters: Text, lengths: NDArray[np.intp]) -> tuple[list[Shape], list[int]] | None:
    """The same for objects of any lengths."""
    begins = np.flatnonzero(characters == _OPEN)
    if not (characters[begins[1:] - 1] == _COMMA).all():
        return None
    list_begins = lengths.cumsum() - lengths
    first_of_list = np.searchsorted(begins, list_begins)
    if (begins[np.minimum(first_of_list, len(begins) - 1)] != list_begins).any():
        return None
    widths = np.diff(begins, append=len(text)) - 1
    shapes: list[Shape] = []
    for width in np.flatnonzero(np.bincount(widths)).tolist():
        rows = np.flatnonzero(widths == width)
        if len(shapes) == SHAPES_MAX:
            return None
        values = _values(column_of(rows_at(characters, begins[rows], width)))
        if values is None:
            return None
        shapes.append(Shape(rows, values))
    return shapes, np.diff(first_of_list, append=len(begins)).tolist()


def _values(objects: ByteColumn) -> dict[str, ByteColumn] | None:
    """The values of objects of one length, or None if they differ outside values."""
    spots = _spots(objects.rows[0].tobytes())
    if spots is None:
        return None
    differs = objects.low != objects.high
    found: dict[str, ByteColumn] = {}
    for key, start, end, is_number in spots:
        value = objects.part(start, end)
        if differs[start:end].any() and not (_digits(value) if is_number else _plain(value)):
            return None
        differs[start:end] = False
        found[key] = value
    return None if differs.any() else found


def _spots(first: bytes) -> list[tuple[str, int, int, bool]] | None:
    """(key, where its value begins, where it ends, whether it is a number) of each pair of a flat object."""
    spots = []
    known: dict[str, Any] = {}
    at, ended = 1, False
    try:
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
        whole = msgspec.json.decode(first)
    except (ValueError, msgspec.DecodeError):
        return None
    return spots if at == len(first) and whole == known and len(known) == len(spots) else None


def _digits(value: ByteColumn) -> bool:
    """Whether these are whole numbers as JSON has them."""
    return value.is_digits() and (value.width == 1 or bool((value.rows[:, 0] != _ZERO).all()))


def _plain(value: ByteColumn) -> bool:
    """Whether these are the insides of strings: no quotes, no control characters (the text has no escapes), UTF-8."""
    if value.low.min() < _BLANK or value.holds(_QUOTE):
        return False
    return bool(value.high.max() <= _ASCII_MAX) or all(map(_is_utf8, value.distinct()[0]))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
