"""`dispatcher demo`: everything in one go, on real code, against a simulated vendor that enforces its limits.

A vendor in a process of its own; a dirty list; two campaigns, one big over a paced and an unpaced account, one small
and urgent on the paced one; webhooks, lanes and joiner in this process; reports; and at the end every recipient of
ours compared with the vendor's ledger. Exit code 1 if anything disagrees.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from dispatcher.terminal.options import console, json_option, print_json
from loadtest.sim.profiles import DEFAULT, VENDORS

if TYPE_CHECKING:
    from loadtest.scenarios.demo_outcome import Outcome

NUMBERS_MIN: Final = 50


@click.command()
@click.option(
    "--numbers",
    type=click.IntRange(NUMBERS_MIN, 20_000_000),
    default=200_000,
    show_default=True,
    help="Rows of the big campaign's list.",
)
@click.option(
    "--vendor", type=click.Choice(list(VENDORS)), default=DEFAULT, show_default=True, help="Which vendor is simulated."
)
@click.option("--log", "log_url", metavar="URL", help="Another log: kafka://HOST:PORT. Default: a SQLite file.")
@click.option("--keep", type=click.Path(file_okay=False), metavar="DIR", help="Keep lists, log and results here.")
@json_option
def demo(numbers: int, vendor: str, log_url: str | None, keep: str | None, as_json: bool) -> None:
    """Watch 200,000 numbers go through the real thing, to a simulated vendor and back.

    Takes about a minute. Nothing leaves this machine. Ends with exit code 1 if our results and the vendor's own ledger
    disagree in a single number.

    \b
    Examples:
      dispatcher demo
      dispatcher demo --numbers 2000000 --keep /tmp/demo
      dispatcher demo --vendor hezhong
      dispatcher demo --log kafka://127.0.0.1:9092 --json
    """
    with _folder(keep) as folder:
        outcome = _run(folder, numbers, vendor, log_url, as_json)
        if as_json:
            print_json(outcome.as_json())
        else:
            console().print(outcome.screen())
            if keep:
                config = folder / "dispatcher.toml"
                click.echo(f"\nkept in {folder}: dispatcher campaign list --config {config}")
    if not outcome.agreed:
        raise click.exceptions.Exit(1)


def _run(folder: Path, numbers: int, vendor: str, log_url: str | None, as_json: bool) -> Outcome:
    from dispatcher.process import logs
    from dispatcher.process.command import new_loop
    from loadtest.scenarios.demo_show import Show
    from loadtest.scenarios.demo_stage import new_password, own_topics, set_up, vendor_settings
    from loadtest.sim.process import spawn

    password = new_password()
    with (folder / "dispatcher.log").open("w", encoding="utf-8") as log_file:
        logs.configure(stream=log_file, secrets=[password])
        with spawn(vendor_settings(vendor, password)) as simulated:
            stage = set_up(
                folder,
                rows=numbers,
                vendor=vendor,
                vendor_url=simulated.url,
                log_url=None if log_url is None else own_topics(log_url),
                password=password,
            )
            show = Show(stage, simulated, quiet=as_json)
            with asyncio.Runner(loop_factory=new_loop) as runner:
                return runner.run(show.run())


@contextlib.contextmanager
def _folder(keep: str | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="dispatcher-demo-") as name:
            yield Path(name)
        return
    folder = Path(keep).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "log.db").exists():
        folder = folder / time.strftime("%Y%m%d-%H%M%S")
        folder.mkdir()
    yield folder
