"""`dispatcher store rebuild`: rebuilds the results store from the log."""

from __future__ import annotations

import asyncio
import time

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from dispatcher.config.file import Config, load
from dispatcher.i18n import _
from dispatcher.log.opening import open_log
from dispatcher.store.opening import rebuild as rebuild_store
from dispatcher.terminal.options import config_option, console, json_option, print_json
from dispatcher.terminal.questions import confirm


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def rebuild(yes: bool, config: str | None, as_json: bool) -> None:
    """Rebuild the results store from the log.

    Nothing is lost: every figure and row comes from the log and comes out the same. The new store replaces the old one
    when it is complete; until then the old one can be read. Stop the dispatcher (role results) first.

    \b
    Example:
      dispatcher store rebuild --yes
    """
    loaded = load(config, secrets="none")
    if not confirm(
        _("Read the whole log {log} and make {store} anew?", log=loaded.log.url, store=loaded.store.url), yes=yes
    ):
        raise click.Abort
    started_s = time.monotonic()
    records = asyncio.run(_rebuild(loaded))
    seconds = time.monotonic() - started_s
    if as_json:
        print_json({"store": loaded.store.url, "records": records, "seconds": round(seconds, 3)})
    else:
        click.echo(
            _(
                "{url} was made anew from {records:,} records in {seconds:.1f} s.",
                url=loaded.store.url,
                records=records,
                seconds=seconds,
            )
        )


async def _rebuild(config: Config) -> int:
    log = await open_log(config.log.url, create=False)
    whole = 0
    try:
        bar = Progress(
            TextColumn("records"), BarColumn(), MofNCompleteColumn(), console=console(err=True), transient=True
        )
        bar.disable = not bar.console.is_terminal
        with bar:
            task = bar.add_task("", total=None)

            def progress(done: int, total: int) -> None:
                nonlocal whole
                whole = total
                bar.update(task, completed=done, total=total)

            await rebuild_store(config.store, log, progress)
    finally:
        await log.close()
    return whole
