"""Cutting batches into chunks of 500 numbers and 13,000 characters, against split and join."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from dispatcher.core.messages.chunks import Batch
from loadtest.bench.harness import figure, in_turn
from loadtest.bench.sending import naive

NUMBERS = 50_000
PER_CHUNK = 500
CHARS_MAX = 13_000
ROUNDS = 5


async def run(quick: bool) -> list[dict[str, Any]]:
    """Numbers per second for 11-digit numbers (fixed stride) and mixed lengths (positions), median of five rounds."""
    batches = 20 if quick else 200
    figures = []
    for name, numbers in (("11 digits", _domestic()), ("mixed lengths", _mixed())):

        async def ours(numbers: bytes = numbers) -> float:
            return _rate(_cut, numbers, batches)

        async def base(numbers: bytes = numbers) -> float:
            return _rate(lambda numbers: naive.cut(numbers, PER_CHUNK, CHARS_MAX), numbers, max(1, batches // 20))

        value, baseline = await in_turn(ROUNDS, ours, base)
        figures.append(figure(f"chunks, {name}", value, "numbers/s", baseline))
    return figures


def _domestic() -> bytes:
    return b",".join(b"%d" % (13_800_000_000 + index) for index in range(NUMBERS))


def _mixed() -> bytes:
    return b",".join((b"%d" if index % 5 else b"86%d") % (13_800_000_000 + index) for index in range(NUMBERS))


def _rate(cut: Callable[[bytes], int], numbers: bytes, batches: int) -> float:
    start_s = time.perf_counter()
    for _ in range(batches):
        assert cut(numbers) == NUMBERS
    return NUMBERS * batches / (time.perf_counter() - start_s)


def _cut(numbers: bytes) -> int:
    batch = Batch(numbers, NUMBERS)
    start = bytes_cut = 0
    while start < NUMBERS:
        count = batch.cut(start, NUMBERS, PER_CHUNK, CHARS_MAX)
        bytes_cut += len(batch.slice(start, count))
        start += count
    return start
