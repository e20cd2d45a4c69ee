"""`[routes.NAME]`: which accounts send to the numbers of which carrier, in which shares.

A route has a key for each carrier (mobile, unicom, telecom, broadnet, abroad, unknown); carriers without one have that
of `default`. A value is an account, a table of accounts with weights, or a list of these in order of preference. With
`prefer = "delivery"` accounts that certainly deliver worse to a carrier than another one get only `explore_percent` of
their share there. With `failover_after_s` recipients move to the next account of their value when theirs sends nothing
for so long, and with `fail_back` they return.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from dispatcher.config.places import table_of
from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from dispatcher.errors import ConfigError
from dispatcher.sentences import Sentence

DEFAULT: Final = "default"
WEIGHT_MAX: Final = 1_000

FAILOVER_AFTER_S_MIN: Final = 1
FAILOVER_AFTER_S_MAX: Final = 7 * 86_400

Shares = Mapping[str, int]
"""The weight of each account."""

Order = tuple[Shares, ...]
"""The accounts of a rule in order of preference; those of one step share."""

Prefer = Literal["", "delivery"]
"""What changes the shares at a launch: nothing, or the delivery rates that were learnt."""


class Route(msgspec.Struct, frozen=True):
    """A route: its different `rules`, which of them is each carrier's (`rule_of[carrier]`), and all its accounts.

    `rules` are the shares of the most preferred accounts, `orders` (one for each rule) those of all.
    """

    name: str
    rules: tuple[Shares, ...]
    rule_of: tuple[int, ...]
    accounts: tuple[str, ...]
    prefer: Prefer = ""
    explore_percent: int = 10
    orders: tuple[Order, ...] = ()
    failover_after_s: int = 0
    fail_back: bool = False

    def then(self, rule: int, account: str) -> tuple[str, ...]:
        """Where recipients of this rule may move from this account, in order of preference: those that share with it
        first, by their weights, then the next steps.
        """
        if not self.failover_after_s:
            return ()
        steps = (sorted(step, key=lambda name: -step[name]) for step in self.orders[rule])
        return tuple(dict.fromkeys(name for step in steps for name in step if name != account))

    def senders(self, carrier: Carrier) -> tuple[str, ...]:
        """Every account that may send to this carrier's numbers."""
        steps = self.orders[self.rule_of[carrier]] if self.failover_after_s else (self.shares(carrier),)
        return tuple(dict.fromkeys(name for step in steps for name in step))

    def shares(self, carrier: Carrier) -> Shares:
        """The accounts that send to this carrier's numbers."""
        return self.rules[self.rule_of[carrier]]

    def sent_as(self) -> list[object]:
        """What decides who sends what, for a launch's fingerprint."""
        shares: list[object] = [sorted(self.shares(carrier).items()) for carrier in Carrier]
        if self.prefer:
            shares += [self.prefer, self.explore_percent]
        if self.failover_after_s:
            orders = [[sorted(step.items()) for step in self.orders[self.rule_of[carrier]]] for carrier in Carrier]
            shares += ["failover", self.failover_after_s, self.fail_back, orders]
        return shares

    def with_less_for(self, worse: Mapping[Carrier, Collection[str]]) -> Route:
        """The route with only the share of exploration for these accounts, by carrier."""
        kept = {True: self.explore_percent, False: 100}
        return self.of(
            {
                carrier: (
                    {
                        account: weight * kept[account in worse.get(carrier, ())]
                        for account, weight in self.shares(carrier).items()
                    },
                    *self.orders[self.rule_of[carrier]][1:],
                )
                for carrier in Carrier
            }
        )

    def of(self, orders: Mapping[Carrier, Order]) -> Route:
        """The route with these accounts, in order of preference, for each carrier."""
        different: list[Order] = []
        for carrier in Carrier:
            if orders[carrier] not in different:
                different.append(orders[carrier])
        return msgspec.structs.replace(
            self,
            rules=tuple(order[0] for order in different),
            rule_of=tuple(different.index(orders[carrier]) for carrier in Carrier),
            orders=tuple(different),
        )


def read_routes(tables: object, path: str, accounts: Collection[str]) -> dict[str, Route]:
    """The routes of a configuration. Raises ConfigError."""
    return {
        name: _route(name, table_of(keys, f"{path}: [routes.{name}]"), f"{path}: [routes.{name}]", accounts)
        for name, keys in table_of(tables, f"{path}: [routes]").items()
    }


def _route(name: str, keys: dict[str, Any], where: str, accounts: Collection[str]) -> Route:
    if name in accounts:
        raise ConfigError("{where}: there is an account of this name. Give the route another one.", where=where)
    keys = dict(keys)
    prefer, explore_percent = keys.pop("prefer", ""), keys.pop("explore_percent", 10)
    if prefer not in get_args(Prefer):
        raise ConfigError('{where} prefer must be "delivery", or left out.', where=where)
    if not isinstance(explore_percent, int) or not 1 <= explore_percent <= 100:
        raise ConfigError("{where} explore_percent must be a whole number from 1 to 100.", where=where)
    after_s, fail_back = keys.pop("failover_after_s", 0), keys.pop("fail_back", False)
    _check_failover(after_s, fail_back, where)
    if unknown := sorted(keys.keys() - CARRIER_WORDS.keys() - {DEFAULT}):
        raise ConfigError(
            '{where}: "{unknown}" is not a carrier ({carriers}, {default}).',
            where=where,
            unknown=unknown[0],
            carriers=", ".join(CARRIER_WORDS),
            default=DEFAULT,
        )
    orders = {word: _order(value, f"{where} {word}", accounts) for word, value in keys.items()}
    listed = [word for word, order in orders.items() if len(order) > 1]
    if listed and not after_s:
        raise ConfigError(
            "{where} {key} lists accounts in order of preference, and nothing says when the next one is used. "
            "Add failover_after_s = 300, or name only the first.",
            where=where,
            key=listed[0],
        )
    missing = [word for word in CARRIER_WORDS if word not in orders]
    if missing and DEFAULT not in orders:
        raise ConfigError(
            '{where}: no account for {missing}. Write {default} = "ACCOUNT" for carriers without a key.',
            where=where,
            missing=", ".join(missing),
            default=DEFAULT,
        )
    by_carrier = {carrier: orders.get(word, orders.get(DEFAULT, ())) for word, carrier in CARRIER_WORDS.items()}
    used = [account for order in orders.values() if order in by_carrier.values() for step in order for account in step]
    route = Route(name, (), (), tuple(dict.fromkeys(used)), prefer, explore_percent)
    return msgspec.structs.replace(route, failover_after_s=after_s, fail_back=fail_back).of(by_carrier)


def _check_failover(after_s: object, fail_back: object, where: str) -> None:
    is_number = isinstance(after_s, int) and not isinstance(after_s, bool)
    if not is_number or (after_s and not FAILOVER_AFTER_S_MIN <= after_s <= FAILOVER_AFTER_S_MAX):  # type: ignore[operator]
        raise ConfigError(
            "{where} failover_after_s must be a whole number of seconds from {min} to {max:,}, or left out.",
            where=where,
            min=FAILOVER_AFTER_S_MIN,
            max=FAILOVER_AFTER_S_MAX,
        )
    if not isinstance(fail_back, bool):
        raise ConfigError("{where} fail_back must be true or false.", where=where)
    if fail_back and not after_s:
        raise ConfigError("{where} fail_back goes with failover_after_s: without it nobody moves.", where=where)


def _order(value: object, where: str, accounts: Collection[str]) -> Order:
    steps = value if isinstance(value, list) else [value]
    if not steps:
        raise ConfigError("{where} is an empty list. Name an account.", where=where)
    order = tuple(_shares(step, where, accounts) for step in steps)
    names = [account for step in order for account in step]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            '{where} names "{twice}" twice. An account has one place in the order.', where=where, twice=twice[0]
        )
    return order


def _shares(value: object, where: str, accounts: Collection[str]) -> Shares:
    found = {value: 1} if isinstance(value, str) else value
    if not isinstance(found, dict) or not found:
        raise ConfigError(
            "{where} must be an account, or accounts with weights like {{ spring = 3, summer = 1 }}.", where=where
        )
    for account, weight in found.items():
        if account not in accounts:
            known = ", ".join(sorted(accounts)) or Sentence("none")
            raise ConfigError(
                '{where}: there is no account "{account}" (accounts there: {known}).',
                where=where,
                account=account,
                known=known,
            )
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= WEIGHT_MAX:
            raise ConfigError(
                "{where}: the weight of {account} must be a whole number from 1 to {max:,}.",
                where=where,
                account=account,
                max=WEIGHT_MAX,
            )
    return found
