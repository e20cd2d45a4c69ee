"""What reports do besides settling their recipients: put numbers on the suppression list, teach carriers.

It happens before the reports are durable: if the log fails in between, the vendor repeats them, and all of it may
happen twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dispatcher.carriers.learnt import LearntCarriers, PortingReports
from dispatcher.config.file import SuppressionConfig
from dispatcher.log.port import Log
from dispatcher.suppression.from_reports import SuppressingReports
from dispatcher.vendors.seam.outcomes import ReportCodes
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.records import Reports


class ReportEffects:
    """The effects of the reports of one vendor. `learnt` is shared by the vendors of a process or a lane."""

    def __init__(self, codes: ReportCodes, suppression: SuppressionConfig, learnt: LearntCarriers) -> None:
        self._suppressing: Final = SuppressingReports(codes, suppression.from_reports)
        self._porting: Final = PortingReports(codes, learnt)

    async def take(self, log: Log, account: str, items: Sequence[ReportRow | Reports], at_ms: int) -> None:
        """Append what these reports cause. Raises LogError."""
        await self._suppressing.take(log, account, items, at_ms)
        await self._porting.take(log, account, items, at_ms)
