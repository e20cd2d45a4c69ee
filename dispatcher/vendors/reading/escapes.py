"""URL encoding as Chinese vendors do it: the way of Java's URLEncoder, in their charset (vendors.md 0.5).

Python's `quote_plus(…, encoding="gbk")` leaves trail bytes in the ASCII range unescaped (镕: `%E9F`), Java escapes both
bytes of a character (`%E9%46`); some decoders read only the latter. Pure.
"""

from __future__ import annotations

import codecs
import re
import string
from typing import Final, Literal

from dispatcher.vendors.reading.forms import unescaped

TextForm = Literal["auto", "escaped", "plain"]
"""How the text of a pushed message is written inside its field; `auto`: escaped if it looks escaped."""

_LITERAL: Final = frozenset(string.ascii_letters + string.digits + ".-*_")
_ESCAPED: Final = re.compile(rb"(?:[!-$&-+\-.-:<-~]|%[0-9A-Fa-f]{2})*", re.ASCII)


WINDOWS_EURO: Final = "windows-euro"
"""An error handler for decoding GB18030, to read GBK as vendors write it.

Their GBK has a euro sign that Python's `gbk` lacks: A2 E3 in Java's (vendors.md 0.5), 80 in that of Windows. GB18030
includes the former; this handler reads the latter.
"""


def _windows_euro(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError) and error.object[error.start] == 0x80:
        return "€", error.start + 1
    raise error


codecs.register_error(WINDOWS_EURO, _windows_euro)


def url_encoded(text: str, charset: str) -> str:
    """The text as Java's `URLEncoder.encode` writes it, but nothing is replaced: raises UnicodeEncodeError."""
    return "".join(
        character
        if character in _LITERAL
        else "+"
        if character == " "
        else "".join(f"%{byte:02X}" for byte in character.encode(charset))
        for character in text
    )


def once_more(value: bytes, form: TextForm) -> bytes:
    """The value without the escapes that `form` prescribes or, with `auto`, the value shows."""
    if form == "escaped" or (form == "auto" and b"%" in value and _ESCAPED.fullmatch(value)):
        return unescaped(value)
    return value


def pushed_text(value: bytes, form: TextForm) -> tuple[str, tuple[str, ...]]:
    """(text, flags) of a pushed message: unescaped at most once, then read as UTF-8, else as GBK (AMB-HZ-5).

    `auto` unescapes only what an encoder can have written: ASCII without blanks, commas and semicolons, each `%` with
    two hex digits behind it. Weak spot: `100%25`, typed by a person and not escaped a second time, becomes `100%`.
    Bytes of neither charset are shown as `\\xNN`, so nothing is lost.
    """
    value = once_more(value, form)
    try:
        return value.decode("utf-8"), ()
    except UnicodeDecodeError:
        pass
    try:
        return value.decode("gb18030", WINDOWS_EURO), ("gbk",)
    except UnicodeDecodeError:
        return value.decode("utf-8", "backslashreplace"), ("broken-text",)
