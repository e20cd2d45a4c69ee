"""mtIDs: one per number, made of 14 digits of the request and 3 of the number's place in it; nothing is kept of them.

A request's digits are even if its mtIDs rise with the places, odd if they are scattered.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from loadtest.sim.requests.text_rows import Text

PLACES = 1000
REQUEST_DIGITS = 14
STEP = 617  # has no divisor in common with PLACES: every place its own number
PER_S = 50_000  # requests; more in the long run, and ids after a restart could be ids from before it
STRAY = 5_000_000_000_000

RISING = [b"%03d" % i for i in range(PLACES)]
SCATTERED = [b"%03d" % (i * STEP % PLACES) for i in range(PLACES)]
TABLE = np.array([RISING, SCATTERED], "S3").view(np.uint8).reshape(2, PLACES, 3)


class MtIds:
    """Hands out requests' digits: others after a restart, beyond 2^31, below 2^63 with their places."""

    def __init__(self) -> None:
        self._last = int(time.time() * PER_S) & ~1

    def next(self, scattered: bool) -> str:
        """One that no request had before."""
        self._last += 2
        return str(self._last + scattered)


def endings(request: str) -> list[bytes]:
    """The last digits of a request's mtIDs, in order of the places."""
    return SCATTERED if int(request[-1]) & 1 else RISING


def texts(requests: NDArray[np.bytes_], places: NDArray[np.int32]) -> tuple[Text, Text]:
    """The mtIDs of the `places[i]`-th number of request `requests[i]`, as two columns of text."""
    first = np.ascontiguousarray(requests, f"S{REQUEST_DIGITS}").view(np.uint8).reshape(-1, REQUEST_DIGITS)
    return first, TABLE[first[:, -1] & 1, places]


def numbers(requests: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same as numbers."""
    ending = np.where(requests & 1, places * STEP % PLACES, places)
    result: NDArray[np.int64] = requests * PLACES + ending
    return result


def stray(request: bytes) -> bytes:
    """The digits of a request that never was."""
    return b"%d" % ((int(request) + STRAY) % 10**REQUEST_DIGITS or 1)
