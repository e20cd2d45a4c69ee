"""`dispatcher campaign watch`: a campaign's live bar, until it is over or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import Final

import click
from rich.live import Live

from dispatcher.core.results.equation import Counts
from dispatcher.i18n import _
from dispatcher.service.campaigns.drafts import find_draft
from dispatcher.service.campaigns.progress import progress_of
from dispatcher.service.campaigns.views import LOOK_EVERY_S, CampaignLook, stale, watch_campaign
from dispatcher.service.session import open_session
from dispatcher.terminal.live import picture
from dispatcher.terminal.options import config_option, console, folding, json_option, print_json_line
from dispatcher.terminal.progress import plain_line
from dispatcher.wording import clock

LINE_EVERY_S: Final = 2.0


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def watch(campaign: str, config: str | None, as_json: bool) -> None:
    """Watch a campaign until it is over: where its recipients are, how fast it goes, when it will be done.

    A scheduled draft is watched from its start on. Ctrl-C ends the watching, not the campaign. Without a terminal it
    prints a line for each change; with --json one object per line.

    \b
    Examples:
      dispatcher campaign watch may-sale
      dispatcher campaign watch may-sale --json | jq .counts.delivered
    """
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(config, campaign, as_json=as_json))


async def _watch(config: str | None, campaign: str, *, as_json: bool) -> None:
    async with open_session(config, progress=folding()) as session:
        draft = await find_draft(session, campaign)
        if draft is not None and draft.starts_ms is not None:
            click.echo(
                _(
                    "{campaign} starts at {time}; it is watched from then on.",
                    campaign=campaign,
                    time=clock(draft.starts_ms, named=True),
                ),
                err=True,
            )
        looks = watch_campaign(session, campaign)
        async with contextlib.aclosing(looks):
            with _live(as_json=as_json) as live:
                lines = _Lines(as_json=as_json)
                async for look in looks:
                    if live is not None:
                        live.update(picture([look.view], {look.view.id: look.pace}, _notes(look)), refresh=True)
                    else:
                        lines.show(look, time.monotonic())


@contextlib.contextmanager
def _live(*, as_json: bool) -> Iterator[Live | None]:
    screen = console()
    if as_json or not screen.is_terminal or screen.is_dumb_terminal:
        yield None
        return
    with Live(console=screen, auto_refresh=False) as live:
        yield live


class _Lines:
    """Without a terminal: a line for every change, at a limited rate, and one at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._every_s = LINE_EVERY_S if not as_json else LOOK_EVERY_S
        self._said: tuple[str, Counts, list[str]] | None = None
        self._said_s = float("-inf")

    def show(self, look: CampaignLook, now_s: float) -> None:
        said = (look.view.status, look.view.counts, _notes(look))
        if not look.is_over and (said == self._said or now_s - self._said_s < self._every_s):
            return
        self._said, self._said_s = said, now_s
        if self._as_json:
            print_json_line(progress_of(look.view, look.pace))
        else:
            click.echo(" · ".join((plain_line(look.view, look.pace), *_notes(look))))


def _notes(look: CampaignLook) -> list[str]:
    """Results that are behind the log, and what keeps accounts from sending."""
    return [*filter(None, (stale(look.records_behind),)), *look.hindrances.sentences()]
