"""Templates to HTML: one environment that escapes everything, with what every page may use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jinja2
from markupsafe import Markup, escape

from dispatcher.i18n import LANGUAGES, _, current_language, ngettext
from dispatcher.wording import clock, shown_zone
from producers.console.rendering.filters import FILTERS
from producers.console.rendering.static_files import StaticFiles

TEMPLATES: Final = Path(__file__).parents[1] / "templates"


class Renderer:
    """Renders templates of producers/console/templates; `prefix` is where the console is behind a proxy."""

    def __init__(self, static: StaticFiles, prefix: str) -> None:
        self._static = static
        self._prefix = prefix
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(FILTERS, number=number, clock=clock)
        self._environment.globals.update(
            _=_translated,
            ngettext=_counted,
            url=self.url,
            static=self.static,
            icon=self.icon,
            languages=LANGUAGES,
            language=current_language,
            zone=lambda: str(shown_zone()),
        )

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """The template with these values, in the language of this task."""
        return self._environment.get_template(template).render(values)

    def url(self, path: str, **query: object) -> str:
        """A path of the console as the browser must ask for it; empty values are left out of the query."""
        pairs = [
            f"{quote(name)}={quote(str(value), safe='')}" for name, value in query.items() if value not in ("", None)
        ]
        return f"{self._prefix}{path}" + (f"?{'&'.join(pairs)}" if pairs else "")

    @staticmethod
    def csrf_field(csrf: str) -> Markup:
        """The hidden field of a form with its secret."""
        return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf)

    def static(self, name: str) -> str:
        """Where a static file is."""
        return self._prefix + self._static.path(name)

    def icon(self, name: str, words: str = "") -> Markup:
        """An icon of the sprite; `words` say what it means where no text beside it does."""
        use = Markup('<use href="{}#{}"/>').format(self.static("icons.svg"), name)
        if words:
            return Markup('<svg class="icon" role="img"><title>{}</title>{}</svg>').format(words, use)
        return Markup('<svg class="icon" aria-hidden="true">{}</svg>').format(use)


def number(value: float | None) -> str:
    """`12,345`, or a dash for None."""
    return "–" if value is None else f"{value:,}"


def _translated(text: str, **values: object) -> Markup:
    """The text with these values, which are escaped."""
    return escape(_(text)).format(**values)


def _counted(one: str, many: str, n: int, **values: object) -> Markup:
    return escape(ngettext(one, many, n)).format(n=n, **values)
