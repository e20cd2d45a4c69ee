"""Recipients over a frequency cap who are deferred: a draft for each day on which some of them are free again.

The drafts are written before the launch is committed and have no time; the `Launched` record names them with the time
at which they start (`Launched.deferred`), so the launch and their schedule are one record. A launch that crashes before
it leaves drafts without a time, which its repetition replaces: their ids are made by rule.
"""

from __future__ import annotations

import asyncio
from typing import Final

import numpy as np
from msgspec.structs import replace

from dispatcher.clock import now_ms
from dispatcher.core.caps import same_time_on
from dispatcher.errors import InputError
from dispatcher.log.port import Log
from producers.drafts.writing import write_draft
from producers.launch.definition import Definition
from producers.launch.frequency import day_text
from producers.launch.prepare import PreparedLaunch, part_of
from producers.launch.steps import ONE_STEP
from producers.lists.dedupe import Repeats, Rows, Separated
from producers.lists.reading import silent
from schemas.records import Deferred
from schemas.states import FREQUENCY_CAP

_NO_REPEATS: Final = Repeats(np.empty(0, np.uint64))


def deferred_id(campaign: str, day: int) -> str:
    """The id of the draft for the recipients of a campaign who are free again on this day."""
    return f"{campaign}.on-{day_text(day).replace('-', '')}"


async def write_deferred(prepared: PreparedLaunch, log: Log) -> tuple[Deferred, ...]:
    """Write the drafts of a launch; what its record says of them. Raises UserError, LogError."""
    found = []
    at_ms = now_ms()
    for day, rows in await asyncio.to_thread(_by_day, prepared):
        name = deferred_id(prepared.definition.campaign, day)
        draft = await asyncio.to_thread(_draft_of, prepared, name, rows)
        request = replace(
            prepared.request,
            id=name,
            name=draft.definition.name,
            waves="",
            wave_wait="",
            by=prepared.definition.by,
            deferred_of=prepared.definition.campaign,
        )
        await write_draft(draft, request, log, with_rejects=False, progress=silent)
        start_ms = prepared.definition.terms.hours.opens_ms(same_time_on(day, at_ms))
        found.append(Deferred(campaign=name, recipients=len(rows), start_ms=start_ms))
    return tuple(found)


def _by_day(prepared: PreparedLaunch) -> list[tuple[int, Rows]]:
    """The rows that are over the cap, by the day on which they are free again."""
    frequency, aside = prepared.frequency, prepared.intake.separated.aside.get(FREQUENCY_CAP)
    if frequency is None or aside is None or not len(aside):
        return []
    numbers = aside.numbers(0, len(aside))
    days = frequency.free_days(numbers)
    return [(int(day), Rows(aside.packed[days == day], aside.abroad)) for day in np.unique(days)]


def _draft_of(prepared: PreparedLaunch, name: str, rows: Rows) -> PreparedLaunch:
    """The launch of these rows alone, as a draft with this id. Raises InputError."""
    definition = prepared.definition
    called = f"{definition.name or definition.campaign}, deferred"
    mine: Definition = replace(definition, campaign=name, name=called, steps=ONE_STEP)
    try:
        return part_of(prepared, Separated(rows, _NO_REPEATS, {}), mine)
    except InputError as error:
        raise InputError(
            "{count:,} recipients over the frequency cap cannot be deferred: {error}",
            count=len(rows),
            error=error,
            about="--defer",
            do="Leave --defer out.",
        ) from error
