"""The changes of a micro-batch to the sums of views: gathered in memory, written once per transaction.

Every sum is a difference, so the rows of a rebuilt store do not depend on how records were cut into micro-batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from schemas.states import State

Key = tuple[str, str, str, int]
"""campaign, attempt, account; of a stream also the day of the append (core/streams/segments.py), else 0"""

STATE_COLUMNS: Final[dict[int, str]] = {
    State.IN_FLIGHT: "in_flight",
    State.ACCEPTED: "accepted",
    State.NO_REPORT: "no_report",
    State.FAILED: "refused",
    State.UNKNOWN: "unknown",
    State.SUPPRESSED: "suppressed",
    State.DUPLICATE: "repeated",
}
"""Columns by the state of the chunk; all other recipients are queued."""

FINAL_COLUMNS: Final = {State.DELIVERED: "delivered", State.FAILED: "undelivered"}
"""Columns by the final report."""

COLUMNS: Final = (*STATE_COLUMNS.values(), *FINAL_COLUMNS.values(), "appended")


class Tally(msgspec.Struct):
    """Differences for one campaign, account and day; times are the smallest and largest seen.

    `appended` are messages of a stream, `repeated` those of them whose key it had.
    """

    in_flight: int = 0
    accepted: int = 0
    no_report: int = 0
    refused: int = 0
    unknown: int = 0
    suppressed: int = 0
    repeated: int = 0
    delivered: int = 0
    undelivered: int = 0
    appended: int = 0
    first_sent_ms: int | None = None
    last_sent_ms: int | None = None
    last_report_ms: int | None = None

    def add(self, column: str, recipients: int) -> None:
        """Add this many in this column."""
        setattr(self, column, getattr(self, column) + recipients)

    def sent(self, at_ms: int) -> None:
        """A request went out."""
        self.first_sent_ms = at_ms if self.first_sent_ms is None else min(self.first_sent_ms, at_ms)
        self.last_sent_ms = at_ms if self.last_sent_ms is None else max(self.last_sent_ms, at_ms)

    def reported(self, at_ms: int) -> None:
        """A final report came."""
        self.last_report_ms = at_ms if self.last_report_ms is None else max(self.last_report_ms, at_ms)


def summed(tallies: Iterable[Tally]) -> Tally:
    """All of them as one."""
    result = Tally()
    for tally in tallies:
        for name in COLUMNS:
            result.add(name, getattr(tally, name))
        for at_ms in (tally.first_sent_ms, tally.last_sent_ms):
            if at_ms is not None:
                result.sent(at_ms)
        if tally.last_report_ms is not None:
            result.reported(tally.last_report_ms)
    return result


class ReportTally(msgspec.Struct):
    """Differences for the reports of one account."""

    rows: int = 0
    waiting: int = 0
    applied: int = 0
    repeats: int = 0


MoveKey = tuple[str, str, str, str, str, bool]
"""campaign, attempt, account, the account that it moved recipients to, why, and whether they went back."""


class MoveSum(msgspec.Struct):
    """Recipients that were moved, when the first and the last ones were."""

    recipients: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, recipients: int, first_ms: int, last_ms: int) -> None:
        """Add these."""
        self.first_ms = min(self.first_ms, first_ms) if self.recipients else first_ms
        self.last_ms = max(self.last_ms, last_ms)
        self.recipients += recipients


class Tallies:
    """All differences of one transaction."""

    def __init__(self) -> None:
        self.campaigns: dict[Key, Tally] = {}
        self.failures: dict[tuple[str, str, str, int, str, str], int] = {}  # key, source, code
        self.moves: dict[MoveKey, MoveSum] = {}
        self.reports: dict[str, ReportTally] = {}
        self.oddities: dict[tuple[str, str], int] = {}  # topic, what

    def of(self, key: Key) -> Tally:
        """The tally of this key."""
        tally = self.campaigns.get(key)
        if tally is None:
            tally = self.campaigns[key] = Tally()
        return tally

    def moved(self, key: MoveKey, recipients: int, at_ms: int) -> None:
        """Recipients were moved to another account."""
        self.moves.setdefault(key, MoveSum()).add(recipients, at_ms, at_ms)

    def failed(self, key: Key, source: str, code: str, recipients: int) -> None:
        """Add this many failures with this code."""
        at = (*key, source, code)
        self.failures[at] = self.failures.get(at, 0) + recipients

    def report(self, account: str) -> ReportTally:
        """The report tally of this account."""
        tally = self.reports.get(account)
        if tally is None:
            tally = self.reports[account] = ReportTally()
        return tally

    def odd(self, topic: str, what: str) -> None:
        """A record that could not be used; counted and set aside."""
        self.oddities[topic, what] = self.oddities.get((topic, what), 0) + 1
