"""Logs refusals: a line for the first one of its kind, then one a minute with the count.

A flood of refused requests must not become a flood of lines.
"""

from __future__ import annotations

import time
from typing import Any, Final

from dispatcher.loggers import get_logger

EVERY_S: Final = 60.0
KINDS_MAX: Final = 1_000

logger = get_logger(__name__)


class Refusals:
    """Counts by event and place (an account's path, say) and logs; `flush` is called now and then."""

    def __init__(self) -> None:
        self._kinds: dict[tuple[str, str], _Kind] = {}

    def note(self, event: str, place: str = "", **what: Any) -> None:
        """Record a refusal; `what` has details."""
        kind = self._kinds.get((event, place))
        if kind is None:
            if len(self._kinds) < KINDS_MAX:
                self._kinds[event, place] = _Kind()
                logger.warning(event, **what)
        else:
            kind.count += 1
            kind.what = what

    def flush(self) -> None:
        """Log the count since the last line, if that was a minute ago."""
        now_s = time.monotonic()
        for (event, place), kind in list(self._kinds.items()):
            if now_s - kind.logged_s < EVERY_S:
                continue
            if kind.count:
                logger.warning(event, **kind.what, times=kind.count)
                self._kinds[event, place] = _Kind()
            else:
                del self._kinds[event, place]


class _Kind:
    __slots__ = ("count", "logged_s", "what")

    def __init__(self) -> None:
        self.logged_s = time.monotonic()
        self.count = 0
        self.what: dict[str, Any] = {}
