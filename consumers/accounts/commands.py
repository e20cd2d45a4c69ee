"""`dispatcher account list | check | balance`: the accounts of the configuration and what the vendors say of them.

No secret is ever printed; a key that holds one is not shown at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import compress
from typing import Any, Final

import click
from rich.text import Text

from dispatcher.accounts.ask_book import BalanceBook, asked
from dispatcher.accounts.holders import lane_holders
from dispatcher.accounts.stops import as_object, sentence
from dispatcher.campaigns_feed import read_campaigns
from dispatcher.config.file import Config, load
from dispatcher.errors import ConfigError, DispatcherError, LogError, UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Log
from dispatcher.os_user import os_user
from dispatcher.service.accounts import Probe, balance_of, probe, run_by_the_old, tell_lane
from dispatcher.store.opening import check_url
from dispatcher.terminal.options import columns, config_option, console, json_option, print_json
from dispatcher.vendors.seam.vendor import Vendor
from dispatcher.words import listed
from schemas.records import BalanceAsked, Stopped
from schemas.topics import lane_partition

WAIT_TOLD_S_MIN: Final = 0.5

_ERRORS = {False: UserError, None: DispatcherError}


@click.command("list")
@config_option
@json_option
def list_accounts(config: str | None, as_json: bool) -> None:
    """List the accounts of the configuration, their limits, who runs their lanes, and why one does not send.

    \b
    Example:
      dispatcher account list
    """
    loaded = load(config, secrets="none")
    held, stops = lane_holders(loaded) or {}, asyncio.run(_stops(loaded))
    rows = []
    for name, vendor in sorted(loaded.accounts.items()):
        partition = lane_partition(name)
        holder = held.get(partition)
        rows.append(
            {
                "account": name,
                "vendor": vendor.tag,
                "url": vendor.url,
                "flow": _flow(vendor),
                "numbers_per_request": vendor.limits.numbers_max,
                "lane_partition": partition,
                "held_by": {"pid": holder.pid, "host": holder.host, "since_ms": holder.since_ms} if holder else None,
                "stopped": as_object(stops[name]) if name in stops else None,
            }
        )
    if as_json:
        print_json({"config": loaded.path, "accounts": rows})
    elif not rows:
        click.echo(f"no accounts in {loaded.path}. Add one: [account.NAME], see dispatcher.example.toml.")
    else:
        _table(rows)
        for name in sorted(stops.keys() & loaded.accounts.keys()):
            console().print(Text(f"\n{sentence(stops[name])}", style="yellow"))


async def _stops(config: Config) -> dict[str, Stopped]:
    """The accounts that are kept from sending; none where there is no log to tell it."""
    try:
        log = await open_log(config.log.url, create=False)
    except (ConfigError, LogError):
        return {}
    try:
        return (await read_campaigns(log)).stopped()
    finally:
        await log.close()


@click.command()
@click.argument("name", required=False)
@config_option
@json_option
def check(name: str | None, config: str | None, as_json: bool) -> None:
    """Check the configuration and log in at the vendor, for one account or all of them.

    The login is tried with a balance query, as soon as the vendor's interval between two of them allows it. Where the
    vendor lets us in, or has no such query, a lane that stopped because of a wrong login goes on.

    \b
    Examples:
      dispatcher account check
      dispatcher account check spring
    """
    loaded = load(config, secrets=[name] if name is not None else "all")
    check_url(loaded.store)
    probes = asyncio.run(_checked(loaded, _chosen(loaded, name)))
    if as_json:
        print_json({"config": loaded.path, "accounts": [_as_json(each) | {"lane_told": told} for each, told in probes]})
    else:
        count = len(loaded.accounts)
        keys = "every key is in order"
        if loaded.unset:
            keys = f"every key is in order, but secrets are missing of {listed(sorted(loaded.unset))}"
        click.echo(f"{loaded.path}: {count} account{'' if count == 1 else 's'}, {keys}.")
        for each, told in probes:
            _print_probe(each, told)
        _tell_who_knows_the_old(loaded, [each.account for each, _ in probes])
    _fail_on([each for each, _ in probes])


@click.command()
@click.argument("name", required=False)
@config_option
@json_option
def balance(name: str | None, config: str | None, as_json: bool) -> None:
    """The balance, in messages: of one account or all of them.

    The vendors are asked, unless a running lane or somebody else asked just now: vendors bound how often they are.

    \b
    Examples:
      dispatcher account balance
      dispatcher account balance spring --json
    """
    loaded = load(config, secrets=[name] if name is not None else "all")
    probes = asyncio.run(_balances(loaded, _chosen(loaded, name)))
    if as_json:
        print_json({"accounts": [_as_json(each) for each in probes]})
    else:
        table = columns("account", "messages", "asked", "products", right=frozenset({1}), prose={"products"})
        for each in probes:
            known = "?" if each.messages is None else f"{each.messages:,.0f}"
            when = each.recalled or ("now" if each.asked else "never")
            products = ", ".join(f"{product} {messages:,.0f}" for product, messages in each.products.items())
            table.add_row(each.account, known, when, each.says if each.messages is None or each.recalled else products)
        console().print(table)
    _fail_on(probes)


def _chosen(config: Config, name: str | None) -> dict[str, Vendor]:
    if name is not None:
        if name not in config.accounts:
            known = ", ".join(sorted(config.accounts)) or "none"
            raise ConfigError(f'account "{name}" is not in {config.path} (accounts there: {known}).')
        return {name: config.accounts[name]}
    if not config.accounts:
        raise ConfigError(f"no accounts in {config.path}. Add one: [account.NAME], see dispatcher.example.toml.")
    return dict(sorted(config.accounts.items()))


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[tuple[Log, bool]]:
    """The log, and whether it was there before. It is made: nobody may be asked who is not in the balance book."""
    try:
        log, new = await open_log(config.log.url, create=False), False
    except ConfigError:
        log, new = await open_log(config.log.url), True
    try:
        yield log, new
    finally:
        await log.close()


async def _balances(config: Config, accounts: dict[str, Vendor]) -> list[Probe]:
    async with _opened(config) as (log, _):
        book = BalanceBook(log, accounts, f"{os_user()} (account balance)")
        return await asyncio.gather(*(balance_of(book, vendor, name) for name, vendor in accounts.items()))


async def _checked(config: Config, accounts: dict[str, Vendor]) -> list[tuple[Probe, bool]]:
    """The probes, and whether the lane was told to go on: also where only its next send can tell."""
    async with _opened(config) as (log, new):
        book = BalanceBook(log, accounts, f"{os_user()} (account check)")
        probes = await asyncio.gather(
            *(probe(book, vendor, name, partial(_waits, vendor)) for name, vendor in accounts.items())
        )
        told = [not new and bool(each.let_in or not each.asked) for each in probes]
        for each in compress(probes, told):
            await tell_lane(log, each.account)
        return list(zip(probes, told, strict=True))


def _waits(vendor: Vendor, wait_s: float, because: BalanceAsked) -> None:
    if wait_s >= WAIT_TOLD_S_MIN:
        click.echo(
            f"{because.account}: the balance was asked {asked(because)}; the vendor takes one query in "
            f"{vendor.balance_interval_s:g} s, asking again in {wait_s:.0f} s …",
            err=True,
        )


def _tell_who_knows_the_old(config: Config, accounts: Sequence[str]) -> None:
    """Say which running dispatchers of these accounts read the configuration before it was changed."""
    for pid in run_by_the_old(config, accounts):
        click.echo(
            f"process {pid} read {config.path} before it was changed, and goes on with what it knows: restart it "
            "(dispatcher run).",
            err=True,
        )


def _print_probe(each: Probe, told: bool) -> None:
    mark = {True: click.style("ok", fg="green"), False: click.style("refused", fg="red"), None: "not known"}[
        each.let_in
    ]
    left = "" if each.messages is None else f", {each.messages:,.0f} messages left"
    says = f" ({each.says})" if each.let_in and each.says != "let in" else "" if each.let_in else f": {each.says}"
    cause = "the login" if each.asked else "the login or the balance"
    lane = f"; a lane that stopped because of {cause} goes on" if told else ""
    click.echo(f"{each.account}: {mark}{left}{says}{lane}.")


def _fail_on(probes: Sequence[Probe]) -> None:
    """The exit code, with a sentence: refused by the vendor is for the user to mend, anything else is a failure."""
    for let_in, error in _ERRORS.items():
        names = [each.account for each in probes if each.asked and each.let_in is let_in and each.messages is None]
        if names and let_in is False:
            raise error(
                f"the vendor refused {listed(names)}. Correct [account.{names[0]}] in the configuration, then: "
                f"dispatcher account check {names[0]}"
            )
        if names:
            raise error(f"{listed(names)}: not known whether the login works, see above. Try again later.")


def _as_json(each: Probe) -> dict[str, Any]:
    return {
        "account": each.account,
        "let_in": each.let_in,
        "messages": each.messages,
        "products": each.products,
        "says": each.says,
        "recalled": each.recalled or None,
    }


def _flow(vendor: Vendor) -> str | None:
    flow = vendor.flow
    return None if flow is None else f"{flow.limit:,} {flow.unit} per {flow.per_s:g} s"


def _table(rows: list[dict[str, Any]]) -> None:
    table = columns(
        "account", "vendor", "url", "flow limit", "numbers/request", "lane", "run by", right=frozenset({4, 5})
    )
    for row in rows:
        held = row["held_by"]
        table.add_row(
            row["account"],
            row["vendor"],
            row["url"],
            row["flow"] or "none",
            f"{row['numbers_per_request']:,}",
            str(row["lane_partition"]),
            f"process {held['pid']}" if held else "-",
        )
    console().print(table)
