"""A campaign's progress in words: the shares of its recipients, its status, its pace.

dispatcher/terminal/live.py draws it; the figures come from dispatcher/service/campaigns/progress.py.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.results.equation import STATUSES, WORDS, Counts
from dispatcher.core.schedule.holds import Hold, hold_sentence
from dispatcher.service.campaigns.progress import Pace, percent_final
from dispatcher.store.views import CampaignView
from dispatcher.wording import clock, countdown

# --- where the recipients are ----------------------------------------------------------------------------------------


class ShownTerm(msgspec.Struct, frozen=True):
    """A term of the equation as it is shown: its look with and without colours. `open`: it may still change."""

    term: str
    style: str
    glyph: str
    always: bool = False
    open: bool = False

    @property
    def word(self) -> str:
        """Its word, the equation's."""
        return WORDS[self.term]

    def size(self, counts: Counts) -> int:
        """How many recipients are in it."""
        return int(getattr(counts, self.term))


SHARES: Final = (
    ShownTerm("delivered", "green", "█", True),
    ShownTerm("failed", "red", "▓", True),
    ShownTerm("no_report", "bright_black", "▚"),
    ShownTerm("unknown", "magenta", "?", True),
    ShownTerm("cancelled", "bright_black", "x"),
    ShownTerm("accepted", "yellow", "▒", True, True),
    ShownTerm("in_flight", "cyan", "▸", False, True),
    ShownTerm("queued", "blue", "░", True, True),
)


def shown(counts: Counts) -> list[tuple[ShownTerm, int]]:
    """The shares with recipients, and those that are always shown."""
    sizes = [(share, share.size(counts)) for share in SHARES]
    return [(share, size) for share, size in sizes if size or share.always]


# --- words -----------------------------------------------------------------------------------------------------------


def pace_words(view: CampaignView, now: Pace) -> str:
    """`2,012 numbers/s now, 2,000 allowed · 1,234 reports/s · 0:12 left to send`; empty parts are left out."""
    words = []
    if view.status == "running":
        words.append(f"{now.sent_per_s:,.0f} numbers/s now, {_allowed(now)}")
    if view.counts.accepted or now.final_per_s:
        words.append(f"{now.final_per_s:,.0f} final/s")
    if now.left_s:
        beside = f" beside {now.beside:,} of other campaigns" if now.beside else ""
        words.append(f"{countdown(now.left_s)} left to send{beside}")
    if view.status == "waiting" and now.waits_until_ms is not None:
        words.append(f"reports are waited for until {clock(now.waits_until_ms, named=True)}")
    return " · ".join(words)


def held_words(hold: Hold, *, short: bool = False) -> str:
    """`held until 2026-12-01 08:00 Asia/Shanghai`, or only `held`; `short` leaves out year and zone."""
    if not hold.until_ms:
        return "held"
    date, time, *zone = clock(hold.until_ms, named=True).split(" ")
    minute = time.removesuffix(":00")
    return f"held until {date[5:]} {minute}" if short else " ".join(("held until", date, minute, *zone))


def status_words(view: CampaignView) -> tuple[str, str]:
    """Its status, and what that means: of a held campaign until when, and why."""
    if view.status == "held" and view.held is not None:
        return held_words(view.held), hold_sentence(view.held, view.id)
    return view.status, STATUSES[view.status]


def plain_line(view: CampaignView, now: Pace) -> str:
    """The campaign's progress as one line without colours."""
    shares = ", ".join(f"{share.word} {size:,}" for share, size in shown(view.counts))
    status, meaning = status_words(view)
    words = [
        f"{status} ({meaning})",
        f"{percent_final(view.counts)} % final",
        shares,
        pace_words(view, now),
    ]
    return f"{view.id}: {' · '.join(filter(None, words))}"


def _allowed(now: Pace) -> str:
    if not now.unpaced:
        return f"{now.allowed_per_s:,.0f} allowed"
    return f"{now.allowed_per_s:,.0f} allowed + an account without limit" if now.allowed_per_s else "no limit"
