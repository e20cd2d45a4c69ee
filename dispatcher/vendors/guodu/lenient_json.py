"""JSON as GUODU writes it in answers and pushes, with its oddities (vendors.md 5, AMB-GD-7, 9, 10). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dispatcher.vendors.reading.escapes import WINDOWS_EURO

NO_JSON: Final = (msgspec.DecodeError, UnicodeError, RecursionError)

_SURROGATE: Final = re.compile(
    rb"(\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
"""A lone surrogate as an escape. The group matches lookalikes: an escaped backslash, or a whole pair."""


def trimmed(body: bytes) -> bytes:
    """Without byte order mark, surrounding blanks and one trailing `;` (AMB-GD-9)."""
    return body.removeprefix(b"\xef\xbb\xbf").strip().removesuffix(b";").rstrip()


def word(value: Any) -> str | None:
    """A JSON string or whole number as text, trimmed; None for everything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def folded(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The same with keys in lower case."""
    return {key.lower(): value for key, value in entry.items()}


def parse(text: bytes) -> Any:
    """The JSON value. Raises ValueError for invalid JSON, absurdly long numbers and absurdly deep nesting."""
    try:
        return msgspec.json.decode(text)
    except NO_JSON as error:
        try:
            return msgspec.json.decode(_mended(text))
        except NO_JSON:
            raise ValueError(str(error)) from error


def _mended(text: bytes) -> bytes:
    """Repairs text that one character makes invalid: written in GBK, or cut between its two UTF-16 units."""
    try:
        text = (
            text.decode("utf-8", "surrogatepass").encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
        )
    except UnicodeDecodeError:
        text = text.decode("gb18030", WINDOWS_EURO).encode()
    return _SURROGATE.sub(lambda found: found[1] or b"\\ufffd", text)
