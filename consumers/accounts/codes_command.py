"""`dispatcher account codes`: every code of an account's vendor, its meaning and what to do."""

from __future__ import annotations

from typing import Any

import click

from dispatcher.config.file import load
from dispatcher.errors import UserError
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.vendors.seam.vendor import Vendor
from schemas.states import REPORT_DELIVERED, REPORT_FAILED

_STATES = {REPORT_DELIVERED: "delivered", REPORT_FAILED: "failed"}


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
    vendor = loaded.accounts.get(account) or loaded.account(account)  # needs no secrets
    rows = [row for row in _answers(vendor) if code is None or row["code"] == code]
    rows += _reports(vendor, code)
    if not rows:
        raise UserError(
            f'the document of "{vendor.tag}" has no code "{code}". All that it has: dispatcher account codes {account}'
        )
    if as_json:
        print_json({"account": account, "vendor": vendor.tag, "codes": rows})
        return
    names = ("said of", "code", "class", "meaning", "in Chinese", "what to do")
    table = columns(*names, prose={"meaning", "what to do"})
    for row in rows:
        table.add_row(*(row[name] for name in ("of", "code", "class", "english", "chinese", "advice")))
    console().print(table)


def _answers(vendor: Vendor) -> list[dict[str, Any]]:
    return [
        {
            "of": "a request",
            "code": row.code,
            "class": row.kind.value,
            "english": row.english,
            "chinese": row.chinese,
            "advice": row.advice,
        }
        for row in vendor.codes.rows.values()
    ]


def _reports(vendor: Vendor, code: str | None) -> list[dict[str, Any]]:
    table = vendor.report_codes
    found = table.rows.values() if code is None else filter(None, [table.find(code)])
    return [
        {
            "of": "a message",
            "code": row.code,
            "class": _STATES.get(row.state, "waiting"),
            "english": row.english,
            "chinese": row.chinese,
            "advice": row.advice,
        }
        for row in found
    ]
