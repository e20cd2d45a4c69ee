"""Drafts as people see them, and what they order about one: approve, schedule, cancel. Each is a record on `campaigns`.

Making, launching and testing drafts reads lists: that is producers/drafts, by entry point (`dispatcher.services`).
"""

from __future__ import annotations

import secrets
from typing import Any, Final

import msgspec

from dispatcher.accounts.holders import conductor_holder
from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.drafts import Draft, DraftStatus, content, due_ms, starts_ms, status
from dispatcher.core.money.amounts import micro_yuan
from dispatcher.core.results.equation import Counts, launched
from dispatcher.core.schedule.hours import recorded
from dispatcher.errors import Conflict, NotFound, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry
from dispatcher.os_user import os_user
from dispatcher.sentences import Sentence
from dispatcher.service.campaigns.cost import CampaignCost
from dispatcher.service.session import Session
from schemas.codec import encode
from schemas.records import Approved, AtClosing, CampaignClass, Cancelled, Drafted, Scheduled
from schemas.topics import CAMPAIGNS

NAMED_MAX: Final = 5


class DraftLeg(msgspec.Struct, frozen=True, kw_only=True):
    """An account of a draft's route, and how many recipients it would get by the plan."""

    account: str
    vendor: str = ""
    recipients: int = 0
    segments: int = 0


class DraftView(msgspec.Struct, frozen=True, kw_only=True):
    """One draft. Times are Unix milliseconds, None if there is none. Keys that a launched campaign has mean the same.

    `scheduled_ms` is the time that a person gave, `due_ms` when it starts within its sending hours if it is approved by
    then, `starts_ms` the same if nothing else is missing. `needs_approval`: more recipients than are launched without
    one; `changed_since_approval` says why an approval is void. `failure`: why its start failed. `recipients` includes
    those of the suppression list, which is judged at the launch; in `counts` they are queued. `plan` is that of the
    time when it was drafted, and `cost` its cost. `route_name`: the route of the configuration, "" if accounts were
    named. `not_run`: no process of this machine starts scheduled campaigns.
    """

    campaign: str
    name: str
    status: DraftStatus
    drafted_ms: int
    drafted_by: str
    text: str
    variables: tuple[str, ...]
    route: tuple[DraftLeg, ...]
    route_name: str
    recipients: int
    counts: Counts
    cost: CampaignCost | None
    budget_micro_yuan: int
    campaign_class: CampaignClass = msgspec.field(name="class")
    hours: str
    at_closing: AtClosing
    weight: int
    urgent: bool
    unknown: str = msgspec.field(name="unknown_policy")
    invalid_reasons: dict[str, int]
    suppressed_reasons: dict[str, int]
    scheduled_ms: int | None
    scheduled_by: str
    due_ms: int | None
    starts_ms: int | None
    needs_approval: bool
    approved_by: str
    approved_ms: int | None
    changed_since_approval: tuple[str, ...]
    failure: str
    cancelled_by: str
    not_run: bool
    terms: dict[str, Any]
    plan: dict[str, Any]


class _Terms(msgspec.Struct, frozen=True):
    """What is shown of a draft's terms by its own name; the defaults are those of a launch."""

    route: tuple[str, ...] = ()
    weight: int | None = None
    urgent: bool = False
    unknown: str = "hold"
    campaign_class: CampaignClass = msgspec.field(name="class", default="marketing")
    at_closing: AtClosing = "pause"
    budget: str = ""


class _Planned(msgspec.Struct, frozen=True):
    """What is shown of the plan that a draft keeps (producers/launch/planning/plan.py)."""

    accounts: tuple[DraftLeg, ...] = ()
    cost_micro_yuan: int | None = None
    unpriced: tuple[str, ...] = ()

    @property
    def cost(self) -> CampaignCost | None:
        """What it will cost; None if none of its accounts has a price."""
        if self.cost_micro_yuan is None:
            return None
        return CampaignCost(
            planned_micro_yuan=self.cost_micro_yuan, spent_micro_yuan=0, open_micro_yuan=0, unpriced=self.unpriced
        )


class FoundDraft(msgspec.Struct, frozen=True):
    """A draft in the fold of campaigns."""

    campaign: Campaign
    draft: Draft

    @property
    def revision(self) -> str:
        """The revision in force."""
        return self.campaign.revision


def find_draft_in(known: Campaigns, campaign: str) -> FoundDraft:
    """The draft of this id. Raises UserError if there is none."""
    found = known.get(campaign)
    if found is not None and found.launched is not None:
        raise Conflict(
            '"{campaign}" was launched and is no draft any more.',
            campaign=campaign,
            do="See: dispatcher campaign show {campaign}",
        )
    if found is None or found.draft is None:
        drafts = ", ".join(sorted(each.id for each in known.by_id.values() if each.draft)[:NAMED_MAX])
        raise NotFound(
            'there is no draft "{campaign}" on this log. {value}.',
            campaign=campaign,
            value=Sentence("There are: {drafts}", drafts=drafts) if drafts else Sentence("Make one"),
        )
    return FoundDraft(found, found.draft)


def is_draft(known: Campaign) -> UserError:
    """The error for an order or a question that only a launched campaign has an answer to."""
    if known.cancelled:
        return Conflict(
            '"{campaign}" is a draft that was cancelled: nothing of it was sent, and nothing will be.',
            campaign=known.id,
        )
    return Conflict(
        '"{campaign}" is a draft, and nothing of it is sent yet. It can be changed, moved and cancelled.',
        campaign=known.id,
        do="See: dispatcher campaign show {campaign}",
    )


async def list_drafts(session: Session) -> list[DraftView]:
    """Drafts that were not launched, newest first. Raises ConfigError if there is no log yet, LogError."""
    known = await session.campaigns()
    found = [FoundDraft(each, each.draft) for each in known.by_id.values() if each.draft is not None]
    not_run = _not_run(session) if found else False
    views = [_view(each, session, not_run=not_run) for each in found]
    return sorted(views, key=lambda view: -view.drafted_ms)


async def drafts_to_approve(session: Session, who: str) -> list[Drafted]:
    """Drafts that await an approval which this person may give, the oldest first. Raises what `list_drafts` does."""
    above = session.places.approval.above
    found = [
        each.draft.drafted
        for each in (await session.campaigns()).by_id.values()
        if each.draft is not None
        and each.draft.drafted.by != who
        and not each.cancelled
        and each.draft.lacks_approval(above)
    ]
    return sorted(found, key=lambda drafted: drafted.at_ms)


async def find_draft(session: Session, campaign: str) -> DraftView | None:
    """The draft of this id, None if there is none (any more). Raises ConfigError if there is no log yet, LogError."""
    found = (await session.campaigns()).get(campaign)
    if found is None or found.draft is None:
        return None
    return _view(FoundDraft(found, found.draft), session, not_run=_not_run(session))


async def show_draft(session: Session, campaign: str) -> DraftView:
    """The draft of this id. Raises UserError if there is none, LogError."""
    known = await read_campaigns(await session.log())
    return _view(find_draft_in(known, campaign), session, not_run=_not_run(session))


async def approve_campaign(session: Session, campaign: str, *, by: str = "") -> DraftView:
    """Approve a draft as it is now; `by` is the person, by default the user of this process.

    Raises UserError (no such draft; it is cancelled; its author may not approve it), LogError.
    """
    log, who = await session.log(), by or os_user()
    found = find_draft_in(await read_campaigns(log), campaign)
    _check_not_cancelled(found.campaign)
    drafted, above = found.draft.drafted, session.places.approval.above
    if who == drafted.by and not _needs_approval(drafted, above):
        limit = "is not set" if above is None else f"is {above:,}"
        raise Conflict(
            '"{campaign}" needs no approval: it has {counted}, and [approval] above {limit}.',
            campaign=campaign,
            counted=Sentence("{n:,} recipient", many="{n:,} recipients", n=drafted.recipients),
            limit=limit,
            do="To launch it: dispatcher campaign launch {campaign}",
        )
    if who == drafted.by:
        raise Conflict('"{campaign}" was drafted by {who}: another person must approve it.', campaign=campaign, who=who)
    if not found.draft.approved_by:
        record = Approved(campaign=campaign, content=content(drafted), at_ms=now_ms(), by=who)
        await log.append(CAMPAIGNS.name, 0, [Entry(f"{campaign}!approval".encode(), encode(record))])
    return await show_draft(session, campaign)


async def schedule_campaign(session: Session, campaign: str, start_ms: int | None, *, by: str = "") -> DraftView:
    """Start a draft by itself at this time (Unix milliseconds), also instead of another time; None: not by itself.

    The role `campaigns` of `dispatcher run` starts it. `by` as in `approve_campaign`. Raises UserError (no such draft;
    it is cancelled), LogError.
    """
    log = await session.log()
    found = find_draft_in(await read_campaigns(log), campaign)
    _check_not_cancelled(found.campaign)
    if start_ms is not None or found.draft.start_ms:
        await log.append(CAMPAIGNS.name, 0, [schedule_entry(campaign, start_ms or 0, by or os_user())])
    return await show_draft(session, campaign)


def schedule_entry(campaign: str, start_ms: int, by: str) -> Entry:
    """The record that a draft starts at this time; 0: that it does not by itself."""
    revision = secrets.token_hex(8)
    record = Scheduled(campaign=campaign, revision=revision, start_ms=start_ms, at_ms=now_ms(), by=by)
    return Entry(f"{campaign}#schedule#{revision}".encode(), encode(record))


def cancel_entry(campaign: str, by: str) -> Entry:
    """The record that a draft is cancelled.

    Its key is its own: compaction must not move it behind a launch that it made void.
    """
    record = Cancelled(campaign=campaign, at_ms=now_ms(), by=by)
    return Entry(f"{campaign}#cancelled#{secrets.token_hex(8)}".encode(), encode(record))


async def cancel_draft(session: Session, campaign: str, by: str) -> bool:
    """Cancel a draft for good; False if it was launched before that, and is a cancelled campaign. Raises LogError."""
    log = await session.log()
    await log.append(CAMPAIGNS.name, 0, [cancel_entry(campaign, by)])
    return (await read_campaigns(log)).launched(campaign) is None


def _check_not_cancelled(known: Campaign) -> None:
    if known.cancelled:
        raise Conflict(
            '"{campaign}" is cancelled, and that is final. Draft it under another id.', campaign=known.id, about="--id"
        )


def _not_run(session: Session) -> bool:
    """Whether it is known that no process starts scheduled campaigns."""
    return conductor_holder(session.places) is False


def _needs_approval(drafted: Drafted, above: int | None) -> bool:
    return above is not None and drafted.recipients > above


def _view(found: FoundDraft, session: Session, *, not_run: bool) -> DraftView:
    draft, known, above, at_ms = found.draft, found.campaign, session.places.approval.above, now_ms()
    drafted, failure = draft.drafted, draft.failure(found.revision)
    terms = msgspec.json.decode(drafted.terms, type=_Terms)
    planned = msgspec.json.decode(drafted.plan, type=_Planned) if drafted.plan else _Planned()
    aside = Counts(
        rows=drafted.invalid + drafted.duplicate + drafted.suppressed,
        invalid=drafted.invalid,
        duplicate=drafted.duplicate,
        suppressed=drafted.suppressed,
    )
    return DraftView(
        campaign=known.id,
        name=drafted.name,
        status=status(draft, found.revision, above, cancelled=known.cancelled),
        drafted_ms=drafted.at_ms,
        drafted_by=drafted.by,
        text=drafted.text,
        variables=drafted.variables,
        route=planned.accounts or tuple(DraftLeg(account=name) for name in drafted.accounts),
        route_name=terms.route[0] if len(terms.route) == 1 and terms.route[0] not in drafted.accounts else "",
        recipients=drafted.recipients,
        counts=aside + launched(rows=drafted.recipients, cancelled=known.cancelled),
        cost=planned.cost,
        budget_micro_yuan=micro_yuan(terms.budget) if terms.budget else 0,
        campaign_class=terms.campaign_class,
        hours=str(recorded(drafted.hours)),
        at_closing=terms.at_closing,
        weight=terms.weight or 1,
        urgent=terms.urgent,
        unknown=terms.unknown,
        invalid_reasons=drafted.invalid_reasons,
        suppressed_reasons=drafted.suppressed_reasons,
        scheduled_ms=draft.start_ms or None,
        scheduled_by=draft.scheduled.by if draft.scheduled and draft.start_ms else "",
        due_ms=due_ms(draft, found.revision, at_ms, cancelled=known.cancelled),
        starts_ms=starts_ms(draft, found.revision, above, at_ms, cancelled=known.cancelled),
        needs_approval=_needs_approval(drafted, above),
        approved_by=draft.approved_by,
        approved_ms=draft.approved.at_ms if draft.approved and draft.approved_by else None,
        changed_since_approval=tuple(draft.changed_since_approval()),
        failure=failure.says if failure and not known.cancelled else "",
        cancelled_by=known.cancelled_by,
        not_run=not_run,
        terms=msgspec.json.decode(drafted.terms),
        plan=msgspec.json.decode(drafted.plan) if drafted.plan else {},
    )
