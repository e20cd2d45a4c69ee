"""Reports that put their number on the suppression list, where `[suppression] from_reports` says so.

Which codes they are is in the vendors' report tables: the causes `blacklist` and `number`. The reason on the list is
the code, so that `dispatcher suppression remove --listed-why CODE` takes them off again.

Weak spot: a report that comes again after its number was taken off the list puts it there again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import Numbers
from dispatcher.log.port import Log
from dispatcher.suppression.list import put
from dispatcher.vendors.seam.outcomes import ReportCodes
from dispatcher.vendors.seam.vendor import ReportRow
from schemas.records import Reports

if TYPE_CHECKING:
    from dispatcher.config.file import FromReports

_CAUSES: Final[dict[FromReports, str]] = {"blacklist": "blacklist", "no-such-number": "number"}


class SuppressingReports:
    """The reports of one vendor that put their number on the list."""

    def __init__(self, codes: ReportCodes, wanted: Collection[FromReports]) -> None:
        self._codes: Final = codes
        self._causes: Final = frozenset(_CAUSES[each] for each in wanted)

    def __bool__(self) -> bool:
        """Whether any report does."""
        return bool(self._causes)

    async def take(self, log: Log, account: str, items: Sequence[ReportRow | Reports], at_ms: int) -> None:
        """Put the numbers of such reports on the list. Raises LogError.

        This comes before the reports are kept: if the log fails in between, the vendor repeats them, and a number that
        is put on the list twice is there once.
        """
        if self:
            for code, numbers in self.numbers(items).items():
                await put(log, numbers, adds=True, source="report", by=account, why=code, at_ms=at_ms)

    def numbers(self, items: Sequence[ReportRow | Reports]) -> dict[str, Numbers]:
        """By code: the numbers to put on the list."""
        found: dict[str, list[Numbers]] = {}
        for item in items:
            for code, numbers in self._of(item):
                found.setdefault(code, []).append(numbers)
        return {code: np.concatenate(parts) for code, parts in found.items()}

    def _of(self, item: ReportRow | Reports) -> Iterator[tuple[str, Numbers]]:
        if isinstance(item, ReportRow):
            if item.number and self._meant(item.code):
                yield _reason(item.code), np.array([item.number], np.int64)
            return
        meant = [index for index, code in enumerate(item.codes) if self._meant(code)]
        if not meant:
            return
        numbers: Numbers = np.frombuffer(item.numbers, "<i8").astype(np.int64, copy=False)
        codes: NDArray[np.uint16] = np.frombuffer(item.code_index, "<u2")
        for index in meant:
            named = numbers[(codes == index) & (numbers != 0)]
            if len(named):
                yield _reason(item.codes[index]), named

    def _meant(self, code: str) -> bool:
        row = self._codes.find(code)
        return row is not None and row.cause in self._causes


def _reason(code: str) -> str:
    return code.strip().upper()
