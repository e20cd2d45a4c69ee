"""The part of a launch before the log: definition, list, split, plan, fingerprint."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.caps.number_set import NumberSet
from dispatcher.caps.recently_texted import RecentlyTexted, folder_beside
from dispatcher.carriers.lookup import NO_OVERRIDES, Overrides, carriers_of, count_carriers
from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.config.routes import Route
from dispatcher.content.judge import Audience, ContentFinding
from dispatcher.core.campaigns import Campaigns
from dispatcher.core.carriers import Carrier
from dispatcher.core.lane.notices import whole
from dispatcher.core.launches.overtaken import followed
from dispatcher.core.messages.text import units
from dispatcher.core.money.amounts import yuan
from dispatcher.core.numbers import ADVICE, Numbers, is_abroad
from dispatcher.core.waves.plan import Group
from dispatcher.errors import ConfigError, InputError, LogError, StoreError, UserError
from dispatcher.i18n import _
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.opening import log_is_there, read_url
from dispatcher.log.port import Log
from dispatcher.sentences import Sentence, joined
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.campaigns.progress import AccountQueue, queues
from dispatcher.service.carriers import ported_numbers
from dispatcher.service.session import Session, open_session
from dispatcher.store.views import CampaignView
from dispatcher.suppression.list import SuppressionList
from dispatcher.vendors.seam.vendor import Vendor
from dispatcher.wording import SHANGHAI, counted
from dispatcher.words import word
from producers.launch.by_delivery import route_now
from producers.launch.definition import Definition, define
from producers.launch.failover import failover_notes, moved_parts, moves_of
from producers.launch.frequency import FrequencyCap, day_text
from producers.launch.personal_texts import PersonalTexts
from producers.launch.placeholders import placeholders_of_others
from producers.launch.planning.balances import ask_balances
from producers.launch.planning.content import EqualTexts, LaunchWording, audience, content_findings, equal_texts
from producers.launch.planning.costs import with_costs
from producers.launch.planning.plan import (
    NO_ROWS,
    AccountPlan,
    ListOrigin,
    OneList,
    OneText,
    Plan,
    RowCounts,
    Texts,
    beside_the_queues,
    load_of,
    make_plan,
    plan_accounts,
    send_hours,
    shares,
    weighted,
)
from producers.launch.route_split import Slice, batch_sizes, split_by_rules, split_route
from producers.launch.scheduled import scheduled_loads
from producers.launch.sending_hours import within_carriers
from producers.launch.steps import Grouped, group_of_batches, grouped, planned_waves
from producers.lists.columns import Choice
from producers.lists.dedupe import Rows, Separated
from producers.lists.reading import Intake, NotTexted, PersonalText, Progress, count, read_lists, silent
from producers.segments.campaign_parts import CampaignPart, both, states_of
from producers.segments.excluded import excluded
from schemas.states import FREQUENCY_CAP, ON_LIST, State

_OF_THE_WHOLE_ACCOUNT = (
    *("balance", "balance_note", "login_refused", "queued"),
    *("beside", "finish_s", "prompt_finish_s", "left_at_closing", "short_by"),
)


class RouteSplit(msgspec.Struct, frozen=True):
    """Which account sends what. `sizes` of batches, `recipients` in their order, `personal_texts` if personalised.

    `carriers` has each recipient's carrier, in the same order. `groups`: of its waves and texts, in the order of
    sending; `group_of_batch` has each batch's. Both are empty if it is sent in one go. `rule_of_batch`: the rule of its
    route that each batch belongs to, if it has rules.
    """

    sizes: list[int]
    parts: list[Slice]
    accounts: tuple[AccountPlan, ...]
    recipients: Rows
    carriers: NDArray[np.uint8]
    personal_texts: PersonalTexts | None
    texts: Texts
    groups: tuple[Group, ...] = ()
    group_of_batch: tuple[Group, ...] = ()
    rule_of_batch: tuple[int, ...] = ()


class DraftOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """The draft that is launched: the `revision` that must be in force, what is on the log of it (see `Drafted`).

    `set_aside` counts the rows whose records are the `rejects` (partition, offset). `approved_by`: "" if it needs no
    approval. `origin` and `lists`: where the rows came from when it was drafted.
    """

    revision: str
    fingerprint: str
    set_aside: RowCounts
    rejects: tuple[tuple[int, int], ...]
    approved_by: str = ""
    origin: ListOrigin | None = None
    lists: tuple[OneList, ...] = ()


class PreparedLaunch(msgspec.Struct):
    """A prepared launch: its `plan`, and everything `commit` needs. Nothing is on the log yet.

    `suppression` is the suppression list as read; `judged_again` brings the launch up to date with it. `route`: its
    rules with the shares of this launch. `draft`: it is the launch of a draft. `test_of`: it is the test of one.
    `judged_upto`: `overtaken` judged it by the records of `campaigns` before this offset. `request`: what it is of.
    """

    config: Config
    request: LaunchRequest
    excluded_parts: list[CampaignPart]
    suppression: SuppressionList
    overrides: Overrides
    route: Route | None
    frequency: FrequencyCap | None
    definition: Definition
    plan: Plan
    intake: Intake
    route_split: RouteSplit
    fingerprint: str
    draft: DraftOrigin | None = None
    test_of: str = ""
    judged_upto: int = 0

    @property
    def must_know_others(self) -> bool:
        """Whether other launches decide who is set aside."""
        return self.frequency is not None or self.definition.follows is not None

    def close(self) -> None:
        """Release the memory and the temporary file."""
        self.intake.spool.close()


async def prepare(
    session: Session,
    request: LaunchRequest,
    *,
    ask_balance: bool = True,
    create: bool = True,
    progress: Progress = silent,
    draft: DraftOrigin | None = None,
    test_of: str = "",
    start_ms: int = 0,
) -> PreparedLaunch:
    """Read and check everything, and plan. Raises UserError (InputError, TextError, ConfigError).

    Without `create` a missing log is not created; then the plan has no balances. `draft`: the request is of this draft,
    and must come to what was drafted. `test_of`: it is a test of that draft, which has no sending hours.
    `start_ms`: when it will be launched, if that is not now.
    """
    config = session.config_with(request.route)
    definition = define(config, request, datetime.now())
    if test_of:
        definition = msgspec.structs.replace(definition, terms=definition.terms.of_test())
    suppression, unread, is_launched = await _suppression(session, request.id)
    overrides, unlearnt = await _ported(session)
    route, preferred = await route_now(session, definition.by_carrier)
    excluded_parts: list[CampaignPart] = []
    if not is_launched and (definition.exclude_campaigns or definition.follows is not None):
        excluded_parts = _excluded_parts(await read_campaigns(await session.log()), definition)
    campaigns = await excluded(session, excluded_parts)
    frequency = None if is_launched or test_of else _frequency(config, definition)
    away = "" if frequency is None else await _count(session, frequency)
    personal = PersonalText(definition.template, definition.accounts) if definition.personalised else None
    intake = await read_lists(
        [request.numbers, *request.more_lists],
        Choice(
            column=request.column,
            sheet=request.sheet,
            header_row=request.header_row,
            hidden_rows=request.hidden_rows,
            encoding=request.encoding,
        ),
        NotTexted(
            suppress=request.suppress,
            suppress_choice=Choice(column=request.suppress_column, sheet=request.suppress_sheet),
            exclude=request.exclude,
            exclude_choice=Choice(column=request.exclude_column, sheet=request.exclude_sheet),
            known=campaigns | {ON_LIST: suppression.listing.numbers},
        ),
        progress,
        personal,
        international=all(vendor.limits.international for vendor in _senders(definition, Carrier.ABROAD)),
        phs=all(vendor.limits.phs for vendor in _senders(definition, Carrier.UNKNOWN)),
        frequency=frequency,
    )
    if draft is not None:
        intake.before = draft.set_aside
        intake.origin, intake.lists = draft.origin or intake.origin, draft.lists or intake.lists
    elif test_of:
        intake.origin = ListOrigin(source="--to")
    try:
        capped = [] if frequency is None else [away] if away else await _without_capped(frequency, intake)
        route_split = await asyncio.to_thread(_route_split, definition, intake, overrides, route, start_ms)
        carriers = count_carriers(route_split.carriers)
        terms = definition.terms if test_of else within_carriers(definition.terms, config.hours, carriers)
        definition = msgspec.structs.replace(definition, terms=terms)
        views = await _launched_before(session) if ask_balance else []
        equal = await asyncio.to_thread(equal_texts, session.config, definition, route_split.recipients, views)
        content = await asyncio.to_thread(_content, definition, route_split, equal, route)
        plan = make_plan(
            campaign=definition.campaign,
            budget=definition.budget,
            name=definition.name,
            origin=intake.origin,
            text=route_split.texts,
            counts=intake.all_counts,
            batches=len(route_split.sizes),
            waves=planned_waves(definition.steps, route_split.groups),
            carriers=carriers,
            accounts=_beside_others(
                definition,
                route_split,
                await ask_balances(session, definition.accounts, route_split.accounts, definition.by, create=create)
                if ask_balance
                else route_split.accounts,
                views,
                await _on_log(session) if ask_balance else Campaigns(),
                config.approval.above,
                start_ms,
            ),
            now_ms=now_ms(),
            terms=definition.terms,
            start_ms=start_ms,
            notes=(
                *placeholders_of_others(request.text, intake.headers),
                *unread,
                *unlearnt,
                *preferred,
                *failover_notes(definition.by_carrier),
                *equal.notes,
                *capped,
                *_retry_notes(definition),
                *intake.notes,
                *send_hours(definition.accounts),
                *(definition.frames.notes() if definition.frames is not None else ()),
            ),
            content=content,
            by_carrier=_by_carrier(definition, route_split),
            lists=intake.lists,
            deferred=await asyncio.to_thread(_deferred, definition, frequency, intake.separated),
        )
        plan = msgspec.structs.replace(plan, notes=(*plan.notes, *_price_notes(definition, plan)))
        fingerprint = await asyncio.to_thread(_fingerprint, definition, intake)
        if draft is not None and fingerprint != draft.fingerprint:
            raise UserError(
                'what would be sent is not what was drafted as "{campaign}": the configuration of its '
                "accounts, or a file of its message, has changed since. Draft it again.",
                campaign=definition.campaign,
            )
    except BaseException:
        intake.spool.close()
        raise
    return PreparedLaunch(
        *(config, request, excluded_parts, suppression, overrides, route, frequency),
        *(definition, plan, intake, route_split, fingerprint),
        draft=draft,
        test_of=test_of,
    )


def _senders(definition: Definition, carrier: Carrier) -> Iterable[Vendor]:
    """The accounts that would send to this carrier's numbers, or may come to send to them."""
    route = definition.by_carrier
    return [definition.accounts[name] for name in (definition.accounts if route is None else route.senders(carrier))]


def _content(
    definition: Definition, route_split: RouteSplit, equal: EqualTexts, route: Route | None
) -> tuple[ContentFinding, ...]:
    """What the content rules say about this launch. Raises TextError."""
    compared: list[Texts] = [OneText(text) for text in definition.steps.texts]
    wordings = [
        LaunchWording(definition.template, texts, route_split.personal_texts, equal)
        for texts in compared or [route_split.texts]
    ]
    on = datetime.fromtimestamp(now_ms() / 1000, SHANGHAI).date()
    found = content_findings(definition, wordings, _audience(definition, route_split), on)
    more = [
        finding
        for parts in moved_parts(route, route_split.parts, route_split.rule_of_batch)
        for finding in content_findings(
            definition, wordings, audience(list(definition.accounts), parts, route_split.carriers), on
        )
        if not {part.account for part in route_split.parts}.issuperset(finding.accounts)
    ]
    return (*found, *(each for index, each in enumerate(more) if each not in found and each not in more[:index]))


def _audience(definition: Definition, route_split: RouteSplit) -> Audience:
    return audience(list(definition.accounts), route_split.parts, route_split.carriers)


def _by_carrier(definition: Definition, route_split: RouteSplit) -> dict[str, dict[str, int]]:
    """How many recipients of each carrier each account sends to; empty without a route by carrier."""
    if definition.by_carrier is None:
        return {}
    recipients, names = _audience(definition, route_split), list(definition.accounts)
    cell = recipients.carriers.astype(np.int64) * len(names) + recipients.accounts
    counts = np.bincount(cell, minlength=len(Carrier) * len(names)).reshape(len(Carrier), len(names)).tolist()
    return {
        carrier.word: {name: count for name, count in zip(names, counts[carrier], strict=True) if count}
        for carrier in Carrier
        if any(counts[carrier])
    }


def _deferred(definition: Definition, frequency: FrequencyCap | None, separated: Separated) -> dict[str, int]:
    """How many recipients are deferred to which day."""
    aside = separated.aside.get(FREQUENCY_CAP)
    if frequency is None or aside is None or not definition.defer:
        return {}
    days, counts = np.unique(frequency.free_days(aside.numbers(0, len(aside))), return_counts=True)
    return {day_text(day): many for day, many in zip(days.tolist(), counts.tolist(), strict=True)}


def _retry_notes(definition: Definition) -> list[str]:
    """What the plan says of automatic retries."""
    if definition.retry is None:
        return []
    times, classes = counted(definition.retry.times, "time"), _(" or ").join(map(word, definition.retry.classes))
    return [
        _(
            "retries: who fails with a code of the class {classes} is texted again by itself, {times} at most, "
            "within {minutes:,} min of the beginning; each text costs again",
            classes=classes,
            times=times,
            minutes=definition.retry.within_ms // 60_000,
        )
    ]


def _frequency(config: Config, definition: Definition) -> FrequencyCap | None:
    """The cap of the campaign's class, if there is one."""
    cap = config.caps.of(definition.terms.campaign_class)
    if cap is None:
        return None
    folder = folder_beside(config.store.url.partition(":")[2])
    return FrequencyCap(cap, definition.terms.campaign_class, definition.follows, RecentlyTexted(folder))


async def _count(session: Session, frequency: FrequencyCap) -> str:
    """Find the launches that count; a note if the log is away, which does not stop a plan: a launch judges again."""
    try:
        log = await session.log()
        await frequency.count(log, await read_campaigns(log))
    except ConfigError:  # no log yet: nothing was launched
        pass
    except LogError as error:
        return _("the frequency cap is not in this plan: {error}; a launch will judge it", error=error)
    return ""


async def _without_capped(frequency: FrequencyCap, intake: Intake) -> list[str]:
    """Set aside who is over the cap, if reading the list did not; returns notes."""
    over = await frequency.unjudged(intake.separated.recipients)
    if len(over):
        intake.separated = await asyncio.to_thread(intake.separated.without, FREQUENCY_CAP, over)
        intake.counts = count(intake.counts.rows, intake.separated, intake.counts.invalid_reasons)
    return frequency.notes()


async def _launched_before(session: Session) -> list[CampaignView]:
    """The launched campaigns; none without a log, or while it is away."""
    if not log_is_there(session.config.log.url):
        return []
    try:
        return await session.read(lambda reader: reader.campaigns())
    except (ConfigError, LogError, StoreError):  # a Kafka log without topics does not exist yet
        return []


async def _on_log(session: Session) -> Campaigns:
    """The campaigns and drafts on the log, and what stops accounts; none without a log, or while it is away."""
    if not log_is_there(session.config.log.url):
        return Campaigns()
    try:
        return await read_campaigns(await session.log())
    except (ConfigError, LogError):
        return Campaigns()


def _beside_others(
    definition: Definition,
    split: RouteSplit,
    plans: Sequence[AccountPlan],
    views: Iterable[CampaignView],
    campaigns: Campaigns,
    approval_above: int | None,
    start_ms: int,
) -> tuple[AccountPlan, ...]:
    """The accounts' plans with the share of balance and time that other campaigns use, those that will start, too."""
    vendors, at_ms = definition.accounts, now_ms()
    found = ((account, whole(stopped.reasons())) for account, stopped in campaigns.stopped().items())
    stops = {account: stop.since_ms for account, stop in found if stop is not None}
    waiting = queues((view for view in views if view.id != definition.campaign), vendors, stops)
    scheduled = scheduled_loads(campaigns, approval_above, at_ms, but=definition.campaign)
    weight, begins_ms = definition.weight or 1, max(at_ms, start_ms)
    return beside_the_queues(
        plans,
        vendors,
        {name: waiting.get(name, AccountQueue()).with_loads(scheduled.get(name, ())) for name in vendors},
        [load_of(definition.campaign, plan, weight, definition.urgent, definition.terms, begins_ms) for plan in plans],
        at_ms,
        planned_waves(definition.steps, split.groups),
        moves_of(definition.by_carrier, split.parts, split.rule_of_batch, stops),
    )


def _excluded_parts(campaigns: Campaigns, definition: Definition) -> list[CampaignPart]:
    """The parts of campaigns that are not meant: those named, and of a follow-up who is in another one.

    Of the followed campaign also who is not in the wanted states (any more): the list of a draft, or one whose plan
    waited for a person, is older than the last reports. An automatic retry is launched with the list of the moment.
    """
    parts = {part.campaign: part for part in definition.exclude_campaigns}
    if definition.follows is not None:
        if not definition.follows.retry:
            part = CampaignPart(definition.follows.campaign, frozenset(State) - states_of(definition.follows.states))
            parts[part.campaign] = both(parts[part.campaign], part) if part.campaign in parts else part
        others = {other for each in followed(definition.follows) for other in campaigns.follow_ups_of(each)}
        for other in sorted(others - definition.known_follow_ups - {definition.campaign}):
            parts[other] = CampaignPart(other)
    return list(parts.values())


async def judged_again(prepared: PreparedLaunch, log: Log) -> None:
    """Set aside numbers that were suppressed, or came into an excluded campaign's part, since the launch was prepared.

    Its plan may have waited for a person. The fingerprint stays: it covers the given list. Raises InputError if no
    recipient is left, StoreError and LogError.
    """
    set_aside = {ON_LIST: await prepared.suppression.read_on(log)}
    async with open_session(prepared.config, log=log) as session:
        campaigns = await read_campaigns(log)
        prepared.excluded_parts = _excluded_parts(campaigns, prepared.definition)
        set_aside |= await excluded(session, prepared.excluded_parts)
    await _set_aside(prepared, set_aside)
    await _capped_again(prepared, log, campaigns)


async def overtaken(prepared: PreparedLaunch, log: Log) -> bool:
    """Whether launches that were committed meanwhile set somebody else aside; the launch is then without them.

    Raises what `judged_again` raises.
    """
    if not prepared.must_know_others:
        return False
    campaigns = await read_campaigns(log)
    prepared.judged_upto = campaigns.upto
    found = await _capped_again(prepared, log, campaigns)
    if prepared.definition.follows is None:
        return found
    async with open_session(prepared.config, log=log) as session:
        parts = _excluded_parts(campaigns, prepared.definition)
        news = [part for part in parts if part not in prepared.excluded_parts]
        prepared.excluded_parts = parts
        return await _set_aside(prepared, await excluded(session, news)) or found


async def _capped_again(prepared: PreparedLaunch, log: Log, campaigns: Campaigns) -> bool:
    """Set aside who came over the cap by launches since it was last asked; returns whether there is one."""
    if prepared.frequency is None:
        return False
    over = await prepared.frequency.over(log, campaigns, prepared.intake.separated.recipients)
    return await _set_aside(prepared, {FREQUENCY_CAP: over})


async def _set_aside(prepared: PreparedLaunch, set_aside: Mapping[str, Numbers | NumberSet]) -> bool:
    """Take these numbers (by reason, ascending) out of the launch; returns whether one of them was in it."""
    intake = prepared.intake
    separated = intake.separated
    for reason, numbers in set_aside.items():
        if len(numbers):
            separated = await asyncio.to_thread(separated.without, reason, numbers)
    if separated is intake.separated:
        return False
    changed = await asyncio.to_thread(part_of, prepared, separated, prepared.definition)
    prepared.intake, prepared.route_split, prepared.plan = changed.intake, changed.route_split, changed.plan
    return True


def part_of(prepared: PreparedLaunch, separated: Separated, definition: Definition) -> PreparedLaunch:
    """The same launch with other rows set aside, or with some of its rows alone. Raises InputError."""
    plan = prepared.plan
    counts = count(prepared.intake.counts.rows, separated, prepared.intake.counts.invalid_reasons)
    intake = msgspec.structs.replace(prepared.intake, separated=separated, counts=counts)
    if definition.campaign != prepared.definition.campaign:
        intake.before, intake.counts = NO_ROWS, count(len(separated.recipients), separated, {})
    route_split = _route_split(definition, intake, prepared.overrides, prepared.route, 0)
    asked = {account.account: account for account in plan.accounts}
    return msgspec.structs.replace(
        prepared,
        definition=definition,
        intake=intake,
        route_split=route_split,
        fingerprint=prepared.fingerprint if definition is prepared.definition else _fingerprint(definition, intake),
        plan=make_plan(
            campaign=definition.campaign,
            budget=plan.budget_micro_yuan,
            name=definition.name,
            origin=intake.origin,
            text=route_split.texts,
            counts=intake.all_counts,
            batches=len(route_split.sizes),
            carriers=count_carriers(route_split.carriers),
            content=plan.content,
            by_carrier=_by_carrier(definition, route_split),
            waves=planned_waves(definition.steps, route_split.groups),
            accounts=tuple(
                msgspec.structs.replace(
                    account,
                    **{name: getattr(asked[account.account], name) for name in _OF_THE_WHOLE_ACCOUNT},
                )
                for account in route_split.accounts
            ),
            now_ms=now_ms(),
            terms=definition.terms,
            notes=plan.notes,
            lists=plan.lists,
            deferred=_deferred(definition, prepared.frequency, separated),
        ),
    )


async def _suppression(session: Session, campaign: str | None) -> tuple[SuppressionList, list[str], bool]:
    """The current suppression list, notes about it, and whether the campaign was launched before; empty without a log.

    A log that is away does not stop a plan: the list is read again, and must be, at the commit. It is not read for a
    campaign that was launched before: numbers suppressed since then could leave no recipient.
    """
    suppression = SuppressionList()
    read_url(session.places.log.url)  # a mistake in the URL is not a missing log
    try:
        log = await session.log()
        if campaign is not None and (await read_campaigns(log)).launched(campaign) is not None:
            note = _("{campaign} was launched before: this plan does not count the suppression list", campaign=campaign)
            return suppression, [note], True
        await suppression.read_on(log)
    except ConfigError:
        return suppression, [], False
    except LogError as error:
        return (
            suppression,
            [_("the suppression list is not in this plan: {error}; a launch will read it", error=error)],
            False,
        )
    return suppression, [], False


async def _ported(session: Session) -> tuple[Overrides, list[str]]:
    """The ported numbers, and notes about them; none without a log. A log that is away does not stop a plan."""
    try:
        return await ported_numbers(session), []
    except LogError:
        return NO_OVERRIDES, [_("ported numbers are counted at the carriers of their prefixes: the log is away")]


def _route_split(
    definition: Definition, intake: Intake, overrides: Overrides, route: Route | None, start_ms: int
) -> RouteSplit:
    """The batches, which account sends which part, and each account's plan. Raises InputError."""
    _check_recipients(intake)
    recipients, personal_texts = intake.separated.recipients, None
    steps = grouped(definition.steps, definition.campaign, recipients) if definition.steps.several else None
    groups = steps.groups if steps is not None else ()
    rules = len(route.rules) if route is not None else 1
    blocks = _blocks(recipients, overrides, steps, route)
    if intake.personal_texts is not None:
        batch_limits = [vendor.variable_limits for vendor in definition.accounts.values()]
        personal_texts, recipients = intake.personal_texts.of(
            recipients, [limits for limits in batch_limits if limits is not None], groups=blocks
        )
        sizes = personal_texts.batch_sizes()
    elif blocks is not None:
        sizes = [
            size
            for block, count in enumerate(np.bincount(blocks).tolist())
            for size in batch_sizes(count, _numbers_min(definition, route, block % rules))
        ]
        recipients = Rows(recipients.packed[np.argsort(blocks, kind="stable")], recipients.abroad)
    else:
        sizes = batch_sizes(intake.counts.recipients, _numbers_min(definition, None, 0))
    longest = max(definition.steps.texts or (definition.text,), key=units)
    texts: Texts = personal_texts or OneText(longest)
    rule_of_batch: list[int] = []
    if route is None or blocks is None:
        parts = split_route(sizes, shares(definition.accounts, texts))
    else:
        starts = [0, *accumulate(sizes)][:-1]
        rule_of_batch = (np.sort(blocks)[starts] % rules).tolist()
        parts = split_by_rules(sizes, rule_of_batch, weighted(definition.accounts, route.rules))
    _check_parts(definition, parts)
    accounts = plan_accounts(definition.accounts, texts, parts, _paid_apart(definition, recipients))
    carriers = _carriers(recipients, overrides)
    of_batches = tuple(group_of_batches(sizes, groups)) if groups else ()

    def texts_of(batch: int) -> Texts:
        variant = of_batches[batch].variant if of_batches and definition.steps.texts else None
        return texts if variant is None else OneText(definition.steps.texts[variant])

    if definition.kind != "mms":  # a part of a text has a price, a multimedia message has another
        accounts = with_costs(
            accounts, definition.accounts, texts_of, parts, carriers, _begins_ms(definition, start_ms)
        )
        _check_budget(definition, accounts)
    return RouteSplit(
        sizes,
        parts,
        accounts,
        recipients,
        carriers,
        personal_texts,
        texts,
        groups,
        of_batches,
        tuple(rule_of_batch),
    )


def _begins_ms(definition: Definition, start_ms: int) -> int:
    """When it begins, if it is launched at `start_ms`, or now if that is over."""
    return definition.terms.hours.opens_ms(max(now_ms(), start_ms))


def _price_notes(definition: Definition, plan: Plan) -> list[str]:
    """What the plan says of prices that change while the campaign is sent."""
    ends_ms = plan.finish_at_ms or plan.alone_finish_at_ms
    return [
        _(
            "account {account}: its price changes on {since} while this is sent; the cost is that of the first day",
            account=account,
            since=each.since,
        )
        for account, vendor in definition.accounts.items()
        for each in vendor.dated_prices[1:]
        if plan.starts_at_ms < each.from_ms < ends_ms
    ]


def _blocks(
    recipients: Rows, overrides: Overrides, steps: Grouped | None, route: Route | None
) -> NDArray[np.uint16] | None:
    """Each recipient's block, whose recipients share no batch with others: its step, and in it its route's rule."""
    if route is None:
        return None if steps is None else steps.of.astype(np.uint16)
    rules = np.array(route.rule_of, np.uint16)[_carriers(recipients, overrides)]
    return rules if steps is None else steps.of.astype(np.uint16) * np.uint16(len(route.rules)) + rules


def _numbers_min(definition: Definition, route: Route | None, rule: int) -> int:
    """The fewest numbers that every account of this rule takes in a request."""
    names = definition.accounts if route is None else route.rules[rule]
    return max(definition.accounts[name].limits.numbers_min for name in names)


def _carriers(recipients: Rows, overrides: Overrides) -> NDArray[np.uint8]:
    """Each recipient's carrier."""
    found = [carriers_of(numbers, overrides) for numbers in recipients.blocks()]
    return np.concatenate(found) if found else np.empty(0, np.uint8)


def _paid_apart(definition: Definition, recipients: Rows) -> Callable[[int, int], int] | None:
    """How many recipients of a (start, count) range another credit than that for texts in China pays."""
    if definition.kind == "mms":
        return lambda _, count: count
    if not len(recipients.abroad):
        return None
    return lambda start, count: int(is_abroad(recipients.numbers(start, start + count)).sum())


def _check_recipients(intake: Intake) -> None:
    """Raises InputError if there is no recipient."""
    counts = intake.counts
    origin = intake.origin
    where = f"{origin.source}, {origin.column}" if origin.column else origin.source
    if not counts.recipients and counts.suppressed:
        why = joined(
            Sentence("{count:,} {reason}", count=count, reason=Sentence(reason))
            for reason, count in counts.suppressed_reasons.items()
            if count
        )
        raise InputError(
            "{where}: all {suppressed:,} numbers are suppressed ({why}). There is nobody to send to.",
            where=where,
            suppressed=counts.suppressed,
            why=why,
        )
    if not counts.recipients:
        found: Sentence | str = joined(_reason(reason, count) for reason, count in counts.invalid_reasons.items())
        for note in intake.notes:
            found = Sentence("{parts}; {part}", parts=found, part=note)
        values: dict[str, Any] = {"where": where, "rows": counts.rows, "found": found}
        what = Sentence("{where}: none of {rows:,} rows is a mobile number ({found}).", **values)
        if intake.personal_texts is not None:
            what = Sentence(
                "{where}: none of {rows:,} rows has a number and values that can be sent ({found}).", **values
            )
        if origin.column:
            raise InputError(
                "{what}", what=what, about="--column", do="Check the file, or name another column with {about}."
            )
        raise InputError("{what} Check the numbers.", what=what)


def _reason(reason: str, count: int) -> Sentence:
    if reason not in ADVICE:
        return Sentence("{count:,} {reason}", count=count, reason=Sentence(reason))
    return Sentence(
        "{count:,} {reason}: {advice}", count=count, reason=Sentence(reason), advice=Sentence(ADVICE[reason])
    )


def _check_budget(definition: Definition, accounts: Sequence[AccountPlan]) -> None:
    """Raises InputError if the budget does not pay the message of any recipient."""
    several = definition.personalised or definition.steps.texts  # the shortest text may be one part
    cheapest = min(
        (cost.price_micro_yuan * (1 if several else plan.segments) for plan in accounts for cost in plan.costs),
        default=0,
    )
    if 0 < definition.budget < cheapest:
        raise InputError(
            "the budget {budget} pays no message: the cheapest costs {cheapest}.",
            budget=yuan(definition.budget),
            cheapest=yuan(cheapest),
            about="--budget",
            do="Give more, or leave {about} out.",
        )


def _check_parts(definition: Definition, parts: Sequence[Slice]) -> None:
    """Raises InputError if an account would get fewer recipients than its vendor takes in one request."""
    for part in parts:
        least = definition.accounts[part.account].limits.numbers_min
        if part.count < least:
            raise InputError(
                'account "{account}" takes at least {least:,} numbers a request and would get {count:,}. '
                "Send this campaign through another account.",
                account=part.account,
                least=least,
                count=part.count,
            )


def _fingerprint(definition: Definition, intake: Intake) -> str:
    """SHA-256 (hex) of the list in its order with its values, the text, the accounts, the policy and the options.

    It includes suppressed numbers, so a launch that is repeated an hour later is the same launch. A follow-up is the
    same if it follows the same part of a campaign, whose recipients change.
    """
    digest = hashlib.sha256(definition.sent_as())
    if definition.follows is not None:
        return digest.hexdigest()
    for rows in intake.separated.given():
        numbers = rows.numbers(0, len(rows))
        digest.update(numbers.astype("<i8", copy=False).data)
    for block in intake.personal_texts.given(intake.separated) if intake.personal_texts is not None else ():
        digest.update(block)
    return digest.hexdigest()
