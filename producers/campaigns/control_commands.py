"""`dispatcher campaign pause | resume | cancel`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import click

from dispatcher.campaigns_feed import read_campaigns
from dispatcher.config.file import Config, load
from dispatcher.core.campaigns import Campaign
from dispatcher.core.results.equation import Counts
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.service.campaigns import Control, control, launched
from dispatcher.service.results import settled
from dispatcher.terminal.options import config_option, confirm, json_option, print_json
from dispatcher.words import counted

T = TypeVar("T")

_DONE: Final = {
    "pause": 'campaign "{}" is paused: lanes stop sending it within a second. To go on: dispatcher campaign resume {}',
    "resume": 'campaign "{}" goes on where it stopped.',
    "cancel": 'campaign "{}" is cancelled: what was not sent stays unsent; reports of what was sent still come in.',
}
_ALREADY: Final = {
    "pause": 'campaign "{}" was paused already.',
    "resume": 'campaign "{}" was not paused.',
    "cancel": 'campaign "{}" was cancelled already.',
}


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def pause(campaign: str, config: str | None, as_json: bool) -> None:
    """Pause a campaign: nothing of it is sent until it is resumed.

    Requests under way are finished; their reports come in as usual.

    \b
    Example:
      dispatcher campaign pause may-sale
    """
    _act(campaign, config, "pause", as_json=as_json)


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def resume(campaign: str, config: str | None, as_json: bool) -> None:
    """Let a paused campaign go on where it stopped.

    \b
    Example:
      dispatcher campaign resume may-sale
    """
    _act(campaign, config, "resume", as_json=as_json)


@click.command()
@click.argument("campaign", metavar="ID")
@click.option("--yes", is_flag=True, help="Don't ask.")
@config_option
@json_option
def cancel(campaign: str, yes: bool, config: str | None, as_json: bool) -> None:
    """Cancel a campaign for good: what was not sent stays unsent.

    Asks first. A cancelled campaign cannot be resumed; to stop for a while, pause it.

    \b
    Examples:
      dispatcher campaign cancel may-sale
      dispatcher campaign cancel may-sale --yes --json
    """
    _act(campaign, config, "cancel", as_json=as_json, ask=not yes)


def _act(campaign: str, config: str | None, what: Control, *, as_json: bool, ask: bool = False) -> None:
    loaded = load(config, secrets="none")
    known = asyncio.run(_on_log(loaded, lambda log: _known(log, campaign)))
    assert known.launched is not None
    over = None
    if what != "resume" and not known.cancelled:
        over = settled(loaded, campaign, known.launched.at_ms)
    if over is None and what == "cancel" and not known.cancelled and not confirm(_question(known), yes=not ask):
        click.echo("nothing was cancelled.", err=True)
        return
    changed = over is None and asyncio.run(_on_log(loaded, lambda log: control(log, campaign, what)))
    if as_json:
        print_json({"campaign": campaign, "action": what, "changed": changed})
    elif over is not None:
        click.echo(_nothing_left(campaign, what, over))
    else:
        click.echo((_DONE if changed else _ALREADY)[what].format(campaign, campaign))


def _nothing_left(campaign: str, what: Control, counts: Counts) -> str:
    where = f"was sent whole, {counted(counts.accepted, 'report')} still to come" if counts.accepted else "is finished"
    return f'campaign "{campaign}" {where}: there is nothing left to {what}, and nothing was changed.'


async def _known(log: Log, campaign: str) -> Campaign:
    return launched(await read_campaigns(log), campaign)


async def _on_log(config: Config, work: Callable[[Log], Awaitable[T]]) -> T:
    log = await open_log(config.log.url, create=False)
    try:
        return await work(log)
    finally:
        await log.close()


def _question(known: Campaign) -> str:
    assert known.launched is not None
    recipients = f"{known.launched.recipients:,} recipients"
    return f'Cancel "{known.id}" ({recipients}) for good? What was not sent stays unsent.'
