"""How long to wait before the next try: doubled by each failure, up to a bound. A value; it does not count."""

from __future__ import annotations

import msgspec

DOUBLINGS_MAX = 60


class Backoff(msgspec.Struct, frozen=True):
    """Pauses of `first_s`, twice that, four times that, … at most `max_s` seconds."""

    first_s: float
    max_s: float

    def pause_s(self, failures: int) -> float:
        """The pause after this many failures in a row; 0.0 after none."""
        if failures <= 0:
            return 0.0
        return min(self.max_s, self.first_s * 2.0 ** min(failures - 1, DOUBLINGS_MAX))
