"""Pausing everything at once, and what is still under way afterwards."""

from __future__ import annotations

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.launches.retries import texts_again
from dispatcher.log.port import Entry
from dispatcher.os_user import os_user
from dispatcher.service.campaigns.drafts import schedule_entry
from dispatcher.service.session import Session
from schemas.codec import encode
from schemas.records import Flowed, control_key
from schemas.topics import CAMPAIGNS


class EverythingPaused(msgspec.Struct, frozen=True, kw_only=True):
    """The campaigns that were paused now, and the drafts that do not start by themselves any more."""

    paused: list[str]
    unscheduled: list[str]
    at_ms: int


class StillSending(msgspec.Struct, frozen=True, kw_only=True):
    """What may still be sent: `campaigns` that are neither paused nor over, recipients `in_flight` at vendors.

    A campaign is over when its retries are, too. `last_sent_ms`: when the last request left, as far as results know;
    they are `records_behind` the log.
    """

    campaigns: list[str]
    in_flight: int
    last_sent_ms: int | None
    records_behind: int

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is sent any more."""
        return not self.campaigns and not self.in_flight and not self.records_behind


async def pause_everything(session: Session, *, by: str = "") -> EverythingPaused:
    """Pause every campaign that is not over, in one append, and take drafts off their schedule. Raises LogError.

    A campaign whose retries are yet to come is not over, and a draft of deferred recipients has a schedule, too.
    `by` as in `control_campaign`. Lanes obey within a second; requests under way are finished.
    """
    who, at_ms = by or os_user(), now_ms()
    known = await session.campaigns()
    over = await _over(session, known)
    paused = sorted(each.id for each in known.by_id.values() if each.sends and each.id not in over)
    scheduled = sorted(
        each.id
        for each in known.by_id.values()
        if each.launched is None and each.draft is not None and not each.cancelled and each.draft.start_ms
    )
    entries = [schedule_entry(campaign, 0, who) for campaign in scheduled]
    for campaign in paused:
        flowed = Flowed(campaign=campaign, paused=True, at_ms=at_ms, by=who)
        entries.append(Entry(control_key(flowed), encode(flowed)))
    if entries:
        await (await session.log()).append(CAMPAIGNS.name, 0, entries)
    return EverythingPaused(paused=paused, unscheduled=scheduled, at_ms=at_ms)


async def still_sending(session: Session) -> StillSending:
    """What is not paused, or still under way. Raises LogError, StoreError."""
    records_behind = await session.behind(within_s=0.0)
    known = await session.campaigns()
    over = await _over(session, known)
    views = await session.read(lambda reader: reader.campaigns())
    return StillSending(
        campaigns=sorted(each.id for each in known.by_id.values() if each.sends and each.id not in over),
        in_flight=sum(view.counts.in_flight for view in views),
        last_sent_ms=max((view.last_sent_ms for view in views if view.last_sent_ms is not None), default=None),
        records_behind=records_behind,
    )


async def _over(session: Session, known: Campaigns) -> set[str]:
    """Campaigns that send nothing any more whatever happens: no recipient is left, and no retry is yet to come."""
    views, at_ms = await session.read(lambda reader: reader.campaigns()), now_ms()
    done = [known.get(view.id) for view in views if view.status in ("finished", "cancelled")]
    return {each.id for each in done if each is not None and not texts_again(known, each, at_ms)}
