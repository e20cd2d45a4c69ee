"""Who did what with a campaign, and when, oldest first: from the records of `campaigns` and the audit trail.

The log keeps every draft, approval, change of budget and wave, but of pauses, weights and hours the last one only
(compaction); the audit trail has each of those that was ordered by console or API, and who decided about unknown
requests (dispatcher/service/people/audit_index.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from dispatcher.core.schedule.hours import recorded
from dispatcher.core.waves.variants import label
from dispatcher.log.records import record_of
from dispatcher.service.people.audit_index import audit_index
from dispatcher.service.session import Session
from schemas.records import (
    AnyRecord,
    Approved,
    Budgeted,
    Cancelled,
    Closed,
    Drafted,
    Flowed,
    HoursChanged,
    Launched,
    Scheduled,
    StartFailed,
    TextDecided,
    WaveDecided,
    Weighed,
)
from schemas.topics import CAMPAIGNS

What = Literal[
    "drafted",
    "scheduled",
    "not scheduled",
    "approved",
    "start failed",
    "launched",
    "paused",
    "resumed",
    "weight",
    "hours",
    "budget",
    "wave released",
    "wave halted",
    "text decided",
    "cancelled",
    "closed",
    "followed up",
    "tested",
    "unknown decided",
]


class TimelineEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was done, by whom ("": by the dispatcher itself). `details` are its figures by name.

    Of what the audit trail alone has they are what it `says`.
    """

    at_ms: int
    what: What
    by: str
    details: dict[str, Any] = {}


AUDITED_WITHIN_MS: Final = 60_000
"""An order is written to the trail after its record, within this time: it is one event."""

_MARKS: Final = (b"#", b"!")
"""What follows a campaign's id in the keys of its records."""


async def campaign_timeline(session: Session, campaign: str) -> list[TimelineEvent]:
    """Everything that was done with a campaign or a draft; empty for an id that is not on the log. Raises LogError."""
    log, id_ = await session.log(), campaign.encode()
    found, position = list[TimelineEvent](), 0
    while records := await log.read(CAMPAIGNS.name, 0, position):
        position = records[-1].offset + 1
        for stored in records:
            if stored.key.startswith(id_) and stored.key[len(id_) : len(id_) + 1] in _MARKS:
                event = _event(record_of(stored, CAMPAIGNS.name))
                found += [] if event is None else [event]
    known = await session.campaigns()
    mine = known.get(campaign)
    counts = None if mine is None else mine.launched
    found = [
        event
        for event in found
        if event.what != "launched" or (counts is not None and event.details["attempt"] == counts.attempt)
    ]
    for other in known.by_id.values():
        launched = other.launched
        if launched is None:
            continue
        details = {"campaign": other.id, "recipients": launched.recipients}
        if launched.follows is not None and launched.follows.campaign == campaign:
            found.append(TimelineEvent(at_ms=launched.at_ms, what="followed up", by=launched.by, details=details))
        if launched.test_of == campaign:
            found.append(TimelineEvent(at_ms=launched.at_ms, what="tested", by=launched.by, details=details))
    return sorted([*found, *await _audited(session, campaign, found)], key=lambda event: event.at_ms)


async def _audited(session: Session, campaign: str, known: Sequence[TimelineEvent]) -> list[TimelineEvent]:
    """What the audit trail has beside these events."""
    there = list(known)
    found = []
    for order in (await audit_index(session)).orders_of(campaign):
        same = [
            event
            for event in there
            if (event.what, event.by) == (order.what, order.by) and 0 <= order.at_ms - event.at_ms <= AUDITED_WITHIN_MS
        ]
        if same:
            there.remove(max(same, key=lambda event: event.at_ms))
        else:
            what: Any = order.what
            found.append(TimelineEvent(at_ms=order.at_ms, what=what, by=order.by, details={"says": order.says}))
    return found


def _event(record: AnyRecord) -> TimelineEvent | None:
    details: dict[str, Any] = {}
    what: What
    match record:
        case Drafted():
            what, details = "drafted", {"recipients": record.recipients}
        case Scheduled():
            what = "scheduled" if record.start_ms else "not scheduled"
            details = {"start_ms": record.start_ms} if record.start_ms else {}
        case Approved():
            what = "approved"
        case StartFailed():
            return TimelineEvent(at_ms=record.at_ms, what="start failed", by="", details={"says": record.says})
        case Launched():
            what, details = "launched", {"recipients": record.recipients, "attempt": record.attempt}
        case Flowed():
            what = "paused" if record.paused else "resumed"
        case Weighed():
            what, details = "weight", {"weight": record.weight, "urgent": record.urgent}
        case HoursChanged():
            what, details = "hours", {"hours": str(recorded(record.hours)), "at_closing": record.at_closing}
        case Budgeted():
            what, details = "budget", {"micro_yuan": record.budget}
        case WaveDecided():
            what = "wave released" if record.verdict == "released" else "wave halted"
            details = {"wave": record.wave, "by_person": record.by_person, "why": record.why}
        case TextDecided():
            what, details = "text decided", {"text": label(record.variant)}
        case Cancelled():
            what = "cancelled"
        case Closed():
            what = "closed"
        case _:
            return None
    return TimelineEvent(at_ms=record.at_ms, what=what, by=record.by, details=details)
