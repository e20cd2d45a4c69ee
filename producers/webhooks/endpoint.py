"""One account's place for one kind of push: how it is read, alone or with others, and its way into the log.

Rate and waiting pushes are counted here, so that a flooding vendor is refused, and no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dispatcher.arrivals import pack_inbound, pack_reports, take_opt_outs
from dispatcher.core.opt_out import OptOutWords
from dispatcher.log.port import Entry, Log
from dispatcher.masking import Masker
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.seam.vendor import HttpVendor, Push, PushProof
from producers.web.addresses import expected_from
from producers.web.answers import ReadyAnswer
from producers.webhooks.groups import Groups, ReadAlone
from schemas.topics import INBOUND, REPORTS, lane_partition

KEPT_OF_STRANGERS_MAX: Final = 10
"""Dead letters per second from pushes that anybody may have made."""


class PendingPush(msgspec.Struct):
    """A push that is read together with others, and the number of its reports."""

    push: Push
    reports: int = 0


class _PerSecond:
    """Counts what comes in the same second."""

    __slots__ = ("_count", "_second")

    def __init__(self) -> None:
        self._second = self._count = 0

    def count(self, second: int) -> int:
        """Count one more; returns how many came in this second."""
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count


class Endpoint:
    """One account's path for one kind of push: how it is read and where it goes."""

    __slots__ = (
        "_effects",
        "_from_anybody",
        "_kept",
        "_log",
        "_pushed",
        "_together",
        "_words",
        "account",
        "expects",
        "groups",
        "masker",
        "parse",
        "path",
        "reports",
        "taken",
        "taken_ms",
        "together",
        "vendor",
        "waiting",
    )

    def __init__(
        self,
        log: Log,
        account: str,
        vendor: HttpVendor,
        words: OptOutWords,
        effects: ReportEffects,
        *,
        reports: bool,
    ) -> None:
        self._log = log
        self._words = words
        self._effects = effects
        self._together: list[Any] = []
        self.account = account
        self.vendor = vendor
        self.reports = reports
        self.taken = ReadyAnswer(200, vendor.push_answer(), "text/plain")
        """The body that acknowledges a push."""
        self.taken_ms = 0
        """When the last push was taken; 0: none was."""
        self.waiting = 0
        """How many pushes wait for the log."""
        self._pushed, self._kept = _PerSecond(), _PerSecond()
        self._from_anybody = vendor.takes_pushes_from_anybody
        self.path = f"/push/{account}/{'report' if reports else 'inbound'}"
        self.expects = expected_from(vendor.push_from)
        self.parse: Callable[[Push], Any] = vendor.report_push if reports else vendor.inbound_push
        topic = REPORTS if reports else INBOUND
        first = self._take_effects if reports else self._take_opt_outs
        self.groups = Groups[Any](log, topic.name, lane_partition(account), self._pack, first)
        self.together: Groups[PendingPush] | None = None
        if reports and type(vendor).report_pushes is not HttpVendor.report_pushes:
            self.together = Groups(
                log, topic.name, lane_partition(account), self._pack_together, self._take_effects_together
            )
        self.masker = Masker(vendor.secrets())
        """Removes the account's secrets from kept pushes."""

    def too_fast(self, second: int, pushes_per_s_max: int) -> bool:
        """Count a push in this second; True if it is one too many."""
        return self._pushed.count(second) > pushes_per_s_max

    def too_much_to_keep(self, second: int) -> bool:
        """Count a dead letter in this second; True if it is one too many and anybody could push it."""
        return self._from_anybody and self._kept.count(second) > KEPT_OF_STRANGERS_MAX

    def proved(self, proof: PushProof) -> bool:
        """Whether a push with this proof, from an expected address, is the vendor's."""
        return proof is PushProof.RIGHT or (proof is PushProof.NOT_ASKED and self.expects is not None)

    def _pack(self, items: list[Any]) -> list[Entry]:
        return pack_reports(self.account, items, _now_ms()) if self.reports else pack_inbound(self.account, items)

    async def _take_opt_outs(self, items: list[Any]) -> None:
        await take_opt_outs(self._log, self.account, items, self._words)

    async def _take_effects(self, items: list[Any]) -> None:
        await self._effects.take(self._log, self.account, items, _now_ms())

    async def _take_effects_together(self, _: list[PendingPush]) -> None:
        await self._take_effects(self._together)  # what `_pack_together`, just called, has read

    def _pack_together(self, pending: list[PendingPush]) -> list[Entry]:
        """All of them read at once. Raises ReadAlone if they are too irregular for that."""
        try:
            found = self.vendor.report_pushes([each.push for each in pending])
        except Exception as error:  # a bug in a vendor's file is handled push by push
            raise ReadAlone from error
        if found is None:
            raise ReadAlone
        records, counts = found
        for each, count in zip(pending, counts, strict=True):
            each.reports = count
        self._together = records
        return pack_reports(self.account, records, _now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
