"""`dispatcher verify start | check`: codes over a stream (docs/VERIFICATION.md).

They end with 0 for yes and for a code that was sent; with NO for a plain no; with 2 for a mistake in what was asked;
and with 1 if it could not be found out, as when the log is away.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final

import click

from dispatcher.i18n import _
from dispatcher.service.session import open_session
from dispatcher.service.verification import CodeChecked, CodeStarted, check_verification, start_verification
from dispatcher.terminal.options import config_option, json_option, print_json

NO: Final = 3
"""The exit code of a plain no, which is neither a mistake nor a failure."""

TYPED_LINE_MAX: Final = 200


@click.command()
@click.argument("number", metavar="NUMBER")
@click.option("--stream", required=True, metavar="S", help="The stream that carries it; of class code.")
@click.option(
    "--key",
    default="",
    metavar="KEY",
    help="The same key means the same code while it is valid; default: a new code.",
)
@config_option
@json_option
def start(number: str, stream: str, key: str, config: str | None, as_json: bool) -> None:
    """Make a code for a number and send it over a stream. The code itself is never shown.

    Ends with 0 if a code is on its way, with 3 if the number gets none now (too many in an hour, on the suppression
    list, the stream is paused).

    \b
    Examples:
      dispatcher stream open --id login --class code --route spring --text "【Shop】{code} is your code"
      dispatcher verify start 13800138000 --stream login
    """
    started = asyncio.run(_start(config, number, stream, key))
    if as_json:
        print_json(started)
    else:
        click.echo(started.says)
        if started.result == "suppressed":
            click.echo(_("See: dispatcher suppression list"), err=True)
    if started.result not in ("sent", "repeated"):
        raise click.exceptions.Exit(NO)


@click.command()
@click.argument("number", metavar="NUMBER")
@click.argument("code", metavar="CODE")
@click.option("--stream", default="", metavar="S", help="Only a code of this stream; default: that of the number.")
@config_option
@json_option
def check(number: str, code: str, stream: str, config: str | None, as_json: bool) -> None:
    """Check the code that somebody typed in: yes once, and only while it is valid. `-` reads it from standard input.

    Ends with 0 for yes, with 3 for no, with 1 if it could not be found out.

    \b
    Examples:
      dispatcher verify check 13800138000 482913 --stream login
      read -r code && printf %s "$code" | dispatcher verify check 13800138000 - --stream login
    """
    typed = sys.stdin.readline(TYPED_LINE_MAX) if code == "-" else code
    checked = asyncio.run(_check(config, number, typed, stream))
    if as_json:
        print_json(checked)
    else:
        click.echo(checked.says)
    if not checked.yes:
        raise click.exceptions.Exit(NO)


async def _start(config: str | None, number: str, stream: str, key: str) -> CodeStarted:
    async with open_session(config) as session:
        return await start_verification(session, number, stream, key=key)


async def _check(config: str | None, number: str, code: str, stream: str) -> CodeChecked:
    async with open_session(config) as session:
        return await check_verification(session, number, code, stream=stream)
