"""Parts of campaigns, as a person names them: an id, or an id and states of recipients. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dispatcher.errors import UserError
from schemas.states import State

PARTS_MAX: Final = 50
_STATES: Final = {state.word: state for state in State}


class CampaignPart(msgspec.Struct, frozen=True):
    """The recipients of a campaign, or those in these states only."""

    campaign: str
    states: frozenset[State] = frozenset()

    @property
    def text(self) -> str:
        """As a person writes it."""
        words = ",".join(state.word for state in sorted(self.states))
        return f"{self.campaign}:{words}" if words else self.campaign


def campaign_parts(texts: Sequence[str]) -> tuple[CampaignPart, ...]:
    """The parts that are meant, each campaign once. Raises UserError."""
    found: dict[str, CampaignPart] = {}
    for text in texts:
        campaign, colon, words = text.partition(":")
        if not campaign or (colon and not words.strip()):
            raise UserError(
                '"{text}" is not a campaign\'s id, or an id and states, as may:delivered,accepted.', text=text
            )
        states = states_of(words.split(",")) if colon else frozenset()
        part = CampaignPart(campaign, states)
        found[campaign] = both(found[campaign], part) if campaign in found else part
    if len(found) > PARTS_MAX:
        raise UserError(
            "{count:,} campaigns are too many to exclude: at most {max}.",
            count=len(found),
            max=PARTS_MAX,
        )
    return tuple(found.values())


def states_of(words: Sequence[str]) -> frozenset[State]:
    """The states of these words. Raises UserError."""
    found = []
    for word in words:
        state = _STATES.get(word.strip().replace("-", "_"))
        if state is None:
            raise UserError(
                '"{word}" is not the state of a recipient: {states}.', word=word.strip(), states=", ".join(_STATES)
            )
        found.append(state)
    return frozenset(found)


def both(one: CampaignPart, other: CampaignPart) -> CampaignPart:
    """The part that has the recipients of two parts of one campaign."""
    states = one.states | other.states if one.states and other.states else frozenset[State]()
    return CampaignPart(one.campaign, states)
