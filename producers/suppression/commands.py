"""`dispatcher suppression add | remove | import | export | list`: the numbers that no launch may text.

The list is on the log, so it is the same for all processes and launches; author, time and reason of each entry stay on
the log for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import numpy as np
from rich.text import Text

from dispatcher.config.file import load
from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import shown
from dispatcher.errors import UserError
from dispatcher.i18n import N_, _, plural
from dispatcher.service.session import open_session
from dispatcher.service.suppression import (
    NumbersAdded,
    NumbersImported,
    NumbersRemoved,
    SuppressedNumbers,
    SuppressionChange,
    are_suppressed,
    change_suppression,
    list_suppressed,
    read_suppression,
    suppressed_because,
    suppression_key,
)
from dispatcher.suppression.list import SuppressionList
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.terminal.output_file import (
    TABLE_KINDS,
    WrittenFile,
    check_destination,
    output_kind,
    output_options,
    say_written,
    written,
)
from dispatcher.terminal.questions import confirm
from dispatcher.wording import clock, counted
from dispatcher.words import column_words, word
from dispatcher.words import reason as reason_word
from schemas.records import SuppressionSource

if TYPE_CHECKING:
    from producers.lists.columns import HiddenRows

NAMED_MAX: Final = 20


@click.command()
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER…")
@click.option("--why", default="", help="The reason, kept with the numbers.")
@config_option
@json_option
def add(numbers: tuple[str, ...], why: str, config: str | None, as_json: bool) -> None:
    """Put numbers on the suppression list: no launch from now on texts them.

    Mobiles as in a list of recipients, numbers abroad as +44… or 0044…, fixed lines with their 0. Campaigns that were
    launched before are not affected; `dispatcher campaign cancel` stops one.

    \b
    Examples:
      dispatcher suppression add 13800138000
      dispatcher suppression add "+86 138 0013 8001" +447700900123 --why "asked by phone"
    """
    found = np.array([suppression_key(number) for number in numbers], np.int64)
    done = asyncio.run(_change(config, found, adds=True, source="person", why=why))
    if as_json:
        print_json(NumbersAdded(added=done.changed, already=done.numbers - done.changed, listed=done.listed))
    else:
        click.echo(
            _(
                "{count} put on the suppression list{rest}.",
                count=counted(done.changed, "number"),
                rest=_rest(done, there=True),
            )
        )


@click.command()
@click.argument("numbers", nargs=-1, metavar="[NUMBER…]")
@click.option("--listed-why", metavar="REASON", help="All numbers that reports put there for this reason (a code).")
@click.option("--why", default="", help="The reason, kept with the numbers.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def remove(
    numbers: tuple[str, ...], listed_why: str | None, why: str, yes: bool, config: str | None, as_json: bool
) -> None:
    """Take numbers off the suppression list: launches may text them again. Asks before.

    --listed-why takes off what reports put there ([suppression] from_reports) for one code; who opted out, or was put
    there by a person, stays.

    \b
    Examples:
      dispatcher suppression remove 13800138000 --why "asked to be texted again"
      dispatcher suppression remove --listed-why MBBLACK
    """
    if bool(numbers) == (listed_why is not None):
        raise UserError("give either numbers or --listed-why REASON.")
    if listed_why is None:
        found = np.unique(np.array([suppression_key(number) for number in numbers], np.int64))
    else:
        found = asyncio.run(_because(config, listed_why))
        if not len(found):
            raise UserError(
                'no report put a number on the list for "{listed_why}".',
                listed_why=listed_why,
                do="See: dispatcher suppression list",
            )
    there = asyncio.run(_are_listed(config, found))
    for line in _who(found, there):
        click.echo(line, err=True)
    if any(there) and not confirm(_("May {count} be texted again?", count=counted(sum(there), "number")), yes=yes):
        click.echo(_("nothing was changed."), err=True)
        return
    done = SuppressionChange(numbers=len(found), changed=0, listed=-1)
    if any(there):
        done = asyncio.run(_change(config, found, adds=False, source="person", why=why))
    if as_json:
        print_json(NumbersRemoved(removed=done.changed, were_not_there=done.numbers - done.changed))
    else:
        click.echo(
            _(
                "{count} taken off the suppression list{rest}.",
                count=counted(done.changed, "number"),
                rest=_rest(done, there=False),
            )
        )


@click.command("import")
@click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))
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
    help="What to do with rows that the workbook hides, by a filter or by hand.",
)
@click.option("--encoding", metavar="NAME", help="The encoding of a text file, as big5; default: it is found.")
@click.option("--why", default="", help="The reason, kept with the numbers; default: the file's name.")
@config_option
@json_option
def import_command(
    file: str,
    column: str | None,
    sheet: str | None,
    header_row: int | None,
    hidden_rows: HiddenRows | None,
    encoding: str | None,
    why: str,
    config: str | None,
    as_json: bool,
) -> None:
    """Put all numbers in FILE on the suppression list: CSV, TSV, TXT, XLSX, Parquet, or - for standard input.

    Millions are fine. Importing a file twice does no harm; after an interruption, import it again.

    \b
    Examples:
      dispatcher suppression import blacklist.csv
      dispatcher suppression import customers.xlsx --column 手机号 --why "complaints in May"
    """
    from producers.lists.columns import Choice
    from producers.suppression.reading import read_numbers

    load(config, secrets="none")  # a mistake in it is reported before a long list is read
    choice = Choice(
        column=column, sheet=sheet, header_row=header_row, hidden_rows=hidden_rows, encoding=encoding, phs=True
    )
    read = asyncio.run(read_numbers(file, choice))
    reason = why or (Path(file).name if file != "-" else "standard input")
    done = asyncio.run(_change(config, read.numbers, adds=True, source="import", why=reason))
    invalid = sum(read.invalid_reasons.values())
    if as_json:
        print_json(
            NumbersImported(
                rows=read.rows,
                added=done.changed,
                already=done.numbers - done.changed,
                repeated=read.rows - invalid - done.numbers,
                invalid=invalid,
                invalid_reasons=dict(read.invalid_reasons),
                listed=done.listed,
            )
        )
        return
    where = f", {column_words(read.column)}" if read.column else ""
    header = _(", header on line {header_line:,}", header_line=read.header_line) if read.header_line else ""
    click.echo(
        _(
            "{label}{where}{header}: {rows}, {count}.",
            label=read.label,
            where=where,
            header=header,
            rows=counted(read.rows, "row"),
            count=counted(done.numbers, "number"),
        )
    )
    for note in read.notes:
        click.echo(_("  note: {note}", note=note))
    for name, count in read.invalid_reasons.items():
        click.echo(_("  {count:,} not used: {why}", count=count, why=reason_word(name)))
    click.echo(
        _(
            "{count} put on the suppression list{rest}; {listed:,} in all.",
            count=counted(done.changed, "number"),
            rest=_rest(done, there=True),
            listed=done.listed,
        )
    )


@click.command("export")
@output_options(list(TABLE_KINDS))
@config_option
@json_option
def export_command(kind: str | None, output: Path | None, force: bool, config: str | None, as_json: bool) -> None:
    """Export the suppression list, in the order of the numbers.

    Columns: number, since (ISO 8601, +08:00), source (opt-out, person, import, report), by (a person, or the account
    that the phone wrote to or the report came from), why (the word it sent, the file, what the person said, the code).
    `import` reads such a file.

    \b
    Examples:
      dispatcher suppression export -o suppressed.csv
      dispatcher suppression export -o suppressed.parquet
    """
    from producers.suppression.export import export_list

    kind = output_kind(kind, output, TABLE_KINDS)
    check_destination(output, kind, force=force, as_json=as_json)
    found = asyncio.run(_whole(config))
    with written(output) as out:
        rows = export_list(found, out, TABLE_KINDS[kind])
    say_written(WrittenFile(format=kind, rows=rows, path=str(output)), output, as_json=as_json)


@click.command("list")
@click.option("--number", metavar="NUMBER", help="Only this number: is it on the list, since when, and why?")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@config_option
@json_option
def list_numbers(number: str | None, limit: int, config: str | None, as_json: bool) -> None:
    """List the newest numbers of the suppression list, or say whether one number is on it.

    \b
    Examples:
      dispatcher suppression list
      dispatcher suppression list --number 13800138000
    """
    key = None if number is None else suppression_key(number)
    found = asyncio.run(_newest(config, key, limit))
    if as_json:
        print_json(found)
        return
    if found.entries:
        table = columns("number", "since", "by", "why", prose={"why"})
        for entry in found.entries:
            cells = (entry.number, clock(entry.since_ms), f"{entry.by} ({word(entry.source)})", entry.why)
            table.add_row(*map(Text, cells))
        console().print(table)
    if key is None:
        click.echo(
            _("{n:,} of {count} on the suppression list.", n=len(found.entries), count=counted(found.listed, "number")),
            err=True,
        )
    elif not found.entries:
        click.echo(_("{number} is not on the suppression list.", number=shown(key)))


# --- the service, in a session of its own ----------------------------------------------------------------------------


async def _change(
    config: str | None, numbers: Numbers, *, adds: bool, source: SuppressionSource, why: str
) -> SuppressionChange:
    async with open_session(config) as session:
        return await change_suppression(session, numbers, adds=adds, source=source, why=why)


async def _because(config: str | None, why: str) -> Numbers:
    async with open_session(config) as session:
        return await suppressed_because(session, why, "report")


async def _are_listed(config: str | None, numbers: Numbers) -> list[bool]:
    async with open_session(config) as session:
        return await are_suppressed(session, numbers)


async def _whole(config: str | None) -> SuppressionList:
    async with open_session(config) as session:
        return await read_suppression(session, detailed=True)


async def _newest(config: str | None, number: int | None, limit: int) -> SuppressedNumbers:
    async with open_session(config) as session:
        return await list_suppressed(session, number, limit)


# --- words -----------------------------------------------------------------------------------------------------------


def _who(numbers: Numbers, there: list[bool]) -> Iterator[str]:
    for number, is_there in list(zip(numbers.tolist(), there, strict=True))[:NAMED_MAX]:
        text = N_("{number} is on the suppression list") if is_there else N_("{number} is not on the suppression list")
        yield _(text, number=shown(number))
    if len(there) > NAMED_MAX:
        yield _("… and {n:,} more", n=len(there) - NAMED_MAX)


def _numbers(count: int) -> str:
    return counted(count, "number")


def _rest(done: SuppressionChange, *, there: bool) -> str:
    rest = done.numbers - done.changed
    if not rest:
        return ""
    if there:
        return plural(" ({n:,} was there already)", " ({n:,} were there already)", rest)
    return plural(" ({n:,} was not there)", " ({n:,} were not there)", rest)
