"""`python -m loadtest.bench [NAME …] [--quick]`: runs the benchmarks, prints a table, writes bench.json."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path
from typing import Any, Final

import click
import orjson
from rich.console import Console
from rich.table import Table

NAMES: Final = {
    "chunks": "sending.chunks",
    "pacing": "sending.pacing",
    "late": "sending.late",
    "log": "log",
    "launch": "launching.launch",
    "suppressed": "launching.suppressed",
    "capped": "launching.capped",
    "personal": "launching.personal",
    "post": "sending.post",
    "submit": "sending.submit",
    "cmpp_codec": "sending.cmpp_codec",
    "cmpp_wire": "sending.cmpp_wire",
    "webhook_get": "receiving.webhook_get",
    "webhook_batches": "receiving.webhook_batches",
    "join": "receiving.join",
    "streams": "receiving.streams",
    "api_messages": "receiving.api_messages",
    "api_upload": "receiving.api_upload",
    "ids_each": "sending.ids_each",
    "waves": "waves",
}
"""Name of a benchmark: its module under loadtest.bench."""
LONG: Final = {
    "codes": "sending.codes",
    "cmpp_lane": "sending.cmpp_lane",
    "cmpp_network": "sending.cmpp_network",
    "fairness": "sending.fairness",
    "handover": "sending.handover",
    "hostile": "receiving.hostile",
    "watchers": "receiving.watchers",
}
"""Minutes each: by name only."""


@click.command(epilog="Two noisy cores: trust the ratios, not the figures.")
@click.argument("names", nargs=-1, type=click.Choice([*NAMES, *LONG]))
@click.option("--quick", is_flag=True, help="Smaller inputs: to see that it works, not to quote.")
@click.option("-o", "--output", default="bench.json", show_default=True, help="Where the figures are written.")
def main(names: tuple[str, ...], quick: bool, output: str) -> None:
    """Run the named benchmarks (default: all), print a table, write the figures as JSON."""
    console = Console(width=None if Console().is_terminal else 120)
    figures: list[dict[str, Any]] = []
    for name in names or NAMES:
        console.print(f"[dim]{name} …[/dim]")
        module = importlib.import_module(f"loadtest.bench.{(NAMES | LONG)[name]}")
        figures.extend(asyncio.run(module.run(quick)))
    Path(output).write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2))
    console.print(_table(figures))
    console.print(f"Written to {output}.")


def _table(figures: list[dict[str, Any]]) -> Table:
    table = Table(title="Benchmarks", title_justify="left")
    for heading in ("what", "ours", "unit", "naive", "ratio"):
        table.add_column(heading, justify="left" if heading in ("what", "unit") else "right")
    for figure in figures:
        ratio = f"{figure['ratio']:.1f}x" if figure["ratio"] is not None else ""
        table.add_row(figure["name"], _short(figure["value"]), figure["unit"], _short(figure["baseline"]), ratio)
    return table


def _short(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.4g}"


if __name__ == "__main__":
    main()
