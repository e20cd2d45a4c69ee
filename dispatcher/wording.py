"""Figures, times and names as every screen and message writes them.

People read times in one zone, `[display] timezone`: it is set by whoever loads a configuration (`show_times_in`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final

from dispatcher.i18n import N_, _, ngettext

_DAY_S = 86_400
CONTROLS: Final = dict.fromkeys(
    (
        *(code for code in range(0x20) if chr(code) not in "\t\n"),
        *range(0x7F, 0xA0),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
)
"""The characters that do something to a terminal or turn letters round: a table for `str.translate` that drops them."""

SHANGHAI: Final = timezone(timedelta(hours=8), "Asia/Shanghai")


class _Shown:
    zone: tzinfo = SHANGHAI


def counted(count: int, one: str, many: str = "") -> str:
    """`1 batch`, `2,000 batches`. Both words are literals, for scripts/catalogues."""
    singular, plural = f"{{n:,}} {one}", f"{{n:,}} {many or f'{one}s'}"
    return ngettext(singular, plural, count).format(n=count)


def listed(names: Iterable[str]) -> str:
    """`"spring" and "summer"`."""
    return _(" and ").join(_('"{name}"', name=name) for name in names)


def show_times_in(zone: tzinfo) -> None:
    """From now on, `clock` writes times in this zone."""
    _Shown.zone = zone


def shown_zone() -> tzinfo:
    """The zone of the times that people read."""
    return _Shown.zone


def clock(at_ms: int | None, *, named: bool = False) -> str:
    """The time to the second in the zone of the display, or a dash; `named` adds which zone that is."""
    if at_ms is None:
        return "-"
    zone = f" {_Shown.zone}" if named else ""
    return f"{datetime.fromtimestamp(at_ms / 1000, _Shown.zone):%Y-%m-%d %H:%M:%S}{zone}"


def day_of(at_ms: int) -> str:
    """The day of a time in Asia/Shanghai, whatever the zone of the display: `2026-11-30`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, SHANGHAI):%Y-%m-%d}"


def duration(seconds: float) -> str:
    """`less than a second`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 1:
        return _("less than a second")
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    units = [(days, N_("{n} d")), (hours, N_("{n} h")), (minutes, N_("{n} min")), (rest, N_("{n} s"))]
    return " ".join([_(unit, n=count) for count, unit in units if count][:2])


def countdown(seconds: float) -> str:
    """`0:07`, `12:30`, `3:02:01`."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def age(seconds: float) -> str:
    """`0:07`, `5:12:30`, `12 days`."""
    days = int(seconds // _DAY_S)
    return counted(days, "day") if days > 1 else countdown(max(0.0, seconds))


def without_controls(text: str) -> str:
    """The text without what would do something to a terminal or turn its letters round; lines and tabs stay."""
    return text if text.isascii() and text.isprintable() else text.translate(CONTROLS)


def printable(text: str) -> str:
    """The text on one line, without what would do something to a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)
