"""The log: how soon an append can be acted on, and how many intents a second many lanes get durable, on both adapters.

`append_read_back` is one task's latency from the call to the record handed on by a follower (what every vendor request
waits for). `intents` are appends of 200 tasks at once. `batches` are 600 KB records. Naive: one commit (SQLite, in a
thread) or one `send_and_wait` (Kafka, same durability) per record, read back by a query or `getone`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import click
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from dispatcher.errors import UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from loadtest.bench.harness import figure
from loadtest.broker import bootstrap_or_start
from schemas.codec import encode
from schemas.records import Intent

TASKS: Final = 200
BATCH_BYTES: Final = 600_000
ROUNDS: Final = 3

_INTENT: Final = encode(
    Intent(
        owner="0123456789abcdef",
        n=1,
        account="spring",
        campaign="autumn-sale",
        job=12,
        batch=3,
        start=500,
        count=500,
        attempt=0,
        at_ms=1_700_000_000_000,
    )
)


async def run(quick: bool) -> list[dict[str, Any]]:
    """Both adapters; Kafka only where a broker can be started."""
    figures = await _sqlite(quick)
    try:
        with bootstrap_or_start() as bootstrap:
            figures += await _kafka(bootstrap, quick)
    except UserError as error:
        click.echo(f"log: without Kafka: {error}", err=True)
    return figures


async def _sqlite(quick: bool) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        log = await open_log(f"sqlite:{folder}/log.db")
        ours, naive = [], []
        for number in range(ROUNDS):
            ours.append(await _ours(log, quick))
            naive.append(await _naive_sqlite(Path(folder) / f"naive-{number}.db", quick))
        await log.close()
    return _figures("sqlite", ours, naive)


async def _kafka(bootstrap: str, quick: bool) -> list[dict[str, Any]]:
    prefix = f"bench-{os.getpid()}."
    log = await open_log(f"kafka://{bootstrap}/{prefix}")
    ours, naive = [], []
    for _ in range(ROUNDS):
        ours.append(await _ours(log, quick))
        naive.append(await _naive_kafka(bootstrap, f"{prefix}results", quick))
    await log.close()
    return _figures("kafka", ours, naive)


async def _ours(log: Log, quick: bool) -> tuple[float, float, float]:
    """(append and read back in ms, intents/s, batches in MB/s)"""
    async with aclosing(log.follow("lanes", 0, await log.end("lanes", 0))) as follower:

        async def append_and_read_back() -> None:
            (offset,) = await log.append("lanes", 0, [Entry(b"spring", _INTENT)])
            while (await anext(follower))[-1].offset < offset:
                pass

        latency_ms = await _latency_ms(append_and_read_back, quick)

    each = 10 if quick else 100

    async def one_lane(number: int) -> None:
        for _ in range(each):
            await log.append("lanes", number % 8, [Entry(b"spring", _INTENT)])

    started_s = time.perf_counter()
    await asyncio.gather(*(one_lane(number) for number in range(TASKS)))
    rate = TASKS * each / (time.perf_counter() - started_s)

    batch = os.urandom(BATCH_BYTES)
    count = 16 if quick else 80
    started_s = time.perf_counter()
    for first in range(0, count, 8):
        await asyncio.gather(*(log.append("recipients", i % 8, [Entry(b"c", batch)]) for i in range(first, first + 8)))
    return latency_ms, rate, count * BATCH_BYTES / 1e6 / (time.perf_counter() - started_s)


async def _naive_sqlite(path: Path, quick: bool) -> tuple[float, float, float]:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE log (n INTEGER PRIMARY KEY, key BLOB, value BLOB)")

    def write(value: bytes) -> int:
        return connection.execute("INSERT INTO log (key, value) VALUES (?, ?)", (b"spring", value)).lastrowid or 0

    def read(after: int) -> list[Any]:
        return connection.execute("SELECT n, key, value FROM log WHERE n > ? LIMIT 1000", (after,)).fetchall()

    async def append_and_read_back() -> None:
        n = await asyncio.to_thread(write, _INTENT)
        await asyncio.to_thread(read, n - 1)

    async def append(value: bytes = _INTENT) -> None:
        await asyncio.to_thread(write, value)

    latency_ms = await _latency_ms(append_and_read_back, quick)
    rate, mb_per_s = await _one_by_one(append, quick)
    connection.close()
    return latency_ms, rate, mb_per_s


async def _naive_kafka(bootstrap: str, topic: str, quick: bool) -> tuple[float, float, float]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="latest")
    await producer.start()
    await consumer.start()
    consumer.assign([TopicPartition(topic, 0)])
    await consumer.seek_to_end()

    async def append_and_read_back() -> None:
        sent = await producer.send_and_wait(topic, _INTENT, b"spring", partition=0)
        while (await consumer.getone()).offset < sent.offset:
            pass

    async def append(value: bytes = _INTENT) -> None:
        await producer.send_and_wait(topic, value, b"spring", partition=0)

    latency_ms = await _latency_ms(append_and_read_back, quick)
    rate, mb_per_s = await _one_by_one(append, quick)
    await consumer.stop()
    await producer.stop()
    return latency_ms, rate, mb_per_s


async def _latency_ms(once: Callable[[], Awaitable[None]], quick: bool) -> float:
    for _ in range(50):
        await once()
    took_ms = []
    for _ in range(100 if quick else 1000):
        started_s = time.perf_counter()
        await once()
        took_ms.append((time.perf_counter() - started_s) * 1000)
    return statistics.median(took_ms)


async def _one_by_one(append: Callable[..., Awaitable[None]], quick: bool) -> tuple[float, float]:
    """(intents/s, batches in MB/s), each written before the next."""
    count = 200 if quick else 1000
    started_s = time.perf_counter()
    for _ in range(count):
        await append()
    rate = count / (time.perf_counter() - started_s)
    batch, count = os.urandom(BATCH_BYTES), 10 if quick else 40
    started_s = time.perf_counter()
    for _ in range(count):
        await append(batch)
    return rate, count * BATCH_BYTES / 1e6 / (time.perf_counter() - started_s)


def _figures(
    adapter: str, ours: list[tuple[float, float, float]], naive: list[tuple[float, float, float]]
) -> list[dict[str, Any]]:
    """Medians of the rounds."""
    named = [("append_read_back", "ms"), ("intents", "intents/s"), ("batches", "MB/s")]
    figures = []
    for at, (name, unit) in enumerate(named):
        value, baseline = (statistics.median(round[at] for round in rounds) for rounds in (ours, naive))
        figures.append(figure(f"log_{adapter}_{name}", value, unit, baseline, less_is_better=unit == "ms"))
    return figures
