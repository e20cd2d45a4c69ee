"""Where log and results are, read from the configuration without its accounts; enough for most queries.

The whole configuration is in dispatcher/config/file.py, which uses the functions here. Secrets are written as
`${NAME}` and read from the environment, or `${file:PATH}` and read from a file. Relative paths are relative to the
folder of the file.
"""

from __future__ import annotations

import os
import re
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from dispatcher.config.mistakes import check_values, converted
from dispatcher.config.small_files import read_small, read_toml
from dispatcher.errors import ConfigError
from dispatcher.sentences import Sentence
from dispatcher.wording import SHANGHAI, show_times_in

DEFAULT_PATH: Final = "dispatcher.toml"
SECTIONS: Final = (
    "log",
    "store",
    "web",
    "api",
    "inbound",
    "suppression",
    "hours",
    "caps",
    "alerts",
    "verification",
    "lanes",
    "approval",
    "display",
    "routes",
    "callbacks",
    "account",
)
_REFERENCE = re.compile(r"\$\{(file:)?([^}]+)\}")

Seconds = Annotated[float, msgspec.Meta(gt=0)]

T = TypeVar("T")


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the log is: `sqlite:PATH` or `kafka://HOST:PORT[,…][/PREFIX]`."""

    url: str = "sqlite:data/log.db"


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the results are, and after how long without a report a recipient is `no_report`.

    Parts of a long message from a phone are awaited for `parts_within_s`; the same message again within
    `repeats_within_s` is a repetition.
    """

    url: str = "sqlite:data/results.db"
    no_report_after_s: Seconds = 48 * 3600.0
    parts_within_s: Seconds = 24 * 3600.0
    repeats_within_s: Seconds = 7 * 24 * 3600.0


class DisplayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The time zone of screens, messages and exports, and of times that people write."""

    timezone: str = "Asia/Shanghai"

    @property
    def zone(self) -> tzinfo:
        """The time zone. Raises ConfigError if this machine does not know it."""
        if self.timezone == str(SHANGHAI):
            return SHANGHAI  # without a time zone database
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(
                '[display] timezone = "{timezone}" is not known on this machine; write a name such as '
                '"Asia/Shanghai" or "UTC".',
                timezone=self.timezone,
            ) from error


class ApprovalConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A campaign of more than `above` recipients is launched only if another person than its author approved it.

    None: no campaign needs an approval.
    """

    above: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Places(msgspec.Struct, frozen=True):
    """Where log and results of the configuration at `path` are, and the time zone."""

    log: LogConfig
    store: StoreConfig
    path: str
    display: DisplayConfig = DisplayConfig()
    approval: ApprovalConfig = ApprovalConfig()


def load_places(path: str | os.PathLike[str] | None = None) -> Places:
    """The places in this file; see `read_file` for which file. Raises ConfigError.

    From then on the process shows times in the zone of `[display]`.
    """
    table, file = read_file(path)
    places = read_places(table, file)
    show_times_in(places.display.zone)
    return places


def read_file(path: str | os.PathLike[str] | None = None) -> tuple[dict[str, Any], str]:
    """The tables in this file, and its path; default: $DISPATCHER_CONFIG, else `dispatcher.toml` here.

    Raises ConfigError. Without a file there are no defaults: in the wrong folder a new, empty log would be created and
    read instead of the right one.
    """
    file = Path(path or os.environ.get("DISPATCHER_CONFIG") or DEFAULT_PATH)
    try:
        there = file.exists()
    except (OSError, ValueError):  # too long, a NUL: reading it says what is wrong
        there = True
    if not there:
        raise ConfigError(_not_there(file, given=path is not None))
    return read_toml(file), str(file)


def _not_there(file: Path, *, given: bool) -> Sentence:
    if given:
        return Sentence("{file}: no such file. Correct --config, or begin one: dispatcher init {file}", file=file)
    if os.environ.get("DISPATCHER_CONFIG"):
        return Sentence(
            "{file}: no such file, but $DISPATCHER_CONFIG names it. Correct that, or give --config.", file=file
        )
    try:
        here = Path.cwd()
    except FileNotFoundError:
        return Sentence(
            "the current folder was deleted. Go to the folder of the configuration, or name it with --config."
        )
    return Sentence(
        "there is no {file} in {here}. Go to the folder where it is, name it with --config, or begin one: "
        "dispatcher init",
        file=file,
        here=here,
    )


def read_places(table: dict[str, Any], path: str) -> Places:
    """The places in an already parsed TOML table; `path` is named in errors. Raises ConfigError."""
    unknown = sorted(set(table) - set(SECTIONS))
    if unknown:
        raise ConfigError(
            "{path}: [{unknown}] is not a known section ({sections}, account.NAME).",
            path=path,
            unknown=unknown[0],
            sections=", ".join(SECTIONS[:-1]),
        )
    log, store = section(table, "log", LogConfig, path), section(table, "store", StoreConfig, path)
    display = section(table, "display", DisplayConfig, path)
    try:
        _ = display.zone
    except ConfigError as error:
        raise ConfigError("{path}: {error}", path=path, error=error) from error
    return Places(
        log=replace(log, url=_url_beside(path, log.url)),
        store=replace(store, url=_url_beside(path, store.url)),
        display=display,
        approval=section(table, "approval", ApprovalConfig, path),
        path=path,
    )


def section(table: dict[str, Any], name: str, kind: type[T], path: str) -> T:
    """One section as this struct. Raises ConfigError."""
    where = f"{path}: [{name}]"
    fields = table_of(table.get(name, {}), where)
    values = {key: resolved(value, f"{where} {key}", path) for key, value in fields.items()}
    found = converted(values, kind, where)
    check_values(values, where)
    return found


def table_of(value: Any, where: str) -> dict[str, Any]:
    """The value, which must be a table. Raises ConfigError."""
    if not isinstance(value, dict):
        raise ConfigError("{where} must be a table of keys, like in dispatcher.example.toml.", where=where)
    return value


def beside(config: str, path: str) -> str:
    """A path in the configuration file `config`, relative to the folder of that file."""
    return os.path.join(os.path.dirname(config), os.path.expanduser(path))


def _url_beside(config: str, url: str) -> str:
    """The URL of a log or store, its file relative to the folder of the configuration file."""
    scheme, colon, place = url.partition(":")
    return f"sqlite:{beside(config, place)}" if colon and scheme == "sqlite" and place else url


def resolved(value: Any, where: str, config: str) -> Any:
    """The value with its references resolved. Raises ConfigError."""
    if isinstance(value, dict):
        return {key: resolved(inner, f"{where}.{key}", config) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(lambda match: _referenced(match, where, config), value)


def _referenced(match: re.Match[str], where: str, config: str) -> str:
    name = match[2]
    if match[1]:
        try:
            return read_small(beside(config, name)).strip()
        except OSError as error:
            raise ConfigError(
                "{where}: the secret file {name} cannot be read ({reason}).",
                where=where,
                name=name,
                reason=error.strerror,
            ) from error
        except UnicodeDecodeError as error:
            raise ConfigError(
                "{where}: the secret file {name} is not UTF-8. Save it as UTF-8.", where=where, name=name
            ) from error
    if name not in os.environ:
        raise ConfigError(
            "{where}: the environment variable {name} is not set. Set it, or use ${{file:PATH}}.",
            where=where,
            name=name,
        )
    value = os.environ[name]
    if any("\udc80" <= character <= "\udcff" for character in value):
        raise ConfigError(
            "{where}: the environment variable {name} is not UTF-8. Set it again.", where=where, name=name
        )
    return value
