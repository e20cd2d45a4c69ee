"""Following up a campaign: recipients who failed, got no report, are unknown or were never sent to.

Whoever got the text is never texted again: a recipient is in one state, those of an earlier follow-up are left out, and
`left` counts only when nothing of the campaign can leave any more. The same follow-up launched again is one launch.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.errors import Conflict, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.service.campaigns.follow_ups import FOLLOWED, FollowUpRequest
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.views import not_launched, view_in
from dispatcher.service.session import Session
from dispatcher.vendors.seam.outcomes import FAILURE_CLASSES
from producers.drafts.api import DraftResult, draft
from producers.launch.commit import LaunchResult, commit
from producers.launch.planning.plan import Plan
from producers.launch.prepare import PreparedLaunch, prepare
from producers.lists.reading import Progress, silent
from producers.segments.campaign_rows import CampaignRows, Wanted
from producers.segments.excluded import check_up_to_date
from schemas.records import Follows, Launched
from schemas.states import State

SETTLED_AFTER_MS: Final = 60_000
"""A lane reads a cancellation within a second, and writes no request later than its intent's time to live."""


async def plan_follow_up(session: Session, request: FollowUpRequest, *, progress: Progress = silent) -> Plan:
    """What a follow-up would do and cost. It launches nothing. Raises what `follow_up` raises."""
    with closing(await prepare_follow_up(session, request, create=False, progress=progress)) as prepared:
        return prepared.plan


async def follow_up(session: Session, request: FollowUpRequest, *, progress: Progress = silent) -> LaunchResult:
    """Launch a follow-up; returns when the launch is durable. With an `id` the call may be repeated after a crash.

    Raises UserError, StoreError if not all results of the campaign are known, LogError.
    """
    with closing(await prepare_follow_up(session, request, ask_balance=False, progress=progress)) as prepared:
        return await commit(prepared, await session.log(), progress)


async def follow_up_of_terms(session: Session, terms: dict[str, Any]) -> LaunchResult:
    """`follow_up` with the request as JSON has it. Raises what `follow_up` raises."""
    return await follow_up(session, msgspec.convert(terms, FollowUpRequest))


async def draft_follow_up(session: Session, request: FollowUpRequest, *, progress: Progress = silent) -> DraftResult:
    """Keep a follow-up as a draft, to be tested, approved, scheduled and launched like any other.

    Who got the text meanwhile, or is in a follow-up that was launched meanwhile, is left out when it is launched.
    Raises what `follow_up` raises.
    """
    return await draft(session, await launch_request(session, request), ask_balance=True, progress=progress)


async def draft_follow_up_of_terms(session: Session, terms: dict[str, Any]) -> DraftResult:
    """`draft_follow_up` with the request as JSON has it. Raises what `follow_up` raises."""
    return await draft_follow_up(session, msgspec.convert(terms, FollowUpRequest))


async def plan_follow_up_of_terms(session: Session, terms: dict[str, Any]) -> Plan:
    """`plan_follow_up` with the request as JSON has it. Raises what `follow_up` raises."""
    return await plan_follow_up(session, msgspec.convert(terms, FollowUpRequest))


async def prepare_follow_up(
    session: Session,
    request: FollowUpRequest,
    *,
    ask_balance: bool = True,
    create: bool = True,
    progress: Progress = silent,
) -> PreparedLaunch:
    """The follow-up as a launch that is prepared. Raises UserError, StoreError, LogError."""
    launch = await launch_request(session, request)
    return await prepare(session, launch, ask_balance=ask_balance, create=create, progress=progress)


async def launch_request(session: Session, request: FollowUpRequest) -> LaunchRequest:
    """The launch that a follow-up is. Raises UserError, StoreError, LogError."""
    states, classes = _states(request.to), _classes(request.classes)
    if State.UNKNOWN in states and not request.may_text_twice:
        raise UserError(
            "unknown recipients of {campaign} may have been texted, and a follow-up "
            "may text them twice. Settle them first, or agree to that.",
            campaign=request.campaign,
            do="See: dispatcher unknown list",
        )
    campaigns = await read_campaigns(await session.log())
    followed = campaigns.get(request.campaign)
    if followed is None or followed.launched is None:
        raise not_launched(campaigns, request.campaign)
    launched = followed.launched
    if launched.stream is not None:
        raise UserError(
            "{campaign} is a stream, which has no follow-ups: its messages are sent once.", campaign=request.campaign
        )
    if launched.kind == "mms":
        raise UserError(
            "{campaign} is a multimedia message, which a follow-up cannot upload again. Launch it.",
            campaign=request.campaign,
        )
    if len(launched.texts) > 1 and request.text is None:
        raise UserError(
            "{campaign} compared {count} texts, and its recipients had different ones. "
            "Say which text the follow-up has.",
            campaign=request.campaign,
            count=len(launched.texts),
            about="--text",
            do="Give {about}.",
        )
    await check_up_to_date(session)
    if State.CANCELLED in states:
        await _check_left(session, followed)
    follows = Follows(
        campaign=launched.campaign,
        attempt=launched.attempt,
        states=tuple(state.word for state in sorted(states)),
        classes=tuple(sorted(classes)),
    )
    name = request.id or _new_id(campaigns, launched.campaign)
    route = tuple(request.route) or launched.route
    return LaunchRequest(
        numbers=await _rows(session, campaigns, name, follows, Wanted(states, classes)),
        text=text_of(launched) if request.text is None else request.text,
        route=route,
        id=name,
        name=request.name,
        weight=request.weight,
        urgent=request.urgent,
        unknown=request.unknown or launched.unknown,
        options=options_of(launched, route) if request.options is None else request.options,
        kind=launched.kind,
        campaign_class=launched.campaign_class or "marketing",
        suppress=request.suppress,
        exclude=request.exclude,
        exclude_campaigns=request.exclude_campaigns,
        between=request.between,
        days=request.days,
        at_closing=request.at_closing,
        budget=request.budget,
        retry=request.retry,
        follows=follows,
        by=request.by,
    )


async def _rows(session: Session, campaigns: Campaigns, name: str, follows: Follows, wanted: Wanted) -> CampaignRows:
    """The recipients; of a follow-up that was launched before, those that it had then. Raises UserError."""
    before = campaigns.launched(name)
    if before is not None and before.follows == follows:
        return CampaignRows(session, await session.read(lambda reader: view_in(reader, name)), Wanted())
    view = await session.read(lambda reader: view_in(reader, follows.campaign))
    counts = {
        State.FAILED: view.counts.failed,
        State.NO_REPORT: view.counts.no_report,
        State.UNKNOWN: view.counts.unknown,
        State.CANCELLED: view.counts.cancelled,
    }
    if not any(counts[state] for state in wanted.states):
        words = " or ".join(word for word, state in FOLLOWED.items() if state in wanted.states)
        raise UserError(
            "no recipient of {campaign} is {words}.",
            campaign=view.id,
            words=words,
            do="See: dispatcher campaign show {campaign}",
        )
    return CampaignRows(session, view, wanted)


def _states(words: Sequence[str]) -> frozenset[State]:
    if not words:
        raise UserError("say whom to text again: {followed}.", followed=", ".join(FOLLOWED))
    for word in words:
        if word not in FOLLOWED:
            raise UserError(
                'a follow-up goes to {followed}, not to "{word}": whoever got the text, or may still get '
                "it, is not texted again.",
                followed=", ".join(FOLLOWED),
                word=word,
            )
    return frozenset(FOLLOWED[word] for word in words)


def _classes(words: Sequence[str]) -> frozenset[str]:
    for word in words:
        if word not in FAILURE_CLASSES:
            raise UserError(
                'a class of code is {failure_classes}, not "{word}".',
                failure_classes=", ".join(FAILURE_CLASSES),
                word=word,
            )
    return frozenset(words)


async def _check_left(session: Session, followed: Campaign) -> None:
    """Raises UserError if something of the campaign may still leave."""
    if not followed.cancelled:
        counts = await session.read(lambda reader: view_in(reader, followed.id).counts)
        if counts.queued + counts.in_flight:
            raise Conflict(
                "{followed} itself may still send to the {count:,} recipients that are left. Cancel it first.",
                followed=followed.id,
                count=counts.queued + counts.in_flight,
                do="To cancel it: dispatcher campaign cancel {followed}",
            )
    elif now_ms() - followed.cancelled_ms < SETTLED_AFTER_MS:
        raise Conflict(
            "{followed} was cancelled less than a minute ago: its last requests may be under way. Try again in a "
            "minute.",
            followed=followed.id,
        )


def _new_id(campaigns: Campaigns, campaign: str) -> str:
    """The first id of a follow-up that no campaign and no draft has."""
    number = 1 + len(campaigns.follow_ups_of(campaign))
    while campaigns.get(f"{campaign}.follow-{number}") is not None:
        number += 1
    return f"{campaign}.follow-{number}"


def text_of(launched: Launched) -> str:
    """The text of the campaign as a person would write it."""
    return launched.text if launched.variables else launched.text.replace("{", "{{").replace("}", "}}")


def options_of(launched: Launched, route: Sequence[str]) -> dict[str, str]:
    """The campaign's options, without those of accounts that are not in the route."""
    legs = {leg.account for leg in launched.legs}
    found = {}
    for name, value in launched.options.items():
        account = name.rpartition(".")[0]
        if not account or account in route or account not in legs:
            found[name] = value
    return found
