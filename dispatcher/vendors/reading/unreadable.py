"""The entries of a push that could not be read, beside those that could: kept aside, never fatal to the rest. Pure."""

from __future__ import annotations

from typing import TypeVar

from dispatcher.vendors.seam.vendor import Partly, Refused
from schemas.records import Inbound, Reports

Rows = TypeVar("Rows", list[Reports], list[Inbound])


class Unread:
    """Gathers such entries; `why` is what is wrong with the first of them."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.why = ""

    def add(self, entry: bytes, why: str) -> None:
        """Lay one more aside, as it came."""
        self.why = self.why or why
        self.entries.append(entry)

    def beside(self, rows: Rows, *, authenticated: bool) -> Rows | Partly | Refused:
        """What the push comes to: the rows; all but these entries; or a refusal, if nothing of it could be read."""
        if not self.entries:
            return rows
        count = len(self.entries)
        why = f"{count} entr{'y' if count == 1 else 'ies'} cannot be read; of the first: {self.why}"
        if not rows:
            return Refused(400, why, authenticated, keep=True)
        return Partly(rows, b"\n".join(self.entries), count, why)
