"""`dispatcher person add | list | role | password | remove`: who may sign in to the console, and as what.

A password is prompted for or read from a file, never taken from the command line, never shown, never logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import click
import msgspec

from dispatcher.core.people import ROLES
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.os_user import os_user
from dispatcher.service.people.audit import audit_as
from dispatcher.service.people.directory import Directory, NewSecret, PersonView, open_directory
from dispatcher.service.session import Session, open_session
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.terminal.questions import confirm, given_secret
from dispatcher.wording import clock, counted

T = TypeVar("T")

_password_file = click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Read the password from a file (- for standard input); otherwise it is prompted for.",
)
_role = click.Choice(list(ROLES))


class PersonAdded(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A new person; `link` is the path of the one-time link that sets the password."""

    name: str
    role: str
    link: str = ""


class PersonChanged(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was done to a person, and how many tokens it revoked."""

    name: str
    role: str = ""
    removed: bool = False
    tokens_revoked: int = 0
    password_set: bool = False


@click.command()
@click.argument("name")
@click.option("--role", type=_role, required=True, help="What the person may do; see docs/CONSOLE.md.")
@_password_file
@click.option("--link", is_flag=True, help="Print a one-time link instead: the person sets the password.")
@click.option("--no-password", is_flag=True, help="No password: only a trusted proxy signs the person in.")
@config_option
@json_option
def add(
    name: str, role: str, password_file: Any, link: bool, no_password: bool, config: str | None, as_json: bool
) -> None:
    """Add a person who may sign in to the console.

    \b
    Examples:
      dispatcher person add ann --role admin
      dispatcher person add bob --role operator --link
    """
    if bool(password_file) + link + no_password > 1:
        raise UserError("give only one of --password-file, --link and --no-password.")
    password = None if link or no_password else _password(_("the password"), password_file)

    async def order(session: Session, people: Directory) -> NewSecret | None:
        await people.add_person(name, role, password, by=os_user())
        await audit_as(session, os_user(), "system", "people:admin", name, says=f"added as {role}")
        return await people.make_link(name, by=os_user()) if link else None

    made = asyncio.run(_with_people(config, order))
    path = "" if made is None else f"/link/{made.secret}"
    if as_json:
        print_json(PersonAdded(name=name, role=role, link=path))
        return
    click.echo(_("{name} may sign in as {role}.", name=name, role=role))
    if made is not None:
        click.echo(
            _(
                "Until {time} this address of the console sets the password, once: {path}",
                time=clock(made.expires_ms),
                path=path,
            )
        )


@click.command("list")
@config_option
@json_option
def list_command(config: str | None, as_json: bool) -> None:
    """List who may sign in to the console.

    \b
    Example:
      dispatcher person list
    """

    async def ask(_: Session, people: Directory) -> list[PersonView]:
        return people.list_people()

    found = asyncio.run(_with_people(config, ask))
    if as_json:
        print_json(found)
    elif not found:
        click.echo(_("no people yet. Add one: dispatcher person add NAME --role admin"))
    else:
        table = columns("name", "role", "password", "sessions", "since", "by", right=frozenset((3,)))
        for each in found:
            password = _("yes") if each.has_password else _("no")
            table.add_row(each.name, each.role, password, str(each.sessions), clock(each.since_ms), each.by)
        console().print(table)


@click.command()
@click.argument("name")
@click.argument("role", type=_role)
@config_option
@json_option
def role(name: str, role: str, config: str | None, as_json: bool) -> None:
    """Give a person another role; it counts at once.

    \b
    Example:
      dispatcher person role bob approver
    """

    async def order(session: Session, people: Directory) -> None:
        await people.set_role(name, role, by=os_user())
        await audit_as(session, os_user(), "system", "people:admin", name, says=f"is now {role}")

    asyncio.run(_with_people(config, order))
    if as_json:
        print_json(PersonChanged(name=name, role=role))
    else:
        click.echo(_("{name} is now {role}.", name=name, role=role))


@click.command()
@click.argument("name")
@_password_file
@config_option
@json_option
def password(name: str, password_file: Any, config: str | None, as_json: bool) -> None:
    """Set a person's password; it signs the person out everywhere.

    \b
    Examples:
      dispatcher person password ann
      dispatcher person password ann --password-file new.pw
    """
    new = _password(_("the new password"), password_file)

    async def order(session: Session, people: Directory) -> None:
        await people.set_password(name, new, by=os_user())
        await audit_as(session, os_user(), "system", "people:admin", name, says="password set")

    asyncio.run(_with_people(config, order))
    if as_json:
        print_json(PersonChanged(name=name, password_set=True))
    else:
        click.echo(_("the password of {name} is set. Sessions of {name} have ended.", name=name))


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
@json_option
def remove(name: str, yes: bool, config: str | None, as_json: bool) -> None:
    """Remove a person: ends their sessions and revokes their tokens. Asks before.

    \b
    Example:
      dispatcher person remove bob
    """
    if not confirm(_("Remove {name}, their sessions and their tokens?", name=name), yes=yes):
        click.echo(_("nothing was changed."), err=True)
        return

    async def order(session: Session, people: Directory) -> int:
        tokens = await people.remove_person(name, by=os_user())
        await audit_as(session, os_user(), "system", "people:admin", name, says="removed")
        return tokens

    tokens = asyncio.run(_with_people(config, order))
    if as_json:
        print_json(PersonChanged(name=name, removed=True, tokens_revoked=tokens))
    else:
        click.echo(_("{name} is removed; {count} revoked.", name=name, count=counted(tokens, "token")))


def _password(what: str, file: Any) -> str:
    return given_secret(what, file)


async def _with_people(config: str | None, call: Callable[[Session, Directory], Awaitable[T]]) -> T:
    async with open_session(config) as session:
        return await call(session, await open_directory(session))
