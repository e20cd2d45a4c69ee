"""What the rules of every simulator have in common: which requests they choose, and how often."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Annotated, Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Meta


class Choice(msgspec.Struct, forbid_unknown_fields=True):
    """Which requests a rule chooses: by account, number or text, and among those by probability or count."""

    account: str = ""
    number: str = ""
    text: str = ""
    p: Annotated[float, Meta(ge=0, le=1)] = 1.0
    count: int = 0
    skip: int = 0
    seen: int = 0
    used: int = 0

    def counts(self, random: Random) -> bool:
        """Count a request that matches; True if the rule is used for it."""
        self.seen += 1
        if self.seen <= self.skip or (self.count and self.used >= self.count):
            return False
        if self.p < 1 and random.random() >= self.p:
            return False
        self.used += 1
        return True


class RuleLike(Protocol):
    """A rule: a choice of requests, on one kind of request or any."""

    account: str
    number: str
    text: str

    @property
    def on(self) -> str: ...
    def counts(self, random: Random) -> bool: ...


R = TypeVar("R", bound=RuleLike)


class RuleList(Generic[R]):
    """The rules in force, in order: the first that matches wins."""

    def __init__(self, tables: Sequence[Mapping[str, Any]], random: Random, read: Callable[[Any], R]) -> None:
        self._random = random
        self._read = read
        self.rules = [read(table) for table in tables]

    def replace(self, tables: Sequence[Mapping[str, Any]]) -> None:
        """All new ones, or ConfigError and the old ones stay."""
        self.rules = [self._read(table) for table in tables]

    def add(self, table: Mapping[str, Any]) -> R:
        """One more, behind the others."""
        made = self._read(table)
        self.rules.append(made)
        return made

    def shown(self) -> list[dict[str, Any]]:
        """As /_sim/config shows them."""
        return [{k: v for k, v in msgspec.to_builtins(r).items() if v not in ("", None)} for r in self.rules]

    def first(self, on: str, account: str, text: str, has: Callable[[str], bool]) -> R | None:
        """The rule for this request, counted as used; `has` says whether a number is among the request's."""
        for each in self.rules:
            if each.on not in (on, "any") or (each.account and each.account != account):
                continue
            if (each.text and each.text not in text) or (each.number and not has(each.number)):
                continue
            if each.counts(self._random):
                return each
        return None
