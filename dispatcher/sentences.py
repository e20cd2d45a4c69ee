"""A sentence for people as a value: a text in English, and what stands in its places. Pure.

`str(sentence)` is the English sentence; `sentence.said()` is in the language of the running task (dispatcher.i18n).
Errors are made of sentences (`WordedError`), and a value of a sentence can be another one, such as a reason.
scripts/catalogues finds the texts where they are written, so a text is a literal there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any, Final

from dispatcher.i18n import N_ as N_
from dispatcher.i18n import _, ngettext

_PLAIN: Final = (int, float, str, bool)


class Sentence:
    """`text` with `{name}` for each of `values`. Without values the text is taken as it is.

    `about`: the option of a command that it is about, as `--budget`; `{about}` in the text is its place. `do`: what to
    type in a shell, which only commands say, behind the text. `many`: the text for another number `n` than 1.
    """

    __slots__ = ("_about", "do", "many", "text", "values")

    def __init__(self, text: str, /, *, many: str = "", about: str = "", do: str = "", **values: Any) -> None:
        self.text: Final = text
        self.many: Final = many
        self.do: Final = do
        self._about: Final = about
        self.values: Final[Mapping[str, Any]] = {name: _value(each) for name, each in values.items()}

    @property
    def about(self) -> str:
        """The option that this, or the sentence in it, is about; "" for none."""
        inner = (each.about for each in self.values.values() if isinstance(each, Sentence))
        return self._about or next(filter(None, inner), "")

    def __str__(self) -> str:
        values = {name: str(each) if isinstance(each, Sentence) else each for name, each in self.values.items()}
        text = self.many if self.many and values.get("n") != 1 else self.text
        return self._filled(text, self.do, values, self._about)

    def said(self, *, do: bool = False, name: Callable[[str], str] = str) -> str:
        """In the language of this task; with `do` if it is for a shell. `name`: what an option is called there."""
        values: dict[str, Any] = {
            key: each.said(do=do, name=name) if isinstance(each, Sentence) else each
            for key, each in self.values.items()
        }
        text = ngettext(self.text, self.many, values["n"]) if self.many else _(self.text)
        return self._filled(
            text, _(self.do) if do and self.do else "", values, name(self._about) if self._about else ""
        )

    def _filled(self, text: str, do: str, values: Mapping[str, Any], about: str) -> str:
        whole = f"{text} {do}" if do else text
        return whole.format(about=about, **values) if values or self._about else whole

    def __bool__(self) -> bool:
        return bool(self.text)

    def __repr__(self) -> str:
        return repr(str(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sentence) and self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash((self.text, self.do))

    def replacing(self, old: str, new: str) -> Sentence:
        """The same sentence with `new` in place of `old`, such as a file's name for its path."""
        values: dict[str, Any] = {
            name: each.replacing(old, new)
            if isinstance(each, Sentence)
            else each.replace(old, new)
            if isinstance(each, str)
            else each
            for name, each in self.values.items()
        }
        return Sentence(self.text.replace(old, new), many=self.many, about=self._about, do=self.do, **values)

    def as_json(self) -> dict[str, Any]:
        """What `of_json` makes the same sentence of, in another process."""
        values = {
            name: {"sentence": each.as_json()} if isinstance(each, Sentence) else each
            for name, each in self.values.items()
        }
        found = {"text": self.text, "many": self.many, "about": self._about, "do": self.do, "values": values}
        return {name: each for name, each in found.items() if each}

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Sentence:
        """The sentence that `as_json` wrote."""
        values: dict[str, Any] = {
            name: cls.of_json(each["sentence"]) if isinstance(each, dict) else each
            for name, each in said.get("values", {}).items()
        }
        words = {name: said[name] for name in ("many", "about", "do") if name in said}
        return cls(said.get("text", ""), **words, **values)


def joined(sentences: Iterable[Sentence | str], between: str = N_("{parts}, {part}")) -> Sentence | str:
    """The sentences, or parts of one, with commas or what is `between`; "" for none."""
    found: Sentence | str = ""
    for each in sentences:
        found = Sentence(between, parts=found, part=each) if found else each
    return found


class WordedError(Exception):
    """An error whose message is a sentence: `str(error)` in English, `error.said()` in the language of the task."""

    def __init__(self, text: str | Sentence, /, *, about: str = "", do: str = "", **values: Any) -> None:
        sentence = text if isinstance(text, Sentence) else Sentence(text, about=about, do=do, **values)
        super().__init__(sentence)
        self.sentence: Final = sentence

    @property
    def about(self) -> str:
        """The option of a command that it is about, "" for none."""
        return self.sentence.about

    def said(self, *, do: bool = False, name: Callable[[str], str] = str) -> str:
        """In the language of this task; see `Sentence.said`."""
        return self.sentence.said(do=do, name=name)


def _value(given: object) -> object:
    """What can be pickled, written as JSON and formatted: an error is its sentence, an object what it prints."""
    if isinstance(given, Sentence) or type(given) in _PLAIN:
        return given
    if isinstance(given, WordedError):
        return given.sentence
    if isinstance(given, Integral):
        return int(given)
    return format(given)
