"""Texts in the codings of Msg_Fmt (vendors.md 6.7, AMB-CMPP-10 and 29).

We send ASCII (0), UCS2 (8, which is UTF-16BE) and, where an account says so, GB18030 (15). We read all that phones
send; what cannot be read as its label says is not guessed.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

ASCII: Final = 0
BINARY: Final = 4
UCS2: Final = 8
GB: Final = 15

CHARSETS: Final[dict[int, str]] = {ASCII: "ascii", UCS2: "utf-16-be", GB: "gb18030"}
Coding = Literal["auto", "ucs2", "gb18030"]


class ReadText(msgspec.Struct, frozen=True):
    """A text that came; `exact` is False where octets were replaced, or are shown as hex because they are no text."""

    text: str
    exact: bool


def format_of(text: str, coding: Coding = "auto") -> int:
    """The Msg_Fmt for a text: ASCII if it has nothing else, UCS2 or GB otherwise."""
    if coding == "ucs2":
        return UCS2
    if text.isascii():
        return ASCII
    return GB if coding == "gb18030" else UCS2


def read_text(msg_fmt: int, content: bytes) -> ReadText:
    """The text of a message from a phone."""
    charset = CHARSETS.get(msg_fmt)
    if charset is None:
        return ReadText(content.hex(), False)
    try:
        return ReadText(content.decode(charset), True)
    except UnicodeDecodeError:
        return ReadText(content.decode(charset, errors="replace"), False)
