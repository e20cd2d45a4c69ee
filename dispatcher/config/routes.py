"""`[routes.NAME]`: which accounts send to the numbers of which carrier, in which shares.

A route has a key for each carrier (mobile, unicom, telecom, broadnet, abroad, unknown); carriers without one have that
of `default`. A value is an account, or a table of accounts with weights. With `prefer = "delivery"` accounts that
certainly deliver worse to a carrier than another one get only `explore_percent` of their share there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from dispatcher.config.places import table_of
from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.errors import ConfigError

DEFAULT: Final = "default"
WEIGHT_MAX: Final = 1_000

Shares = Mapping[str, int]
"""The weight of each account."""

Prefer = Literal["", "delivery"]
"""What changes the shares at a launch: nothing, or the delivery rates that were learnt."""


class Route(msgspec.Struct, frozen=True):
    """A route: its different `rules`, which of them is each carrier's (`rule_of[carrier]`), and all its accounts."""

    name: str
    rules: tuple[Shares, ...]
    rule_of: tuple[int, ...]
    accounts: tuple[str, ...]
    prefer: Prefer = ""
    explore_percent: int = 10

    def shares(self, carrier: Carrier) -> Shares:
        """The accounts that send to this carrier's numbers."""
        return self.rules[self.rule_of[carrier]]

    def sent_as(self) -> list[object]:
        """What decides who sends what, for a launch's fingerprint."""
        shares: list[object] = [sorted(self.shares(carrier).items()) for carrier in Carrier]
        return [*shares, self.prefer, self.explore_percent] if self.prefer else shares

    def with_less_for(self, worse: Mapping[Carrier, Collection[str]]) -> Route:
        """The route with only the share of exploration for these accounts, by carrier."""
        kept = {True: self.explore_percent, False: 100}
        return self.of(
            {
                carrier: {
                    account: weight * kept[account in worse.get(carrier, ())]
                    for account, weight in self.shares(carrier).items()
                }
                for carrier in Carrier
            }
        )

    def of(self, shares: Mapping[Carrier, Shares]) -> Route:
        """The route with these shares, one for each carrier."""
        rules: list[Shares] = []
        for carrier in Carrier:
            if shares[carrier] not in rules:
                rules.append(shares[carrier])
        rule_of = tuple(rules.index(shares[carrier]) for carrier in Carrier)
        return msgspec.structs.replace(self, rules=tuple(rules), rule_of=rule_of)


def read_routes(tables: object, path: str, accounts: Collection[str]) -> dict[str, Route]:
    """The routes of a configuration. Raises ConfigError."""
    return {
        name: _route(name, table_of(keys, f"{path}: [routes.{name}]"), f"{path}: [routes.{name}]", accounts)
        for name, keys in table_of(tables, f"{path}: [routes]").items()
    }


def _route(name: str, keys: dict[str, Any], where: str, accounts: Collection[str]) -> Route:
    if name in accounts:
        raise ConfigError(f"{where}: there is an account of this name. Give the route another one.")
    keys = dict(keys)
    prefer, explore_percent = keys.pop("prefer", ""), keys.pop("explore_percent", 10)
    if prefer not in get_args(Prefer):
        raise ConfigError(f'{where} prefer must be "delivery", or left out.')
    if not isinstance(explore_percent, int) or not 1 <= explore_percent <= 100:
        raise ConfigError(f"{where} explore_percent must be a whole number from 1 to 100.")
    if unknown := sorted(keys.keys() - CARRIER_WORDS.keys() - {DEFAULT}):
        raise ConfigError(f'{where}: "{unknown[0]}" is not a carrier ({", ".join(CARRIER_WORDS)}, {DEFAULT}).')
    shares = {word: _shares(value, f"{where} {word}", accounts) for word, value in keys.items()}
    missing = [word for word in CARRIER_WORDS if word not in shares]
    if missing and DEFAULT not in shares:
        raise ConfigError(
            f'{where}: no account for {", ".join(missing)}. Write {DEFAULT} = "ACCOUNT" for carriers without a key.'
        )
    by_carrier = {carrier: shares.get(word, shares.get(DEFAULT, {})) for word, carrier in CARRIER_WORDS.items()}
    used = [account for mine in shares.values() if mine in by_carrier.values() for account in mine]
    return Route(name, (), (), tuple(dict.fromkeys(used)), prefer, explore_percent).of(by_carrier)


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
