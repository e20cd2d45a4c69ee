"""Pausing, resuming, cancelling, closing and weighing a campaign: one record on `campaigns`, obeyed within a second.

Pausing and resuming are keyed `ID!flow` and weights `ID!weight`, so compaction keeps the last one; cancelling and
closing are final and have their own keys. The checks here (the campaign exists, is not cancelled, has something left to
send) are for the person; the fold (dispatcher/core/campaigns.py) does not need them.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import closing
from typing import Literal

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import WEIGHT_MAX, Campaign
from dispatcher.core.launches.retries import continues
from dispatcher.core.money.amounts import micro_yuan
from dispatcher.core.results.equation import Counts
from dispatcher.core.schedule.holds import BY_RESULTS, Hold, waits_for_a_person, without_budget
from dispatcher.errors import Conflict, DispatcherError, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry
from dispatcher.os_user import os_user
from dispatcher.sentences import Sentence
from dispatcher.service.campaigns.drafts import cancel_draft, find_draft
from dispatcher.service.campaigns.views import not_launched, view_of
from dispatcher.service.session import Session
from dispatcher.store.opening import open_reader
from dispatcher.store.views import CampaignView
from schemas.codec import encode
from schemas.records import Budgeted, Cancelled, Closed, Control, FailBack, Flowed, Launched, Weighed, control_key
from schemas.topics import CAMPAIGNS

Action = Literal["pause", "resume", "cancel"]


class TakenBack(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was scheduled at a gateway for a cancelled campaign (vendor_requests/take_back.py): messages of one account,
    every part of a long text, taken back and not. `why`: why none was.
    """

    account: str
    taken_back: int = 0
    not_taken_back: int = 0
    why: str = ""


class ControlResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an order changed, on the log of campaigns and at gateways.

    `nothing_left` are the counts if nothing is left to send. `held`: what holds the campaign after the order.
    `was_draft`: it was cancelled before it was launched.
    """

    campaign: str
    action: Action
    changed: bool
    held: Hold | None = None
    nothing_left: Counts | None = None
    taken_back: tuple[TakenBack, ...] = ()
    was_draft: bool = False


class WeighResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The weight and urgency in force after an order; `nothing_left` as in `ControlResult`."""

    campaign: str
    weight: int
    urgent: bool
    changed: bool
    nothing_left: Counts | None = None


class BudgetResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The budget in force after an order, and before it, in millionths of a yuan.

    `stops`: it was lowered to what is spent already, or to less, so nothing more is sent.
    """

    campaign: str
    budget_micro_yuan: int
    was_micro_yuan: int
    stops: bool = False


class FailBackResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether moved recipients return to the accounts that they left, after an order."""

    campaign: str
    fail_back: bool
    changed: bool


class CloseResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of closing: the number of new `no_report` recipients; `counts` are those after it.

    `changed` False: no report was awaited, or the campaign was closed before.
    """

    campaign: str
    changed: bool
    no_report: int
    counts: Counts


class Controllable(msgspec.Struct, frozen=True, kw_only=True):
    """A launched campaign before an order. `may_wait_at_gateway`: some of it may be scheduled there for later.

    `waits`: what holds it by its results (a wave, its budget), None: nothing, or unknown.
    """

    launched: Launched
    now: Campaign
    nothing_left: Counts | None
    waits: Hold | None
    may_wait_at_gateway: bool

    def with_results(self, held: Hold | None) -> Hold | None:
        """What holds it after an order after which `held` does."""
        if self.waits is not None and self.waits.why == "budget":
            return without_budget(held)
        return held or self.waits


async def before_control(session: Session, campaign: str) -> Controllable:
    """What a person should know before deciding. Raises UserError for an unknown id, LogError."""
    known = await read_campaigns(await session.log())
    found = known.get(campaign)
    if found is None or found.launched is None:
        raise not_launched(known, campaign)
    view = None if found.cancelled else await asyncio.to_thread(_results, session, found.launched)
    return _controllable(found, found.launched, view)


async def control_campaign(session: Session, campaign: str, action: Action, *, by: str = "") -> ControlResult:
    """Pause, resume or cancel; `by` is the person who orders it, by default the user of this process.

    A draft can only be cancelled: then it is not launched, or it was launched right before and is a cancelled campaign.
    Cancelling also takes back what is scheduled at gateways, and tries that again if the campaign is cancelled already.
    Nothing is written if nothing changes, or if nothing is left to pause or cancel. Raises UserError (no such campaign;
    pausing or resuming a cancelled one), LogError, and for a missing secret of a gateway's account ConfigError.
    """
    if action == "cancel" and (draft := await find_draft(session, campaign)) is not None:
        if draft.status == "cancelled":
            return ControlResult(campaign=campaign, action=action, changed=False, was_draft=True)
        was_draft = await cancel_draft(session, campaign, by or os_user())
        return ControlResult(campaign=campaign, action=action, changed=True, was_draft=was_draft)
    known = await before_control(session, campaign)
    before = known.now
    if before.cancelled and action != "cancel":
        raise final(campaign)
    nothing_left = None if action == "resume" else known.nothing_left
    who, at_ms = by or os_user(), now_ms()
    already = before.cancelled if action == "cancel" else before.paused == (action == "pause")
    if action == "resume" and waits_for_a_person(before.held(at_ms)):
        already = False
    changes = not already and nothing_left is None
    held = None if action != "resume" else before.held(at_ms)
    if changes and action == "cancel":
        await append(session, Cancelled(campaign=campaign, at_ms=at_ms, by=who))
    elif changes:
        flowed = Flowed(campaign=campaign, paused=action == "pause", at_ms=at_ms, by=who)
        await append(session, flowed)
        held = held and before.after(flowed).held(at_ms)
    if action == "resume":
        held = known.with_results(held)
    taken_back: tuple[TakenBack, ...] = ()
    if action == "cancel" and known.may_wait_at_gateway:
        from dispatcher.service.vendor_requests.take_back import take_back  # it reads the whole configuration

        taken_back = tuple(await take_back(session, campaign))
    return ControlResult(
        campaign=campaign, action=action, changed=changes, held=held, nothing_left=nothing_left, taken_back=taken_back
    )


async def pause_campaign(session: Session, campaign: str, *, by: str = "") -> ControlResult:
    """Send nothing of it until it is resumed. See `control_campaign`."""
    return await control_campaign(session, campaign, "pause", by=by)


async def resume_campaign(session: Session, campaign: str, *, by: str = "") -> ControlResult:
    """Continue sending where it stopped. See `control_campaign`."""
    return await control_campaign(session, campaign, "resume", by=by)


async def cancel_campaign(session: Session, campaign: str, *, by: str = "") -> ControlResult:
    """Send nothing more of it, for good, and take back what waits at gateways. See `control_campaign`."""
    return await control_campaign(session, campaign, "cancel", by=by)


async def weigh_campaign(
    session: Session, campaign: str, *, weight: int | None = None, urgent: bool | None = None, by: str = ""
) -> WeighResult:
    """Change a campaign's share of its accounts; None leaves weight or urgency as it is.

    Nothing is written if nothing changes, or if nothing is left to send. Raises UserError (no such campaign, it
    is cancelled, the weight is out of bounds), LogError.
    """
    if weight is not None and not 1 <= weight <= WEIGHT_MAX:
        raise UserError("the weight {weight} must be 1 to {max}.", weight=weight, max=WEIGHT_MAX, about="--weight")
    known = await before_control(session, campaign)
    before = known.now
    if before.cancelled:
        raise final(campaign)
    wanted = (before.weight if weight is None else weight, before.urgent if urgent is None else urgent)
    changed = wanted != (before.weight, before.urgent) and known.nothing_left is None
    if changed:
        record = Weighed(campaign=campaign, weight=wanted[0], urgent=wanted[1], at_ms=now_ms(), by=by or os_user())
        await append(session, record)
    in_force = wanted if changed else (before.weight, before.urgent)
    return WeighResult(
        campaign=campaign, weight=in_force[0], urgent=in_force[1], changed=changed, nothing_left=known.nothing_left
    )


async def budget_campaign(session: Session, campaign: str, budget: str, *, by: str = "") -> BudgetResult:
    """Give a campaign with a budget another one, in CNY ("800"); what was spent stays spent.

    Nothing is written if nothing changes. Raises UserError (no such campaign, it is cancelled, it was launched without
    a budget, no amount), LogError.
    """
    try:
        amount = micro_yuan(budget)
    except ValueError as error:
        raise UserError("{error}.", error=error) from error
    known = (await before_control(session, campaign)).now
    if known.cancelled:
        raise final(campaign)
    if known.budget is None:
        raise Conflict(
            'campaign "{campaign}" was launched without a budget, so its costs are not limited.', campaign=campaign
        )
    was = known.budget.amount
    if amount != was:
        record = Budgeted(campaign=campaign, budget=amount, at_ms=now_ms(), by=by or os_user())
        key = b"%b!%b" % (control_key(record), secrets.token_hex(8).encode())
        await (await session.log()).append(CAMPAIGNS.name, 0, [Entry(key, encode(record))])
    stops = amount < was and await _is_spent(session, campaign, amount)
    return BudgetResult(campaign=campaign, budget_micro_yuan=amount, was_micro_yuan=was, stops=stops)


async def _is_spent(session: Session, campaign: str, amount: int) -> bool:
    """Whether that much is spent already; False if unknown, because the order may not depend on the results."""
    from dispatcher.service.reports.spend import campaign_spend  # other orders need no numpy

    try:
        return (await campaign_spend(session, campaign)).cost_micro_yuan >= amount
    except DispatcherError:
        return False


async def fail_back_campaign(session: Session, campaign: str, *, on: bool = True, by: str = "") -> FailBackResult:
    """Let the recipients that moved to other accounts return as soon as the accounts that they left send again.

    Nothing is written if nothing changes. Raises UserError (no such campaign, it is cancelled, its route has no
    failover), LogError.
    """
    known = (await before_control(session, campaign)).now
    if known.cancelled:
        raise final(campaign)
    if known.launched is None or not known.launched.failover_after_ms:
        raise Conflict(
            'campaign "{campaign}" was launched by a route without failover_after_s: nobody moves.', campaign=campaign
        )
    changed = known.fails_back != on
    if changed:
        await append(session, FailBack(campaign=campaign, on=on, at_ms=now_ms(), by=by or os_user()))
    return FailBackResult(campaign=campaign, fail_back=on, changed=changed)


async def close_campaign(session: Session, campaign: str, *, by: str = "") -> CloseResult:
    """End the wait for reports: recipients without one become `no_report`; late reports still count.

    Raises UserError (no such campaign; some of it remains to be sent), LogError, StoreError.
    """
    await session.behind()
    view = await view_of(session, campaign)
    if view.stream is not None and view.stream.takes_messages:
        raise UserError(
            '"{campaign}" is a stream that takes messages, so reports are always waited for.',
            campaign=campaign,
            do="To take no more: dispatcher stream close {campaign}",
        )
    left = view.counts.queued + view.counts.in_flight
    if left:
        raise Conflict(
            'campaign "{campaign}" still has {counted} to send. Close it when all are sent, or cancel it first.',
            campaign=campaign,
            counted=Sentence("{n:,} recipient", many="{n:,} recipients", n=left),
            do="To cancel it: dispatcher campaign cancel {campaign}",
        )
    waited_for = view.counts.accepted
    known = (await read_campaigns(await session.log())).get(campaign)
    if not waited_for and (known is None or not continues(known, now_ms())):
        return CloseResult(campaign=campaign, changed=False, no_report=0, counts=view.counts)
    await append(session, Closed(campaign=campaign, at_ms=now_ms(), by=by or os_user()))
    return CloseResult(campaign=campaign, changed=True, no_report=waited_for, counts=view.counts.without_wait())


async def append(session: Session, record: Control) -> None:
    """Write a decision to the log of campaigns. Raises LogError."""
    log = await session.log()
    await log.append(CAMPAIGNS.name, 0, [Entry(control_key(record), encode(record))])


def _controllable(found: Campaign, launched: Launched, view: CampaignView | None) -> Controllable:
    may_retry = continues(found, now_ms())
    stays_open = launched.stream is not None and found.stream_closed is None
    nothing_left = None if may_retry or stays_open else _nothing_left(view)
    held = None if view is None else view.held
    return Controllable(
        launched=launched,
        now=found,
        nothing_left=nothing_left,
        waits=held if held is not None and held.why in BY_RESULTS else None,
        may_wait_at_gateway=(nothing_left is None or nothing_left.accepted > 0) and _is_scheduled(launched),
    )


def _is_scheduled(launched: Launched) -> bool:
    """Whether a gateway that takes messages back may have some for later."""
    later = {leg.vendor for leg in launched.legs if leg.reports_from_ms > now_ms()}
    if not later:
        return False
    from dispatcher.vendors.registry import known  # most campaigns are not scheduled
    from dispatcher.vendors.seam.link import LinkVendor

    return any(issubclass(vendor, LinkVendor) for vendor in map(known, later) if vendor is not None)


def final(campaign: str) -> UserError:
    """The error for an order about a cancelled campaign."""
    return Conflict(
        'campaign "{campaign}" is cancelled, and that is final. Launch what is left under another id.',
        campaign=campaign,
    )


def _results(session: Session, launched: Launched) -> CampaignView | None:
    """The campaign by the results as they are; None: unknown. Blocks.

    Never fails, because stopping a campaign may not depend on the results.
    """
    try:
        with closing(open_reader(session.places.store)) as reader:
            view = reader.campaign(launched.campaign)
    except DispatcherError:
        return None
    return None if view is None or view.launched_ms != launched.at_ms else view


def _nothing_left(view: CampaignView | None) -> Counts | None:
    """The counts of a campaign if nothing of it can be sent any more; None if something may be, or if unknown.

    A settled recipient is never queued again, so it does not matter if the results are late.
    """
    if view is None:
        return None
    counts = view.counts
    return None if counts.queued or counts.in_flight or counts.unknown else counts
