"""How COSMS writes: answers in lines, texts by msgFormat, the one-time password (vendors.md 1.1, 1.3, 1.4, 8.1).

Pure. Weak spot: an answer that ends with the connection can lose the end of its last row unnoticed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from http import HTTPStatus
from typing import Final

import msgspec

from dispatcher.core.messages.text import not_carried
from dispatcher.vendors.reading.escapes import WINDOWS_EURO, pushed_text, url_encoded
from dispatcher.vendors.reading.forms import unescaped
from dispatcher.vendors.reading.identifiers import ID_CHARS_MAX, identifiers
from dispatcher.vendors.seam.vendor import Answer

OK, SOME, NONE, WRONG_MD5STR = "100", "200", "300", "208"
"""The codes that the calls need; 300 means that a query has no rows."""

FORMAT_GB, FORMAT_ESCAPED, FORMAT_UTF8, FORMAT_UCS2 = "0", "1", "2", "3"

MD5STR_BYTES_MAX: Final = 32
MD5STR_CHARS: Final = 6
TEXT_CHARS_MAX: Final = 200

_CODE: Final = re.compile(rb"\s*(\d{3})\b([^\r\n]*)")
_CODE_ALONE: Final = re.compile(rb"\s*(\d{3})(?=[\s,]|\Z)")
_ROW_BEGINS: Final = re.compile(rb"[\r\n][ \t]*\d+[ \t]*,[ \t]*\w", re.ASCII)
_ENDS: Final = re.compile(rb"[\r\n]+")
LINES: Final = re.compile(rb"[^\r\n]*[\r\n]+|[^\r\n]+")
"""A line with all of its ends."""

_ROWS: Final = re.compile(r"(?:\d*,[^\s,]{1,64}(?:\s+|\Z))*+", re.ASCII)
_BLANKS: Final = re.compile(r"\s+", re.ASCII)
_COMMA: Final = re.compile(r"[ \t]*,[ \t]*")
_HEX: Final = re.compile(rb"(?:[0-9A-Fa-f]{4})+")

# --- answers ---------------------------------------------------------------------------------------------------------


class CodedAnswer(msgspec.Struct, frozen=True):
    """An answer: its code ("" if not in the document), the bytes behind line 1, its start for people.

    `cut`: `rest` is incomplete; it holds whole lines.
    """

    code: str
    rest: bytes
    text: str
    cut: bool = False


def read_answer(answer: Answer) -> CodedAnswer:
    """Line 1 begins with three digits; the rest of it is ignored. A proxy's `502 Bad Gateway` is not a code.

    The change log allows rows behind a 300 (AMB-COSMS-1); other text is ignored.
    """
    body = answer.body.removeprefix(b"\xef\xbb\xbf")
    text = pushed_text(body[: TEXT_CHARS_MAX * 4], "plain")[0][:TEXT_CHARS_MAX].strip()
    read = _CODE.match(body)
    code = read[1].decode() if read else ""
    if read is None or (code >= "400" and _phrase(code) in read[2].lower()):
        return CodedAnswer("", b"", text, answer.cut)
    rest = body[read.end() :]
    if answer.cut:
        rest = rest[: max(rest.rfind(b"\n"), rest.rfind(b"\r")) + 1]
    if code == NONE and not _ROW_BEGINS.search(rest):
        rest = b""
    return CodedAnswer(code, rest, text, answer.cut)


def _phrase(code: str) -> bytes:
    """What a proxy writes behind these digits; then it is not a vendor's code."""
    try:
        return HTTPStatus(int(code)).phrase.lower().encode()
    except ValueError:
        return b"\n"


def rows(rest: bytes) -> list[bytes]:
    """The lines that are not blank."""
    return [line for line in _ENDS.split(rest) if line.strip()]


def message_ids(rest: bytes) -> tuple[str, ...] | None:
    """The mtIDs of putMt's rows `ignored,mtID` in their order; None if a row is invalid.

    Rows in the documented form are read by a split, three times as fast as one by one.
    """
    try:
        text = rest.decode("ascii").strip()
    except UnicodeDecodeError:
        return None
    first, *ids = ("\n" + text.replace("\r\n", "\n")).split("\n0,")
    if not first and ids and "".join(ids).isdigit() and min(lengths := set(map(len, ids))) > 0:
        return tuple(ids) if max(lengths) <= ID_CHARS_MAX else None
    if " " in text or "\t" in text:
        text = _COMMA.sub(",", text)
    if not _ROWS.fullmatch(text):
        return None
    return tuple(identifiers(row.partition(",")[2] for row in _BLANKS.split(text)))


# --- texts -----------------------------------------------------------------------------------------------------------


def charset_of(*texts: str) -> tuple[str, str]:
    """(msgFormat, charset) that carries all of these: GBK, and UTF-8 only where GBK cannot."""
    if any(not_carried(text, "gbk") for text in texts):
        return FORMAT_UTF8, "utf-8"
    return FORMAT_ESCAPED, "gbk"


def escaped(text: str, charset: str) -> str:
    """Every byte as %XX except letters, digits and `-._`; the vendor recommends escaping all (1.4)."""
    return url_encoded(text, charset).replace("+", "%20").replace("*", "%2A")


def read_text(form: str, value: bytes, *, unescape: bool) -> tuple[str, tuple[str, ...]]:
    """(text, flags) of a text in this msgFormat; format 1 of a row must be unescaped, that of a push already is.

    A text that does not fit its format is read in the other charset, then byte by byte, and flagged.
    """
    if form == FORMAT_UCS2:
        return _ucs2(value)
    if form == FORMAT_ESCAPED and unescape:
        value = unescaped(value)
    flags = () if form in (FORMAT_GB, FORMAT_ESCAPED, FORMAT_UTF8) else ("unknown-format",)
    utf8, gbk = ("utf-8", "strict", "utf-8"), ("gb18030", "strict", "gbk")
    first, second = (utf8, gbk) if form == FORMAT_UTF8 else (gbk, utf8)
    # A byte 80 may be a euro sign in GBK but is common in UTF-8, so it comes last.
    for charset, errors, odd in ((*first[:2], ""), second, ("gb18030", WINDOWS_EURO, "" if first is gbk else "gbk")):
        try:
            return value.decode(charset, errors), (*flags, odd) if odd else flags
        except UnicodeDecodeError:
            continue
    return value.decode("ascii", "backslashreplace"), (*flags, "broken-text")


def _ucs2(value: bytes) -> tuple[str, tuple[str, ...]]:
    """Hex of UTF-16BE, else escaped UTF-16BE, else unchanged (AMB-COSMS-20)."""
    text = value.strip()
    wide = bytes.fromhex(text.decode()) if _HEX.fullmatch(text) else unescaped(text) if b"%" in text else b"\xff"
    try:
        return wide.decode("utf-16-be"), ()
    except UnicodeDecodeError:
        return value.decode("utf-8", "backslashreplace"), ("ucs2-as-it-came",)


# --- the one-time password -------------------------------------------------------------------------------------------


def read_md5str(answer: Answer, known: Container[str]) -> tuple[str, str]:
    """(MD5str, ""), or ("", the code in its place; "" if the answer is neither).

    Line 2 if line 1 is 100, else the whole body without line ends (AMB-COSMS-2, 3). Surrounding blanks are removed,
    unless they complete the six characters of the document. Three digits that are a code are read as one, with
    anything separate behind them.
    """
    body = b"" if answer.cut else _string(answer.body.removeprefix(b"\xef\xbb\xbf"))
    lines = [_string(line) for line in rows(body)]
    read = _CODE_ALONE.match(body) if len(body) != MD5STR_CHARS else None
    code = read[1].decode() if read else ""
    if code == OK:
        lines = lines[1:2]
        body = b"".join(lines)
    elif code in known:
        return "", code
    page = body[:5].lower() in (b"<html", b"<!doc", b"<?xml")
    if page or len(lines) != 1 or len(body) > MD5STR_BYTES_MAX or not body.isascii():
        return "", ""
    return body.decode("ascii"), ""


def _string(value: bytes) -> bytes:
    whole = value.strip(b"\r\n")
    return whole if len(whole) == MD5STR_CHARS else whole.strip(b" \t\r\n")


def one_time_password(corp_id: str, login_name: str, password: str, md5str: str) -> str:
    """The double MD5 of 1.3; the login name is hashed in upper case (AMB-COSMS-5)."""
    inner = hashlib.md5(f"{corp_id}{login_name.upper()}{password}".encode(), usedforsecurity=False).hexdigest()
    return hashlib.md5((inner + md5str).encode(), usedforsecurity=False).hexdigest()
