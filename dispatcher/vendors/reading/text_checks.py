"""The checks of a text that vendors share: it is not empty, it is short enough, and every character is whole."""

from __future__ import annotations

from dispatcher.core.messages.text import not_carried, units
from dispatcher.errors import TextError


def check_length(text: str, chars_max: int, cure: str = "") -> None:
    """Raises TextError for an empty text, or one of more than `chars_max` characters; `cure`: other advice."""
    if not text.strip():
        raise TextError("the text is empty.", about="--text", do="Give {about} something to send.")
    length = units(text)
    if length > chars_max:
        raise TextError(
            "the text has {length} characters, this account takes {max}. Shorten it by {over}{cure}.",
            length=length,
            max=chars_max,
            over=length - chars_max,
            cure=cure,
            about="--text",
        )


def check_characters(text: str, charset: str = "utf-8") -> None:
    """Raises TextError for half a surrogate pair, or for another character that `charset` cannot encode."""
    if broken := not_carried(text, charset):
        raise TextError(
            "character {position} of the text is broken ({character!r}). Type it again.",
            position=broken.position,
            character=broken.character,
            about="--text",
        )
