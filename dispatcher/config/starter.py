"""A first configuration, written from answers: its text, with a comment for every key that is in it. Pure.

It holds no secrets: those are references, `${NAME}` to the environment and `${file:PATH}` to a file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import fields

from dispatcher.config.file import HoursConfig
from dispatcher.config.places import DisplayConfig, LogConfig, StoreConfig
from dispatcher.errors import ConfigError
from dispatcher.vendors import registry
from dispatcher.vendors.seam.link import LinkVendor
from dispatcher.vendors.seam.vendor import Secret, Vendor

_REFERENCE: Final = re.compile(r"\$\{(file:[^{}]+|[A-Za-z_][A-Za-z0-9_]*)\}")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")

MEANINGS: Final = {
    "url": "The vendor's address, without the path of a call.",
    "account": "The account's name at the vendor.",
    "pswd": "Its password.",
    "corp_id": "The company's id at the vendor.",
    "login_name": "The user's login name.",
    "password": "Its password.",
    "oper_id": "The operator's id at the vendor.",
    "oper_pass": "Its password.",
    "secret": "Its shared secret.",
    "sp_id": "The SP's id at the operator.",
    "userid": "The company's id at the vendor.",
    "username": "The user's login name.",
    "flow": "The contract's flow limit: the most messages that may be sent in any second.",
}
"""What a key means, for the question and for the comment above it."""


class Needed(msgspec.Struct, frozen=True):
    """A key that every account of a vendor needs."""

    key: str
    secret: bool

    @property
    def meaning(self) -> str:
        """In words."""
        return _meaning(self.key)


class StarterAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account to be written: its keys without `vendor`, and its flow limit, if the contract has one."""

    name: str
    vendor: str
    values: Mapping[str, str]
    limit: int | None = None


def needed(tag: str) -> list[Needed]:
    """The keys without a default, in their order. Raises ConfigError for a vendor that is not installed."""
    return [Needed(each.encode_name, each.type is Secret) for each in fields(_kind(tag)) if each.required]


def reference(where: str) -> str:
    """`${NAME}` or `${file:PATH}` for a secret that is in this variable, or `file:PATH`. Raises ConfigError."""
    wanted = where.strip()
    if _REFERENCE.fullmatch(wanted):
        return wanted
    if _VARIABLE.fullmatch(wanted) or (wanted.startswith("file:") and len(wanted) > len("file:")):
        return f"${{{wanted}}}"
    raise ConfigError(
        '"{wanted}" names no environment variable and no file. Write NAME, or file:PATH: secrets stay out of the file.',
        wanted=wanted,
    )


def variable(account: str, key: str) -> str:
    """The environment variable that a secret is in if nobody says otherwise."""
    name = re.sub(r"\W", "_", f"{account}_{key}", flags=re.ASCII).upper()
    return name if _VARIABLE.fullmatch(name) else f"_{name}"


def starter(accounts: Sequence[StarterAccount]) -> str:
    """The configuration's text."""
    return "\n".join([*_head(), *(line for account in accounts for line in _account(account))]) + "\n"


def table(accounts: Sequence[StarterAccount], secret: str) -> dict[str, Any]:
    """The same as tables, with this in place of every secret, to be checked."""
    return {"account": {account.name: _table(account, secret) for account in accounts}}


def _table(account: StarterAccount, secret: str) -> dict[str, Any]:
    secrets = {each.key for each in needed(account.vendor) if each.secret}
    values = {key: secret if key in secrets else value for key, value in account.values.items()}
    flow = (
        {} if account.limit is None else {"flow": {"limit": account.limit, "per_s": 1.0, "unit": _unit(account.vendor)}}
    )
    return {"vendor": account.vendor, **values, **flow}


def _head() -> Iterator[str]:
    yield "# The configuration of `dispatcher`. A key behind # shows its default."
    yield "# dispatcher.example.toml explains every key."
    yield "# Secrets are not here: ${NAME} is read from the environment, ${file:PATH} from a file."
    yield "# Relative paths are relative to the folder of this file."
    yield from (
        "",
        "[log]",
        "# Where everything that happens is recorded: a file of this machine, or kafka://HOST:PORT.",
    )
    yield f"#url = {_toml(LogConfig().url)}"
    yield from ("", "[store]", "# Where the results are kept; `dispatcher store rebuild` makes them anew from the log.")
    yield f"#url = {_toml(StoreConfig().url)}"
    yield from (
        "",
        "[web]",
        "# Where vendors push reports and messages to: http://LISTEN/push/ACCOUNT/report and …/inbound.",
    )
    yield '#listen = "127.0.0.1:8080"'
    yield from ("", "[hours]", "# When marketing campaigns may be sent, in Asia/Shanghai; the rest waits.")
    yield f"#marketing = {_toml(HoursConfig().marketing)}"
    yield from ("", "[display]", "# The time zone in which people read and write times.")
    yield f"#timezone = {_toml(DisplayConfig().timezone)}"


def _account(account: StarterAccount) -> Iterator[str]:
    name = account.name if _BARE_KEY.fullmatch(account.name) else _toml(account.name)
    yield from (
        "",
        f"# --route {account.name} sends through this account; dispatcher account check {account.name} tries it.",
    )
    yield from (f"[account.{name}]", f"vendor = {_toml(account.vendor)}")
    for key, value in account.values.items():
        yield from (f"# {_meaning(key)}", f"{key} = {_toml(value)}")
    yield f"# {MEANINGS['flow']}"
    limit = f'flow = {{ limit = {account.limit or 500}, per_s = 1.0, unit = "{_unit(account.vendor)}" }}'
    yield limit if account.limit is not None else f"#{limit}"
    yield "# Other keys of this vendor, with their defaults:"
    for each in fields(_kind(account.vendor)):
        if not each.required and isinstance(each.default, bool | int | float | str) and each.encode_name != "flow":
            yield f"#{each.encode_name} = {_toml(each.default)}"


def _meaning(key: str) -> str:
    return MEANINGS.get(key, "As the vendor says.")


def _unit(tag: str) -> str:
    """What the flow limit of this vendor's contracts usually counts."""
    return "parts" if issubclass(_kind(tag), LinkVendor) else "messages"


def _kind(tag: str) -> type[Vendor]:
    kind = registry.find(tag)
    if kind is None:
        raise ConfigError(
            'vendor "{tag}" is not known; write one of: {known}.', tag=tag, known=", ".join(registry.tags())
        )
    return kind


def _toml(value: bool | float | str) -> str:
    """A value as TOML writes it: JSON's strings, numbers and booleans are TOML's, too."""
    return json.dumps(value, ensure_ascii=False)
