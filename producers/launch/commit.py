"""Writes a prepared launch to the log: rejected rows, batches, jobs, and last the one record that makes them count.

producers/launch/api.py says why everything may be repeated. Memory: PACKING batches at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import msgspec
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.core.backoff import Backoff
from dispatcher.core.campaigns import Campaign, Campaigns
from dispatcher.core.money.budget import shares
from dispatcher.core.numbers import encode as wire
from dispatcher.core.schedule.hours import both, recorded, to_record
from dispatcher.errors import DispatcherError, LogDamaged, LogError, LogTimeout, LogUnavailable, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry, Log
from dispatcher.log.records import record_of
from dispatcher.sentences import N_, Sentence, joined
from dispatcher.suppression.list import snapshot_if_due
from dispatcher.vendors.seam.vendor import Vendor, options_for
from producers.launch.definition import Definition
from producers.launch.failover import then_of_most
from producers.launch.multimedia import publish
from producers.launch.planning.plan import AccountPlan, LaunchCounts, Plan
from producers.launch.prepare import PreparedLaunch, judged_again, overtaken
from producers.launch.steps import as_waves, variant_of
from producers.lists.reading import Progress, silent
from schemas.batch import Headers, pack
from schemas.codec import encode
from schemas.records import Deferred, Job, Launched, Leg, Rejects
from schemas.topics import CAMPAIGNS, JOBS, RECIPIENTS, REJECTS, lane_partition, spread_partition

BATCHES: Final = "batches"
PACKING: Final = 6
JOBS_AT_ONCE: Final = 1_000
TRIES: Final = 6
OVERTAKEN_MAX: Final = 100
PAUSE: Final = Backoff(0.2, 5.0)


class LaunchResult(LaunchCounts, frozen=True, kw_only=True):
    """The result of a launch. `already_launched`: an earlier one of the same id and content counts."""

    already_launched: bool
    plan: Plan


PackedBatch = tuple[bytes, Headers, bytes]
"""A batch's value, headers and SHA-256."""


class AppendedBatch(msgspec.Struct, frozen=True):
    """A batch's place on the log."""

    partition: int
    offset: int
    sha256: bytes


async def commit(prepared: PreparedLaunch, log: Log, progress: Progress = silent) -> LaunchResult:
    """Launch it, unless the same was launched before. Raises UserError if another campaign has the id, LogError."""
    earlier = await already_launched(prepared, log)
    if earlier is not None:
        return earlier
    check_approval(prepared)
    await judged_again(prepared, log)
    text = await _text(prepared)
    attempt, legs = await _append_recipients(prepared, log, progress)
    deferred: tuple[Deferred, ...] = ()
    for voids in range(OVERTAKEN_MAX):
        while await overtaken(prepared, log):  # the batches have somebody who is set aside now: other ones count
            attempt, legs = await _append_recipients(prepared, log, progress)
        if prepared.plan.deferred:
            from producers.drafts.deferring import write_deferred  # drafts are launched by this package

            deferred = await write_deferred(prepared, log)
        record = _launched(prepared, text, attempt, legs, deferred)
        known = await _append_launch(record, log, voids)
        first = known.launched(record.campaign)
        if first is not None:
            break
        _check_draft(prepared, known.get(record.campaign))
        if not known.is_overtaken(record):
            raise LogDamaged(
                'the log at {url} lost the launch of "{campaign}" it had confirmed. Launch it again.',
                url=log.url,
                campaign=record.campaign,
            )
    else:
        raise UserError(
            '"{campaign}" is not launched: others were launched in the same moment, '
            "{times} times in a row. Launch it again.",
            campaign=prepared.definition.campaign,
            times=OVERTAKEN_MAX,
        )
    if prepared.suppression.snapshot_due:
        with contextlib.suppress(LogError):  # it only shortens reading the list; the next launch repeats it
            await snapshot_if_due(log)
    if first.attempt != attempt:
        return _already(prepared, first)
    if prepared.frequency is not None:
        with contextlib.suppress(DispatcherError):  # the next launch reads it from the log
            await prepared.frequency.keep(attempt, prepared.intake.separated.recipients)
    return _result(prepared, already=False)


async def _append_launch(record: Launched, log: Log, voids: int) -> Campaigns:
    """Append the commit point; the campaigns then. Raises LogError.

    Every try has a key of its own: if compaction dropped the first copy, others might count that stand between.
    """
    for failures in range(TRIES):
        number = voids * TRIES + failures
        key = f"{record.campaign}#{record.attempt}{f'#{number}' if number else ''}".encode()
        try:
            await log.append(CAMPAIGNS.name, 0, [Entry(key, encode(record))])
            break
        except LogError as error:
            if isinstance(error, LogTimeout | LogUnavailable) and failures + 1 < TRIES:
                await asyncio.sleep(PAUSE.pause_s(failures + 1))
                continue
            # An earlier try may be in the log, or get there later: only the same id prevents a second launch.
            raise type(error)(
                f"{error} Campaign {record.campaign} may or may not be launched: launch it again with that id; "
                "it launches once."
            ) from error
    return await read_campaigns(log)


async def already_launched(prepared: PreparedLaunch, log: Log) -> LaunchResult | None:
    """The result if this was launched before, else None. Raises UserError if the id is taken."""
    earlier = (await read_campaigns(log)).get(prepared.definition.campaign)
    if earlier is None or earlier.launched is None:
        _check_draft(prepared, earlier)
        return None
    result = _already(prepared, earlier.launched)
    _check_share(prepared.definition, earlier)
    return result


async def append(log: Log, topic: str, partition: int, entries: Sequence[Entry]) -> list[int]:
    """Append, and repeat if unconfirmed: in a launch a second copy of any record is harmless.

    Raises LogError: at once if waiting cannot help, else after TRIES.
    """
    for failures in range(1, TRIES):
        try:
            return await log.append(topic, partition, entries)
        except (LogTimeout, LogUnavailable):
            await asyncio.sleep(PAUSE.pause_s(failures))
    return await log.append(topic, partition, entries)


async def _append_recipients(prepared: PreparedLaunch, log: Log, progress: Progress) -> tuple[str, tuple[Leg, ...]]:
    """Rejected rows, batches and jobs of a new attempt, and what each account has of it."""
    attempt = secrets.token_hex(8)
    rejects = asyncio.ensure_future(_append_rejects(prepared, log, attempt))
    try:
        located = await _append_batches(prepared, log, attempt, progress)
        await rejects
    finally:
        await _stopped([rejects])
    return attempt, await _append_jobs(prepared, log, attempt, located)


async def _append_rejects(prepared: PreparedLaunch, log: Log, attempt: str) -> None:
    """The rows that this launch sets aside, and those that its draft did."""
    campaign, intake = prepared.definition.campaign, prepared.intake
    places = await append_rejects(log, intake.spool.rejects(campaign, attempt, intake.separated))
    for part, (partition, offset) in enumerate(prepared.draft.rejects if prepared.draft else (), len(places)):
        stored = await log.fetch(REJECTS.name, partition, offset)
        record = record_of(stored, REJECTS.name)
        assert isinstance(record, Rejects), record
        again = replace(record, attempt=attempt, part=part)
        await append(log, REJECTS.name, spread_partition(campaign, part), [Entry(campaign.encode(), encode(again))])


async def append_rejects(log: Log, records: Iterator[Rejects]) -> list[tuple[int, int]]:
    """Records of rows that are set aside; their (partition, offset)."""
    places = []
    while (record := await asyncio.to_thread(next, records, None)) is not None:
        partition = spread_partition(record.campaign, record.part)
        [offset] = await append(log, REJECTS.name, partition, [Entry(record.campaign.encode(), encode(record))])
        places.append((partition, offset))
    return places


async def _append_batches(prepared: PreparedLaunch, log: Log, attempt: str, progress: Progress) -> list[AppendedBatch]:
    """Every batch of a launch; jobs have their places."""
    sizes = prepared.route_split.sizes
    recipients, personal_texts = prepared.route_split.recipients, prepared.route_split.personal_texts
    starts = [0, *accumulate(sizes)]

    def packed(batch: int) -> PackedBatch:
        numbers = wire(recipients.numbers(starts[batch], starts[batch + 1]))
        values = personal_texts.batch(starts[batch], starts[batch + 1]) if personal_texts is not None else None
        return pack(numbers, sizes[batch], attempt=attempt, batch=batch, values=values)

    return await append_batches(log, prepared.definition.campaign, len(sizes), packed, progress)


async def append_batches(
    log: Log, campaign: str, batches: int, packed: Callable[[int], PackedBatch], progress: Progress
) -> list[AppendedBatch]:
    """This many batches, PACKING at a time, in any order; `packed` makes one, in a thread."""
    located: list[AppendedBatch | None] = [None] * batches
    waiting = iter(range(batches))
    done = 0

    async def work() -> None:
        nonlocal done
        for batch in waiting:
            value, headers, sha256 = await asyncio.to_thread(packed, batch)
            partition = spread_partition(campaign, batch)
            offsets = await append(log, RECIPIENTS.name, partition, [Entry(campaign.encode(), value, headers)])
            located[batch] = AppendedBatch(partition, offsets[0], sha256)
            done += 1
            progress(BATCHES, done, batches)

    works = [asyncio.ensure_future(work()) for _ in range(min(PACKING, batches))]
    try:
        await asyncio.gather(*works)  # not a TaskGroup: it would wrap the error
    finally:
        await _stopped(works)
    return [place for place in located if place is not None]


async def _stopped(tasks: Sequence[asyncio.Future[None]]) -> None:
    """Cancel the running ones, and wait for them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _append_jobs(
    prepared: PreparedLaunch, log: Log, attempt: str, located: list[AppendedBatch]
) -> tuple[Leg, ...]:
    """The jobs of every account, numbered from 0 and in that order: one append after the other."""
    campaign = prepared.definition.campaign
    jobs: dict[str, list[Job]] = defaultdict(list)
    groups, route = prepared.route_split.group_of_batch, prepared.route
    for part in prepared.route_split.parts:
        place, mine = located[part.batch], jobs[part.account]
        mine.append(
            Job(
                campaign=campaign,
                attempt=attempt,
                account=part.account,
                number=len(mine),
                batch=part.batch,
                partition=place.partition,
                offset=place.offset,
                sha256=place.sha256,
                start=part.start,
                count=part.count,
                wave=groups[part.batch].wave if groups else 0,
                variant=variant_of(groups[part.batch]) if groups else 0,
                then=() if route is None else route.then(prepared.route_split.rule_of_batch[part.batch], part.account),
            )
        )
    for account, mine in jobs.items():
        for start in range(0, len(mine), JOBS_AT_ONCE):
            entries = [Entry(account.encode(), encode(job)) for job in mine[start : start + JOBS_AT_ONCE]]
            await append(log, JOBS.name, lane_partition(account), entries)
    plans = {plan.account: plan for plan in prepared.plan.accounts}
    then = then_of_most(route, prepared.route_split.parts, prepared.route_split.rule_of_batch)
    legs = [
        _leg(prepared.definition, vendor, plans[account], jobs[account], then.get(account, ()))
        for account, vendor in prepared.definition.accounts.items()
    ]
    of_budget = shares(prepared.definition.budget, [leg.cost for leg in legs])
    return tuple(msgspec.structs.replace(leg, share=share) for leg, share in zip(legs, of_budget, strict=True))


def _leg(definition: Definition, vendor: Vendor, plan: AccountPlan, jobs: Sequence[Job], then: tuple[str, ...]) -> Leg:
    split, at_ms = vendor.split, now_ms()
    return Leg(
        account=plan.account,
        vendor=vendor.tag,
        jobs=len(jobs),
        recipients=sum(job.count for job in jobs),
        reports_from_ms=vendor.reports_from_ms(options_for(plan.account, definition.options)),
        segments=plan.segments,
        split=(split.single, split.multi, *(split.ascii or ())),
        prices={} if plan.cost_micro_yuan is None else vendor.prices_at(at_ms),
        price_changes=() if plan.cost_micro_yuan is None else vendor.price_changes(at_ms),
        cost=plan.cost_micro_yuan or 0,
        then=then,
    )


async def _text(prepared: PreparedLaunch) -> str:
    """What to send: the text, or the URL of an uploaded multimedia message. Raises UserError, DispatcherError."""
    definition = prepared.definition
    if definition.frames is None:
        return definition.text
    [(account, vendor)] = definition.accounts.items()
    return await publish(account, vendor, definition.frames)


def _launched(
    prepared: PreparedLaunch, text: str, attempt: str, legs: tuple[Leg, ...], deferred: tuple[Deferred, ...]
) -> Launched:
    definition, split = prepared.definition, prepared.route_split
    return Launched(
        **prepared.plan.fields(),
        attempt=attempt,
        fingerprint=prepared.fingerprint,
        name=definition.name,
        text=text,
        legs=legs,
        weight=definition.weight or 1,
        budget=definition.budget,
        urgent=definition.urgent,
        unknown=definition.unknown,
        segments=prepared.plan.segments,
        at_ms=now_ms(),
        by=definition.by,
        options=definition.options,
        variables=definition.template.names,
        kind=definition.kind,
        campaign_class=definition.terms.campaign_class,
        hours=to_record(definition.terms.hours),
        hours_within=to_record(definition.terms.within),
        at_closing=definition.terms.at_closing,
        lists=tuple(each.source for each in prepared.plan.lists),
        carriers=prepared.plan.carriers,
        follows=definition.follows,
        waves=as_waves(split.groups, split.group_of_batch) if split.groups else (),
        wave_wait_ms=definition.steps.wait_ms,
        texts=definition.steps.texts,
        failover_after_ms=1_000 * (definition.by_carrier.failover_after_s if definition.by_carrier else 0),
        fail_back=definition.by_carrier is not None and definition.by_carrier.fail_back,
        revision=prepared.draft.revision if prepared.draft else "",
        approved_by=prepared.draft.approved_by if prepared.draft else "",
        test_of=prepared.test_of,
        judged_upto=prepared.judged_upto if prepared.must_know_others else None,
        capped=prepared.frequency is not None,
        retry=definition.retry,
        ends_ms=definition.ends_ms,
        deferred=deferred,
        deferred_of=definition.deferred_of,
    )


def _check_draft(prepared: PreparedLaunch, known: Campaign | None) -> None:
    """Raises UserError if the draft that is launched is not the one in force any more, or a draft has the id."""
    campaign, draft = prepared.definition.campaign, prepared.draft
    if known is None or (draft is not None and known.may_be_launched_as(draft.revision)):
        return
    if known.cancelled:
        raise UserError(
            '"{campaign}" was cancelled by {cancelled_by}, and is not launched.',
            campaign=campaign,
            cancelled_by=known.cancelled_by,
        )
    if draft is not None:
        raise UserError(
            '"{campaign}" is not launched: it was drafted again, scheduled or moved in this moment.', campaign=campaign
        )
    if known.draft is not None:
        raise UserError(
            '"{campaign}" is a draft. Launch that, or launch this list under another id.',
            campaign=campaign,
            about="--id",
            do="To launch it: dispatcher campaign launch {campaign}; or give another --id.",
        )


def check_approval(prepared: PreparedLaunch) -> None:
    """Raises UserError if so many recipients need an approval, which only a draft can get."""
    above, campaign, recipients = prepared.config.approval.above, prepared.definition.campaign, prepared.plan.recipients
    follows = prepared.definition.follows
    is_retry = follows is not None and follows.retry > 0  # its campaign was approved with it
    if above is None or prepared.draft is not None or prepared.test_of or is_retry or recipients <= above:
        return
    raise UserError(
        "{campaign} has {recipients:,} recipients; above {above:,} another person must approve it ([approval] above).",
        campaign=campaign,
        recipients=recipients,
        above=above,
        do="Draft it with the same options (dispatcher campaign draft), let it be "
        "approved (dispatcher campaign approve {campaign}), then: dispatcher campaign "
        "launch {campaign}",
    )


def _check_share(definition: Definition, earlier: Campaign) -> None:
    """Raises UserError if the requested weight or urgency is neither that of the launch nor the current one."""
    launched = earlier.launched
    assert launched is not None
    wanted = []
    if definition.weight not in (None, launched.weight, earlier.weight):
        wanted.append(str(definition.weight))
    if definition.urgent and not (launched.urgent or earlier.urgent):
        wanted.append("--urgent")
    if wanted:
        share = f"weight {earlier.weight}{', urgent' if earlier.urgent else ''}"
        raise UserError(
            '"{campaign}" was launched before and has {share}.',
            campaign=earlier.id,
            share=share,
            options=" ".join(wanted),
            about="--weight",
            do="To change that: dispatcher campaign weight {campaign} {options}",
        )


def _already(prepared: PreparedLaunch, earlier: Launched) -> LaunchResult:
    if earlier.fingerprint != prepared.fingerprint:
        raise UserError(
            'the id "{campaign}" is taken: it was launched with {differences}.',
            campaign=earlier.campaign,
            differences=_differences(prepared, earlier),
            about="--id",
            do="Launch this campaign with another --id.",
        )
    return _result(prepared, already=True)


def _result(prepared: PreparedLaunch, *, already: bool) -> LaunchResult:
    return LaunchResult(**prepared.plan.fields(), already_launched=already, plan=prepared.plan)


def _differences(prepared: PreparedLaunch, earlier: Launched) -> Sentence | str:
    """The differences of an earlier launch with the same id, in words."""
    definition, plan = prepared.definition, prepared.plan
    differing = [
        (Sentence("another text"), definition.kind != "mms" and earlier.text != definition.text),
        (Sentence("another kind of message"), earlier.kind != definition.kind),
        (Sentence("another route"), {leg.account for leg in earlier.legs} != set(definition.accounts)),
        (Sentence("another policy for unknown results"), earlier.unknown != definition.unknown),
        (Sentence("another part of a campaign"), earlier.follows != definition.follows),
        (Sentence("other texts to compare"), earlier.texts != definition.steps.texts),
        (
            Sentence("other waves"),
            len(earlier.waves) != (len(definition.steps.shares) + 1 if definition.steps.several else 0),
        ),
        (Sentence("another class"), (earlier.campaign_class or "marketing") != definition.terms.campaign_class),
        (
            Sentence("other sending hours"),
            both(recorded(earlier.hours_within), definition.terms.asked) != recorded(earlier.hours),
        ),
        (Sentence("other terms at closing time"), earlier.at_closing != definition.terms.at_closing),
        (Sentence("another budget"), earlier.budget != definition.budget),
        (Sentence("other retries"), earlier.retry != definition.retry),
        (Sentence("other options"), earlier.options != definition.options),
        (
            Sentence(
                "{recipients:,} recipients instead of {planned:,}",
                recipients=earlier.recipients,
                planned=plan.recipients,
            ),
            earlier.recipients != plan.recipients,
        ),
    ]
    return joined((what for what, differs in differing if differs), N_("{parts} and {part}")) or (
        Sentence("other numbers or values") if earlier.variables else Sentence("other numbers")
    )
