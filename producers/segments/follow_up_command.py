"""`dispatcher campaign follow-up`: text recipients of a campaign again, as a campaign of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.terminal.options import config_option, hours_options, json_option
from dispatcher.terminal.questions import confirm
from producers.launch.command import check_typed, plan_ask_launch

if TYPE_CHECKING:
    from dispatcher.service.session import Session
    from producers.launch.prepare import PreparedLaunch
    from producers.lists.reading import Progress


@click.command("follow-up")
@click.argument("campaign", metavar="CAMPAIGN")
@click.option(
    "--to",
    required=True,
    metavar="STATE[,STATE…]",
    help="Whom to text again: failed, no-report, unknown (asks), left (a cancelled campaign never sent to them).",
)
@click.option(
    "--class-of-code",
    "classes",
    metavar="CLASS[,CLASS…]",
    help="Of the failed ones only those with codes of these classes: temporary, number, blacklist, content, frequency, "
    "channel, auth, other.",
)
@click.option("--text", help="Another text; its placeholders are those of the campaign.")
@click.option("--route", metavar="ACCOUNT[,ACCOUNT…]", help="Other accounts.")
@click.option("--id", "name", metavar="ID", help="Its id; default CAMPAIGN.follow-1, -2, … With it, launched once.")
@click.option("--name", "called", default="", help="What people call it.")
@click.option("--weight", type=int, help="Its share of an account, relative to other campaigns; default 1.")
@click.option("--budget", default="", metavar="CNY", help="What it may cost at most; default: no limit.")
@click.option("--retry", default="", metavar='"temporary: 2 within 6 h"', help="As in `campaign launch`.")
@hours_options("pause")
@click.option("--urgent", is_flag=True, help="Before everything that is not urgent.")
@click.option("--suppress", multiple=True, type=click.Path(), metavar="FILE", help="As in `campaign launch`.")
@click.option("--exclude", multiple=True, type=click.Path(), metavar="FILE", help="As in `campaign launch`.")
@click.option(
    "--exclude-campaign",
    "exclude_campaigns",
    multiple=True,
    metavar="ID[:STATE,…]",
    help="As in `campaign launch`.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and launch nothing.")
@click.option("--yes", is_flag=True, help="Don't ask; refused where the balance is too low.")
@click.option(
    "--may-text-twice", is_flag=True, help="With --to unknown: agree that some of them may get the text twice."
)
@click.option(
    "--even-if-short", is_flag=True, help="Launch although a balance is too low or a login is refused: sending waits."
)
@config_option
@json_option
def follow_up_command(
    campaign: str,
    to: str,
    classes: str | None,
    text: str | None,
    route: str | None,
    name: str | None,
    called: str,
    weight: int | None,
    budget: str,
    retry: str,
    between: str,
    days: str,
    at_closing: str,
    urgent: bool,
    suppress: tuple[str, ...],
    exclude: tuple[str, ...],
    exclude_campaigns: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    may_text_twice: bool,
    even_if_short: bool,
    config: str | None,
    as_json: bool,
) -> None:
    """Text recipients of CAMPAIGN again, as a campaign of its own. Prints the plan and asks.

    They keep their own values; text and route are those of the campaign unless you give others; budget and hours are
    not. Nobody who got the text
    is texted again, and nobody whom an earlier follow-up has.

    \b
    Examples:
      dispatcher campaign follow-up may-sale --to failed --class-of-code temporary --dry-run
      dispatcher campaign follow-up may-sale --to no-report,left --route summer --id may-sale-again
    """
    from dispatcher.service.campaigns.follow_ups import FollowUpRequest

    check_typed(text, called)
    wanted = _words(to)
    if "unknown" in wanted and not may_text_twice and not dry_run:
        if yes:
            raise UserError(
                "unknown recipients of {campaign} may have been texted: --yes does not decide that. Add "
                "--may-text-twice if you mean it.",
                campaign=campaign,
            )
        may_text_twice = confirm(
            _(
                "Recipients of {campaign} who are unknown may have got the text. May they get it twice?",
                campaign=campaign,
            ),
            yes=False,
        )
        if not may_text_twice:
            click.echo(_("nothing was launched."), err=True)
            return
    request = FollowUpRequest(
        campaign=campaign,
        to=wanted,
        classes=_words(classes),
        text=text,
        route=_words(route),
        id=name,
        name=called,
        weight=weight,
        urgent=urgent,
        budget=budget,
        retry=retry,
        between=between,
        days=days,
        at_closing=at_closing,
        suppress=suppress,
        exclude=exclude,
        exclude_campaigns=exclude_campaigns,
        may_text_twice=may_text_twice or dry_run,
    )

    async def prepared(session: Session, progress: Progress) -> PreparedLaunch:
        from producers.segments.follow_up import prepare_follow_up

        return await prepare_follow_up(session, request, create=not dry_run, progress=progress)

    plan_ask_launch(
        config,
        prepared,
        repeats=True,
        dry_run=dry_run,
        yes=yes,
        even_if_short=even_if_short,
        as_json=as_json,
    )


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]
