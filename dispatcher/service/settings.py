"""The configuration without secrets, where log and results are, and what runs: for a page that only shows them."""

from __future__ import annotations

import platform
import re
import sqlite3
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import msgspec

from dispatcher.errors import DispatcherError
from dispatcher.service.freshness import ends_of
from dispatcher.service.session import Session
from dispatcher.vendors.seam.vendor import Secret
from schemas.topics import TOPICS

DISTRIBUTION: Final = "sms-dispatcher"
LIBRARIES: Final = ("aiohttp", "aiokafka", "jinja2", "msgspec", "numpy", "polars", "uvloop")
HIDDEN: Final = "•••"
_PASSWORD_IN_URL: Final = re.compile(r"(://[^/@:]*:)[^/@]*@")
NOT_SHOWN: Final = frozenset({"path", "unset", "unset_tables", "unset_callbacks"})


class Setting(msgspec.Struct, frozen=True):
    """One key of the configuration as it is in force."""

    name: str
    value: str


class Section(msgspec.Struct, frozen=True):
    """One table of the configuration."""

    name: str
    settings: list[Setting]


class TopicState(msgspec.Struct, frozen=True, kw_only=True):
    """One topic of the log: its partitions, and how many records were written to it."""

    name: str
    partitions: int
    records: int


class SettingsView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of this module. `records_behind` is how far the results are behind the log; None: not known.

    `log_ms`: how long the log took for its ends; None: it does not answer, and `log_says` why.
    """

    path: str
    sections: list[Section]
    log: str
    store: str
    topics: list[TopicState]
    log_ms: float | None
    log_says: str
    records_behind: int | None
    versions: dict[str, str]


async def show_settings(session: Session) -> SettingsView:
    """What is configured and how it is. Never raises for a log or a store that does not answer: it says so."""
    config = session.config
    topics: list[TopicState] = []
    log_ms, says, behind = None, "", None
    try:
        log = await session.log()
        began_s = time.perf_counter()
        ends = await ends_of(log, TOPICS)
        log_ms = (time.perf_counter() - began_s) * 1000
        topics = [
            TopicState(
                name=topic.name,
                partitions=topic.partitions,
                records=sum(end for (name, _), end in ends.items() if name == topic.name),
            )
            for topic in TOPICS
        ]
        behind = await session.behind(within_s=0.0)
    except DispatcherError as error:
        says = str(error)
    return SettingsView(
        path=config.path,
        sections=list(_sections(config)),
        log=log.url if log_ms is not None else "",
        store=shown_value(config.store.url),
        topics=topics,
        log_ms=log_ms,
        log_says=says,
        records_behind=behind,
        versions=_versions(),
    )


def _sections(config: Any) -> Iterator[Section]:
    for field in config.__struct_fields__:
        value = getattr(config, field)
        if field in NOT_SHOWN:
            continue
        if field in ("accounts", "routes", "callbacks"):
            kind = field.removesuffix("s") if field == "accounts" else field
            for name, each in value.items():
                yield Section(f"{kind}.{name}", list(_settings(each)))
        elif isinstance(value, msgspec.Struct):
            yield Section(field, list(_settings(value)))


def _settings(value: Any, before: str = "") -> Iterator[Setting]:
    for field in value.__struct_fields__:
        each = getattr(value, field)
        if isinstance(each, msgspec.Struct) and not isinstance(each, Secret):
            yield from _settings(each, f"{before}{field}.")
        else:
            yield Setting(before + field, shown_value(each))


def shown_value(value: Any) -> str:
    """A value as the configuration has it; a secret is hidden, wherever it is."""
    match value:
        case Secret():
            return HIDDEN
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict():
            return ", ".join(f"{key} = {shown_value(each)}" for key, each in value.items())
        case list() | tuple() | set() | frozenset():
            return ", ".join(shown_value(each) for each in value)
        case msgspec.Struct():
            return ", ".join(f"{each.name} = {each.value}" for each in _settings(value))
    return _PASSWORD_IN_URL.sub(rf"\1{HIDDEN}@", str(value))


def _versions() -> dict[str, str]:
    found = {"dispatcher": _version(DISTRIBUTION), "Python": platform.python_version()}
    found |= {"SQLite": sqlite3.sqlite_version, "system": f"{platform.system()} {platform.release()}"}
    return found | {name: _version(name) for name in LIBRARIES}


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "?"
