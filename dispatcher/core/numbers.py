"""Phone numbers: written form -> int64 -> digits on the wire. Whole columns at a time.

wire_number.py defines the int64 of a number; 0 is "no number".

Pure: bytes and numpy arrays in, arrays and bytes out. Weak spots: `normalise` accepts only mobiles, and on request
numbers abroad and PHS ones (a PHS number reads like a landline's); a wire number has at most 15 digits after its
leading zeros (E.164), more raise ValueError.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.invisible import NOTHING, WIDE_BLANKS
from dispatcher.core.wire_number import DOMESTIC_DIGITS, DOMESTIC_END, DOMESTIC_MIN, OTHER
from dispatcher.sentences import N_

Numbers = NDArray[np.int64]
Bytes = NDArray[np.uint8]

REASONS: Final = (
    "",
    N_("empty"),
    N_("scientific notation"),
    N_("no number"),
    N_("too short"),
    N_("too long"),
    N_("not a mobile number"),
    N_("international"),
    N_("ambiguous international number"),
    N_("several numbers in one cell"),
    N_("other text beside the number"),
)
"""Why `normalise` refuses a value, by reason code; code 0 means good."""

_EMPTY, _SCIENTIFIC, _NO_NUMBER, _SHORT, _LONG, _NO_MOBILE, _INTERNATIONAL, _AMBIGUOUS, _SEVERAL, _BESIDE = range(1, 11)

AMONG_OTHERS: Final = (REASONS[_SEVERAL], REASONS[_BESIDE])
"""Reasons of values that hold more than a number."""

ADVICE: Final = {
    "scientific notation": "a spreadsheet cut the digits off; format the column as text and save the list again",
    "international": "not every account of this route sends abroad",
    "ambiguous international number": "without its + it reads like a Chinese mobile, whose owner would get the text",
    "several numbers in one cell": "put each on a row of its own",
    "other text beside the number": "leave only the number in its cell",
    "not a mobile number": "eleven digits, but no 13…19 number: a landline or a typing error",
}
"""Notes for the user about some reasons."""

_LF: Final = 10
_ZERO: Final = 48
_POWERS: Final = 10 ** np.arange(19, dtype=np.int64)

# --- int64 <-> the wire ----------------------------------------------------------------------------------------------


def is_domestic(values: Numbers) -> NDArray[np.bool_]:
    """Which of these are domestic mobiles."""
    return (values >= DOMESTIC_MIN) & (values < DOMESTIC_END)


def is_abroad(values: Numbers) -> NDArray[np.bool_]:
    """Which of these have a country code: neither domestic mobiles nor numbers with an area code."""
    abroad: NDArray[np.bool_] = (values >= OTHER) & (values < 2 * OTHER)
    return abroad


def encode(values: Numbers, separator: bytes = b",") -> bytes:
    """The wire forms of these numbers, joined by `separator` (one byte), as in a batch.

    Raises ValueError if one of them is not the code of a number.
    """
    if not len(values):
        return b""
    if not is_domestic(values).all():
        return _encode_mixed(values, separator)
    return _digits_11(values, separator[0]).tobytes()[:-1]


def decode(wire: bytes | memoryview, separator: bytes = b",") -> Numbers:
    """The numbers of comma-joined wire forms, in order. Raises ValueError if one is empty or not digits."""
    text = np.frombuffer(wire, np.uint8)
    if not len(text):
        return np.empty(0, np.int64)
    step = DOMESTIC_DIGITS + 1
    if len(text) % step == DOMESTIC_DIGITS:
        rows = np.append(text, np.uint8(separator[0])).reshape(-1, step)
        digits = rows[:, :DOMESTIC_DIGITS] - np.uint8(_ZERO)
        if (rows[:, DOMESTIC_DIGITS] == separator[0]).all() and digits.max() <= 9:
            values = _number_11(digits)
            if is_domestic(values).all():
                return values
    ends = np.append(np.flatnonzero(text == separator[0]), len(text))
    starts = np.append(0, ends[:-1] + 1)
    return _decode_mixed(text, starts, ends)


_PAIRS = np.frombuffer(b"".join(b"%04d" % n for n in range(10_000)), np.uint32)
_HEAD = np.frombuffer(b"".join(b"%03d" % n for n in range(1_000)), np.uint8).reshape(-1, 3)
_LINE_11 = np.dtype({"names": ["head", "mid", "low", "end"], "formats": ["3u1", "<u4", "<u4", "u1"],
                     "offsets": [0, 3, 7, 11], "itemsize": 12})  # fmt: skip


def _digits_11(values: Numbers, end: int) -> NDArray[np.void]:
    """Eleven digits and an `end` byte a number, by table: three digits, four, four."""
    lines = np.empty(len(values), _LINE_11)
    high = values // 10_000
    lines["low"] = _PAIRS[values - high * 10_000]
    head = high // 10_000
    lines["mid"] = _PAIRS[high - head * 10_000]
    lines["head"] = _HEAD[head]
    lines["end"] = end
    return lines


def _number_11(digits: Bytes) -> Numbers:
    """The number in each row of eleven digits (values 0 to 9)."""
    value = digits[:, 0].astype(np.int64)
    for column in range(1, DOMESTIC_DIGITS):
        value *= 10
        value += digits[:, column]
    return value


def _digits_count(values: Numbers) -> Numbers:
    return np.maximum(np.searchsorted(_POWERS, values, side="right"), 1)


def _encode_mixed(values: Numbers, separator: bytes) -> bytes:
    domestic = is_domestic(values)
    if ((values < OTHER) & ~domestic).any():
        raise ValueError("not every value is the code of a number")
    zeros = np.where(domestic, 0, values // OTHER - 1)
    digits = np.where(domestic, values, values % OTHER)
    count = _digits_count(digits)
    ends = np.cumsum(zeros + count + 1) - 1
    text = np.full(ends[-1] + 1, _ZERO, np.uint8)
    text[ends] = separator[0]
    for place in range(int(count.max())):
        held = np.flatnonzero(count > place)
        text[ends[held] - 1 - place] = _ZERO + digits[held] // _POWERS[place] % 10
    return text.tobytes()[:-1]


def _decode_mixed(text: Bytes, starts: Numbers, ends: Numbers) -> Numbers:
    length = ends - starts
    if not length.min():
        raise ValueError("a number is empty")
    value = np.zeros(len(starts), np.int64)
    zeros = np.zeros(len(starts), np.int64)
    for place in range(int(length.max())):
        held = np.flatnonzero(length > place)
        digit = text[ends[held] - 1 - place].astype(np.int64) - _ZERO
        if digit.min() < 0 or digit.max() > 9 or (place >= 15 and digit.any()):
            raise ValueError("a wire number is at most 15 ASCII digits after its leading zeros")
        if place < 15:
            value[held] += digit * _POWERS[place]
    zeros = length - _digits_count(value)
    domestic = is_domestic(value) & (length == DOMESTIC_DIGITS)
    return np.where(domestic, value, value + OTHER * (1 + zeros))


# --- what people write -> int64 --------------------------------------------------------------------------------------

_DROPPED: Final = b" \t\r\v\f-().'\"`=_"
_CONTROLS: Final = bytes(code for code in range(32) if code not in b"\t\n\v\f\r") + b"\x7f"
_FOLDED: Final = {
    # Full-width forms count as ASCII; hyphens, brackets and the middle dot as nothing.
    **{chr(0xFF10 + digit): str(digit) for digit in range(10)},
    "Ｅ": "e",
    "ｅ": "e",
    "＋": "+",
    "．": ".",
    "，": ",",
    **dict.fromkeys("－（）＇＂\u2010\u2011\u2012\u2013\u2014\u2015\u2018\u2019\u201c\u201d\u2212\u00b7", ""),
}
_FOLDS: Final = {
    prefix: [(wide.encode(), plain.encode()) for wide, plain in _FOLDED.items() if wide.encode()[:-1] == prefix]
    for prefix in {wide.encode()[:-1] for wide in _FOLDED}
}
"""The same as bytes, by all but their last byte: a value without these prefixes needs no further check."""

_DECIMAL: Final = re.compile(rb"^([^.\n]*\d)\.(\d+)(?=[\"' \t\r]*$)", re.MULTILINE)
_DECIMAL_DIGITS_MIN: Final = 8
"""With this many digits before it a single dot is a decimal point; with fewer it may divide a number like a hyphen."""
_GROUPED: Final = re.compile(
    rb"(?<![\d,.])(?:\d{1,3}(?:,\d{3}){3,4}|\d{3},\d{4},\d{4})(?=(?:\.0+)?[\"' \t\r]*$)", re.MULTILINE
)
_EXACT: Final = re.compile(rb"(?<![\d.])(\d)\.(\d{10})0*e\+?10(?=[\"' \t\r]*$)", re.MULTILINE | re.IGNORECASE)
_NUMBER: Final = re.compile(rb"(?<!\d)(?:\+?86[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}(?!\d)")
_GLUED: Final = re.compile(rb"\D*(?:1[3-9]\d{9}){2,}\D*")
_BETWEEN: Final = re.compile("/|,|;|[|]|&|、|；|或".encode())
_DIGIT: Final = re.compile(rb"\d")
_PART_DIGITS_MIN: Final = 7
_SEVERAL_BYTES_MIN: Final = 2 * _PART_DIGITS_MIN


def normalise(lines: bytes, *, international: bool = False, phs: bool = False) -> tuple[Numbers, Bytes]:
    """(numbers, reason codes) of values as people write them, one a line, UTF-8, each line ended by LF.

    A good value has reason code 0; a refused one has number 0 and a reason (`REASONS`). Accepted around the eleven
    digits: blanks, hyphens, dots, brackets, quotes, tabs, full-width forms, invisible characters, a spreadsheet's
    `="…"` and `.00`, commas between thousands, an exponent that keeps all digits (`1.3800138000E10`), and the country
    code as `86`, `+86` or `0086`. `international`: numbers abroad, with `+` or `00` before the country code, are good,
    too, except those that read like a mobile here without it (vendors.md AMB-COSMS-13). `phs`: so are numbers with `0`
    and an area code in China, as COSMS writes PHS phones (vendors.md 1.5).
    """
    written, lines = lines, _plain(lines)
    text = np.frombuffer(lines, np.uint8)
    ends = np.flatnonzero(text == _LF)
    starts = np.append(0, ends[:-1] + 1) if len(ends) else ends
    reasons = np.zeros(len(ends), np.uint8)
    reasons[starts == ends] = _EMPTY

    abroad = text[starts] == ord("+")
    starts = starts + abroad
    _judge_letters(text, starts, ends, reasons)
    double_zero = _begins(text, starts, ends, b"00", reasons)
    starts, abroad = starts + 2 * double_zero, abroad | double_zero
    country = _begins(text, starts, ends, b"86", reasons) & (abroad | (ends - starts == 2 + DOMESTIC_DIGITS))
    starts, abroad = starts + 2 * country, abroad & ~country

    length = ends - starts
    digits_only = reasons == 0
    reasons[digits_only & (length < DOMESTIC_DIGITS)] = _SHORT
    reasons[digits_only & (length > DOMESTIC_DIGITS)] = _LONG
    reasons[digits_only & abroad & (length >= 7) & (length <= 15)] = _INTERNATIONAL

    fit = np.flatnonzero(reasons == 0)
    numbers = np.zeros(len(ends), np.int64)
    found = _number_11(text[starts[fit, None] + np.arange(DOMESTIC_DIGITS)] - np.uint8(_ZERO))
    mobile = is_domestic(found)
    numbers[fit[mobile]] = found[mobile]
    reasons[fit[~mobile]] = _NO_MOBILE
    if international:
        _take_abroad(text, starts, ends, numbers, reasons)
    if phs:
        _take_phs(text, starts, ends, ~(abroad | country), numbers, reasons)
    _name_what_else(written, reasons)
    return numbers, reasons


def _name_what_else(written: bytes, reasons: Bytes) -> None:
    """Mark refused values with more than one number, or with a number and other text."""
    text = np.frombuffer(written, np.uint8)
    ends = np.flatnonzero(text == _LF)
    starts = np.append(0, ends[:-1] + 1)
    long = ends - starts >= _SEVERAL_BYTES_MIN
    lettered = (ends - starts > DOMESTIC_DIGITS) & (reasons == _NO_NUMBER)
    for at in np.flatnonzero((reasons > _EMPTY) & (long | lettered)).tolist():
        value = _folded(written[starts[at] : ends[at]], blank=" ")
        parts = sum(len(_DIGIT.findall(part)) >= _PART_DIGITS_MIN for part in _BETWEEN.split(value))
        found = len(_NUMBER.findall(value))
        if parts > 1 or found > 1 or _GLUED.fullmatch(value):
            reasons[at] = _SEVERAL
        elif found and reasons[at] in (_NO_NUMBER, _SHORT, _LONG, _NO_MOBILE):
            reasons[at] = _BESIDE


def _take_abroad(text: Bytes, starts: Numbers, ends: Numbers, numbers: Numbers, reasons: Bytes) -> None:
    """Turn values refused as `international` into numbers, if their wire form is unambiguous."""
    at = np.flatnonzero(reasons == _INTERNATIONAL)
    begin, length = starts[at], ends[at] - starts[at]
    value = np.zeros(len(at), np.int64)
    for place in range(int(length.max(initial=0))):
        held = np.flatnonzero(length > place)
        value[held] = value[held] * 10 + (text[begin[held] + place].astype(np.int64) - _ZERO)
    real = text[begin] != _ZERO  # no country code begins with 0
    ambiguous = real & (length == DOMESTIC_DIGITS) & is_domestic(value)
    good = real & ~ambiguous
    numbers[at[good]] = value[good] + OTHER
    reasons[at[good]] = 0
    reasons[at[ambiguous]] = _AMBIGUOUS
    reasons[at[~real]] = _NO_NUMBER


def _take_phs(
    text: Bytes, starts: Numbers, ends: Numbers, home: NDArray[np.bool_], numbers: Numbers, reasons: Bytes
) -> None:
    """Turn domestic values with an area code (010, 02x, 03xx to 09xx) and seven or eight digits into numbers."""
    length = ends - starts
    refused = (reasons == _SHORT) | (reasons == _NO_MOBILE) | (reasons == _LONG)
    at = np.flatnonzero(refused & home & (length >= 10) & (length <= 12))
    head = text[starts[at, None] + np.arange(3)] - np.uint8(_ZERO)
    short_code = (head[:, 1] == 2) | ((head[:, 1] == 1) & (head[:, 2] == 0))
    local = length[at] - np.where(short_code, 3, 4)
    at = at[(head[:, 0] == 0) & (short_code | (head[:, 1] >= 3)) & (local >= 7) & (local <= 8)]
    value = np.zeros(len(at), np.int64)
    for place in range(1, 12):
        held = np.flatnonzero(length[at] > place)
        value[held] = value[held] * 10 + (text[starts[at[held]] + place].astype(np.int64) - _ZERO)
    numbers[at] = value + 2 * OTHER
    reasons[at] = 0


def normalise_one(text: str) -> int:
    """The int64 of one number as people or vendors write it, 0 if not a domestic mobile; for single look-ups."""
    numbers, _ = normalise(text.replace("\n", " ").encode("utf-8", "replace") + b"\n")
    return int(numbers[0])


def _plain(lines: bytes) -> bytes:
    """The lines with wide forms folded, without separators and invisible characters."""
    lines = _folded(lines, blank="")
    if b"," in lines:
        lines = _GROUPED.sub(lambda found: found[0].replace(b",", b""), lines)
    if b"." in lines:
        lines = _EXACT.sub(rb"\1\2", lines)
        lines = _DECIMAL.sub(_whole, lines)
    return lines.translate(None, _DROPPED)


def _folded(lines: bytes, *, blank: str) -> bytes:
    """The lines with wide forms as ASCII, without invisible characters, and with `blank` for wide blanks."""
    if lines.isascii():
        return lines.translate(None, _CONTROLS)
    text = WIDE_BLANKS.sub(blank, NOTHING.sub("", lines.decode("utf-8", "surrogateescape")))
    lines = text.encode("utf-8", "surrogateescape")
    for prefix, forms in _FOLDS.items():
        if prefix in lines:
            for form, plain in forms:
                lines = lines.replace(form, plain)
    return lines


def _whole(found: re.Match[bytes]) -> bytes:
    """A number with decimals: zeros are dropped, others make it invalid."""
    whole, decimals = found[1], found[2]
    if not decimals.strip(b"0"):
        return whole
    digits = sum(_ZERO <= each <= _ZERO + 9 for each in whole)
    return whole + (b"x" if digits >= _DECIMAL_DIGITS_MIN else b"") + decimals


def _judge_letters(text: Bytes, starts: Numbers, ends: Numbers, reasons: Bytes) -> None:
    """Refuse lines with more than digits: damaged by a spreadsheet (1.38E+10), or not a number."""
    odd = np.flatnonzero(((text < _ZERO) | (text > _ZERO + 9)) & (text != _LF))
    line = np.searchsorted(ends, odd)
    inside = odd >= starts[line]
    odd, line = odd[inside], line[inside]
    lone_plus = (ends == starts) & (reasons == 0)
    reasons[lone_plus] = _NO_NUMBER
    if not len(odd):
        return
    kind = text[odd]
    count = np.bincount(line, minlength=len(ends))
    exponents = np.bincount(line[(kind | 0x20) == ord("e")], minlength=len(ends))
    signs = np.bincount(line[kind == ord("+")], minlength=len(ends))
    scientific = (exponents == 1) & (signs <= 1) & (count == 1 + signs)
    at = np.flatnonzero(scientific)
    scientific[at] = _is_digit(text[starts[at]]) & _is_digit(text[ends[at] - 1])
    reasons[count > 0] = _NO_NUMBER
    reasons[scientific] = _SCIENTIFIC


def _is_digit(text: Bytes) -> NDArray[np.bool_]:
    digit: NDArray[np.bool_] = (text >= _ZERO) & (text <= _ZERO + 9)
    return digit


def _begins(text: Bytes, starts: Numbers, ends: Numbers, prefix: bytes, reasons: Bytes) -> NDArray[np.bool_]:
    """Which of the remaining lines begin with these two digits."""
    begins: NDArray[np.bool_] = (reasons == 0) & (ends - starts >= 2)
    at = np.flatnonzero(begins)
    begins[at] = (text[starts[at]] == prefix[0]) & (text[starts[at] + 1] == prefix[1])
    return begins
