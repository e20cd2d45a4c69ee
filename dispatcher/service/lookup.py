"""What became of one number in every campaign, and what it sent to us."""

from __future__ import annotations

from typing import Final

import msgspec

from dispatcher.core.suppression import key_as_written
from dispatcher.core.wire_number import from_wire, to_wire
from dispatcher.errors import UserError
from dispatcher.service.session import Session
from dispatcher.store.port import StoreReader
from dispatcher.store.views import InboundMessage, Sighting
from schemas.states import State

MESSAGES_MAX: Final = 20
FINAL: Final = (State.DELIVERED, State.FAILED, State.NO_REPORT, State.CANCELLED)


class NumberInCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign's word on a number. Times are Unix milliseconds, None where nothing happened."""

    campaign: str
    name: str
    state: str
    final: bool
    code: str
    meaning: str
    account: str
    vendor: str
    vendor_id: str
    submitted_ms: int | None
    reported_ms: int | None
    launched_ms: int


class NumberLookup(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a number, newest first."""

    number: str
    campaigns: list[NumberInCampaign]
    inbound: list[InboundMessage]


async def look_up(session: Session, text: str) -> NumberLookup:
    """Everything about a number, written as in a list. Raises UserError if it is none, LogError, StoreError."""
    value = number_of(text)
    wire = to_wire(value)
    await session.behind(whole=True)

    def ask(reader: StoreReader) -> tuple[list[Sighting], list[InboundMessage]]:
        return reader.lookup(value), reader.inbound(wire, messages_max=MESSAGES_MAX)

    sightings, messages = await session.read(ask)
    return NumberLookup(number=wire, campaigns=[_in_campaign(each) for each in sightings], inbound=messages)


def number_of(text: str) -> int:
    """A number as a person writes it. Raises UserError."""
    value = key_as_written(text)
    if value == 0:
        try:
            value = from_wire(text.strip().removeprefix("+"))
        except ValueError:
            raise UserError(f'"{text}" is no phone number. Write it like 13800138000.') from None
    return value


def _in_campaign(found: Sighting) -> NumberInCampaign:
    return NumberInCampaign(
        campaign=found.campaign,
        name=found.name,
        state=found.state.word,
        final=found.state in FINAL,
        code=found.code,
        meaning=found.meaning,
        account=found.account,
        vendor=found.vendor,
        vendor_id=found.vendor_id,
        submitted_ms=found.submitted_ms,
        reported_ms=found.reported_ms,
        launched_ms=found.launched_ms,
    )
