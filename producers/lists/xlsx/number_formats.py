"""Number formats of a workbook: a stored number and a format code -> the text that a spreadsheet shows. Pure.

Followed: digits, decimals, grouping, percent, scaling, scientific, literals and masks between digits, sections and
conditions, currency symbols, dates, times and elapsed times, and the formats that a Chinese system builds in. Integers
are shown with all their digits where the format is General. Not followed: fractions, Chinese numerals ([DBNum]), eras,
and names of months and days without a locale; `Shown.followed` says so, and the text is the plain number or date.
"""

from __future__ import annotations

import contextlib
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

import msgspec

GENERAL: Final = "General"
CODE_CHARS_MAX: Final = 255
DIGITS_MAX: Final = 400
EXACT_CHARS_MAX: Final = 15
"""A number that is written with no more characters has no more digits than a spreadsheet counts on."""

_DAY: Final = 'yyyy"/"m"/"d'
_CLOCK: Final = '上午/下午h"时"mm"分"'
BUILT_IN: Final = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: '"¥"#,##0;"¥"\\-#,##0', 6: '"¥"#,##0;"¥"\\-#,##0', 7: '"¥"#,##0.00;"¥"\\-#,##0.00',
    8: '"¥"#,##0.00;"¥"\\-#,##0.00', 9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: _DAY, 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy", 18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm",
    21: "h:mm:ss", 22: _DAY + " h:mm", 27: 'yyyy"年"m"月"', 28: 'm"月"d"日"', 29: 'm"月"d"日"', 30: "m-d-yy",
    31: 'yyyy"年"m"月"d"日"', 32: 'h"时"mm"分"', 33: 'h"时"mm"分"ss"秒"', 34: _CLOCK, 35: _CLOCK + 'ss"秒"',
    36: 'yyyy"年"m"月"', 37: "#,##0;-#,##0", 38: "#,##0;-#,##0", 39: "#,##0.00;-#,##0.00", 40: "#,##0.00;-#,##0.00",
    41: "#,##0", 42: '"¥"#,##0', 43: "#,##0.00", 44: '"¥"#,##0.00', 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    48: "##0.0E+0", 49: "@", 50: 'yyyy"年"m"月"', 51: 'm"月"d"日"', 52: 'yyyy"年"m"月"', 53: 'm"月"d"日"',
    54: 'm"月"d"日"', 55: _CLOCK, 56: _CLOCK + 'ss"秒"', 57: 'yyyy"年"m"月"', 58: 'm"月"d"日"',
}  # fmt: skip
"""Formats that a workbook names by number only, as a system set to Chinese (mainland) shows them."""

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_CHINESE_DAYS: Final = "一二三四五六日"

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"?|[\\!](?P<escaped>.)|_(?P<room>.)|\*(?P<fill>.)|\[(?P<bracket>[^\]]*)\]|'
    r"(?P<general>general|通用格式|G/通用格式)|(?P<noon>am/pm|a/p|上午/下午)|(?P<exponent>e[+-])|(?P<digit>[0#?])|"
    r"(?P<date>y+|m+|d+|h+|s+|a{3,4})|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CONDITION: Final = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
_PLAIN: Final = frozenset("$-+/():!^&'~{}<>= ,.%@￥¥€£、，。：；（）")
_COLOURS: Final = re.compile(
    r"(black|blue|cyan|green|magenta|red|white|yellow|黑色|蓝色|青色|绿色|红色|白色|黄色)$|(color|颜色)\s*\d+$", re.I
)


class Shown(msgspec.Struct, frozen=True):
    """The text of a cell. Not `followed`: its format is one of those this module does not know."""

    text: str
    followed: bool = True


class Token(msgspec.Struct, frozen=True):
    """A piece of a section: what it is, and its text."""

    kind: str
    text: str


class Simple(msgspec.Struct, frozen=True):
    """Digits in one piece, as most formats have them: what is before and behind, and the fewest whole digits."""

    before: str
    after: str
    digits_min: int
    step: Decimal
    spec: str
    factor: int


class Section(msgspec.Struct, frozen=True):
    """One of the parts that ";" divides a format into. `condition`: (operator, number), where it has one."""

    tokens: tuple[Token, ...]
    condition: tuple[str, Decimal] | None
    is_date: bool
    followed: bool
    simple: Simple | None = None


class NumberFormat:
    """A format code, ready to show numbers and texts."""

    def __init__(self, code: str, *, date1904: bool = False) -> None:
        self.code: Final = code
        self.plain: Final = code.strip().lower() in ("", "general", "@", "通用格式", "g/通用格式")
        """Whether numbers and texts are shown as General shows them."""
        self._date1904: Final = date1904
        self._sections: Final = [_section(part) for part in _parts(code[:CODE_CHARS_MAX])]
        self._known: Final = len(code) <= CODE_CHARS_MAX

    @property
    def changes_text(self) -> bool:
        """Whether texts are shown with something added."""
        section = self._text_section()
        return section is not None and [token.kind for token in section.tokens] != ["at"]

    def show(self, stored: str) -> Shown:
        """The text of a stored number."""
        value = number(stored)
        if value is None:
            return Shown(stored, followed=False)
        if self.plain:
            return Shown(general(stored, value))
        section, signed = self._section_for(value)
        if section is None:
            return Shown(general(stored, value), followed=False)
        shown = None
        if section.followed and self._known:
            with contextlib.suppress(InvalidOperation):  # more digits than are counted with
                shown = _moment(section, value, self._date1904) if section.is_date else _number(section, value, signed)
        if shown is not None:
            return Shown(shown)
        if section.is_date and (moment := _at(value, self._date1904)) is not None:
            return Shown(_iso(moment), followed=False)
        return Shown(general(stored, value), followed=False)

    def show_text(self, text: str) -> str:
        """A text with what the format adds to it."""
        section = self._text_section()
        if section is None:
            return text
        return "".join(text if token.kind == "at" else _literal(token) for token in section.tokens)

    def _text_section(self) -> Section | None:
        if len(self._sections) >= 4:
            return self._sections[3]
        last = self._sections[-1]
        return last if any(token.kind == "at" for token in last.tokens) else None

    def _section_for(self, value: Decimal) -> tuple[Section | None, bool]:
        """(the section that shows this value, whether its minus sign is still to be written)."""
        sections = self._sections[:3]
        if any(section.condition for section in sections):
            for section in sections:
                if section.condition is None or _holds(section.condition, value):
                    return section, True
            return None, True
        if len(sections) > 1 and any(token.kind == "at" for token in sections[-1].tokens):
            sections = sections[:-1]
        if value < 0 and len(sections) > 1:
            return sections[1], False
        if value == 0 and len(sections) > 2:
            return sections[2], False
        return sections[0], True


def number(stored: str) -> Decimal | None:
    """A stored number with the digits that spreadsheets count on (15, or all of a whole number), or None."""
    try:
        value = Decimal(stored.strip())
    except InvalidOperation:
        return None
    if not value.is_finite() or abs(value.adjusted()) > DIGITS_MAX:
        return None
    if len(stored) <= EXACT_CHARS_MAX or value == value.to_integral_value():
        return value
    return Decimal(f"{value:.15g}")


def whole_number(stored: str) -> str | None:
    """The digits of a stored number that is whole (also one written as 1.39E10), or None."""
    value = number(stored)
    if value is None or value != value.to_integral_value():
        return None
    return str(int(value))


def general(stored: str, value: Decimal | None = None) -> str:
    """A number without a format: whole ones with all digits, others in eleven characters, as a wide cell shows them."""
    value = number(stored) if value is None else value
    if value is None:
        return stored
    if value == value.to_integral_value() and value.adjusted() < 21:
        return str(int(value))
    if -5 <= value.adjusted() < 11:
        whole = max(value.adjusted() + 1, 1)
        rounded = round(value, max(0, 10 - whole))
        text = f"{rounded:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    mantissa, exponent = f"{value:.5E}".split("E")
    power = int(exponent)
    return f"{mantissa.rstrip('0').rstrip('.')}E{'-' if power < 0 else '+'}{abs(power):02}"


# --- a format's code -> sections of tokens ---------------------------------------------------------------------------


def _parts(code: str) -> list[str]:
    """The sections of a code: ";" divides them, but not within quotes, brackets or behind a backslash."""
    parts, start, at = [], 0, 0
    while at < len(code):
        character = code[at]
        if character == '"':
            end = code.find('"', at + 1)
            at = len(code) if end < 0 else end
        elif character in "\\!_*":
            at += 1
        elif character == "[":
            end = code.find("]", at)
            at = len(code) if end < 0 else end
        elif character == ";":
            parts.append(code[start:at])
            start = at + 1
        at += 1
    return [*parts, code[start:]][:4]


def _section(code: str) -> Section:
    tokens: list[Token] = []
    condition = None
    followed = True
    for found in _TOKEN.finditer(code):
        kind, text = found.lastgroup or "other", found[found.lastgroup or 0]
        match kind:
            case "quoted" | "escaped":
                tokens.append(Token("literal", text))
            case "room":
                tokens.append(Token("literal", " "))
            case "fill":
                continue
            case "bracket":
                met = _CONDITION.fullmatch(text.strip())
                if met:
                    condition = (met[1], Decimal(met[2]))
                elif text.startswith("$"):
                    tokens.append(Token("literal", text[1:].rpartition("-")[0] if "-" in text else text[1:]))
                    tokens.append(Token("locale", text.rpartition("-")[2].lower() if "-" in text else ""))
                elif text and set(text.lower()) <= set("hms") and len(set(text.lower())) == 1:
                    tokens.append(Token("elapsed", text.lower()))
                elif not _COLOURS.match(text.strip()):
                    followed = False
            case "date" | "noon" | "exponent":
                tokens.append(Token(kind, text.lower() if kind != "exponent" else text.upper()))
            case "other":
                if text == "@":
                    tokens.append(Token("at", text))
                elif text in ".,%/":
                    tokens.append(Token(text, text))
                else:
                    followed &= text in _PLAIN or not text.isascii()
                    tokens.append(Token("literal", text))
            case _:
                tokens.append(Token(kind, text))
    kinds = {token.kind for token in tokens}
    is_date = bool(kinds & {"date", "elapsed", "noon"}) and not kinds & {"general", "exponent"}
    if is_date:
        tokens = _subseconds(_minutes(tokens))
        english = any(token.kind == "locale" and token.text.endswith("09") for token in tokens)
        named = any(token.kind == "date" and token.text in ("mmm", "mmmm", "mmmmm", "ddd", "dddd") for token in tokens)
        followed &= english or not named
    elif "/" in kinds and "digit" in kinds:
        followed = False
    simple = None if is_date or not followed else _simple(tokens)
    return Section(tuple(tokens), condition, is_date, followed, simple)


def _simple(tokens: list[Token]) -> Simple | None:
    """The digits of a section as one piece, if they are one: `#,##0.00`, `000000`, `0%`."""
    before = [at for at, token in enumerate(tokens) if token.kind == "digit"]
    if not before:
        return None
    start, end = before[0], before[-1] + 1
    around = tokens[:start] + tokens[end:]
    digits = "".join(token.text for token in tokens[start:end])
    if any(token.kind not in ("literal", "locale", "%") for token in around) or not _ONE_PIECE.fullmatch(digits):
        return None
    whole, _, decimals = digits.partition(".")
    return Simple(
        "".join(map(_literal, tokens[:start])),
        "".join(map(_literal, tokens[end:])),
        whole.count("0"),
        Decimal(1).scaleb(-len(decimals)),
        ",f" if "," in whole else "f",
        100 ** sum(token.kind == "%" for token in around),
    )


_ONE_PIECE: Final = re.compile(r"(#,##0|0+)(\.0+)?")


def _minutes(tokens: list[Token]) -> list[Token]:
    """An `m` behind hours or before seconds means minutes."""
    timed = [at for at, token in enumerate(tokens) if token.kind in ("date", "elapsed")]
    found = list(tokens)
    for place, at in enumerate(timed):
        if tokens[at].kind != "date" or tokens[at].text not in ("m", "mm"):
            continue
        before = tokens[timed[place - 1]].text[0] if place else ""
        after = tokens[timed[place + 1]].text[0] if place + 1 < len(timed) else ""
        if before == "h" or after == "s":
            found[at] = Token("minute", tokens[at].text)
    return found


def _subseconds(tokens: list[Token]) -> list[Token]:
    """The digits behind the point of seconds, as one token."""
    found: list[Token] = []
    for token in tokens:
        behind = found[-1].kind if found else ""
        if token.kind == "digit" and token.text == "0" and behind in (".", "subsecond"):
            found[-1] = Token("subsecond", found[-1].text + "0")
        else:
            found.append(token)
    return found


def _holds(condition: tuple[str, Decimal], value: Decimal) -> bool:
    operator, bound = condition
    return {
        "<": value < bound,
        ">": value > bound,
        "<=": value <= bound,
        ">=": value >= bound,
        "=": value == bound,
        "<>": value != bound,
    }[operator]


def _literal(token: Token) -> str:
    return "" if token.kind == "locale" else token.text


# --- numbers ---------------------------------------------------------------------------------------------------------


def _number(section: Section, value: Decimal, signed: bool) -> str | None:
    """The value by this section's digits, or None if they are of a kind that is not followed."""
    minus = "-" if signed and value < 0 else ""
    if (simple := section.simple) is not None:
        text = format((abs(value) * simple.factor).quantize(simple.step, ROUND_HALF_UP), simple.spec)
        if simple.digits_min > 1:
            size = simple.digits_min + len(text) - len(text.partition(".")[0])
            text = text.rjust(size, "0")
        return minus + simple.before + text + simple.after
    tokens = section.tokens
    kinds = [token.kind for token in tokens]
    if "general" in kinds or ("at" in kinds and "digit" not in kinds):
        text = general("", abs(value))
        return minus + "".join(text if each.kind in ("general", "at") else _literal(each) for each in tokens)
    if "digit" not in kinds:
        return minus + "".join(map(_literal, tokens)) if value or tokens else ""
    if "exponent" in kinds:
        shown = _scientific(tokens, abs(value))
        return None if shown is None else minus + shown
    value = abs(value) * Decimal(100) ** kinds.count("%")
    point = kinds.index(".") if "." in kinds else len(kinds)
    digits = [at for at, kind in enumerate(kinds) if kind == "digit"]
    whole = [at for at in digits if at < point]
    commas = [at for at, kind in enumerate(kinds) if kind == ","]
    grouped = any(whole and min(whole) < at < max(whole) for at in commas)
    scaling = sum(at > max(digits) or (at < point and at > max(whole, default=-1)) for at in commas)
    value = value.scaleb(-3 * scaling)
    decimals = [at for at in digits if at > point]
    rounded = value.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_HALF_UP)
    left, _, right = f"{rounded:f}".partition(".")
    left = left.lstrip("0")
    written: list[str] = [_literal(token) if token.kind in ("literal", "locale", "%", "/") else "" for token in tokens]
    _write_whole(written, tokens, whole, left, grouped=grouped)
    _write_decimals(written, tokens, decimals, right)
    if point < len(kinds):
        written[point] = "."
        if not whole:
            written[point] = left + "."
    return minus + "".join(written)


def _write_whole(
    written: list[str], tokens: tuple[Token, ...], places: list[int], digits: str, *, grouped: bool
) -> None:
    """Write the digits before the point from the right; the leftmost place takes all that remain."""
    rest, count = digits, 0
    for at in reversed(places):
        first = at == places[0]
        take = rest if first else rest[-1:]
        rest = "" if first else rest[:-1]
        if not take:
            take = {"0": "0", "?": " "}.get(tokens[at].text, "")
        text = ""
        for digit in reversed(take):
            if grouped and count and count % 3 == 0 and digit != " ":
                text = "," + text
            text = digit + text
            count += 1
        written[at] = text


def _write_decimals(written: list[str], tokens: tuple[Token, ...], places: list[int], digits: str) -> None:
    kept = len(digits)
    while kept and digits[kept - 1] == "0" and tokens[places[kept - 1]].text != "0":
        kept -= 1
    for place, at in enumerate(places):
        if place < kept:
            written[at] = digits[place]
        else:
            written[at] = " " if tokens[at].text == "?" else ""


def _scientific(tokens: tuple[Token, ...], value: Decimal) -> str | None:
    kinds = [token.kind for token in tokens]
    at = kinds.index("exponent")
    point = kinds.index(".") if "." in kinds[:at] else at
    whole = sum(kind == "digit" for kind in kinds[:point])
    places = sum(kind == "digit" for kind in kinds[point:at])
    if whole != 1:
        return None
    power = value.adjusted() if value else 0
    mantissa = (value.scaleb(-power) if value else Decimal(0)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if mantissa >= 10:
        mantissa, power = (mantissa / 10).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP), power + 1
    width = sum(kind == "digit" for kind in kinds[at:])
    sign = "-" if power < 0 else "+" if tokens[at].text.endswith("+") else ""
    before = "".join(_literal(token) for token in tokens[:at] if token.kind == "literal")
    after = "".join(_literal(token) for token in tokens[at:] if token.kind == "literal")
    return f"{before}{mantissa:f}E{sign}{abs(power):0{width}}{after}"


# --- dates and times -------------------------------------------------------------------------------------------------


def _at(value: Decimal, date1904: bool) -> datetime | None:
    """The moment of a serial number, to the millisecond, or None if a spreadsheet shows none."""
    origin = datetime(1904, 1, 1) if date1904 else datetime(1899, 12, 30 if value >= 61 else 31)
    if value < 0 or value >= 2_958_466 or (not date1904 and 60 <= value < 61):
        return None
    return origin + timedelta(milliseconds=int((value * 86_400_000).quantize(Decimal(1), ROUND_HALF_UP)))


def _iso(moment: datetime) -> str:
    return (
        f"{moment:%Y-%m-%d}"
        if moment == datetime(moment.year, moment.month, moment.day)
        else f"{moment:%Y-%m-%d %H:%M:%S}"
    )


def _moment(section: Section, value: Decimal, date1904: bool) -> str | None:
    tokens = section.tokens
    kinds = {token.kind for token in tokens}
    moment = _at(value, date1904)
    if value < 0 or ("digit" in kinds) or (moment is None and "elapsed" not in kinds):
        return None
    if value < 1 and not date1904 and any(token.kind == "date" and token.text[0] in "ymda" for token in tokens):
        return None  # a time with the impossible date 1900-01-00
    decimals = max((len(token.text) - 1 for token in tokens if token.kind == "subsecond"), default=0)
    step_ms = 10 ** max(0, 3 - decimals)
    elapsed_ms = int((value * 86_400_000 / step_ms).quantize(Decimal(1), ROUND_HALF_UP)) * step_ms
    if moment is not None:
        moment += timedelta(milliseconds=elapsed_ms - int((value * 86_400_000).quantize(Decimal(1), ROUND_HALF_UP)))
    noon = "noon" in kinds
    written = [_time_part(token, moment, elapsed_ms, noon) for token in tokens]
    return None if None in written else "".join(part or "" for part in written)


def _time_part(token: Token, moment: datetime | None, elapsed_ms: int, noon: bool) -> str | None:
    text = token.text
    if token.kind == "elapsed":
        return f"{elapsed_ms // {'h': 3_600_000, 'm': 60_000, 's': 1000}[text[0]]:0{len(text)}}"
    if token.kind in ("literal", "locale", "/", ".", ",", "%"):
        return _literal(token)
    if token.kind == "subsecond":
        return f".{elapsed_ms % 1000:03}000"[: len(text)]
    if moment is None:
        seconds = elapsed_ms // 1000
        return {"m": f"{seconds // 60 % 60:0{len(text)}}", "s": f"{seconds % 60:0{len(text)}}"}.get(text[0])
    if token.kind == "noon":
        early, late = ("上午", "下午") if text == "上午/下午" else ("AM", "PM") if text == "am/pm" else ("A", "P")
        return early if moment.hour < 12 else late
    if token.kind == "minute":
        return f"{moment.minute:0{min(len(text), 2)}}"
    if token.kind != "date":
        return None
    hour = (moment.hour % 12 or 12) if noon else moment.hour
    match text[0]:
        case "y":
            return f"{moment.year:04}" if len(text) > 2 else f"{moment.year % 100:02}"
        case "m" if len(text) > 2:
            name = _MONTHS[moment.month - 1]
            return {3: name[:3], 5: name[0]}.get(len(text), name)
        case "m":
            return f"{moment.month:0{len(text)}}"
        case "d" if len(text) > 2:
            name = _DAYS[moment.weekday()]
            return name[:3] if len(text) == 3 else name
        case "d":
            return f"{moment.day:0{len(text)}}"
        case "h":
            return f"{hour:0{min(len(text), 2)}}"
        case "s":
            return f"{moment.second:0{min(len(text), 2)}}"
        case _:
            return ("星期" if len(text) == 4 else "") + _CHINESE_DAYS[moment.weekday()]
