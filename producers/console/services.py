"""Calls services of `dispatcher.services` from a page: short work here, long work in a process of its own.

The web role may share its loop with lanes, and a list of millions would stall them.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any, Final

import msgspec

from dispatcher.process.service_process import GROUP, call_service
from dispatcher.service.session import Session

SHORT_BYTES_MAX: Final = 2 << 20
SHORT_RECIPIENTS_MAX: Final = 100_000


async def call(session: Session, service: str, *, long: bool, **arguments: Any) -> Any:
    """The service's result as JSON has it. Raises UserError, and what the service raises or ServiceFailed."""
    if long:
        return await call_service(service, session.places.path, **arguments)
    [found] = entry_points(group=GROUP, name=service)
    return msgspec.to_builtins(await found.load()(session, **arguments))
