"""Draws running campaigns: live bars on a terminal, elsewhere a line for each now and then."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click
from rich.live import Live
from rich.text import Text

from dispatcher.service.campaigns.progress import Pace, Speed, pace
from dispatcher.store.port import CampaignView
from dispatcher.terminal.live import picture
from dispatcher.terminal.options import console
from dispatcher.terminal.progress import plain_line
from dispatcher.vendors.seam.vendor import Vendor

LINE_EVERY_S: Final = 2.0


class Screen:
    """What people see. `quiet`: nothing."""

    def __init__(self, accounts: Mapping[str, Vendor], *, quiet: bool) -> None:
        self._accounts = accounts
        self._quiet = quiet
        self._live: Live | None = None
        self._speeds: dict[str, Speed] = {}
        self._lines: dict[str, str] = {}
        self._lined_s = 0.0

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Draw from here on, and clear up in the end."""
        screen = console()
        if self._quiet or not screen.is_terminal or screen.is_dumb_terminal:
            yield
            return
        with Live(console=screen, auto_refresh=False, transient=True) as self._live:
            yield
        self._live = None

    def draw(self, views: Sequence[CampaignView], notes: Sequence[str], now_s: float) -> None:
        """The campaigns, newest first, as they are at this moment; notes below them."""
        paces: dict[str, Pace] = {}
        for view in views:
            speed = self._speeds.setdefault(view.id, Speed())
            speed.saw(view.counts, now_s)
            paces[view.id] = pace(view, speed, self._accounts)
        if self._live is not None:
            self._live.update(picture(views[::-1], paces, [Text(note, style="dim") for note in notes]), refresh=True)
        elif not self._quiet and now_s - self._lined_s >= LINE_EVERY_S:
            self._lined_s = now_s
            for view in reversed(views):
                line = plain_line(view, paces[view.id])
                if self._lines.get(view.id) != line:
                    self._lines[view.id] = line
                    click.echo(line)

    def say(self, words: str) -> None:
        """One line that stays."""
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(words)
        else:
            click.echo(words)
