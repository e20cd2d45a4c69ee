"""The encoding of a text list: the one that the user names, else by its byte order mark, else by its first bytes.

Bytes that are valid UTF-8 are UTF-8. Of GB18030, Big5, UTF-8 with broken characters and Windows-1252 the one is taken
in which the bytes make the most sense: words that lists use, and common characters instead of rare ones.
Weak spot: a character or two that are common in both GB18030 and Big5 are read as GB18030.
"""

from __future__ import annotations

import codecs
import re
from functools import cache
from typing import Final

from dispatcher.errors import InputError

UTF8: Final = "utf-8"
ASCII: Final = "ascii"
GB: Final = "gb18030"
BIG5: Final = "big5"
HONG_KONG: Final = "big5hkscs"
LATIN: Final = "windows-1252"

MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le", "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "utf-16"),
    (codecs.BOM_UTF8, UTF8, ASCII),
)
"""Byte order marks, the codec that each means, and what the encoding is called (UTF-8 only where a text needs it)."""

SAMPLE_BYTES: Final = 64 << 10

SENSE_MIN: Final = 0.3
"""With less sense than this people are asked to look."""

_WIDER: Final = {"gb2312": GB, "gbk": GB, "big5": "cp950", "iso8859-1": LATIN, ASCII: UTF8}
"""Codecs that read more than the one that people name, and never anything else."""

_NO_TEXTS: Final = frozenset({"idna", "punycode", "utf-7", "unicode-escape", "raw-unicode-escape"})
_WORDS: Final = re.compile(
    "手[机機]|[电電][话話]|[号號][码碼]|姓名|[联聯][系絡繫]|[备備][注註]|客[户戶]|地址|公司|先生|女士|小姐"
)
_SIGNS: Final = re.compile("[\u2010-\u203b\u3000-\u301e\u00b7\uff01-\uff5e]")
"""Punctuation and full-width forms, which say nothing of the language."""

_HIGH: Final = re.compile("[^\x00-\x7f]")
_LATIN_LETTER: Final = re.compile(r"(?:(?<=[A-Za-z])[À-ÖØ-öø-ÿŠŒŽšœžŸ]|[À-ÖØ-öø-ÿŠŒŽšœžŸ](?=[a-z]))(?![^\x00-\x7f])")
_BROKEN: Final = "\ufffd"
_BROKEN_COSTS: Final = 3


def marked(start: bytes) -> tuple[str, str, int]:
    """(codec, name, bytes of the mark) of a text that begins so; ("", "", 0) if neither mark nor zero bytes say it."""
    for mark, codec, name in MARKS:
        if start.startswith(mark):
            return codec, name, len(mark)
    unmarked = _unmarked_utf16(start[:SAMPLE_BYTES])
    return (unmarked, "utf-16", 0) if unmarked else ("", "", 0)


def codec_of(name: str) -> str:
    """The codec of the encoding that people call so. Raises InputError if there is none for texts."""
    try:
        found = codecs.lookup(name)
        "".encode(found.name)
        if found.name.replace("_", "-") in _NO_TEXTS:
            raise LookupError
    except (LookupError, ValueError):
        raise InputError(
            '"{name}" is no encoding. Write it like utf-8, gb18030, big5, utf-16 or windows-1252.',
            name=name,
            about="--encoding",
            do="Or leave {about} out: then it is found.",
        ) from None
    return _WIDER.get(found.name, found.name)


def guessed(text: bytes) -> tuple[str, bool]:
    """The name of the encoding of these lines, which are not all ASCII, and whether they make sense in it."""
    sample = text[: text.rfind(b"\n", 0, SAMPLE_BYTES) + 1] or text[:SAMPLE_BYTES]
    try:
        sample.decode(UTF8)
    except UnicodeDecodeError:
        found = {name: _sense(sample, name) for name in (GB, BIG5, HONG_KONG, UTF8, LATIN)}
        best = max(found, key=lambda name: found[name])
        return best, found[best] >= SENSE_MIN
    return UTF8, True


def _sense(sample: bytes, name: str) -> float:
    """How much sense the bytes make in this encoding: from the share of common characters, 1 more for known words."""
    text = sample.decode(codec_of(name), "replace")
    broken = text.count(_BROKEN)
    if name == LATIN:
        high = len(_HIGH.findall(text))
        good = len(_LATIN_LETTER.findall(text))
    else:
        characters = _HIGH.findall(_SIGNS.sub("", text))
        high = len(characters)
        good = high - broken if name == UTF8 else sum(map(_common(name).__contains__, characters))
    return (good - _BROKEN_COSTS * broken) / max(1, high) + (_WORDS.search(text) is not None)


@cache
def _common(name: str) -> frozenset[str]:
    """The characters that a Chinese standard puts first, because they are the common ones."""
    leads, trails, codec = (
        (range(0xB0, 0xD8), range(0xA1, 0xFF), "gb2312")
        if name == GB
        else (range(0xA4, 0xC7), (*range(0x40, 0x7F), *range(0xA1, 0xFF)), "cp950")
    )
    return frozenset(b"".join(bytes((lead, trail)) for lead in leads for trail in trails).decode(codec, "ignore"))


def _unmarked_utf16(start: bytes) -> str:
    """UTF-16 without its mark: digits, commas and line ends have a zero byte on one side only."""
    even, odd, pairs = start[::2].count(0), start[1::2].count(0), len(start) // 2
    if pairs and max(even, odd) > pairs / 3 and min(even, odd) < pairs / 50:
        return "utf-16-le" if odd > even else "utf-16-be"
    return ""
