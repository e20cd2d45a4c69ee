"""From a URL to an open log.

    sqlite:data/log.db                        a file, relative to the working directory
    sqlite:/var/lib/dispatcher/log.db         an absolute path
    kafka://127.0.0.1:9092                    topics are named `dispatcher.jobs`, …
    kafka://a:9092,b:9092/staging.?replication=3

Options after `?`. Both: `timeout_s` (how long an append may wait). Kafka: `replication` (of topics it makes, 1),
`session_s` (after how long a silent member of a claim's group counts as dead, 10).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from dispatcher.errors import ConfigError
from dispatcher.log.port import Log

U = TypeVar("U", bound=msgspec.Struct)
PREFIX: Final = "dispatcher."

_HOST = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,100}")
_SHAPES = "sqlite:FILE or kafka://HOST:PORT"


class SqliteUrl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a SQLite log is, and its options."""

    path: str
    timeout_s: float = 5.0


class KafkaUrl(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a Kafka log is, and its options."""

    bootstrap: str
    prefix: str = PREFIX
    replication: int = 1
    timeout_s: float = 10.0
    session_s: float = 10.0


def read_url(url: str) -> SqliteUrl | KafkaUrl:
    """The parts of a log's URL. Raises ConfigError with one plain sentence."""
    scheme, colon, rest = url.partition(":")
    place, _, query = rest.partition("?")
    fields: dict[str, str] = dict(parse_qsl(query, keep_blank_values=True))
    if not colon or scheme not in ("sqlite", "kafka"):
        raise ConfigError("the log URL {url!r} is invalid; write {shapes}", url=url, shapes=_SHAPES)
    if {"path", "bootstrap", "prefix"} & fields.keys():
        raise ConfigError(
            "the log URL {url!r} has an option there is not; the options are {options}",
            url=url,
            options=_options(scheme),
        )
    if scheme == "sqlite":
        if not place or place.endswith("/"):
            raise ConfigError("the log URL {url!r} names no file; write for example sqlite:data/log.db", url=url)
        return _converted(url, scheme, {"path": str(Path(place).absolute())} | fields, SqliteUrl)
    hosts, _, prefix = place.removeprefix("//").partition("/")
    if not place.startswith("//") or not all(map(_HOST.fullmatch, hosts.split(","))):
        raise ConfigError("the log URL {url!r} names no broker; write for example kafka://127.0.0.1:9092", url=url)
    if not _PREFIX.fullmatch(prefix):
        raise ConfigError("the topic prefix {prefix!r} may hold letters, digits, '.', '_' and '-' only", prefix=prefix)
    return _converted(url, scheme, {"bootstrap": hosts, "prefix": prefix or PREFIX} | fields, KafkaUrl)


def log_is_there(url: str) -> bool:
    """Whether a log may exist at `url`: on Kafka always, in a file if the file exists. Raises ConfigError."""
    where = read_url(url)
    return not isinstance(where, SqliteUrl) or Path(where.path).exists()


def data_folder(log_url: str, store_url: str) -> Path:
    """The folder of this machine's own files: that of the log's file, else of the results'. Raises ConfigError."""
    where = read_url(log_url)
    path = where.path if isinstance(where, SqliteUrl) else store_url.removeprefix("sqlite:").partition("?")[0]
    return Path(path).parent


async def open_log(url: str, *, create: bool = True) -> Log:
    """Open the log at `url`; its file, tables or topics are created if `create`, and verified if they exist.

    Raises ConfigError (the URL, or no log and not `create`), LogNewer, LogUnavailable, LogDamaged, LogFull, or LogError
    if the log has other settings than this release needs.
    """
    where = read_url(url)
    if isinstance(where, SqliteUrl):
        from dispatcher.log.sqlite.log import open_sqlite

        return await open_sqlite(Path(where.path), create=create, timeout_s=where.timeout_s)
    from dispatcher.log.kafka.log import open_kafka

    return await open_kafka(
        where.bootstrap,
        where.prefix,
        create=create,
        replication=where.replication,
        timeout_s=where.timeout_s,
        session_s=where.session_s,
    )


def _converted(url: str, scheme: str, fields: dict[str, str], shape: type[U]) -> U:
    try:
        found = msgspec.convert(fields, shape, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(
            "the log URL {url!r}: {error}; the options are {options}", url=url, error=error, options=_options(scheme)
        ) from error
    if any(isinstance(value, float | int) and not 0 < value < 1e6 for value in msgspec.structs.astuple(found)):
        raise ConfigError("the log URL {url!r}: an option's number must be greater than 0", url=url)
    return found


def _options(scheme: str) -> str:
    return "timeout_s" if scheme == "sqlite" else "replication, timeout_s and session_s"
