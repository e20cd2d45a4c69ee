"""A process's own log, by structlog to standard error. (The log of records is dispatcher/log.)

On a terminal an event is one line for people, elsewhere one JSON object. Every event passes `Redact`: phone numbers
become `138****8000` and secrets `***`, anywhere in the event; so do the messages of libraries that use `logging`.

Weak spot: only secrets of the configuration that the process started with are known.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any, Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from dispatcher.config.file import Config
from dispatcher.masking import MASKED, Masker, masked_mobiles
from dispatcher.vendors.seam.vendor import SECRET_CHARS_MIN, Secret, secrets_in
from dispatcher.wording import without_controls

_MOBILES: Final = range(13_000_000_000, 20_000_000_000)
_PLAIN: Final = frozenset({"level", "timestamp", "logger"})

# Libraries that log at INFO what we log ourselves. In an outage aiokafka logs at ERROR, several times a second for
# every follower, what `log.kafka` logs once: that the broker does not answer, and that it answers again.
_QUIET: Final = {"aiohttp": logging.WARNING, "aiokafka": logging.CRITICAL, "asyncio": logging.WARNING}


def secrets_of(config: Config) -> list[str]:
    """Every secret of the configuration, for `configure`."""
    callbacks = config.callbacks.values()
    given = [str(secret) for each in (config.web, *config.accounts.values()) for secret in secrets_in(each)]
    return given + [str(secret) for each in callbacks for secret in (each.url, *each.secret)]


class Redact:
    """A structlog processor: masks phone numbers and known secrets in every value of an event.

    What would do something to a terminal is left out.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._masker = Masker(secret for secret in secrets if len(secret) >= SECRET_CHARS_MIN)

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: value if key in _PLAIN else self._clean(value) for key, value in event.items()}

    def _clean(self, value: Any) -> Any:
        match value:
            case Secret():
                return MASKED
            case str():
                return self._text(value)
            case bool() | None | float():
                return value
            case int():
                return masked_mobiles(str(value)) if value in _MOBILES else value
            case bytes() | bytearray() | memoryview():
                return self._text(bytes(value).decode("utf-8", "replace"))
            case dict():
                return {self._text(str(key)): self._clean(inner) for key, inner in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._clean(inner) for inner in value]
            case _:
                return self._text(str(value))

    def _text(self, text: str) -> str:
        return without_controls(masked_mobiles(self._masker.text(text)))


def configure(
    *,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
    human: bool | None = None,
    level: int = logging.INFO,
) -> None:
    """Set up structlog and `logging` for this process; the last call counts. `human` None: as `stream` is."""
    # events are cleaned by Redact, so that colours may pass (dispatcher/terminal/streams.py)
    out = stream if stream is not None else getattr(sys.stderr, "rich_proxied_file", sys.stderr)
    for_people = out.isatty() if human is None else human
    shared: list[Processor] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if for_people else "iso", utc=not for_people),
        structlog.processors.format_exc_info,
        Redact(secrets),
    ]
    last: Processor = (
        structlog.dev.ConsoleRenderer(colors=out.isatty(), pad_event_to=0, pad_level=False)
        if for_people
        else structlog.processors.JSONRenderer(serializer=_json)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,  # tests and the demo configure more than once
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last]
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
