"""`dispatcher campaign export`: the results of a campaign as a file, complete or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dispatcher.config.places import Places
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.service.campaigns.results import sent_columns, write_results
from dispatcher.service.campaigns.views import stale, view_of
from dispatcher.service.session import open_session
from dispatcher.store.export.recipients import FORMATS, REJECTED, STATES, Format, Language, Wrote
from dispatcher.store.port import CampaignView
from dispatcher.terminal.campaigns import unknown_recipients
from dispatcher.terminal.language import asked_language
from dispatcher.terminal.options import config_option, console, folding, json_option
from dispatcher.terminal.output_file import (
    WrittenFile,
    check_destination,
    output_kind,
    output_options,
    say_written,
    written,
)
from dispatcher.wording import counted
from producers.campaigns.list_columns import ListColumns, columns_of, header_of_numbers
from producers.lists.columns import Choice


class ResultsWritten(WrittenFile, frozen=True, kw_only=True):
    """An export of a campaign, and how many of its recipients are unknown."""

    campaign: str
    unknown: int


_WORDS: Final = tuple(dict.fromkeys((*STATES, *REJECTED)))


def _words(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """The states named in `--state a,b`."""
    if text is None:
        return None
    named = tuple(word.strip().lower().replace("-", "_") for word in text.split(",") if word.strip())
    wrong = [word for word in named if word not in _WORDS]
    if wrong or not named:
        raise click.BadParameter(
            _('"{word}" is no state. The states are: {words}.', word=[*wrong, text][0], words=", ".join(_WORDS))
        )
    return named


@click.command("export")
@click.argument("campaign", metavar="ID")
@click.option(
    "--state",
    "states",
    metavar="STATE[,STATE…]",
    callback=_words,
    help=f"Only rows in these states: {', '.join(_WORDS)}. Default: all recipients.",
)
@output_options(FORMATS)
@click.option("--texts", is_flag=True, help="Add a column with each recipient's text.")
@click.option(
    "--with-columns",
    "columns",
    is_flag=False,
    flag_value="",
    metavar="[LIST]",
    help="Add the values of the placeholders, or all columns of this LIST, the file that was launched.",
)
@click.option("--column", metavar="C", help="The phone column of LIST: its header, or its number from 1.")
@click.option("--sheet", metavar="S", help="The sheet of LIST: its name, or its number from 1.")
@click.option("--encoding", metavar="NAME", help="The encoding of LIST, if it is a text file; default: it is found.")
@click.option("--header-row", type=click.IntRange(0), metavar="N", help="The line of LIST's header; 0: no header.")
@click.option(
    "--lang",
    "language",
    type=click.Choice(["en", "zh"]),
    default=None,
    help="The language of headers, states and meanings; default: that of `dispatcher --lang`, in CSV and XLSX.",
)
@config_option
@json_option
def export_command(
    campaign: str,
    kind: str | None,
    states: tuple[str, ...] | None,
    output: Path | None,
    texts: bool,
    columns: str | None,
    column: str | None,
    sheet: str | None,
    header_row: int | None,
    encoding: str | None,
    language: Language | None,
    force: bool,
    config: str | None,
    as_json: bool,
) -> None:
    """Export who got it, who did not and why, one row per recipient.

    Columns: number, state, code (the vendor's), meaning, vendor_id, account, submitted_at, reported_at (ISO 8601,
    +08:00). With invalid, duplicate or suppressed among the states, the rows of the list that were set aside follow,
    with their row number, their original value and, for a duplicate, the row it repeats. --texts adds a column with
    each recipient's text, read from the log. XLSX keeps long ids whole in a spreadsheet. FILE appears only when it is
    complete.

    --with-columns adds the values of a personalised campaign's placeholders, as they were sent, or all columns of LIST,
    matched by number; then the numbers have LIST's header. `campaign launch` takes such a file as a list. If a column
    has the name of one of ours, ours gets the prefix sms_.

    \b
    Examples:
      dispatcher campaign export may-sale -o may-sale.xlsx
      dispatcher campaign export may-sale --state failed,unknown --format ndjson | jq .code
      dispatcher campaign export may-sale --state invalid -o rejected.csv
      dispatcher campaign export orders --texts -o orders.result.csv
      dispatcher campaign export orders --state failed,cancelled --with-columns -o again.xlsx
      dispatcher campaign export may-sale --with-columns customers.xlsx --lang zh -o may-sale.xlsx
      dispatcher campaign export may-sale -o may-sale.parquet
    """
    format_ = cast("Format", output_kind(kind, output, FORMATS))
    check_destination(output, format_, force=force, as_json=as_json)
    if language is None:  # programs read the other formats, by their names of columns
        language = "zh" if asked_language() == "zh" and format_ in ("csv", "xlsx") else "en"
    choice = Choice(column=column, sheet=sheet, header_row=header_row, hidden_rows="include", encoding=encoding)
    listed = _list_columns(columns, choice)
    more = sent_columns if columns == "" else columns_of(listed) if listed is not None else None
    places, view, missing = asyncio.run(_fresh(config, campaign))
    with written(output) as out, _progress(view, states, output) as wrote:
        done = write_results(
            places,
            view,
            out,
            format_,
            states=states,
            texts=texts,
            columns=more,
            number_header=header_of_numbers(listed, view.variables if columns == "" else None, language),
            language=language,
            wrote=wrote,
        )
    broken = [
        _("batch {number} has no numbers: {why}", number=number, why=why)
        for number, why in sorted(done.damaged.items())
    ]
    absent = (
        _("{count} not in {file}", count=counted(listed.missing, "recipient"), file=columns)
        if listed is not None and listed.missing
        else ""
    )
    for note in filter(None, (stale(missing), _unknown(view), absent, *broken)):
        click.echo(note, err=True)
    written_file = ResultsWritten(
        campaign=campaign, format=format_, rows=done.rows, path=str(output), unknown=view.counts.unknown
    )
    say_written(written_file, output, as_json=as_json)


def _list_columns(path: str | None, choice: Choice) -> ListColumns | None:
    if path:
        return ListColumns(path, choice)
    if choice.column or choice.sheet or choice.encoding or choice.header_row is not None:
        raise UserError("--column, --sheet, --header-row and --encoding say how to read a list: --with-columns LIST.")
    return None


async def _fresh(config: str | None, campaign: str) -> tuple[Places, CampaignView, int]:
    """The place of the results, the campaign's current view, and how many records the results are behind the log."""
    async with open_session(config, progress=folding()) as session:
        missing = await session.behind(whole=True)
        return session.places, await view_of(session, campaign), missing


def _unknown(view: CampaignView) -> str:
    if not view.counts.unknown:
        return ""
    return _(
        "{id} is not finished: {who} unknown, the vendor may or may not have texted them. See: "
        "dispatcher unknown list --campaign {id}",
        id=view.id,
        who=unknown_recipients(view.counts),
    )


@contextlib.contextmanager
def _progress(view: CampaignView, states: tuple[str, ...] | None, output: Path | None) -> Iterator[Wrote]:
    """A bar for people who wait for a file."""
    screen = console(err=True)
    if output is None or not screen.is_terminal:
        yield lambda rows: None
        return
    if states is None:
        whole = sum(leg.recipients for leg in view.legs)
    else:
        whole = sum(getattr(view.counts, word) for word in states)
    with Progress(TextColumn(_("writing")), BarColumn(), MofNCompleteColumn(), console=screen, transient=True) as bar:
        task = bar.add_task("", total=whole)
        yield lambda rows: bar.update(task, completed=rows)
