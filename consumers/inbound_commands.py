"""`dispatcher inbound list | export | follow | dead`: what people's phones sent to us, and what nobody could read.

Numbers are shown in full: whoever reads this answers them. The results are brought up to date first, unless a running
dispatcher does that.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
import msgspec

from consumers.inbound_screen import (
    footer,
    letter_object,
    letter_table,
    message_line,
    message_object,
    message_table,
)
from dispatcher.config import Config, load
from dispatcher.core.numbers import to_wire
from dispatcher.core.suppression import key_as_written, key_of_wire
from dispatcher.errors import LogDamaged, UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.options import config_option, console, json_option, print_json, print_json_line
from dispatcher.output_file import check_output, written
from dispatcher.store.catching_up import behind, bring_up_to_date
from dispatcher.store.opening import open_reader
from dispatcher.store.port import DeadLetter, InboundMessage, InboundTally, InboundWanted, StoreReader
from schemas.codec import BrokenRecord, NewerRecord, decode
from schemas.records import Dead
from schemas.topics import DEAD, INBOUND

if TYPE_CHECKING:
    from dispatcher.store.table_files import TableKind

FRESH_WITHIN_S: Final = 2.0
LOOK_EVERY_S: Final = 0.25
FOLD_EVERY_S: Final = 1.0
KINDS: Final[dict[str, TableKind]] = {
    "csv": "csv",
    "xlsx": "xlsx",
    "parquet": "parquet",
    "jsonl": "ndjson",
    "ndjson": "ndjson",
}

_TIMES: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M")
_AGO: Final = re.compile(r"(\d+) ?(min|h|d)")
_SPANS: Final = {"min": "minutes", "h": "hours", "d": "days"}

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def inbound() -> None:
    """What phones sent to us: messages, long ones put together, each once; and what nobody could read."""


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


@inbound.command("list")
@_chosen
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@config_option
@json_option
def list_messages(limit: int, config: str | None, as_json: bool, **chosen: str | None) -> None:
    """List the newest messages from phones.

    A long message comes in parts; it is listed when they are all there, or flagged "incomplete" when the missing ones
    are not waited for any more ([store] parts_within_s). What a vendor says again is listed once.

    \b
    Examples:
      dispatcher inbound list
      dispatcher inbound list --since "2026-11-21 10:00" --contains 退订
      dispatcher inbound list --number 13800138000 --json
    """
    loaded = load(config, secrets="none")
    found = asyncio.run(_list(loaded, _wanted(**chosen), limit))
    dead = sum(found.dead.values())
    if as_json:
        print_json(
            {
                "messages": [message_object(message) for message in found.messages],
                "repeats": sum(tally.repeats for tally in found.tallies),
                "waiting": sum(tally.waiting for tally in found.tallies),
                "dead_letters": dead,
                "records_behind": found.records_behind,
            }
        )
        return
    if found.messages:
        console().print(message_table(found.messages))
    for line in footer(len(found.messages), found.tallies, dead, found.records_behind):
        click.echo(line, err=True)


@inbound.command("export")
@_chosen
@click.option(
    "--format", "kind", type=click.Choice(list(KINDS)), default="csv", show_default=True, help="How to write it."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Default: standard output.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@config_option
@json_option
def export_command(
    kind: str, output: Path | None, force: bool, config: str | None, as_json: bool, **chosen: str | None
) -> None:
    """Export the messages from phones, oldest first, one row each.

    Columns: sent_at, received_at (ISO 8601, +08:00), account, number, to, text, message_id, parts, missing, flags.
    FILE appears only when it is complete.

    \b
    Examples:
      dispatcher inbound export -o inbound.csv
      dispatcher inbound export --since 2026-11-01 --format xlsx -o november.xlsx
      dispatcher inbound export --format jsonl | jq .text
    """
    if output is None and as_json:
        raise UserError("--json prints what was written to a file. Name one: -o FILE.")
    if output is None and kind in ("parquet", "xlsx"):
        raise UserError(f"{kind} is no text for a terminal or a pipe. Name a file: -o FILE.")
    if output is not None:
        check_output(output, force=force)
    rows, records_behind = _export(load(config, secrets="none"), _wanted(**chosen), kind, output)
    if as_json:
        print_json({"format": kind, "rows": rows, "path": str(output), "records_behind": records_behind})
    elif output is not None:
        click.echo(f"{rows:,} rows written to {output}.", err=True)


@inbound.command()
@_chosen
@config_option
@json_option
def follow(config: str | None, as_json: bool, **chosen: str | None) -> None:
    """Print messages from phones as they come, until Ctrl-C; with --json one object a line.

    A long message is printed when it is whole, or when its missing parts are not waited for any more.

    \b
    Examples:
      dispatcher inbound follow
      dispatcher inbound follow --account spring --json | jq .text
    """
    wanted = _wanted(**chosen)
    loaded = load(config, secrets="none")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_follow(loaded, wanted, as_json=as_json))


@inbound.command()
@click.option("--account", metavar="ACCOUNT", help="Only what came for this account.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many at most.")
@config_option
@json_option
def dead(account: str | None, limit: int, config: str | None, as_json: bool) -> None:
    """Show the newest dead letters: what vendors sent, pushed or polled, that nobody could read, and why.

    Reports are among them, too. Nothing is thrown away: the log keeps a dead letter for 90 days.

    \b
    Examples:
      dispatcher inbound dead
      dispatcher inbound dead --account spring --json
    """
    letters, counts = asyncio.run(_dead(load(config, secrets="none"), account, limit))
    if as_json:
        print_json({"counts": counts, "letters": [letter_object(*each) for each in letters]})
        return
    if letters:
        console().print(letter_table(letters))
    total = sum(count for name, count in counts.items() if account in (None, name))
    click.echo(f"{len(letters):,} of {total:,} dead letters." if total else "there are no dead letters.", err=True)


# --- what was asked for ----------------------------------------------------------------------------------------------


def _wanted(
    account: str | None, number: str | None, since: str | None, until: str | None, contains: str | None
) -> InboundWanted:
    return InboundWanted(
        account=account,
        number=None if number is None else _number(number),
        since_ms=None if since is None else _time_ms(since, "--since"),
        until_ms=None if until is None else _time_ms(until, "--until"),
        contains=contains,
    )


def _number(text: str) -> str:
    key = key_as_written(text) or key_of_wire(text.strip())
    if not key:
        raise UserError(f'"{text}" is no phone number. Write it like 13800138000.')
    return to_wire(key)


def _time_ms(text: str, option: str) -> int:
    """Local time, as it is shown."""
    now = datetime.now()
    if ago := _AGO.fullmatch(text.strip()):
        return _ms(now - timedelta(**{_SPANS[ago[2]]: int(ago[1])}))
    for form in _TIMES:
        try:
            found = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        if not form.startswith("%Y"):
            found = datetime.combine(now.date(), found.time())
        return _ms(found)
    raise UserError(f'{option} "{text}" is no time. Write it like "{now:%Y-%m-%d %H:%M}", "{now:%H:%M}" or "3 h".')


def _ms(when: datetime) -> int:
    return round(when.timestamp() * 1000)


# --- reading ---------------------------------------------------------------------------------------------------------


class Found(msgspec.Struct, frozen=True):
    """What `list` shows."""

    messages: list[InboundMessage]
    tallies: list[InboundTally]
    dead: dict[str, int]
    records_behind: int


@contextlib.asynccontextmanager
async def _results(config: Config) -> AsyncIterator[tuple[Log, StoreReader]]:
    """The log, and the results brought up to date with it."""
    async with contextlib.AsyncExitStack() as stack:
        log = await open_log(config.log.url, create=False)
        stack.push_async_callback(log.close)
        await bring_up_to_date(config, log)
        reader = await asyncio.to_thread(open_reader, config.store)
        stack.callback(reader.close)
        yield log, reader


async def _list(config: Config, wanted: InboundWanted, limit: int) -> Found:
    async with _results(config) as (log, reader):
        records_behind = await behind(log, reader, within_s=FRESH_WITHIN_S, topics=(INBOUND, DEAD))
        messages = await asyncio.to_thread(lambda: reader.inbound(wanted=wanted, messages_max=limit))
        tallies = await asyncio.to_thread(reader.inbound_tallies)
        dead_counts = {each.account: each.count for each in await asyncio.to_thread(reader.dead)}
        return Found(messages, tallies, dead_counts, records_behind)


def _export(config: Config, wanted: InboundWanted, kind: str, output: Path | None) -> tuple[int, int]:
    from consumers.inbound_export import export_messages  # polars is not loaded by commands that write no table

    async def fresh() -> int:
        async with _results(config) as (log, reader):
            return await behind(log, reader, within_s=FRESH_WITHIN_S, topics=(INBOUND, DEAD))

    records_behind = asyncio.run(fresh())
    with contextlib.closing(open_reader(config.store)) as reader, written(output) as out:
        return export_messages(reader.inbound_pages(wanted), out, KINDS[kind]), records_behind


async def _follow(config: Config, wanted: InboundWanted, *, as_json: bool) -> None:
    async with _results(config) as (log, reader):
        marks = await asyncio.to_thread(reader.inbound_marks)
        loop = asyncio.get_running_loop()
        folded_s = loop.time()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if loop.time() - folded_s >= FOLD_EVERY_S:
                await bring_up_to_date(config, log)
                folded_s = loop.time()
            found, marks = await asyncio.to_thread(reader.inbound_news, marks)
            for message in found:
                if not _is_wanted(message, wanted):
                    continue
                if as_json:
                    print_json_line(message_object(message))
                else:
                    click.echo(message_line(message))


def _is_wanted(message: InboundMessage, wanted: InboundWanted) -> bool:
    """What the store's query does, for one message."""
    return (
        wanted.account in (None, message.account)
        and wanted.number in (None, message.number)
        and (wanted.since_ms is None or message.at_ms >= wanted.since_ms)
        and (wanted.until_ms is None or message.at_ms < wanted.until_ms)
        and (wanted.contains or "").lower() in message.text.lower()
    )


async def _dead(
    config: Config, account: str | None, limit: int
) -> tuple[list[tuple[DeadLetter, str | None]], dict[str, int]]:
    async with _results(config) as (log, reader):
        await behind(log, reader, within_s=FRESH_WITHIN_S, topics=(INBOUND, DEAD))
        letters = await asyncio.to_thread(lambda: reader.dead_letters(account, letters_max=limit))
        counts = {each.account: each.count for each in await asyncio.to_thread(reader.dead)}
        return [(letter, await _body(log, letter)) for letter in letters], counts


async def _body(log: Log, letter: DeadLetter) -> str | None:
    """What it held, as text; None if the log does not have it any more."""
    try:
        record = decode((await log.fetch(DEAD.name, letter.partition, letter.offset)).value)
    except (LogDamaged, BrokenRecord, NewerRecord):
        return None
    return record.body.decode("utf-8", "backslashreplace") if isinstance(record, Dead) else None
