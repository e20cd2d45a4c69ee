"""The report engine: plans what becomes of accepted numbers, and pushes it when it is due (vendors.md 9 (5)).

Per account one outbox: a schedule of packed rows, a few ready rows, connections that pull their next push themselves. A
tick plans what was accepted since the last one, all at once. The vendor only encodes; this file knows no parameter
names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import numpy as np

from loadtest.sim.http.push_client import Answer
from loadtest.sim.http.target import Target
from loadtest.sim.ledger.ledger import PUSHED, Book, Entry, Ledger
from loadtest.sim.reports.bundles import BundleEncoder, Bundles
from loadtest.sim.reports.mailbox import Mailbox
from loadtest.sim.reports.one_by_one import Encoder, OneByOne
from loadtest.sim.reports.outbox import Outbox, Queue, Single
from loadtest.sim.reports.plan import Planner
from loadtest.sim.reports.retry import Retry
from loadtest.sim.reports.schedule import ROW, Rows
from loadtest.sim.switches import Switches

TICK_S = 0.01
SWEEP_S = 0.25
PLAN_NUMBERS = 20_000

Fresh = dict[tuple[float, str | None], list[Entry]]  # by delay for a review and forced status


class ReportEngine:
    """All outboxes. `start` and `close` belong to one event loop."""

    def __init__(self, switches: Switches, ledger: Ledger, encoder: Encoder | BundleEncoder, seed: int) -> None:
        self.switches = switches
        self.ledger = ledger
        self.encoder = encoder
        self.planner = Planner(switches, ledger, seed)
        self.fetched = False  # does this vendor keep reports for who asks?
        self._outboxes: dict[str, Outbox] = {}
        self._mailboxes: dict[str, Mailbox] = {}
        self._fresh: Fresh = {}
        self._planning = 0  # numbers taken from `_fresh` and not in a schedule yet
        self._generation = 0
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._insisting: set[asyncio.Task[None]] = set()
        self._paused = False

    def start(self) -> None:
        """Begin to push."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop at once; what is not pushed stays so in the ledger."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        for task in self._insisting:
            task.cancel()
        for box in self._outboxes.values():
            box.close()

    def reset(self) -> None:
        """Drop everything pending."""
        self._fresh.clear()
        self._planning = 0
        self._generation += 1
        for task in self._insisting:
            task.cancel()
        for box in self._outboxes.values():
            box.close()
        self._outboxes.clear()
        self._mailboxes.clear()

    @property
    def waiting(self) -> int:
        """Reports not pushed or fetched yet, repetitions and duplicates included."""
        pending = sum(box.waiting for box in self._outboxes.values()) + sum(map(len, self._mailboxes.values()))
        return pending + self._planning + _count(self._fresh)

    def accepted(self, entry: Entry, extra_s: float = 0.0, forced: str | None = None) -> None:
        """Report on this entry's numbers, if it wants reports and they can be pushed or fetched."""
        if entry.wants_report and any(self.roads(entry.account)):
            self._fresh.setdefault((extra_s, forced), []).append(entry)
            self._wake.set()

    def early(self, entry: Entry, forced: str | None = None) -> asyncio.Event | None:
        """Report on this entry now; the event is set when all pushes were answered. None if it gets none."""
        pushed, kept = self.roads(entry.account)
        if not entry.wants_report or not (pushed or kept):
            return None
        now_s = time.monotonic()
        rows = self.planner.plan([entry], now_s, 0.0, forced)
        rows["due_s"] = now_s
        if kept:
            self.mailbox(entry.account).schedule.put(rows)
        self._wake.set()
        return self.outbox(entry.account).early(entry, rows) if pushed else asyncio.Event()

    def push(self, book: Book, url: str, payload: bytes) -> asyncio.Future[Answer]:
        """Push these bytes to `url` before anything scheduled; the future gives what the receiver said."""
        push = Single(payload)
        self.outbox(book).put_single(Target.of(url), push)
        return push.answer

    def insist(self, book: Book, url: str, payload: bytes, taken: Callable[[], None]) -> None:
        """Push these bytes again and again, as `push_retry` allows, until they are taken; then call `taken`."""
        task = asyncio.get_running_loop().create_task(self._insist(book, url, payload, taken))
        self._insisting.add(task)
        task.add_done_callback(self._insisting.discard)

    async def _insist(self, book: Book, url: str, payload: bytes, taken: Callable[[], None]) -> None:
        attempt = 1  # one was made before
        while attempt < (retry := Retry.of(self.switches)).attempts_max:
            await asyncio.sleep(retry.after_s(attempt - 1))
            attempt += 1
            if self.encoder.is_taken(await self.push(book, url, payload)):
                taken()
                return

    @property
    def insisting(self) -> int:
        """Pushes that are made again and again."""
        return len(self._insisting)

    def pause(self, paused: bool) -> None:
        """Push nothing until it is called again; what is being pushed is finished."""
        self._paused = paused
        self._wake.set()

    def repeat(self, book: Book) -> int:
        """Report every report already pushed (or fetched) once more, now; returns how many."""
        count, now_s = 0, time.monotonic()
        for entry in self.ledger.entries:
            if entry.account is book and entry.flags:
                places = np.flatnonzero(np.frombuffer(entry.flags, np.uint8) & PUSHED)
                rows = np.zeros(places.size, ROW)
                rows["due_s"], rows["entry"], rows["place"] = now_s, entry.index, places
                rows["status"] = entry.status[places]
                self._put(book, rows)
                count += places.size
        self._wake.set()
        return count

    def kick(self) -> None:
        """Something changed: look again."""
        self._wake.set()

    def roads(self, book: Book) -> tuple[bool, bool]:
        """Are its reports pushed; are they kept to be fetched?"""
        pushed, kept = book.config.report_roads()
        return pushed, kept and self.fetched

    def mailbox(self, book: Book) -> Mailbox:
        """The account's reports for who asks."""
        return self._mailboxes.setdefault(book.config.name, Mailbox())

    def _put(self, book: Book, rows: Rows) -> None:
        pushed, kept = self.roads(book)
        if kept:
            self.mailbox(book).schedule.put(rows)
        if pushed:
            self.outbox(book).schedule.put(rows)

    def outbox(self, book: Book) -> Outbox:
        """The account's pushes."""
        box = self._outboxes.get(book.config.name)
        if box is None:
            box = Outbox(book, self.switches, self._queue(book), self.kick, lambda: self._paused)
            self._outboxes[book.config.name] = box
        return box

    def _queue(self, book: Book) -> Queue:
        switches, ledger, chance = self.switches, self.ledger, self.planner.chance
        if isinstance(self.encoder, BundleEncoder):
            return Bundles(book, switches, ledger, self.encoder, chance)
        return OneByOne(book, switches, ledger, self.encoder, chance)

    async def _run(self) -> None:
        swept_s = time.monotonic()
        while True:
            if not self._fresh and not any(box.busy for box in self._outboxes.values()):
                self._wake.clear()
                await self._wake.wait()
            try:
                await self._plan()
            except Exception as error:  # log it and continue: silence would hide the cause
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "planning reports failed", "exception": error}
                )
            for box in self._outboxes.values():
                box.kick()
            now_s = time.monotonic()
            if now_s - swept_s > SWEEP_S:
                swept_s = now_s
                for box in self._outboxes.values():
                    box.sweep()
            await asyncio.sleep(TICK_S)

    async def _plan(self) -> None:
        """A few at a time: while we compute nothing arrives, and what waits looks like a burst to the judge."""
        fresh, self._fresh = self._fresh, {}
        generation = self._generation
        self._planning = _count(fresh)
        for (extra_s, forced), entries in fresh.items():
            for mine in _portions(entries):
                if generation != self._generation:
                    return
                rows = self.planner.plan(mine, time.monotonic(), extra_s, forced)
                self._put(mine[0].account, rows)
                self._planning -= sum(e.numbers.size for e in mine)
                await asyncio.sleep(0)


def _count(fresh: Fresh) -> int:
    return sum(e.numbers.size for entries in fresh.values() for e in entries)


def _portions(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Runs of entries of one account, of not much more than PLAN_NUMBERS numbers."""
    portion: list[Entry] = []
    size = 0
    for entry in sorted(entries, key=lambda e: e.account.config.name):
        if portion and (size >= PLAN_NUMBERS or entry.account is not portion[0].account):
            yield portion
            portion, size = [], 0
        portion.append(entry)
        size += entry.numbers.size
    if portion:
        yield portion
