"""Rebuilding the results of a stream from the log, against a campaign with the same recipients in the same requests.

50,000 messages, each with a code of its own, appended so many at a time; the campaign's requests are as long as an
append. Both are folded into a store of their own, in turn: CPU seconds, and the bytes of all records of the log.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from dispatcher.core.numbers import encode
from dispatcher.core.results.places import spread_place
from dispatcher.core.streams.keys import digest
from dispatcher.core.streams.segments import Segment, placed
from dispatcher.log.port import StoredRecord
from dispatcher.store.port import LoadedBatch
from dispatcher.store.sqlite.store import open_sqlite
from loadtest.bench.harness import figure
from schemas import codec
from schemas.batch import Values, pack
from schemas.records import (
    AnyRecord,
    Appended,
    Effect,
    Intent,
    Job,
    Kind,
    Launched,
    Leg,
    Outcome,
    Owned,
    StreamIntent,
    StreamTerms,
)
from schemas.topics import lane_partition

ACCOUNT: Final = "spring"
MESSAGES: Final = 50_000
MESSAGES_QUICK: Final = 5_000
APPENDED: Final = (1, 50)
"""Messages of an append, and of a request."""
ROUNDS: Final = 3
BATCH: Final = 25_000
FIRST: Final = 13_000_000_000
AT_MS: Final = 1_700_000_000_000
LIFE_MS: Final = 300_000
PARTITION: Final = lane_partition(ACCOUNT)

Records = list[AnyRecord]


class Log(msgspec.Struct, frozen=True):
    """What is on the log of one of them."""

    messages: int
    launched: Launched
    inbox: Records
    journal: Records
    batches: list[LoadedBatch]
    batch_bytes: int

    @property
    def size(self) -> int:
        """The bytes of all records."""
        records = [self.launched, *self.inbox, *self.journal]
        return self.batch_bytes + sum(len(codec.encode(record)) for record in records)

    def folded_s(self, path: Path) -> float:
        """CPU seconds of folding it into a new store, where all messages have been accepted then."""
        store, begun_s = open_sqlite(path, emits=False), time.process_time()
        store.take_inputs({("campaigns", 0): _stored([self.launched]), ("jobs", PARTITION): _stored(self.inbox)})
        if self.batches:
            store.add_batches(self.batches)
        store.take({("lanes", PARTITION): _stored(self.journal)})
        took_s = time.process_time() - begun_s
        store.close()
        with closing(sqlite3.connect(path)) as results:
            (accepted,) = results.execute("SELECT sum(accepted) FROM tallies").fetchone()
        assert accepted == self.messages, accepted
        return took_s


async def run(quick: bool) -> list[dict[str, Any]]:
    """The figures; see the module."""
    return await asyncio.to_thread(_run, MESSAGES_QUICK if quick else MESSAGES, 1 if quick else ROUNDS)


def _run(messages: int, rounds: int) -> list[dict[str, Any]]:
    numbers = FIRST + np.random.default_rng(7).permutation(messages * 7)[:messages].astype(np.int64)
    figures = []
    for each in APPENDED:
        logs = stream(numbers, each), campaign(numbers, each)
        took: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for log, seconds in zip(logs, took, strict=True):
                with tempfile.TemporaryDirectory() as folder:
                    seconds.append(log.folded_s(Path(folder) / "results.db"))
        what = f"stream of {messages:,} messages, {each} an append"
        seconds = [statistics.median(of_rounds) for of_rounds in took]
        figures.append(figure(f"{what}: rebuild, CPU", seconds[0], "s", seconds[1]))
        sizes = [log.size / messages for log in logs]
        figures.append(figure(f"{what}: on the log", sizes[0], "bytes", sizes[1]))
    return figures


def stream(numbers: NDArray[np.int64], each: int) -> Log:
    """A stream whose messages were appended and sent so many at a time."""
    inbox: Records = []
    journal: Records = [Owned(owner="o", at_ms=AT_MS, where="bench")]
    segment: Segment | None = None
    for offset, start in enumerate(range(0, len(numbers), each)):
        part = numbers[start : start + each]
        keys = np.array([digest(f"order-{start + index}") for index in range(len(part))], "<u8")
        expires = np.full(len(part), AT_MS + LIFE_MS, "<u8")
        record = Appended(campaign="c", attempt="a", account=ACCOUNT, at_ms=AT_MS, numbers=encode(part),
                          values=_codes(start, len(part)), keys=keys.tobytes(), expires=expires.tobytes(),
                          keep_ms=LIFE_MS)  # fmt: skip
        segment, at = placed(segment, offset, record)
        inbox.append(record)
        journal.append(
            StreamIntent(owner="o", n=offset, account=ACCOUNT, campaign="c", job=segment.job, batch=segment.job,
                         start=at, count=len(part), attempt=0, at_ms=AT_MS, appended=offset)
        )  # fmt: skip
    terms = StreamTerms(expires_after_ms=LIFE_MS, keys_kept_ms=LIFE_MS, weights=((ACCOUNT, 1),))
    return Log(len(numbers), _launched(0, 0, terms), inbox, _answered(journal), [], 0)


def campaign(numbers: NDArray[np.int64], each: int) -> Log:
    """A campaign of the same messages in the same requests."""
    jobs: Records = []
    batches, size = [], 0
    journal: Records = [Owned(owner="o", at_ms=AT_MS, where="bench")]
    for number, first in enumerate(range(0, len(numbers), BATCH)):
        part = numbers[first : first + BATCH]
        text = encode(part)
        packed, _, sha256 = pack(text, len(part), values=_codes(first, len(part)))
        jobs.append(
            Job(campaign="c", attempt="a", account=ACCOUNT, number=number, batch=number, partition=0, offset=number,
                sha256=sha256, start=0, count=len(part))
        )  # fmt: skip
        batches.append(LoadedBatch(spread_place(0, number), text))
        size += len(packed)
        for start in range(0, len(part), each):
            journal.append(
                Intent(owner="o", n=len(journal), account=ACCOUNT, campaign="c", job=number, batch=number, start=start,
                       count=min(each, len(part) - start), attempt=0, at_ms=AT_MS)
            )  # fmt: skip
    return Log(len(numbers), _launched(len(numbers), len(jobs), None), jobs, _answered(journal), batches, size)


def _answered(journal: Records) -> Records:
    """The same with the outcome of each request."""
    return journal + [
        Outcome(account=ACCOUNT, intent=intent, effect=Effect.ACCEPTED, kind=Kind.ACCEPTED, code="0", at_ms=AT_MS,
                sent_ms=AT_MS, vendor_id=f"{881_000_000 + intent}")
        for intent in range(1, len(journal))
    ]  # fmt: skip


def _codes(first: int, count: int) -> Values:
    """A code of six digits for each of these messages."""
    texts = [b"%06d" % (index * 7919 % 1_000_000) for index in range(first, first + count)]
    ends = np.cumsum([len(text) for text in texts]).astype("<u4")
    return Values(("code",), (ends.tobytes(),), (b"".join(texts),), (np.arange(count).astype("<u2").tobytes(),))


def _launched(recipients: int, batches: int, terms: StreamTerms | None) -> Launched:
    return Launched(
        campaign="c", attempt="a", fingerprint="", name="", text="{code}", weight=1, urgent=False, unknown="hold",
        legs=(Leg(account=ACCOUNT, vendor="batch-a", jobs=batches, recipients=recipients),), rows=recipients,
        recipients=recipients, invalid=0, duplicate=0, suppressed=0, batches=batches, segments=1, at_ms=AT_MS, by="",
        variables=("code",), stream=terms,
    )  # fmt: skip


def _stored(records: Sequence[AnyRecord]) -> list[StoredRecord]:
    return [StoredRecord(offset, b"", codec.encode(record), (), AT_MS) for offset, record in enumerate(records)]
