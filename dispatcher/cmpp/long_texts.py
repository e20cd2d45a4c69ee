"""Long messages: parts of at most 140 octets, each with the header 05 00 03 reference total number (vendors.md 6.7).

A character is never divided between two parts: neither a surrogate pair of UCS2 nor a pair (or four) of GB18030.
References of 8 and 16 bits are read; those that we make have 8.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from dispatcher.cmpp.texts import ASCII, CHARSETS, GB, UCS2

CONTENT_BYTES_MAX: Final = 140
ASCII_BYTES_MAX: Final = 159  # "less than 160" (AMB-CMPP-10); 160 where an account says so
HEADER_BYTES: Final = 6
PART_BYTES_MAX: Final = CONTENT_BYTES_MAX - HEADER_BYTES
PARTS_MAX: Final = 255
DESTINATIONS_MAX: Final = 65_536
IE_8_BITS: Final = 0x00
IE_16_BITS: Final = 0x08


class TooLong(msgspec.Struct, frozen=True):
    """A text of more than 255 parts."""

    parts: int


class Part(NamedTuple):
    """What a user data header says of a part, and what stands behind it."""

    reference: int
    reference_bits: int
    total: int
    number: int
    content: bytes


def split(text: str, msg_fmt: int, ascii_bytes_max: int = ASCII_BYTES_MAX) -> list[bytes] | TooLong:
    """The text in octets: whole if it fits into one message, else in parts without their headers.

    UnicodeEncodeError if the coding does not have a character.
    """
    whole = text.encode(CHARSETS[msg_fmt])
    if len(whole) <= (ascii_bytes_max if msg_fmt == ASCII else CONTENT_BYTES_MAX):
        return [whole]
    parts = []
    at = 0
    while at < len(whole):
        end = _end(whole, at, msg_fmt)
        parts.append(whole[at:end])
        at = end
    return parts if len(parts) <= PARTS_MAX else TooLong(len(parts))


def _end(whole: bytes, at: int, msg_fmt: int) -> int:
    """Where the part that begins at `at` ends."""
    end = min(at + PART_BYTES_MAX, len(whole))
    if msg_fmt == UCS2 and end < len(whole) and 0xDC <= whole[end] <= 0xDF:  # the second half of a surrogate pair
        return end - 2
    if msg_fmt != GB:
        return end
    next_at = at
    while next_at < end:
        begins, next_at = next_at, next_at + _gb_bytes(whole, next_at)
        if next_at > end:
            return begins
    return end


def _gb_bytes(whole: bytes, at: int) -> int:
    """The octets of the GB18030 character that begins here: 1, 2, or 4 if its second one is a digit."""
    if whole[at] < 0x80:
        return 1
    return 4 if whole[at + 1 : at + 2] <= b"9" else 2


def header(reference: int, total: int, number: int) -> bytes:
    """The user data header of a part."""
    return bytes((5, IE_8_BITS, 3, reference, total, number))


def contents(parts: list[bytes], reference: int) -> list[bytes]:
    """What goes into Msg_Content: the text itself, or each part with its header."""
    if len(parts) == 1:
        return parts
    return [header(reference, len(parts), number) + part for number, part in enumerate(parts, 1)]


def read_part(content: bytes) -> Part | None:
    """The part of a message whose TP_udhi is 1; None if its header has no concatenation or is malformed.

    Other information elements are skipped.
    """
    if not content or content[0] >= len(content):
        return None
    at, end = 1, 1 + content[0]
    found: Part | None = None
    while at < end:
        if at + 2 > end or (stop := at + 2 + content[at + 1]) > end:
            return None
        element, value = content[at], content[at + 2 : stop]
        if (element, len(value)) in ((IE_8_BITS, 3), (IE_16_BITS, 4)):
            bits = 8 * (len(value) - 2)
            found = Part(int.from_bytes(value[:-2], "big"), bits, value[-2], value[-1], content[end:])
        at = stop
    return found if found and 1 <= found.number <= found.total else None


def behind_header(content: bytes) -> bytes:
    """The content without its user data header, whatever that says; all of it if the header cannot be right."""
    end = 1 + content[0] if content else 0
    return content[end:] if end <= len(content) else content


class References:
    """References for long messages: the last 255 of one destination all differ. Bounded: destinations not used for the
    longest time are forgotten first. `seed`: where the first one begins; a new process takes another.
    """

    def __init__(self, destinations_max: int = DESTINATIONS_MAX, seed: int = 0) -> None:
        self._last: OrderedDict[bytes, int] = OrderedDict()
        self._destinations_max = destinations_max
        self._seed = seed

    def next(self, destination: bytes) -> int:
        """The reference of the next long message to this number."""
        last = self._last.pop(destination, None)
        if last is None:
            self._seed = last = (self._seed + 1) % 256
            if len(self._last) >= self._destinations_max:
                self._last.popitem(last=False)
        reference = (last + 1) % 256
        self._last[destination] = reference
        return reference

    def next_of_all(self, destinations: Sequence[bytes]) -> int:
        """One reference for a long message to at most 255 numbers: not the last one of any of them, and as near behind
        the last ones as can be, because what follows them was used the longest time ago.
        """
        lasts = sorted({self._last.pop(each) for each in destinations if each in self._last})
        if lasts:
            gaps = zip(lasts, [*lasts[1:], lasts[0] + 256], strict=True)
            last, _ = max(gaps, key=lambda gap: gap[1] - gap[0])
        else:
            self._seed = last = (self._seed + 1) % 256
        reference = (last + 1) % 256
        self._last.update(dict.fromkeys(destinations, reference))
        while len(self._last) > self._destinations_max:
            self._last.popitem(last=False)
        return reference
