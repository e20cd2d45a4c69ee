"""Verification codes in messages of a stream: the log has a reference in place of the code; the lane derives it. Pure.

A reference names the secret, the id of the code and its form. The code depends on the number of its message, too, so a
reference in a message to another number is another code.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from dispatcher.core.numbers import Numbers
from dispatcher.core.verification import LENGTHS, CodeKeys
from schemas.batch import Values
from schemas.records import CodeMade

_BEGINS: Final = "⟦code "
_REFERENCE: Final = re.compile("⟦code ([0-9a-f]+) ([0-9a-f]+) ([0-9]+) ([!-~]+)⟧")


def reference(made: CodeMade) -> str:
    """What the log has in place of this code."""
    return f"⟦code {made.mark.hex()} {made.id.hex()} {made.length} {made.alphabet}⟧"


def revealed(values: Values, numbers: Numbers, keys: CodeKeys) -> Values:
    """The values with the codes of these numbers. Raises ValueError if a code was made with another secret."""

    def code(found: re.Match[str], number: int) -> str:
        mark, code_id, length, alphabet = found.groups()
        if bytes.fromhex(mark) != keys.mark:
            raise ValueError(
                "its code was made with another secret: write the same [verification] secret on all machines"
            )
        return keys.code(keys.subject(number), bytes.fromhex(code_id), int(length), alphabet)

    columns = []
    for column in range(len(values.names)):
        texts = _texts(values, column)
        columns.append(
            [
                _REFERENCE.sub(lambda found, number=number: code(found, number), text)  # type: ignore[misc]
                for text, number in zip(texts, numbers.tolist(), strict=True)
            ]
        )
    return packed(values.names, columns)


def masked(text: str) -> str:
    """The text as people see it who may not see codes."""
    return _REFERENCE.sub(lambda found: "*" * min(int(found[3][:3]), LENGTHS[-1]), text) if _BEGINS in text else text


def masked_values(values: Values) -> Values:
    """The values as people see them who may not see codes; each code is as long as it is."""
    if not any(_BEGINS.encode() in text for text in values.texts):
        return values
    return packed(values.names, [[masked(text) for text in _texts(values, at)] for at in range(len(values.names))])


def packed(names: tuple[str, ...], columns: Sequence[Sequence[str]]) -> Values:
    """Values as a batch carries them (schemas/batch.py)."""
    ends, texts, rows = [], [], []
    for column in columns:
        entries = {value: number for number, value in enumerate(dict.fromkeys(column))}
        encoded = [value.encode() for value in entries]
        at, places = 0, []
        for each in encoded:
            at += len(each)
            places.append(at)
        ends.append(struct.pack(f"<{len(places)}I", *places))
        texts.append(b"".join(encoded))
        rows.append(struct.pack(f"<{len(column)}H", *(entries[value] for value in column)))
    return Values(names=names, ends=tuple(ends), texts=tuple(texts), rows=tuple(rows))


def _texts(values: Values, column: int) -> list[str]:
    """One variable's value of each message."""
    ends = [0, *(end for (end,) in struct.iter_unpack("<I", values.ends[column]))]
    entries = [values.texts[column][begin:end].decode() for begin, end in pairwise(ends)]
    return [entries[row] for (row,) in struct.iter_unpack("<H", values.rows[column])]
