"""Pausing, resuming and cancelling: one record each on `campaigns`, which lanes obey within a second.

Pausing and resuming are keyed `ID!flow`, so that compaction keeps the last word; cancelling is final and has a key of
its own. What is checked here (the campaign exists, it is not cancelled) is for the person; the fold
(dispatcher/core/campaigns.py) holds without it.
"""

from __future__ import annotations

from typing import Literal

from dispatcher import clock
from dispatcher.campaigns_feed import read_campaigns
from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.errors import UserError
from dispatcher.log.port import Entry, Log
from dispatcher.os_user import os_user
from schemas.codec import encode
from schemas.records import Cancelled, Flowed
from schemas.topics import CAMPAIGNS

Control = Literal["pause", "resume", "cancel"]


def launched(campaigns: Campaigns, campaign: str) -> Campaign:
    """The campaign of this id. Raises UserError if it was never launched."""
    known = campaigns.get(campaign)
    if known is None or known.launched is None:
        there = sorted(each.id for each in campaigns.by_id.values() if each.launched is not None)
        raise no_campaign(campaign, there)
    return known


async def control(log: Log, campaign: str, what: Control) -> bool:
    """Pause, resume or cancel; False if it was so already (nothing is written then).

    Raises UserError (no such campaign; pausing or resuming what is cancelled) and LogError.
    """
    known = launched(await read_campaigns(log), campaign)
    if known.cancelled:
        if what == "cancel":
            return False
        raise UserError(f'campaign "{campaign}" is cancelled, and that is final. Launch what is left under another id.')
    now_ms, by = clock.now_ms(), os_user()
    record: Flowed | Cancelled
    if what == "cancel":
        record, key = Cancelled(campaign=campaign, at_ms=now_ms, by=by), f"{campaign}!cancelled"
    elif known.paused == (what == "pause"):
        return False
    else:
        record, key = Flowed(campaign=campaign, paused=what == "pause", at_ms=now_ms, by=by), f"{campaign}!flow"
    await log.append(CAMPAIGNS.name, 0, [Entry(key.encode(), encode(record))])
    return True


def no_campaign(campaign: str, there: list[str]) -> UserError:
    """The error for an id that is not among those `there`."""
    shown = f"{', '.join(there[:5])}{', …' if len(there) > 5 else ''}"
    advice = f"There are: {shown} (dispatcher campaign list)." if there else "Nothing was launched yet."
    return UserError(f'there is no campaign "{campaign}" on this log. {advice}')
