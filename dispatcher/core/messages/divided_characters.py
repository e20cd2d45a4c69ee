"""A character that lies across two parts of a long message: phones and gateways may cut UCS2 after any 16 bits.

A text cannot hold half of a surrogate pair, so the half at the edge of a part is kept as a character of a private area
until the parts are joined. Pure.
"""

from __future__ import annotations

import re
from typing import Final

_HALF_MIN: Final = 0xD800
_KEPT_MIN: Final = 0x10F800
"""The last 2,048 characters of Unicode, private ones: as many as there are halves."""

_REPLACEMENT: Final = "\ufffd"
_FIRST_HALF: Final = range(0xD800, 0xDC00)
_SECOND_HALF: Final = range(0xDC00, 0xE000)
_KEPT: Final = re.compile("([\U0010f800-\U0010fbff])([\U0010fc00-\U0010ffff])|[\U0010f800-\U0010ffff]")


def read(part: bytes) -> str | None:
    """The text of a part in UTF-16BE whose first or last character may be a half; None if it is wrong elsewhere."""
    before = after = ""
    if len(part) >= 2 and (half := int.from_bytes(part[:2], "big")) in _SECOND_HALF:
        before, part = _kept(half), part[2:]
    if len(part) >= 2 and (half := int.from_bytes(part[-2:], "big")) in _FIRST_HALF:
        after, part = _kept(half), part[:-2]
    try:
        return before + part.decode("utf-16-be") + after
    except UnicodeDecodeError:
        return None


def joined(text: str) -> str:
    """The text of parts behind one another: two halves are a character, one by itself is U+FFFD."""
    return _KEPT.sub(_character, text)


def _kept(half: int) -> str:
    return chr(_KEPT_MIN + half - _HALF_MIN)


def _character(found: re.Match[str]) -> str:
    if found[1] is None:
        return _REPLACEMENT
    halves = (ord(each) - _KEPT_MIN + _HALF_MIN for each in found.groups())
    return b"".join(half.to_bytes(2, "big") for half in halves).decode("utf-16-be")
