"""A first configuration: from questions or from options, checked, and written to a new file."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from dispatcher.config.file import ACCOUNT_NAME, parse
from dispatcher.config.starter import StarterAccount, needed, reference, starter, table, variable
from dispatcher.errors import ConfigError, UserError
from dispatcher.private_files import make_folder, written_new
from dispatcher.terminal.questions import ask, confirm
from dispatcher.vendors import registry

ANY_SECRET: Final = "a-secret-to-check-with"


def write(file: Path, accounts: Sequence[str], settings: Sequence[str]) -> Iterator[str]:
    """Write it; returns what to do next, line by line. Without `accounts` (NAME=VENDOR) it asks.

    Raises UserError, also where the file is there already.
    """
    if os.path.lexists(file):
        raise UserError(
            "{file} is there already, and is not overwritten.", file=file, do="Name another file: dispatcher init FILE"
        )
    if not accounts and settings:
        raise UserError("--set goes with --account NAME=VENDOR.")
    if not accounts and not sys.stdin.isatty():
        raise UserError("there is no terminal to ask at. Give --account NAME=VENDOR and --set NAME.KEY=VALUE.")
    chosen = _given(accounts, settings) if accounts else _asked()
    _check(chosen, file)
    text = starter(chosen)
    try:
        make_folder(file.absolute().parent)
        with written_new(file) as out:
            out.write(text.encode())
    except FileExistsError:
        raise UserError("{file} appeared meanwhile, and is not overwritten.", file=file) from None
    yield f"{file} is written. Next:"
    for secret in sorted({value for each in chosen for key, value in each.values.items() if _is_secret(each, key)}):
        where = secret.removeprefix("${").removesuffix("}")
        is_file = where.startswith("file:")
        yield f"  put the secret into {where[5:]}" if is_file else f"  export {where}=…"
    yield f"  dispatcher account check{'' if file == Path('dispatcher.toml') else f' --config {file}'}"


def _is_secret(account: StarterAccount, key: str) -> bool:
    return any(each.key == key and each.secret for each in needed(account.vendor))


def _check(accounts: Sequence[StarterAccount], file: Path) -> None:
    """Raises ConfigError for what the configuration would be refused for."""
    parse(table(accounts, ANY_SECRET), str(file))


def _asked() -> list[StarterAccount]:
    found: list[StarterAccount] = []
    while True:
        account = _asked_account(found)
        try:
            _check([*found, account], Path("dispatcher.toml"))
        except ConfigError as error:
            click.echo(f"that cannot be used: {error} Once more.", err=True)
            continue
        found.append(account)
        if not confirm("Another account?", yes=False):
            return found


def _asked_account(others: Sequence[StarterAccount]) -> StarterAccount:
    name = _name("Account: a name of your choice", others)
    vendor = ask("Its vendor's interface", choices=registry.tags())
    values = {}
    for each in needed(vendor):
        if each.secret:
            values[each.key] = _secret(name, each.key)
        else:
            values[each.key] = ask(f"{each.key}: {each.meaning}")
    return StarterAccount(name=name, vendor=vendor, values=values, limit=_limit())


def _name(question: str, others: Sequence[StarterAccount]) -> str:
    while True:
        name = ask(question, default="" if others else "spring")
        if not ACCOUNT_NAME.fullmatch(name):
            click.echo('A name is letters, digits, "_", "-" and ".".', err=True)
        elif any(other.name == name for other in others):
            click.echo(f'There is an account "{name}" already.', err=True)
        else:
            return name


def _secret(account: str, key: str) -> str:
    while True:
        where = ask(f"{key} is a secret: its environment variable, or file:PATH", default=variable(account, key))
        try:
            return reference(where)
        except ConfigError as error:
            click.echo(str(error), err=True)


def _limit() -> int | None:
    while True:
        typed = ask("Messages per second that the contract allows; Enter if there is no limit", default="")
        if not typed:
            return None
        if limit := _whole_number(typed):
            return limit
        click.echo("Write a whole number above 0.", err=True)


def _whole_number(typed: str) -> int | None:
    """The number; 0 or None for anything else than a whole number above 0."""
    return int(typed) if typed.isascii() and typed.isdigit() else None


def _given(accounts: Sequence[str], settings: Sequence[str]) -> list[StarterAccount]:
    """The accounts of the options. Raises UserError, also for a key that is missing or of no account."""
    vendors: dict[str, str] = {}
    for option in accounts:
        name, equals, vendor = option.partition("=")
        if not equals or not ACCOUNT_NAME.fullmatch(name):
            raise UserError('--account "{option}" must be NAME=VENDOR.', option=option)
        if name in vendors:
            raise UserError('--account "{name}" is given twice.', name=name)
        vendors[name] = vendor
    values: dict[str, dict[str, str]] = {name: {} for name in vendors}
    for option in settings:
        where, equals, value = option.partition("=")
        name, dot, key = where.rpartition(".")
        if not equals or not dot or name not in values:
            raise UserError('--set "{option}" must be NAME.KEY=VALUE, where NAME is of an --account.', option=option)
        values[name][key] = value
    return [_account(name, vendor, values[name]) for name, vendor in vendors.items()]


def _account(name: str, vendor: str, values: dict[str, str]) -> StarterAccount:
    typed, limit = values.pop("limit", None), None
    if typed is not None and not (limit := _whole_number(typed)):
        raise UserError("--set {name}.limit must be a whole number above 0: messages per second.", name=name)
    keys = needed(vendor)
    strange = sorted(values.keys() - {each.key for each in keys})
    if strange:
        raise UserError(
            "--set {name}.{strange}: {vendor} needs {keys}. Other keys stand in "
            "the file behind #, with their defaults.",
            name=name,
            strange=strange[0],
            vendor=vendor,
            keys=", ".join(each.key for each in keys),
            about="--set",
        )
    for each in keys:
        if each.secret:
            values[each.key] = reference(values.get(each.key, variable(name, each.key)))
        elif not values.get(each.key):
            raise UserError(
                "{name} needs {key}: --set {name}.{key}=VALUE. {meaning}", name=name, key=each.key, meaning=each.meaning
            )
    return StarterAccount(name=name, vendor=vendor, values={each.key: values[each.key] for each in keys}, limit=limit)
