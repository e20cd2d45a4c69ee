"""Times as people type them: in the zone of the display, `[display] timezone`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from dispatcher.errors import UserError
from dispatcher.wording import shown_zone

_FORMS: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M")
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
    raise UserError(f'{option} "{text}" is no time. Write it like "{now:%Y-%m-%d %H:%M}", "{now:%H:%M}" or "3 h".')


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
