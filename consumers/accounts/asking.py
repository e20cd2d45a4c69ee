"""Carries out an operation on an account at its vendor: shows what will be sent, asks twice, and prints the result.

All such commands use it (`dispatcher account recharge`, …). No secret is shown or taken from the command line.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from rich.text import Text

from dispatcher.config.file import Config
from dispatcher.core.campaigns import OperationState
from dispatcher.core.lane.answers.verdict import Kind
from dispatcher.errors import DispatcherError, UserError
from dispatcher.i18n import _
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.os_user import os_user
from dispatcher.service.session import open_session
from dispatcher.service.vendor_requests.operations import (
    OperationOutcome,
    carry_out,
    known_operations,
    operations_of,
    said,
    under_way_s,
)
from dispatcher.terminal.options import columns, console, print_json
from dispatcher.terminal.questions import ask
from dispatcher.terminal.questions import confirm as confirmed
from dispatcher.vendors.seam.vendor import HttpVendor, Operation
from dispatcher.wording import clock
from schemas.records import Operated

F = TypeVar("F", bound=Callable[..., Any])

USERS_MISTAKE: Final = frozenset({Kind.AUTH, Kind.REJECTED, Kind.BALANCE, Kind.CONTENT})


def asking_options(function: F) -> F:
    """`--yes`, `--confirm NAME` and `--again` as the parameters `yes`, `confirm` and `again` of `ask_and_carry_out`."""
    for option in (
        click.option("--again", is_flag=True, help="Ask for it although the same is unknown since an earlier time."),
        click.option("--confirm", metavar="NAME", help="With --yes: the name that would have to be typed."),
        click.option("--yes", is_flag=True, help="Do not ask; needs --confirm NAME too."),
    ):
        function = option(function)
    return function


def ask_and_carry_out(
    config: Config,
    account: str,
    vendor: HttpVendor,
    make: Callable[[int], Operation],
    *,
    name: str,
    yes: bool,
    confirm: str | None,
    again: bool = False,
    as_json: bool = False,
) -> None:
    """Show the operation, have it confirmed twice (the second time by typing `name`), carry it out once, print the
    result.

    `make` makes it for a time (Unix seconds): once to be shown, and again when it is sent, because it may carry the
    time. Raises UserError (not confirmed, or refused), DispatcherError (unknown, or not done for another reason).
    """
    shown = make(int(time.time()))
    _check_confirmed(name, yes=yes, confirm=confirm)
    asyncio.run(_check_not_unknown(config, account, shown, again=again))
    if not yes and not _agreed(account, vendor, shown, name):
        click.echo(_("nothing was sent."), err=True)
        return
    click.echo(_("asking the vendor, once …"), err=True)
    try:
        carried = asyncio.run(_carried(config, account, vendor, make, again=again))
    except KeyboardInterrupt:
        click.echo(
            _(
                "interrupted: it may have been done or not. {if_unknown} Its number is in: dispatcher account "
                "operations. Then: dispatcher account settle NUMBER done, or not-done.",
                if_unknown=shown.if_unknown,
            ),
            err=True,
        )
        raise
    _tell(account, shown, carried, as_json=as_json)


async def _carried(
    config: Config, account: str, vendor: HttpVendor, make: Callable[[int], Operation], *, again: bool
) -> OperationOutcome:
    log = await open_log(config.log.url)
    try:
        await _next_second(log, account)
        return await carry_out(log, vendor, account, make(int(time.time())), os_user(), again=again)
    finally:
        await log.close()


async def _next_second(log: Log, account: str) -> None:
    """Wait for another second: a vendor may refuse a timestamp it has seen (vendors.md AMB-BATCH-18)."""
    earlier = await known_operations(log, lambda record: record.account == account)
    last_s = max((known.asked.at_ms // 1000 for known in earlier), default=0)
    if 0 <= last_s + 1 - time.time() <= 1:
        await asyncio.sleep(last_s + 1 - time.time())


def _check_confirmed(name: str, *, yes: bool, confirm: str | None) -> None:
    if yes and confirm != name:
        raise UserError(
            "--yes also needs --confirm {name}: the name of the account, so that no script hits another.", name=name
        )
    if not yes and confirm is not None:
        raise UserError("--confirm goes with --yes.")
    if not yes and not sys.stdin.isatty():
        raise UserError(
            "there is no terminal to ask for confirmation.", name=name, do="If you mean it, add --yes --confirm {name}."
        )


def check_not_under_way(known: OperationState) -> None:
    """Raises UserError while another process may still be asking the vendor: the result is not final yet."""
    if (wait_s := under_way_s(known)) > 0:
        raise UserError(
            "operation {operation} was asked {at} by {by} and may still be under way: wait {wait_s:.0f} s.",
            operation=known.asked.operation,
            at=clock(known.asked.at_ms),
            by=known.asked.by,
            wait_s=wait_s,
        )


async def _check_not_unknown(config: Config, account: str, operation: Operation, *, again: bool) -> None:
    """Refuses an operation that an earlier, unknown one may have done."""

    def same(record: Operated) -> bool:
        return (record.account, record.name, record.shows) == (account, operation.name, operation.shows)

    async with open_session(config) as session:
        unknown = [known for known in await operations_of(session, same) if known.result == "unknown"]
    for known in unknown:
        check_not_under_way(known)
    if unknown and not again:
        first = unknown[0]
        raise UserError(
            "the same was asked {at} by {by}, and its result is unknown (operation {operation}). {if_unknown}",
            at=clock(first.asked.at_ms),
            by=first.asked.by,
            operation=first.asked.operation,
            if_unknown=operation.if_unknown,
            do="Then say so: dispatcher account settle {operation} done, or not-done. To order it anyway, add --again.",
        )


def _agreed(account: str, vendor: HttpVendor, operation: Operation, name: str) -> bool:
    table = columns("sent", "value", prose={"value"})
    for row in operation.shows:
        table.add_row(*map(Text, row))
    click.echo(
        _('{name}, asked of {url} by account "{account}":', name=operation.name, url=vendor.url, account=account),
        err=True,
    )
    console(err=True).print(table)
    if not confirmed(_("Have the vendor do this?"), yes=False):
        return False
    if ask(_("Once more: type {name} to confirm", name=name), default="") != name:
        raise UserError("that was not {name}: nothing was sent.", name=name)
    return True


def _tell(account: str, operation: Operation, carried: OperationOutcome, *, as_json: bool) -> None:
    verdict, says = carried.answer.verdict, said(carried.answer)
    if as_json:
        print_json(
            {
                "operation": carried.operation,
                "account": account,
                "name": operation.name,
                "result": carried.result,
                "code": verdict.code,
                "says": says,
            }
        )
    elif carried.result == "done":
        answer = f": {says}" if says else ""
        click.echo(_("done{says} (operation {operation}).", says=answer, operation=carried.operation))
        if operation.afterwards:
            click.echo(operation.afterwards)
    if carried.untold:
        click.echo(
            _(
                "warning: the log could not take the result ({untold}); `dispatcher account operations` will "
                "show {operation} as unknown. Settle it: dispatcher account settle {operation} {result}",
                untold=carried.untold,
                operation=carried.operation,
                result="not-done" if carried.result == "not-done" else "done",
            ),
            err=True,
        )
    if carried.result == "unknown":
        raise DispatcherError(
            "unknown: check with the vendor ({says}). It was asked once and is never repeated. {if_unknown}",
            says=says,
            if_unknown=operation.if_unknown,
            operation=carried.operation,
            do="Then: dispatcher account settle {operation} done, or not-done.",
        )
    if carried.result == "not-done":
        error = UserError if verdict.kind in USERS_MISTAKE else DispatcherError
        raise error(f"not done: {says} (operation {carried.operation}).")
