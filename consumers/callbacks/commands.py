"""`dispatcher callback list | replay | test | secret`: the outgoing callbacks."""

from __future__ import annotations

import asyncio
import base64
import secrets
from typing import Final

import click

from dispatcher.core.callbacks.signing import PREFIX
from dispatcher.i18n import _
from dispatcher.os_user import os_user
from dispatcher.service.callbacks import CallbackTrial, CallbackView, list_callbacks, replay_callback, try_callback
from dispatcher.service.session import open_session
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.wording import clock
from dispatcher.words import word
from schemas.records import CallbackReplay

SECRET_BYTES: Final = 32


@click.command("list")
@config_option
@json_option
def list_command(config: str | None, as_json: bool) -> None:
    """List the callbacks: how far each has come, what it waits for, its last error.

    \b
    Examples:
      dispatcher callback list
      dispatcher callback list --json
    """
    found = asyncio.run(_list(config))
    if as_json:
        print_json(found)
    elif not found:
        click.echo(_("no callbacks. Add [callbacks.NAME], as in dispatcher.example.toml."))
    else:
        figures = frozenset({3, 4, 5, 6})
        table = columns(
            "callback",
            "receiver",
            "state",
            "delivered",
            "lag",
            "failing",
            "aside",
            "events",
            "last error",
            right=figures,
            prose=("events", "last error"),
        )
        for each in found:
            counts = (each.delivered, each.lag, each.failing, each.aside)
            error = f"{each.error} ({clock(each.error_ms)})" if each.error_ms else ""
            events = ", ".join(each.events)
            table.add_row(each.callback, each.host, word(each.status), *(f"{n:,}" for n in counts), events, error)
        console().print(table)


@click.command()
@click.argument("name")
@click.option("--after", multiple=True, metavar="POSITION", help="The webhook-id of a delivery; repeat it for several.")
@config_option
@json_option
def replay(name: str, after: tuple[str, ...], config: str | None, as_json: bool) -> None:
    """Deliver again what came after POSITION on its partition of the log, and end a stop by the receiver.

    Without --after it continues where it was: for a callback whose receiver answered 410.

    \b
    Examples:
      dispatcher callback replay shop --after results-3-1042-0
      dispatcher callback replay shop --after campaigns-0-17 --after inbound-2-5
      dispatcher callback replay shop
    """
    found = asyncio.run(_replay(config, name, after))
    if as_json:
        print_json(found)
    elif found.positions:
        places = ", ".join(
            _("{place} from {offset:,}", place=place, offset=offset) for place, offset in found.positions.items()
        )
        click.echo(_("callback {name} is delivered again: {places}.", name=name, places=places))
    else:
        click.echo(_("callback {name} continues where it was.", name=name))


@click.command()
@click.argument("name")
@config_option
@json_option
def test(name: str, config: str | None, as_json: bool) -> None:
    """Post one signed event of type "test" to the receiver and print what it answers (exit code 1: it did not take it).

    \b
    Example:
      dispatcher callback test shop
    """
    found = asyncio.run(_test(config, name))
    if as_json:
        print_json(found)
    elif found.taken:
        click.echo(_("callback {name}: the receiver took it after {took_ms:,} ms.", name=name, took_ms=found.took_ms))
    else:
        click.echo(_("callback {name}: not taken, {says}.", name=name, says=found.says), err=True)
    if not found.taken:
        raise SystemExit(1)


@click.command()
def secret() -> None:
    """Print a new random secret for [callbacks.NAME] secret and for the receiver.

    \b
    Example:
      dispatcher callback secret
    """
    click.echo(PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode())


async def _list(config: str | None) -> list[CallbackView]:
    async with open_session(config) as session:
        return await list_callbacks(session)


async def _replay(config: str | None, name: str, after: tuple[str, ...]) -> CallbackReplay:
    async with open_session(config) as session:
        return await replay_callback(session, name, after, by=os_user())


async def _test(config: str | None, name: str) -> CallbackTrial:
    async with open_session(config) as session:
        return await try_callback(session, name)
