"""`dispatcher content check`: a text judged by the content rules, without a list."""

from __future__ import annotations

import asyncio
from typing import get_args

import click

from dispatcher.i18n import ENGLISH, _, current_language
from dispatcher.service.content import CheckedText, check_content
from dispatcher.service.session import open_session
from dispatcher.terminal.options import config_option, json_option, print_json
from dispatcher.wording import listed
from dispatcher.words import SEVERITIES
from schemas.records import CampaignClass

REFUSED: int = 1
"""The exit code of a text that an account refuses."""


@click.command("check")
@click.argument("text")
@click.option("--route", metavar="ACCOUNT[,ACCOUNT…]", default="", help="The accounts; default: all.")
@click.option(
    "--class",
    "campaign_class",
    type=click.Choice(get_args(CampaignClass)),
    default="marketing",
    show_default=True,
    help="What kind of campaign it is for.",
)
@config_option
@json_option
def check(text: str, route: str, campaign_class: str, config: str | None, as_json: bool) -> None:
    """Judge a text by the content rules: what carriers and platforms may refuse, and what to change.

    Exit code 1 if an account refuses it by its own code table. `campaign launch` judges each text in the same way, and
    says how many recipients of each carrier a rule may cost.

    \b
    Examples:
      dispatcher content check "【Shop】Sale from 8 to 10, 拒收请回复R"
      dispatcher content check "【Shop】Your code is 123456" --class code --route spring --json
    """
    found = asyncio.run(_check(config, text, route, campaign_class))
    if as_json:
        print_json(found)
    else:
        in_english = current_language() == ENGLISH
        for each in found.findings:
            click.echo(
                _(
                    "{severity} {rule} at {names}: {says}",
                    severity=_(SEVERITIES[each.severity]),
                    rule=each.rule,
                    names=listed(each.accounts),
                    says=each.says if in_english or not each.chinese else each.chinese,
                )
            )
            if in_english:
                click.echo(f"  {each.chinese}")
            click.echo(
                _(
                    "  to change: {change}",
                    change=each.change if in_english or not each.change_chinese else each.change_chinese,
                )
            )
            click.echo(_("  source: {source}, read {read}", source=each.source, read=each.read))
        if not found.findings:
            click.echo(_("no rule is broken."))
    if any(each.severity == "error" for each in found.findings):
        raise SystemExit(REFUSED)


async def _check(config: str | None, text: str, route: str, campaign_class: str) -> CheckedText:
    async with open_session(config) as session:
        return check_content(session, text, [name for name in route.split(",") if name], campaign_class)
