"""The numbers of campaigns whose recipients are not meant this time.

Who cannot be read for certain stops the launch: nobody is texted because the results were not complete.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ascending_once, keys
from dispatcher.errors import StoreError
from dispatcher.service.campaigns.views import check_not_drafts, view_in
from dispatcher.service.session import Session, open_session
from dispatcher.store.port import StoreReader
from producers.segments.campaign_parts import CampaignPart
from schemas.states import IN_CAMPAIGN

CURRENT_WITHIN_S: Final = 10.0


async def excluded(session: Session, parts: Sequence[CampaignPart]) -> dict[str, Numbers]:
    """By reason: the numbers (ascending) of these parts now.

    Raises UserError for a campaign that was not launched, StoreError if its recipients are not all known, LogError.
    """
    if not parts:
        return {}

    def read(reader: StoreReader) -> dict[str, Numbers]:
        return {f"{IN_CAMPAIGN}{part.campaign}": numbers_of(reader, part) for part in parts}

    await check_up_to_date(session)
    await check_not_drafts(session, [part.campaign for part in parts])
    return await session.read(read)


async def check_up_to_date(session: Session) -> None:
    """Wait until the results have every record that is on the log now. Raises StoreError after CURRENT_WITHIN_S."""
    until_s = time.monotonic() + CURRENT_WITHIN_S
    async with open_session(session.config, log=await session.log()) as fresh:
        while behind := await fresh.behind(whole=True):
            if time.monotonic() > until_s:
                raise StoreError(
                    "the results are {behind:,} records behind the log, so who is in an earlier campaign is not known "
                    "yet. Is `dispatcher run` (role results) keeping up? Try again in a minute.",
                    behind=behind,
                )


def check_readable(reader: StoreReader, campaign: str) -> None:
    """Raises StoreError if numbers of the campaign's batches are missing."""
    if unread := reader.unread(campaign):
        raise StoreError(
            "{unread} batches of {campaign} were not read from the log yet. Try again in a minute.",
            unread=unread,
            campaign=campaign,
        )
    if damaged := reader.damaged(campaign):
        number, why = next(iter(damaged.items()))
        raise StoreError(
            "batch {number} of {campaign} is not on the log any more ({why}): who is in it is not known.",
            number=number,
            campaign=campaign,
            why=why,
        )


def numbers_of(reader: StoreReader, part: CampaignPart) -> Numbers:
    """The numbers (ascending) of this part now. Raises UserError, StoreError. Blocks."""
    view_in(reader, part.campaign)
    check_readable(reader, part.campaign)
    pages = [page.numbers for page in reader.pages(part.campaign, part.states or None)]
    return ascending_once(keys(np.concatenate(pages))) if pages else np.empty(0, np.int64)
