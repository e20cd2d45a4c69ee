"""Frequency caps: how many campaigns of a class may text one number within some days. Pure.

Days are those of Asia/Shanghai; "2 per 7 d" means two on any seven days in a row. A launched campaign counts for each
of its recipients on the day of its launch, whatever becomes of it. Tests do not count. A follow-up has only recipients
of the campaign that it follows, so of these two the later counts only when the earlier is out of the window; and a
follow-up is not limited by what it follows. An automatic retry is a follow-up like any other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from dispatcher.core.launches.overtaken import followed
from dispatcher.core.shanghai import DAY_MS, SHANGHAI_MS
from dispatcher.sentences import WordedError
from schemas.records import CampaignClass, Follows, Launched

if TYPE_CHECKING:  # the configuration imports this file
    from dispatcher.core.campaigns import Campaigns

DAYS_MAX: Final = 90
COUNT_MAX: Final = 1_000
_FORM: Final = re.compile(r"\s*(\d{1,4})\s+per\s+(\d{1,4})\s*(?:d|days?)\s*")


class CapBroken(WordedError, ValueError):
    """The text is not a cap."""


class Cap(msgspec.Struct, frozen=True):
    """At most `count` campaigns on any `days` days in a row."""

    count: int
    days: int

    def __str__(self) -> str:
        return f"{self.count} per {self.days} d"


def cap_of(text: str) -> Cap:
    """The cap that is written so. Raises CapBroken."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise CapBroken('"{text}" is not a cap. Write it like this: "2 per 7 d"', text=text)
    cap = Cap(int(found[1]), int(found[2]))
    if not 1 <= cap.count <= COUNT_MAX or not 1 <= cap.days <= DAYS_MAX:
        raise CapBroken(
            '"{text}": a cap is 1 to {campaigns:,} campaigns per 1 to {days} days',
            text=text,
            campaigns=COUNT_MAX,
            days=DAYS_MAX,
        )
    return cap


def day_of(at_ms: int) -> int:
    """The day in Asia/Shanghai, counted from 1970-01-01."""
    return (at_ms + SHANGHAI_MS) // DAY_MS


def same_time_on(day: int, at_ms: int) -> int:
    """The time of the day of `at_ms`, on another day."""
    return at_ms + (day - day_of(at_ms)) * DAY_MS


def counted(
    campaigns: Campaigns, campaign_class: CampaignClass, cap: Cap, today: int, follows: Follows | None = None
) -> dict[str, Launched]:
    """The launches that count today, by attempt: for a launch of this class, which may follow another campaign."""
    recent = {
        launched.campaign: launched
        for each in campaigns.by_id.values()
        if (launched := each.launched) is not None
        and (launched.campaign_class or "marketing") == campaign_class
        and not launched.test_of
        and day_of(launched.at_ms) > today - cap.days
    }
    followed = _chain(campaigns, follows)
    return {
        launched.attempt: launched
        for launched in recent.values()
        if launched.campaign not in followed and not any(each in recent for each in _chain(campaigns, launched.follows))
    }


def _chain(campaigns: Campaigns, follows: Follows | None) -> set[str]:
    """The campaigns that are followed, those that these follow, and so on."""
    found: set[str] = set()
    while follows is not None and follows.campaign not in found:
        found.update(followed(follows))
        launched = campaigns.launched(follows.campaign)
        follows = None if launched is None else launched.follows
    return found
