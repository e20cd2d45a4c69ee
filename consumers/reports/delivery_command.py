"""`dispatcher report delivery`: how well, and how fast, each account delivers to each carrier."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from dispatcher.config.places import load_places
from dispatcher.i18n import _
from dispatcher.service.session import open_session
from dispatcher.terminal.options import columns, config_option, console, folding, json_option, print_json
from dispatcher.terminal.times import time_ms
from dispatcher.wording import clock, duration
from dispatcher.words import carrier

if TYPE_CHECKING:
    from rich.table import Table

    from dispatcher.core.results.delivery import Delivery
    from dispatcher.service.reports.delivery import DeliveryReport


@click.command("delivery")
@click.option(
    "--from",
    "since",
    default="7 d",
    show_default=True,
    metavar="TIME",
    help='What was sent since "2026-11-01", "2026-11-21 10:00" or "7 d".',
)
@click.option("--to", "until", metavar="TIME", help="And before then; default: until now.")
@click.option("--account", metavar="ACCOUNT", help="Only this one.")
@config_option
@json_option
def delivery_command(since: str, until: str | None, account: str | None, config: str | None, as_json: bool) -> None:
    """How well, and how fast, each account delivers to each carrier, as reports say.

    The rate is of recipients whose message the vendor took and whose end is known; the interval in which the true rate
    lies (95 %) stands beside it. Delays are from the submit to the report, of what was delivered.

    \b
    Examples:
      dispatcher report delivery
      dispatcher report delivery --from "30 d" --account spring --json
    """
    load_places(config)  # its [display] says in which zone times are typed
    from dispatcher.clock import now_ms

    times = (time_ms(since, "--from"), now_ms() if until is None else time_ms(until, "--to"))
    found = asyncio.run(_report(config, *times, account))
    if as_json:
        print_json(found)
    else:
        _show(found)


async def _report(config: str | None, since_ms: int, until_ms: int, account: str | None) -> DeliveryReport:
    from dispatcher.service.reports.delivery import report_delivery

    async with open_session(config, progress=folding()) as session:
        return await report_delivery(session, since_ms=since_ms, until_ms=until_ms, account=account)


def _show(found: DeliveryReport) -> None:
    out = console()
    out.print(_("sent from {start} to {end}\n", start=clock(found.since_ms), end=clock(found.until_ms, named=True)))
    if not found.rows:
        out.print(_("nothing that a vendor took was sent then."))
        return
    out.print(delivery_table(found.rows))


def delivery_table(rows: Sequence[Delivery]) -> Table:
    """A line for each account and carrier."""
    names = ("account", "carrier", "delivered", "failed", "no report", "waiting", "rate", "95 %", "half in", "95 % in")
    table = columns(*names, right=frozenset(range(2, len(names))))
    for row in rows:
        figures = (row.delivered, row.failed, row.no_report, row.waiting)
        table.add_row(row.account, carrier(row.carrier), *(f"{figure:,}" for figure in figures), *_rate(row))
    return table


def _rate(row: Delivery) -> tuple[str, str, str, str]:
    """The rate, its interval, and the delays."""
    rate = "-" if row.rate is None else f"{row.rate:.1%}"
    interval = (
        "-"
        if row.rate_low is None or row.rate_high is None
        else _("{low:.1%} to {high:.1%}", low=row.rate_low, high=row.rate_high)
    )
    delays = ("-" if each is None else duration(each) for each in (row.delay_p50_s, row.delay_p95_s))
    half, most = delays
    return rate, interval, half, most
