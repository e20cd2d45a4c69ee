"""Ids, codes and other short fields of vendors as the log keeps them: one form for answers, reports, history, messages.

Pure. An id joins a report with the request that it is about, so every reader takes it through `identifier`. What would
do something to a terminal, or turn letters round, becomes a sign that only shows it: a character for a character, so
lengths stay, and an ordinary id stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from dispatcher.wording import CONTROLS

ID_CHARS_MAX: Final = 64
CODE_CHARS_MAX: Final = 64

_BLANKS: Final = " \t\r\n\v\f"
_SIGNS: Final = dict.fromkeys(CONTROLS, 0xFFFD) | {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
"""Unicode has a sign for each control character of ASCII."""


def identifier(value: bytes | str) -> str:
    """The id or code as text, without blanks around it; U+FFFD stands for what is no UTF-8 and for what has no sign."""
    text = value if isinstance(value, str) else value.decode("utf-8", "replace")
    return text if _is_plain(text) else (text.strip() or text.strip(_BLANKS)).translate(_SIGNS)


def identifiers(values: Iterable[bytes | str]) -> list[str]:
    """The same for each value; all are judged at once, as hardly ever one is not plain."""
    texts = [value if isinstance(value, str) else value.decode("utf-8", "replace") for value in values]
    return texts if _is_plain("".join(texts)) else [identifier(text) for text in texts]


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text
