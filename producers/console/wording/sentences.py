"""Sentences of the engine as pages say them: of fields instead of options, without commands of a shell. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from dispatcher.i18n import N_, _
from dispatcher.sentences import Sentence, WordedError

FIELDS: Final = {
    "--at-closing": N_("the choice of what becomes of the rest"),
    "--between": N_("the hours"),
    "--budget": N_("the budget"),
    "--by": N_("the table"),
    "--day": N_("the day"),
    "--days": N_("the days"),
    "--defer": N_("deferring"),
    "--from": N_("the begin of the time"),
    "--retry": N_("texting again by itself:"),
    "--service": N_("the service"),
    "--since": N_("the begin of the time"),
    "--to": N_("the number"),
    "--until": N_("the end of the time"),
    "--wave-wait": N_("the wait between waves"),
    "start": N_("the start"),
}
"""What pages call an option, where a sentence names it."""


_BEGIN: Final = re.compile(r"[a-z]+ |\{about\}")
"""A text that begins with a word, or with the name of a field, not with a value such as a file's name."""


def said(words: WordedError | Sentence | Mapping[str, Any] | str | None) -> str:
    """A sentence, also one as JSON, as a page says it; a text as it is."""
    if isinstance(words, str) or not words:
        return words if isinstance(words, str) else ""
    if isinstance(words, WordedError):
        words = words.sentence
    sentence = words if isinstance(words, Sentence) else Sentence.of_json(words)
    text = sentence.said(name=_field)
    return text[:1].upper() + text[1:] if _BEGIN.match(sentence.text) else text


def _field(option: str) -> str:
    if option in FIELDS:
        return _(FIELDS[option])
    return option.removeprefix("--").replace("-", " ")
