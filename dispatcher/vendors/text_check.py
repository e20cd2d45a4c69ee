"""Whether an account can carry a text: length, characters, and what its vendor says of it. Pure."""

from __future__ import annotations

import unicodedata

from dispatcher.core.messages.text import not_carried, units
from dispatcher.errors import TextError
from dispatcher.vendors.seam.vendor import Message, Vendor


def check_text(account: str, vendor: Vendor, message: Message) -> None:
    """Raises TextError if this account cannot carry the message."""
    if not message.text.strip():
        raise TextError("the text is empty.", about="--text", do="Give {about} something to send.")
    where, limits = f'account "{account}"', vendor.limits
    length = units(message.text)
    if length > limits.text_chars_max:
        raise TextError(
            "the text has {length} characters, {where} takes {max}. Shorten it by {over}.",
            length=length,
            where=where,
            max=limits.text_chars_max,
            over=length - limits.text_chars_max,
            about="--text",
        )
    lost = not_carried(message.text, limits.charset)
    if lost is not None:
        raise TextError(
            "{where} cannot carry {character}, character {position} of the text (its charset is {charset}). "
            "Replace it.",
            where=where,
            character=named(lost.character),
            position=lost.position,
            charset=limits.charset.upper(),
            about="--text",
        )
    try:
        vendor.prepare(message)
    except TextError as error:
        raise TextError("{where}: {error}", where=where, error=error) from error


def named(character: str) -> str:
    """A character and its name, or its code if it cannot be printed."""
    name = unicodedata.name(character, "")
    if not character.isprintable():
        return f"U+{ord(character):04X}{f' {name}' if name else ''}"
    return f'"{character}" (U+{ord(character):04X}{f" {name}" if name else ""})'
