"""`dispatcher carrier list | export`: numbers that moved to another carrier, as reports taught."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dispatcher.i18n import _
from dispatcher.service.carriers import PortedNumbers, list_ported, read_ported
from dispatcher.service.session import open_session
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
from dispatcher.wording import clock, counted
from dispatcher.words import carrier

if TYPE_CHECKING:
    from dispatcher.carriers.learnt import LearntCarriers


@click.command("list")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@config_option
@json_option
def list_command(limit: int, config: str | None, as_json: bool) -> None:
    """List the newest ported numbers: their carrier, the one of their prefix, and the report that said so.

    \b
    Examples:
      dispatcher carrier list
      dispatcher carrier list --limit 10 --json
    """
    found = asyncio.run(_list(config, limit))
    if as_json:
        print_json(found)
        return
    if found.entries:
        table = columns("number", "carrier", "by its prefix", "learnt", "report")
        for each in found.entries:
            names = (carrier(each.carrier), carrier(each.by_prefix))
            table.add_row(
                each.number,
                *names,
                clock(each.learnt_ms),
                _("{code} of {account}", code=each.code, account=each.account),
            )
        console().print(table)
    click.echo(_("{n:,} of {count}.", n=len(found.entries), count=counted(found.known, "ported number")), err=True)


@click.command("export")
@output_options(list(TABLE_KINDS))
@config_option
@json_option
def export_command(kind: str | None, output: Path | None, force: bool, config: str | None, as_json: bool) -> None:
    """Export the ported numbers, in the order of the numbers.

    Columns: number, carrier (mobile, unicom, telecom, broadnet; unknown: the report does not say which), by_prefix,
    since (ISO 8601, +08:00), account and code of the report.

    \b
    Examples:
      dispatcher carrier export -o ported.csv
      dispatcher carrier export -o ported.parquet
    """
    from dispatcher.store.export.ported_numbers import export_ported

    kind = output_kind(kind, output, TABLE_KINDS)
    check_destination(output, kind, force=force, as_json=as_json)
    found = asyncio.run(_read(config))
    with written(output) as out:
        rows = export_ported(found, out, TABLE_KINDS[kind])
    say_written(WrittenFile(format=kind, rows=rows, path=str(output)), output, as_json=as_json)


async def _list(config: str | None, limit: int) -> PortedNumbers:
    async with open_session(config) as session:
        return await list_ported(session, limit)


async def _read(config: str | None) -> LearntCarriers:
    async with open_session(config) as session:
        return await read_ported(session)
