"""`dispatcher inbound list | export | follow | dead`: messages from phones, and unreadable pushes.

Numbers are shown in full, so that people can answer. The results are brought up to date first, unless a running
dispatcher does that.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from consumers.inbound.screen import footer, letter_table, message_line, message_table
from dispatcher.config.file import Config
from dispatcher.config.places import load_places
from dispatcher.core.wire_number import to_wire
from dispatcher.i18n import _
from dispatcher.service.inbound import (
    TOPICS,
    DeadLetters,
    Messages,
    all_messages,
    dead_letters,
    follow_messages,
    newest_messages,
)
from dispatcher.service.lookup import number_of
from dispatcher.service.session import open_session
from dispatcher.store.views import InboundFilter
from dispatcher.terminal.options import config_option, console, folding, json_option, print_json, print_json_line
from dispatcher.terminal.output_file import (
    TABLE_KINDS,
    WrittenFile,
    check_destination,
    output_kind,
    output_options,
    say_written,
    written,
)
from dispatcher.terminal.times import time_ms

F = TypeVar("F", bound=Callable[..., Any])


class MessagesWritten(WrittenFile, frozen=True, kw_only=True):
    """An export of messages; the results were so many records behind the log."""

    records_behind: int


def _chosen(function: F) -> F:
    """The options that choose messages."""
    for option in (
        click.option("--contains", metavar="TEXT", help="Only messages that hold this text."),
        click.option("--until", metavar="TIME", help="Only messages sent before then; written like --since."),
        click.option(
            "--since",
            metavar="TIME",
            help='Only messages sent since "2026-11-21", "2026-11-21 10:00", "10:00", or "3 h".',
        ),
        click.option("--number", metavar="NUMBER", help="Only messages from this phone."),
        click.option("--account", metavar="ACCOUNT", help="Only messages that came through this account."),
    ):
        function = option(function)
    return function


@click.command("list")
@_chosen
@click.option("--review", "for_review", is_flag=True, help="Only messages that may ask for no more texts.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@config_option
@json_option
def list_messages(for_review: bool, limit: int, config: str | None, as_json: bool, **chosen: str | None) -> None:
    """List the newest messages from phones.

    A long message comes in parts. It is listed when all parts are there, or flagged "incomplete" after the wait for
    missing ones ([store] parts_within_s). A message that a vendor repeats is listed once. A message that is no opt-out
    ([inbound] opt_out_words) and may still ask for no more texts is flagged "review": read it, and put its sender on
    the suppression list if it does (dispatcher suppression add NUMBER).

    \b
    Examples:
      dispatcher inbound list
      dispatcher inbound list --since "2026-11-21 10:00" --contains 退订
      dispatcher inbound list --review
      dispatcher inbound list --number 13800138000 --json
    """
    found, known = asyncio.run(_list(config, _wanted(config, **chosen), limit, for_review=for_review))
    if as_json:
        print_json(found)
        return
    if found.messages:
        console().print(message_table(found.messages))
    for line in footer(found):
        click.echo(line, err=True)
    wanted = chosen["account"]
    if not found.messages and wanted is not None and wanted not in known.accounts:
        names = ", ".join(sorted(known.accounts)) or _("none")
        click.echo(
            _(
                'account "{wanted}" is not in {path} (accounts there: {names}).',
                wanted=wanted,
                path=known.path,
                names=names,
            ),
            err=True,
        )


async def _list(config: str | None, wanted: InboundFilter, limit: int, *, for_review: bool) -> tuple[Messages, Config]:
    async with open_session(config, progress=folding()) as session:
        return await newest_messages(session, wanted, limit, for_review=for_review), session.config


@click.command("export")
@_chosen
@output_options(list(TABLE_KINDS))
@config_option
@json_option
def export_command(
    kind: str | None, output: Path | None, force: bool, config: str | None, as_json: bool, **chosen: str | None
) -> None:
    """Export the messages from phones, oldest first, one row each.

    Columns: sent_at, received_at (ISO 8601, +08:00), account, number, to, text, message_id, parts, missing, flags.
    FILE appears only when it is complete.

    \b
    Examples:
      dispatcher inbound export -o inbound.csv
      dispatcher inbound export --since 2026-11-01 -o november.xlsx
      dispatcher inbound export --format jsonl | jq .text
    """
    from consumers.inbound.export import export_messages

    kind = output_kind(kind, output, TABLE_KINDS)
    check_destination(output, kind, force=force, as_json=as_json)
    wanted = _wanted(config, **chosen)
    records_behind, known = asyncio.run(_fresh(config))
    with written(output) as out:
        rows = export_messages(all_messages(known, wanted, known.inbound.opt_outs), out, TABLE_KINDS[kind])
    done = MessagesWritten(format=kind, rows=rows, path=str(output), records_behind=records_behind)
    say_written(done, output, as_json=as_json)


async def _fresh(config: str | None) -> tuple[int, Config]:
    async with open_session(config, progress=folding()) as session:
        return await session.behind(TOPICS), session.config


@click.command()
@_chosen
@config_option
@json_option
def follow(config: str | None, as_json: bool, **chosen: str | None) -> None:
    """Print messages from phones as they come, until Ctrl-C; with --json one object a line.

    A long message is printed when it is complete, or after the wait for its missing parts.

    \b
    Examples:
      dispatcher inbound follow
      dispatcher inbound follow --account spring --json | jq .text
    """
    wanted = _wanted(config, **chosen)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_follow(config, wanted, as_json=as_json))


async def _follow(config: str | None, wanted: InboundFilter, *, as_json: bool) -> None:
    async with open_session(config, progress=folding()) as session:
        async for message in follow_messages(session, wanted):
            if as_json:
                print_json_line(message)
            else:
                click.echo(message_line(message))


@click.command()
@click.option("--account", metavar="ACCOUNT", help="Only what came for this account.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@config_option
@json_option
def dead(account: str | None, limit: int, config: str | None, as_json: bool) -> None:
    """Show the newest dead letters: messages and reports of vendors that could not be read, and why.

    The log keeps a dead letter for 90 days.

    \b
    Examples:
      dispatcher inbound dead
      dispatcher inbound dead --account spring --json
    """
    found = asyncio.run(_dead(config, account, limit))
    if as_json:
        print_json(found)
        return
    if found.letters:
        console().print(letter_table(found.letters))
    total = sum(count for name, count in found.counts.items() if account in (None, name))
    click.echo(
        _("{n:,} of {total:,} dead letters.", n=len(found.letters), total=total)
        if total
        else _("there are no dead letters."),
        err=True,
    )


async def _dead(config: str | None, account: str | None, limit: int) -> DeadLetters:
    async with open_session(config, progress=folding()) as session:
        return await dead_letters(session, account, limit)


# --- what was asked for ----------------------------------------------------------------------------------------------


def _wanted(
    config: str | None,
    account: str | None,
    number: str | None,
    since: str | None,
    until: str | None,
    contains: str | None,
) -> InboundFilter:
    load_places(config)  # its [display] says in which zone times are typed
    return InboundFilter(
        account=account,
        number=None if number is None else to_wire(number_of(number)),
        since_ms=None if since is None else time_ms(since, "--since"),
        until_ms=None if until is None else time_ms(until, "--until"),
        contains=contains,
    )
