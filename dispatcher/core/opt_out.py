"""Opt-out words: does a message from a phone say that its sender wants no more texts?

The whole message has to be one of the words. Compared are the characters people mean: full-width forms as half-width
ones (NFKC), case folded, without what displays nothing, blanks, punctuation and emoji around them dropped. Pure.

Weak spots: "please stop" is no word; a person has to read it. A part of a long message is none either.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from dispatcher.core.invisible import NOTHING
from schemas.records import Inbound

if TYPE_CHECKING:
    from dispatcher.core.numbers import Numbers

WORDS: Final = ("TD", "T", "N", "退订")
"""The defaults."""

_AROUND: Final = frozenset("PSZC")  # punctuation, symbols, blanks, controls: by the first letter of the category
_KEYCAP: Final = re.compile("[0-9#*]\u20e3")  # an emoji that begins with a digit


class OptOut(msgspec.Struct, frozen=True):
    """A word, and the numbers (keys as in core/suppression.py) that sent it."""

    word: str
    numbers: Numbers


class OptOutWords:
    """A set of words. One that holds nothing but punctuation is none, and raises ValueError."""

    def __init__(self, words: Iterable[str] = WORDS) -> None:
        self._words: dict[str, str] = {}
        for word in words:
            if not (said := folded(word)):
                raise ValueError(f'the opt-out word "{word}" has no letter and no digit')
            self._words.setdefault(said, word)

    def word(self, text: str) -> str | None:
        """The word that this text is, as it is configured; None if it is none of them."""
        return self._words.get(folded(text))

    def opt_outs(self, messages: Sequence[Inbound]) -> list[OptOut]:
        """Who of these senders wants no more texts, by the word sent. A sender without a number cannot be listed."""
        import numpy as np  # here: reading the words of a configuration needs no columns

        from dispatcher.core.suppression import key_of_wire

        found: dict[str, list[int]] = {}
        for message in messages:
            alone = message.part is None or message.part[1] == 1
            word = self.word(message.text) if alone else None
            if word is not None and (number := key_of_wire(message.number)):
                found.setdefault(word, []).append(number)
        return [OptOut(word, np.unique(np.array(numbers, np.int64))) for word, numbers in found.items()]


def folded(text: str) -> str:
    """The text as it is compared."""
    plain = unicodedata.normalize("NFKC", _KEYCAP.sub("", NOTHING.sub("", text))).casefold()
    start, end = 0, len(plain)
    while start < end and unicodedata.category(plain[start])[0] in _AROUND:
        start += 1
    while end > start and unicodedata.category(plain[end - 1])[0] in _AROUND:
        end -= 1
    return plain[start:end]
