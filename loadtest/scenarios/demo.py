"""`dispatcher demo`: the scenario demo.toml against the vendor of your choice, and a screen of its own at the end.

A dirty list; two campaigns, one big over a paced and an unpaced account, one small and urgent on the paced one; at the
end every recipient of ours is compared with the vendor's ledger. Exit code 1 if anything disagrees.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from dispatcher.i18n import _, heading
from dispatcher.terminal.options import columns, console, json_option, print_json
from loadtest.scenarios.command import kept_folder
from loadtest.sim.profiles import DEFAULT, VENDORS

if TYPE_CHECKING:
    from rich.console import RenderableType

    from loadtest.scenarios.format import Scenario
    from loadtest.scenarios.outcome import Outcome
    from loadtest.scenarios.stage import Stage

NUMBERS_MIN: Final = 50
VENDOR: Final = "simulated"
PACED: Final = "paced"


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

    Takes less than a minute. Nothing leaves this machine. Ends with exit code 1 if our results and the vendor's own
    ledger disagree in a single number. The console shows it in a browser, too; on a terminal it stays until Ctrl-C.

    \b
    Examples:
      dispatcher demo
      dispatcher demo --numbers 2000000 --keep /tmp/demo
      dispatcher demo --vendor hezhong
      dispatcher demo --log kafka://127.0.0.1:9092 --json
    """
    with kept_folder(keep) as folder:
        outcome = _run(demo_scenario(numbers, vendor), folder, log_url, as_json=as_json)
        if as_json:
            print_json(result(outcome))
        else:
            if keep:
                config = folder / "dispatcher.toml"
                click.echo(
                    _("\nkept in {folder}: dispatcher campaign list --config {config}", folder=folder, config=config)
                )
    if not outcome.passed:
        raise click.exceptions.Exit(1)


def demo_scenario(numbers: int, vendor: str) -> Scenario:
    """demo.toml with this many rows, against this vendor."""
    from msgspec.structs import replace

    from loadtest.scenarios.file import find, load

    scenario = load(find("demo"))
    big, urgent = scenario.campaigns
    switches = {**scenario.vendors[VENDOR].simulated, **VENDORS[vendor].in_demo}
    paced = scenario.accounts[PACED]
    flow = {**paced.ours["flow"], "unit": VENDORS[vendor].flow_unit}
    return replace(
        scenario,
        vendors={VENDOR: replace(scenario.vendors[VENDOR], vendor=vendor, simulated=switches)},
        accounts={**scenario.accounts, PACED: replace(paced, ours={**paced.ours, "flow": flow})},
        campaigns=(replace(big, recipients=numbers), urgent),
    )


def _run(scenario: Scenario, folder: Path, log_url: str | None, *, as_json: bool) -> Outcome:
    from loadtest.scenarios.outcome import Outcome
    from loadtest.scenarios.run import Run
    from loadtest.scenarios.stage import staged
    from loadtest.screen import Screen

    with staged(scenario, folder, log_url) as stage:
        if as_json:
            return Outcome.of(Run(stage, Screen(stage.loaded.accounts, quiet=True)).run())
        address = _introduce(stage)
        outcome = Outcome.of(Run(stage, Screen(stage.loaded.accounts, quiet=False)).run())
        console().print(screen(outcome))
        if sys.stdout.isatty():
            click.echo(_("\nThe console stays at {address} until you press Ctrl-C.", address=address))
            with contextlib.suppress(KeyboardInterrupt):
                threading.Event().wait()
        return outcome


def _introduce(stage: Stage) -> str:
    """Say what there is, and show the console in a browser if there is a screen for one; returns its address."""
    limit = stage.scenario.accounts[PACED].ours["flow"]["limit"]
    big, urgent = stage.scenario.campaigns
    url = VENDORS[stage.scenario.vendors[VENDOR].vendor].url(stage.vendors[VENDOR].address)
    click.echo(
        _(
            "vendor      simulated, at {url}; it enforces {limit:,} messages/s on account {paced}",
            url=url,
            limit=limit,
            paced=PACED,
        )
    )
    click.echo(
        _("dispatcher  log {url}, reports to http://{listen}", url=stage.loaded.log.url, listen=stage.loaded.web.listen)
    )
    address = f"http://{stage.loaded.web.listen}/"
    link = f"{address}link/{asyncio.run(_link(stage))}"
    click.echo(_("console     {address}, its first administrator begins at {link}", address=address, link=link))
    click.echo(
        _(
            "list        {recipients:,} rows, as dirty as they come; {urgent} urgent ones follow",
            recipients=big.recipients,
            urgent=urgent.recipients,
        )
    )
    click.echo()
    if sys.stdout.isatty() and (
        sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        webbrowser.open(link)
    return address


async def _link(stage: Stage) -> str:
    from dispatcher.service.people.directory import open_directory
    from dispatcher.service.session import open_session

    async with open_session(stage.config) as session:
        return (await (await open_directory(session)).make_link("", by="demo")).secret


# --- the end ---------------------------------------------------------------------------------------------------------


def result(outcome: Outcome) -> dict[str, Any]:
    """One object."""
    from dispatcher.service.campaigns.progress import state_of

    facts = outcome.facts
    totals = facts.totals[VENDOR]
    return {
        "campaigns": [state_of(view) for view in facts.views],
        "vendor": totals,
        "compared": facts.comparison.compared,
        "double_texts": totals["double_texts"],
        "lost": facts.comparison.lost,
        "windows_over_limit": totals["windows_over_limit"],
        "limit_used": _limit_used(outcome),
        "agreed": outcome.passed,
        "disagreements": _disagreements(outcome),
        "seconds": round(facts.seconds, 1),
    }


def screen(outcome: Outcome) -> RenderableType:
    """The campaigns, the equation, the ledgers side by side, and the verdict."""
    from rich.console import Group
    from rich.text import Text

    from dispatcher.core.results.equation import total
    from dispatcher.terminal.live import equation

    facts = outcome.facts
    parts = [_campaigns(outcome), Text(), equation(total(view.counts for view in facts.views)), Text()]
    parts += [_ledgers(outcome), Text()]
    parts += [Text(f"✗ {disagreement}", style="bold red") for disagreement in _disagreements(outcome)]
    if outcome.passed:
        compared = _(
            "{compared:,} recipients compared with the vendor's ledger, one by one", compared=facts.comparison.compared
        )
        parts.append(
            Text(_("✓ {compared}: account, message id, status and code agree.", compared=compared), style="bold green")
        )
    parts.append(Text(_("took {seconds:.0f} s", seconds=facts.seconds)))
    return Group(*parts)


def _campaigns(outcome: Outcome) -> RenderableType:
    table = columns(
        "campaign", "rows", "set aside", "recipients", "delivered", "failed", "first sent after",
        right=frozenset(range(1, 7)),
    )  # fmt: skip
    for view in sorted(outcome.facts.views, key=lambda view: view.launched_ms):
        counts = view.counts
        figures = (counts.rows, counts.rows - counts.recipients, counts.recipients, counts.delivered, counts.failed)
        waited = "-" if view.first_sent_ms is None else f"{(view.first_sent_ms - view.launched_ms) / 1000:.2f} s"
        table.add_row(view.id, *(f"{figure:,}" for figure in figures), waited)
    return table


def _ledgers(outcome: Outcome) -> RenderableType:
    lines, totals = outcome.lines(), outcome.facts.totals[VENDOR]
    used = _limit_used(outcome)
    table = columns("", "we say", "the vendor says", right=frozenset({1, 2}))
    for words, term in (
        (heading("recipients texted"), "taken"),
        (heading("delivered"), "delivered"),
        (heading("failed"), "failed"),
    ):
        table.add_row(
            words, f"{sum(line.ours[term] for line in lines):,}", f"{sum(line.theirs[term] for line in lines):,}"
        )
    for words, ours, theirs in (
        (heading("requests"), "", f"{totals['requests']:,}"),
        (heading("texted twice"), "", f"{totals['double_texts']:,}"),
        (heading("lost"), f"{outcome.facts.comparison.lost:,}", ""),
        (_("windows over the flow limit"), "", f"{totals['windows_over_limit']:,}"),
        (_("use of the flow limit"), "", _("too little to tell") if used is None else f"{100 * used:.1f} %"),
    ):
        table.add_row(words, ours, theirs)
    return table


def _limit_used(outcome: Outcome) -> float | None:
    """How much of the paced account's flow limit was used while there was something to send; None: too little sent."""
    [paced] = [line for line in outcome.lines() if line.account == PACED]
    used: float | None = paced.theirs["limit_used"]
    return used


def _disagreements(outcome: Outcome) -> list[str]:
    return [f"{check.what}: {check.found}" for check in outcome.checks if check.holds is False]
