"""Shares one account's flow between campaigns: start-time fair queueing, urgent campaigns first.

Every campaign has a virtual clock that runs `units / weight` for each chunk it sends; the one whose clock is furthest
behind is next. That is deficit round-robin's fairness at chunk granularity without its rounds and quanta: over any
stretch two campaigns that both have work differ from their weights by at most one chunk each. An idle campaign restarts
at the current virtual time: it gets its share from now on, not what it missed.

Urgent campaigns go first, among themselves by the same rule; but one chunk in URGENT_RUN goes to the others, so that no
campaign starves behind an "urgent" one of five million.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Protocol, TypeVar

URGENT_RUN: Final = 10


class Waiting(Protocol):
    """A chunk in a queue; `urgent` if its campaign is."""

    urgent: bool


Chunks = TypeVar("Chunks", bound=Waiting)


class UrgentFirst:
    """The order of one queue: urgent chunks before others, but not all of them; else in the queue's own order."""

    def __init__(self) -> None:
        self._urgent_row = 0

    def first(self, queue: Iterable[Chunks]) -> Chunks | None:
        """The chunk that leaves the queue next; None if it is empty."""
        urgent = other = None
        for chunk in queue:
            if chunk.urgent:
                urgent = urgent or chunk
            else:
                other = other or chunk
            if urgent is not None and other is not None:
                return other if self._urgent_row >= URGENT_RUN - 1 else urgent
        return urgent or other

    def leaves(self, chunk: Waiting) -> None:
        """Record that it left the queue."""
        self._urgent_row = self._urgent_row + 1 if chunk.urgent else 0


class FairShare:
    """Chooses the next campaign. Keys are campaign ids; `pick` changes nothing, `charge` and `give_back` do."""

    def __init__(self) -> None:
        self._clock: dict[tuple[str, bool], float] = {}  # urgent campaigns have a separate time
        self._now = {False: 0.0, True: 0.0}
        self._urgent_row = 0

    def pick(self, ready: Collection[tuple[str, int, bool]]) -> str | None:
        """The next campaign among (campaign, weight, urgent) with work to send now; None without any."""
        urgent = [campaign for campaign, _, is_urgent in ready if is_urgent]
        others = [campaign for campaign, _, is_urgent in ready if not is_urgent]
        if urgent and (not others or self._urgent_row < URGENT_RUN - 1):
            return self._furthest_behind(urgent, True)
        return self._furthest_behind(others, False) if others else None

    def charge(self, campaign: str, units: int, weight: int, *, urgent: bool) -> None:
        """`campaign` was served `units`."""
        start = max(self._clock.get((campaign, urgent), 0.0), self._now[urgent])
        self._now[urgent] = start
        self._clock[campaign, urgent] = start + units / max(weight, 1)
        self._urgent_row = self._urgent_row + 1 if urgent else 0

    def give_back(self, campaign: str, units: int, weight: int, *, urgent: bool) -> None:
        """`campaign` was charged for these units, and they were not sent."""
        if (campaign, urgent) in self._clock:
            self._clock[campaign, urgent] -= units / max(weight, 1)

    def forget(self, campaign: str) -> None:
        """The campaign is over."""
        for urgent in (False, True):
            self._clock.pop((campaign, urgent), None)

    def _furthest_behind(self, campaigns: list[str], urgent: bool) -> str:
        now = self._now[urgent]
        return min(campaigns, key=lambda campaign: max(self._clock.get((campaign, urgent), 0.0), now))
