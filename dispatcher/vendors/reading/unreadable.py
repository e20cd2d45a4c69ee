"""The unreadable entries of a push: kept apart, never fatal to the other entries. Pure."""

from __future__ import annotations

from typing import TypeVar

from dispatcher.vendors.seam.vendor import Partly, Refusal
from schemas.records import Inbound, Reports

Rows = TypeVar("Rows", list[Reports], list[Inbound])


class Unreadable:
    """Gathers such entries; `why` is the fault of the first one."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.why = ""

    def add(self, entry: bytes, why: str) -> None:
        """Record one unreadable entry verbatim."""
        self.why = self.why or why
        self.entries.append(entry)

    def beside(self, rows: Rows, *, authenticated: bool) -> Rows | Partly | Refusal:
        """The result of the push: the rows; the rows without these entries; or a refusal if no entry was readable."""
        if not self.entries:
            return rows
        count = len(self.entries)
        why = f"{count} entr{'y' if count == 1 else 'ies'} cannot be read; of the first: {self.why}"
        if not rows:
            return Refusal(400, why, authenticated, keep=True)
        return Partly(rows, b"\n".join(self.entries), count, why)
