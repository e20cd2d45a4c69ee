"""Measuring a text: characters as vendors count them, and parts (segments) as operators bill them.

Chinese vendors split by characters, 70 in a single message and 67 in each part of a long one, in any alphabet
(vendors.md 5.1, 7, AMB-BATCH-2); GSM 03.38 and UCS2 counting is for links that choose the coding themselves (CMPP).
Length is counted in UTF-16 code units, the stricter reading of "characters" (AMB-X-3: an emoji counts 2).
"""

from __future__ import annotations

import msgspec

_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED = frozenset("\f^{}\\[~]|€")


class Split(msgspec.Struct, frozen=True):
    """How texts are split: up to `single` characters in one message, `multi` in each part of a longer one.

    `ascii`: the same two for a text of nothing but ASCII, where the vendor sends that in a coding of its own (CMPP).
    Estimates for personal texts do without it, so they are never too low.
    """

    single: int = 70
    multi: int = 67
    ascii: tuple[int, int] | None = None


class UnsupportedCharacter(msgspec.Struct, frozen=True):
    """A character the vendor's charset cannot carry, and its position (from 1)."""

    character: str
    position: int


def units(text: str) -> int:
    """The length of a text in UTF-16 code units."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


def parts(text: str, split: Split) -> int:
    """The number of messages billed for the text. An empty text is one."""
    single, multi = split.ascii if split.ascii is not None and text.isascii() else (split.single, split.multi)
    length = units(text)
    return 1 if length <= single else -(-length // multi)


def not_carried(text: str, charset: str) -> UnsupportedCharacter | None:
    """The first character that `charset` cannot encode, or None. No charset encodes lone surrogates."""
    try:
        text.encode(charset)
    except UnicodeEncodeError as error:
        return UnsupportedCharacter(text[error.start], error.start + 1)
    return None


def gsm_septets(text: str) -> int | None:
    """The length in GSM 03.38 septets (extended characters take two), or None if it needs UCS2."""
    septets = 0
    for character in text:
        if character in _GSM_BASIC:
            septets += 1
        elif character in _GSM_EXTENDED:
            septets += 2
        else:
            return None
    return septets


def air_parts(text: str) -> int:
    """Parts on the air interface: GSM 160/153 septets if the text fits GSM 03.38, else UCS2 70/67."""
    septets = gsm_septets(text)
    if septets is None:
        return parts(text, Split(70, 67))
    return 1 if septets <= 160 else -(-septets // 153)
