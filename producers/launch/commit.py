"""Writes a prepared launch to the log: rejected rows, batches, jobs, and last the one record that makes them count.

producers/launch/api.py says why everything may be repeated. Memory: PACKING batches at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.backoff import Backoff
from dispatcher.core.campaigns import Campaign
from dispatcher.core.numbers import encode as wire
from dispatcher.errors import LogDamaged, LogError, LogTimeout, LogUnavailable, UserError
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry, Log
from dispatcher.suppression.list import snapshot_if_due
from dispatcher.vendors.seam.vendor import options_for
from producers.launch.definition import Definition
from producers.launch.multimedia import publish
from producers.launch.plan import LaunchCounts, Plan
from producers.launch.prepare import PreparedLaunch, judged_again, overtaken
from producers.lists.reading import Progress, silent
from schemas.batch import Headers, pack
from schemas.codec import encode
from schemas.records import Job, Launched, Leg
from schemas.topics import CAMPAIGNS, JOBS, RECIPIENTS, REJECTS, lane_partition, spread_partition

BATCHES: Final = "batches"
PACKING: Final = 6
JOBS_AT_ONCE: Final = 1_000
TRIES: Final = 6
PAUSE: Final = Backoff(0.2, 5.0)


class LaunchResult(LaunchCounts, frozen=True, kw_only=True):
    """The result of a launch. `already_launched`: an earlier one of the same id and content counts."""

    already_launched: bool
    plan: Plan


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
    await judged_again(prepared, log)
    text = await _text(prepared)
    attempt, legs = await _append_recipients(prepared, log, progress)
    while await overtaken(prepared, log):  # the batches have somebody who is set aside now: other ones count
        attempt, legs = await _append_recipients(prepared, log, progress)
    record = _launched(prepared, text, attempt, legs)
    key = f"{record.campaign}#{attempt}".encode()
    try:
        await append(log, CAMPAIGNS.name, 0, [Entry(key, encode(record))])
    except LogError as error:
        # An earlier try may be in the log, or get there later: only the same id prevents a second launch.
        raise type(error)(
            f"{error} Campaign {record.campaign} may or may not be launched: launch it again with that id; "
            "it launches once."
        ) from error
    first = (await read_campaigns(log)).launched(record.campaign)
    if first is None:
        raise LogDamaged(
            f'the log at {log.url} lost the launch of "{record.campaign}" it had confirmed. Launch it again.'
        )
    if prepared.suppression.snapshot_due:
        with contextlib.suppress(LogError):  # it only shortens reading the list; the next launch repeats it
            await snapshot_if_due(log)
    return _result(prepared, already=False) if first.attempt == attempt else _already(prepared, first)


async def already_launched(prepared: PreparedLaunch, log: Log) -> LaunchResult | None:
    """The result if this was launched before, else None. Raises UserError if the id is taken."""
    earlier = (await read_campaigns(log)).get(prepared.definition.campaign)
    if earlier is None or earlier.launched is None:
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
    campaign, intake = prepared.definition.campaign, prepared.intake
    key = campaign.encode()
    records = intake.spool.rejects(campaign, attempt, intake.separated)
    while (record := await asyncio.to_thread(next, records, None)) is not None:
        await append(log, REJECTS.name, spread_partition(campaign, record.part), [Entry(key, encode(record))])


async def _append_batches(prepared: PreparedLaunch, log: Log, attempt: str, progress: Progress) -> list[AppendedBatch]:
    """Every batch, PACKING at a time, in any order; jobs have their places."""
    campaign, sizes = prepared.definition.campaign, prepared.route_split.sizes
    recipients, personal_texts = prepared.route_split.recipients, prepared.route_split.personal_texts
    located: list[AppendedBatch | None] = [None] * len(sizes)
    starts = [0, *accumulate(sizes)]
    waiting = iter(range(len(sizes)))
    done = 0

    def packed(batch: int) -> tuple[bytes, Headers, bytes]:
        numbers = wire(recipients.numbers(starts[batch], starts[batch + 1]))
        values = personal_texts.batch(starts[batch], starts[batch + 1]) if personal_texts is not None else None
        return pack(numbers, sizes[batch], attempt=attempt, batch=batch, values=values)

    async def work() -> None:
        nonlocal done
        for batch in waiting:
            value, headers, sha256 = await asyncio.to_thread(packed, batch)
            partition = spread_partition(campaign, batch)
            offsets = await append(log, RECIPIENTS.name, partition, [Entry(campaign.encode(), value, headers)])
            located[batch] = AppendedBatch(partition, offsets[0], sha256)
            done += 1
            progress(BATCHES, done, len(sizes))

    works = [asyncio.ensure_future(work()) for _ in range(min(PACKING, len(sizes)))]
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
            )
        )
    for account, mine in jobs.items():
        for start in range(0, len(mine), JOBS_AT_ONCE):
            entries = [Entry(account.encode(), encode(job)) for job in mine[start : start + JOBS_AT_ONCE]]
            await append(log, JOBS.name, lane_partition(account), entries)
    return tuple(
        Leg(
            account=account,
            vendor=vendor.tag,
            jobs=len(jobs[account]),
            recipients=sum(job.count for job in jobs[account]),
            reports_from_ms=vendor.reports_from_ms(options_for(account, prepared.definition.options)),
        )
        for account, vendor in prepared.definition.accounts.items()
    )


async def _text(prepared: PreparedLaunch) -> str:
    """What to send: the text, or the URL of an uploaded multimedia message. Raises UserError, DispatcherError."""
    definition = prepared.definition
    if definition.frames is None:
        return definition.text
    [(account, vendor)] = definition.accounts.items()
    return await publish(account, vendor, definition.frames)


def _launched(prepared: PreparedLaunch, text: str, attempt: str, legs: tuple[Leg, ...]) -> Launched:
    definition = prepared.definition
    return Launched(
        **prepared.plan.fields(),
        attempt=attempt,
        fingerprint=prepared.fingerprint,
        name=definition.name,
        text=text,
        legs=legs,
        weight=definition.weight or 1,
        urgent=definition.urgent,
        unknown=definition.unknown,
        segments=prepared.plan.segments,
        at_ms=now_ms(),
        by=definition.by,
        options=definition.options,
        variables=definition.template.names,
        kind=definition.kind,
        campaign_class=definition.campaign_class,
        hours=() if definition.hours.always else definition.hours.spans,
        at_closing=definition.at_closing,
        lists=tuple(each.source for each in prepared.plan.lists),
        follows=definition.follows,
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
            f'"{earlier.id}" was launched before and has {share}. To change that: dispatcher campaign weight '
            f"{earlier.id} {' '.join(wanted)}"
        )


def _already(prepared: PreparedLaunch, earlier: Launched) -> LaunchResult:
    if earlier.fingerprint != prepared.fingerprint:
        raise UserError(
            f'the id "{earlier.campaign}" is taken: it was launched with {_differences(prepared, earlier)}. '
            "Launch this campaign with another --id."
        )
    return _result(prepared, already=True)


def _result(prepared: PreparedLaunch, *, already: bool) -> LaunchResult:
    return LaunchResult(**prepared.plan.fields(), already_launched=already, plan=prepared.plan)


def _differences(prepared: PreparedLaunch, earlier: Launched) -> str:
    """The differences of an earlier launch with the same id, in words."""
    definition, plan = prepared.definition, prepared.plan
    differing = [
        ("another text", definition.kind != "mms" and earlier.text != definition.text),
        ("another kind of message", earlier.kind != definition.kind),
        ("another route", {leg.account for leg in earlier.legs} != set(definition.accounts)),
        ("another policy for unknown results", earlier.unknown != definition.unknown),
        ("another class", (earlier.campaign_class or "marketing") != definition.campaign_class),
        ("other terms at closing time", earlier.at_closing != definition.at_closing),
        ("another part of a campaign", earlier.follows != definition.follows),
        ("other options", earlier.options != definition.options),
        (f"{earlier.recipients:,} recipients instead of {plan.recipients:,}", earlier.recipients != plan.recipients),
    ]
    return " and ".join(what for what, differs in differing if differs) or (
        "other numbers or values" if earlier.variables else "other numbers"
    )
