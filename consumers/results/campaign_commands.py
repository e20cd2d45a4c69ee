"""`dispatcher campaign list | show`."""

from __future__ import annotations

import asyncio

import click

from dispatcher.service.campaigns import CampaignList, ShownCampaign, list_campaigns, show_campaign, stale
from dispatcher.service.hindrances import Hindrances
from dispatcher.service.session import open_session
from dispatcher.terminal.options import config_option, console, folding, json_option, print_json


@click.command("list")
@config_option
@json_option
def list_command(config: str | None, as_json: bool) -> None:
    """List all campaigns, newest first.

    \b
    Examples:
      dispatcher campaign list
      dispatcher campaign list --json
    """
    found = asyncio.run(_list(config))
    if as_json:
        print_json(found)
        return
    from dispatcher.terminal.campaigns import campaign_table, unknown_note  # JSON needs no drawing

    if found.campaigns:
        console().print(campaign_table(found.campaigns))
        if note := unknown_note(found.campaigns):
            console().print(note, style="magenta")
        _tell_hindrances(found.hindrances)
    else:
        click.echo("no campaigns yet. Launch one: dispatcher campaign launch --help")
    _tell_stale(found.records_behind)


@click.command("show")
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def show_command(campaign: str, config: str | None, as_json: bool) -> None:
    """Show a campaign: what was sent where, the equation of its recipients, what failed and why.

    A campaign is finished when every recipient has a final state. It is not finished while some are unknown (the vendor
    may or may not have texted them).

    \b
    Examples:
      dispatcher campaign show may-sale
      dispatcher campaign show may-sale --json
    """
    found = asyncio.run(_show(config, campaign))
    if as_json:
        print_json(found)
        return
    from dispatcher.terminal.campaigns import campaign_page

    console().print(campaign_page(found))
    _tell_hindrances(found.hindrances)
    _tell_stale(found.records_behind)


async def _list(config: str | None) -> CampaignList:
    async with open_session(config, progress=folding()) as session:
        return await list_campaigns(session)


async def _show(config: str | None, campaign: str) -> ShownCampaign:
    async with open_session(config, progress=folding()) as session:
        return await show_campaign(session, campaign)


def _tell_hindrances(found: Hindrances) -> None:
    for said in found.sentences():
        console().print(f"\n{said}", style="yellow")


def _tell_stale(records_behind: int) -> None:
    if note := stale(records_behind):
        console(err=True).print(note, style="yellow")
