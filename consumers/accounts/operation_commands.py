"""`dispatcher account operations | settle`: lists operations on accounts; settles an unknown one by a person's word.

The operations are on the log (dispatcher/service/vendor_requests/operations.py).
"""

from __future__ import annotations

import asyncio

import click
from rich.text import Text

from consumers.accounts.asking import check_not_under_way
from dispatcher.core.campaigns import OperationState
from dispatcher.errors import UserError
from dispatcher.i18n import _
from dispatcher.os_user import os_user
from dispatcher.service.session import open_session
from dispatcher.service.vendor_requests.operations import Operations, operations_of, settle, view_of
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.terminal.questions import confirm
from dispatcher.wording import clock
from dispatcher.words import word


@click.command("operations")
@config_option
@json_option
def list_operations(config: str | None, as_json: bool) -> None:
    """List the operations on accounts: when, who, what, and the result.

    Top-ups, deductions, new and deleted users, changed logins; from the log, which has each before the vendor is asked.
    An operation without a result is unknown: ask the vendor, then `dispatcher account settle`.

    \b
    Example:
      dispatcher account operations
    """
    known = asyncio.run(_known(config))
    if as_json:
        print_json(Operations(operations=[view_of(each) for each in known]))
    elif not known:
        click.echo(_("no operations yet."))
    else:
        names = ("operation", "asked", "by", "account", "what", "result", "says")
        table = columns(*names, prose={"what", "says"})
        for each in known:
            asked = each.asked
            row = (
                asked.operation,
                clock(asked.at_ms),
                asked.by,
                asked.account,
                _what(each),
                word(each.result),
                _says(each),
            )
            table.add_row(*map(Text, row))
        console().print(table)


@click.command("settle")
@click.argument("operation")
@click.argument("result", type=click.Choice(["done", "not-done"]))
@click.option("--why", default="the vendor says so", show_default=True, help="How you know it.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@config_option
def settle_operation(operation: str, result: str, why: str, yes: bool, config: str | None) -> None:
    """Settle an unknown OPERATION after the vendor told you whether it was done.

    \b
    Example:
      dispatcher account settle 9f3a01c2 done --why "it is in the vendor's recharge records"
    """
    found = [each for each in asyncio.run(_known(config)) if each.asked.operation == operation]
    if not found:
        raise UserError(
            "there is no operation {operation} on the log.",
            operation=operation,
            do="See: dispatcher account operations",
        )
    [known] = found
    if known.result != "unknown":
        raise UserError(
            "operation {operation} is not unknown: {result} ({says}).",
            operation=operation,
            result=known.result,
            says=_says(known),
        )
    check_not_under_way(known)
    if not confirm(
        _(
            "{what}, asked {time}: write down that it was {result}?",
            what=_what(known),
            time=clock(known.asked.at_ms),
            result=result,
        ),
        yes=yes,
    ):
        click.echo(_("nothing was written down."), err=True)
        return
    asyncio.run(_settle(config, known, result == "done", why))
    click.echo(_("operation {operation}: {result}.", operation=operation, result=result))


def _what(known: OperationState) -> str:
    """`recharge 100 of shop01`, for a table."""
    shows = dict(known.asked.shows)
    fee = f" {shows['fee']}" if "fee" in shows else ""
    account = shows.get("account", "")
    if account and fee:
        return _("{order}{fee} of {account}", order=known.asked.name, fee=fee, account=account)
    return f"{known.asked.name}{fee} {account}".rstrip()


def _says(known: OperationState) -> str:
    last = known.last
    if last is known.asked:
        return _("no result: it broke off, or is still under way")
    return last.says if last.code else _("{says} (said by {by})", says=last.says, by=last.by)


async def _known(config: str | None) -> list[OperationState]:
    async with open_session(config) as session:
        return await operations_of(session)


async def _settle(config: str | None, known: OperationState, done: bool, why: str) -> None:
    async with open_session(config) as session:
        await settle(await session.log(), known.asked, done=done, by=os_user(), why=why)
