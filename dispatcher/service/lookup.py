"""One number: its state in every campaign, suppression, rows set aside, and its messages to us."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from dispatcher.core.numbers import AMONG_OTHERS
from dispatcher.core.suppression import key_as_exported, key_as_written, key_of_wire
from dispatcher.core.wire_number import to_wire
from dispatcher.service.carriers import NumberCarrier, carrier_of_number
from dispatcher.service.session import Session
from dispatcher.service.suppression import SuppressedNumber, list_suppressed, not_a_number
from dispatcher.store.port import StoreReader
from dispatcher.store.views import InboundMessage, RejectPage, Sighting
from schemas.states import State

MESSAGES_MAX: Final = 20
FINAL: Final = (State.DELIVERED, State.FAILED, State.NO_REPORT, State.CANCELLED, State.SUPPRESSED, State.DUPLICATE)


class NumberInCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A number's state in one campaign. Times are Unix milliseconds, None before the event.

    Of a long message whose parts have ids and reports of their own, `parts_delivered` of `parts` were delivered; else
    both are None.
    """

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
    parts: int | None
    parts_delivered: int | None


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of a campaign's list with the number that were set aside: why, how many, and the first one's line.

    `repeats_line`: the line whose number a duplicate repeats, None if that is not known. `first_list` and
    `repeats_list`: the names of the lists of these lines, "" if the campaign has one list.
    """

    campaign: str
    name: str
    reason: str
    rows: int
    first_line: int
    repeats_line: int | None
    launched_ms: int
    first_list: str = ""
    repeats_list: str = ""


class NumberLookup(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a number, newest first. `suppressed`: it is on the suppression list."""

    number: str
    carrier: NumberCarrier
    campaigns: list[NumberInCampaign]
    set_aside: list[SetAside]
    suppressed: SuppressedNumber | None
    inbound: list[InboundMessage]


async def look_up(session: Session, text: str) -> NumberLookup:
    """Everything about a number, written as in a list. Raises UserError for an invalid one, LogError, StoreError."""
    value = number_of(text)
    wire = to_wire(value)
    await session.behind(whole=True)

    def ask(reader: StoreReader) -> tuple[list[Sighting], list[SetAside], list[InboundMessage]]:
        return reader.lookup(value), list(_set_aside(reader, wire)), reader.inbound(wire, messages_max=MESSAGES_MAX)

    sightings, set_aside, messages = await session.read(ask)
    listed = await list_suppressed(session, key_of_wire(wire))
    return NumberLookup(
        number=wire,
        carrier=await carrier_of_number(session, value),
        campaigns=[_in_campaign(each) for each in sightings],
        set_aside=set_aside,
        suppressed=next(iter(listed.entries), None),
        inbound=messages,
    )


def number_of(text: str) -> int:
    """A number as a person writes it, or as an export has it: abroad also without `+`. Raises UserError."""
    key = key_as_exported(text)
    if not key:
        raise not_a_number(text)
    return key


def _set_aside(reader: StoreReader, wire: str) -> Iterator[SetAside]:
    """Each campaign's rejected rows with this number, newest campaign first."""
    key = key_of_wire(wire)
    for view in reader.campaigns():
        if not view.counts.invalid + view.counts.duplicate + view.counts.suppressed:
            continue
        lines: dict[str, list[_Row]] = {}
        for page in reader.rejects(view.id):
            for at in _rows_with(page, wire.lstrip("0")):
                reason = page.reasons[page.reason_index[at]]
                if reason in AMONG_OTHERS or key_as_written(page.values[at]) == key:
                    lines.setdefault(reason, []).append(_row(page, at))
        for reason, found in lines.items():
            yield SetAside(
                campaign=view.id,
                name=view.name,
                reason=reason,
                rows=len(found),
                first_line=found[0].line,
                repeats_line=found[0].repeats or None,
                launched_ms=view.launched_ms,
                first_list=found[0].list,
                repeats_list=found[0].repeats_list,
            )


class _Row(msgspec.Struct, frozen=True):
    line: int
    list: str
    repeats: int
    repeats_list: str


def _row(page: RejectPage, at: int) -> _Row:
    repeats = int(page.repeats[at])
    name = page.lists[page.list_index[at]] if page.lists else ""
    repeated = page.lists[page.repeats_list[at]] if page.lists and repeats else ""
    return _Row(int(page.rows[at]), name, repeats, repeated)


def _rows_with(page: RejectPage, digits: str) -> list[int]:
    """The rows of a page whose value has these digits in this order, with any separators between them."""
    import polars as pl  # a light command imports this module

    values = pl.Series(page.values, dtype=pl.String).str.normalize("NFKC").str.replace_all(r"\D", "")
    return values.str.contains(digits, literal=True).arg_true().to_list()


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
        parts=found.parts if found.parts > 1 else None,
        parts_delivered=found.parts_delivered if found.parts > 1 else None,
    )
