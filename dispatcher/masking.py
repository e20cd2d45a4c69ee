"""Masks phone numbers and secrets in everything that is logged, kept or printed.

Others may repeat our secrets: an error page that shows the request shows them in its escapes.
Pure. Weak spot: a secret that is escaped twice, or broken into lines, is not found.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final
from urllib.parse import quote, quote_plus

from dispatcher.vendors.reading.escapes import url_encoded

MASKED: Final = "***"
BEGUN_CHARS_MIN: Final = 4
"""The shortest beginning of a secret, or spelling of one, that is masked: shorter ones occur everywhere."""

_UNREADABLE: Final = "\ufffd"
_ESCAPE: Final = re.compile("%[0-9A-F]{2}")
_MOBILE: Final = re.compile(r"(?<!\d)((?:\+?86|0086)?1[3-9]\d)\d{4}(\d{4})(?!\d)")


def masked_number(number: str) -> str:
    """A phone number without its middle: `138****8000`."""
    return f"{number[:3]}****{number[-4:]}" if len(number) > 7 else "*" * len(number)


def masked_mobiles(text: str) -> str:
    """The text with the middle of every mobile number replaced: `138****8000`."""
    return _MOBILE.sub(r"\1****\2", text)


class Masker:
    """Replaces secrets by `***`, in any spelling, in text and in bytes."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = set(filter(None, secrets))
        self._spellings = sorted({each for secret in known for each in spellings(secret)}, key=lambda each: -len(each))
        self._pattern = "|".join([*map(re.escape, self._spellings), *map(_escapable, sorted(known))])

    def text(self, text: str, *, cut: bool = False) -> str:
        """The text without the secrets. `cut`: it was cut, so only the beginning of the last secret may be there."""
        if not (self._pattern and text):
            return text
        text = self._in_text.sub(MASKED, text)
        if cut:
            for spelling in self._spellings:
                for length in range(len(spelling) - 1, BEGUN_CHARS_MIN - 1, -1):
                    if text.endswith(spelling[:length]):
                        return text[:-length] + MASKED
        return text

    def raw(self, data: bytes) -> bytes:
        """The bytes without the secrets."""
        return self._in_bytes.sub(MASKED.encode(), data) if self._pattern else data

    @cached_property
    def _in_text(self) -> re.Pattern[str]:
        return re.compile(self._pattern)

    @cached_property
    def _in_bytes(self) -> re.Pattern[bytes]:
        return re.compile(self._pattern.encode("utf-8", "surrogatepass"))


def spellings(secret: str) -> tuple[str, ...]:
    """The secret verbatim, escaped for a URL (UTF-8, GBK), JSON, HTML, or read in a wrong charset; longest first.

    Only the secret itself if none of its characters is ever escaped.
    """
    long = {each for each in _spellings(secret) if len(each) >= BEGUN_CHARS_MIN and each.strip(_UNREADABLE)}
    return tuple(sorted({secret, *long}, key=lambda each: (-len(each), each)))


def _spellings(secret: str) -> Iterator[str]:
    yield html.escape(secret)
    yield html.escape(secret, quote=False)
    for ascii_only in (True, False):
        written = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        yield from (written, written.replace("/", "\\/"))
    for charset in ("utf-8", "gbk"):
        try:
            raw = secret.encode(charset)
        except UnicodeEncodeError:
            continue
        java = url_encoded(secret, charset)
        for escaped in (java, java.replace("+", "%20"), quote(raw), quote(raw, safe=""), quote_plus(raw)):
            yield escaped
            yield _ESCAPE.sub(lambda found: found[0].lower(), escaped)
        for errors in ("replace", "backslashreplace"):
            yield raw.decode("utf-8", errors)
        yield raw.decode("latin-1")


def _escapable(secret: str) -> str:
    """A pattern of the secret in any case; each character may be percent-escaped, and a blank may be a `+`."""
    return f"(?i:{''.join(map(_any_escape, secret))})"


def _any_escape(character: str) -> str:
    escaped = ("".join(f"%{byte:02x}" for byte in character.encode(charset, "ignore")) for charset in ("utf-8", "gbk"))
    ways = dict.fromkeys([re.escape(character), *escaped, r"\+" if character == " " else ""])
    return f"(?:{'|'.join(filter(None, ways))})"
