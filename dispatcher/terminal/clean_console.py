"""A rich console that lets nothing within a text do something to the terminal: whatever is drawn, by whomever."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from dispatcher.wording import without_controls


class CleanConsole(Console):
    """Every piece of text loses its control characters; rich's own colours and movements stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich does, with clean texts."""
        for segment in super().render(renderable, options):
            if segment.control or (segment.text.isascii() and segment.text.isprintable()):
                yield segment
            else:
                yield Segment(without_controls(segment.text), segment.style)
