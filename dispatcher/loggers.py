"""The loggers of every package: structlog's, imported at the first event, since most commands log nothing.

`dispatcher run` sets logging up first (dispatcher/process/logs.py). Elsewhere warnings go to standard error as plain
lines: standard output is a command's result, perhaps JSON.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Final


class Logger:
    """Behaves like structlog's logger of this name."""

    def __init__(self, name: str) -> None:
        self._name: Final = name

    def __getattr__(self, method: str) -> Any:
        import structlog

        if not structlog.is_configured():
            _warn_plainly()
        return getattr(structlog.get_logger(self._name), method)


def get_logger(name: str) -> Any:
    """The logger of this name."""
    return Logger(name)


def _warn_plainly() -> None:
    import structlog

    from dispatcher.process.logs import Redact

    logging.root.addHandler(logging.NullHandler())  # else Python prints unhandled records
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            Redact(),
            structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
