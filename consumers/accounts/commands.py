"""`dispatcher account list | check | balance`: the accounts of the configuration, their logins and balances.

No secret is ever printed; keys that hold one are not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import click

from dispatcher.accounts.ask_book import asked
from dispatcher.errors import DispatcherError, UserError
from dispatcher.i18n import _
from dispatcher.service.accounts import (
    AccountCheck,
    AccountChecks,
    AccountList,
    AccountView,
    Balances,
    CheckStart,
    Probe,
    account_balances,
    check_accounts,
    list_accounts,
    run_by_the_old,
    silent,
)
from dispatcher.service.campaigns.moves import move_sentence
from dispatcher.service.session import open_session
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.vendors.seam.vendor import HttpVendor, Vendor
from dispatcher.wording import counted, listed
from dispatcher.words import stop_sentence
from schemas.records import BalanceAsked

WAIT_TOLD_S_MIN: Final = 0.5

_ERRORS = {False: UserError, None: DispatcherError}


@click.command("list")
@config_option
@json_option
def list_command(config: str | None, as_json: bool) -> None:
    """List the accounts of the configuration, their limits, who runs their lanes, and why one does not send.

    \b
    Example:
      dispatcher account list
    """
    found = asyncio.run(_list(config))
    if as_json:
        print_json(found)
    elif not found.accounts:
        click.echo(
            _("no accounts in {config}. Add one: [account.NAME], see dispatcher.example.toml.", config=found.config)
        )
    else:
        _print_accounts(found.accounts)
        for each in found.accounts:
            if each.stopped is not None:
                console().print(f"\n{stop_sentence(each.stopped)}", style="yellow")
            for move in each.moved:
                console().print(f"  {move_sentence(move)}", style="yellow")


async def _list(config: str | None) -> AccountList:
    async with open_session(config) as session:
        return await list_accounts(session)


@click.command()
@click.argument("name", required=False)
@config_option
@json_option
def check(name: str | None, config: str | None, as_json: bool) -> None:
    """Check the configuration and log in at the vendor, for one account or all of them.

    The login is tried with a balance query, as soon as the vendor's interval between queries allows it. If it succeeds,
    or the vendor has no such query, a lane that stopped because of a wrong login continues. What is known without the
    vendor is printed at once.

    \b
    Examples:
      dispatcher account check
      dispatcher account check spring
    """
    found, old = asyncio.run(_check(config, name, told=not as_json))
    if as_json:
        print_json(found)
    else:
        for pid in old:
            click.echo(
                _(
                    "process {pid} read {config} before it was changed, and still uses what it read: restart it "
                    "(dispatcher run).",
                    pid=pid,
                    config=found.config,
                ),
                err=True,
            )
    _fail_on(found.accounts)


async def _check(config: str | None, name: str | None, *, told: bool) -> tuple[AccountChecks, list[int]]:
    """The checks, and the processes that run these accounts with an older configuration."""
    starts, checked = (_print_start, _print_check) if told else (silent, silent)
    async with open_session(config) as session:
        found = await check_accounts(session, name, starts=starts, waits=_waits, checked=checked)
        return found, run_by_the_old(session.config, [each.account for each in found.accounts])


@click.command()
@click.argument("name", required=False)
@config_option
@json_option
def balance(name: str | None, config: str | None, as_json: bool) -> None:
    """The balance, in messages: of one account or all of them.

    The vendors are asked, unless a running lane or another command asked just now: vendors limit how often.

    \b
    Examples:
      dispatcher account balance
      dispatcher account balance spring --json
    """
    found = asyncio.run(_balances(config, name))
    if as_json:
        print_json(found)
    else:
        table = columns("account", "messages", "asked", "products", right=frozenset({1}), prose={"products"})
        for each in found.accounts:
            known = "?" if each.messages is None else f"{each.messages:,.0f}"
            when = each.recalled or ("now" if each.asked else "never")
            products = ", ".join(f"{product} {messages:,.0f}" for product, messages in each.products.items())
            table.add_row(each.account, known, when, each.says if each.messages is None or each.recalled else products)
        console().print(table)
    _fail_on(found.accounts)


async def _balances(config: str | None, name: str | None) -> Balances:
    async with open_session(config) as session:
        return await account_balances(session, name)


def _waits(vendor: Vendor, wait_s: float, because: BalanceAsked) -> None:
    if wait_s >= WAIT_TOLD_S_MIN and isinstance(vendor, HttpVendor):
        click.echo(
            _(
                "{account}: the balance was asked {asked}; the vendor takes one query in {balance_interval_s:g} "
                "s, asking again in {wait_s:.0f} s …",
                account=because.account,
                asked=asked(because),
                balance_interval_s=vendor.balance_interval_s,
                wait_s=wait_s,
            ),
            err=True,
        )


def _print_start(start: CheckStart) -> None:
    keys = _("every key is in order")
    if start.unset:
        keys = _("every key is in order, but secrets are missing of {names}", names=listed(start.unset))
    click.echo(f"{start.config}: {counted(start.configured, 'account')}, {keys}.")
    for stop in start.stops:
        console().print(stop_sentence(stop), style="yellow", soft_wrap=True)


def _print_check(each: AccountCheck) -> None:
    from rich.text import Text

    mark = {True: Text(_("ok"), "green"), False: Text(_("refused"), "red"), None: Text(_("not known"))}[each.let_in]
    left = "" if each.messages is None else _(", {messages:,.0f} messages left", messages=each.messages)
    says = f" ({each.says})" if each.let_in and each.says != "let in" else "" if each.let_in else f": {each.says}"
    cause = _("the login") if each.asked else _("the login or the balance")
    lane = _("; a lane that stopped because of {cause} continues", cause=cause) if each.lane_told else ""
    console().print(Text(f"{each.account}: ").append_text(mark).append(f"{left}{says}{lane}."), soft_wrap=True)


def _fail_on(probes: Sequence[Probe]) -> None:
    """The exit code, with a sentence: the user must fix a refusal by the vendor; anything else is a failure."""
    for let_in, error in _ERRORS.items():
        names = [each.account for each in probes if each.asked and each.let_in is let_in and each.messages is None]
        if names and let_in is False:
            raise error(
                f"the vendor refused {listed(names)}. Correct [account.{names[0]}] in the configuration, then: "
                f"dispatcher account check {names[0]}"
            )
        if names:
            raise error(f"{listed(names)}: not known whether the login works, see above. Try again later.")


def _print_accounts(accounts: Sequence[AccountView]) -> None:
    table = columns(
        "account", "vendor", "url", "flow limit", "numbers/request", "lane", "run by", right=frozenset({4, 5})
    )
    for each in accounts:
        table.add_row(
            each.account,
            each.vendor,
            each.url,
            each.flow or _("none"),
            f"{each.numbers_per_request:,}",
            str(each.lane_partition),
            _("process {pid}", pid=each.held_by.pid) if each.held_by else "-",
        )
    console().print(table)
