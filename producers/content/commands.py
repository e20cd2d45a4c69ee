"""`dispatcher content check`: a text judged by the content rules, without a list."""

from __future__ import annotations

import asyncio
from typing import get_args

import click

from dispatcher.service.content import CheckedText, check_content
from dispatcher.service.session import open_session
from dispatcher.terminal.options import config_option, json_option, print_json
from dispatcher.wording import listed
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
        for each in found.findings:
            click.echo(f"{each.severity.upper()} {each.rule} at {listed(each.accounts)}: {each.says}")
            click.echo(f"  {each.chinese}")
            click.echo(f"  to change: {each.change}")
            click.echo(f"  source: {each.source}, read {each.read}")
        if not found.findings:
            click.echo("no rule is broken.")
    if any(each.severity == "error" for each in found.findings):
        raise SystemExit(REFUSED)


async def _check(config: str | None, text: str, route: str, campaign_class: str) -> CheckedText:
    async with open_session(config) as session:
        return check_content(session, text, [name for name in route.split(",") if name], campaign_class)
