"""Reports pushed many to a request, as vendors with a batch form do: whole columns, no Python object per report.

Due rows stay packed from the schedule to the encoder and back; what becomes of them is marked in the ledger's columns
in one stroke. A bundle that was not taken is scheduled anew row by row, so its rows may meet others in their next one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from loadtest.sim.http.push_client import Answer, Push
from loadtest.sim.http.target import Target
from loadtest.sim.ledger.columns import Addresses, distinct
from loadtest.sim.ledger.ledger import ACKED, GIVEN_UP, PUSHED, Book, Ledger
from loadtest.sim.ledger.numbers import Column
from loadtest.sim.reports.outbox import Early
from loadtest.sim.reports.retry import Retry
from loadtest.sim.reports.schedule import NOTHING, Rows, Schedule
from loadtest.sim.switches import Switches

READY_MAX = 4096  # rows sorted by status at a time


class Bundle(NamedTuple):
    """Reports to be encoded: `numbers[i]` (or -1-k for the ledger's `odd[k]`) of message `ids[i]` got
    `status_names[statuses[i]]`. It is the `places[i]`-th number of that message.
    """

    numbers: Column
    statuses: NDArray[np.uint8]
    ids: NDArray[np.bytes_]
    places: NDArray[np.int32]


@runtime_checkable
class BundleEncoder(Protocol):
    """What is asked of a vendor that pushes many reports per request."""

    @property
    def reports_max(self) -> int:
        """How many reports a push may carry now."""
        ...

    def bundle_push(self, book: Book, target: Target, bundle: Bundle) -> bytes:
        """The whole HTTP request for some reports of one account."""
        ...

    def stray_id(self, vendor_id: bytes) -> bytes:
        """An id that was never given, made of one that was."""
        ...

    def is_taken(self, answer: Answer) -> bool:
        """Does this answer end the pushing of what it answers?"""
        ...


@runtime_checkable
class OfOneStatus(Protocol):
    """A vendor whose pushes say one status, of all their reports."""

    one_status: ClassVar[bool]


class Bundles:
    """The queue of one account. `chance(share)` draws."""

    def __init__(
        self, book: Book, switches: Switches, ledger: Ledger, encoder: BundleEncoder, chance: Callable[[float], bool]
    ) -> None:
        self._book = book
        self._switches = switches
        self._ledger = ledger
        self._encoder = encoder
        self._chance = chance
        self.schedule = Schedule()
        self.early = Early()
        self._one_status = isinstance(encoder, OfOneStatus)
        self._ready: deque[Rows] = deque()
        self._again: list[Rows] = []
        self._under_way = 0

    @property
    def waiting(self) -> int:
        """Reports not pushed yet or not answered yet."""
        pending = sum(rows.size for rows in (*self._ready, *self._again))
        return len(self.schedule) + pending + self._under_way

    def put_again(self) -> None:
        """Schedule what is to be repeated."""
        if self._again:
            again, self._again = self._again, []
            self.schedule.put(np.concatenate([NOTHING, *again]))

    def next(self, target: Target) -> tuple[Push, bytes] | None:
        """A push of all reports that are due, as many as one may carry, and perhaps a stray one's payload."""
        rows = self._take()
        if not rows.size:
            return None
        book, columns = self._book, self._ledger.columns
        addresses = columns.addresses(rows["entry"], rows["place"])
        bundle = Bundle(columns.numbers(addresses), rows["status"], columns.ids(rows["entry"]), rows["place"])
        before = columns.mark(addresses, PUSHED)
        book.reports_pushed += distinct(addresses[before & PUSHED == 0])
        book.pushes += 1
        self._under_way += rows.size
        stray = b""
        if self._chance(self._switches.report_unknown_ids):
            ids = np.array([self._encoder.stray_id(bytes(bundle.ids[0]))])
            made = Bundle(bundle.numbers[:1], bundle.statuses[:1], ids, bundle.places[:1])
            stray = self._encoder.bundle_push(book, target, made)
        return _Reports(self._encoder.bundle_push(book, target, bundle), self, rows, addresses), stray

    def _take(self) -> Rows:
        """What the next push carries."""
        most = self._encoder.reports_max
        if not self._one_status:
            return self.schedule.take(time.monotonic(), most)
        if not self._ready:
            rows = self.schedule.take(time.monotonic(), READY_MAX)
            for status in np.unique(rows["status"]).tolist():
                same = rows[rows["status"] == status]
                self._ready.extend(same[at : at + most] for at in range(0, same.size, most))
        return self._ready.popleft() if self._ready else NOTHING

    def answered(self, rows: Rows, addresses: Addresses, answer: Answer) -> None:
        """What became of a push of these rows."""
        self._under_way -= rows.size
        book, columns = self._book, self._ledger.columns
        if self._encoder.is_taken(answer):
            before = columns.mark(addresses, ACKED, clear=GIVEN_UP)
            book.reports_acked += distinct(addresses[before & ACKED == 0])
            book.reports_given_up -= distinct(addresses[before & GIVEN_UP != 0])  # a duplicate made it after all
        else:
            book.push_failures += 1
            over = self._repeat(rows)
            rows, addresses = rows[over], addresses[over]
            never = addresses[columns.flags(addresses) & (ACKED | GIVEN_UP) == 0]
            columns.mark(never, GIVEN_UP)
            book.reports_given_up += distinct(never)
        if self.early:
            entries, counts = np.unique(rows["entry"], return_counts=True)
            for index, count in zip(entries.tolist(), counts.tolist(), strict=True):
                self.early.answered(index, count)

    def _repeat(self, rows: Rows) -> NDArray[np.bool_]:
        """Schedule those that may be pushed once more; which are not."""
        retry = Retry.of(self._switches)
        attempts = rows["attempt"].astype(np.int64)
        over: NDArray[np.bool_] = attempts + 1 >= retry.attempts_max
        again = rows[~over]
        if again.size:
            doublings = np.minimum(attempts[~over], retry.doublings_max)
            again["due_s"] = time.monotonic() + retry.pause_s * 2.0**doublings
            again["attempt"] = np.minimum(attempts[~over] + 1, 255)
            self._again.append(again)
        return over


class _Reports(Push):
    __slots__ = ("_addresses", "_queue", "_rows")

    def __init__(self, payload: bytes, queue: Bundles, rows: Rows, addresses: Addresses) -> None:
        super().__init__(payload)
        self._queue = queue
        self._rows = rows
        self._addresses = addresses

    def done(self, answer: Answer) -> None:
        self._queue.answered(self._rows, self._addresses, answer)
