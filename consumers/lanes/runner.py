"""The shell around one lane partition: gives the pure owner records, answers and the time, and performs its effects.

dispatcher/core/lane/owner.py decides everything; this file is input and output. One ownership is one call of
`LaneRunner.run`. It ends when the partition is given back (drained, nothing left open), when a newer owner is read, or
when the log leaves a record uncertain; the caller (consumers/lanes/role.py) starts again if it still holds the
partition.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from functools import cache, partial
from typing import Final

from consumers.lanes.balance_poll import ASKED_BY, poll_balance
from consumers.lanes.driver_host import DriverHost
from consumers.lanes.fetching import Poller
from consumers.lanes.history_watch import HistoryWatch
from consumers.lanes.journal import Journal
from consumers.lanes.left_marks import dead_owners, facts, marks_folder
from consumers.lanes.prepared_messages import PreparedMessages
from consumers.lanes.query_lock import QueryLock
from consumers.lanes.send_gate import SendGate
from consumers.lanes.spec import lane_spec
from consumers.lanes.stop_notices import StopNotices
from consumers.lanes.suppression_feed import SuppressionFeed
from consumers.lanes.write_marks import WriteMarks
from dispatcher import clock
from dispatcher.accounts.ask_book import BalanceBook, HistoryBook
from dispatcher.carriers.learnt import LearntCarriers
from dispatcher.config.file import Config
from dispatcher.core import numbers as phone_numbers
from dispatcher.core.lane.answers.verdict import TEXT_NOT_CARRIED, Kind, Origin, RunsAnswer
from dispatcher.core.lane.effects import Append, Effect, Fetch, Go, Hand, Point, Send, Share, Tell, Warn
from dispatcher.core.lane.owner import Owner, OwnerSettings
from dispatcher.core.lane.state import LaneState, pages_of
from dispatcher.core.lane.suppressed import JudgedBatch
from dispatcher.core.messages.chunks import Batch
from dispatcher.core.results.requests import RequestTime
from dispatcher.core.streams.messages import AppendedMessages, SegmentBatch, SegmentReading
from dispatcher.core.streams.segments import is_segment
from dispatcher.drivers.port import Driver, QueryingDriver, Sent
from dispatcher.errors import LogDamaged, LogError, TextError
from dispatcher.log.campaigns_feed import CampaignsFeed
from dispatcher.log.port import Entry, Log
from dispatcher.log.records import record_of
from dispatcher.loggers import get_logger
from dispatcher.report_effects import ReportEffects
from dispatcher.vendors.seam.vendor import HttpVendor, Verdict
from dispatcher.verification.secret import code_keys
from schemas.batch import BrokenBatch, unpack_values
from schemas.codec import encode
from schemas.records import (
    AnyRecord,
    Appended,
    Checkpoint,
    CheckpointAt,
    Intent,
    Outcome,
    Outcomes,
    Owned,
    StreamKeys,
)
from schemas.topics import JOBS, LANES, RECIPIENTS

ABANDON_S: Final = 1.0
"""For the records of what was given up at the end of the drain."""


class LaneRunner:
    """One ownership of one lane partition. `drivers` are the open drivers of its accounts."""

    def __init__(
        self,
        partition: int,
        config: Config,
        log: Log,
        feed: CampaignsFeed,
        drivers: Mapping[str, Driver],
        suppression: SuppressionFeed,
    ) -> None:
        self.partition: Final = partition
        self._config = config
        self._log = log
        self._feed = feed
        self._suppression = suppression
        self._drivers = drivers
        vendors = {account: config.accounts[account] for account in drivers}
        self._messages = PreparedMessages(vendors, feed.campaigns, cache(partial(code_keys, config)))
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._sends: set[asyncio.Task[None]] = set()
        self._fetches: set[asyncio.Task[None]] = set()
        self._gates: dict[int, Callable[[], None]] = {}  # what waits for its Go, by intent
        self._journal = Journal(log, partition, self._refused, self._doubted)
        self._book = BalanceBook(log, vendors, ASKED_BY)
        self._histories = HistoryBook(log, vendors, ASKED_BY, "history")
        self._learnt = LearntCarriers()
        self._notices = StopNotices(log, {account: vendor.codes for account, vendor in vendors.items()})
        self._failed: BaseException | None = None
        self._stopping = False
        self._logger = get_logger("lanes").bind(partition=partition)
        self._owner: Owner | None = None
        self._marks: WriteMarks | None = None

    async def run(self, stop: asyncio.Event) -> bool:
        """Own, send until `stop` (then drain), give back. True: given back in order. Raises LogError, LaneBroken."""
        state = await self._last_checkpoint(with_keys=True)
        name = secrets.token_hex(8)
        lanes = self._config.lanes
        settings = OwnerSettings(
            partition=self.partition, owner=name, ttl_s=lanes.intent_ttl_s, checkpoint_every=lanes.checkpoint_every
        )
        specs = [lane_spec(account, self._config.accounts[account]) for account in self._drivers]
        owner = self._owner = Owner(
            settings, specs, state, self._feed.campaigns, time.monotonic(), self._suppression.suppressed
        )
        unlisten = self._feed.listen(self._campaign_changed)
        unlisten_suppression = self._suppression.listen(self._wake.set)
        await self._take_what_dead_owners_left()
        await self._journal.own(Owned(owner=name, at_ms=clock.now_ms(), where=f"{socket.gethostname()}:{os.getpid()}"))
        tasks = [asyncio.create_task(self._guard(self._follow_journal(state.position)))]
        try:
            while not owner.in_charge and self._failed is None:
                await self._woken()
            self._marks = self._new_marks(name)
            for account, driver in self._drivers.items():
                words, effects = self._config.inbound.opt_outs, self._report_effects(account)
                host = DriverHost(self._log, account, owner, self._wake.set, words, effects)
                await driver.open(host)
            tasks.append(asyncio.create_task(self._guard(self._follow_inbox())))
            tasks.extend(asyncio.create_task(self._guard(asking)) for asking in self._asking(owner))
            tasks.append(asyncio.create_task(self._guard(self._notices.run())))
            tasks.append(asyncio.create_task(self._stop_when(stop)))
            self._logger.info("lane owned", owner=name, accounts=sorted(self._drivers), unknown=len(state.open))
            orderly = await self._work(owner)
            if orderly:
                await self._leave(owner)
            return orderly
        finally:
            unlisten()
            unlisten_suppression()
            for task in [*tasks, *self._fetches]:
                task.cancel()
            await self._abandon_sends()
            await asyncio.gather(*tasks, *self._fetches, return_exceptions=True)
            await self._journal.close()
            if self._marks is not None:
                self._marks.close(keep=bool(owner.lanes and any(lane.sending for lane in owner.lanes.values())))

    # --- write marks ---

    async def _take_what_dead_owners_left(self) -> None:
        """Append what their write marks prove, before the claim. Raises LogError."""
        dead = await asyncio.to_thread(dead_owners, marks_folder(self._config), self.partition)
        if not dead:
            return
        state, authors = await self._last_checkpoint(), dict[int, str]()
        while records := await self._log.read(LANES.name, self.partition, state.position):
            for stored in records:
                record = record_of(stored, LANES.name)
                if isinstance(record, Intent):
                    authors[stored.offset] = record.owner
                state.apply(stored.offset, record)
        for each in dead:
            found = [] if each.marks is None else facts(each.marks, state, authors, self._config.accounts)
            if found:
                entries = [Entry(fact.account.encode(), encode(fact)) for fact in found]
                await self._log.append(LANES.name, self.partition, entries)
                self._logger.info("write marks of a dead process read", file=each.path.name, chunks=len(found))
            each.path.unlink(missing_ok=True)

    def _new_marks(self, owner: str) -> WriteMarks | None:
        try:
            return WriteMarks(marks_folder(self._config), self.partition, owner)
        except OSError as error:
            self._logger.warning("no write marks: a kill would leave whole chunks unknown", why=error.strerror)
            return None

    def _asking(self, owner: Owner) -> Iterator[Coroutine[None, None, None]]:
        """The tasks of each account besides sending: queries of its vendor, and notices."""
        for account, driver in self._drivers.items():
            vendor = self._config.accounts[account]
            if not isinstance(vendor, HttpVendor) or not isinstance(driver, QueryingDriver):
                continue
            queries = QueryLock(owner, account, self._wake)
            yield poll_balance(owner, driver, queries, self._book, vendor.balance_interval_s)
            effects = self._report_effects(account)
            for poll in vendor.polls():
                words, finish_s = self._config.inbound.opt_outs, self._config.lanes.drain_s
                yield Poller(self._log, vendor, poll, driver, queries, finish_s, words, effects).run()
            times_s = (owner.settings.ttl_s, owner.lanes[account].spec.timeout_s)
            takes = RequestTime(*(round(each_s * 1000) for each_s in times_s))
            watch = HistoryWatch(
                self._log,
                vendor,
                owner,
                self._feed.campaigns,
                driver,
                queries,
                self._histories,
                takes,
                effects,
            )
            yield watch.run()

    def _report_effects(self, account: str) -> ReportEffects:
        codes = type(self._config.accounts[account]).report_codes
        return ReportEffects(codes, self._config.suppression, self._learnt)

    # --- the loop ---

    async def _work(self, owner: Owner) -> bool:
        drain_until_s, abandoned = float("inf"), False
        while True:
            now_s = time.monotonic()
            if self._stopping and not owner.draining:
                owner.drain(clock.now_ms())
                drain_until_s = now_s + self._config.lanes.drain_s
            self._perform(owner.poll(now_s, clock.now_ms()))
            if self._failed is not None:
                raise self._failed
            if owner.deposed and not self._sends:
                self._logger.warning("another process owns the lane now")
                return False
            if owner.in_doubt(now_s):
                self._logger.warning("intents neither confirmed nor refused: making a new start")
                return False
            if owner.draining and owner.drained and self._journal.settled:
                return True
            if now_s >= drain_until_s:
                if abandoned:
                    return owner.drained
                abandoned, drain_until_s = True, now_s + ABANDON_S
                for driver in self._drivers.values():
                    driver.abandon()
            await self._woken(min(owner.wake_s, drain_until_s))

    async def _woken(self, until_s: float = float("inf")) -> None:
        if not self._wake.is_set() and until_s < float("inf"):
            loop = asyncio.get_running_loop()
            wait_s = max(0.0, until_s - time.monotonic())
            self._timer = loop.call_later(wait_s, self._wake.set)
        await self._wake.wait()
        self._wake.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _stop_when(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._wake.set()

    async def _guard(self, work: object) -> None:
        """A follower or a request that fails ends the ownership, with its error."""
        try:
            await work  # type: ignore[misc]
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._failed = error
            self._wake.set()

    # --- reading ---

    async def _last_checkpoint(self, *, with_keys: bool = False) -> LaneState:
        """The state of the newest checkpoint; `with_keys`: and the keys of streams, without which nothing is sent."""
        offset = self._feed.campaigns.checkpoints.get(self.partition)
        if offset is None:
            return LaneState()
        record = record_of(await self._log.fetch(LANES.name, self.partition, offset), LANES.name)
        if not isinstance(record, Checkpoint):
            raise LogDamaged(
                "lanes/{partition}: offset {offset} is no checkpoint. Is this the right log?",
                partition=self.partition,
                offset=offset,
            )
        pages: dict[int, StreamKeys] = {}
        for at in pages_of(record) if with_keys else ():
            page = record_of(await self._log.fetch(LANES.name, self.partition, at), LANES.name)
            if not isinstance(page, StreamKeys):
                raise LogDamaged(
                    "lanes/{partition}: offset {at} is no page of keys. Is this the right log?",
                    partition=self.partition,
                    at=at,
                )
            pages[at] = page
        return LaneState.load(record, pages if with_keys else None)

    async def _follow_journal(self, position: int) -> None:
        owner = self._owner
        assert owner is not None
        async for records in self._log.follow(LANES.name, self.partition, position):
            now_s, now_ms = time.monotonic(), clock.now_ms()
            for stored in records:
                record = record_of(stored, LANES.name)
                owner.journal_read(stored.offset, record, now_s, now_ms)
                if self._marks is not None and isinstance(record, Outcome | Outcomes):
                    self._marks.release(record.intent)
            self._wake.set()

    async def _follow_inbox(self) -> None:
        owner = self._owner
        assert owner is not None
        async for records in self._log.follow(JOBS.name, self.partition, owner.state.inbox):
            now_s, now_ms = time.monotonic(), clock.now_ms()
            for stored in records:
                record = record_of(stored, JOBS.name)
                messages = self._messages_of(stored.offset, record) if isinstance(record, Appended) else None
                owner.inbox_read(stored.offset, record, now_s, now_ms, messages)
            self._wake.set()

    def _messages_of(self, offset: int, record: Appended) -> AppendedMessages | None:
        """Messages of a stream as their account sends them; None if they cannot be read now: they are fetched later."""
        try:
            return self._appended(offset, record)
        except ValueError:
            return None

    def _appended(self, offset: int, record: Appended) -> AppendedMessages | None:
        return self._messages.appended(offset, record, self._learnt.overrides)

    def _campaign_changed(self, campaign: str) -> None:
        if self._owner is not None:
            self._owner.campaign_changed(campaign)
            self._wake.set()

    def _refused(self, record: AnyRecord) -> None:
        if self._owner is not None:
            self._owner.append_refused(record, time.monotonic())
            self._wake.set()

    def _doubted(self, record: AnyRecord) -> None:
        if self._owner is not None:
            self._owner.append_doubted(record, time.monotonic())

    def _handed(self, confirmed: bool) -> None:
        owner = self._owner
        assert owner is not None
        if confirmed:
            owner.handed(clock.now_ms())
        else:
            owner.not_handed(time.monotonic())
        self._wake.set()

    # --- effects ---

    def _perform(self, effects: list[Effect]) -> None:
        together = []
        for effect in effects:
            match effect:
                case Append():
                    together.append(effect.record)
                case Point():
                    self._journal.point(effect.record)
                case Share():
                    self._journal.share(effect)
                case Hand():
                    self._journal.hand(effect, self._handed)
                case Tell():
                    self._notices.put(effect)
                case Fetch():
                    self._start(self._fetches, self._fetch(effect))
                case Send():
                    self._start(self._sends, self._guard(self._send(effect)))
                case Go():
                    go = self._gates.pop(effect.intent, None)
                    if go is not None:
                        go()
                case Warn():
                    self._logger.warning(effect.event, account=effect.account, detail=effect.detail)
        if together:
            self._journal.append(together)

    @staticmethod
    def _start(tasks: set[asyncio.Task[None]], work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _send(self, send: Send) -> None:
        owner = self._owner
        assert owner is not None
        gate = SendGate(owner, send, self._gates, self._wake.set, self._journal.append, self._marks)
        try:
            prepared, values = self._messages.of(send)
            driver = self._drivers[send.account]
            sent = await driver.send(prepared, send.numbers, send.count, gate, values=values)
        except TextError as error:
            sent = Sent(Verdict(kind=Kind.CONTENT, code=TEXT_NOT_CARRIED, text=str(error), origin=Origin.OURS))
        self._gates.pop(send.intent, None)
        now_s, now_ms, sent_ms = time.monotonic(), clock.now_ms(), gate.sent_ms
        if isinstance(sent.verdict, RunsAnswer):
            owner.runs_answered(send.intent, send.account, sent.verdict, now_s, now_ms, sent_ms=sent_ms)
        else:
            times = {"wrote_s": sent.wrote_s, "answered_s": sent.answered_s}
            owner.answered(send.intent, send.account, sent.verdict, now_s, now_ms, sent_ms=sent_ms, **times)
        self._wake.set()

    async def _fetch(self, fetch: Fetch) -> None:
        owner = self._owner
        assert owner is not None
        job = fetch.job
        try:
            if is_segment(job):
                owner.batch_loaded(fetch.job_offset, await self._fetch_segment(fetch))
                self._wake.set()
                return
            stored = await self._log.fetch(RECIPIENTS.name, job.partition, job.offset)
            numbers, count, values = await asyncio.to_thread(unpack_values, stored.value, stored.headers, job.sha256)
            personal = None
            if values is not None:
                personal = await asyncio.to_thread(self._messages.personal, job.campaign, job.account, values)
            costs = None
            if self._messages.has_budget(job.campaign):
                await self._learnt.read_on(self._log)
                costs = await asyncio.to_thread(self._messages.costs, job, numbers, values, self._learnt.overrides)
            judged = await asyncio.to_thread(self._judged, numbers)
            owner.batch_loaded(fetch.job_offset, Batch(numbers, count, personal, costs), judged)
        except (LogError, BrokenBatch, ValueError) as error:
            owner.batch_failed(fetch.job_offset, str(error), time.monotonic())
        self._wake.set()

    async def _fetch_segment(self, fetch: Fetch) -> SegmentBatch:
        """The messages of a segment of a stream from `start` on, as far as they are on the log. Raises ValueError."""
        reading = SegmentReading(fetch.job, fetch.start, self._appended)
        at, inside = fetch.job_offset, True
        while inside and (records := await self._log.read(JOBS.name, self.partition, at)):
            at = records[-1].offset + 1
            inside = all(reading.read(stored.offset, record_of(stored, JOBS.name)) for stored in records)
        if reading.batch is None:
            raise ValueError("the messages of the segment are not in the log")
        return reading.batch

    def _judged(self, numbers: bytes) -> JudgedBatch:
        return JudgedBatch(phone_numbers.decode(numbers), self._suppression.suppressed)

    # --- leaving ---

    async def _leave(self, owner: Owner) -> None:
        """A last checkpoint, so that the next owner starts where this one stopped."""
        checkpoint = owner.last_checkpoint(clock.now_ms())
        try:
            [offset] = await self._log.append(LANES.name, self.partition, [Entry(b"", encode(checkpoint))])
        except LogError as error:
            self._logger.warning("last checkpoint not written", error=str(error))
            return
        while owner.state.position <= offset and not owner.deposed and self._failed is None:
            await self._woken()
        if not owner.deposed:
            self._journal.point(CheckpointAt(partition=self.partition, offset=offset))
            await self._log.end(LANES.name, self.partition)
        self._logger.info("lane given back", unknown=len(owner.state.open))

    async def _abandon_sends(self) -> None:
        """Only after the drain's bound: requests still under way become unknown with the next owner."""
        for task in list(self._sends):
            task.cancel()
        await asyncio.gather(*self._sends, return_exceptions=True)
