"""Opt-out words: does a message from a phone say that its sender wants no more texts?

The whole message must be one of the words. Before the comparison, full-width forms become half-width (NFKC), case is
folded, and invisible characters, surrounding blanks, punctuation, emoji and thanks are dropped, as is a leading 回 or
回复 ("answer with"). Pure.

Weak spots: "please stop" is not a word; `for_review` finds such messages, and a person must read them. A part of a long
message is not a word either.
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

WORDS: Final = ("TD", "T", "N", "R", "TDZD", "退订")
"""The defaults."""

_AROUND: Final = frozenset("PSZC")  # punctuation, symbols, blanks, controls: by the first letter of the category
_BEFORE: Final = re.compile(r"谢谢[您你]?|谢了|多谢|感谢|(?:thank you|thanks|thx|tks)(?![a-z0-9])|回[复覆]?")
_BEHIND: Final = re.compile(r"(?:谢谢[您你]?|谢了|多谢|感谢|(?<![a-z0-9])(?:thank you|thanks|thx|tks))[了啦]?$")
_WISH: Final = re.compile(
    r"退订|拒收|取消订阅|不要再?发|别再?发|不想再?收|勿再?发|勿扰|骚扰"
    r"|(?<![a-z])(?:unsubscribe|opt[- ]?out|stop)(?![a-z])"
)
"""What people write when they want no more texts."""

_PARTS: Final = re.compile(r"[^\w]+|(?<=[a-z0-9])(?=[^\x00-\x7f])|(?<=[^\x00-\x7f])(?=[a-z0-9])")
"""Splits a text into words: at non-letters, and between Latin letters and others."""

_SHORT_CHARS: Final = 20
"""In a message as short as this, a word at its beginning or end may be an opt-out."""

_KEYCAP: Final = re.compile("[0-9#*]\u20e3")  # an emoji that begins with a digit


class OptOut(msgspec.Struct, frozen=True):
    """A word, and the numbers (keys as in core/suppression.py) that sent it."""

    word: str
    numbers: Numbers


class OptOutWords:
    """A set of words. A word of punctuation only raises ValueError."""

    def __init__(self, words: Iterable[str] = WORDS) -> None:
        self._words: dict[str, str] = {}
        for word in words:
            if not (said := folded(word)):
                raise ValueError(f'the opt-out word "{word}" has no letter and no digit')
            self._words.setdefault(said, word)

    def word(self, text: str) -> str | None:
        """The configured word that this text equals, or None."""
        said = folded(text)
        return self._words.get(said) or self._words.get(_without_courtesy(said))

    def for_review(self, text: str) -> bool:
        """Whether a person should read this text: it is not one of the words, but may ask for no more texts."""
        if self.word(text) is not None:
            return False
        said = folded(text)
        if _WISH.search(said):
            return True
        parts = [part for part in _PARTS.split(said) if part]
        if any(len(part) > 1 and part in self._words for part in parts):
            return True
        short = len(parts) > 1 and len(said) <= _SHORT_CHARS
        return short and any(each in self._words for each in (parts[0], parts[-1], "".join(parts)))

    def opt_outs(self, messages: Sequence[Inbound]) -> list[OptOut]:
        """The senders of opt-outs, by word. A sender without a number cannot be listed."""
        import numpy as np  # reading the words of a configuration needs no columns

        from dispatcher.core.suppression import key_of_wire

        found: dict[str, list[int]] = {}
        for message in messages:
            alone = message.part is None or message.part[1] == 1
            word = self.word(message.text) if alone else None
            if word is not None and (number := key_of_wire(message.number)):
                found.setdefault(word, []).append(number)
        return [OptOut(word, np.unique(np.array(numbers, np.int64))) for word, numbers in found.items()]


def folded(text: str) -> str:
    """The text for comparison."""
    return _bare(unicodedata.normalize("NFKC", _KEYCAP.sub("", NOTHING.sub("", text))).casefold())


def _without_courtesy(said: str) -> str:
    """A folded text without thanks around it, and without 回 in front."""
    while True:
        before = _BEFORE.match(said)
        rest = _bare(_BEHIND.sub("", said[before.end() :] if before else said))
        if rest == said or not rest:
            return rest
        said = rest


def _bare(plain: str) -> str:
    """The text without blanks, punctuation and emoji around it."""
    start, end = 0, len(plain)
    while start < end and unicodedata.category(plain[start])[0] in _AROUND:
        start += 1
    while end > start and unicodedata.category(plain[end - 1])[0] in _AROUND:
        end -= 1
    return plain[start:end]
