"""The configuration: one TOML file into typed structs. `dispatcher.example.toml` shows every key with its default.

Secrets are written as `${NAME}` and read from the environment, or `${file:PATH}` and read from a file. They are of
type Secret: never printed. Every mistake is a ConfigError that names the file, the key and what to do. Relative paths
are relative to the folder of the file.

A secret is asked for by those who use it: a command names the accounts it needs (`secrets`), and whoever only reads
needs none. An account whose secret is not there is in `unset` and can be looked at, but `Config.account` refuses it.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection
from datetime import tzinfo
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from dispatcher.config.mistakes import plain
from dispatcher.core.opt_out import WORDS, OptOutWords
from dispatcher.errors import ConfigError
from dispatcher.vendors import registry
from dispatcher.vendors.seam.vendor import Secret, Vendor
from dispatcher.words import SHANGHAI, show_times_in

DEFAULT_PATH: Final = "dispatcher.toml"
_REFERENCE = re.compile(r"\$\{(file:)?([^}]+)\}")
_ACCOUNT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")

Secrets = Literal["all", "none"] | Collection[str]
"""The accounts whose secrets must be there, or "all" or "none" of them."""

Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the log is: `sqlite:PATH` or `kafka://HOST:PORT[,…][/PREFIX]`."""

    url: str = "sqlite:data/log.db"


class StoreConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the results are, and after how long without a report a recipient is `no_report`.

    The parts of a long message from a phone are waited for `parts_within_s`; what a vendor says again within
    `repeats_within_s` is a repetition.
    """

    url: str = "sqlite:data/results.db"
    no_report_after_s: Seconds = 48 * 3600.0
    parts_within_s: Seconds = 24 * 3600.0
    repeats_within_s: Seconds = 7 * 24 * 3600.0


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where vendors push to, and the bounds on what they may push.

    The last two are for each account and kind of push (report, inbound) by itself.
    """

    listen: str = "127.0.0.1:8080"
    body_bytes_max: Count = 1_048_576
    pushes_per_s_max: Count = 50_000
    waiting_max: Count = 20_000


class InboundConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The messages that put their sender on the suppression list."""

    opt_out_words: tuple[str, ...] = WORDS

    @property
    def opt_outs(self) -> OptOutWords:
        """The words, ready to compare. Raises ConfigError if one is not a valid opt-out word."""
        try:
            return OptOutWords(self.opt_out_words)
        except ValueError as error:
            raise ConfigError(f"[inbound] opt_out_words: {error}.") from error


class DisplayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people read times: the zone of screens, messages and exports, and of times they write themselves."""

    timezone: str = "Asia/Shanghai"

    @property
    def zone(self) -> tzinfo:
        """The time zone. Raises ConfigError if this machine does not know it."""
        if self.timezone == str(SHANGHAI):
            return SHANGHAI  # without a database of zones
        try:
            return ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(
                f'[display] timezone = "{self.timezone}" is not known on this machine; write a name such as '
                '"Asia/Shanghai" or "UTC".'
            ) from error


class LanesConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the lanes: an intent's time to live, the drain on an orderly stop, the distance of checkpoints."""

    intent_ttl_s: Seconds = 5.0
    drain_s: Seconds = 20.0
    checkpoint_every: Count = 2_000


class Config(msgspec.Struct, frozen=True):
    """The whole configuration. `accounts` are the vendors by account name: the name is the lane.

    `unset` says of accounts that nobody asked for which secret of theirs is missing; as they are, they cannot be used.
    `unset_apart` says it of (account, table) where the table is used by commands of its own (`Vendor.apart`); such a
    table is then left out of the account.
    """

    log: LogConfig
    store: StoreConfig
    web: WebConfig
    lanes: LanesConfig
    accounts: dict[str, Vendor]
    path: str
    unset: dict[str, str] = {}
    inbound: InboundConfig = InboundConfig()
    display: DisplayConfig = DisplayConfig()
    unset_apart: dict[tuple[str, str], str] = {}

    def account(self, name: str) -> Vendor:
        """The account of this name, ready for use. Raises ConfigError if there is none or its secret is missing."""
        if name in self.unset:
            raise ConfigError(self.unset[name])
        try:
            return self.accounts[name]
        except KeyError:
            known = ", ".join(sorted(self.accounts)) or "none"
            raise ConfigError(
                f'account "{name}" is not in {self.path} (accounts there: {known}). '
                f"Add [account.{name}], or name one of those."
            ) from None


T = TypeVar("T")


def beside(config: str, path: str) -> str:
    """A path that stands in the configuration file `config`: relative to the folder of that file."""
    return os.path.join(os.path.dirname(config), os.path.expanduser(path))


def _url_beside(config: str, url: str) -> str:
    """The URL of a log or store, its file relative to the folder of the configuration file."""
    scheme, colon, place = url.partition(":")
    return f"sqlite:{beside(config, place)}" if colon and scheme == "sqlite" and place else url


def load(path: str | os.PathLike[str] | None = None, *, secrets: Secrets = "all") -> Config:
    """The configuration in this file; default: the one $DISPATCHER_CONFIG names, else `dispatcher.toml` here.

    From then on the process shows times in the zone of `[display]`.

    `secrets` says which accounts' secrets are needed. Raises ConfigError, also if one of those is missing. Without the
    file there are no defaults: in the wrong folder a new, empty log would be made and read instead of the right one.
    """
    file = Path(path or os.environ.get("DISPATCHER_CONFIG") or DEFAULT_PATH)
    if not file.exists():
        raise ConfigError(_not_there(file, given=path is not None))
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: cannot be read, as it is not UTF-8. Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: {error}.") from error
    config = parse(table, str(file), secrets=secrets)
    show_times_in(config.display.zone)
    return config


def _not_there(file: Path, *, given: bool) -> str:
    if given:
        return f"{file}: no such file. Give --config, or copy dispatcher.example.toml to {file}."
    if os.environ.get("DISPATCHER_CONFIG"):
        return f"{file}: no such file, but $DISPATCHER_CONFIG names it. Correct that, or give --config."
    return (
        f"there is no {file} in {Path.cwd()}. Go to the folder where it is, name it with --config, or begin one: copy "
        f"dispatcher.example.toml to {file} and fill in [account.NAME]."
    )


def parse(table: dict[str, Any], path: str, *, secrets: Secrets = "all") -> Config:
    """The configuration in an already parsed TOML table; `path` is named in errors. Raises ConfigError."""
    unknown = sorted(set(table) - {"log", "store", "web", "inbound", "lanes", "display", "account"})
    if unknown:
        raise ConfigError(
            f"{path}: [{unknown[0]}] is not a known section (log, store, web, inbound, lanes, display, account.NAME)."
        )
    accounts, unset = {}, {}
    unset_apart: dict[tuple[str, str], str] = {}
    for name, fields in _table(table.get("account", {}), f"{path}: [account]").items():
        if not _ACCOUNT_NAME.fullmatch(name):
            raise ConfigError(f'{path}: [account.{name}]: a name is letters, digits, "_", "-" and ".".')
        accounts[name], missing = _account(name, fields, path, unset_apart)
        if missing is not None and (secrets == "all" or (secrets != "none" and name in secrets)):
            raise missing
        if missing is not None:
            unset[name] = str(missing)
    inbound = _section(table, "inbound", InboundConfig, path)
    display = _section(table, "display", DisplayConfig, path)
    try:
        _ = inbound.opt_outs
        _ = display.zone
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    log = _section(table, "log", LogConfig, path)
    store = _section(table, "store", StoreConfig, path)
    return Config(
        log=replace(log, url=_url_beside(path, log.url)),
        store=replace(store, url=_url_beside(path, store.url)),
        web=_section(table, "web", WebConfig, path),
        lanes=_section(table, "lanes", LanesConfig, path),
        accounts=accounts,
        path=path,
        unset=unset,
        inbound=inbound,
        display=display,
        unset_apart=unset_apart,
    )


def _account(
    name: str, fields: dict[str, Any], path: str, unset_apart: dict[tuple[str, str], str]
) -> tuple[Vendor, ConfigError | None]:
    """The account, and which of its secrets is missing; that one then still stands in it as its reference."""
    where = f"{path}: [account.{name}]"
    tag = _table(fields, where).get("vendor")
    try:
        kind = registry.find(tag) if isinstance(tag, str) else None
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error
    if kind is None:
        said = "vendor is missing" if tag is None else f'vendor = "{tag}" is not known'
        raise ConfigError(f"{where}: {said}; write one of: {', '.join(registry.tags())}.")
    missing: ConfigError | None = None
    values = dict(fields)
    for key, value in fields.items():
        try:
            values[key] = _resolve(value, f"{where} {key}", path)
        except ConfigError as error:
            if key in kind.apart:
                unset_apart[name, key] = str(error)
                del values[key]
            else:
                missing = missing or error
    vendor: Vendor = _convert(values, kind, where)
    wrong = vendor.check() if missing is None else None
    if wrong:
        raise ConfigError(f"{where}: {wrong}")
    return vendor, missing


def _section(table: dict[str, Any], name: str, kind: type[T], path: str) -> T:
    where = f"{path}: [{name}]"
    fields = _table(table.get(name, {}), where)
    return _convert({key: _resolve(value, f"{where} {key}", path) for key, value in fields.items()}, kind, where)


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table of keys, like in dispatcher.example.toml.")
    return value


def _convert(fields: dict[str, Any], kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(fields, kind, dec_hook=_secret)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {plain(str(error), kind)}.") from error


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError("expected a text in quotes, or ${NAME}")


def _resolve(value: Any, where: str, config: str) -> Any:
    if isinstance(value, dict):
        return {key: _resolve(inner, f"{where}.{key}", config) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(lambda match: _referenced(match, where, config), value)


def _referenced(match: re.Match[str], where: str, config: str) -> str:
    name = match[2]
    if match[1]:
        try:
            return Path(beside(config, name)).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(f"{where}: the secret file {name} cannot be read ({error.strerror}).") from error
    if name not in os.environ:
        raise ConfigError(f"{where}: the environment variable {name} is not set. Set it, or use ${{file:PATH}}.")
    return os.environ[name]
