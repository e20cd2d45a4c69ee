"""`dispatcher campaign pause-all`: every campaign and stream, at once."""

from __future__ import annotations

import asyncio

import click

from dispatcher.i18n import _
from dispatcher.service.campaigns.orders.pausing import EverythingPaused, pause_everything
from dispatcher.service.session import open_session
from dispatcher.terminal.options import config_option, json_option, print_json
from dispatcher.terminal.questions import confirm
from dispatcher.wording import counted


@click.command("pause-all")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def pause_all(yes: bool, config: str | None, as_json: bool) -> None:
    """Pause every campaign and stream, and take drafts off their schedule. Asks before.

    Lanes obey within a second; requests under way are finished. Each campaign is resumed by itself, and each draft is
    scheduled again by itself.

    \b
    Example:
      dispatcher campaign pause-all
    """
    if not confirm(_("Pause every campaign and stream?"), yes=yes):
        click.echo(_("nothing was changed."), err=True)
        return
    done = asyncio.run(_pause(config))
    if as_json:
        print_json(done)
        return
    click.echo(_("{count} paused{names}.", count=counted(len(done.paused), "campaign"), names=_names(done.paused)))
    if done.unscheduled:
        click.echo(
            _(
                "{count} taken off the schedule{names}.",
                count=counted(len(done.unscheduled), "draft"),
                names=_names(done.unscheduled),
            )
        )


async def _pause(config: str | None) -> EverythingPaused:
    async with open_session(config) as session:
        return await pause_everything(session)


def _names(campaigns: list[str]) -> str:
    return f": {', '.join(campaigns)}" if campaigns else ""
