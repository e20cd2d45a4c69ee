"""`dispatcher account codes`: every code of an account's vendor, its meaning and what to do."""

from __future__ import annotations

import click

from dispatcher.config.file import load
from dispatcher.i18n import _
from dispatcher.service.accounts import account_codes
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.words import word


@click.command("codes", context_settings={"ignore_unknown_options": True})  # codes such as -4
@click.argument("account")
@click.argument("code", required=False)
@config_option
@json_option
@click.pass_context
def codes_command(context: click.Context, account: str, code: str | None, config: str | None, as_json: bool) -> None:
    """Explain the codes of ACCOUNT's vendor, or CODE alone: class, meaning in English and Chinese, what to do.

    \b
    Examples:
      dispatcher account codes spring
      dispatcher account codes spring UNDELIV
      dispatcher account codes autumn -4
    """
    for option in (account, code or ""):
        if option.startswith("--"):
            raise click.NoSuchOption(option, ctx=context)
    loaded = load(config, secrets="none")
    found = account_codes(loaded, account, code)
    if as_json:
        print_json(found)
        return
    names = ("said of", "code", "class", "meaning", "in Chinese", "what to do")
    table = columns(*names, prose={"meaning", "what to do"})
    for row in found.codes:
        table.add_row(
            word(row.of), row.code, word(row.class_), row.english, row.chinese, _(row.advice) if row.advice else ""
        )
    console().print(table)
