"""`dispatcher campaign list | show`."""

from __future__ import annotations

import asyncio

import click
from rich.text import Text

from dispatcher.config.file import load
from dispatcher.service.results import Hindered, results, stale
from dispatcher.store.port import CampaignView
from dispatcher.terminal.campaigns import campaign_object, campaign_page, campaign_table, unknown_note
from dispatcher.terminal.options import config_option, console, json_option, print_json


@click.command("list")
@config_option
@json_option
def list_campaigns(config: str | None, as_json: bool) -> None:
    """List all campaigns, newest first.

    \b
    Examples:
      dispatcher campaign list
      dispatcher campaign list --json
    """
    views, missing, hindered = asyncio.run(_list(config))
    if as_json:
        print_json(
            {
                "records_behind": missing,
                "campaigns": [campaign_object(view) for view in views],
            }
            | hindered.as_object()
        )
        return
    if views:
        console().print(campaign_table(views))
        if note := unknown_note(views):
            console().print(Text(note, style="magenta"))
        _tell_hindered(hindered)
    else:
        click.echo("no campaigns yet. Launch one: dispatcher campaign launch --help")
    _tell_stale(missing)


@click.command()
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def show(campaign: str, config: str | None, as_json: bool) -> None:
    """Show a campaign: what was sent where, the balance of its recipients, what failed and why.

    A campaign is finished when every recipient has a final word. While some are unknown (the vendor may or may not have
    texted them) it is not.

    \b
    Examples:
      dispatcher campaign show may-sale
      dispatcher campaign show may-sale --json
    """
    view, missing, hindered = asyncio.run(_show(config, campaign))
    if as_json:
        print_json(campaign_object(view) | {"records_behind": missing} | hindered.as_object())
        return
    console().print(campaign_page(view))
    _tell_hindered(hindered)
    _tell_stale(missing)


async def _list(config: str | None) -> tuple[list[CampaignView], int, Hindered]:
    async with results(load(config, secrets="none")) as found:
        missing = await found.fresh()
        views = await found.campaigns()
        return views, missing, await found.hindered(views)


async def _show(config: str | None, campaign: str) -> tuple[CampaignView, int, Hindered]:
    async with results(load(config, secrets="none")) as found:
        missing = await found.fresh()
        view = await found.campaign(campaign)
        return view, missing, await found.hindered([view])


def _tell_hindered(hindered: Hindered) -> None:
    for said in hindered.sentences():
        console().print(Text(f"\n{said}", style="yellow"))


def _tell_stale(missing: int) -> None:
    if note := stale(missing):
        console(err=True).print(Text(note, style="yellow"))
