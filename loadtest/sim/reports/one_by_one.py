"""Reports pushed one by one, as vendors without a batch form do.

Due rows become Python tuples, a few hundred at a time: with one HTTP request per report that is what costs least.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from loadtest.sim.http.push_client import Answer, Push
from loadtest.sim.http.target import Target
from loadtest.sim.ledger.ledger import ACKED, GIVEN_UP, PUSHED, Book, Entry, Ledger
from loadtest.sim.reports.outbox import Early
from loadtest.sim.reports.retry import Retry
from loadtest.sim.reports.schedule import ROW, Schedule
from loadtest.sim.switches import Switches

READY_MAX = 512  # rows turned into Python objects at a time

Row = tuple[float, int, int, int, int]  # schedule.ROW as Python values


class ReportRow(NamedTuple):
    """One report to be encoded."""

    entry: Entry
    place: int
    status: str


class Encoder(Protocol):
    """What is asked of a vendor that pushes one report per request."""

    def report_push(self, book: Book, target: Target, row: ReportRow) -> bytes:
        """The whole HTTP request for one report."""
        ...

    def stray_push(self, book: Book, target: Target, row: ReportRow) -> bytes:
        """The same with an id that was never given."""
        ...

    def is_taken(self, answer: Answer) -> bool:
        """Does this answer end the pushing of what it answers?"""
        ...


class OneByOne:
    """The queue of one account. `chance(share)` draws."""

    def __init__(
        self, book: Book, switches: Switches, ledger: Ledger, encoder: Encoder, chance: Callable[[float], bool]
    ) -> None:
        self._book = book
        self._switches = switches
        self._ledger = ledger
        self._encoder = encoder
        self._chance = chance
        self.schedule = Schedule()
        self.early = Early()
        self._ready: deque[Row] = deque()
        self._again: list[Row] = []
        self._under_way = 0

    @property
    def waiting(self) -> int:
        """Reports not pushed yet or not answered yet."""
        return len(self.schedule) + len(self._ready) + len(self._again) + self._under_way

    def put_again(self) -> None:
        """Schedule what is to be repeated."""
        if self._again:
            self.schedule.put(np.array(self._again, ROW))
            self._again = []

    def next(self, target: Target) -> tuple[Push, bytes] | None:
        """A push of one report that is due, and perhaps a stray one's payload."""
        book = self._book
        if not self._ready:
            self._ready.extend(self.schedule.take(time.monotonic(), READY_MAX).tolist())
            if not self._ready:
                return None
        row = self._ready.popleft()
        entry, place = self._ledger.entries[row[1]], row[2]
        report = ReportRow(entry, place, self._ledger.status_names[row[3]] or "")
        if not entry.flags[place] & PUSHED:
            entry.flags[place] |= PUSHED
            book.reports_pushed += 1
        book.pushes += 1
        self._under_way += 1
        stray = b""
        if self._chance(self._switches.report_unknown_ids):
            stray = self._encoder.stray_push(book, target, report)
        return _Report(self._encoder.report_push(book, target, report), self, row), stray

    def answered(self, row: Row, answer: Answer) -> None:
        """What became of a push of this row."""
        self._under_way -= 1
        book = self._book
        _, index, place, code, attempt = row
        entry = self._ledger.entries[index]
        if self._encoder.is_taken(answer):
            if entry.flags[place] & GIVEN_UP:  # a duplicate made it after all
                entry.flags[place] &= ~GIVEN_UP & 0xFF
                book.reports_given_up -= 1
            if not entry.flags[place] & ACKED:
                entry.flags[place] |= ACKED
                book.reports_acked += 1
        else:
            book.push_failures += 1
            retry = Retry.of(self._switches)
            if attempt + 1 < retry.attempts_max:
                self._again.append(
                    (time.monotonic() + retry.after_s(attempt), index, place, code, min(attempt + 1, 255))
                )
                return
            if not entry.flags[place] & (ACKED | GIVEN_UP):
                entry.flags[place] |= GIVEN_UP
                book.reports_given_up += 1
        if self.early:
            self.early.answered(index)


class _Report(Push):
    __slots__ = ("_queue", "_row")

    def __init__(self, payload: bytes, queue: OneByOne, row: Row) -> None:
        super().__init__(payload)
        self._queue = queue
        self._row = row

    def done(self, answer: Answer) -> None:
        self._queue.answered(self._row, answer)
