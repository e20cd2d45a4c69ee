"""`dispatcher campaign watch`: a campaign's live bar, until it is over or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Final

import click
from rich.live import Live

from dispatcher.config.file import Config, load
from dispatcher.core.results.equation import Counts
from dispatcher.service.results import Results, results, stale
from dispatcher.store.port import CampaignView
from dispatcher.terminal.live import picture
from dispatcher.terminal.options import config_option, console, json_option, print_json_line
from dispatcher.terminal.progress import Pace, Speed, as_json, over, pace, plain_line

LOOK_EVERY_S: Final = 0.3
LINE_EVERY_S: Final = 2.0
CHECK_EVERY_S: Final = 3.0


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def watch(campaign: str, config: str | None, as_json: bool) -> None:
    """Watch a campaign until it is over: where its recipients are, how fast it goes, when it will be done.

    Ctrl-C ends the watching, not the campaign. Without a terminal it prints a line whenever something changed; with
    --json one object per line.

    \b
    Examples:
      dispatcher campaign watch may-sale
      dispatcher campaign watch may-sale --json | jq .counts.delivered
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_Watch(load(config, secrets="none"), campaign, as_json=as_json).run())


class _Watch:
    """One watching; what changes between two looks is kept here."""

    def __init__(self, config: Config, campaign: str, *, as_json: bool) -> None:
        self._config = config
        self._campaign = campaign
        self._as_json = as_json
        self._speed = Speed()
        self._said: tuple[str, Counts, list[str]] | None = None
        self._said_s = float("-inf")
        self._checked_s = time.monotonic()
        self._notes: list[str] = []

    async def run(self) -> None:
        async with results(self._config) as found:
            await found.fresh()
            with self._live() as live:
                while True:
                    view = await found.campaign(self._campaign)
                    now_s = time.monotonic()
                    self._speed.saw(view.counts, now_s)
                    is_over = over([view])
                    self._show(view, pace(view, self._speed, self._config.accounts), live, now_s, last=is_over)
                    if is_over:
                        return
                    await asyncio.sleep(LOOK_EVERY_S)
                    await found.fold()
                    await self._check(found, view, now_s)

    async def _check(self, found: Results, view: CampaignView, now_s: float) -> None:
        """Say so when what was on the log some seconds ago is still not in the results, or an account has stopped."""
        if now_s - self._checked_s >= CHECK_EVERY_S:
            self._checked_s = now_s
            late = stale(await found.late())
            self._notes = [*filter(None, (late,)), *(await found.hindered([view])).sentences()]

    # --- showing -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _live(self) -> Iterator[Live | None]:
        screen = console()
        if self._as_json or not screen.is_terminal or screen.is_dumb_terminal:
            yield None
            return
        with Live(console=screen, auto_refresh=False) as live:
            yield live

    def _show(self, view: CampaignView, now: Pace, live: Live | None, now_s: float, *, last: bool) -> None:
        if live is not None:
            live.update(picture([view], {view.id: now}, self._notes), refresh=True)
            return
        said = (view.status, view.counts, self._notes)
        if said == self._said and not last:
            return
        if not last and now_s - self._said_s < (LOOK_EVERY_S if self._as_json else LINE_EVERY_S):
            return
        self._said, self._said_s = said, now_s
        if self._as_json:
            print_json_line(as_json(view, now))
        else:
            click.echo(" · ".join((plain_line(view, now), *self._notes)))
