"""Messages from phones: joins the parts of long ones, recognises repetitions. Pure: no clock, no store.

Vendors repeat a message until they are answered, perhaps both pushed and polled, and parts come in any order, twice, or
never (vendors.md 1.12, 3.3, AMB-BATCH-12). Decisions depend only on the records in log order, so a rebuilt store has
the same messages.

A message is a repetition if account, sender and the vendor's message id are equal; without an id, if account, sender,
receiver, text and the vendor's time are. It must come within `repeats_within_ms` after the first one or, without a
vendor's time, within TIMELESS_WITHIN_MS.

Weak spots: the same words sent twice within the resolution of the vendor's time (a minute, BATCH), or without any time
within TIMELESS_WITHIN_MS, count once. Numbers of long messages are reused (1 to 255), so parts of two long messages of
one phone with the same number at the same time may be mixed up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from dispatcher.core.messages import divided_characters
from schemas.records import Inbound

PARTS_MAX: Final = 255
"""The most parts of a long message (the count is one byte on the air); a head with more is broken."""

TIMELESS_WITHIN_MS: Final = 600_000
CANDIDATES_MAX: Final = 16
"""Messages under one key that a new one is compared with, the newest: one phone sends fewer long ones at a time."""

NO_TIME: Final = "no-time"
BROKEN_HEAD: Final = "broken-emshead"
GAP: Final = "[…]"
"""Replaces missing parts in the text of an incomplete message."""


class Bounds(msgspec.Struct, frozen=True):
    """How long parts are awaited, and how long a repetition is recognised."""

    parts_within_ms: int = 24 * 3_600_000
    repeats_within_ms: int = 7 * 24 * 3_600_000


DEFAULT_BOUNDS: Final = Bounds()


class Part(msgspec.Struct, frozen=True, array_like=True):
    """Part `number` of a long message; `at_ms` 0 if the vendor gave no time."""

    number: int
    text: str
    at_ms: int


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A known message, complete or not: `parts` of `total`, by number; one of one is a short message.

    `received_ms` is when its first record was received, `at_ms` the vendor's time, else that of receipt.
    """

    id: int
    at_ms: int
    received_ms: int
    total: int
    parts: tuple[Part, ...]

    @property
    def whole(self) -> bool:
        """Whether all parts are there."""
        return len(self.parts) == self.total

    @property
    def text(self) -> str:
        """Its text, with gaps for missing parts."""
        return text_of(self.parts, self.total)

    def with_part(self, part: Part) -> Held:
        """The same with one part more."""
        parts = tuple(sorted((*self.parts, part), key=lambda each: each.number))
        return msgspec.structs.replace(self, parts=parts)


def checked(message: Inbound) -> Inbound:
    """The message; one with an impossible head becomes a short one, flagged."""
    if message.part is None:
        return message
    _, total, number = message.part
    if total == 1 == number:
        return msgspec.structs.replace(message, part=None)
    if 1 <= number <= total <= PARTS_MAX:
        return message
    flags = message.flags if BROKEN_HEAD in message.flags else (*message.flags, BROKEN_HEAD)
    return msgspec.structs.replace(message, part=None, flags=flags)


def key(message: Inbound) -> int:
    """Messages that this one can repeat or belong to have the same key (int64); others almost never (a hash)."""
    said: tuple[object, ...]
    if message.part is not None:
        said = ("part", message.to, *message.part[:2])
    elif message.message_id:
        said = ("id", message.message_id)
    else:
        said = ("text", message.to, message.text, _time(message))
    packed = msgspec.msgpack.encode((message.account, message.number, [str(each) for each in said]))
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest(), "little", signed=True)


def part_of(message: Inbound) -> Part:
    """The record's part of its message's text."""
    number = 1 if message.part is None else message.part[2]
    return Part(number, message.text, _time(message))


def new(place: int, message: Inbound) -> Held:
    """A message of which this is the first record."""
    total = 1 if message.part is None else message.part[1]
    return Held(id=place, at_ms=message.at_ms, received_ms=message.received_ms, total=total, parts=(part_of(message),))


def placed(message: Inbound, known: Sequence[Held], bounds: Bounds) -> Held | None:
    """The known message that this record adds to, with the new part, or None for a new message.

    Returns one of `known` unchanged if the record is a repetition.
    """
    part = part_of(message)
    named = message.part is None and bool(message.message_id)
    timeless = not part.at_ms and not named
    repeats_within_ms = min(TIMELESS_WITHIN_MS, bounds.repeats_within_ms) if timeless else bounds.repeats_within_ms
    waiting = []
    for held in known:
        apart_ms = abs(message.received_ms - held.received_ms)
        same = next((each for each in held.parts if each.number == part.number), None)
        if same is None:
            if apart_ms <= bounds.parts_within_ms:
                waiting.append(held)
        elif apart_ms <= repeats_within_ms and (named or _same(same, part)):
            return held
    if message.part is None or not waiting:
        return None
    # Parts of one message were sent at one time; of several that fit equally the oldest.
    return min(waiting, key=lambda held: (abs(held.at_ms - message.at_ms), held.id)).with_part(part)


def text_of(parts: Sequence[Part], total: int) -> str:
    """The parts' texts in order, GAP where some are missing."""
    texts = {part.number: part.text for part in parts}
    pieces = []
    for number in range(1, total + 1):
        if number in texts:
            pieces.append(texts[number])
        elif number == 1 or number - 1 in texts:
            pieces.append(GAP)
    text = "".join(pieces)
    return text if total == 1 else divided_characters.joined(text)


def _same(one: Part, other: Part) -> bool:
    return one.text == other.text and (one.at_ms == other.at_ms or not one.at_ms or not other.at_ms)


def _time(message: Inbound) -> int:
    return 0 if NO_TIME in message.flags else message.at_ms
