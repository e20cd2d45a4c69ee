"""How well, and how fast, accounts deliver to each carrier: columns of recipients in, figures out. Pure.

The rate is of recipients whose message the vendor took and whose end is known: delivered, failed by a report, or no
report came in time. Its interval (Wilson, 95 %) says how far so few recipients can be trusted. Delays are counted in
classes, each a quarter wider than the one before, so a quantile is "at most", and never more than a quarter too high.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.carriers import Carrier
from schemas.states import State

DELAY_MAX_S: Final = 7 * 86_400
QUANTILES: Final = (0.5, 0.95)
_Z: Final = 1.959964

_EDGES: Final = np.unique(np.ceil(np.geomspace(1, DELAY_MAX_S, 61)).astype(np.int64))
"""The upper ends of the classes of delays, seconds; what took longer is in the last one."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the recipients of one account and carrier. `rate` None: none has come to its end yet.

    `waiting` are taken by the vendor without a report so far. Delays (seconds, at most this) are from the submit to the
    time of the report, of delivered recipients; None: no report had a time.
    """

    account: str
    carrier: str
    delivered: int
    failed: int
    no_report: int
    waiting: int
    rate: float | None
    rate_low: float | None
    rate_high: float | None
    delay_p50_s: int | None
    delay_p95_s: int | None


def delays_s(
    reported_s: NDArray[np.int64], submitted_ms: NDArray[np.int64], *, to_the_minute: bool = False
) -> NDArray[np.int64]:
    """The seconds from the submit to each report, -1 without one; clocks differ, so never below 0.

    `to_the_minute`: the reports name a minute, and count at its end, so that no delay is too low.
    """
    at_s = reported_s // 60 * 60 + 59 if to_the_minute else reported_s
    return np.where(reported_s > 0, np.maximum(at_s - submitted_ms // 1000, 0), -1)


class DeliveryCounts:
    """Collects recipients page by page; `rows` has the figures of each account and carrier."""

    def __init__(self) -> None:
        self._states: dict[str, NDArray[np.int64]] = {}
        self._delays: dict[str, NDArray[np.int64]] = {}

    def add(
        self,
        account: str,
        carriers: NDArray[np.uint8],
        states: NDArray[np.uint8],
        delays_s: NDArray[np.int64],
    ) -> None:
        """Recipients of this account whose message it took. A delay below 0 is not known."""
        shape = (len(Carrier), len(State))
        cell = carriers.astype(np.int64) * len(State) + states
        found = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
        self._states[account] = self._states.get(account, 0) + found
        timed = np.flatnonzero((states == State.DELIVERED) & (delays_s >= 0))
        bins = np.minimum(np.searchsorted(_EDGES, delays_s[timed]), len(_EDGES) - 1)
        cell = carriers[timed].astype(np.int64) * len(_EDGES) + bins
        delays = np.bincount(cell, minlength=len(Carrier) * len(_EDGES)).reshape(len(Carrier), len(_EDGES))
        self._delays[account] = self._delays.get(account, 0) + delays

    def rows(self) -> list[Delivery]:
        """The figures, by account and carrier; carriers without recipients are left out."""
        return [
            _row(account, carrier, states[carrier].tolist(), self._delays[account][carrier])
            for account, states in sorted(self._states.items())
            for carrier in Carrier
            if states[carrier].any()
        ]


def outdone(rows: Iterable[Delivery]) -> set[str]:
    """The accounts that certainly deliver worse than the best of these: their interval lies below its one.

    The rows are of one carrier. An account without an end is not known to be worse.
    """
    known = [row for row in rows if row.rate_low is not None and row.rate_high is not None]
    best_low = max((row.rate_low for row in known if row.rate_low is not None), default=0.0)
    return {row.account for row in known if row.rate_high is not None and row.rate_high < best_low}


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The interval in which a rate lies with 95 % (Wilson's score)."""
    share, square = successes / trials, _Z * _Z
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    half = _Z / (1 + square / trials) * sqrt(share * (1 - share) / trials + square / (4 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def _row(account: str, carrier: Carrier, states: list[int], delays: NDArray[np.int64]) -> Delivery:
    delivered, failed, no_report = (states[state] for state in (State.DELIVERED, State.FAILED, State.NO_REPORT))
    ended = delivered + failed + no_report
    low, high = wilson(delivered, ended) if ended else (None, None)
    p50, p95 = (_quantile(delays, share) for share in QUANTILES)
    return Delivery(
        account=account,
        carrier=carrier.word,
        delivered=delivered,
        failed=failed,
        no_report=no_report,
        waiting=states[State.ACCEPTED],
        rate=delivered / ended if ended else None,
        rate_low=low,
        rate_high=high,
        delay_p50_s=p50,
        delay_p95_s=p95,
    )


def _quantile(delays: NDArray[np.int64], share: float) -> int | None:
    """The end of the class in which this share of the delays is reached."""
    total = int(delays.sum())
    if not total:
        return None
    return int(_EDGES[int(np.searchsorted(np.cumsum(delays), share * total))])
