"""How far a campaign is, how fast it goes and when it will be done: the figures of `campaign watch` and `demo`.

Values in, words out; `now_s` (monotonic) is an argument. dispatcher/terminal/live.py draws them; without a terminal
they are
plain lines, for `--json` objects.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dispatcher.core.results.equation import Counts, Status
from dispatcher.store.port import CampaignView
from dispatcher.vendors.seam.vendor import Vendor
from dispatcher.words import countdown

SPEED_WINDOW_S: Final = 3.0

# --- where the recipients are ----------------------------------------------------------------------------------------


class Share(msgspec.Struct, frozen=True):
    """A state as it is shown: the terms of the equation in it, its word, its look with and without colours."""

    terms: tuple[str, ...]
    word: str
    style: str
    glyph: str
    always: bool = False

    def size(self, counts: Counts) -> int:
        """How many recipients are in it."""
        return sum(int(getattr(counts, term)) for term in self.terms)


SHARES: Final = (
    Share(("delivered",), "delivered", "green", "█", True),
    Share(("failed",), "failed", "red", "▓", True),
    Share(("no_report",), "no report", "bright_black", "▚"),
    Share(("unknown",), "unknown", "magenta", "?", True),
    Share(("cancelled",), "cancelled", "bright_black", "x"),
    Share(("accepted", "in_flight"), "waiting", "yellow", "▒", True),
    Share(("queued",), "not sent", "blue", "░", True),
)

STATUS_WORDS: Final[Mapping[Status, str]] = {
    "running": "sending",
    "paused": "paused",
    "waiting": "waiting for reports",
    "holding": "not finished: unknown recipients left",
    "cancelled": "cancelled",
    "finished": "finished",
}


def shown(counts: Counts) -> list[tuple[Share, int]]:
    """The shares that have somebody in them, or are always shown."""
    sizes = [(share, share.size(counts)) for share in SHARES]
    return [(share, size) for share, size in sizes if size or share.always]


def percent_final(counts: Counts) -> int:
    """How many of the recipients have their final word, in whole percent; 100 only when all have."""
    return 100 * (counts.recipients - counts.open) // counts.recipients if counts.recipients else 100


def handed_over(counts: Counts) -> int:
    """Recipients a vendor was asked to text, whatever came of it."""
    return counts.accepted + counts.in_flight + counts.delivered + counts.failed + counts.no_report + counts.unknown


# --- how fast --------------------------------------------------------------------------------------------------------


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
        """Final words per second."""
        return self._per_s(2)

    def _per_s(self, column: int) -> float:
        if len(self._seen) < 2:
            return 0.0
        first, last = self._seen[0], self._seen[-1]
        return max(0.0, (last[column] - first[column]) / max(last[0] - first[0], 1e-6))


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign's speed now and what its accounts allow, in recipients per second.

    `allowed_per_s` is the sum of the flow limits of the accounts that still have to send (of all, when none has), and
    `unpaced` says that one of them has no limit. `left_s`: how long sending will still take, None where nothing tells.
    """

    sent_per_s: float
    reports_per_s: float
    allowed_per_s: float
    unpaced: bool
    left_s: float | None


def pace(view: CampaignView, speed: Speed, accounts: Mapping[str, Vendor]) -> Pace:
    """The pace of a campaign, by its accounts' flow limits and its measured speed."""
    queued = {name: counts.queued for name, counts in view.accounts.items() if counts.queued}
    limits = {name: limit_per_s(accounts.get(name), view.segments) for name in queued or view.accounts}
    left_s: float | None = None
    if view.status == "running":
        each_s = [rest / (limits[name] or speed.sent_per_s or float("inf")) for name, rest in queued.items()]
        left_s = None if 0.0 in each_s else max(each_s, default=0.0)
    return Pace(
        sent_per_s=speed.sent_per_s,
        reports_per_s=speed.final_per_s,
        allowed_per_s=sum(limit for limit in limits.values() if limit is not None),
        unpaced=None in limits.values(),
        left_s=left_s,
    )


def limit_per_s(vendor: Vendor | None, segments: int) -> float | None:
    """An account's flow limit in recipients per second; None: unpaced, or not configured here."""
    if vendor is None or vendor.flow is None:
        return None
    per_unit = {"messages": 1.0, "parts": 1 / max(segments, 1), "requests": float(vendor.limits.numbers_max)}
    return vendor.flow.limit / vendor.flow.per_s * per_unit[vendor.flow.unit]


# --- words -----------------------------------------------------------------------------------------------------------


def pace_words(view: CampaignView, now: Pace) -> str:
    """`2,012 numbers/s now, 2,000 allowed · 1,234 reports/s · 0:12 left to send`; what says nothing is left out."""
    words = []
    if view.status == "running":
        words.append(f"{now.sent_per_s:,.0f} numbers/s now, {_allowed(now)}")
    if view.counts.accepted or now.reports_per_s:
        words.append(f"{now.reports_per_s:,.0f} final/s")
    if now.left_s:
        words.append(f"{countdown(now.left_s)} left to send")
    return " · ".join(words)


def plain_line(view: CampaignView, now: Pace) -> str:
    """The campaign's progress as one line without colours."""
    shares = ", ".join(f"{share.word} {size:,}" for share, size in shown(view.counts))
    words = [STATUS_WORDS[view.status], f"{percent_final(view.counts)} % final", shares, pace_words(view, now)]
    return f"{view.id}: {' · '.join(filter(None, words))}"


def as_json(view: CampaignView, now: Pace | None = None) -> dict[str, Any]:
    """The campaign's progress as one JSON object."""
    object_: dict[str, Any] = {
        "campaign": view.id,
        "name": view.name,
        "status": view.status,
        "settled": view.settled,
        "counts": view.counts.as_dict(),
        "equation": view.counts.line(),
        "balanced": view.counts.balanced,
    }
    if now is not None:
        object_ |= {
            "sent_per_s": round(now.sent_per_s, 1),
            "final_per_s": round(now.reports_per_s, 1),
            "allowed_per_s": None if now.unpaced else now.allowed_per_s,
            "left_s": None if now.left_s is None else round(now.left_s, 1),
        }
    return object_


def _allowed(now: Pace) -> str:
    if not now.unpaced:
        return f"{now.allowed_per_s:,.0f} allowed"
    return f"{now.allowed_per_s:,.0f} allowed + an account without limit" if now.allowed_per_s else "no limit"


def over(views: Sequence[CampaignView]) -> bool:
    """Nothing of these will change by itself any more: every recipient has its final word, or waits for a person.

    (Late reports may still tell of who is unknown.)
    """
    return all(view.settled or (view.counts.open == view.counts.unknown and view.unknown == "hold") for view in views)
