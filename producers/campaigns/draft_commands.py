"""`dispatcher campaign approve` and `schedule`."""

from __future__ import annotations

import asyncio

import click

from dispatcher.clock import now_ms
from dispatcher.config.places import load_places
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.service.campaigns.drafts import DraftView, approve_campaign, schedule_campaign, show_draft
from dispatcher.service.session import open_session
from dispatcher.terminal.draft_start import start_words
from dispatcher.terminal.options import config_option, json_option, print_json
from dispatcher.terminal.questions import confirm
from dispatcher.terminal.times import coming_ms
from dispatcher.wording import counted


@click.command()
@click.argument("campaign", metavar="ID")
@click.option("--yes", is_flag=True, help="Don't ask.")
@config_option
@json_option
def approve(campaign: str, yes: bool, config: str | None, as_json: bool) -> None:
    """Approve a draft that another person made, as it is now.

    [approval] above says from how many recipients on a campaign needs it. The approval is bound to the list, the text,
    the route and all other terms: any change voids it.

    \b
    Examples:
      dispatcher campaign show may-sale
      dispatcher campaign approve may-sale
    """
    view = asyncio.run(_show(config, campaign))
    text = view.text if len(view.text) <= 200 else f"{view.text[:200]}…"
    click.echo(
        _(
            "{campaign} by {drafted_by}, {count}: {text}",
            campaign=campaign,
            drafted_by=view.drafted_by,
            count=counted(view.recipients, "recipient"),
            text=text,
        ),
        err=as_json,
    )
    if not confirm(_("Approve {campaign}?", campaign=campaign), yes=yes):
        click.echo(_("nothing was approved."), err=True)
        return
    approved = asyncio.run(_approve(config, campaign))
    if as_json:
        print_json(approved)
    else:
        click.echo(
            _(
                "{campaign} is approved by {approved_by}. {next_step}",
                campaign=campaign,
                approved_by=approved.approved_by,
                next_step=next_step(approved),
            )
        )


@click.command()
@click.argument("campaign", metavar="ID")
@click.option(
    "--at", metavar="TIME", help='Start it then: "2026-12-01 09:00", "09:00" (the next one), "tomorrow 09:00".'
)
@click.option("--now", is_flag=True, help="Start it at once.")
@click.option("--off", is_flag=True, help="Do not start it by itself; it stays a draft.")
@config_option
@json_option
def schedule(campaign: str, at: str | None, now: bool, off: bool, config: str | None, as_json: bool) -> None:
    """Say when a draft starts by itself; also to move it, or to keep it from starting. Until it starts it may change.

    The role `campaigns` of `dispatcher run` starts it, within its sending hours. After a down time it starts late.

    \b
    Examples:
      dispatcher campaign schedule may-sale --at "2026-12-01 09:00"
      dispatcher campaign schedule may-sale --off
    """
    if sum((at is not None, now, off)) != 1:
        raise UserError("say when: --at TIME, --now or --off.")
    load_places(config)  # its [display] says in which zone times are typed
    start_ms = coming_ms(at, "--at") if at is not None else now_ms() if now else None
    schedule_and_print(campaign, start_ms, config, as_json=as_json)


def schedule_and_print(campaign: str, start_ms: int | None, config: str | None, *, as_json: bool) -> None:
    """Schedule a draft, and say what that means."""
    view = asyncio.run(_schedule(config, campaign, start_ms))
    if as_json:
        print_json(view)
    else:
        click.echo(f"{campaign}: {next_step(view)}")


def next_step(view: DraftView) -> str:
    """What happens next, in a sentence, and why if its sending hours move its start."""
    start = start_words(view)
    if view.status == "awaits approval":
        due = _(". When that is done: {start} by itself.", start=start) if start else ""
        return _(
            "another person than {drafted_by} must approve it: dispatcher campaign approve {campaign}{due}",
            drafted_by=view.drafted_by,
            campaign=view.campaign,
            due=due,
        )
    if view.starts_ms is None:
        return _(
            "it does not start by itself. To launch it: dispatcher campaign launch {campaign}", campaign=view.campaign
        )
    idle = _(" No process does that here: start `dispatcher run` (role campaigns).") if view.not_run else ""
    return _("{start} by itself.{idle}", start=start, idle=idle)


async def _show(config: str | None, campaign: str) -> DraftView:
    async with open_session(config) as session:
        return await show_draft(session, campaign)


async def _approve(config: str | None, campaign: str) -> DraftView:
    async with open_session(config) as session:
        return await approve_campaign(session, campaign)


async def _schedule(config: str | None, campaign: str, start_ms: int | None) -> DraftView:
    async with open_session(config) as session:
        return await schedule_campaign(session, campaign, start_ms)
