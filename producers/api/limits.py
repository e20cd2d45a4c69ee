"""How much one caller may ask for: requests per second, and heavy operations at the same time. Pure: time is given."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

CALLERS_MAX: Final = 10_000


class _Use:
    __slots__ = ("at_s", "heavy", "left")

    def __init__(self, left: float, at_s: float) -> None:
        self.left = left
        self.at_s = at_s
        self.heavy = 0


class CallerLimits:
    """Counts by caller. A caller that was quiet may use up to a second's requests at once."""

    def __init__(self, requests_per_s_max: int, heavy_max: int) -> None:
        self._per_s = requests_per_s_max
        self._heavy_max = heavy_max
        self._uses: OrderedDict[str, _Use] = OrderedDict()

    def take(self, caller: str, now_s: float) -> bool:
        """Count a request; False: it is one too many."""
        use = self._uses.get(caller)
        if use is None:
            use = self._uses[caller] = _Use(float(self._per_s), now_s)
            self._forget()
        use.left = min(float(self._per_s), use.left + (now_s - use.at_s) * self._per_s)
        use.at_s = now_s
        if use.left < 1:
            return False
        use.left -= 1
        return True

    def begin_heavy(self, caller: str) -> bool:
        """Begin a heavy operation; False: too many are under way. Call `take` before."""
        use = self._uses[caller]
        if use.heavy >= self._heavy_max:
            return False
        use.heavy += 1
        return True

    def end_heavy(self, caller: str) -> None:
        """It has ended."""
        self._uses[caller].heavy -= 1

    def _forget(self) -> None:
        """Forget who has nothing under way, the first ones first."""
        if len(self._uses) > CALLERS_MAX:
            idle = next((caller for caller, use in self._uses.items() if not use.heavy), None)
            if idle is not None:
                del self._uses[idle]
