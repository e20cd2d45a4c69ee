"""The running joiner: it keeps up, waits out trouble, gives way to one other, and tells what is finished."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import pytest

from consumers.results import role as joiner
from consumers.results.role import Feeds, run_joiner
from dispatcher.config.file import Config, parse
from dispatcher.core.backoff import Backoff
from dispatcher.errors import LogDamaged, LogNewer, LogUnavailable, StoreBusy, StoreError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log, StoredRecord
from dispatcher.store.fold.log_feed import places
from dispatcher.store.fold.transactions import FoldingStore
from dispatcher.store.opening import open_reader, open_store
from dispatcher.store.port import INPUTS, CampaignView, OtherLog
from schemas import codec
from schemas.records import Finished
from schemas.states import State
from schemas.topics import lane_partition
from tests.store.joined_history import FIRST_NUMBER, History
from tests.store.joined_log import HistoryLog
from tests.waiting import patience

SPRING = lane_partition("spring")
N = FIRST_NUMBER


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joiner, "LINGER_S", 0.01)
    monkeypatch.setattr(joiner, "RETRY", Backoff(0.01, joiner.RETRY.max_s))


def config(folder: Path, **store: object) -> Config:
    settings = {"no_report_after_s": 1e9} | store | {"url": f"sqlite:{folder / 'results.db'}"}
    return parse({"store": settings, "log": {"url": f"sqlite:{folder / 'log.db'}"}}, "x.toml")


class Story:
    """A history written on a log as it happens."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.history = History()
        self._written: dict[tuple[str, int], int] = {}

    async def flush(self) -> None:
        """Append what was added to the history."""
        for place, records in self.history.records.items():
            new = records[self._written.get(place, 0) :]
            if new:
                await self.log.append(*place, [Entry(stored.key, stored.value, stored.headers) for stored in new])
            self._written[place] = len(records)

    async def campaign(self, size: int = 6) -> None:
        """A campaign of which the first half was accepted."""
        self.history.launch("c1", {"spring": [size]})
        self.history.owned("spring", "o")
        self.history.outcome("spring", self.history.intent("spring", "o", 0, 0, size // 2), "accepted", vendor_id="v1")
        await self.flush()

    async def report(self, *numbers: int) -> None:
        """They were delivered."""
        self.history.reports("spring", [("v1", number, 1, "DELIVRD", 0) for number in numbers])
        await self.flush()

    async def results(self) -> list[Finished]:
        """What the topic `results` says."""
        found = []
        for partition in range(8):
            for stored in await self.log.read("results", partition, 0):
                record = codec.decode(stored.value)
                assert isinstance(record, Finished)
                found.append(record)
        return found


@contextlib.asynccontextmanager
async def joining(config: Config, log: Log) -> AsyncIterator[asyncio.Task[None]]:
    """A joiner at work; stopped in order."""
    stop = asyncio.Event()
    task = asyncio.create_task(run_joiner(config, log, stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def until(config: Config, condition: Callable[[CampaignView], object]) -> CampaignView:
    """The view of c1, as soon as the condition is true of it; read as other processes read it."""
    async with patience():
        while True:
            with contextlib.closing(open_reader(config.store)) as reader:
                view = await asyncio.to_thread(reader.campaign, "c1")
            if view is not None and condition(view):
                return view
            await asyncio.sleep(0.005)


def has_delivered(recipients: int) -> Callable[[CampaignView], bool]:
    return lambda view: view.counts.delivered == recipients


@pytest.fixture(params=["memory", "sqlite"])
async def story(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Story]:
    log: Log = HistoryLog() if request.param == "memory" else await open_log(f"sqlite:{tmp_path / 'log.db'}")
    yield Story(log)
    await log.close()


async def test_what_is_on_the_log_and_what_comes_after_is_seen_by_a_reader_beside_it(story: Story, tmp_path: Path):
    await story.campaign()
    async with joining(config(tmp_path), story.log):
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        await story.report(N)
        await until(config(tmp_path), lambda view: view.counts.delivered == 1)
        await story.report(N, N + 1)
        view = await until(config(tmp_path), lambda view: view.counts.delivered == 2)
        view.counts.check()
    open_store(config(tmp_path).store).close()  # let go of


async def test_records_that_are_there_when_it_stops_are_folded_by_the_next_one_once(story: Story, tmp_path: Path):
    await story.campaign()
    for delivered in range(3):
        async with joining(config(tmp_path), story.log):
            await until(config(tmp_path), has_delivered(delivered))
        await story.report(N + delivered)
    async with joining(config(tmp_path), story.log):
        view = await until(config(tmp_path), lambda view: view.counts.delivered == 3)
    assert view.counts.check().queued == 3
    with contextlib.closing(open_reader(config(tmp_path).store)) as reader:
        assert [(r.applied, r.repeats) for r in reader.reports()] == [(3, 0)]


async def test_a_second_joiner_waits_and_takes_over_when_the_first_is_gone(story: Story, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("dispatcher.store.opening.ASK_AGAIN_S", 0.01)
    await story.campaign()
    async with joining(config(tmp_path), story.log) as first:
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        async with joining(config(tmp_path), story.log) as second:
            await asyncio.sleep(0.05)
            assert not second.done()
            with pytest.raises(StoreBusy):
                open_store(config(tmp_path).store)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await story.report(N)
            await until(config(tmp_path), lambda view: view.counts.delivered == 1)


async def test_a_joiner_that_waits_for_the_store_can_be_stopped(tmp_path: Path):
    held = open_store(config(tmp_path).store)
    async with joining(config(tmp_path), HistoryLog()) as task:
        await asyncio.sleep(0.02)
        assert not task.done()
    assert task.done()
    assert task.exception() is None
    held.close()


async def test_finished_chunks_are_appended_to_results(story: Story, tmp_path: Path):
    await story.campaign()
    async with joining(config(tmp_path), story.log):
        await story.report(N, N + 1)
        await until(config(tmp_path), lambda view: view.counts.delivered == 2)
        assert await story.results() == []
        await story.report(N + 2)
        while not (results := await story.results()):
            await asyncio.sleep(0.005)
    (finished,) = results
    assert (finished.campaign, finished.account, finished.start, finished.vendor_id) == ("c1", "spring", 0, "v1")
    assert bytes(finished.states) == bytes([State.DELIVERED] * 3)
    assert finished.codes == ["DELIVRD"]
    assert len(finished.numbers) == 24


async def test_more_finished_chunks_than_are_told_at_once_are_told_without_waiting(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("dispatcher.store.fold.log_feed.TELL_CHUNKS_MAX", 1)
    story = Story(HistoryLog())
    story.history.launch("c1", {"spring": [6]})
    story.history.owned("spring", "o")
    for start in range(6):
        intent = story.history.intent("spring", "o", 0, start, 1)
        story.history.outcome("spring", intent, "accepted", vendor_id=f"v{start}")
    story.history.reports("spring", [(f"v{start}", N + start, 1, "DELIVRD", 0) for start in range(6)])
    await story.flush()
    monkeypatch.setattr(joiner, "LINGER_S", 1000.0)
    async with joining(config(tmp_path), story.log):
        while len(results := await story.results()) < 6:
            await asyncio.sleep(0.005)
    assert sorted(record.start for record in results) == list(range(6))


ENDS = [
    ("a burst that is over", {"BURST_BYTES": 1}),
    ("a partition that is full", {"FEED_BYTES_MAX": 1, "QUIET_S": 0.001}),
]


@pytest.mark.parametrize("limits", [limits for _, limits in ENDS], ids=[what for what, _ in ENDS])
async def test_it_does_not_wait_for_more_after(tmp_path: Path, monkeypatch, limits: dict[str, float]):
    monkeypatch.setattr(joiner, "LINGER_S", 1000.0)
    for name, value in limits.items():
        monkeypatch.setattr(joiner, name, value)
    story = Story(HistoryLog())
    async with joining(config(tmp_path), story.log):
        await story.campaign()
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        await story.report(N, N + 1)
        await until(config(tmp_path), lambda view: view.counts.delivered == 2)


async def test_a_joiner_that_waits_for_more_can_be_stopped_and_folds_what_it_has(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(joiner, "LINGER_S", 1000.0)
    story = Story(HistoryLog())
    await story.campaign()
    async with joining(config(tmp_path), story.log):
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        await story.report(N)
        await asyncio.sleep(0.05)
    with contextlib.closing(open_reader(config(tmp_path).store)) as reader:
        view = reader.campaign("c1")
    assert view is not None
    assert view.counts.delivered == 1


async def test_a_recipient_that_waits_too_long_for_a_report_is_no_report(story: Story, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(joiner, "EXPIRE_EVERY_S", 0.05)
    await story.campaign()
    async with joining(config(tmp_path, no_report_after_s=1.0), story.log):
        view = await until(config(tmp_path, no_report_after_s=1.0), lambda view: view.counts.no_report)
        assert view.counts.check().no_report == 3
        while not (results := await story.results()):
            await asyncio.sleep(0.005)
    assert bytes(results[0].states) == bytes([State.NO_REPORT] * 3)


class Flaky(HistoryLog):
    """A log that is away now and then, wherever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.away = 0

    def check(self) -> None:
        if self.away:
            self.away -= 1
            raise LogUnavailable("the broker is away")

    async def end(self, topic: str, partition: int) -> int:
        self.check()
        return await super().end(topic, partition)

    async def fetch(self, topic: str, partition: int, offset: int) -> StoredRecord:
        self.check()
        return await super().fetch(topic, partition, offset)

    async def follow(self, topic: str, partition: int, offset: int) -> AsyncGenerator[list[StoredRecord], None]:
        async for records in super().follow(topic, partition, offset):
            self.check()
            yield records


async def test_a_log_that_is_away_is_waited_out(tmp_path: Path):
    log = Flaky()
    story = Story(log)
    log.away = 5
    async with joining(config(tmp_path), log) as task:
        await story.campaign()
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        for delivered in range(3):
            log.away = 3
            await story.report(N + delivered)
            await until(config(tmp_path), has_delivered(delivered + 1))
        assert not task.done()
    with contextlib.closing(open_reader(config(tmp_path).store)) as reader:
        assert [(r.applied, r.repeats) for r in reader.reports()] == [(3, 0)]


async def test_a_store_that_fails_is_tried_again_and_nothing_is_counted_twice(tmp_path: Path, monkeypatch):
    story = Story(HistoryLog())
    await story.campaign()
    take = FoldingStore.take
    failures = iter([True, False, True, True, False])

    def fails(self: FoldingStore, delivery) -> None:
        if next(failures, False):
            raise StoreError("the disk is full")
        take(self, delivery)

    monkeypatch.setattr(FoldingStore, "take", fails)
    async with joining(config(tmp_path), story.log):
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        await story.report(N, N + 1, N + 2)
        await until(config(tmp_path), lambda view: view.counts.delivered == 3)
    with contextlib.closing(open_reader(config(tmp_path).store)) as reader:
        assert [(r.applied, r.repeats) for r in reader.reports()] == [(3, 0)]


async def newer(story: Story) -> None:
    await story.log.append("lanes", 0, [Entry(b"", bytes([codec.VERSION + 1]))])


async def shorter(story: Story) -> None:
    assert isinstance(story.log, HistoryLog)
    story.log.records["reports", SPRING].clear()


FATAL = [("a record of a newer release", newer, LogNewer), ("the store of another log", shorter, OtherLog)]


@pytest.mark.parametrize(("what", "spoil", "error"), FATAL, ids=[case[0] for case in FATAL])
async def test_what_only_a_person_can_mend_ends_the_joiner(tmp_path: Path, what, spoil, error):
    story = Story(HistoryLog())
    await story.campaign()
    await story.report(N)
    async with joining(config(tmp_path), story.log):
        await until(config(tmp_path), lambda view: view.counts.delivered == 1)
    await spoil(story)
    with pytest.raises(error) as raised:
        await run_joiner(config(tmp_path), story.log, asyncio.Event())
    assert not isinstance(raised.value, LogDamaged)
    open_store(config(tmp_path).store).close()


async def test_a_newer_record_that_arrives_while_it_follows_ends_the_joiner(tmp_path: Path):
    story = Story(HistoryLog())
    await story.campaign()
    async with joining(config(tmp_path), story.log) as task:
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        await newer(story)
        with pytest.raises(LogNewer):
            await task


async def test_a_partition_that_is_not_taken_is_not_read_without_bound(monkeypatch):
    monkeypatch.setattr(joiner, "FEED_BYTES_MAX", 10_000)
    log = HistoryLog()
    for _ in range(100):
        await log.append("reports", 3, [Entry(b"", b"x" * 1000) for _ in range(5)])
    read = 0

    async def follow(topic: str, partition: int, offset: int) -> AsyncGenerator[list[StoredRecord], None]:
        nonlocal read
        for start in range(offset, 500, 5) if (topic, partition) == ("reports", 3) else ():
            read += 5
            yield log.records["reports", 3][start : start + 5]
        await asyncio.Event().wait()

    log.follow = follow  # type: ignore[method-assign]
    feeds = Feeds(log, dict.fromkeys(places(*INPUTS, "lanes", "reports"), 0))
    taken: list[StoredRecord] = []
    stopping = asyncio.create_task(asyncio.Event().wait())
    while len(taken) < 500:
        await feeds.wait(stopping, 5.0)
        await asyncio.sleep(0.01)
        assert read - len(taken) <= 20
        taken += feeds.take().get(("reports", 3), [])
    assert [stored.offset for stored in taken] == list(range(500))
    stopping.cancel()
    await feeds.close()


async def test_an_idle_joiner_folds_nothing(tmp_path: Path, monkeypatch):
    story = Story(HistoryLog())
    await story.campaign()
    calls = 0
    take = FoldingStore.take

    def counted(self: FoldingStore, delivery) -> None:
        nonlocal calls
        calls += 1
        take(self, delivery)

    monkeypatch.setattr(FoldingStore, "take", counted)
    async with joining(config(tmp_path), story.log):
        await until(config(tmp_path), lambda view: view.counts.accepted == 3)
        before = calls
        await asyncio.sleep(0.1)
        assert calls == before
