"""The generated parts of docs/SCENARIOS.md: every key of a scenario from the structs, every shipped scenario.

python -m tests.loadtest.scenarios.scenario_doc        writes them into the document
"""

from __future__ import annotations

import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from loadtest.scenarios.file import shipped
from loadtest.scenarios.format import CampaignPart, EventPart, ExpectPart, LogPart, RunPart

DOCUMENT = Path(__file__).parents[3] / "docs" / "SCENARIOS.md"
PARTS: dict[str, type[msgspec.Struct]] = {
    "log": LogPart,
    "run": RunPart,
    "campaign": CampaignPart,
    "event": EventPart,
    "expect": ExpectPart,
}
WORDS = {str: "text", int: "integer", float: "number", bool: "boolean", dict: "table", type(None): ""}


def tables() -> dict[str, str]:
    """The generated parts, by their name in the document."""
    made = {name: _keys(kind) for name, kind in PARTS.items()}
    rows = ((f"`{name}`", about.replace("|", "\\|")) for name, (about, _) in shipped().items())
    return {"shipped": _table(("scenario", "what it shows"), rows), **made}


def written(document: str) -> str:
    """The document with its generated parts as they should be."""
    for name, table in tables().items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = document.partition(start)
        assert rest, f"docs/SCENARIOS.md has lost its mark {start!r}"
        document = before + start + table + end + rest.partition(end)[2]
    return document


def _keys(kind: type[msgspec.Struct]) -> str:
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        what, *metas = get_args(hint)
        meaning = metas[-1].description
        assert meaning, f"{kind.__name__}.{field.name} says nothing"
        bounds = "".join(map(_bounds, metas))
        rows.append(
            (
                f"`{field.name}`",
                (_words(what) + bounds).replace("number from 0 to 1", "share") + _default(field),
                meaning,
            )
        )
    return _table(("key", "is (**default**)", "meaning"), rows)


def _words(what: Any) -> str:
    origin, inside = get_origin(what), get_args(what)
    if origin is Annotated:
        return f"{_words(inside[0])}{_bounds(inside[1])}"
    if origin in (Union, types.UnionType):
        return ", ".join(filter(None, map(_words, inside)))
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in inside)
    if origin is tuple:
        return "[number, number]"
    if origin is list:
        return "tables" if get_origin(inside[0]) is dict else "texts"
    return WORDS[origin or what]


def _bounds(meta: msgspec.Meta) -> str:
    if meta.gt is not None:
        return f" above {meta.gt:g}"
    upper = "" if meta.le is None else f" to {meta.le:g}"
    return "" if meta.ge is None else f" from {meta.ge:g}{upper}"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default is msgspec.NODEFAULT and field.default_factory is msgspec.NODEFAULT:
        return ", required"
    default = field.default if field.default is not msgspec.NODEFAULT else None
    if default in (None, ""):
        return ""
    return f" (**`{str(default).lower() if isinstance(default, bool) else default}`**)"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"{' | '.join(line)}\n" for line in lines)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text("utf-8")), "utf-8")
