"""`dispatcher account recharge | add | delete`: an agent of the BATCH platform acts on other accounts.

They need the table [account.NAME.agent], separate from the account's own keys. consumers/accounts/asking.py asks twice
and never repeats. A password is prompted for or read from a file, never taken from the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from consumers.accounts.asking import ask_and_carry_out, asking_options
from dispatcher.config.file import Config, load
from dispatcher.config.mistakes import plain
from dispatcher.config.small_files import read_toml
from dispatcher.errors import ConfigError, InputError
from dispatcher.i18n import N_, _
from dispatcher.sentences import Sentence
from dispatcher.terminal.options import config_option, json_option
from dispatcher.terminal.questions import ask, given_secret
from dispatcher.vendors.batch.agent import Agent, NewUser, add_user, delete_user, recharge
from dispatcher.vendors.batch.platform import BatchPlatform
from dispatcher.vendors.seam.vendor import HttpVendor, Secret

F = TypeVar("F", bound=Callable[..., Any])

NEEDED: Final = {
    "company": N_("The company's name"),
    "contact_mobile": N_("Its contact's mobile number"),
    "products": N_("Product ids, divided by commas"),
    "expires": N_("Last day, as YYYYMMDD"),
}
LISTS: Final = ("products", "web_ips", "http_ips")


@click.command("recharge")
@click.argument("account")
@click.argument("target")
@click.argument("fee", type=int)
@click.option("--deduct", is_flag=True, help="Take the fee away instead of adding it.")
@click.option("--product", default="", metavar="ID", help="The product to turn the fee into messages of.")
@asking_options
@config_option
@json_option
def recharge_account(
    account: str, target: str, fee: int, deduct: bool, product: str, config: str | None, as_json: bool, **asking: Any
) -> None:
    """Add FEE to the account TARGET at the vendor, or deduct it, as the agent of ACCOUNT.

    ACCOUNT is in the configuration, with a table [account.ACCOUNT.agent]; TARGET is the vendor's name of the account
    to charge. The command shows what it will send and asks twice. It asks the vendor once: without an answer the
    operation is unknown, the exit code is 1, and the command says what to look at.

    \b
    Examples:
      dispatcher account recharge boss shop01 1000
      dispatcher account recharge boss shop01 200 --deduct --product 1234567
      dispatcher account recharge boss shop01 1000 --yes --confirm shop01
    """
    loaded = load(config, secrets="none")
    vendor, agent = _agent(loaded, account)
    ask_and_carry_out(
        loaded,
        account,
        vendor,
        lambda now_s: recharge(agent, target, fee, now_s=now_s, deduct=deduct, product=product),
        name=target,
        as_json=as_json,
        **asking,
    )


def _user_options(function: F) -> F:
    """The fields of NewUser as options; None for one that was not given."""
    for option in reversed(
        (
            click.option("--company", help="The company's name."),
            click.option("--contact-mobile", metavar="NUMBER", help="Its contact's mobile number."),
            click.option("--product", "products", multiple=True, metavar="ID", help="A product; repeat it for more."),
            click.option("--expires", metavar="YYYYMMDD", help="The user's last day."),
            click.option("--kind", type=click.Choice(["normal", "agent"]), help="Default: normal."),
            click.option("--send-hours", metavar="FROM,TO", help="When it may send; default 8,21."),
            click.option(
                "--send-types",
                metavar="LETTERS",
                help="H single, B or P bulk, V variable texts, W web; default HBV.",
            ),
            click.option("--extno", metavar="DIGITS", help="Its extension; default none."),
            click.option("--signature", help="Its signature, without brackets; default none."),
            click.option("--web-ip", "web_ips", multiple=True, metavar="IP", help="Who may log in; repeat it."),
            click.option("--http-ip", "http_ips", multiple=True, metavar="IP", help="Who may send; repeat it."),
            click.option("--audit/--no-audit", default=None, help="Its messages are reviewed; default no."),
            click.option("--reports/--no-reports", default=None, help="Reports and messages; default yes."),
            click.option("--refund/--no-refund", default=None, help="What failed is paid back; default yes."),
            click.option("--force-signature/--no-force-signature", default=None, help="Default yes."),
            click.option("--anti-phishing/--no-anti-phishing", default=None, help="Default no."),
            click.option("--self-subscribe/--no-self-subscribe", default=None, help="Default no."),
            click.option("--sms-check/--no-sms-check", default=None, help="Default no."),
        )
    ):
        function = option(function)
    return function


@click.command("add")
@click.argument("account")
@click.argument("new")
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.toml",
    help="The fields as keys of a TOML file (company, contact_mobile, products, …); options win over it.",
)
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Read the new user's password from a file (- for standard input); otherwise it is prompted for.",
)
@_user_options
@asking_options
@config_option
@json_option
def add_account(
    account: str,
    new: str,
    file: Path | None,
    password_file: Any,
    config: str | None,
    as_json: bool,
    yes: bool,
    confirm: str | None,
    again: bool,
    **options: Any,
) -> None:
    """Add the user NEW at the vendor, as the agent of ACCOUNT.

    Prompts for missing fields. The command shows what it will send and asks twice; it asks the vendor once.

    \b
    Examples:
      dispatcher account add boss shop01 --company Shop --contact-mobile 13800138000 --product 12345 --expires 20301231
      dispatcher account add boss shop01 --from shop01.toml --password-file shop01.pw --yes --confirm shop01
    """
    loaded = load(config, secrets="none")
    vendor, agent = _agent(loaded, account)
    fields = (_read(file) if file is not None else {}) | _given(options)
    new_user = _new_user(_prompted(fields))
    password = Secret(given_secret(_("the new user's password"), password_file))
    ask_and_carry_out(
        loaded,
        account,
        vendor,
        lambda now_s: add_user(agent, new, password, new_user, now_s=now_s),
        name=new,
        yes=yes,
        confirm=confirm,
        again=again,
        as_json=as_json,
    )


@click.command("delete")
@click.argument("account")
@click.argument("target")
@asking_options
@config_option
@json_option
def delete_account(account: str, target: str, config: str | None, as_json: bool, **asking: Any) -> None:
    """Delete the user TARGET at the vendor, as the agent of ACCOUNT.

    The command shows what it will send and asks twice; it asks the vendor once.

    \b
    Example:
      dispatcher account delete boss shop01
    """
    loaded = load(config, secrets="none")
    vendor, agent = _agent(loaded, account)
    ask_and_carry_out(
        loaded,
        account,
        vendor,
        lambda now_s: delete_user(agent, target, now_s=now_s),
        name=target,
        as_json=as_json,
        **asking,
    )


# --- the agent -------------------------------------------------------------------------------------------------------


def _agent(config: Config, name: str) -> tuple[HttpVendor, Agent]:
    """The account and its agent's credentials. Raises ConfigError, with what to add."""
    vendor = config.accounts.get(name)
    if vendor is None:
        known = ", ".join(sorted(config.accounts)) or Sentence("none")
        raise ConfigError(
            'account "{name}" is not in {path} (accounts there: {known}).', name=name, path=config.path, known=known
        )
    if not isinstance(vendor, BatchPlatform):
        raise ConfigError(
            'account "{name}" is at {vendor}, which has no agent functions; batch-a and batch-b have.',
            name=name,
            vendor=vendor.tag,
        )
    if (name, "agent") in config.unset_tables:
        raise ConfigError(config.unset_tables[name, "agent"])
    if vendor.agent is None:
        raise ConfigError(
            'account "{name}" may not do this. If the vendor made you an agent, add [account.{name}.agent] to '
            "{path}, with the username, operator, secret_key and des_key that were agreed.",
            name=name,
            path=config.path,
        )
    if wrong := vendor.agent.check():
        raise ConfigError("{path}: [account.{name}]: {wrong}", path=config.path, name=name, wrong=wrong)
    return vendor, vendor.agent


# --- a new user's fields ---------------------------------------------------------------------------------------------


def _read(file: Path) -> dict[str, Any]:
    fields = read_toml(file)
    known = [field.name for field in msgspec.structs.fields(NewUser)]
    for name in fields:
        if name not in known:  # reported before missing fields are prompted for: it may be the same field
            raise InputError(
                "{file}: {mistake}. The keys are: {known}.",
                file=file,
                mistake=plain(f"unknown field `{name}`", NewUser),
                known=", ".join(known),
            )
    return fields


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as fields."""
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    if "send_hours" in given:
        opens, comma, closes = given["send_hours"].partition(",")
        if not comma or not opens.strip().isdecimal() or not closes.strip().isdecimal():
            raise InputError("{about} takes FROM,TO, for example 8,21.", about="--send-hours")
        given["send_hours"] = (int(opens), int(closes))
    return given


def _prompted(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, with missing ones that have no default prompted for at a terminal."""
    missing = [name for name in NEEDED if name not in fields]
    if missing and not sys.stdin.isatty():
        options = ", ".join(
            "--" + name.replace("_", "-").removesuffix("s" if name == "products" else "") for name in missing
        )
        raise InputError("the new user needs {options}; or --from FILE.toml.", options=options)
    for name in missing:
        value = ask(_(NEEDED[name]))
        fields[name] = [each.strip() for each in value.split(",")] if name in LISTS else value
    return fields


def _new_user(fields: dict[str, Any]) -> NewUser:
    try:
        return msgspec.convert(fields, NewUser)
    except msgspec.ValidationError as error:
        raise InputError("the new user's fields: {mistake}.", mistake=plain(str(error), NewUser)) from error
