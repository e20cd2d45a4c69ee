"""The content rules: rules/*.toml, one rule each, with its source and the day it was read.

A rule says what a text `needs` or `forbids` (regular expressions that Python and polars read alike), how long it may be
(`chars_max`), or how often a number may get it (`repeats`). `carriers` are those that enforce it, each since a day; a
rule without carriers is about every recipient. docs/CONTENT.md explains the keys.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from functools import cache, cached_property
from importlib.resources import files

import msgspec

from dispatcher.core.carriers import CARRIER_WORDS, Carrier
from schemas.records import CampaignClass, MessageKind


class RuleSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who says so, and when it was read."""

    title: str
    read: date


class Repeats(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number gets the same text at most `times` in any `within_s` seconds."""

    times: int
    within_s: int


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """One rule. `says` may contain {found}, the part of the text that is meant.

    It is judged for `kinds` of messages and `classes` of campaigns (empty: all), at accounts whose settings (keys of
    `[account.NAME]`) are those of `only_when` and not those of `off_when`. `needs_setting` names a key of the account:
    where it is set, the text must end with its value instead. It is an error where the account's settings are those of
    `strict_when` and the vendor's own table has the code that `refused_by` names for it. `in_values`: what it forbids
    is also looked for in each recipient's values.
    """

    name: str
    says: str
    chinese: str
    change: str
    change_chinese: str
    source: RuleSource
    kinds: tuple[MessageKind, ...] = ("sms",)
    classes: tuple[CampaignClass, ...] = ()
    carriers: dict[str, date] = {}
    since: date | None = None
    needs: str = ""
    needs_setting: str = ""
    forbids: str = ""
    in_values: bool = False
    chars_max: int = 0
    repeats: tuple[Repeats, ...] = ()
    only_when: dict[str, str] = {}
    off_when: dict[str, str] = {}
    strict_when: dict[str, str] = {}
    refused_by: dict[str, str] = {}

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What it needs or forbids; matches nothing if it is about something else."""
        return re.compile(self.needs or self.forbids or r"(?!)")

    def enforced_by(self, on: date) -> frozenset[Carrier]:
        """The carriers that enforce it on this day; all carriers if it names none."""
        if not self.carriers:
            return frozenset(Carrier)
        return frozenset(CARRIER_WORDS[word] for word, since in self.carriers.items() if since <= on)


@cache
def content_rules() -> tuple[Rule, ...]:
    """The shipped rules, by name."""
    folder = files(__package__).joinpath("rules")
    found = [
        msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Rule)
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    ]
    return tuple(sorted(found, key=lambda rule: rule.name))


@cache
def forbidden_in_values() -> str:
    """One expression for all that rules forbid in values: most columns have nothing of it, and are searched once."""
    patterns = (rule.forbids.replace("(?P<found>", "(?:") for rule in content_rules() if rule.in_values)
    return "|".join(f"(?:{pattern})" for pattern in patterns)
