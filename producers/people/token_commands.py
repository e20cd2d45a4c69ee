"""`dispatcher token add | list | revoke`: the tokens of the API. A token is shown once, when it is made."""

from __future__ import annotations

import asyncio

import click
import msgspec

from dispatcher.core.people import ROLES, permissions_of
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.os_user import os_user
from dispatcher.service.people.audit import audit_as
from dispatcher.service.people.directory import NewSecret, TokenView, open_directory
from dispatcher.service.session import open_session
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.wording import clock


class TokenAdded(msgspec.Struct, frozen=True, kw_only=True):
    """A new token; its `secret` is shown only here."""

    token: str
    secret: str
    expires_ms: int


@click.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="What it may do; repeat it for several.")
@click.option("--role", type=click.Choice(list(ROLES)), help="Everything that this role may do.")
@click.option("--days", type=click.IntRange(1, 3_650), metavar="N", help="Valid for N days; default: until revoked.")
@config_option
@json_option
def add(
    name: str, scopes: tuple[str, ...], role: str | None, days: int | None, config: str | None, as_json: bool
) -> None:
    """Make a token for NAME, a person or a system. It is printed once and not kept.

    \b
    Scopes: campaigns:read campaigns:draft campaigns:send campaigns:approve
      campaigns:control numbers:read accounts:read accounts:operate unknown:resolve
      inbound:read suppression:read suppression:write reports:read streams:send
      verify:use people:admin settings:read

    \b
    Examples:
      dispatcher token add crm --scope campaigns:read --scope streams:send
      dispatcher token add reports --role viewer --days 365
    """
    if bool(scopes) == (role is not None):
        raise UserError("give either --scope SCOPE, once or several times, or --role ROLE.")
    wanted = list(scopes) or sorted(permissions_of(role or ""))
    made = asyncio.run(_add(config, name, wanted, days))
    if as_json:
        print_json(TokenAdded(token=made.id, secret=made.secret, expires_ms=made.expires_ms))
        return
    click.echo(
        _("token {id} of {name}, {until}. It is shown only now:", id=made.id, name=name, until=_until(made.expires_ms)),
        err=True,
    )
    click.echo(made.secret)


@click.command("list")
@click.option("--all", "revoked", is_flag=True, help="Also those that were revoked.")
@config_option
@json_option
def list_command(revoked: bool, config: str | None, as_json: bool) -> None:
    """List the tokens and what they may do.

    \b
    Example:
      dispatcher token list
    """
    found = [each for each in asyncio.run(_list(config)) if revoked or not each.revoked_ms]
    if as_json:
        print_json(found)
    elif not found:
        click.echo(_("no tokens. Make one: dispatcher token add NAME --scope SCOPE"))
    else:
        table = columns("token", "name", "made", "by", "valid", "may do", prose=("may do",))
        for each in found:
            table.add_row(each.token, each.name, clock(each.made_ms), each.by, _valid(each), _scopes(each))
        console().print(table)


@click.command()
@click.argument("token")
@config_option
@json_option
def revoke(token: str, config: str | None, as_json: bool) -> None:
    """Revoke the token with this id; it counts at once.

    \b
    Example:
      dispatcher token revoke 1f2e3d4c
    """
    found = asyncio.run(_revoke(config, token))
    if as_json:
        print_json(found)
    else:
        click.echo(_("token {token} of {name} is revoked.", token=found.token, name=found.name))


async def _add(config: str | None, name: str, scopes: list[str], days: int | None) -> NewSecret:
    async with open_session(config) as session:
        people = await open_directory(session)
        made = await people.add_token(name, scopes, by=os_user(), days=days)
        await audit_as(session, os_user(), "system", "people:admin", f"token {made.id}", says=f"made for {name}")
        return made


async def _list(config: str | None) -> list[TokenView]:
    async with open_session(config) as session:
        return (await open_directory(session)).list_tokens()


async def _revoke(config: str | None, token: str) -> TokenView:
    async with open_session(config) as session:
        found = await (await open_directory(session)).revoke_token(token, by=os_user())
        await audit_as(session, os_user(), "system", "people:admin", f"token {token}", says="revoked")
        return found


def _valid(token: TokenView) -> str:
    return _("revoked by {revoked_by}", revoked_by=token.revoked_by) if token.revoked_ms else _until(token.expires_ms)


def _scopes(token: TokenView) -> str:
    """The role that has exactly these scopes, else the scopes."""
    return next((role for role, all_of in ROLES.items() if set(token.scopes) == all_of), " ".join(token.scopes))


def _until(expires_ms: int) -> str:
    return _("until {time}", time=clock(expires_ms)) if expires_ms else _("until it is revoked")
