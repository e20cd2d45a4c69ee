"""Writes a lane partition's journal: appends in order, repeats facts until confirmed, tracks uncertain records.

An Outcome (or Handed) is a fact and must get into the log: it is appended again until the log confirms it (every reader
ignores a second copy). An Intent (or Moved) is never appended twice: if the log did not confirm it, either it is read
back after all, or the owner starts again behind a fresh Owned, which voids it (docs/LANE.md, "An append that
timed out").
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from dispatcher.core.backoff import Backoff
from dispatcher.core.lane.effects import Hand, Share
from dispatcher.errors import LogError, LogFull
from dispatcher.log.port import Entry, Log
from dispatcher.loggers import get_logger
from schemas.codec import encode
from schemas.records import (
    AnyRecord,
    Ceded,
    Checkpoint,
    CheckpointAt,
    Handed,
    Intent,
    Moved,
    Outcome,
    Outcomes,
    Owned,
    Resolved,
    StreamKeys,
)
from schemas.topics import CAMPAIGNS, JOBS, LANES, lane_partition

RETRY: Final = Backoff(0.5, 5.0)

Fact = Outcome | Outcomes | Handed
JournalRecord = Owned | Intent | Fact | Resolved | Checkpoint | Ceded | Moved | StreamKeys


class Journal:
    """One partition's journal as its owner writes it.

    `refused` is called for records that certainly were not written, `doubted` for those that may have been.
    """

    def __init__(
        self, log: Log, partition: int, refused: Callable[[AnyRecord], None], doubted: Callable[[AnyRecord], None]
    ) -> None:
        self._log: Final = log
        self._partition: Final = partition
        self._refused: Final = refused
        self._doubted: Final = doubted
        self._tasks: set[asyncio.Task[None]] = set()
        self._facts = 0
        self._logger = get_logger("lanes").bind(partition=partition)

    @property
    def settled(self) -> bool:
        """Whether every fact is in the log."""
        return self._facts == 0

    async def own(self, owned: Owned) -> None:
        """Append the claim. Raises LogError."""
        await self._log.append(LANES.name, self._partition, [Entry(b"", encode(owned))])

    def append(self, records: Sequence[JournalRecord]) -> None:
        """Append these together, behind all earlier requests."""
        self._facts += sum(isinstance(record, Fact) for record in records)
        self._start(self._append(records))

    def point(self, record: CheckpointAt) -> None:
        """Write the newest checkpoint's offset to `campaigns`: a hint, so a failure is only logged."""
        self._start(self._point(record))

    def share(self, effect: Share) -> None:
        """Write what an account says of its share of a budget. A failure is only logged: the owner says it again."""
        self._start(self._share(effect))

    def hand(self, effect: Hand, done: Callable[[bool], None]) -> None:
        """Append moved jobs to their accounts' inboxes, in order; `done` is told whether the log confirmed them all."""
        self._start(self._hand(effect, done))

    async def close(self) -> None:
        """Drop what is not written yet."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _append(self, records: Sequence[JournalRecord]) -> None:
        try:
            await self._log.append(LANES.name, self._partition, [_entry(record) for record in records])
        except LogError as error:
            self._logger.error("journal append failed", error=str(error), records=len(records))
            tell = self._refused if isinstance(error, LogFull) else self._doubted
            for record in records:
                tell(record)
            await self._retry([record for record in records if isinstance(record, Fact)])
        else:
            self._facts -= sum(isinstance(record, Fact) for record in records)

    async def _retry(self, facts: Sequence[Fact]) -> None:
        failures = 1
        while facts:
            await asyncio.sleep(RETRY.pause_s(failures))
            failures += 1
            try:
                await self._log.append(LANES.name, self._partition, [_entry(record) for record in facts])
            except LogError as error:
                self._logger.error("journal append failed again", error=str(error), records=len(facts))
                continue
            self._facts -= len(facts)
            return

    async def _point(self, record: CheckpointAt) -> None:
        key = f"lanes!{record.partition}".encode()
        try:
            await self._log.append(CAMPAIGNS.name, 0, [Entry(key, encode(record))])
        except LogError as error:
            self._logger.warning("checkpoint position not written", error=str(error))

    async def _share(self, effect: Share) -> None:
        record = effect.record
        key = f"{record.campaign}!{record.word}!{effect.token}".encode()
        try:
            await self._log.append(CAMPAIGNS.name, 0, [Entry(key, encode(record))])
        except LogError as error:
            self._logger.warning("share of a budget not written", account=record.account, error=str(error))

    async def _hand(self, effect: Hand, done: Callable[[bool], None]) -> None:
        entries: dict[int, list[Entry]] = {}
        for job in effect.jobs:
            entries.setdefault(lane_partition(job.account), []).append(Entry(job.account.encode(), encode(job)))
        try:
            for partition, jobs in entries.items():
                await self._log.append(JOBS.name, partition, jobs)
        except LogError as error:
            self._logger.warning("moved jobs not handed over yet", jobs=len(effect.jobs), error=str(error))
            done(False)
        else:
            done(True)


def _entry(record: JournalRecord) -> Entry:
    key = b"" if isinstance(record, Owned | Checkpoint) else record.account.encode()
    return Entry(key, encode(record))
