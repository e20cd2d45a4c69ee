"""The duty that delivers all callbacks, each by tasks and connections of its own, so that none waits for another."""

from __future__ import annotations

import asyncio
from typing import Final

from consumers.callbacks.delivering import Delivery
from dispatcher.config.file import Config
from dispatcher.core.backoff import Backoff
from dispatcher.errors import DispatcherError
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger

NOTHING_S: Final = 3_600.0
AGAIN: Final = Backoff(1.0, 60.0)

_logger = get_logger("callbacks")


class DeliveryDuty:
    """See the module."""

    def __init__(self, config: Config, log: Log, feed: CampaignsFeed) -> None:
        self._config: Final = config
        self._log: Final = log

    async def look(self, now_ms: int) -> float:
        """Deliver for as long as this process holds the duties of campaigns."""
        if not self._config.callbacks:
            return NOTHING_S
        async with asyncio.TaskGroup() as tasks:
            for name in self._config.callbacks:
                tasks.create_task(self._keep(name))
        return NOTHING_S

    async def _keep(self, name: str) -> None:
        """One callback, again after an error: whatever is wrong with it must not end what else this process does."""
        failures = 0
        while True:
            try:
                await Delivery(name, self._config.callback(name), self._log).run()
            except DispatcherError as error:
                says = str(error)
            except Exception as error:
                says = f"{type(error).__name__}: {error}"
            failures += 1
            again_s = AGAIN.pause_s(failures)
            _logger.error("callbacks are not delivered", callback=name, error=says, again_s=again_s)
            await asyncio.sleep(again_s)
