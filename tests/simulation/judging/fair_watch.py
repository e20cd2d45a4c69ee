"""Watches one lane's sharing at the moment it decides: two campaigns that both have work get what their weights say.

Start-time fair queueing promises that over any stretch in which two campaigns both have work, what they got divided by
their weights differs by no more than one chunk of each. Weights are taken from the log's records, not from the lane.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from dispatcher.core.flow.fairness import URGENT_RUN, FairShare
from dispatcher.core.lane.account import AccountLane
from schemas.records import AnyRecord, Launched, Weighed

Truth = Callable[[str], tuple[int, bool]]
"""(weight, urgent) of a campaign, as the records that this process has read say."""


class Weights(dict[str, tuple[int, bool]]):
    """What the records of the campaigns say: the first launch counts, then every change of weight."""

    def read(self, record: AnyRecord) -> None:
        """The next record that the process reads."""
        if isinstance(record, Weighed) or (isinstance(record, Launched) and record.campaign not in self):
            self[record.campaign] = (record.weight, record.urgent)


class WatchedShare(FairShare):
    """The lane's own FairShare (`inner`), and whether what it decides is fair. `broken` raises."""

    def __init__(self, inner: FairShare, truth: Truth, broken: Callable[[str], None]) -> None:
        super().__init__()
        self._inner = inner
        self._truth = truth
        self._broken = broken
        self._served: dict[str, float] = {}
        self._largest: dict[str, float] = {}
        self._known: dict[str, tuple[int, bool]] = {}
        self._apart: dict[tuple[str, str], tuple[float, float]] = {}
        self._urgent_row = 0
        self._others_waited = 0

    def pick(self, ready: Collection[tuple[str, int, bool]]) -> str | None:
        """Who is next; `ready` are all that have work now."""
        present = {campaign: self._truth(campaign) for campaign, _, _ in ready}
        for pair in list(self._apart):
            if any(present.get(campaign) != self._known.get(campaign) for campaign in pair):
                del self._apart[pair]
        self._known = present
        names = sorted(present)
        for index, one in enumerate(names):
            for other in names[index + 1 :]:
                if present[one][1] == present[other][1] and (one, other) not in self._apart:
                    apart = self._served.get(one, 0.0) - self._served.get(other, 0.0)
                    self._apart[one, other] = (apart, apart)
        return self._inner.pick(ready)

    def charge(self, campaign: str, units: int, weight: int, *, urgent: bool) -> None:
        """It was served."""
        self._inner.charge(campaign, units, weight, urgent=urgent)
        weight, urgent = self._known[campaign]
        self._served[campaign] = self._served.get(campaign, 0.0) + units / weight
        self._largest[campaign] = max(self._largest.get(campaign, 0.0), units / weight)
        for pair, (least, most) in list(self._apart.items()):
            if campaign in pair:
                one, other = pair
                apart = self._served.get(one, 0.0) - self._served.get(other, 0.0)
                least, most = self._apart[pair] = (min(least, apart), max(most, apart))
                chunks = sum(self._largest.get(name, 0.0) for name in pair)
                if most - least > chunks + 1e-6:
                    self._broken(f"{one} and {other} drifted {most - least:.0f} apart, {chunks:.0f} is fair")
        self._rows(urgent)

    def give_back(self, campaign: str, units: int, weight: int, *, urgent: bool) -> None:
        """It was charged and not served: the stretches over which it is compared begin again."""
        self._inner.give_back(campaign, units, weight, urgent=urgent)
        self._served[campaign] = self._served.get(campaign, 0.0) - units / self._truth(campaign)[0]
        for pair in [pair for pair in self._apart if campaign in pair]:
            del self._apart[pair]

    def forget(self, campaign: str) -> None:
        """The campaign is over."""
        self._inner.forget(campaign)

    def _rows(self, urgent: bool) -> None:
        """Urgent campaigns go first; and one chunk in URGENT_RUN is for the others all the same."""
        waiting = {is_urgent for _, is_urgent in self._known.values()}
        self._urgent_row += urgent
        self._others_waited = self._others_waited + 1 if urgent and False in waiting else 0
        if urgent and False in waiting and self._others_waited >= URGENT_RUN:
            self._broken(f"{self._others_waited} urgent chunks in a row, others wait")
        if not urgent and True in waiting and self._urgent_row < URGENT_RUN - 1:
            self._broken(f"an urgent campaign waits for others, after {self._urgent_row} urgent chunks")
        if not urgent:
            self._urgent_row = 0


class OvertakenWatch:
    """Requests that stand at the gate: one urgent one after the other may go first, but not all of them."""

    def __init__(self, broken: Callable[[str], None]) -> None:
        self._broken = broken
        self._left: dict[int, tuple[int, int]] = {}  # by how many more urgent ones it may be overtaken; its place

    def leaves(self, lane: AccountLane, intent: int) -> None:
        """It is written; the others at the gate still wait."""
        urgent = lane.sending[intent].urgent
        waiting = [each.chunk.intent for each in lane.unsent if each.stands_s is not None and not each.urgent]
        came_last = not urgent and intent not in self._left  # to the gate; it had the turn of the others all the same
        for place, other in enumerate(waiting):
            left, was = self._left.get(other, (URGENT_RUN * (1 + (not urgent)), 0))
            left += URGENT_RUN * max(0, place - was) - urgent  # one before it may have come to the gate after it
            left += URGENT_RUN * (came_last and other in self._left)
            self._left[other] = (left, place)
            if left < 0:
                self._broken(f"intent {other} stands at the gate, and urgent ones overtake it without end")
