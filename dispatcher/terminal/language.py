"""The language of a command: which one it is, its help in it, and click's own words and line breaks.

A command is written in English. `in_language` gives the one that is shown: a copy whose help is translated.
scripts/catalogues takes the texts from the commands themselves, and click's words from click's source.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import re
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, Final, TypeVar
from unicodedata import east_asian_width

import click

from dispatcher.i18n import ENGLISH, LANGUAGES, _, current_language, ngettext, use_language

C = TypeVar("C", bound=click.Command)

VARIABLES: Final = ("LC_ALL", "LC_MESSAGES", "LANG")
"""Where the environment names the language: the first that is set counts (POSIX)."""

_asked: Final[ContextVar[str]] = ContextVar("asked", default=ENGLISH)

CLICK_MODULES: Final = ("core", "decorators", "exceptions", "formatting", "parser", "termui", "types")
"""The modules of click whose words people read."""

_WIDE: Final = r"\u2e80-\u2fff\u3003-\u3007\u3020-\ua4cf\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f"
_OPEN: Final = r"（【《「『“"
_CLOSE: Final = r"，。、；：？！）】》」』”…"
_PIECE: Final = re.compile(rf"\s+|[{_OPEN}]*(?:[{_WIDE}]|[^\s{_WIDE}{_OPEN}{_CLOSE}]+)[{_CLOSE}]*|.", re.DOTALL)
_IS_WIDE: Final = re.compile(rf"[{_WIDE}{_OPEN}{_CLOSE}]")
_AS_IT_IS: Final = "\b"
"""What a paragraph begins with whose lines click leaves as they are: the examples."""

_SENTENCE: Final = re.compile(r"[^。]*。?")
_wrap_words: Final = click.formatting.wrap_text


def language_of(environment: Mapping[str, str]) -> str:
    """The language that the environment asks for."""
    named = next((environment[name] for name in VARIABLES if environment.get(name)), "")
    return "zh" if named.lower().startswith("zh") else ENGLISH


def lang_option() -> click.Option:
    """`--lang` of the whole command. It counts for everything behind it, the help included."""

    def use(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            speak(value)

    return click.Option(
        ["--lang"],
        type=click.Choice(list(LANGUAGES)),
        is_eager=True,
        expose_value=False,
        callback=use,
        help="The language of all that is printed, JSON excepted; default: that of LC_ALL, LC_MESSAGES or LANG.",
    )


def asked_language() -> str:
    """The language that was asked for: JSON is English in any, mistakes are not."""
    return _asked.get()


def speak(language: str) -> None:
    """From now on commands, and click, speak this language."""
    use_language(language)
    _asked.set(current_language())
    if language == ENGLISH:
        return
    for name in CLICK_MODULES:
        module: Any = importlib.import_module(f"click.{name}")
        module._ = _
        if hasattr(module, "ngettext"):
            module.ngettext = ngettext
    formatting: Any = click.formatting
    formatting.wrap_text, formatting.term_len = wrapped, cells


def in_language(command: C) -> C:
    """The command with its help in the language of this task; in English it is the command itself."""
    if current_language() == ENGLISH:
        return command
    shown = copy.copy(command)
    shown._help_option = None  # click keeps the option that it made, in the language of then
    if command.help:
        shown.help = _translated(command.help)
        shown.short_help = _SENTENCE.findall(shown.help.partition("\n\n")[0])[0]
    if command.epilog:
        shown.epilog = _translated(command.epilog)
    shown.params = [_parameter(each) for each in command.params]
    return shown


def help_texts(text: str) -> list[str]:
    """The texts of a help as they stand in the catalogue: each paragraph on one line, of examples their title alone."""
    return [
        part.split("\n")[1].strip() if part.startswith(_AS_IT_IS) else " ".join(part.split())
        for part in inspect.cleandoc(text).split("\n\n")
    ]


def _translated(text: str) -> str:
    parts = inspect.cleandoc(text).split("\n\n")
    said = [_(each) for each in help_texts(text)]
    return "\n\n".join(
        "\n".join((_AS_IT_IS, words, *part.split("\n")[2:])) if part.startswith(_AS_IT_IS) else words
        for part, words in zip(parts, said, strict=True)
    )


def _parameter(parameter: click.Parameter) -> click.Parameter:
    written = getattr(parameter, "help", None)
    if not written:
        return parameter
    shown = copy.copy(parameter)
    shown.__dict__["help"] = _translated(written)
    return shown


def cells(text: str) -> int:
    """How many cells of a terminal the text takes."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def wrapped(
    text: str,
    width: int = 78,
    initial_indent: str = "",
    subsequent_indent: str = "",
    preserve_paragraphs: bool = False,
) -> str:
    """What click's `wrap_text` does; Chinese is broken between characters, and measured in cells."""
    if not _IS_WIDE.search(text + initial_indent):
        return _wrap_words(text, width, initial_indent, subsequent_indent, preserve_paragraphs)
    paragraphs = text.split("\n\n") if preserve_paragraphs else [text]
    return "\n\n".join(
        "\n".join(f"{initial_indent}{line}" for line in each.split("\n")[1:])
        if each.startswith(_AS_IT_IS)
        else _lines(each, width, initial_indent, subsequent_indent)
        for each in paragraphs
    )


def _lines(text: str, width: int, first: str, later: str) -> str:
    lines, line = [], first
    empty = True
    for piece in _PIECE.findall(" ".join(text.split())):
        if not empty and cells(line) + cells(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line, empty = later, True
        if empty and piece.isspace():
            continue
        line, empty = line + piece, False
    return "\n".join([*lines, line.rstrip()])
