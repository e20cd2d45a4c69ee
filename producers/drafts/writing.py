"""Writes a draft to the log: set-aside rows, batches, and last the record that makes them a draft.

As with a launch, whatever is appended twice or left behind by a crash does no harm: only the places that the `Drafted`
record names count.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterator
from itertools import accumulate, pairwise

import msgspec

from dispatcher.clock import now_ms
from dispatcher.core.campaigns import Campaign
from dispatcher.core.numbers import encode as wire
from dispatcher.core.schedule.hours import to_record
from dispatcher.errors import Conflict
from dispatcher.log.campaigns_feed import read_campaigns
from dispatcher.log.port import Entry, Log
from dispatcher.service.campaigns.drafts import schedule_entry
from dispatcher.service.campaigns.launching import LaunchRequest
from producers.drafts.lines import with_lines
from producers.drafts.terms import terms_of
from producers.launch.commit import PackedBatch, append, append_batches, append_rejects
from producers.launch.personal_texts import PersonalTexts
from producers.launch.planning.plan import RowCounts
from producers.launch.prepare import PreparedLaunch
from producers.launch.route_split import batch_sizes
from producers.lists.dedupe import Rows, Separated
from producers.lists.reading import Progress, count
from schemas.batch import pack
from schemas.codec import encode
from schemas.records import DraftBatch, Drafted, DraftList, DraftPlaces
from schemas.topics import CAMPAIGNS


class _Stretch(msgspec.Struct, frozen=True):
    """Neighbouring rows of one list."""

    label: str
    recipients: Rows
    personal_texts: PersonalTexts | None
    sizes: list[int]


async def write_draft(
    prepared: PreparedLaunch,
    request: LaunchRequest,
    log: Log,
    *,
    start_ms: int = 0,
    even_if_short: bool = False,
    with_rejects: bool = True,
    progress: Progress,
) -> Drafted:
    """Make it the draft in force, in place of an earlier one; `start_ms` schedules it, too.

    Without `with_rejects` the rows that its list sets aside are not in it: they are another campaign's.

    Raises UserError if the campaign is launched or cancelled, LogError.
    """
    definition, intake = prepared.definition, prepared.intake
    campaign, revision = definition.campaign, secrets.token_hex(8)
    check_draftable(campaign, (await read_campaigns(log)).get(campaign))
    separated = await asyncio.to_thread(intake.separated.unjudged)
    rejects = await append_rejects(log, intake.spool.rejects(campaign, revision, separated)) if with_rejects else []
    lists = await _append_lists(prepared, separated, log, revision, progress)
    counts = count(intake.counts.rows, separated, intake.counts.invalid_reasons)
    record = _drafted(prepared, request, revision, counts, DraftPlaces(lists, tuple(rejects)), even_if_short)
    entries = [draft_entry(record)]
    if start_ms:
        entries.append(schedule_entry(campaign, start_ms, record.by))
    await append(log, CAMPAIGNS.name, 0, entries)
    known = (await read_campaigns(log)).get(campaign)
    if known is None or known.draft is None or known.cancelled:
        check_draftable(campaign, known)
    return record


def draft_entry(record: Drafted) -> Entry:
    """The record of a draft. Its key is its own: compaction must not change what stands before a launch."""
    return Entry(f"{record.campaign}#draft#{record.revision}".encode(), encode(record))


def check_draftable(campaign: str, known: Campaign | None) -> None:
    """Raises UserError if this campaign cannot be drafted any more."""
    if known is not None and known.launched is not None:
        raise Conflict(
            '"{campaign}" was launched already.',
            campaign=campaign,
            about="--id",
            do="Draft this campaign under another --id.",
        )
    if known is not None and known.cancelled:
        raise Conflict(
            '"{campaign}" is cancelled, and that is final.',
            campaign=campaign,
            about="--id",
            do="Draft this campaign under another --id.",
        )


def _stretches(prepared: PreparedLaunch, separated: Separated) -> Iterator[_Stretch]:
    """The recipients by list, those of lists without one left out; batches have rows of one list."""
    intake, recipients = prepared.intake, separated.recipients
    starts = [*(recipients.position(row) for row in intake.spool.list_starts), len(recipients)]
    for label, (start, end) in zip(intake.spool.lists, pairwise(starts), strict=True):
        if start == end:
            continue
        rows, personal_texts = Rows(recipients.packed[start:end], recipients.abroad), None
        if intake.personal_texts is not None:
            personal_texts = intake.personal_texts.in_list_order(rows)
        sizes = batch_sizes(len(rows)) if personal_texts is None else personal_texts.batch_sizes()
        yield _Stretch(label, rows, personal_texts, sizes)


async def _append_lists(
    prepared: PreparedLaunch, separated: Separated, log: Log, revision: str, progress: Progress
) -> tuple[DraftList, ...]:
    lines = prepared.intake.spool.lines
    stretches = await asyncio.to_thread(lambda: list(_stretches(prepared, separated)))
    places = [
        (stretch, start, size)
        for stretch in stretches
        for start, size in zip(accumulate(stretch.sizes, initial=0), stretch.sizes, strict=False)
    ]

    def packed(batch: int) -> PackedBatch:
        stretch, start, size = places[batch]
        numbers = wire(stretch.recipients.numbers(start, start + size))
        values = stretch.personal_texts.batch(start, start + size) if stretch.personal_texts is not None else None
        value, headers, sha256 = pack(numbers, size, attempt=revision, batch=batch, values=values)
        return value, with_lines(headers, lines.of(stretch.recipients.rows(start, start + size))), sha256

    located = await append_batches(log, prepared.definition.campaign, len(places), packed, progress)
    found = iter(located)
    return tuple(
        DraftList(
            stretch.label,
            tuple(
                DraftBatch(place.partition, place.offset, place.sha256, size)
                for size, place in zip(stretch.sizes, found, strict=False)
            ),
        )
        for stretch in stretches
    )


def _drafted(
    prepared: PreparedLaunch,
    request: LaunchRequest,
    revision: str,
    counts: RowCounts,
    places: DraftPlaces,
    even_if_short: bool,
) -> Drafted:
    definition, digest = prepared.definition, hashlib.sha256()
    for found in places.lists:
        for batch in found.batches:
            digest.update(batch.sha256)
    return Drafted(
        campaign=definition.campaign,
        revision=revision,
        fingerprint=prepared.fingerprint,
        list_digest=digest.hexdigest(),
        terms=terms_of(request),
        places=msgspec.msgpack.encode(places),
        name=definition.name,
        text=definition.text,
        accounts=tuple(definition.accounts),
        rows=counts.rows,
        recipients=counts.recipients,
        invalid=counts.invalid,
        duplicate=counts.duplicate,
        suppressed=counts.suppressed,
        invalid_reasons=counts.invalid_reasons,
        suppressed_reasons=counts.suppressed_reasons,
        at_ms=now_ms(),
        by=definition.by,
        even_if_short=even_if_short,
        plan=msgspec.json.encode(prepared.plan),
        hours=to_record(definition.terms.hours),
        variables=definition.template.names,
    )
