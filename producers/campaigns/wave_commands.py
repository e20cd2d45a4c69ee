"""`dispatcher campaign release | halt | decide`: people's orders about the waves of a campaign."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import click

from dispatcher.i18n import _
from dispatcher.service.campaigns.orders.waves import WaveOrder, decide_text, halt_wave, release_wave
from dispatcher.service.session import Session, open_session
from dispatcher.terminal.options import config_option, json_option, print_json


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def release(campaign: str, config: str | None, as_json: bool) -> None:
    """Release a campaign's next wave now, or a halted campaign.

    The next wave is sent without waiting for the reports of the one before. The waves up to now are no reason to halt
    the campaign any more; the waves from then on are judged as usual.

    \b
    Example:
      dispatcher campaign release may-sale
    """
    done = _ordered(config, lambda session: release_wave(session, campaign))
    if as_json:
        print_json(done)
    else:
        click.echo(
            _('campaign "{campaign}": waves up to {released} are released.', campaign=campaign, released=done.released)
        )


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def halt(campaign: str, config: str | None, as_json: bool) -> None:
    """Halt a campaign in waves: nothing more is sent until it is released.

    \b
    Example:
      dispatcher campaign halt may-sale
    """
    done = _ordered(config, lambda session: halt_wave(session, campaign))
    if as_json:
        print_json(done)
    elif done.changed:
        click.echo(
            _(
                'campaign "{campaign}" is halted in wave {wave}. To go on: dispatcher campaign release {campaign}',
                campaign=campaign,
                wave=done.wave,
            )
        )
    else:
        click.echo(_('campaign "{campaign}" was halted already.', campaign=campaign))


@click.command()
@click.argument("campaign", metavar="ID")
@click.option("--text", required=True, metavar="A|B|…", help="The text that the last wave gets.")
@config_option
@json_option
def decide(campaign: str, text: str, config: str | None, as_json: bool) -> None:
    """Decide which of several texts the rest of a campaign gets. It is final.

    How they compare: dispatcher campaign show ID. The rest is sent when the waves before it are released.

    \b
    Example:
      dispatcher campaign decide may-sale --text B
    """
    done = _ordered(config, lambda session: decide_text(session, campaign, text))
    if as_json:
        print_json(done)
    elif not done.changed:
        click.echo(_('text {text} was decided for "{campaign}" already.', text=done.text, campaign=campaign))
    elif done.released == done.wave:
        click.echo(_('campaign "{campaign}": the rest is sent with text {text}.', campaign=campaign, text=done.text))
    else:
        click.echo(
            _(
                'campaign "{campaign}": the rest gets text {text} when the waves before it are released.',
                campaign=campaign,
                text=done.text,
            )
        )


def _ordered(config: str | None, order: Callable[[Session], Awaitable[WaveOrder]]) -> WaveOrder:
    async def ordered() -> WaveOrder:
        async with open_session(config) as session:
            return await order(session)

    return asyncio.run(ordered())
