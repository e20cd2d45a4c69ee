"""How far a campaign is, how fast it goes and when it will be done. Pure: `now_s` (monotonic) is an argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec.structs import asdict

from dispatcher.core.flow.forecast import Forecast
from dispatcher.core.results.equation import Counts, Status
from dispatcher.store.views import CampaignView

if TYPE_CHECKING:
    from dispatcher.vendors.seam.vendor import Vendor

SPEED_WINDOW_S: Final = 3.0


class CampaignState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a campaign's recipients are now."""

    campaign: str
    name: str
    status: Status
    settled: bool
    counts: Counts
    equation: str
    adds_up: bool


class CampaignProgress(CampaignState, frozen=True, kw_only=True):
    """A campaign's state and its `Pace`; `allowed_per_s` is None if an account has no limit."""

    sent_per_s: float
    final_per_s: float
    allowed_per_s: float | None
    left_s: float | None
    beside: int
    waits_until_ms: int | None


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's speed now and what its accounts allow, in recipients per second.

    `allowed_per_s` is the sum of the flow limits of the accounts that still have to send (of all accounts if none has);
    `unpaced`: one of them has no limit. `left_s`: how long sending will still take, None if unknown or if something
    keeps an account from sending. `beside`: recipients of other campaigns that its accounts send. `waits_until_ms`: the
    end of the wait for reports.
    """

    sent_per_s: float
    final_per_s: float
    allowed_per_s: float
    unpaced: bool
    left_s: float | None
    beside: int = 0
    waits_until_ms: int | None = None


class Speed:
    """How fast one campaign goes, by the last few seconds of its counts."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int, int]] = deque()

    def saw(self, counts: Counts, now_s: float) -> None:
        """The counts at this moment."""
        self._seen.append((now_s, handed_over(counts), counts.delivered + counts.failed))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - SPEED_WINDOW_S:
            self._seen.popleft()

    @property
    def sent_per_s(self) -> float:
        """Recipients handed to vendors per second."""
        return self._per_s(1)

    @property
    def final_per_s(self) -> float:
        """Final states per second."""
        return self._per_s(2)

    def _per_s(self, column: int) -> float:
        if len(self._seen) < 2:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        return max(0.0, (last[column] - first[column]) / max(last[0] - first[0], 1e-6))


def pace(view: CampaignView, speed: Speed, accounts: Mapping[str, Vendor], expected: Forecast | None = None) -> Pace:
    """The pace of a campaign, by its accounts' flow limits and its measured speed.

    `left_s` comes from the forecast of everything that its accounts have to send, if given.
    """
    queued = {name: counts.queued for name, counts in view.accounts.items() if counts.queued}
    limits = {name: limit_per_s(accounts.get(name), view.segments) for name in queued or view.accounts}
    left_s: float | None = None
    if view.status == "running":
        each_s = [rest / (limits[name] or speed.sent_per_s or float("inf")) for name, rest in queued.items()]
        left_s = None if 0.0 in each_s else max(each_s, default=0.0)
    if expected is not None and (expected.left_s is None or None not in limits.values()):
        left_s = expected.left_s
    return Pace(
        sent_per_s=speed.sent_per_s,
        final_per_s=speed.final_per_s,
        allowed_per_s=sum(limit for limit in limits.values() if limit is not None),
        unpaced=None in limits.values(),
        left_s=left_s,
        beside=0 if expected is None else expected.beside,
    )


def state_of(view: CampaignView) -> CampaignState:
    """Where its recipients are."""
    counts = view.counts
    return CampaignState(
        campaign=view.id,
        name=view.name,
        status=view.status,
        settled=counts.settled,
        counts=counts,
        equation=counts.line(),
        adds_up=counts.adds_up,
    )


def progress_of(view: CampaignView, now: Pace) -> CampaignProgress:
    """Its state and its pace."""
    return CampaignProgress(
        **asdict(state_of(view)),
        sent_per_s=round(now.sent_per_s, 1),
        final_per_s=round(now.final_per_s, 1),
        allowed_per_s=None if now.unpaced else now.allowed_per_s,
        left_s=None if now.left_s is None else round(now.left_s, 1),
        beside=now.beside,
        waits_until_ms=now.waits_until_ms,
    )


def limit_per_s(vendor: Vendor | None, segments: int) -> float | None:
    """An account's flow limit in recipients per second; None: unpaced, or not configured here."""
    if vendor is None or vendor.flow is None:
        return None
    per_unit = {"messages": 1.0, "parts": 1 / max(segments, 1), "requests": float(vendor.limits.numbers_max)}
    return vendor.flow.limit / vendor.flow.per_s * per_unit[vendor.flow.unit]


def percent_final(counts: Counts) -> int:
    """How many of the recipients have a final state, in whole percent; 100 only when all have."""
    return 100 * (counts.recipients - counts.open) // counts.recipients if counts.recipients else 100


def handed_over(counts: Counts) -> int:
    """Recipients of requests to vendors, with any result."""
    return counts.accepted + counts.in_flight + counts.delivered + counts.failed + counts.no_report + counts.unknown


def over(views: Sequence[CampaignView]) -> bool:
    """Whether every recipient has a final state, or waits for a person.

    (Late reports may still resolve unknown ones.)
    """
    return all(
        view.counts.settled or (view.counts.open == view.counts.unknown and view.unknown == "hold") for view in views
    )
