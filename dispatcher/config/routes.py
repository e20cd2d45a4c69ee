"""`[routes.NAME]`: which accounts send to the numbers of which carrier, in which shares.

A route has a key for each carrier (mobile, unicom, telecom, broadnet, abroad, unknown); carriers without one have that
of `default`. A value is an account, or a table of accounts with weights.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from dispatcher.config.places import table_of
from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.errors import ConfigError

DEFAULT: Final = "default"
WEIGHT_MAX: Final = 1_000

Shares = Mapping[str, int]
"""The weight of each account."""


class Route(msgspec.Struct, frozen=True):
    """A route: its different `rules`, which of them is each carrier's (`rule_of[carrier]`), and all its accounts."""

    name: str
    rules: tuple[Shares, ...]
    rule_of: tuple[int, ...]
    accounts: tuple[str, ...]

    def shares(self, carrier: Carrier) -> Shares:
        """The accounts that send to this carrier's numbers."""
        return self.rules[self.rule_of[carrier]]

    def sent_as(self) -> list[object]:
        """What decides who sends what, for a launch's fingerprint."""
        return [sorted(self.shares(carrier).items()) for carrier in Carrier]


def read_routes(tables: object, path: str, accounts: Collection[str]) -> dict[str, Route]:
    """The routes of a configuration. Raises ConfigError."""
    return {
        name: _route(name, table_of(keys, f"{path}: [routes.{name}]"), f"{path}: [routes.{name}]", accounts)
        for name, keys in table_of(tables, f"{path}: [routes]").items()
    }


def _route(name: str, keys: dict[str, Any], where: str, accounts: Collection[str]) -> Route:
    if name in accounts:
        raise ConfigError(f"{where}: there is an account of this name. Give the route another one.")
    if unknown := sorted(keys.keys() - CARRIER_WORDS.keys() - {DEFAULT}):
        raise ConfigError(f'{where}: "{unknown[0]}" is not a carrier ({", ".join(CARRIER_WORDS)}, {DEFAULT}).')
    shares = {word: _shares(value, f"{where} {word}", accounts) for word, value in keys.items()}
    missing = [word for word in CARRIER_WORDS if word not in shares]
    if missing and DEFAULT not in shares:
        raise ConfigError(
            f'{where}: no account for {", ".join(missing)}. Write {DEFAULT} = "ACCOUNT" for carriers without a key.'
        )
    rules: list[Shares] = []
    rule_of = []
    for word in CARRIER_WORDS:
        mine = shares.get(word, shares.get(DEFAULT, {}))
        if mine not in rules:
            rules.append(mine)
        rule_of.append(rules.index(mine))
    used = [account for mine in shares.values() if mine in rules for account in mine]
    return Route(name, tuple(rules), tuple(rule_of), tuple(dict.fromkeys(used)))


def _shares(value: object, where: str, accounts: Collection[str]) -> Shares:
    found = {value: 1} if isinstance(value, str) else value
    if not isinstance(found, dict) or not found:
        raise ConfigError(f"{where} must be an account, or accounts with weights like {{ spring = 3, summer = 1 }}.")
    for account, weight in found.items():
        if account not in accounts:
            known = ", ".join(sorted(accounts)) or "none"
            raise ConfigError(f'{where}: there is no account "{account}" (accounts there: {known}).')
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= WEIGHT_MAX:
            raise ConfigError(f"{where}: the weight of {account} must be a whole number from 1 to {WEIGHT_MAX:,}.")
    return found
