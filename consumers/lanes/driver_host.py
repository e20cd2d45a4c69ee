"""What a driver tells its lane beside the sending: what the vendor delivers, and how its logins went."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from dispatcher import clock
from dispatcher.arrivals import keep_dead_letter, take_inbound, take_reports
from dispatcher.core.lane.answers.verdict import Verdict
from dispatcher.core.lane.owner import Owner
from dispatcher.core.opt_out import OptOutWords
from dispatcher.drivers.port import Deliveries
from dispatcher.log.port import Log
from dispatcher.loggers import get_logger
from dispatcher.report_effects import ReportEffects


class DriverHost:
    """The host of one account's driver (drivers/port.py). `wake`: the owner has something new to decide."""

    def __init__(
        self,
        log: Log,
        account: str,
        owner: Owner,
        wake: Callable[[], None],
        opt_out_words: OptOutWords,
        effects: ReportEffects,
    ) -> None:
        self._log: Final = log
        self._account: Final = account
        self._owner: Final = owner
        self._wake: Final = wake
        self._opt_out_words: Final = opt_out_words
        self._effects: Final = effects
        self._logger = get_logger("deliveries").bind(account=account)

    async def take(self, deliveries: Deliveries) -> None:
        """Make them durable. Raises LogError."""
        at_ms = clock.now_ms()
        for why, body in deliveries.unreadable:
            self._logger.warning("a delivery cannot be read", why=why)
            await keep_dead_letter(self._log, self._account, "delivery", why, body, at_ms)
        await take_reports(self._log, self._account, deliveries.reports, at_ms, self._effects)
        await take_inbound(self._log, self._account, deliveries.messages, self._opt_out_words)

    def login(self, verdict: Verdict | None) -> None:
        """A login was refused, or taken (None)."""
        self._owner.query_answered(self._account, verdict, time.monotonic(), clock.now_ms())
        self._wake()
