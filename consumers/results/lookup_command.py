"""`dispatcher lookup NUMBER`: what became of one number, and what it sent us."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import click
from rich.text import Text

from dispatcher.config.file import Config, load
from dispatcher.core import numbers as phone_numbers
from dispatcher.core.suppression import key_as_written
from dispatcher.errors import UserError
from dispatcher.service.freshness import up_to_date
from dispatcher.store.port import InboundMessage, Sighting
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.words import clock, printable
from schemas.states import State

MESSAGES_MAX: Final = 20


@click.command()
@click.argument("number")
@config_option
@json_option
def lookup(number: str, config: str | None, as_json: bool) -> None:
    """What became of one number, in every campaign, and what it sent us.

    The number may be written as in a list: 13800138000, 138 0013 8000, +86 138 0013 8000.

    \b
    Examples:
      dispatcher lookup 13800138000
      dispatcher lookup 13800138000 --json
    """
    value = _number(number)
    wire = phone_numbers.to_wire(value)
    sightings, messages = asyncio.run(_lookup(load(config, secrets="none"), value, wire))
    if as_json:
        print_json(
            {
                "number": wire,
                "campaigns": [_sighting_object(sighting) for sighting in sightings],
                "inbound": [_inbound_object(message) for message in messages],
            }
        )
        return
    if not sightings and not messages:
        click.echo(f"{wire} is in no campaign, and sent us nothing.")
    if sightings:
        names = ("campaign", "state", "code", "meaning", "account", "vendor id", "submitted", "reported")
        table = columns(*names, prose={"meaning"})
        for found in sightings:
            texts = (
                found.campaign,
                found.state.word.replace("_", " "),
                found.code,
                found.meaning,
                found.account,
                found.vendor_id,
                clock(found.submitted_ms) if found.submitted_ms else "",
                clock(found.reported_ms) if found.reported_ms else "",
            )
            table.add_row(*map(Text, texts))
        console().print(table)
    if messages:
        table = columns("received", "account", "text", prose={"text"})
        for message in messages:
            table.add_row(*map(Text, (clock(message.received_ms), message.account, printable(message.text))))
        console().print(table)


async def _lookup(config: Config, value: int, wire: str) -> tuple[list[Sighting], list[InboundMessage]]:
    async with up_to_date(config) as reader:
        sightings = await asyncio.to_thread(reader.lookup, value)
        messages = await asyncio.to_thread(lambda: reader.inbound(wire, messages_max=MESSAGES_MAX))
        return sightings, messages


def _number(text: str) -> int:
    value = key_as_written(text)
    if value == 0:
        try:
            value = phone_numbers.from_wire(text.strip())
        except ValueError:
            raise UserError(f'"{text}" is no phone number. Write it like 13800138000.') from None
    return value


def _sighting_object(found: Sighting) -> dict[str, Any]:
    return {
        "campaign": found.campaign,
        "name": found.name,
        "state": found.state.word,
        "final": found.state in (State.DELIVERED, State.FAILED, State.NO_REPORT, State.CANCELLED),
        "code": found.code,
        "meaning": found.meaning,
        "account": found.account,
        "vendor": found.vendor,
        "vendor_id": found.vendor_id,
        "submitted_ms": found.submitted_ms,
        "reported_ms": found.reported_ms,
        "launched_ms": found.launched_ms,
    }


def _inbound_object(message: InboundMessage) -> dict[str, Any]:
    return {
        "account": message.account,
        "to": message.to,
        "text": message.text,
        "at_ms": message.at_ms,
        "received_ms": message.received_ms,
    }
