"""`dispatcher loadtest`: a scenario on real processes against simulated vendors, judged by the vendors' ledgers."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dispatcher.i18n import _
from dispatcher.terminal.options import columns, console, json_option, print_json

if TYPE_CHECKING:
    from loadtest.scenarios.format import Scenario
    from loadtest.scenarios.outcome import Outcome


@click.command()
@click.argument("scenario", metavar="[FILE|NAME]", required=False)
@click.option("--recipients", type=click.IntRange(1, 50_000_000), help="So many in all, instead of the scenario's.")
@click.option("--seed", type=click.IntRange(0), help="Other numbers, other draws of the vendors.")
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    help="So many times faster: the vendors' clocks, and when what happens.",
)
@click.option("--log", "log_url", metavar="URL", help="This log instead: kafka://HOST:PORT.")
@click.option("--keep", type=click.Path(file_okay=False), metavar="DIR", help="Keep everything here, to look at.")
@json_option
def loadtest(
    scenario: str | None,
    recipients: int | None,
    seed: int | None,
    scale: float | None,
    log_url: str | None,
    keep: str | None,
    as_json: bool,
) -> None:
    """Run a scenario from a TOML file: vendors, campaigns and events. Without one: list the shipped scenarios.

    Every role and every simulated vendor runs in its own process, on this machine alone. At the end the vendors'
    ledgers stand beside our results, and each check is answered with yes or no; the exit code is 1 if a check fails.
    docs/SCENARIOS.md says how to write a scenario.

    \b
    Examples:
      dispatcher loadtest
      dispatcher loadtest smoke
      dispatcher loadtest all-vendors --recipients 100000
      dispatcher loadtest my-scenario.toml --log kafka://127.0.0.1:9092 --keep /tmp/run
    """
    from loadtest.scenarios.file import find, load
    from loadtest.scenarios.scale import scaled

    if scenario is None:
        _list(as_json=as_json)
        return
    wanted = scaled(load(find(scenario)), recipients, seed, scale)
    with kept_folder(keep) as folder:
        outcome = _run(wanted, folder, log_url, as_json=as_json)
        if as_json:
            print_json(outcome.as_json())
        else:
            console().print(outcome.screen())
            if keep:
                click.echo(
                    _(
                        "kept in {folder}: dispatcher campaign list --config {config}",
                        folder=folder,
                        config=folder / "dispatcher.toml",
                    )
                )
    if not outcome.passed:
        raise click.exceptions.Exit(1)


def _list(*, as_json: bool) -> None:
    from loadtest.scenarios.file import shipped

    found = shipped()
    if as_json:
        print_json({"scenarios": [{"name": name, "about": about} for name, (about, _) in found.items()]})
        return
    table = columns("scenario", "what it shows", prose={"what it shows"})
    for name, (about, _names) in found.items():
        table.add_row(name, about)
    console().print(table)
    click.echo(_("\nrun one: dispatcher loadtest smoke"))


def _run(scenario: Scenario, folder: Path, log_url: str | None, *, as_json: bool) -> Outcome:
    from dispatcher.wording import counted
    from loadtest.scenarios.outcome import Outcome
    from loadtest.scenarios.run import Run
    from loadtest.scenarios.stage import staged
    from loadtest.screen import Screen

    if not as_json:
        click.echo(f"{scenario.about}")
        click.echo(
            _(
                "{vendors}, {accounts}, {numbers}\n",
                vendors=counted(len(scenario.vendors), "vendor"),
                accounts=counted(len(scenario.accounts), "account"),
                numbers=counted(scenario.planned, "number"),
            )
        )
    with staged(scenario, folder, log_url) as stage:
        return Outcome.of(Run(stage, Screen(stage.loaded.accounts, quiet=as_json)).run())


@contextlib.contextmanager
def kept_folder(keep: str | None) -> Iterator[Path]:
    """The folder of a run: `keep`, or a folder in it if another run is kept there; None: one that is removed."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="dispatcher-run-", ignore_cleanup_errors=True) as name:
            yield Path(name)
        return
    folder = Path(keep).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "dispatcher.toml").exists():
        folder = folder / time.strftime("%Y%m%d-%H%M%S")
        folder.mkdir()
    yield folder
