"""`dispatcher campaign hours`: change when a launched campaign may be sent."""

from __future__ import annotations

import asyncio

import click

from dispatcher.core.schedule.hours import ALWAYS
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.service.campaigns.orders.hours import HoursResult, change_hours
from dispatcher.service.session import open_session
from dispatcher.terminal.options import config_option, hours_options, json_option, print_json
from dispatcher.terminal.progress import held_words
from dispatcher.wording import clock
from dispatcher.words import hold_words
from producers.campaigns.control_commands import nothing_left_words


@click.command("hours")
@click.argument("campaign", metavar="ID")
@hours_options(None)
@config_option
@json_option
def hours_command(
    campaign: str, between: str, days: str, at_closing: str | None, config: str | None, as_json: bool
) -> None:
    """Change when a launched campaign may be sent, within the hours of its class and of its numbers' carriers.

    --between and --days replace the hours of the launch; lanes obey within a second. What is held because its hours
    ended continues if they are longer now; else resume it.

    \b
    Examples:
      dispatcher campaign hours may-sale --between 09:00-21:00
      dispatcher campaign hours may-sale --days Mon-Fri --at-closing continue
    """
    if not between and not days and at_closing is None:
        raise UserError("give --between, --days or --at-closing: dispatcher campaign hours ID --between 09:00-20:00.")
    done = asyncio.run(_change(config, campaign, between, days, at_closing or ""))
    if as_json:
        print_json(done)
    elif done.nothing_left is not None:
        click.echo(nothing_left_words(campaign, "send", done.nothing_left))
    else:
        click.echo(hours_sentence(done))


async def _change(config: str | None, campaign: str, between: str, days: str, at_closing: str) -> HoursResult:
    async with open_session(config) as session:
        return await change_hours(session, campaign, between=between, days=days, at_closing=at_closing)


def hours_sentence(done: HoursResult) -> str:
    """The hours in force after the order, and what they mean."""
    what = _('campaign "{campaign}" may be sent {hours} (Asia/Shanghai)', campaign=done.campaign, hours=done.hours)
    if not done.changed:
        what = _("nothing changed: {what}", what=what)
    if done.narrowed:
        what += _("; its class and carriers allow no more")
    if done.held is not None:
        return _(
            "{what}. It is {held}: {why}",
            what=what,
            held=held_words(done.held),
            why=hold_words(done.held, done.campaign),
        )
    if done.hours == str(ALWAYS):
        return f"{what}."
    if done.ends_ms is None:
        return _("{what}; when these hours are over, the rest waits for the next ones.", what=what)
    return _(
        "{what}; what is left at {time} waits until you resume it.", what=what, time=clock(done.ends_ms, named=True)
    )
