"""Placeholders of other systems in a text: they would be sent verbatim, so the plan warns of them. Pure.

Ours are `{name}`. Others write `｛姓名｝`, `{{name}}`, `${name}`, `#name#`, `%name%`, `@name@`; and any
brackets around the name of a column of the list are meant as one, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from dispatcher.i18n import N_, _
from producers.lists.phone_column import folded, without_notes

WARNINGS_MAX: Final = 5

_NAME: Final = r"\s*([^\s{}｛｝#%$<>\[\]()（）【】［］〈〉《》][^\n{}｛｝#%]{0,39}?)\s*"
_OTHERS: Final = (
    (re.compile(rf"\{{\{{{_NAME}\}}\}}"), N_("is sent with one pair of braces, as {{{name}}}")),
    (re.compile(rf"\$\{{{_NAME}\}}"), N_("is sent with the $ before the value")),
    (re.compile(rf"[｛{{]{_NAME}[｝}}]"), N_("has wide braces and is sent as it stands")),
    (re.compile(rf"#{_NAME}#"), N_("is sent as it stands")),
    (re.compile(r"[%$@]([A-Za-z_\u4e00-\u9fff]\w{0,19})[%$@]"), N_("is sent as it stands")),
)
_BRACKETED: Final = re.compile(rf"[\[［【<〈《(（]{_NAME}[\]］】>〉》)）]|\$([A-Za-z_\u4e00-\u9fff]{{1,20}})")


def placeholders_of_others(text: str, headers: Sequence[str]) -> list[str]:
    """Warnings about text that looks like a placeholder of another system."""
    return list(dict.fromkeys(_found(text, headers)))[:WARNINGS_MAX]


def _found(text: str, headers: Sequence[str]) -> Iterator[str]:
    spans: list[tuple[int, int]] = []
    for pattern, what in _OTHERS:
        for found in pattern.finditer(text):
            if found[0].startswith("{") and found[0].endswith("}") and not found[0].startswith("{{"):
                continue  # one of ours
            if found[0].startswith("{{") and text[found.end() : found.end() + 1] == "}":
                continue
            spans.append(found.span())
            yield _warning(found[0], found[1], _(what, name=found[1]))
    known = {compared(header) for header in headers if header for compared in (folded, without_notes)}
    for found in _BRACKETED.finditer(text):
        name = found[1] or found[2]
        apart = all(found.end() <= start or end <= found.start() for start, end in spans)
        if folded(name) in known and apart:
            yield _warning(found[0], name, _("is sent as it stands"))


def _warning(written: str, name: str, what: str) -> str:
    return _(
        '"{written}" looks like a placeholder, but {what}; for the value of column {name} write {{{name}}}',
        written=written,
        what=what,
        name=name,
    )
