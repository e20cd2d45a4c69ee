"""Cutting batches into chunks of 500 numbers and 13,000 characters, against split and join."""

from __future__ import annotations

import statistics
import time
from typing import Any

from dispatcher.core.messages.chunks import Batch

NUMBERS = 50_000
PER_CHUNK = 500
CHARS_MAX = 13_000
ROUNDS = 5


async def run(quick: bool) -> list[dict[str, Any]]:
    """Numbers per second for 11-digit numbers (fixed stride) and mixed lengths (positions), median of five rounds."""
    batches = 20 if quick else 200
    figures = []
    for name, numbers in (("11 digits", _domestic()), ("mixed lengths", _mixed())):
        ours, naive = [], []
        for _ in range(ROUNDS):
            naive.append(_rate(_naive, numbers, max(1, batches // 20)))
            ours.append(_rate(_ours, numbers, batches))
        value, baseline = statistics.median(ours), statistics.median(naive)
        figures.append(
            {
                "name": f"chunks, {name}",
                "value": value,
                "unit": "numbers/s",
                "baseline": baseline,
                "ratio": value / baseline,
            }
        )
    return figures


def _domestic() -> bytes:
    return b",".join(b"%d" % (13_800_000_000 + index) for index in range(NUMBERS))


def _mixed() -> bytes:
    return b",".join((b"%d" if index % 5 else b"86%d") % (13_800_000_000 + index) for index in range(NUMBERS))


def _rate(cut: Any, numbers: bytes, batches: int) -> float:
    start_s = time.perf_counter()
    for _ in range(batches):
        assert cut(numbers) == NUMBERS
    return NUMBERS * batches / (time.perf_counter() - start_s)


def _ours(numbers: bytes) -> int:
    batch = Batch(numbers, NUMBERS)
    start = bytes_cut = 0
    while start < NUMBERS:
        count = batch.cut(start, NUMBERS, PER_CHUNK, CHARS_MAX)
        bytes_cut += len(batch.slice(start, count))
        start += count
    return start


def _naive(numbers: bytes) -> int:
    """Split the list, then join chunk by chunk, leaving out what would be too long."""
    every = numbers.decode().split(",")
    start = 0
    while start < len(every):
        chunk = every[start : start + PER_CHUNK]
        while len(",".join(chunk)) > CHARS_MAX:
            chunk.pop()
        start += len(chunk)
    return start
