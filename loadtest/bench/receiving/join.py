"""Joining reports with their recipients, durably, against an UPDATE per report in the same database.

5,000,000 recipients of one campaign (quick: 1,000,000) in chunks of 500. Their reports come 500 to a record, once near
the order in which they were sent and once in no order at all, and are folded as a joiner that catches up folds them:
decoded, joined, committed with their offset. The naive way has a row per recipient with an index on what the report
names, and runs an UPDATE per report in transactions of 20,000, with the same settings of the same SQLite: two after
each of our transactions, so that both meet the same noise.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import encode
from dispatcher.log.port import StoredRecord
from dispatcher.store.fold.log_feed import READ_BYTES_MAX
from dispatcher.store.fold.transactions import FoldingStore
from dispatcher.store.port import LoadedBatch
from dispatcher.store.sqlite.store import open_sqlite
from loadtest.bench.harness import figure
from loadtest.bench.receiving import naive
from schemas import codec
from schemas.batch import pack
from schemas.records import AnyRecord, Effect, Intent, Job, Kind, Launched, Leg, Outcome, Owned, Reports
from schemas.topics import lane_partition

ACCOUNT: Final = "spring"
BATCH: Final = 50_000
CHUNK: Final = 500
PER_RECORD: Final = 500
FIRST: Final = 13_000_000_000
AT_MS: Final = 1_700_000_000_000
PARTITION: Final = lane_partition(ACCOUNT)


async def run(quick: bool) -> list[dict[str, Any]]:
    """The figures; see the module."""
    return await asyncio.to_thread(_run, 1_000_000 if quick else 5_000_000)


def _run(recipients: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    numbers = FIRST + rng.permutation(recipients * 7)[:recipients].astype(np.int64)
    near = np.arange(recipients) + rng.integers(0, 20_000, recipients)
    orders = {
        "random order": rng.permutation(recipients),
        "near submit order": np.argsort(near, kind="stable"),
    }
    ids = [vendor_id(row // CHUNK) for row in range(recipients)]
    figures = []
    for name, order in orders.items():
        with tempfile.TemporaryDirectory() as folder:
            ours, base = (
                _Ours(Path(folder) / "ours.db", numbers, order),
                naive.JoinByNumber(Path(folder) / "naive.db", numbers, ids, order),
            )
            while ours.step():
                base.step()
                base.step()
            ours.check(recipients)
        figures.append(figure(f"join: reports in {name}", ours.per_s, "reports/s", base.per_s))
    figures.append(figure("join: on disk per recipient", ours.disk_bytes / recipients, "bytes"))
    figures.append(figure("join: in memory per recipient", ours.memory_bytes / recipients, "bytes"))
    return figures


# --- ours ------------------------------------------------------------------------------------------------------------


class _Ours:
    """The store, and the reports it has not folded yet."""

    def __init__(self, path: Path, numbers: NDArray[np.int64], order: NDArray[np.int64]) -> None:
        self._path = path
        self._store = open_sqlite(path, emits=False)
        fill(self._store, numbers, CHUNK, "batch-a", lambda n: {"code": "0", "vendor_id": vendor_id(n)})
        self._left = list(cut(list(_reports(numbers, order))))[::-1]
        self._reports = 0
        self._seconds = 0.0

    def step(self) -> bool:
        """Fold one read's worth of reports; False if there were none left."""
        if not self._left:
            return False
        records = self._left.pop()
        started_s = time.perf_counter()
        self._store.take({("reports", PARTITION): records})
        self._seconds += time.perf_counter() - started_s
        self._reports += len(records) * PER_RECORD
        return True

    def check(self, recipients: int) -> None:
        """Everybody has a report, and what it took."""
        self.per_s = self._reports / self._seconds
        self.memory_bytes = self._store.memory_bytes
        self._store.close()
        self.disk_bytes = self._path.stat().st_size
        with sqlite3.connect(self._path) as connection:
            (applied,) = connection.execute("SELECT applied FROM report_counts").fetchone()
            (waiting,) = connection.execute("SELECT accepted FROM tallies").fetchone()
        assert (applied, waiting) == (recipients, 0), (applied, waiting)


def fill(
    store: FoldingStore, numbers: NDArray[np.int64], chunk: int, vendor: str, outcome: Callable[[int], dict[str, Any]]
) -> None:
    """A launched campaign whose every chunk was accepted; `outcome(n)` are the fields of the n-th chunk's."""
    jobs, texts = [], []
    for batch, start in enumerate(range(0, len(numbers), BATCH)):
        part = numbers[start : start + BATCH]
        texts.append(encode(part))
        jobs.append(
            Job(campaign="c", attempt="a", account=ACCOUNT, number=batch, batch=batch, partition=batch % 8,
                offset=batch // 8, sha256=pack(texts[-1], len(part))[2], start=0, count=len(part))
        )  # fmt: skip
    chunks = [(batch, start) for batch in range(len(texts)) for start in range(0, jobs[batch].count, chunk)]
    records: list[AnyRecord] = [Owned(owner="o", at_ms=AT_MS, where="bench")]
    for index, (batch, start) in enumerate(chunks):
        records.append(
            Intent(owner="o", n=index, account=ACCOUNT, campaign="c", job=batch, batch=batch, start=start,
                   count=min(chunk, jobs[batch].count - start), attempt=0, at_ms=AT_MS)
        )  # fmt: skip
    for index in range(len(chunks)):
        records.append(
            Outcome(account=ACCOUNT, intent=1 + index, effect=Effect.ACCEPTED, kind=Kind.ACCEPTED, at_ms=AT_MS,
                    sent_ms=AT_MS, **outcome(index))
        )  # fmt: skip
    launched = Launched(
        campaign="c", attempt="a", fingerprint="", name="", text="", weight=1, urgent=False, unknown="hold",
        legs=(Leg(account=ACCOUNT, vendor=vendor, jobs=len(jobs), recipients=len(numbers)),), rows=len(numbers),
        recipients=len(numbers), invalid=0, duplicate=0, suppressed=0, batches=len(jobs), segments=1, at_ms=AT_MS,
        by="",
    )  # fmt: skip
    store.take_inputs({("campaigns", 0): _stored([launched]), ("jobs", PARTITION): _stored(jobs)})
    store.add_batches([LoadedBatch(job.offset * 8 + job.partition, texts[job.batch]) for job in jobs])
    store.take({("lanes", PARTITION): _stored(records)})


def vendor_id(chunk: int) -> str:
    """The vendor's id of a chunk."""
    return f"{881_000_000 + chunk}"


def _reports(numbers: NDArray[np.int64], order: NDArray[np.int64]) -> Iterator[Reports]:
    """All reports in this order, one final word each; nine of ten are delivered."""
    failed = random.Random(7).choices([1, 1, 1, 1, 1, 1, 1, 1, 1, 2], k=len(numbers))
    states = np.array(failed, np.uint8)
    for start in range(0, len(order), PER_RECORD):
        rows = order[start : start + PER_RECORD]
        chunks, index = np.unique(rows // CHUNK, return_inverse=True)
        yield Reports(
            account=ACCOUNT,
            at_ms=AT_MS + start,
            ids=[vendor_id(chunk) for chunk in chunks.tolist()],
            id_index=index.astype("<u4").tobytes(),
            numbers=numbers[rows].tobytes(),
            states=states[rows].tobytes(),
            codes=["DELIVRD", "UNDELIV"],
            code_index=(states[rows] - 1).astype("<u2").tobytes(),
            times=np.full(len(rows), AT_MS // 1000, "<u4").tobytes(),
        )


def cut(records: Sequence[Reports]) -> Iterator[list[StoredRecord]]:
    """As the log hands them out."""
    part: list[StoredRecord] = []
    size = 0
    for stored in _stored(records):
        part.append(stored)
        size += len(stored.value)
        if size >= READ_BYTES_MAX:
            yield part
            part, size = [], 0
    if part:
        yield part


def _stored(records: Sequence[AnyRecord]) -> list[StoredRecord]:
    return [StoredRecord(offset, b"", codec.encode(record), (), AT_MS) for offset, record in enumerate(records)]
