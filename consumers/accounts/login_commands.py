"""`dispatcher account change-login`: a new password and login name, for an account whose vendor offers that.

The new password is prompted for or read from a file, never taken from the command line, never shown, never logged.
consumers/accounts/asking.py asks twice, asks the vendor once, and never repeats. If the result is unknown, the person
tries both passwords by hand, once each, because wrong logins may lock the account.
"""

from __future__ import annotations

from typing import Any

import click
import msgspec

from consumers.accounts.asking import ask_and_carry_out, asking_options
from dispatcher.config.file import load
from dispatcher.errors import InputError, UserError
from dispatcher.i18n import _
from dispatcher.terminal.options import config_option, json_option
from dispatcher.terminal.questions import given_secret
from dispatcher.vendors.seam.vendor import HttpVendor, Operation, Secret


@click.command("change-login")
@click.argument("name", metavar="ACCOUNT")
@click.option("--login-name", metavar="NAME", help="A new login name, too; default: it stays.")
@click.option(
    "--password-file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Read the new password from a file (- for standard input); otherwise it is prompted for.",
)
@asking_options
@config_option
@json_option
def change_login(
    name: str, login_name: str | None, password_file: Any, config: str | None, as_json: bool, **asking: Any
) -> None:
    """Change the password of ACCOUNT at its vendor (COSMS), and the login name if you give one.

    The command shows what it will send and asks twice. It asks the vendor once: without an answer the result is unknown
    and the exit code is 1; then try both passwords by hand on the vendor's own pages. Stop `dispatcher run` before: it
    would use the old password and stop the account's lane at the first refusal.

    \b
    Examples:
      dispatcher account change-login summer
      dispatcher account change-login summer --password-file new.pw --yes --confirm summer
    """
    loaded = load(config, secrets=[name])
    vendor = loaded.account(name)
    if not isinstance(vendor, HttpVendor) or type(vendor).change_login is HttpVendor.change_login:
        raise UserError(
            'account "{name}": vendor {vendor} has no call that changes a login. Ask the vendor.',
            name=name,
            vendor=vendor.tag,
        )
    password = Secret(given_secret(_("the new password"), password_file))
    if not password:
        raise InputError("the new password is empty. Write one.")

    def make(_now_s: int) -> Operation:
        operation = vendor.change_login(password, login_name)
        assert operation is not None
        return msgspec.structs.replace(
            operation,
            secrets=(*operation.secrets, str(password)),
            afterwards=f"in {loaded.path}, [account.{name}]: {operation.afterwards}",
        )

    ask_and_carry_out(loaded, name, vendor, make, name=name, as_json=as_json, **asking)
