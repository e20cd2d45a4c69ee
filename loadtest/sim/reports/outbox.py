"""The pushes of one account: the reports that are due, and what is asked for besides.

Nothing is handed out: connections pull their next push from here whenever one is free.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from loadtest.sim.http.push_client import Answer, Push, Pusher
from loadtest.sim.http.target import Target
from loadtest.sim.ledger.ledger import Book, Entry
from loadtest.sim.reports.schedule import Rows, Schedule
from loadtest.sim.switches import Switches


class Early:
    """Whose answer waits for its reports: an event per entry, set when each of these was answered or given up."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[list[int], asyncio.Event]] = {}

    def __bool__(self) -> bool:
        return bool(self._open)

    def expect(self, index: int, count: int) -> asyncio.Event:
        """The event for this many reports of an entry."""
        event = asyncio.Event()
        if count:
            self._open[index] = ([count], event)
        else:
            event.set()
        return event

    def answered(self, index: int, count: int = 1) -> None:
        """So many more of them are done with."""
        waiting = self._open.get(index)
        if waiting is not None:
            waiting[0][0] -= count
            if waiting[0][0] <= 0:
                waiting[1].set()
                del self._open[index]


class Queue(Protocol):
    """The scheduled reports of one account, made into pushes; the vendor decides whether one by one or in bundles."""

    schedule: Schedule
    early: Early

    @property
    def waiting(self) -> int:
        """Reports not pushed yet or not answered yet."""
        ...

    def put_again(self) -> None:
        """Schedule what is to be repeated."""
        ...

    def next(self, target: Target) -> tuple[Push, bytes] | None:
        """A push of what is due, and the payload of a stray one to go with it (or none); None if nothing is due."""
        ...


class Outbox:
    """The pushes of one account. `wake()` starts the engine's ticking, `paused()` says to begin no push."""

    def __init__(
        self, book: Book, switches: Switches, queue: Queue, wake: Callable[[], None], paused: Callable[[], bool]
    ) -> None:
        self._book = book
        self._switches = switches
        self._queue = queue
        self._wake = wake
        self._paused = paused
        self._singles: dict[tuple[str, int], deque[Single]] = {}
        self._pushers: dict[tuple[str, int], Pusher] = {}
        self._target: tuple[str, Target] = ("", Target.of(""))

    @property
    def schedule(self) -> Schedule:
        """What is due when."""
        return self._queue.schedule

    @property
    def waiting(self) -> int:
        """Reports not pushed yet or not answered yet."""
        return self._queue.waiting

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
        event = self._queue.early.expect(entry.index, rows.size)
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
        self._queue.put_again()
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
        if self._paused():
            return None
        singles = self._singles.get((host, port))
        if singles:
            return singles.popleft()
        target = self.target
        if (target.host, target.port) != (host, port) or not self._book.config.report_url:
            return None
        if self._switches.push != "on":
            return None
        due = self._queue.next(target)
        if due is None:
            return None
        push, stray = due
        if stray:
            self._book.reports_stray += 1
            self._singles.setdefault((host, port), deque()).append(Single(stray))
        return push


class Single(Push):
    """One push besides the schedule; `answer` becomes what the receiver said."""

    __slots__ = ("answer",)

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def done(self, answer: Answer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)
