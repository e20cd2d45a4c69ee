"""`dispatcher report spend`: what was sent and what it cost, beside what the vendors' balances say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from dispatcher.config.places import load_places
from dispatcher.errors import UserError
from dispatcher.i18n import _, heading
from dispatcher.service.campaigns.views import stale
from dispatcher.service.session import open_session
from dispatcher.terminal.options import columns, config_option, console, folding, json_option, print_json
from dispatcher.terminal.output_file import (
    WrittenFile,
    check_destination,
    output_kind,
    output_options,
    say_written,
    written,
)
from dispatcher.terminal.times import time_ms
from dispatcher.wording import clock, counted, listed
from dispatcher.words import carrier, word

if TYPE_CHECKING:
    from rich.table import Table

    from dispatcher.core.money.spend import Dimension, Spent
    from dispatcher.service.reports.spend import SpendReport, SpendWanted

KINDS = ("csv", "xlsx")


@click.command("spend")
@click.option(
    "--from",
    "since",
    required=True,
    metavar="TIME",
    help='What was sent since "2026-11-01", "2026-11-21 10:00" or "7 d".',
)
@click.option("--to", "until", metavar="TIME", help="And before then; default: until now.")
@click.option(
    "--by",
    default="account",
    show_default=True,
    metavar="WORD[,WORD…]",
    help="Sums by account, carrier, day (in Asia/Shanghai), person, campaign; several words give their combinations.",
)
@click.option(
    "--top-up",
    "top_ups",
    multiple=True,
    metavar="ACCOUNT=MESSAGES",
    help="Messages that you bought for an account in that time. May be repeated.",
)
@output_options(KINDS)
@config_option
@json_option
def spend_command(
    since: str,
    until: str | None,
    by: str,
    top_ups: tuple[str, ...],
    kind: str | None,
    output: Path | None,
    force: bool,
    config: str | None,
    as_json: bool,
) -> None:
    """What was sent in a time and what it cost, beside the balances before and after.

    Counted are the parts that vendors accepted, at the prices of each launch. What is unknown or under way is apart
    ("open"). What the balances say beyond that is a line of its own.

    \b
    Examples:
      dispatcher report spend --from 2026-11-01 --to 2026-12-01
      dispatcher report spend --from "7 d" --by day,person
      dispatcher report spend --from 2026-11-01 --by campaign,carrier -o november.xlsx
    """
    load_places(config)  # its [display] says in which zone times are typed
    written_kind = output_kind(kind, output, KINDS) if output is not None or kind is not None else None
    if written_kind is not None:
        check_destination(output, written_kind, force=force, as_json=as_json)
    from dispatcher.clock import now_ms
    from dispatcher.service.reports.spend import SpendWanted

    words = [word.strip() for word in by.split(",") if word.strip()]
    wanted = SpendWanted(
        since_ms=time_ms(since, "--from"),
        until_ms=now_ms() if until is None else time_ms(until, "--to"),
        by=tuple(cast("Dimension", word) for word in words),
        top_ups=dict(map(_top_up, top_ups)),
    )
    report = asyncio.run(_report(config, wanted))
    if written_kind is not None:
        _write(report, written_kind, output, as_json=as_json)
    elif as_json:
        print_json(report)
    else:
        _show(report)


async def _report(config: str | None, wanted: SpendWanted) -> SpendReport:
    from dispatcher.service.reports.spend import report_spend

    async with open_session(config, progress=folding()) as session:
        return await report_spend(session, wanted)


def _top_up(written: str) -> tuple[str, int]:
    account, equals, messages = written.rpartition("=")
    try:
        return account, int(messages.replace(",", "")) if equals and account else int("")
    except ValueError:
        raise UserError(
            '{about} "{written}" must be ACCOUNT=MESSAGES, as spring=20000.', written=written, about="--top-up"
        ) from None


def _write(report: SpendReport, kind: str, output: Path | None, *, as_json: bool) -> None:
    from consumers.reports.spend_export import write_spend

    with written(output) as out:
        write_spend(report, out, kind)
    say_written(WrittenFile(format=kind, rows=len(report.rows), path=str(output)), output, as_json=as_json)


def _show(report: SpendReport) -> None:
    out = console()
    out.print(_("sent from {start} to {end}\n", start=clock(report.since_ms), end=clock(report.until_ms, named=True)))
    if report.rows:
        out.print(_spent(report))
    else:
        out.print(_("nothing was sent then."))
    if report.balances:
        out.print(_("\nWhat the balances say, in messages (each part is one):"), style="bold")
        out.print(_balances(report))
    for note in _notes(report):
        out.print(f"\n{note}", style="yellow")


def _spent(report: SpendReport) -> Table:
    dims = len(report.by)
    table = columns(
        *map(word, report.by),
        "recipients",
        "parts",
        "cost",
        "open parts",
        "open cost",
        right=frozenset(range(dims, dims + 5)),
    )
    for row in report.rows:
        table.add_row(
            *(carrier(found) if name == "carrier" else found for name in report.by for found in [getattr(row, name)]),
            *_figures(row.spent),
        )
    if len(report.rows) > 1:
        table.add_row(heading("total"), *[""] * (dims - 1), *_figures(report.total), style="bold")
    return table


def _figures(spent: Spent) -> tuple[str, ...]:
    from dispatcher.core.money.amounts import yuan

    return (
        f"{spent.recipients:,}",
        f"{spent.parts:,}",
        _("no price") if spent.parts and spent.unpriced_parts == spent.parts else yuan(spent.cost_micro_yuan),
        f"{spent.open_parts:,}",
        yuan(spent.open_cost_micro_yuan),
    )


def _balances(report: SpendReport) -> Table:
    from dispatcher.core.money.amounts import yuan

    names = ("account", "before", "", "topped up", "after", "", "used", "estimate", "open", "unexplained", "")
    table = columns(*names, right=frozenset({1, 3, 4, 6, 7, 8, 9, 10}))
    for each in report.balances:
        table.add_row(
            each.account,
            f"{each.before:,.0f}",
            clock(each.before_ms),
            f"{each.topped_up:,}",
            f"{each.after:,.0f}",
            clock(each.after_ms),
            f"{each.used:,.0f}",
            f"{each.charged:,}",
            f"{each.open:,}",
            f"{each.difference:+,.0f}",
            "" if each.difference_micro_yuan is None else yuan(each.difference_micro_yuan),
        )
    return table


def _notes(report: SpendReport) -> Iterator[str]:
    if report.no_balances:
        yield _(
            "There are no balances before and after for {names}, so nothing to compare with: a running lane "
            "asks for them, or dispatcher account balance.",
            names=listed(report.no_balances),
        )
    if report.total.unpriced_parts:
        yield _(
            "{count} without a price: their accounts had none when they were launched ([account.NAME] price).",
            count=counted(report.total.unpriced_parts, "part"),
        )
    if report.total.open_parts:
        yield _(
            "{count} open: under way, or unknown. The vendor may or may not charge for them. See: dispatcher "
            "unknown list",
            count=counted(report.total.open_parts, "part"),
        )
    if note := stale(report.records_behind):
        yield note
