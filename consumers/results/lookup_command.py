"""`dispatcher lookup NUMBER`: what became of one number, and what it sent us."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from dispatcher.core.carriers import CARRIER_WORDS
from dispatcher.terminal.options import columns, config_option, console, folding, json_option, print_json
from dispatcher.wording import clock, printable

if TYPE_CHECKING:
    from dispatcher.service.carriers import NumberCarrier
    from dispatcher.service.lookup import NumberInCampaign, NumberLookup


@click.command()
@click.argument("number")
@config_option
@json_option
def lookup(number: str, config: str | None, as_json: bool) -> None:
    """What became of one number, in every campaign, and what it sent us; and whether it is suppressed.

    Rows of lists that hold it and were set aside (a repetition, suppressed then) are listed with their reason.

    The number may be written as in a list: 13800138000, 138 0013 8000, +86 138 0013 8000.

    \b
    Examples:
      dispatcher lookup 13800138000
      dispatcher lookup 13800138000 --json
    """
    from rich.text import Text

    found = asyncio.run(_look_up(number, config))
    if as_json:
        print_json(found)
        return
    if found.suppressed is not None:
        on_list, why = found.suppressed, f": {found.suppressed.why}" if found.suppressed.why else ""
        click.echo(
            f"{found.number} is on the suppression list since {clock(on_list.since_ms)} ({on_list.source}, "
            f"{on_list.by}{why}): no launch texts it."
        )
    click.echo(f"{found.number}: {_carrier(found.carrier)}")
    if not found.campaigns and not found.set_aside and not found.inbound:
        click.echo(f"{found.number} is in no campaign, and sent us nothing.")
    if found.campaigns:
        names = ("campaign", "state", "code", "meaning", "account", "vendor id", "submitted", "reported")
        table = columns(*names, prose={"meaning"})
        for each in found.campaigns:
            texts = (
                each.campaign,
                _state(each),
                each.code,
                each.meaning,
                each.account,
                each.vendor_id,
                clock(each.submitted_ms) if each.submitted_ms else "",
                clock(each.reported_ms) if each.reported_ms else "",
            )
            table.add_row(*map(Text, texts))
        console().print(table)
    if found.set_aside:
        titles = ("campaign", "set aside", "rows", "first line", "repeats line", "launched")
        table = columns(*titles, right=frozenset({2, 3, 4}))
        for aside in found.set_aside:
            repeats = _line(aside.repeats_line, aside.repeats_list) if aside.repeats_line else ""
            figures = (f"{aside.rows:,}", _line(aside.first_line, aside.first_list), repeats)
            table.add_row(*map(Text, (aside.campaign, aside.reason, *figures, clock(aside.launched_ms))))
        console().print(table)
    if found.inbound:
        table = columns("received", "account", "text", prose={"text"})
        for message in found.inbound:
            table.add_row(*map(Text, (clock(message.received_ms), message.account, printable(message.text))))
        console().print(table)


def _line(line: int, name: str) -> str:
    return f"{name} {line:,}" if name else f"{line:,}"


def _carrier(found: NumberCarrier) -> str:
    """Its carrier, and where it was ported from if that is known."""
    title = CARRIER_WORDS[found.carrier].title
    if not found.code:
        return title
    before = CARRIER_WORDS[found.by_prefix].title
    return f"{title}, ported from {before} (report {found.code} of {found.account}, {clock(found.learnt_ms)})"


def _state(found: NumberInCampaign) -> str:
    """Its state; of a long message also how many of its parts were delivered."""
    word = found.state.replace("_", " ")
    return f"{word} ({found.parts_delivered} of {found.parts} parts)" if found.parts else word


async def _look_up(number: str, config: str | None) -> NumberLookup:
    from dispatcher.service.lookup import look_up
    from dispatcher.service.session import open_session

    async with open_session(config, progress=folding()) as session:
        return await look_up(session, number)
