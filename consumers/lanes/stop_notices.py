"""Writes to the log, and for the operator, what keeps an account from sending, and when it sends again.

The lane decides what is written (dispatcher/core/lane/notices.py); dispatcher/accounts/stops.py reads it. Nothing waits
for it, and a failed append is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from dispatcher.accounts.stops import says
from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.effects import Tell
from dispatcher.core.lane.notices import old_word
from dispatcher.errors import LogError
from dispatcher.log.port import Entry, Log
from dispatcher.loggers import get_logger
from dispatcher.vendors.seam.outcomes import Codes
from schemas.codec import encode
from schemas.records import Stopped, Why
from schemas.topics import CAMPAIGNS

LOG_AWAY: Final = Backoff(0.5, 10.0)


class StopNotices:
    """The notices of one partition's accounts. `codes` are their vendors'."""

    def __init__(self, log: Log, codes: Mapping[str, Codes]) -> None:
        self._log: Final = log
        self._codes: Final = codes
        self._newest: dict[str, Stopped] = {}  # by account: what the log does not have yet
        self._logged: dict[str, set[tuple[Why, str, bool]]] = {}
        self._some = asyncio.Event()
        self._logger = get_logger("lanes")

    def put(self, tell: Tell) -> None:
        """Queue this notice; it replaces one that the log does not have yet."""
        why, words = old_word(tell.stops), says(tell.account, tell.stops, self._codes[tell.account])
        kinds = {(stop.why, stop.code, bool(stop.recipients)) for stop in tell.stops}
        if kinds == self._logged.get(tell.account, set()):
            pass  # only the time of its next try differs
        elif why:
            self._logger.warning("account does not send", account=tell.account, why=words)
        elif words:
            self._logger.warning("recipients wait", account=tell.account, why=words)
        else:
            self._logger.info("account sends again", account=tell.account)
        self._logged[tell.account] = kinds
        self._newest[tell.account] = Stopped(
            account=tell.account, at_ms=tell.at_ms, why=why, says=words, stops=tell.stops
        )
        self._some.set()

    async def run(self) -> None:
        """Write queued notices, for ever. Raises LogError if waiting does not help."""
        failures = 0
        while True:
            await self._some.wait()
            self._some.clear()
            for account, record in list(self._newest.items()):
                try:
                    await self._log.append(CAMPAIGNS.name, 0, [Entry(f"stopped!{account}".encode(), encode(record))])
                except LogError as error:
                    if not error.retryable:
                        raise
                    failures += 1
                    self._some.set()
                    await asyncio.sleep(LOG_AWAY.pause_s(failures))
                    break
                failures = 0
                if self._newest[account] is record:
                    del self._newest[account]
