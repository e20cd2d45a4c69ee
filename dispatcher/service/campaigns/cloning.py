"""The terms of a campaign, to launch another one like it: everything but its list, id and author.

Of a campaign that was launched from a draft they are the draft's. Otherwise the log does not have the hours and waves
as they were asked for, so a clone begins without them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dispatcher.core.money.amounts import MICRO_YUAN
from dispatcher.errors import UserError
from dispatcher.log.records import record_of
from dispatcher.service.campaigns.drafts import find_draft_in
from dispatcher.service.campaigns.views import no_campaign
from dispatcher.service.session import Session
from schemas.records import Drafted, Launched
from schemas.topics import CAMPAIGNS

_OF_ONE_DRAFT: Final = ("by", "frames")
_OF_ONE_CAMPAIGN: Final = (*_OF_ONE_DRAFT, "follows")


async def campaign_terms(session: Session, campaign: str) -> dict[str, Any]:
    """The terms as JSON, by the names of `LaunchRequest`. Raises UserError for an unknown id, LogError."""
    known = (await session.campaigns()).get(campaign)
    if known is not None and known.draft is not None:
        return _of_draft(known.draft.drafted)
    if known is None or known.launched is None:
        raise no_campaign(campaign, [])
    if known.launched.stream is not None:
        raise UserError("{campaign} is a stream, and no campaign is made from it. Open another one.", campaign=campaign)
    if known.launched.kind == "mms":
        raise UserError(
            "{campaign} is a multimedia message, whose files are not on the log. Launch it again by hand.",
            campaign=campaign,
        )
    drafted = await _drafted(session, known.launched) if known.launched.revision else None
    return _of_launch(known.launched) if drafted is None else _of_draft(drafted)


async def draft_terms(session: Session, campaign: str) -> dict[str, Any]:
    """The terms of a draft, to draft it again: also which campaign it follows. Raises UserError, LogError."""
    drafted = find_draft_in(await session.campaigns(), campaign).draft.drafted
    terms: dict[str, Any] = msgspec.json.decode(drafted.terms)
    return {name: value for name, value in terms.items() if name not in _OF_ONE_DRAFT}


async def _drafted(session: Session, launched: Launched) -> Drafted | None:
    """The draft that was launched; the revision may be that of a change of its schedule."""
    log, position, found = await session.log(), 0, None
    start = f"{launched.campaign}#draft#".encode()
    while records := await log.read(CAMPAIGNS.name, 0, position):
        position = records[-1].offset + 1
        for stored in records:
            if stored.key.startswith(start):
                record = record_of(stored, CAMPAIGNS.name)
                if isinstance(record, Drafted) and record.at_ms <= launched.at_ms:
                    found = record
    return found


def _of_draft(drafted: Drafted) -> dict[str, Any]:
    terms: dict[str, Any] = msgspec.json.decode(drafted.terms)
    return {name: value for name, value in terms.items() if name not in _OF_ONE_CAMPAIGN}


def _of_launch(launched: Launched) -> dict[str, Any]:
    def written(text: str) -> str:
        return text if launched.variables else text.replace("{", "{{").replace("}", "}}")

    terms: dict[str, Any] = {
        "text": written(launched.text),
        "route": list(launched.route),
        "name": "" if launched.name == launched.campaign else launched.name,
        "weight": launched.weight,
        "urgent": launched.urgent,
        "unknown": launched.unknown,
        "options": launched.options,
        "kind": launched.kind,
        "class": launched.campaign_class or "marketing",
        "at_closing": launched.at_closing,
        "more_texts": [written(text) for text in launched.texts[1:]],
        "budget": f"{launched.budget / MICRO_YUAN:.6f}".rstrip("0").rstrip(".") if launched.budget else "",
    }
    return {name: value for name, value in terms.items() if value}
