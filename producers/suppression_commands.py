"""`dispatcher suppression add | remove | import | export | list`: the numbers that no launch may text.

The list is on the log, so it is the same for everybody and for every launch; who put whom there, when and why stays on
the log for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
import numpy as np
from rich.text import Text

from dispatcher.config import Config, load
from dispatcher.core.numbers import Numbers
from dispatcher.core.suppression import ascending_once, contains, key_as_written, keys, shown
from dispatcher.errors import LogError, UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.options import columns, config_option, confirm, console, json_option, print_json, user
from dispatcher.output_file import check_output, written
from dispatcher.suppression_list import SuppressionList, put, snapshot_if_due
from schemas.records import SuppressionSource

if TYPE_CHECKING:
    from dispatcher.store.table_files import TableKind

KINDS: Final[dict[str, TableKind]] = {
    "csv": "csv",
    "xlsx": "xlsx",
    "parquet": "parquet",
    "jsonl": "ndjson",
    "ndjson": "ndjson",
}
NAMED_MAX: Final = 20


class Put(msgspec.Struct, frozen=True):
    """What a change came to: `numbers` different ones were named, `changed` of them it made a difference for."""

    numbers: int
    changed: int
    listed: int


@click.group()
def suppression() -> None:
    """The suppression list: numbers that no launch texts. Phones that opt out get there by themselves."""


@suppression.command()
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER…")
@click.option("--why", default="", help="The reason, for whoever asks later.")
@config_option
@json_option
def add(numbers: tuple[str, ...], why: str, config: str | None, as_json: bool) -> None:
    """Put numbers on the suppression list: no launch from now on texts them.

    Mobiles as in a list of recipients, numbers abroad as +44… or 0044…, fixed lines with their 0. A campaign that was
    launched before goes on as it is; stop it with `dispatcher campaign cancel` if need be.

    \b
    Examples:
      dispatcher suppression add 13800138000
      dispatcher suppression add "+86 138 0013 8001" +447700900123 --why "asked by phone"
    """
    found = np.array([_key(number) for number in numbers], np.int64)
    done = asyncio.run(_change(load(config, secrets="none"), found, adds=True, source="person", why=why))
    if as_json:
        print_json({"added": done.changed, "already": done.numbers - done.changed, "listed": done.listed})
    else:
        click.echo(f"{_many(done.changed)} put on the suppression list{_rest(done, 'there already')}.")


@suppression.command()
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER…")
@click.option("--why", default="", help="The reason, for whoever asks later.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def remove(numbers: tuple[str, ...], why: str, yes: bool, config: str | None, as_json: bool) -> None:
    """Take numbers off the suppression list: launches may text them again. Asks before.

    \b
    Example:
      dispatcher suppression remove 13800138000 --why "asked to be texted again"
    """
    found = np.unique(np.array([_key(number) for number in numbers], np.int64))
    loaded = load(config, secrets="none")
    listed = asyncio.run(_listed(loaded, found))
    for line in _who(found, listed):
        click.echo(line, err=True)
    if any(listed) and not confirm(f"May {_many(sum(map(bool, listed)))} be texted again?", yes=yes):
        click.echo("nothing was changed.", err=True)
        return
    done = Put(len(found), 0, -1)
    if any(listed):
        done = asyncio.run(_change(loaded, found, adds=False, source="person", why=why))
    if as_json:
        print_json({"removed": done.changed, "were_not_there": done.numbers - done.changed})
    else:
        click.echo(f"{_many(done.changed)} taken off the suppression list{_rest(done, 'not there')}.")


@suppression.command("import")
@click.argument("file", metavar="FILE", type=click.Path(allow_dash=True))
@click.option("--column", metavar="C", help="The phone column: its header, or its number from 1.")
@click.option("--why", default="", help="The reason, for whoever asks later; default: the file's name.")
@config_option
@json_option
def import_command(file: str, column: str | None, why: str, config: str | None, as_json: bool) -> None:
    """Put all numbers in FILE on the suppression list: CSV, TSV, TXT, XLSX, Parquet, or - for standard input.

    Millions are fine. Importing a file twice does no harm; after an interruption, import it again.

    \b
    Examples:
      dispatcher suppression import blacklist.csv
      dispatcher suppression import customers.xlsx --column 手机号 --why "complaints in May"
    """
    from producers.suppression_import import read_numbers

    loaded = load(config, secrets="none")
    read = asyncio.run(read_numbers(file, column))
    reason = why or (Path(file).name if file != "-" else "standard input")
    done = asyncio.run(_change(loaded, read.numbers, adds=True, source="import", why=reason))
    invalid = sum(read.invalid_reasons.values())
    if as_json:
        print_json(
            {
                "rows": read.rows,
                "added": done.changed,
                "already": done.numbers - done.changed,
                "repeated": read.rows - invalid - done.numbers,
                "invalid": invalid,
                "invalid_reasons": read.invalid_reasons,
                "listed": done.listed,
            }
        )
        return
    where = f", {read.column}" if read.column else ""
    click.echo(f"{read.label}{where}: {read.rows:,} rows, {_many(done.numbers)}.")
    for name, count in read.invalid_reasons.items():
        click.echo(f"  {count:,} not used: {name}")
    click.echo(
        f"{_many(done.changed)} put on the suppression list{_rest(done, 'there already')}; {done.listed:,} in all."
    )


@suppression.command("export")
@click.option(
    "--format", "kind", type=click.Choice(list(KINDS)), default="csv", show_default=True, help="How to write it."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Default: standard output.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@config_option
@json_option
def export_command(kind: str, output: Path | None, force: bool, config: str | None, as_json: bool) -> None:
    """Export the suppression list, in the order of the numbers.

    Columns: number, since (ISO 8601, +08:00), source (opt-out, person, import), by (a person, or the account that the
    phone wrote to), why (the word it sent, the file, what the person said). `import` reads such a file.

    \b
    Examples:
      dispatcher suppression export -o suppressed.csv
      dispatcher suppression export --format parquet -o suppressed.parquet
    """
    from producers.suppression_export import export_list

    if output is None and as_json:
        raise UserError("--json prints what was written to a file. Name one: -o FILE.")
    if output is None and kind in ("parquet", "xlsx"):
        raise UserError(f"{kind} is no text for a terminal or a pipe. Name a file: -o FILE.")
    if output is not None:
        check_output(output, force=force)
    found = asyncio.run(_read(load(config, secrets="none"), detailed=True))
    with written(output) as out:
        rows = export_list(found, out, KINDS[kind])
    if as_json:
        print_json({"format": kind, "rows": rows, "path": str(output)})
    elif output is not None:
        click.echo(f"{rows:,} rows written to {output}.", err=True)


@suppression.command("list")
@click.option("--number", metavar="NUMBER", help="Only this number: is it on the list, since when, and why?")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many at most.")
@config_option
@json_option
def list_numbers(number: str | None, limit: int, config: str | None, as_json: bool) -> None:
    """List the newest numbers of the suppression list, or say of one whether it is on it.

    \b
    Examples:
      dispatcher suppression list
      dispatcher suppression list --number 13800138000
    """
    key = None if number is None else _key(number)
    found = asyncio.run(_read(load(config, secrets="none"), detailed=True))
    entries = list(_entries(found, key, limit))
    if as_json:
        print_json({"listed": len(found.listing), "entries": entries})
        return
    if entries:
        table = columns("number", "since", "by", "why")
        for entry in entries:
            since = f"{datetime.fromtimestamp(entry['since_ms'] / 1000):%Y-%m-%d %H:%M:%S}"
            cells = (entry["number"], since, f"{entry['by']} ({entry['source']})", entry["why"])
            table.add_row(*map(Text, cells))
        console().print(table)
    if key is None:
        click.echo(f"{len(entries):,} of {_many(len(found.listing))} on the suppression list.", err=True)
    elif not entries:
        click.echo(f"{shown(key)} is not on the suppression list.")


# --- the log ---------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _log(config: Config, *, create: bool) -> AsyncIterator[Log]:
    log = await open_log(config.log.url, create=create)
    try:
        yield log
    finally:
        await log.close()


async def _read(config: Config, *, detailed: bool) -> SuppressionList:
    async with _log(config, create=False) as log:
        found = SuppressionList(detailed=detailed)
        await found.read_on(log)
        return found


async def _listed(config: Config, numbers: Numbers) -> list[bool]:
    found = await _read(config, detailed=False)
    return [bool(there) for there in contains(found.listing.numbers, numbers)]


async def _change(config: Config, numbers: Numbers, *, adds: bool, source: SuppressionSource, why: str) -> Put:
    """Change the list; only what makes a difference goes on the log, so a list imported every day costs nothing.

    It is looked at once more afterwards: somebody else may have changed it between our reading and writing.
    """
    async with _log(config, create=adds) as log:
        found = SuppressionList()
        await found.read_on(log)
        wanted = ascending_once(keys(numbers))
        changed = -1
        while len(rest := wanted[contains(found.listing.numbers, wanted) != adds]):
            changed = len(rest) if changed < 0 else changed
            at_ms = time.time_ns() // 1_000_000
            await put(log, rest, adds=adds, source=source, by=user(), why=why, at_ms=at_ms)
            await found.read_on(log)
        if found.snapshot_due:
            with contextlib.suppress(LogError):  # it only makes reading shorter; the next change does it
                await snapshot_if_due(log)
        return Put(len(wanted), max(changed, 0), len(found.listing))


# --- numbers and words -----------------------------------------------------------------------------------------------


def _key(text: str) -> int:
    """The number as it is listed. Raises UserError."""
    key = key_as_written(text)
    if not key:
        raise UserError(
            f'"{text}" is no phone number. Write a mobile like 13800138000, a number abroad like +447700900123.'
        )
    return key


def _entries(found: SuppressionList, key: int | None, limit: int) -> Iterator[dict[str, Any]]:
    listing = found.listing
    if key is not None:
        places = np.flatnonzero(listing.numbers == key)
    else:
        places = np.argsort(listing.times, kind="stable")[::-1][:limit]
    for place in places.tolist():
        origin = found.origin(place)
        yield {
            "number": shown(int(listing.numbers[place])),
            "since_ms": int(listing.times[place]) * 1000,
            "source": origin.source,
            "by": origin.by,
            "why": origin.why,
        }


def _who(numbers: Numbers, listed: list[bool]) -> Iterator[str]:
    for number, there in list(zip(numbers.tolist(), listed, strict=True))[:NAMED_MAX]:
        yield f"{shown(number)} is{'' if there else ' not'} on the suppression list"
    if len(listed) > NAMED_MAX:
        yield f"… and {len(listed) - NAMED_MAX:,} more"


def _many(count: int) -> str:
    return f"{count:,} number{'' if count == 1 else 's'}"


def _rest(done: Put, where: str) -> str:
    rest = done.numbers - done.changed
    return f" ({rest:,} {'was' if rest == 1 else 'were'} {where})" if rest else ""
