"""`dispatcher account query`: a gateway's daily totals beside our own."""

from __future__ import annotations

import asyncio

import click

from dispatcher.i18n import _, heading
from dispatcher.service.session import open_session
from dispatcher.service.vendor_requests.gateway_totals import GatewayTotals, gateway_totals
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json


@click.command("query")
@click.argument("name", metavar="ACCOUNT")
@click.option("--day", metavar="YYYY-MM-DD", help="A day in China's time. Default: today.")
@click.option("--service", default="", metavar="S", help="Only messages of this Service_Id.")
@config_option
@json_option
def query_command(name: str, day: str | None, service: str, config: str | None, as_json: bool) -> None:
    """Show what the gateway of ACCOUNT counted of a day, beside our own counts (CMPP).

    A gateway that took more messages than we know of has doubled some; one that took fewer has lost some. Messages are
    counted on the wire: every part of a long text.

    \b
    Examples:
      dispatcher account query polar
      dispatcher account query polar --day 2026-01-31 --service SVC --json
    """
    found = asyncio.run(_found(config, name, day, service))
    if as_json:
        print_json(found)
        return
    gateway, ours = found.gateway, found.ours
    table = columns(found.day, "gateway", "we", right=frozenset({1, 2}))
    table.add_row(heading("messages taken"), f"{gateway.messages:,}", f"{ours.taken:,}")
    table.add_row(heading("  of which nobody knows"), "", f"{ours.unknown:,}")
    table.add_row(heading("  refused"), "", f"{ours.refused:,}")
    table.add_row(heading("  refused as too fast"), "", f"{ours.throttled:,}")
    table.add_row(heading("  recipients"), f"{gateway.recipients:,}", "")
    table.add_row(heading("  sent on"), f"{gateway.forwarded:,}", "")
    table.add_row(heading("  waiting"), f"{gateway.waiting:,}", "")
    table.add_row(heading("  failed"), f"{gateway.failed:,}", "")
    table.add_row(heading("messages from phones"), f"{gateway.from_phones:,}", f"{ours.from_phones:,}")
    table.add_row(heading("  waiting"), f"{gateway.from_phones_waiting:,}", "")
    table.add_row(heading("  failed"), f"{gateway.from_phones_failed:,}", "")
    console().print(table)
    if not found.agree:
        click.echo(_("The messages that were taken do not agree: ask the operator for the day's list."), err=True)


async def _found(config: str | None, name: str, day: str | None, service: str) -> GatewayTotals:
    async with open_session(config) as session:
        return await gateway_totals(session, name, day, service)
