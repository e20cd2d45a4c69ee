"""The simulated vendor's clock: local time of the platform (UTC+8, no summer time; vendors.md "Rules"), optionally
faster than real time.

Scaled by it: polling intervals, send hours, review, report delays, push back-off. Never scaled: the flow limit, which
is judged in real seconds.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone

SHANGHAI = timezone(timedelta(hours=8))


class Clock:
    """Seconds since 1970 on the vendor's wall. `scale` simulated seconds pass in one real second.

    `start` is an ISO local time such as `2026-01-31T07:59:00`, or empty for the real time.
    """

    def __init__(self, scale: float = 1.0, start: str = "") -> None:
        self._scale = scale
        self._real_start = time.monotonic()
        self._start = datetime.fromisoformat(start).replace(tzinfo=SHANGHAI).timestamp() if start else time.time()
        self._second = 0
        self._text = ""

    @property
    def scale(self) -> float:
        return self._scale

    def now(self) -> float:
        """Simulated seconds since 1970."""
        return self._start + (time.monotonic() - self._real_start) * self._scale

    def at(self, monotonic_s: float) -> float:
        """The simulated time at a moment of `time.monotonic()`."""
        return self._start + (monotonic_s - self._real_start) * self._scale

    def real_s(self, simulated_s: float) -> float:
        """How long a simulated time really takes."""
        return simulated_s / self._scale

    def rescale(self, scale: float) -> None:
        """Go on from the present moment at another speed."""
        now = self.now()
        self._real_start = time.monotonic()
        self._start = now
        self._scale = scale

    def set(self, start: str) -> None:
        """Jump to an ISO local time (empty: the real time)."""
        self._real_start = time.monotonic()
        self._start = datetime.fromisoformat(start).replace(tzinfo=SHANGHAI).timestamp() if start else time.time()

    def local(self, at_s: float | None = None) -> datetime:
        """Local time of the vendor."""
        return datetime.fromtimestamp(self.now() if at_s is None else at_s, UTC).astimezone(SHANGHAI)

    def stamp14(self) -> str:
        """YYYYMMDDhhmmss of now; formatted once per second."""
        now = int(self.now())
        if now != self._second:
            self._second = now
            self._text = self.local(now).strftime("%Y%m%d%H%M%S")
        return self._text
