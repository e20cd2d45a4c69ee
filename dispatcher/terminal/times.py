"""Times as people type them: in the zone of the display, `[display] timezone`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from dispatcher.clock import now_ms
from dispatcher.errors import UserError
from dispatcher.wording import shown_zone

_FORMS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M")
_CLOCKS: Final = ("%H:%M:%S", "%H:%M")
_DATES: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M")
_OFFSET: Final = re.compile(r" ?[+-]\d\d:?\d\d$| ?Z$")
_AGO: Final = re.compile(r"(\d{1,6}) ?(min|h|d)")
_SPANS: Final = {"min": "minutes", "h": "hours", "d": "days"}


def time_ms(text: str, option: str) -> int:
    """`2026-11-21`, `2026-11-21 10:00`, `10:00` (today), `3 h` (ago), in Unix milliseconds. Raises UserError.

    The configuration must be loaded before: it says the zone.
    """
    now = datetime.now(shown_zone())
    if ago := _AGO.fullmatch(text.strip()):
        return _ms(now - timedelta(**{_SPANS[ago[2]]: int(ago[1])}))
    for form in _FORMS:
        try:
            found = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        if not form.startswith("%Y"):
            found = datetime.combine(now.date(), found.time())
        return _ms(found.replace(tzinfo=now.tzinfo))
    raise UserError(
        '{about} "{text}" is no time. Write it like "{now}", "{hour}" or "3 h".',
        about=option,
        text=text,
        now=f"{now:%Y-%m-%d %H:%M}",
        hour=f"{now:%H:%M}",
    )


def coming_ms(text: str, option: str) -> int:
    """`2026-12-01 09:00`, `09:00` (the next one), `tomorrow 09:00`, each also with an offset such as `+08:00`.

    In Unix milliseconds. Raises UserError, also for a time that is over. The configuration must be loaded before: it
    says the zone.
    """
    now = datetime.fromtimestamp(now_ms() / 1000, shown_zone())
    written = text.strip().replace("T", " ")
    zone = now.tzinfo
    if offset := _OFFSET.search(written):
        written, zone = written[: offset.start()], datetime.strptime(offset[0].strip(), "%z").tzinfo
    there = now.astimezone(zone)
    tomorrow = written.startswith("tomorrow ")
    found = _read(written.removeprefix("tomorrow ").strip(), _CLOCKS if tomorrow else (*_CLOCKS, *_DATES))
    if found is None:
        raise UserError(
            '{about} "{text}" is no time. Write it like "{now}", "{hour}" or "tomorrow 09:00".',
            about=option,
            text=text,
            now=f"{now:%Y-%m-%d %H:%M}",
            hour=f"{now:%H:%M}",
        )
    if found.year == 1900:  # a time of the day alone
        at = datetime.combine(there.date(), found.time(), zone)
        if tomorrow or at <= there:
            at += timedelta(days=1)
    else:
        at = found.replace(tzinfo=zone)
    if at <= there:
        raise UserError(
            '{about} "{text}" is over: it is {now} ({zone}). Write a time to come.',
            about=option,
            text=text,
            now=f"{now:%Y-%m-%d %H:%M}",
            zone=zone,
        )
    return _ms(at)


def _read(text: str, forms: Sequence[str]) -> datetime | None:
    for form in forms:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
