"""A message from a phone, from the fields that every vendor sends in its own way. Pure."""

from __future__ import annotations

from typing import Final

from dispatcher.core.wire_number import to_wire
from dispatcher.vendors.reading import forms
from dispatcher.vendors.reading.identifiers import identifier
from schemas.records import Inbound

TEXT_CHARS_MAX: Final = 10_000
SHORT_CHARS_MAX: Final = 64


def message(
    account: str,
    received_ms: int,
    *,
    number: bytes,
    text: str,
    flags: tuple[str, ...],
    to: bytes,
    time: bytes,
    message_id: bytes = b"",
    part: tuple[int, int, int] | None = None,
) -> Inbound:
    """The message; `flags` are its oddities so far, to which an over-long text and invalid fields are added."""
    if len(text) > TEXT_CHARS_MAX:
        text, flags = text[:TEXT_CHARS_MAX], (*flags, "cut")
    valid, time_s = forms.number(number), forms.time_s(time)
    if not valid:
        flags = (*flags, "no-number")
    if not time_s:
        flags = (*flags, "no-time")
    return Inbound(
        account=account,
        number=to_wire(valid) if valid else short(number),
        text=text,
        to=short(to),
        at_ms=time_s * 1000 or received_ms,
        received_ms=received_ms,
        message_id=short(message_id),
        part=part,
        flags=flags,
    )


def short(value: bytes) -> str:
    """A short field as text; the rest of a longer one is cut off."""
    return identifier(value)[:SHORT_CHARS_MAX]
