"""Url-encoded parameters of a query or a form, without decoding what needs no decoding."""

from __future__ import annotations

from urllib.parse import quote_plus, unquote_to_bytes


def parameters(raw: bytes) -> dict[str, bytes]:
    """Parameters, values still url-encoded; the first of a name counts, empty is like absent (vendors.md 4.1)."""
    fields: dict[str, bytes] = {}
    start = 0
    while start < len(raw):  # by hand: `split` would copy 600 KB twice more
        end = raw.find(b"&", start)
        end = len(raw) if end < 0 else end
        equals = raw.find(b"=", start, end)
        if start < equals < end - 1:
            fields.setdefault(raw[start:equals].decode("latin-1"), raw[equals + 1 : end])
        start = end + 1
    return fields


def names(raw: bytes) -> set[str]:
    """The names of all parameters, also of those that are empty."""
    return {pair.partition(b"=")[0].decode("latin-1") for pair in raw.split(b"&") if pair}


def value(raw: bytes) -> bytes:
    """A parameter's bytes; those without an escape, such as a list of numbers, are not touched."""
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    return unquote_to_bytes(raw) if b"%" in raw else raw


def text(fields: dict[str, bytes], name: str) -> str:
    """A parameter that should be UTF-8; empty if it is not there."""
    return value(fields.get(name, b"")).decode("utf-8", "replace")


def escaped(text: str) -> str:
    """As Java's URLEncoder does it in UTF-8 (vendors.md 0.5)."""
    return quote_plus(text, safe="*").replace("~", "%7E")


def length(text: str, unit: str) -> int:
    """In UTF-16 units, as a text is long on air, or in characters (AMB-X-3)."""
    return len(text.encode("utf-16-le")) // 2 if unit == "utf16" else len(text)
