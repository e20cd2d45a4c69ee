"""`dispatcher campaign export`: the results of a campaign as a file, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dispatcher.config.file import Config
from dispatcher.errors import StoreError, UserError
from dispatcher.service.campaigns import stale, view_of
from dispatcher.service.session import open_session
from dispatcher.service.texts import sent_texts
from dispatcher.store.export.recipients import FORMATS, REJECTED, STATES, Format, Wrote, export
from dispatcher.store.opening import open_reader
from dispatcher.store.port import CampaignView
from dispatcher.terminal.campaigns import unknown_recipients
from dispatcher.terminal.options import config_option, console, folding, json_option, print_json
from dispatcher.terminal.output_file import check_output, output_kind, output_options, written

READ_WITHIN_S: Final = 30.0
LOOK_AGAIN_S: Final = 0.2


def _words(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """The states named in `--state a,b`."""
    if text is None:
        return None
    known = (*STATES, *REJECTED)
    named = tuple(word.strip().lower().replace("-", "_") for word in text.split(",") if word.strip())
    wrong = [word for word in named if word not in known]
    if wrong or not named:
        raise click.BadParameter(f'"{wrong[0] if wrong else text}" is no state. The states are: {", ".join(known)}.')
    return named


@click.command("export")
@click.argument("campaign", metavar="ID")
@click.option(
    "--state",
    "states",
    metavar="STATE[,STATE…]",
    callback=_words,
    help=f"Only rows in these states: {', '.join((*STATES, *REJECTED))}. Default: all recipients.",
)
@output_options(FORMATS)
@click.option("--texts", is_flag=True, help="With a column of the text each recipient gets.")
@config_option
@json_option
def export_command(
    campaign: str,
    kind: str | None,
    states: tuple[str, ...] | None,
    output: Path | None,
    texts: bool,
    force: bool,
    config: str | None,
    as_json: bool,
) -> None:
    """Export who got it, who did not and why, one row per recipient.

    Columns: number, state, code (the vendor's), meaning, vendor_id, account, submitted_at, reported_at (ISO 8601,
    +08:00). With invalid, duplicate or suppressed among the states, the rows of the list that became no recipients
    follow, with their row number and value as it was written. With --texts there is a column of what each recipient
    gets, read from the log. FILE appears only when it is complete.

    \b
    Examples:
      dispatcher campaign export may-sale -o may-sale.csv
      dispatcher campaign export may-sale --state failed,unknown --format ndjson | jq .code
      dispatcher campaign export may-sale --state invalid -o rejected.csv
      dispatcher campaign export orders --texts -o orders.result.csv
      dispatcher campaign export may-sale -o may-sale.parquet
    """
    format_ = cast("Format", output_kind(kind, output, FORMATS))
    if output is None and as_json:
        raise UserError("--json prints what was written to a file. Name one: -o FILE.")
    if output is None and format_ == "parquet":
        raise UserError("Parquet is no text for a terminal or a pipe. Name a file: -o FILE.")
    if output is not None:
        check_output(output, force=force)
    loaded, view, missing = asyncio.run(_fresh(config, campaign))
    rows, damaged = _write(loaded, view, format_, states, output, texts=texts)
    broken = [f"batch {number} has no numbers: {why}" for number, why in sorted(damaged.items())]
    for note in filter(None, (stale(missing), _unknown(view), *broken)):
        click.echo(note, err=True)
    if as_json:
        print_json(
            {"campaign": campaign, "format": format_, "rows": rows, "path": str(output), "unknown": view.counts.unknown}
        )
    elif output is not None:
        click.echo(f"{rows:,} rows written to {output}.", err=True)


async def _fresh(config: str | None, campaign: str) -> tuple[Config, CampaignView, int]:
    """The configuration, the campaign as it is now, and how many records the results are behind the log."""
    async with open_session(config, progress=folding()) as session:
        missing = await session.behind()
        return session.config, await view_of(session, campaign), missing


def _unknown(view: CampaignView) -> str:
    if not view.counts.unknown:
        return ""
    return (
        f"{view.id} is not finished: {unknown_recipients(view.counts)} unknown, the vendor may or may not have texted "
        f"them. See: dispatcher unknown list --campaign {view.id}"
    )


def _write(
    config: Config,
    view: CampaignView,
    kind: Format,
    states: tuple[str, ...] | None,
    output: Path | None,
    *,
    texts: bool,
) -> tuple[int, dict[int, str]]:
    """How many rows were written, and which batches could not be."""
    with contextlib.closing(open_reader(config.store)) as reader:
        until_s = time.monotonic() + READ_WITHIN_S
        while unread := reader.unread(view.id):
            if time.monotonic() > until_s:
                raise StoreError(
                    f"{unread} batches of {view.id} were not read from the log yet; is `dispatcher run` (role results) "
                    "keeping up? Try again in a minute."
                )
            time.sleep(LOOK_AGAIN_S)
        with contextlib.ExitStack() as stack:
            sent = stack.enter_context(sent_texts(config, view)) if texts else None
            out = stack.enter_context(written(output))
            wrote = stack.enter_context(_progress(view, states, output))
            rows = export(reader, view, out, kind, states=states, wrote=wrote, texts=sent)
        return rows, reader.damaged(view.id)


@contextlib.contextmanager
def _progress(view: CampaignView, states: tuple[str, ...] | None, output: Path | None) -> Iterator[Wrote]:
    """A bar for people who wait for a file."""
    screen = console(err=True)
    if output is None or not screen.is_terminal:
        yield lambda rows: None
        return
    whole = sum(getattr(view.counts, word) for word in states or STATES)
    with Progress(TextColumn("writing"), BarColumn(), MofNCompleteColumn(), console=screen, transient=True) as bar:
        task = bar.add_task("", total=whole)
        yield lambda rows: bar.update(task, completed=rows)
