"""The live bar of `campaign watch` and `demo`, drawn with rich; its words are in dispatcher/terminal/progress.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.text import Text

from dispatcher.core.results.equation import Counts, Status, total
from dispatcher.i18n import _
from dispatcher.service.campaigns.progress import Pace, percent_final
from dispatcher.store.views import CampaignView
from dispatcher.terminal.progress import SHARES, pace_words, shown, status_words
from dispatcher.words import equation_line

BAR_CELLS_MAX: Final = 140

_STATUS_STYLES: Final[Mapping[Status, str]] = {
    "running": "bold green",
    "held": "bold yellow",
    "paused": "bold yellow",
    "open": "bold green",
    "waiting": "bold yellow",
    "holding": "bold magenta",
    "cancelled": "bold red",
    "finished": "bold green",
}


def picture(
    views: Sequence[CampaignView], paces: Mapping[str, Pace], notes: Sequence[str | Text] = ()
) -> RenderableType:
    """Bar, figures and pace of each campaign, then the equation over all of them, then the notes."""
    parts: list[RenderableType] = []
    for view in views:
        parts += [_title(view), Bar(view.counts), legend(view.counts)]
        parts += [Text(pace_words(view, paces[view.id]), style="dim"), Text()]
    if views:
        parts.append(equation(total(view.counts for view in views)))
    parts += [Text(note, style="yellow") if isinstance(note, str) else note for note in notes]
    return Group(*parts)


def status_text(view: CampaignView) -> Text:
    """The campaign's status in its colour, and what it means."""
    status, meaning = status_words(view)
    return Text(status, style=_STATUS_STYLES[view.status]).append(f" ({meaning})", style="not bold")


def equation(counts: Counts) -> Text:
    """The equation in one line, with its mark."""
    line = Text().append(_("equation  "), style="bold").append(equation_line(counts))
    return line.append(" ✓", style="bold green") if counts.adds_up else line.append(" ✗", style="bold red")


def legend(counts: Counts) -> Columns:
    """The figures behind the bar, in its colours."""
    words = [
        Text(no_wrap=True).append("■ ", style=share.style).append(f"{share.word} {size:,}", style="" if size else "dim")
        for share, size in shown(counts)
    ]
    return Columns(words, padding=(0, 3, 0, 0))


class Bar:
    """One line of the available width, divided between the states; a state with recipients gets at least one cell."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        coloured = console.color_system is not None and not console.no_color
        width = min(options.max_width, BAR_CELLS_MAX)
        for share, cells in zip(SHARES, cells_of(self._counts, width), strict=True):
            solid = coloured and not share.open
            if cells:
                yield Segment(("█" if solid else share.glyph) * cells, Style.parse(share.style))
        yield Segment.line()

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(len(SHARES), options.max_width)


def cells_of(counts: Counts, width: int) -> list[int]:
    """The cells of each of SHARES: together `width`, at least one for a state with recipients; none without any."""
    sizes = [share.size(counts) for share in SHARES]
    whole = sum(sizes)
    if whole <= 0 or width < len(SHARES):
        return [0] * len(SHARES)
    cells = [max(1, size * width // whole) if size else 0 for size in sizes]
    by_remainder = sorted(
        (index for index, size in enumerate(sizes) if size), key=lambda i: -(sizes[i] * width % whole)
    )
    for index in by_remainder[: max(0, width - sum(cells))]:
        cells[index] += 1
    while sum(cells) > width:
        cells[cells.index(max(cells))] -= 1
    return cells


def _title(view: CampaignView) -> Text:
    title = Text(no_wrap=True, overflow="ellipsis").append(view.id, style="bold").append("  ")
    title.append_text(status_text(view)).append(_("  {share} % final", share=percent_final(view.counts)))
    return title.append(_("  urgent"), style="cyan") if view.urgent else title
