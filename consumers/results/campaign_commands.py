"""`dispatcher campaign list | show`."""

from __future__ import annotations

import asyncio

import click

from dispatcher.config.places import load_places
from dispatcher.core.drafts import DRAFT_STATUSES, DraftStatus
from dispatcher.core.results.equation import STATUSES, Status
from dispatcher.i18n import _
from dispatcher.service.campaigns.drafts import DraftView, find_draft
from dispatcher.service.campaigns.hindrances import Hindrances
from dispatcher.service.campaigns.views import (
    CampaignList,
    CampaignWanted,
    ShownCampaign,
    list_campaigns,
    show_campaign,
    stale,
)
from dispatcher.service.session import open_session
from dispatcher.terminal.options import config_option, console, folding, json_option, print_json
from dispatcher.terminal.times import time_ms
from dispatcher.wording import counted


@click.command("list")
@click.option("--contains", metavar="TEXT", default="", help="Only those with this in their id, name or text.")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([*STATUSES, *(word for word in DRAFT_STATUSES if word not in STATUSES)]),
    multiple=True,
    help="Only those that are doing this; may be given several times.",
)
@click.option(
    "--since", metavar="TIME", help='Only those launched since "2026-11-21", "2026-11-21 10:00", "10:00" or "3 d".'
)
@click.option("--until", metavar="TIME", help="Only those launched before then; written like --since.")
@click.option("--tests", is_flag=True, help="Those of drafts, too (dispatcher campaign test).")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@config_option
@json_option
def list_command(
    contains: str,
    statuses: tuple[Status | DraftStatus, ...],
    since: str | None,
    until: str | None,
    tests: bool,
    limit: int,
    config: str | None,
    as_json: bool,
) -> None:
    """List drafts and the newest campaigns, and say how many more there are.

    \b
    Examples:
      dispatcher campaign list
      dispatcher campaign list --status running --status paused
      dispatcher campaign list --contains sale --since "7 d" --json
    """
    load_places(config)  # its [display] says in which zone times are typed
    wanted = CampaignWanted(
        contains=contains,
        statuses=frozenset(statuses),
        since_ms=None if since is None else time_ms(since, "--since"),
        until_ms=None if until is None else time_ms(until, "--until"),
        tests=tests,
        limit=limit,
    )
    found = asyncio.run(_list(config, wanted))
    if as_json:
        print_json(found)
        return
    from dispatcher.terminal.campaigns import campaign_table, held_notes, unknown_note  # JSON needs no drawing

    if found.drafts:
        from dispatcher.terminal.drafts import draft_table, not_run_note

        console().print(draft_table(found.drafts))
        if note := not_run_note(found.drafts):
            console().print(note, style="yellow")
        click.echo()
    if found.campaigns:
        console().print(campaign_table(found.campaigns))
        if note := unknown_note(found.campaigns):
            console().print(note, style="magenta")
        for note in held_notes(found.campaigns):
            console().print(note, style="yellow")
        _tell_hindrances(found.hindrances)
        if found.more:
            click.echo(
                _("and {count}: raise --limit, or narrow it down.", count=counted(found.more, "older campaign")),
                err=True,
            )
    elif found.drafts:
        click.echo(_("no campaign like that is launched."))
    elif found.campaigns_in_all:
        click.echo(_("none of {count} is like that.", count=counted(found.campaigns_in_all, "campaign")))
    else:
        click.echo(_("no campaigns yet. Launch one: dispatcher campaign launch --help"))
    _tell_stale(found.records_behind)


@click.command("show")
@click.argument("campaign", metavar="ID")
@config_option
@json_option
def show_command(campaign: str, config: str | None, as_json: bool) -> None:
    """Show a campaign: what was sent where, the equation of its recipients, what failed and why. Or show a draft.

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
    if isinstance(found, DraftView):
        from dispatcher.terminal.drafts import draft_page

        console().print(draft_page(found))
        return
    from dispatcher.terminal.campaigns import campaign_page

    console().print(campaign_page(found))
    _tell_hindrances(found.hindrances)
    _tell_stale(found.records_behind)


async def _list(config: str | None, wanted: CampaignWanted) -> CampaignList:
    async with open_session(config, progress=folding()) as session:
        return await list_campaigns(session, wanted)


async def _show(config: str | None, campaign: str) -> ShownCampaign | DraftView:
    async with open_session(config, progress=folding()) as session:
        if (draft := await find_draft(session, campaign)) is not None:
            return draft
        return await show_campaign(session, campaign)


def _tell_hindrances(found: Hindrances) -> None:
    for said in found.sentences():
        console().print(f"\n{said}", style="yellow")


def _tell_stale(records_behind: int) -> None:
    if note := stale(records_behind):
        console(err=True).print(note, style="yellow")
