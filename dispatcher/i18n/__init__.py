"""Words for people, in the language they read: English in the source, Chinese in dispatcher/locale/zh.

`_("… {name} …", name=…)` translates into the language of the running task, which `language_is` sets for a
request or a command. `N_` marks a text that `_` gets later (a row of a table). scripts/catalogues keeps the catalogues.
"""

from __future__ import annotations

import contextlib
import functools
import gettext as _gettext
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Final

LOCALE: Final = Path(__file__).parents[1] / "locale"
ENGLISH: Final = "en"
LANGUAGES: Final = {"en": "English", "zh": "中文"}
"""Every language, by its own name."""

HEADING: Final = "heading"
"""The context of headings in the catalogues."""

_language: Final[ContextVar[str]] = ContextVar("language", default=ENGLISH)


def _(text: str, /, **values: object) -> str:
    """The text in the language of this task; with values, each stands in its place `{name}`."""
    language = _language.get()
    found = text if language == ENGLISH else _catalogue(language).gettext(text)
    return found.format(**values) if values else found


def plural(one: str, many: str, n: int, /, **values: object) -> str:
    """The text for a number of things, with the number at `{n}` and each value in its place."""
    return ngettext(one, many, n).format(n=n, **values)


def heading(text: str) -> str:
    """The name of a column or of a line, which may be another word than the same text elsewhere."""
    language = _language.get()
    return text if language == ENGLISH else _catalogue(language).pgettext(HEADING, text)


def ngettext(one: str, many: str, n: int) -> str:
    """The text for a number of things; both have `{n}`."""
    language = _language.get()
    if language == ENGLISH:
        return one if n == 1 else many
    return _catalogue(language).ngettext(one, many, n)


def N_(text: str) -> str:
    """The text itself, marked for the catalogue."""
    return text


def H_(text: str) -> str:
    """The text itself, marked for the catalogue as a heading."""
    return text


def current_language() -> str:
    """The language of this task."""
    return _language.get()


@contextlib.contextmanager
def language_is(language: str) -> Iterator[None]:
    """Within it, texts are in this language; an unknown one is English."""
    before = _language.set(language if language in LANGUAGES else ENGLISH)
    try:
        yield
    finally:
        _language.reset(before)


def use_language(language: str) -> None:
    """From now on this task, and those it starts, have texts in this language; an unknown one is English."""
    _language.set(language if language in LANGUAGES else ENGLISH)


def language_asked(accept: str) -> str | None:
    """The language that an Accept-Language header (RFC 9110) prefers among ours; None if it names none of them."""
    found: list[tuple[float, int, str]] = []
    for at, each in enumerate(accept.split(",")[:20]):
        name, _, parameters = each.partition(";")
        known = name.strip().lower().partition("-")[0]
        if known in LANGUAGES:
            found.append((-_quality(parameters), at, known))
    return min(found)[2] if found and min(found)[0] < 0 else None


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


@functools.cache
def _catalogue(language: str) -> _gettext.NullTranslations:
    """All catalogues of a language, one behind the other."""
    first: _gettext.NullTranslations | None = None
    for file in sorted((LOCALE / language).glob("*.mo")):
        with file.open("rb") as opened:
            found = _gettext.GNUTranslations(opened)
        if first is None:
            first = found
        else:
            first.add_fallback(found)
    return first or _gettext.NullTranslations()
