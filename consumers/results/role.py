"""The joiner: follows the log and keeps the results store at most about a second behind it.

See docs/RESULTS.md, "The join and the results".

One process per store: a second one waits for the store's lock. A SQLite store belongs to this machine, so its joiner
follows every partition, also on Kafka: two machines that share partitions, with a file each, would both have half of
the results.

Records that arrive within LINGER_S are folded in one transaction, those of a burst as soon as it is over. A log that is
away or a full disk is waited out: nothing is lost, because every offset is in the store. Finished chunks go to the
topic `results`, at least once: again after a crash, and again if a state changes later (a report after `no_report`);
the last record of a chunk (campaign, batch, start) counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from functools import partial
from typing import Final

from consumers.results.evidence_search import LOOK_EVERY_S, EvidenceWatch
from dispatcher.clock import now_ms
from dispatcher.config.file import Config
from dispatcher.core.backoff import Backoff
from dispatcher.errors import DispatcherError, LogDamaged, LogError, LogNewer, StoreBusy
from dispatcher.log.port import Log, StoredRecord
from dispatcher.loggers import get_logger
from dispatcher.process.roles import Work, start_tasks
from dispatcher.service.freshness import bring_up_to_date
from dispatcher.store.fold.log_feed import Joining, places
from dispatcher.store.opening import open_reader, open_store, wait_for_store
from dispatcher.store.port import INPUTS, OtherLog, Store

LINGER_S: Final = 0.2
QUIET_S: Final = 0.02
BURST_BYTES: Final = 100_000
"""After this many bytes (5,000 reports) and then silence for QUIET_S, the rest of LINGER_S is skipped."""

EXPIRE_EVERY_S: Final = 10.0
MAINTAIN_EVERY_S: Final = 3600.0
RETRY: Final = Backoff(0.5, 10.0)
FEED_BYTES_MAX: Final = 4_000_000
"""Of one partition, read and not yet folded; one read may exceed it."""

_log = get_logger("joiner")


async def start_results(config: Config, log: Log) -> Work:
    """The role `results` of `dispatcher run`. Raises StoreError."""
    await _make_store(config)
    return start_tasks(
        partial(run_joiner, config, log), partial(_maintain, log), after=partial(_fold_the_rest, config, log)
    )


async def _make_store(config: Config) -> None:
    """Open the store at the start, so that it can be read. If another process writes it, this one stands by."""
    try:
        store = await asyncio.to_thread(open_store, config.store)
    except StoreBusy:
        return
    await asyncio.to_thread(store.close)


async def _fold_the_rest(config: Config, log: Log) -> None:
    """Fold what the lanes appended while the joiner stopped, and after it."""
    try:
        await bring_up_to_date(config, log)
    except DispatcherError as error:
        _log.warning("the last records were not folded; the next start does it", error=str(error))


async def _maintain(log: Log, stop: asyncio.Event) -> None:
    """Delete what retention allows, every hour."""
    while not stop.is_set():
        try:
            deleted = await log.maintain(now_ms())
            if deleted:
                _log.info("old records deleted", records=deleted)
        except LogError as error:
            _log.warning("old records not deleted, trying again in an hour", error=str(error))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), MAINTAIN_EVERY_S)


async def run_joiner(config: Config, log: Log, stop: asyncio.Event) -> None:
    """Join until `stop` is set. Raises LogNewer, LogDamaged, OtherLog; other errors are logged and tried again."""
    store = await wait_for_store(config.store, stop)
    if store is None:
        return
    try:
        with contextlib.closing(await asyncio.to_thread(open_reader, config.store)) as reader:
            each = [account for account, vendor in config.accounts.items() if vendor.ids_each]
            evidence = EvidenceWatch(log, reader, ids_each=each)
            await Joiner(log, store, no_report_after_s=config.store.no_report_after_s, evidence=evidence).run(stop)
    finally:
        await asyncio.to_thread(store.close)


class Joiner:
    """Keeps one store up to date with one log, and searches it for `evidence` of unknown chunks."""

    def __init__(
        self, log: Log, store: Store, *, no_report_after_s: float, evidence: EvidenceWatch | None = None
    ) -> None:
        self._log = log
        self._evidence = evidence
        self._store = store
        self._joining = Joining(log, store, no_report_after_s=no_report_after_s)
        self._expired_s = float("-inf")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set: catch up, follow, and start again after an error. Folds what it has before it ends."""
        failures = 0
        while not stop.is_set():
            started_s = time.monotonic()
            try:
                await self._joining.catch_up()
                await self._follow(stop)
            except (LogNewer, LogDamaged, OtherLog):
                raise
            except DispatcherError as error:
                failures = 1 if time.monotonic() - started_s > RETRY.max_s else failures + 1
                retry_s = RETRY.pause_s(failures)
                _log.warning("the join stopped, trying again", error=str(error), retry_s=retry_s)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), retry_s)

    async def _follow(self, stop: asyncio.Event) -> None:
        feeds = Feeds(self._log, self._joining.offsets())
        stopping = asyncio.create_task(stop.wait())
        try:
            more = True  # work that catching up left
            while not stop.is_set():
                looks = self._evidence is not None and self._evidence.is_wanted
                await feeds.wait(stopping, 0.0 if more else LOOK_EVERY_S if looks else EXPIRE_EVERY_S)
                if not more:
                    await feeds.linger(stopping)
                if delivery := feeds.take():
                    await self._joining.fold(delivery)
                more = await self._upkeep()
        finally:
            stopping.cancel()
            await feeds.close()

    async def _upkeep(self) -> bool:
        """A bounded part of work that can wait: numbers for look-ups, the 48 h rule, evidence, finished chunks.

        Returns whether there is more.
        """
        more = await self._joining.load_wanted()
        if time.monotonic() - self._expired_s >= EXPIRE_EVERY_S:
            self._expired_s = time.monotonic()
            await self._joining.expire()
        if self._evidence is not None:
            await self._evidence.look(time.monotonic())
        return await self._joining.tell() or more


class Feeds:
    """Follows partitions of a log; holds a bounded amount of each until it is taken."""

    def __init__(self, log: Log, offsets: dict[tuple[str, int], int]) -> None:
        self._held: dict[tuple[str, int], deque[list[StoredRecord]]] = {}
        self._bytes: dict[tuple[str, int], int] = {}
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._failed: Exception | None = None
        self._tasks = [
            asyncio.create_task(self._feed(log, place, offsets[place]), name=f"join {place[0]}/{place[1]}")
            for place in places(*INPUTS, "lanes", "reports")
        ]

    @property
    def full(self) -> bool:
        """A partition has reached its bound."""
        return any(size >= FEED_BYTES_MAX for size in self._bytes.values())

    async def wait(self, stopping: asyncio.Task[bool], timeout_s: float) -> None:
        """Wait until something is there, `stopping` is done, or the time is over. Raises the follower's error."""
        if not self._news.is_set():
            news = asyncio.create_task(self._news.wait())
            try:
                await asyncio.wait((news, stopping), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
        if self._failed is not None:
            raise self._failed

    async def linger(self, stopping: asyncio.Task[bool]) -> None:
        """Wait for LINGER_S, at most until a burst ends, `stopping` is done or the room is used up."""
        until_s = time.monotonic() + LINGER_S
        while not self.full and not stopping.done() and (left_s := until_s - time.monotonic()) > 0:
            before = sum(self._bytes.values())
            await asyncio.wait((stopping,), timeout=min(left_s, QUIET_S))
            if before >= BURST_BYTES and sum(self._bytes.values()) == before:
                break

    def take(self) -> dict[tuple[str, int], list[StoredRecord]]:
        """Everything that is there."""
        taken = {place: [r for records in held for r in records] for place, held in self._held.items() if held}
        self._held.clear()
        self._bytes.clear()
        if self._failed is None:
            self._news.clear()
        self._room.set()
        self._room.clear()
        return taken

    async def close(self) -> None:
        """Stop following."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _feed(self, log: Log, place: tuple[str, int], offset: int) -> None:
        try:
            async with contextlib.aclosing(log.follow(*place, offset)) as following:
                async for records in following:
                    while self._bytes.get(place, 0) >= FEED_BYTES_MAX:
                        await self._room.wait()
                    self._held.setdefault(place, deque()).append(records)
                    size = sum(len(record.value) for record in records)
                    self._bytes[place] = self._bytes.get(place, 0) + size
                    self._news.set()
        except Exception as error:
            self._failed = error
            self._news.set()
