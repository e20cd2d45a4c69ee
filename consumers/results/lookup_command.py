"""`dispatcher lookup NUMBER`: what became of one number, and what it sent us."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from dispatcher.i18n import _
from dispatcher.terminal.options import columns, config_option, console, folding, json_option, print_json
from dispatcher.wording import clock, printable
from dispatcher.words import carrier, reason, state_meaning, word

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
            _(
                "{number} is on the suppression list since {time} ({source}, {by}{why}): no launch texts it.",
                number=found.number,
                time=clock(on_list.since_ms),
                source=word(on_list.source),
                by=on_list.by,
                why=why,
            )
        )
    click.echo(f"{found.number}: {_carrier(found.carrier)}")
    if not found.campaigns and not found.set_aside and not found.inbound:
        click.echo(_("{number} is in no campaign, and sent us nothing.", number=found.number))
    if found.campaigns:
        table = columns(
            "campaign", "state", "code", "meaning", "account", "vendor id", "submitted", "reported", prose={"meaning"}
        )
        for each in found.campaigns:
            texts = (
                each.campaign,
                _state(each),
                each.code,
                state_meaning(each),
                each.account,
                each.vendor_id,
                clock(each.submitted_ms) if each.submitted_ms else "",
                clock(each.reported_ms) if each.reported_ms else "",
            )
            table.add_row(*map(Text, texts))
        console().print(table)
    if found.set_aside:
        right = frozenset({2, 3, 4})
        table = columns("campaign", "set aside", "rows", "first line", "repeats line", "launched", right=right)
        for aside in found.set_aside:
            repeats = _line(aside.repeats_line, aside.repeats_list) if aside.repeats_line else ""
            figures = (f"{aside.rows:,}", _line(aside.first_line, aside.first_list), repeats)
            table.add_row(*map(Text, (aside.campaign, reason(aside.reason), *figures, clock(aside.launched_ms))))
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
    title = carrier(found.carrier)
    if not found.code:
        return title
    return _(
        "{name}, ported from {before} (report {code} of {account}, {time})",
        name=title,
        before=carrier(found.by_prefix),
        code=found.code,
        account=found.account,
        time=clock(found.learnt_ms),
    )


def _state(found: NumberInCampaign) -> str:
    """Its state; of a long message also how many of its parts were delivered."""
    state = word(found.state)
    if not found.parts:
        return state
    return _("{state} ({count} of {parts} parts)", state=state, count=found.parts_delivered, parts=found.parts)


async def _look_up(number: str, config: str | None) -> NumberLookup:
    from dispatcher.service.lookup import look_up
    from dispatcher.service.session import open_session

    async with open_session(config, progress=folding()) as session:
        return await look_up(session, number)
