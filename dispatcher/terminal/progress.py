"""A campaign's progress in words: the shares of its recipients, its status, its pace.

dispatcher/terminal/live.py draws it; the figures come from dispatcher/service/campaigns/progress.py.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.results.equation import STATUSES, Counts
from dispatcher.core.schedule.holds import Hold
from dispatcher.i18n import _
from dispatcher.service.campaigns.progress import Pace, percent_final
from dispatcher.store.views import CampaignView
from dispatcher.wording import clock, countdown
from dispatcher.words import hold_words, word

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
        """Its word, the equation's, in the language of the task."""
        return word(self.term)

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
        words.append(_("{rate:,.0f} numbers/s now, {allowed}", rate=now.sent_per_s, allowed=_allowed(now)))
    if view.counts.accepted or now.final_per_s:
        words.append(_("{rate:,.0f} final/s", rate=now.final_per_s))
    if now.left_s:
        beside = _(" beside {beside:,} of other campaigns", beside=now.beside) if now.beside else ""
        words.append(_("{countdown} left to send{beside}", countdown=countdown(now.left_s), beside=beside))
    if view.status == "waiting" and now.waits_until_ms is not None:
        words.append(_("reports are waited for until {time}", time=clock(now.waits_until_ms, named=True)))
    return " · ".join(words)


def held_words(hold: Hold, *, short: bool = False) -> str:
    """`held until 2026-12-01 08:00 Asia/Shanghai`, or only `held`; `short` leaves out year and zone."""
    if not hold.until_ms:
        return word("held")
    date, time, *zone = clock(hold.until_ms, named=True).split(" ")
    minute = time.removesuffix(":00")
    until = f"{date[5:]} {minute}" if short else " ".join((date, minute, *zone))
    return _("held until {time}", time=until)


def status_words(view: CampaignView) -> tuple[str, str]:
    """Its status, and what that means: of a held campaign until when, and why."""
    if view.status == "held" and view.held is not None:
        return held_words(view.held), hold_words(view.held, view.id)
    return word(view.status), _(STATUSES[view.status])


def plain_line(view: CampaignView, now: Pace) -> str:
    """The campaign's progress as one line without colours."""
    shares = ", ".join(f"{share.word} {size:,}" for share, size in shown(view.counts))
    status, meaning = status_words(view)
    words = [
        f"{status} ({meaning})",
        _("{share} % final", share=percent_final(view.counts)),
        shares,
        pace_words(view, now),
    ]
    return f"{view.id}: {' · '.join(filter(None, words))}"


def _allowed(now: Pace) -> str:
    if not now.unpaced:
        return _("{rate:,.0f} allowed", rate=now.allowed_per_s)
    return (
        _("{rate:,.0f} allowed + an account without limit", rate=now.allowed_per_s)
        if now.allowed_per_s
        else _("no limit")
    )
