"""`dispatcher campaign draft`, `test`, and launching a draft; the options of a draft are those of a launch."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any

import click

from dispatcher.config.places import load_places
from dispatcher.errors import UserError
from dispatcher.i18n import ENGLISH, _, language_is
from dispatcher.terminal.options import config_option, json_option, print_json
from dispatcher.terminal.questions import confirm
from dispatcher.terminal.times import coming_ms
from dispatcher.wording import clock, counted
from dispatcher.words import reason
from producers.launch.command import (
    INTERRUPTED,
    launch_command,
    plan_ask_launch,
    print_plan,
    progress_bar,
    typed_request,
)

if TYPE_CHECKING:
    from dispatcher.service.campaigns.drafts import DraftView
    from dispatcher.service.campaigns.launching import LaunchRequest
    from dispatcher.service.session import Session
    from producers.drafts.api import DraftLaunch, DraftResult, DraftTest
    from producers.launch.prepare import PreparedLaunch
    from producers.lists.reading import Progress

_NOT_OF_A_DRAFT = ("yes",)


def _draft(
    files: tuple[str, ...],
    dry_run: bool,
    even_if_short: bool,
    at: str | None,
    config: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Keep a campaign on the log, to be tested, approved, scheduled or launched later. Nothing is sent.

    The options are those of `campaign launch`. Drafting the same --id again replaces the draft: an approval of another
    content is void, the time of a scheduled one stays.

    \b
    Examples:
      dispatcher campaign draft may.csv --text "【Shop】Sale from 8 to 10" --route spring --id may-sale
      dispatcher campaign test may-sale --to 13800138000,13900139000
      dispatcher campaign schedule may-sale --at "tomorrow 09:00"
    """
    request = typed_request(files, **terms)
    start_ms = 0 if at is None else _start_ms(config, at)
    _plan_and_draft(
        request, config, start_ms=start_ms, dry_run=dry_run, yes=True, even_if_short=even_if_short, as_json=as_json
    )


draft_command = click.Command(
    "draft",
    callback=_draft,
    help=_draft.__doc__,
    params=[option for option in launch_command.params if option.name not in _NOT_OF_A_DRAFT],
)


def plan_ask_schedule(
    request: LaunchRequest,
    at: str,
    config: str | None,
    *,
    dry_run: bool,
    yes: bool,
    even_if_short: bool,
    as_json: bool,
) -> None:
    """Plan a launch for this time, ask, and keep it as a scheduled draft."""
    _plan_and_draft(
        request,
        config,
        start_ms=_start_ms(config, at),
        dry_run=dry_run,
        yes=yes,
        even_if_short=even_if_short,
        as_json=as_json,
    )


def launch_by_id(
    campaign: str, at: str | None, config: str | None, *, dry_run: bool, yes: bool, even_if_short: bool, as_json: bool
) -> None:
    """Plan the launch of a draft, ask, and launch it; with a time, schedule it."""
    if at is not None:
        from producers.campaigns.draft_commands import schedule_and_print

        schedule_and_print(campaign, _start_ms(config, at), config, as_json=as_json)
        return
    before = asyncio.run(_launched_before(config, campaign))
    if before is not None:
        if as_json:
            print_json(before)
        else:
            click.echo(
                _(
                    "{campaign} was already launched to {count}; nothing was added.",
                    campaign=campaign,
                    count=counted(before.recipients, "recipient"),
                )
            )
        return

    async def prepared(session: Session, progress: Progress) -> PreparedLaunch:
        from producers.drafts.api import prepare_draft

        return await prepare_draft(session, campaign, to_launch=not dry_run, progress=progress)

    plan_ask_launch(
        config,
        prepared,
        repeats=False,
        hidden_rows="include",
        dry_run=dry_run,
        yes=yes,
        even_if_short=even_if_short,
        as_json=as_json,
    )


def _start_ms(config: str | None, at: str) -> int:
    load_places(config)  # its [display] says in which zone times are typed
    return coming_ms(at, "--at")


async def _launched_before(config: str | None, campaign: str) -> DraftLaunch | None:
    from dispatcher.service.session import open_session
    from producers.drafts.api import launched_before

    async with open_session(config) as session:
        return await launched_before(session, campaign)


def _plan_and_draft(
    request: LaunchRequest,
    config: str | None,
    *,
    start_ms: int,
    dry_run: bool,
    yes: bool,
    even_if_short: bool,
    as_json: bool,
) -> None:
    from producers.launch.planning.plan_text import plan_lines, refused_logins, shortage
    from producers.lists.columns import check_hidden_rows

    try:
        with progress_bar(shown=sys.stderr.isatty()) as progress:
            prepared = asyncio.run(_prepare(config, request, start_ms, progress))
        with contextlib.closing(prepared):
            plan = prepared.plan
            if dry_run:
                print_plan(prepared, as_json=as_json)
                return
            check_hidden_rows(plan.hidden_rows, request.hidden_rows, plan.source, "texted")
            for line in () if as_json and yes else plan_lines(plan):
                click.echo(line, err=as_json)
            if start_ms and (refused := refused_logins(plan)):
                click.echo(refused, err=True)
            if start_ms and (lacking := shortage(plan)) and not even_if_short:
                click.echo(
                    _(
                        "{lacking} If it still is then, the campaign does not start (--even-if-short: it does).",
                        lacking=lacking,
                    ),
                    err=True,
                )
            starts = clock(plan.starts_at_ms, named=True)
            question = _(
                "Schedule {campaign} to {recipients} for {starts}?",
                campaign=plan.campaign,
                recipients=counted(plan.recipients, "recipient"),
                starts=starts,
            )
            if not confirm(question, yes=yes):
                click.echo(_("nothing was scheduled."), err=True)
                return
            with progress_bar(shown=sys.stderr.isatty()) as progress:
                made, view = asyncio.run(_write(config, prepared, request, start_ms, even_if_short, progress))
    except KeyboardInterrupt:
        click.echo(
            _("interrupted: nothing was launched, and perhaps nothing drafted. See: dispatcher campaign list"), err=True
        )
        raise click.exceptions.Exit(INTERRUPTED) from None
    _print_draft(made, view, as_json=as_json)


async def _prepare(config: str | None, request: LaunchRequest, start_ms: int, progress: Progress) -> PreparedLaunch:
    from dispatcher.service.session import open_session
    from producers.launch.prepare import prepare

    async with open_session(config) as session:
        with language_is(ENGLISH):  # the plan is kept on the log
            return await prepare(session, request, create=False, progress=progress, start_ms=start_ms)


async def _write(
    config: str | None,
    prepared: PreparedLaunch,
    request: LaunchRequest,
    start_ms: int,
    even_if_short: bool,
    progress: Progress,
) -> tuple[DraftResult, DraftView]:
    from dispatcher.service.campaigns.drafts import show_draft
    from dispatcher.service.session import open_session
    from producers.drafts.api import draft_prepared

    async with open_session(config) as session:
        made = await draft_prepared(
            session, prepared, request, start_ms=start_ms, even_if_short=even_if_short, progress=progress
        )
        return made, await show_draft(session, made.campaign)


def _print_draft(made: DraftResult, view: DraftView, *, as_json: bool) -> None:
    from producers.campaigns.draft_commands import next_step

    if as_json:
        print_json(made)
        return
    again = _(" again; the draft before is replaced") if made.replaced else ""
    click.echo(
        _(
            "drafted {campaign} to {count}{again}.",
            campaign=made.campaign,
            count=counted(made.recipients, "recipient"),
            again=again,
        )
    )
    if made.approval_void:
        click.echo(_("its approval is void: {names} changed.", names=", ".join(made.approval_void)))
    if made.lacks_approval or made.start_ms is not None:
        click.echo(next_step(view))
    else:
        click.echo(
            _(
                "next: dispatcher campaign test {campaign} --to NUMBER, or dispatcher campaign launch {campaign}",
                campaign=made.campaign,
            )
        )


# --- test ------------------------------------------------------------------------------------------------------------


@click.command("test")
@click.argument("campaign", metavar="ID")
@click.option("--to", "numbers", required=True, metavar="NUMBER[,NUMBER…]", help="Who gets the message, up to 100.")
@click.option(
    "--row",
    type=click.IntRange(1),
    metavar="N",
    help="Use the values of the recipient on this line of the list; default: of the first recipients.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@config_option
@json_option
def test_command(campaign: str, numbers: str, row: int | None, yes: bool, config: str | None, as_json: bool) -> None:
    """Send a draft's very message to a few numbers of your own, at once: real messages, by the same route and sender.

    They are a campaign of their own (ID.test-1, ID.test-2 …), which counts for no figure of the draft and is listed by
    `campaign list --tests` only.

    \b
    Examples:
      dispatcher campaign test may-sale --to 13800138000,13900139000
      dispatcher campaign test may-sale --to 13800138000 --row 17 --yes
    """
    to = [number.strip() for number in numbers.replace("，", ",").split(",") if number.strip()]
    if not confirm(
        _("Send the message of {campaign} to {count} now?", campaign=campaign, count=counted(len(to), "number")),
        yes=yes,
    ):
        click.echo(_("nothing was sent."), err=True)
        return
    tests = asyncio.run(_test(config, campaign, to, row))
    if as_json:
        print_json({"tests": tests})
        return
    for sent in tests:
        aside = "".join(
            _(", {many:,} set aside ({why})", many=many, why=reason(why)) for why, many in sent.set_aside.items()
        )
        what = _(
            "the message of {campaign} to {count}{aside}",
            campaign=campaign,
            count=counted(sent.recipients, "number"),
            aside=aside,
        )
        click.echo(_("launched {campaign}: {what}.", campaign=sent.campaign, what=what))
    click.echo(_("next: dispatcher campaign watch {campaign}", campaign=tests[-1].campaign))


async def _test(config: str | None, campaign: str, to: list[str], row: int | None) -> list[DraftTest]:
    from dispatcher.service.session import open_session
    from producers.drafts.api import send_test

    if not to:
        raise UserError("{about} names no number.", about="--to")
    async with open_session(config) as session:
        return await send_test(session, campaign, to, row=row)
