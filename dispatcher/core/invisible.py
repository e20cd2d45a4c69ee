"""Invisible characters, and characters that display as a blank. Pure.

People copy both along with numbers, names and words. Readers of such text drop the first and treat the second as
blanks. Invisible are those that Unicode lets every program ignore (Default_Ignorable_Code_Point, 15.0), the marks of
annotations, and controls that break no line.
"""

from __future__ import annotations

import re
from typing import Final

_NOTHING: Final = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_WIDE_BLANKS: Final = "\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u2800\u3000"

AROUND: Final = f"^[{_NOTHING}{_WIDE_BLANKS}]+|[{_NOTHING}{_WIDE_BLANKS}]+$"
"""Invisible characters at either end of a value, for the regular expressions of polars."""

NOTHING: Final = re.compile(f"[{_NOTHING}]+")
WIDE_BLANKS: Final = re.compile(f"[{_WIDE_BLANKS}]")
BLANKS: Final = re.compile(f"[\t\n\x0b\f\r {_WIDE_BLANKS}]+")


def visible(text: str) -> str:
    """The text without invisible characters; blanks and line breaks between words become one blank each."""
    return BLANKS.sub(" ", NOTHING.sub("", text)).strip(" ")
