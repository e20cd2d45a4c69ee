"""A text with `{name}` placeholders, and each recipient's text made from it. Pure.

`{{` and `}}` are braces. A placeholder names a variable, a column of the list; the launch decides which one
(producers/launch/personal_values.py), and `Launched.variables` keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dispatcher.sentences import WordedError

NAME_CHARS_MAX: Final = 100


class TemplateBroken(WordedError, ValueError):
    """The braces of a text do not pair."""

    @property
    def position(self) -> int:
        """Where, in characters from 1."""
        return int(self.sentence.values["position"])


class Template(msgspec.Struct, frozen=True):
    """Literal, variable, literal, …, literal: `slots[i]` is the index in `names` of the variable after `literals[i]`.

    Without slots it is a plain text, `literals[0]`.
    """

    literals: tuple[str, ...]
    slots: tuple[int, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def plain(self) -> str:
        """The text without the placeholders."""
        return "".join(self.literals)

    def fill(self, values: Sequence[str]) -> str:
        """The text with these values, one for each of `names`."""
        parts = [self.literals[0]]
        for slot, literal in zip(self.slots, self.literals[1:], strict=True):
            parts += (values[slot], literal)
        return "".join(parts)

    def marked(self, placeholder: str) -> str:
        """The text with the vendor's placeholder in place of each of ours."""
        return placeholder.join(self.literals)

    def of(self, names: tuple[str, ...]) -> Template:
        """The same text with the variables in the order of `names`. Raises ValueError if one is missing."""
        if lacking := set(self.names) - set(names):
            raise ValueError(f"there is no variable {min(lacking)}")
        places = {name: index for index, name in enumerate(names)}
        return Template(self.literals, tuple(places[self.names[slot]] for slot in self.slots), names)


def parse(text: str) -> Template:
    """The template of a text. `names` are in the order of appearance. Raises TemplateBroken."""
    literals, slots, names = [""], [], []
    at = 0
    while at < len(text):
        if text[at] not in "{}":
            end = min((found for found in (text.find("{", at), text.find("}", at)) if found >= 0), default=len(text))
            literals[-1] += text[at:end]
            at = end
        elif text[at : at + 2] in ("{{", "}}"):
            literals[-1] += text[at]
            at += 2
        elif text[at] == "}":
            raise TemplateBroken('a "}}" that closes nothing, character {position} of the text', position=at + 1)
        else:
            end = text.find("}", at)
            name = text[at + 1 : end].strip()
            if end < 0 or "{" in name:
                raise TemplateBroken('a "{{" that nothing closes, character {position} of the text', position=at + 1)
            if not name:
                raise TemplateBroken("a placeholder without a name, character {position} of the text", position=at + 1)
            if len(name) > NAME_CHARS_MAX:
                raise TemplateBroken("an endless placeholder, character {position} of the text", position=at + 1)
            if name not in names:
                names.append(name)
            slots.append(names.index(name))
            literals.append("")
            at = end + 1
    return Template(tuple(literals), tuple(slots), tuple(names))


class VariableLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of a request with per-recipient values in one text.

    A value that holds one of `separators` does not fit: its text goes in a separate request. `chars_max` bounds the
    UTF-16 units of all values together, because servers bound a body.
    """

    recipients_max: int
    separators: tuple[str, ...]
    chars_max: int = 100_000
