"""What becomes of accepted numbers: which status, when, lost or doubled; drawn for many requests at once from one
seeded generator.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loadtest.sim.ledger.ledger import DUE, DUPLICATE, LOST, Book, Entry, Ledger
from loadtest.sim.ledger.numbers import mobile
from loadtest.sim.reports.schedule import NOTHING, ROW, Rows
from loadtest.sim.switches import Switches

LOGNORMAL_SIGMA = 1.0
DRAWS = 1 << 16


class Planner:
    """Draws the fate of numbers by the switches in force at that moment."""

    def __init__(self, switches: Switches, ledger: Ledger, seed: int) -> None:
        self._switches = switches
        self._ledger = ledger
        self._random = np.random.default_rng(seed)
        self._table: tuple[object, NDArray[np.uint8]] = (None, np.empty(0, np.uint8))

    def chance(self, share: float) -> bool:
        """True in `share` of the cases."""
        return share > 0 and bool(self._random.random() < share)

    def plan(self, entries: Sequence[Entry], now_s: float, extra_s: float = 0.0, forced: str | None = None) -> Rows:
        """Rows for the schedule, `entry` as the ledger's index. Marks status and flags in the entries, counts in their
        book: all entries are of one account.

        `now_s` is the moment of acceptance, `extra_s` a real-time delay before any report, `forced` one status for all.
        """
        if not entries:
            return NOTHING
        sizes = np.array([e.numbers.size for e in entries])
        total = int(sizes.sum())
        starts = np.concatenate(([0], np.cumsum(sizes)))
        numbers = np.concatenate([e.numbers for e in entries])
        status = self._statuses(numbers, forced)
        lost = self._share(self._switches.report_loss, total)
        twice = self._share(self._switches.report_duplicates, total) & ~lost
        flags = np.where(lost, LOST, np.where(twice, DUE | DUPLICATE, DUE)).astype(np.uint8)
        for entry, start, end in zip(entries, starts[:-1].tolist(), starts[1:].tolist(), strict=True):
            entry.status[:] = status[start:end]
            entry.flags[:] = flags[start:end].tobytes()
        self._count(entries[0].account, status, lost, twice)
        rows = np.empty(total, ROW)
        rows["entry"] = np.repeat(np.array([e.index for e in entries], np.int32), sizes)
        rows["place"] = np.arange(total, dtype=np.int32) - np.repeat(starts[:-1], sizes).astype(np.int32)
        rows["status"] = status
        rows["attempt"] = 0
        delay_s = self._delays(total)
        if self._switches.report_order == "submit":
            order = np.lexsort((delay_s, rows["entry"]))
            delay_s = delay_s[order]
        rows["due_s"] = now_s + extra_s + delay_s
        again = rows[twice]
        again["due_s"] += self._delays(again.size)
        return np.concatenate((rows[~lost], again)) if lost.any() or again.size else rows

    def _count(self, book: Book, status: NDArray[np.uint8], lost: NDArray[np.bool_], twice: NDArray[np.bool_]) -> None:
        gone = int(lost.sum())
        book.reports_lost += gone
        book.reports_due += status.size - gone
        book.reports_duplicates += int(twice.sum())
        for code, times in enumerate(np.bincount(status[~lost]).tolist()):
            if times:
                book.statuses[self._ledger.status_names[code] or ""] += times

    def _statuses(self, numbers: NDArray[np.int64], forced: str | None) -> NDArray[np.uint8]:
        ledger, switches = self._ledger, self._switches
        if forced is not None:
            return np.full(numbers.size, ledger.status_id(forced), np.uint8)
        draws = np.frombuffer(self._random.bytes(2 * numbers.size), np.uint16)
        status: NDArray[np.uint8] = self._status_table()[draws]
        if "bad_number_status" in switches.table and (numbers < 0).any():
            status[numbers < 0] = ledger.status_id(switches.bad_number_status)
        for number, name in switches.status_numbers.items():
            value = mobile(number.encode())
            if value is not None:
                status[numbers == value] = ledger.status_id(name)
        return status

    def _status_table(self) -> NDArray[np.uint8]:
        """A status for each of DRAWS equally likely draws, in the shares of the mix: faster than searching."""
        mix = self._switches.status_mix
        ids = [self._ledger.status_id(s) for s in mix]  # every time: a reset forgets them
        known = (ids, list(mix.values()))
        if self._table[0] != known:
            ends = np.rint(np.cumsum(list(mix.values()), dtype=float) / sum(mix.values()) * DRAWS).astype(int)
            self._table = (known, np.repeat(np.array(ids, np.uint8), np.diff(ends, prepend=0)))
        return self._table[1]

    def _share(self, share: float, count: int) -> NDArray[np.bool_]:
        if share <= 0:
            return np.zeros(count, bool)
        return self._random.random(count) < share

    def _delays(self, count: int) -> NDArray[np.float64]:
        """Real seconds."""
        switches = self._switches
        least, mean, longest = switches.report_delay_min_s, switches.report_delay_mean_s, switches.report_delay_max_s
        match switches.report_delay:
            case "exponential":
                more = self._random.standard_exponential(count, np.float32) * np.float32(mean)
            case "uniform":
                more = self._random.random(count, np.float32) * np.float32(2 * mean)
            case "lognormal":
                more = self._random.lognormal(math.log(mean or 1e-9) - LOGNORMAL_SIGMA**2 / 2, LOGNORMAL_SIGMA, count)
            case _:
                more = np.zeros(count)
        return np.asarray(np.minimum(least + more, longest) / switches.clock_scale)
