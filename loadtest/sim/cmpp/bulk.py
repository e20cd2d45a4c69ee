"""SUBMITs that differ in number and Sequence_Id alone, and answers to DELIVERs: read together, in one sweep.

What is taken together ends as if each had been taken by itself (tests/loadtest/sim/cmpp/test_bulk.py), at a fraction of
the CPU; the gateway does so only where no switch asks for something else (Gateway.is_plain).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from dispatcher.cmpp import pdus

SWEEP_MAX: Final = 64
SUBMIT_BYTES_MIN: Final = 159
SUBMIT: Final = pdus.SUBMIT.to_bytes(4, "big")
DELIVER_RESP: Final = pdus.DELIVER_RESP.to_bytes(4, "big")
DELIVER_RESP_BYTES: Final = 21
NUMBER_AT: Final = 129
ONE_NUMBER: Final = 128  # where the count of numbers is
REPORT_BYTES: Final = 60
_REPORT: Final = struct.Struct(">8sIQ34s21s2sQ27s21sI8s")
PADDING: Final = bytes(10)
MOBILE_MIN: Final = 10_000_000_000  # eleven digits: anything that is not a digit makes a smaller number, or none
MOBILE_MAX: Final = 20_000_000_000


class Submits(NamedTuple):
    """SUBMITs to one mobile number each. `frame` is the first of them."""

    frame: bytes
    sequences: Sequence[int]
    numbers: Sequence[int]

    @property
    def octets(self) -> int:
        """Of all of them."""
        return len(self.frame) * len(self.sequences)

    @property
    def shape(self) -> bytes:
        """What they have in common."""
        return self.frame[12:NUMBER_AT] + self.frame[NUMBER_AT + 21 :]


class DeliverResps(NamedTuple):
    """Answers to DELIVERs."""

    sequences: Sequence[int]
    msg_ids: Sequence[int]
    results: Sequence[int]

    @property
    def octets(self) -> int:
        """Of all of them."""
        return DELIVER_RESP_BYTES * len(self.sequences)


class ReportTemplate:
    """A DELIVER with a report of 60 octets: packed once for a status and a minute (`key`), filled for each report."""

    def __init__(self, key: object, frame: bytes) -> None:
        self.key = key
        self._head, self._to, self._kind = frame[:8], frame[20:54], frame[75:77]
        self._status, self._tail = frame[85:112], frame[137:]

    def pack(self, sequence: int, own_id: int, number: bytes, reported_id: int) -> bytes:
        """The frame."""
        kind, status = self._kind, self._status
        return _REPORT.pack(
            *(self._head, sequence, own_id, self._to, number, kind, reported_id, status, number),
            *(own_id & 0xFFFF, self._tail),
        )


def submits(data: bytes) -> Submits | None:
    """Those at the beginning; None if there are not several that are alike."""
    size = int.from_bytes(data[:4], "big")
    if data[4:8] != SUBMIT or size < SUBMIT_BYTES_MIN or len(data) < 2 * size or data[ONE_NUMBER] != 1:
        return None
    count = min(len(data) // size, SWEEP_MAX)
    values = _submits(size, count).unpack_from(data)
    count = _leading(values[0::6])
    end = 6 * count
    if any(_leading(values[start:end:6]) != count for start in (2, 5)) or values[4:end:6].count(PADDING) != count:
        return None
    try:
        numbers = list(map(int, values[3:end:6]))
    except ValueError:
        return None
    sequences = values[1:end:6]
    if min(numbers) < MOBILE_MIN or max(numbers) >= MOBILE_MAX or len(set(sequences)) != count:
        return None
    return Submits(data[:size], sequences, numbers)


def deliver_resps(data: bytes) -> DeliverResps | None:
    """Those at the beginning; None if there are none."""
    count = min(len(data) // DELIVER_RESP_BYTES, SWEEP_MAX)
    if not count or data[:8] != b"\0\0\0\x15" + DELIVER_RESP:
        return None
    values = _deliver_resps(count).unpack_from(data)
    end = 4 * _leading(values[0::4])
    return DeliverResps(values[1:end:4], values[2:end:4], values[3:end:4])


def submit_resps(sequences: Sequence[int], first_id: int) -> bytes:
    """Result 0 for each, with Msg_Ids one behind the other."""
    count = len(sequences)
    values: list[int] = [21, pdus.SUBMIT_RESP, 0, 0, 0] * count
    values[2::5] = sequences
    values[3::5] = range(first_id, first_id + count)
    return _submit_resps(count).pack(*values)


def _leading(values: Sequence[object]) -> int:
    """How many at the beginning are equal."""
    first, count = values[0], len(values)
    if values.count(first) == count:
        return count
    return next(place for place, value in enumerate(values) if value != first)


@lru_cache(256)
def _submits(size: int, count: int) -> struct.Struct:
    """Length and command, Sequence_Id, what is before the number, its eleven digits and padding, what is behind it."""
    return struct.Struct(">" + f"8sI{NUMBER_AT - 12}s11s10s{size - NUMBER_AT - 21}s" * count)


@lru_cache(SWEEP_MAX)
def _deliver_resps(count: int) -> struct.Struct:
    return struct.Struct(">" + "8sIQB" * count)


@lru_cache(SWEEP_MAX)
def _submit_resps(count: int) -> struct.Struct:
    return struct.Struct(">" + "IIIQB" * count)
