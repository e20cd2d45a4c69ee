"""msgFormat both ways, and what a WAP push may look like (vendors.md 1.4, 1.5, AMB-COSMS-15, 18, 20)."""

from __future__ import annotations

import codecs
import re
from urllib.parse import quote

FORMATS = ("0", "1", "2", "3")
GB, URLENCODE, UTF8, UCS2 = range(4)
MIXED = (URLENCODE, GB, UTF8, UCS2)

HEX = re.compile(rb"(?:[0-9a-fA-F]{4})*")
JAVA_EURO = b"\xa2\xe3"  # vendors.md 0.5: Python's GBK does not know it

WEIGHT_MAX = 186
BYTES_MAX = 80
TITLE_BYTES_MAX = 10
SCHEME = "http://"


def decoded(raw: bytes, text_format: int) -> str | None:
    """A parameter's bytes as text; None if they are no text of this format."""
    try:
        if text_format == UCS2:
            return bytes.fromhex(raw.decode("ascii")).decode("utf-16-be") if HEX.fullmatch(raw) else None
        return raw.decode("utf-8") if text_format == UTF8 else raw.decode("gbk", "cosms-euro")
    except UnicodeDecodeError:
        return None


def row_format(wanted: str, requested: int, place: int) -> int:
    """The format of the `place`-th row by the switch `row_format`."""
    if wanted == "mixed":
        return MIXED[place % len(MIXED)]
    return GB if wanted == "always0" else requested


def encoded(text: str, text_format: int) -> tuple[int, bytes]:
    """A text as it stands in a row, and the format it really has: UCS2 if GBK cannot carry it."""
    if text_format in (GB, URLENCODE):
        try:
            raw = text.encode("gbk", "cosms-euro")
        except UnicodeEncodeError:
            text_format = UCS2
        else:
            return text_format, quote(raw, safe="").encode() if text_format == URLENCODE else raw
    if text_format == UTF8:
        return UTF8, text.encode("utf-8", "replace")
    return UCS2, text.encode("utf-16-be", "surrogatepass").hex().upper().encode()


def wap_weight(text: str) -> int:
    """A Chinese character is 6 bytes, any other 2; `http://` is not counted."""
    title, hash_sign, url = text.partition("#")
    return sum(2 if char.isascii() else 6 for char in title + hash_sign + url.removeprefix(SCHEME))


def is_wap(text: str) -> bool:
    """`title#URL` within both sizes."""
    title, hash_sign, url = text.partition("#")
    if not (title and hash_sign and url) or not url.isascii():
        return False
    try:
        titled = len(title.encode("gbk"))
    except UnicodeEncodeError:
        return False
    return wap_weight(text) <= WEIGHT_MAX and titled <= TITLE_BYTES_MAX and titled + 1 + len(url) <= BYTES_MAX


def _cosms_euro(error: UnicodeError) -> tuple[str | bytes, int]:
    if isinstance(error, UnicodeEncodeError) and error.object[error.start] == "€":
        return JAVA_EURO, error.start + 1
    if isinstance(error, UnicodeDecodeError) and error.object[error.start : error.start + 2] == JAVA_EURO:
        return "€", error.start + 2
    raise error


codecs.register_error("cosms-euro", _cosms_euro)
