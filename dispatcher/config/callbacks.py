"""`[callbacks.NAME]`: the receivers of outgoing callbacks. Only these URLs are ever called."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import msgspec

from dispatcher.config.mistakes import check_values, converted, suggestion
from dispatcher.config.places import resolved, table_of
from dispatcher.core.callbacks.events import KINDS, Format, Wanted
from dispatcher.core.callbacks.signing import SecretBroken, key_of
from dispatcher.errors import ConfigError
from dispatcher.vendors.seam.vendor import Secret

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
SECRETS_MAX: Final = 2


class CallbackConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One receiver. Its URL is a secret, too: that of a bot holds its token.

    `secret`: one, or two while they are exchanged. `campaigns` is a pattern of ids. `failing` comes when this many
    percent of a campaign's delivered and failed recipients failed.
    """

    url: Secret
    secret: tuple[Secret, ...] = ()
    events: tuple[str, ...] = ("finished", "halted")
    campaigns: str = "*"
    format: Format = "standard"
    failing_percent: Annotated[float, msgspec.Meta(gt=0, le=100)] = 20.0

    def wanted(self, name: str) -> Wanted:
        """What it wants."""
        return Wanted(name, frozenset(self.events), self.campaigns)

    @property
    def host(self) -> str:
        """Where it is, without what may be secret."""
        return urlsplit(self.url).netloc.rpartition("@")[2]

    def check(self) -> str | None:
        """One sentence that names a wrong key, or None."""
        try:
            parts = urlsplit(self.url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("https", "http"):
            return "url must be an address such as https://HOST/PATH."
        if parts.scheme == "http" and not _is_this_machine(host):
            return "url must begin with https:// (http:// only to this machine, as http://127.0.0.1:8000/)."
        if parts.username or parts.password:
            return "url must not hold a user or a password: the signature proves who calls."
        if not self.events:
            return f"events is empty; write some of: {', '.join(KINDS)}."
        if unknown := [each for each in self.events if each not in KINDS]:
            return f"events: there is no event {unknown[0]}{suggestion(unknown[0], KINDS)}."
        if self.format != "standard":
            if "results" in self.events:
                return f'events: results need format = "standard"; a {self.format} bot takes texts for people.'
            return "secret: a bot has one." if len(self.secret) > 1 else None
        if not 1 <= len(self.secret) <= SECRETS_MAX:
            return 'secret is one secret, or a list of two while they are exchanged: secret = "${SHOP_SECRET}".'
        try:
            for secret in self.secret:
                key_of(secret)
        except SecretBroken as error:
            return f"secret: {error}. Make one: dispatcher callback secret"
        return None


def read_callbacks(value: Any, path: str) -> tuple[dict[str, CallbackConfig], dict[str, str]]:
    """The callbacks by name, and of those with a missing secret why it is missing. Raises ConfigError."""
    found: dict[str, CallbackConfig] = {}
    unset: dict[str, str] = {}
    for name, fields in table_of(value, f"{path}: [callbacks]").items():
        where = f"{path}: [callbacks.{name}]"
        if not NAME.fullmatch(name):
            raise ConfigError('{where}: a name is letters, digits, "_", "-" and ".".', where=where)
        table = dict(table_of(fields, where))
        if isinstance(table.get("secret"), str):
            table["secret"] = [table["secret"]]
        try:
            values = {key: _resolved(each, f"{where} {key}", path) for key, each in table.items()}
        except ConfigError as error:
            unset[name], values = str(error), table
        callback = converted(values, CallbackConfig, where, _secret)
        check_values(values, where)
        wrong = None if name in unset else callback.check()
        if wrong:
            raise ConfigError("{where}: {wrong}", where=where, wrong=wrong)
        found[name] = callback
    return found, unset


def _resolved(value: Any, where: str, path: str) -> Any:
    return [resolved(each, where, path) for each in value] if isinstance(value, list) else resolved(value, where, path)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("expected a text in quotes, or ${NAME}")
