"""The report engine: plans what becomes of accepted numbers, and pushes it when it is due (vendors.md 9 (5)).

Per account one lane: a schedule of packed rows, a few ready rows, connections that pull their next push themselves. A
tick plans what was accepted since the last one, all at once. The vendor only encodes; this file knows no parameter
names.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol
from urllib.parse import urlsplit

import numpy as np

from loadtest.sim.ledger import ACKED, GIVEN_UP, PUSHED, Book, Entry, Ledger
from loadtest.sim.plan import Planner
from loadtest.sim.push import Push, Pusher
from loadtest.sim.schedule import ROW, Rows, Schedule
from loadtest.sim.switches import Switches

TICK_S = 0.01
SWEEP_S = 0.25
FORM = (
    b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%b"
)
READY_MAX = 512  # rows turned into Python objects at a time


class Target(NamedTuple):
    """A receiver's URL, taken apart."""

    host: str
    port: int
    path: str
    query: str

    @classmethod
    def of(cls, url: str) -> Target:
        parts = urlsplit(url)
        return cls(parts.hostname or "", parts.port or 80, parts.path or "/", parts.query)

    def request(self, method: str, parameters: bytes) -> bytes:
        """An HTTP/1.1 request with url-encoded parameters: in the query (GET) or as a form (POST)."""
        own = self.query.encode()
        host = f"{self.host}:{self.port}".encode()
        if method == "GET":
            query = own + b"&" + parameters if own else parameters
            return b"GET %b?%b HTTP/1.1\r\nHost: %b\r\n\r\n" % (self.path.encode(), query, host)
        path = self.path.encode() + (b"?" + own if own else b"")
        return FORM % (path, host, len(parameters), parameters)


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


class ReportEngine:
    """All lanes. `start` and `close` belong to one event loop."""

    def __init__(self, switches: Switches, ledger: Ledger, encoder: Encoder, seed: int) -> None:
        self.switches = switches
        self.ledger = ledger
        self.encoder = encoder
        self.planner = Planner(switches, ledger, seed)
        self._lanes: dict[str, _Lane] = {}
        self._fresh: dict[tuple[float, str | None], list[Entry]] = {}
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def start(self) -> None:
        """Begin to push."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop at once; what is not pushed stays so in the ledger."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for lane in self._lanes.values():
            lane.close()

    def reset(self) -> None:
        """Drop everything pending."""
        self._fresh.clear()
        for lane in self._lanes.values():
            lane.close()
        self._lanes.clear()

    @property
    def waiting(self) -> int:
        """Pushes not made yet, repetitions and duplicates included."""
        return sum(lane.waiting for lane in self._lanes.values()) + sum(
            e.numbers.size for entries in self._fresh.values() for e in entries
        )

    def accepted(self, entry: Entry, extra_s: float = 0.0, forced: str | None = None) -> None:
        """Report on this entry's numbers, if it wants reports and its account has somewhere to push them."""
        if entry.wants_report and entry.account.config.report_url:
            self._fresh.setdefault((extra_s, forced), []).append(entry)
            self._wake.set()

    def early(self, entry: Entry, forced: str | None = None) -> asyncio.Event | None:
        """Push this entry's reports now; the event is set when all were answered. None if it gets none."""
        if not (entry.wants_report and entry.account.config.report_url):
            return None
        now_s = time.monotonic()
        rows = self.planner.plan([entry], now_s, 0.0, forced)
        rows["due_s"] = now_s
        lane = self._lane(entry.account)
        self._wake.set()
        return lane.early(entry, rows)

    def push(self, book: Book, url: str, payload: bytes) -> asyncio.Future[int]:
        """Push these bytes to `url` before anything scheduled; the future gives the HTTP status, 0 if there was
        none.
        """
        push = _Single(payload)
        self._lane(book).put_single(Target.of(url), push)
        return push.answer

    def repeat(self, book: Book) -> int:
        """Push every report already pushed once more, now; returns how many."""
        lane, count, now_s = self._lane(book), 0, time.monotonic()
        for entry in self.ledger.entries:
            if entry.account is book and entry.flags:
                places = np.flatnonzero(np.frombuffer(entry.flags, np.uint8) & PUSHED)
                rows = np.zeros(places.size, ROW)
                rows["due_s"], rows["entry"], rows["place"] = now_s, entry.index, places
                rows["status"] = entry.status[places]
                lane.schedule.put(rows)
                count += places.size
        self._wake.set()
        return count

    def kick(self) -> None:
        """Something changed: look again."""
        self._wake.set()

    def _lane(self, book: Book) -> _Lane:
        lane = self._lanes.get(book.config.name)
        if lane is None:
            lane = self._lanes[book.config.name] = _Lane(self, book)
        return lane

    async def _run(self) -> None:
        swept_s = time.monotonic()
        while True:
            if not self._fresh and not any(lane.busy for lane in self._lanes.values()):
                self._wake.clear()
                await self._wake.wait()
            self._plan()
            for lane in self._lanes.values():
                lane.kick()
            now_s = time.monotonic()
            if now_s - swept_s > SWEEP_S:
                swept_s = now_s
                for lane in self._lanes.values():
                    lane.sweep()
            await asyncio.sleep(TICK_S)

    def _plan(self) -> None:
        fresh, self._fresh = self._fresh, {}
        now_s = time.monotonic()
        for (extra_s, forced), entries in fresh.items():
            by_book: dict[str, list[Entry]] = {}
            for entry in entries:
                by_book.setdefault(entry.account.config.name, []).append(entry)
            for mine in by_book.values():
                self._lane(mine[0].account).schedule.put(self.planner.plan(mine, now_s, extra_s, forced))


class _Lane:
    """The pushes of one account."""

    def __init__(self, engine: ReportEngine, book: Book) -> None:
        self.engine = engine
        self.book = book
        self.schedule = Schedule()
        self._ready: deque[tuple[float, int, int, int, int]] = deque()
        self._again: list[tuple[float, int, int, int, int]] = []
        self._singles: dict[tuple[str, int], deque[_Single]] = {}
        self._pushers: dict[tuple[str, int], Pusher] = {}
        self._under_way = 0
        self._early: dict[int, tuple[list[int], asyncio.Event]] = {}
        self._target: tuple[str, Target] = ("", Target.of(""))

    @property
    def waiting(self) -> int:
        return len(self.schedule) + len(self._ready) + len(self._again) + self._under_way

    @property
    def busy(self) -> bool:
        return self.waiting > 0 or any(self._singles.values())

    @property
    def target(self) -> Target:
        url = self.book.config.report_url
        if self._target[0] != url:
            self._target = (url, Target.of(url))
        return self._target[1]

    def early(self, entry: Entry, rows: Rows) -> asyncio.Event:
        event = asyncio.Event()
        if not rows.size:
            event.set()
        else:
            self._early[entry.index] = ([rows.size], event)
            self.schedule.put(rows)
            self.kick()
        return event

    def put_single(self, target: Target, push: _Single) -> None:
        self._singles.setdefault((target.host, target.port), deque()).append(push)
        self._pusher(target.host, target.port).kick()
        self.engine.kick()

    def kick(self) -> None:
        if self._again:
            self.schedule.put(np.array(self._again, ROW))
            self._again = []
        for (host, port), singles in self._singles.items():
            if singles:
                self._pusher(host, port).kick()
        if self.book.config.report_url:
            self._pusher(self.target.host, self.target.port).kick()

    def sweep(self) -> None:
        for pusher in self._pushers.values():
            pusher.sweep()

    def close(self) -> None:
        for pusher in self._pushers.values():
            pusher.close()
        for singles in self._singles.values():
            for single in singles:
                single.answer.cancel()

    def _pusher(self, host: str, port: int) -> Pusher:
        switches = self.engine.switches
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
        engine, target = self.engine, self.target
        if (
            (target.host, target.port) != (host, port)
            or engine.switches.push != "on"
            or not self.book.config.report_url
        ):
            return None
        if not self._ready:
            self._ready.extend(self.schedule.take(time.monotonic(), READY_MAX).tolist())
            if not self._ready:
                return None
        rows = [self._ready.popleft()]
        while len(rows) < engine.encoder.reports_per_push and self._ready:
            rows.append(self._ready.popleft())
        entries, names = engine.ledger.entries, engine.ledger.status_names
        reports = [ReportRow(entries[e], place, names[status] or "") for _, e, place, status, _ in rows]
        book = self.book
        for entry, place, _ in reports:
            if not entry.flags[place] & PUSHED:
                entry.flags[place] |= PUSHED
                book.reports_pushed += 1
        book.pushes += 1
        self._under_way += len(rows)
        if engine.planner.chance(engine.switches.report_unknown_ids):
            book.reports_stray += 1
            stray = _Single(engine.encoder.stray_push(book, target, reports[0]))
            self._singles.setdefault((host, port), deque()).append(stray)
        return _Reports(engine.encoder.report_push(book, target, reports), self, rows)

    def answered(self, rows: list[tuple[float, int, int, int, int]], status: int) -> None:
        self._under_way -= len(rows)
        book, switches = self.book, self.engine.switches
        if status != 200:
            book.push_failures += 1
        for _, index, place, code, attempt in rows:
            entry = self.engine.ledger.entries[index]
            if status == 200:
                if not entry.flags[place] & ACKED:
                    entry.flags[place] |= ACKED
                    book.reports_acked += 1
            elif switches.push_retry == "until_200" and attempt + 1 < switches.push_attempts_max:
                pause_s = switches.push_backoff_s * 2 ** min(attempt, 20) / switches.clock_scale
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
    __slots__ = ("_lane", "_rows")

    def __init__(self, payload: bytes, lane: _Lane, rows: list[tuple[float, int, int, int, int]]) -> None:
        super().__init__(payload)
        self._lane = lane
        self._rows = rows

    def done(self, status: int) -> None:
        self._lane.answered(self._rows, status)


class _Single(Push):
    __slots__ = ("answer",)

    def __init__(self, payload: bytes) -> None:
        super().__init__(payload)
        self.answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def done(self, status: int) -> None:
        if not self.answer.done():
            self.answer.set_result(status)
