"""Type mistakes in the configuration, in the user's words: `flow.limit must be a whole number, not a text`.

In: msgspec's message and its struct; out: names of keys and kinds of values, never a value, which may be a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final, TypeVar

import msgspec

from dispatcher.errors import ConfigError
from dispatcher.sentences import N_, Sentence, joined

T = TypeVar("T")

_MISSING: Final = re.compile(r"missing required field `(\w+)`(?: - at `\$\.?([\w.]*)`)?")
_UNKNOWN: Final = re.compile(r"unknown field `(\w+)`(?: - at `\$\.?([\w.]*)`)?")
_PLACED: Final = re.compile(r"(.*) - at `\$\.?([^`]*)`", re.DOTALL)
_TYPES: Final = re.compile(r"expected `([^`]+)`, got `(\w+)`", re.IGNORECASE)
_BOUND: Final = re.compile(r"expected `\w+` (>=|>|<=|<) ([\d.]+)", re.IGNORECASE)
_LENGTH: Final = re.compile(r"expected `array` of length (>= )?(\d+)(?:, got (\d+))?", re.IGNORECASE)

_CONTROLS: Final = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f]")
NUMBER_MAX: Final = 10**12
"""No number of a configuration is larger, in any unit."""

_KINDS: Final = {
    "int": N_("a whole number"),
    "float": N_("a number"),
    "bool": N_("true or false"),
    "str": N_("a text in quotes"),
    "array": N_("a list in [ ]"),
    "object": N_("a table in { }"),
}
_BOUNDS: Final = {
    ">=": N_("{bound} or more"),
    ">": N_("above {bound}"),
    "<=": N_("{bound} or less"),
    "<": N_("below {bound}"),
}


def converted(value: Any, kind: type[T], where: str, dec_hook: Callable[[type, Any], Any] | None = None) -> T:
    """The value as this type. Raises ConfigError."""
    try:
        return msgspec.convert(value, kind, dec_hook=dec_hook)
    except msgspec.ValidationError as error:
        raise ConfigError("{where}: {mistake}.", where=where, mistake=plain(str(error), kind)) from None


def check_values(value: Any, where: str, key: str = "") -> None:
    """Raises ConfigError for what no key takes: control characters, numbers that are absurdly large or not finite."""
    match value:
        case dict():
            for name, inner in value.items():
                check_values(inner, where, f"{key}.{name}" if key else name)
        case list():
            for inner in value:
                check_values(inner, where, key)
        case str() if _CONTROLS.search(value):
            raise ConfigError("{where}: {key} holds a control character. Write it again.", where=where, key=key)
        case int() | float() if not abs(value) <= NUMBER_MAX:
            raise ConfigError("{where}: {key} must be at most {max:,}.", where=where, key=key, max=NUMBER_MAX)


def suggestion(name: str, possible: Collection[str]) -> str:
    """In brackets, which of the possible names was meant, or all of them."""
    close = difflib.get_close_matches(name, possible, n=1)
    words = f"did you mean {close[0]}?" if close else f"possible: {', '.join(possible)}" if possible else ""
    return f" ({words})" if words else ""


def plain(message: str, kind: type) -> Sentence | str:
    """msgspec's message about a table that should be a `kind`, as a sentence without its end."""
    if missing := _MISSING.search(message):
        return Sentence("{key} is missing", key=_joined(missing[2], missing[1]))
    if unknown := _UNKNOWN.search(message):
        meant = suggestion(unknown[1], _keys(_at(kind, unknown[2] or "")))
        if not unknown[2]:
            return Sentence("there is no key {key}{meant}", key=unknown[1], meant=meant)
        return Sentence("there is no key {key} in {table}{meant}", key=unknown[1], table=unknown[2], meant=meant)
    placed = _PLACED.fullmatch(message)
    said, where = (placed[1], placed[2].replace("[...]", ": each")) if placed else (message, "")
    if "enum value" in said and (choices := _choices(_at(kind, where))):
        return _must(where, Sentence("one of: {choices}", choices=", ".join(choices)))
    if types := _TYPES.fullmatch(said):
        wanted = joined(
            (Sentence(_KINDS.get(each, each)) for each in types[1].split(" | ") if each != "null"),
            N_("{parts} or {part}"),
        )
        given = Sentence(_KINDS.get(types[2], types[2]))
        return _must(where, Sentence("{wanted}, not {given}", wanted=wanted, given=given))
    if bound := _BOUND.fullmatch(said):
        return _must(where, Sentence(_BOUNDS[bound[1]], bound=bound[2].removesuffix(".0")))
    if length := _LENGTH.fullmatch(said):
        if length[1]:
            return _must(where, Sentence("a list of {count} or more", count=length[2]))
        return _must(where, Sentence("a list of {count}, not of {given}", count=length[2], given=length[3]))
    return f"{where}: {said[:1].lower()}{said[1:]}" if where else said


def _must(where: str, what: Sentence) -> Sentence:
    return (
        Sentence("{where} must be {what}", where=where, what=what) if where else Sentence("must be {what}", what=what)
    )


def _joined(path: str | None, name: str) -> str:
    return f"{path}.{name}" if path else name


def _at(kind: type, path: str) -> list[Any]:
    """The types (msgspec.inspect) that a value at `flow.unit` may have; empty if the path leads through a list."""
    found: list[Any] = list(_alternatives(msgspec.inspect.type_info(kind)))
    for name in filter(None, path.split(".")):
        fields = [field for each in found for field in getattr(each, "fields", ()) if field.encode_name == name]
        found = [each for field in fields for each in _alternatives(field.type)]
    return found


def _alternatives(found: Any) -> Iterator[Any]:
    if isinstance(found, msgspec.inspect.Metadata):
        found = found.type
    yield from found.types if isinstance(found, msgspec.inspect.UnionType) else (found,)


def _keys(found: list[Any]) -> list[str]:
    return [field.encode_name for each in found for field in getattr(each, "fields", ())]


def _choices(found: list[Any]) -> list[str]:
    return [str(value) for each in found if isinstance(each, msgspec.inspect.LiteralType) for value in each.values]
