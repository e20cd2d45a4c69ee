"""The pushes of one account: what is due, what is ready, what is asked for besides.

Nothing is handed out: connections pull their next push from here whenever one is free.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from loadtest.sim.ledger import ACKED, GIVEN_UP, PUSHED, Book, Entry, Ledger
from loadtest.sim.push import Push, Pusher
from loadtest.sim.schedule import ROW, Rows, Schedule
from loadtest.sim.switches import Switches
from loadtest.sim.target import Target

READY_MAX = 512  # rows turned into Python objects at a time
BACKOFF_DOUBLINGS_MAX = 20

Row = tuple[float, int, int, int, int]  # schedule.ROW as Python values


class ReportRow(NamedTuple):
    """One report to be encoded."""

    entry: Entry
    place: int
    status: str


class Encoder(Protocol):
    """What the engine asks of a vendor."""

    reports_per_push: ClassVar[int]

    def report_push(self, book: Book, target: Target, rows: Sequence[ReportRow]) -> bytes:
        """The whole HTTP request for some reports of one account."""
        ...

    def stray_push(self, book: Book, target: Target, row: ReportRow) -> bytes:
        """The same with an id that was never given."""
        ...


class Outbox:
    """The pushes of one account. `chance(share)` draws, `wake()` starts the engine's ticking."""

    def __init__(
        self,
        book: Book,
        switches: Switches,
        ledger: Ledger,
        encoder: Encoder,
        chance: Callable[[float], bool],
        wake: Callable[[], None],
    ) -> None:
        self._book = book
        self._switches = switches
        self._ledger = ledger
        self._encoder = encoder
        self._chance = chance
        self._wake = wake
        self.schedule = Schedule()
        self._ready: deque[Row] = deque()
        self._again: list[Row] = []
        self._singles: dict[tuple[str, int], deque[Single]] = {}
        self._pushers: dict[tuple[str, int], Pusher] = {}
        self._under_way = 0
        self._early: dict[int, tuple[list[int], asyncio.Event]] = {}
        self._target: tuple[str, Target] = ("", Target.of(""))

    @property
    def waiting(self) -> int:
        """Reports not pushed yet or not answered yet."""
        return len(self.schedule) + len(self._ready) + len(self._again) + self._under_way

    @property
    def busy(self) -> bool:
        """Is there anything to do or to wait for?"""
        return self.waiting > 0 or any(self._singles.values()) or any(p.busy for p in self._pushers.values())

    @property
    def target(self) -> Target:
        """Where the account's reports go."""
        url = self._book.config.report_url
        if self._target[0] != url:
            self._target = (url, Target.of(url))
        return self._target[1]

    def early(self, entry: Entry, rows: Rows) -> asyncio.Event:
        """Schedule rows of one entry; the event is set when each of them was answered or given up."""
        event = asyncio.Event()
        if not rows.size:
            event.set()
        else:
            self._early[entry.index] = ([rows.size], event)
            self.schedule.put(rows)
            self.kick()
        return event

    def put_single(self, target: Target, push: Single) -> None:
        """Push this before anything scheduled."""
        self._singles.setdefault((target.host, target.port), deque()).append(push)
        self._pusher(target.host, target.port).kick()
        self._wake()

    def kick(self) -> None:
        """Look for work; the engine's tick."""
        if self._again:
            self.schedule.put(np.array(self._again, ROW))
            self._again = []
        for (host, port), singles in self._singles.items():
            if singles:
                self._pusher(host, port).kick()
        if self._book.config.report_url:
            self._pusher(self.target.host, self.target.port).kick()

    def sweep(self) -> None:
        """End connections whose answer is overdue."""
        for pusher in self._pushers.values():
            pusher.sweep()

    def close(self) -> None:
        """Drop all that is pending."""
        for pusher in self._pushers.values():
            pusher.close()
        for singles in self._singles.values():
            for single in singles:
                single.answer.cancel()

    def _pusher(self, host: str, port: int) -> Pusher:
        switches = self._switches
        pusher = self._pushers.get((host, port))
        if pusher is None:
            pusher = Pusher(
                host, port, lambda: self._next(host, port), switches.push_connections, switches.push_timeout_s
            )
            self._pushers[host, port] = pusher
        pusher.connections = switches.push_connections
        pusher.timeout_s = switches.push_timeout_s
        return pusher

    def _next(self, host: str, port: int) -> Push | None:
        singles = self._singles.get((host, port))
        if singles:
            return singles.popleft()
        target, switches, book = self.target, self._switches, self._book
        if (target.host, target.port) != (host, port) or switches.push != "on" or not self._book.config.report_url:
            return None
        if not self._ready:
            self._ready.extend(self.schedule.take(time.monotonic(), READY_MAX).tolist())
            if not self._ready:
                return None
        rows = [self._ready.popleft()]
        while len(rows) < self._encoder.reports_per_push and self._ready:
            rows.append(self._ready.popleft())
        entries, names = self._ledger.entries, self._ledger.status_names
        reports = [ReportRow(entries[e], place, names[status] or "") for _, e, place, status, _ in rows]
        for entry, place, _ in reports:
            if not entry.flags[place] & PUSHED:
                entry.flags[place] |= PUSHED
                book.reports_pushed += 1
        book.pushes += 1
        self._under_way += len(rows)
        if self._chance(switches.report_unknown_ids):
            book.reports_stray += 1
            stray = Single(self._encoder.stray_push(book, target, reports[0]))
            self._singles.setdefault((host, port), deque()).append(stray)
        return _Reports(self._encoder.report_push(book, target, reports), self, rows)

    def answered(self, rows: list[Row], status: int) -> None:
        """What became of a push of these rows."""
        self._under_way -= len(rows)
        book, switches = self._book, self._switches
        if status != 200:
            book.push_failures += 1
        for _, index, place, code, attempt in rows:
            entry = self._ledger.entries[index]
            if status == 200:
                if entry.flags[place] & GIVEN_UP:  # a duplicate made it after all
                    entry.flags[place] &= ~GIVEN_UP
                    book.reports_given_up -= 1
                if not entry.flags[place] & ACKED:
                    entry.flags[place] |= ACKED
                    book.reports_acked += 1
            elif switches.push_retry == "until_200" and attempt + 1 < switches.push_attempts_max:
                pause_s = switches.push_backoff_s * 2 ** min(attempt, BACKOFF_DOUBLINGS_MAX) / switches.clock_scale
                self._again.append((time.monotonic() + pause_s, index, place, code, min(attempt + 1, 255)))
                continue
            elif not entry.flags[place] & (ACKED | GIVEN_UP):
                entry.flags[place] |= GIVEN_UP
                book.reports_given_up += 1
            early = self._early.get(index)
            if early is not None:
                early[0][0] -= 1
                if not early[0][0]:
                    early[1].set()
                    del self._early[index]


class _Reports(Push):
    __slots__ = ("_outbox", "_rows")

    def __init__(self, payload: bytes, outbox: Outbox, rows: list[Row]) -> None:
        super().__init__(payload)
        self._outbox = outbox
        self._rows = rows

    def done(self, status: int) -> None:
        self._outbox.answered(self._rows, status)


class Single(Push):
    """One push besides the schedule; `answer` becomes the HTTP status, 0 if there was none."""

    __slots__ = ("answer",)

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def done(self, status: int) -> None:
        if not self.answer.done():
            self.answer.set_result(status)
