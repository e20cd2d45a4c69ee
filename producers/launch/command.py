"""`dispatcher campaign launch`: plan, ask, launch.

The work is in producers/launch/prepare.py and producers/launch/commit.py, which are imported only when the command
runs, so that other commands start without numpy and polars.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from dispatcher.errors import UserError
from dispatcher.i18n import _, plural
from dispatcher.terminal.options import config_option, hours_options, json_option, print_json
from dispatcher.terminal.questions import confirm

if TYPE_CHECKING:
    from dispatcher.service.campaigns.launching import LaunchRequest
    from dispatcher.service.session import Session
    from producers.launch.commit import LaunchResult
    from producers.launch.prepare import PreparedLaunch
    from producers.lists.columns import HiddenRows
    from producers.lists.reading import Progress as Report

INTERRUPTED = 130


@click.command("launch")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(allow_dash=True))
@click.option(
    "--text",
    "texts",
    multiple=True,
    help="What every recipient gets. {NAME} stands for what their row has in column NAME; {{ and }} are braces. "
    "Several texts are compared on the first waves (--waves), and the rest gets the one that you decide.",
)
@click.option(
    "--route",
    metavar="ACCOUNT[,ACCOUNT…]",
    help="The accounts that share it by their flow, or a route of the configuration.",
)
@click.option("--id", "campaign", metavar="ID", help="The campaign's id; launching it again with the same id is safe.")
@click.option("--name", default="", help="What people call it.")
@click.option("--weight", type=int, help="Its share of an account, relative to other campaigns; default 1.")
@click.option(
    "--budget",
    default="",
    metavar="CNY",
    help="What it may cost at most; sending stops before the part that costs more.",
)
@click.option("--urgent", is_flag=True, help="Before everything that is not urgent.")
@click.option(
    "--unknown",
    type=click.Choice(["hold", "resend"]),
    default="hold",
    show_default=True,
    help="What to do where the vendor may or may not have taken messages: hold never texts anybody twice.",
)
@click.option("--column", metavar="C", help="The phone column: its header, or its number from 1.")
@click.option("--sheet", metavar="S", help="The sheet of a workbook: its name, or its number from 1.")
@click.option(
    "--header-row",
    type=click.IntRange(0),
    metavar="N",
    help="The line of the header, as an editor counts; 0: there is none.",
)
@click.option(
    "--hidden-rows",
    type=click.Choice(["skip", "include"]),
    help="What to do with rows that the workbook hides, by a filter or by hand; without it you are asked.",
)
@click.option("--encoding", metavar="NAME", help="The encoding of a text file, as big5; default: it is found.")
@click.option(
    "--suppress",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="Numbers that must not be texted, besides those of `dispatcher suppression list`. May be repeated.",
)
@click.option("--suppress-column", metavar="C", help="The phone column of the --suppress files.")
@click.option("--suppress-sheet", metavar="S", help="The sheet of the --suppress files.")
@click.option(
    "--exclude",
    multiple=True,
    type=click.Path(),
    metavar="FILE",
    help="A list of people who are not meant this time. May be repeated.",
)
@click.option("--exclude-column", metavar="C", help="The phone column of the --exclude files.")
@click.option("--exclude-sheet", metavar="S", help="The sheet of the --exclude files.")
@click.option(
    "--exclude-campaign",
    "exclude_campaigns",
    multiple=True,
    metavar="ID[:STATE,…]",
    help="Leave out the recipients of that campaign, or those in these states, as may:delivered. May be repeated.",
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="[ACCOUNT.]K=V",
    help="A vendor option of all accounts, as product=7, or of one, as spring.product=7. May be repeated.",
)
@click.option(
    "--extno",
    "--sub",
    "extno",
    default="",
    metavar="DIGITS",
    help="What extends the sender's number, on every account under its vendor's own name for it.",
)
@click.option(
    "--kind",
    type=click.Choice(["sms", "wap", "mms"]),
    default="sms",
    show_default=True,
    help="A text; a WAP push, with --text TITLE#URL; a multimedia message, with --text TITLE and --frames. "
    "Only texts are personalised.",
)
@click.option(
    "--frames",
    type=click.Path(file_okay=False),
    metavar="FOLDER",
    help="The files of a multimedia message, named by frame: 1.jpg, 1.txt, 2@12s.jpg (shown 12 s), 2.mid, …",
)
@click.option(
    "--waves",
    default="",
    metavar='"1 %, 10 %, rest"',
    help="Send to a few first: every wave is judged by its failures, unknown results and opt-outs before the next.",
)
@click.option(
    "--wave-wait", default="", metavar="TIME", help="How long a wave waits for 90 % of its reports; default 2 h."
)
@click.option(
    "--retry",
    default="",
    metavar='"temporary: 2 within 6 h"',
    help="Text those who fail with a code of this class again by itself, so many times at most, within that time.",
)
@click.option(
    "--defer",
    is_flag=True,
    help="Who is over the frequency cap gets it on the first day that is free, as a draft that starts by itself.",
)
@click.option(
    "--class",
    "campaign_class",
    type=click.Choice(["marketing", "notice", "code"]),
    default="marketing",
    show_default=True,
    help="What it is for; each class has its own sending hours ([hours]).",
)
@hours_options("pause")
@click.option("--dry-run", is_flag=True, help="Print the plan and launch nothing.")
@click.option("--yes", is_flag=True, help="Don't ask; refused where a balance is too low, or a login is refused.")
@click.option(
    "--even-if-short", is_flag=True, help="Launch although a balance is too low or a login is refused: sending waits."
)
@click.option(
    "--at",
    metavar="TIME",
    help='Launch it then: "2026-12-01 09:00", "09:00" (the next one), "tomorrow 09:00". Until then it is a draft.',
)
@config_option
@json_option
def launch_command(
    files: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    even_if_short: bool,
    at: str | None,
    config: str | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Launch a campaign to the numbers in FILE: CSV, TSV, TXT, XLSX, Parquet, or - for standard input.

    Or launch a draft: give its ID alone. Several files are one list: who is in more than one of them gets one text.

    Prints the plan and asks. With --id, the same command may be repeated after a crash: the campaign is launched once.

    \b
    Examples:
      dispatcher campaign launch may.csv --text "【Shop】Sale from 8 to 10" --route spring --dry-run
      dispatcher campaign launch may.xlsx --column 手机号 --suppress optout.txt --id may-sale \\
          --text "【Shop】Sale from 8 to 10" --route spring,summer
      dispatcher campaign launch orders.csv --route spring \\
          --text "【Shop】Dear {name}, order {order} is on its way"
      dispatcher campaign launch north.csv south.xlsx --exclude staff.txt --exclude-campaign may:delivered \\
          --text "【Shop】Last day of the sale" --route spring
      dispatcher campaign launch may.csv --text "【Shop】Sale from 8 to 10" --route spring --waves "1 %, 10 %, rest"
      dispatcher campaign launch may.csv --text "【Shop】Sale from 8 to 10" --route spring --at "tomorrow 09:00"
      dispatcher campaign launch may-sale
      cat numbers.txt | dispatcher campaign launch - --text "【Shop】Your parcel is here" --route spring --urgent --yes
    """
    if len(files) == 1 and not terms["texts"] and terms["route"] is None:
        from producers.drafts.command import launch_by_id

        _check_no_terms(files[0], terms)
        launch_by_id(files[0], at, config, dry_run=dry_run, yes=yes, even_if_short=even_if_short, as_json=as_json)
        return
    _check_no_draft(files, terms)
    request = typed_request(files, **terms)
    if at is not None:
        from producers.drafts.command import plan_ask_schedule

        plan_ask_schedule(request, at, config, dry_run=dry_run, yes=yes, even_if_short=even_if_short, as_json=as_json)
        return

    async def prepared(session: Session, progress: Report) -> PreparedLaunch:
        from producers.launch.prepare import prepare

        return await prepare(session, request, create=not dry_run, progress=progress)

    plan_ask_launch(
        config,
        prepared,
        repeats=request.id is not None,
        hidden_rows=request.hidden_rows,
        dry_run=dry_run,
        yes=yes,
        even_if_short=even_if_short,
        as_json=as_json,
    )


def _check_no_terms(campaign: str, terms: Mapping[str, Any]) -> None:
    """Raises UserError if terms of a launch are given for a draft, which has its own."""
    if option := _typed_option(terms):
        raise UserError(
            "{option} goes with a list and its --text and --route. To launch the draft {campaign} leave it out; to "
            "change that, draft it again.",
            option=option,
            campaign=campaign,
        )


def _check_no_draft(files: tuple[str, ...], terms: Mapping[str, Any]) -> None:
    """Raises UserError if this is no file, and the terms are not those of a launch: a draft's id may be meant."""
    if len(files) == 1 and files[0] != "-" and not (terms["texts"] and terms["route"]) and not os.path.exists(files[0]):
        raise UserError(
            'there is no file "{file}". To launch the draft {file} leave {option} out; to change that, draft it again.',
            file=files[0],
            option=_typed_option(terms),
        )


def _typed_option(terms: Mapping[str, Any]) -> str:
    """The first of these options that was typed, "" if none was."""
    context = click.get_current_context()
    typed = [name for name in terms if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    return next((each.opts[0] for each in context.command.params if each.name in typed), "")


def typed_request(
    files: tuple[str, ...],
    *,
    texts: tuple[str, ...],
    route: str | None,
    campaign: str | None,
    options: tuple[str, ...],
    **terms: Any,
) -> LaunchRequest:
    """The request of a command with the options of a launch; most are the fields of `LaunchRequest`, by name."""
    from dispatcher.service.campaigns.launching import LaunchRequest
    from producers.lists.reader.process import start_early

    if not texts or route is None:
        raise click.UsageError(f"Missing option '{'--route' if texts else '--text'}'.")
    check_typed(*texts, terms["name"])
    start_early()
    return LaunchRequest(
        numbers=files[0],
        more_lists=files[1:],
        text=texts[0],
        more_texts=texts[1:],
        route=[account.strip() for account in route.split(",") if account.strip()],
        id=campaign,
        options=dict(_option(option) for option in options),
        **terms,
    )


def plan_ask_launch(
    config: str | None,
    prepare: Callable[[Session, Report], Awaitable[PreparedLaunch]],
    *,
    repeats: bool,
    dry_run: bool,
    yes: bool,
    even_if_short: bool,
    as_json: bool,
    hidden_rows: HiddenRows | None = None,
) -> None:
    """Prepare a launch, show its plan, ask, and launch. `repeats`: it may have been launched before."""
    committing = False
    try:
        with progress_bar(shown=sys.stderr.isatty()) as progress:
            prepared = asyncio.run(_prepare(config, prepare, progress))
        with contextlib.closing(prepared):
            if dry_run:
                print_plan(prepared, as_json=as_json)
                return
            result = asyncio.run(_earlier(config, prepared)) if repeats else None
            if result is None:
                # Asked outside the event loop, which would keep Ctrl-C from ending the question.
                if not _agreed(prepared, hidden_rows, yes=yes, even_if_short=even_if_short, as_json=as_json):
                    return
                committing = True
                with progress_bar(shown=sys.stderr.isatty()) as progress:
                    result = asyncio.run(_commit(config, prepared, progress))
    except KeyboardInterrupt:
        click.echo(interrupted(prepared.plan.campaign if committing else ""), err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None
    _print_result(result, as_json=as_json)


def check_typed(*texts: str | None) -> None:
    """Raises UserError for an argument that is not in the terminal's encoding."""
    if any("\udc80" <= character <= "\udcff" for text in texts for character in text or ""):
        raise UserError(
            "the text cannot be read: the terminal's encoding is not the one that is set "
            "({encoding}). Set it first, for example: export LC_ALL=C.UTF-8",
            encoding=sys.getfilesystemencoding(),
        )


def interrupted(committing: str) -> str:
    if not committing:
        return _("interrupted: nothing was launched.")
    return _(
        "interrupted: {committing} is launched wholly or not at all. To make sure, run the same command with "
        "--id {committing}; it launches once.",
        committing=committing,
    )


async def _prepare(
    config: str | None, prepare: Callable[[Session, Report], Awaitable[PreparedLaunch]], progress: Report
) -> PreparedLaunch:
    from dispatcher.service.session import open_session

    async with open_session(config) as session:
        return await prepare(session, progress)


async def _earlier(config: str | None, prepared: PreparedLaunch) -> LaunchResult | None:
    from dispatcher.service.session import open_session
    from producers.launch.commit import already_launched

    async with open_session(config) as session:
        return await already_launched(prepared, await session.log(create=True))


async def _commit(config: str | None, prepared: PreparedLaunch, progress: Report) -> LaunchResult:
    from dispatcher.service.session import open_session
    from producers.launch.commit import commit

    async with open_session(config) as session:
        return await commit(prepared, await session.log(create=True), progress)


def _agreed(
    prepared: PreparedLaunch, hidden_rows: HiddenRows | None, *, yes: bool, even_if_short: bool, as_json: bool
) -> bool:
    """Show the plan and ask. With --json the plan is part of the result, so it is shown only before a question."""
    from producers.launch.commit import check_approval
    from producers.launch.planning.plan_text import plan_lines, refused_logins, shortage
    from producers.lists.columns import check_hidden_rows

    plan = prepared.plan
    check_approval(prepared)
    if yes:
        check_hidden_rows(plan.hidden_rows, hidden_rows, plan.source, "texted")
    for line in () if as_json and yes else plan_lines(plan):
        click.echo(line, err=as_json)
    for hindrance, mend in ((refused_logins(plan), _("mend that")), (shortage(plan), _("top up"))):
        if hindrance and yes and not even_if_short:
            raise UserError(
                "{hindrance} Nothing was launched: {mend}, or add --even-if-short.", hindrance=hindrance, mend=mend
            )
        if hindrance:
            click.echo(hindrance, err=True)
    hidden = plan.hidden_rows if hidden_rows is None else 0
    if hidden and not confirm(
        _("Are the {hidden:,} rows that the sheet hides to be texted, too?", hidden=hidden), yes=yes
    ):
        click.echo(_("nothing was launched. Leave them out with --hidden-rows skip."), err=True)
        return False
    if confirm(
        plural(
            "Launch {campaign} to {n:,} recipient?",
            "Launch {campaign} to {n:,} recipients?",
            plan.recipients,
            campaign=plan.campaign,
        ),
        yes=yes,
    ):
        return True
    click.echo(_("nothing was launched."), err=True)
    return False


def _option(option: str) -> tuple[str, str]:
    key, equals, value = option.partition("=")
    if not equals or not key:
        raise UserError('{about} "{option}" must be NAME=VALUE.', option=option, about="--option")
    return key, value


def print_plan(prepared: PreparedLaunch, *, as_json: bool) -> None:
    from producers.launch.planning.plan_text import plan_lines

    if as_json:
        print_json(prepared.plan)
        return
    for line in plan_lines(prepared.plan):
        click.echo(line)


def _print_result(result: LaunchResult, *, as_json: bool) -> None:
    from dispatcher.wording import counted

    if as_json:
        print_json(result)
    elif result.already_launched:
        click.echo(
            _(
                "{campaign} was already launched with this list, text and route; nothing was added.",
                campaign=result.campaign,
            )
        )
    else:
        recipients, batches = counted(result.recipients, "recipient"), counted(result.batches, "batch", "batches")
        click.echo(
            _(
                "launched {campaign}: {recipients} in {batches}.",
                campaign=result.campaign,
                recipients=recipients,
                batches=batches,
            )
        )
        click.echo(_("next: dispatcher campaign watch {campaign}", campaign=result.campaign))


@contextlib.contextmanager
def progress_bar(*, shown: bool) -> Iterator[Report]:
    """A bar on standard error, if that is a terminal."""
    from producers.lists.reading import READING, silent

    if not shown:
        yield silent
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TaskID,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    bars: dict[str, tuple[Progress, TaskID]] = {}
    with contextlib.ExitStack() as stack:

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in bars:
                counted = DownloadColumn() if stage == READING and total else MofNCompleteColumn()
                columns = (TextColumn(f"{stage:<10}"), BarColumn(), counted, TimeRemainingColumn())
                bar = stack.enter_context(Progress(*columns, console=console, transient=True))
                bars[stage] = bar, bar.add_task(stage, total=total)
            shown, task = bars[stage]
            shown.update(task, completed=done, total=total)

        yield report
