"""Ends the Kafka client's objects in any state, and logs once that the broker went or came back.

aiokafka's `stop` can hang on a broker that is away, and a consumer's can end in a stray CancelledError before it has
closed its connections. Each of its objects reports an outage several times a second, so that log is silenced
(dispatcher/process/logs.py) and ours reports it once.
"""

from __future__ import annotations

import asyncio
from typing import Any

from dispatcher.loggers import get_logger

_log = get_logger("log.kafka")


async def end(client: Any, timeout_s: float) -> bool:
    """Stop a producer, a consumer or an admin client within about `timeout_s`; whether it ended in order."""
    stopping = asyncio.ensure_future(client.close() if hasattr(client, "close") else client.stop())
    await asyncio.wait({stopping}, timeout=timeout_s)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return True
    stopping.cancel()
    connections = client.client if hasattr(client, "client") else client._client
    closing = asyncio.ensure_future(connections.close())
    await asyncio.wait({stopping, closing}, timeout=timeout_s)
    for each in (stopping, closing):
        if each.done() and not each.cancelled():
            each.exception()  # retrieved, so asyncio does not report it as forgotten
    return False


class Reach:
    """Whether the broker answered last."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap, self._lost = bootstrap, False

    def lost(self) -> None:
        """No answer for a while."""
        if not self._lost:
            self._lost = True
            _log.warning("the Kafka broker does not answer; trying on", bootstrap=self._bootstrap)

    def answers(self) -> None:
        """An answer came."""
        if self._lost:
            self._lost = False
            _log.info("the Kafka broker answers again", bootstrap=self._bootstrap)
