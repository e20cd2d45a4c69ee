"""From the log into the store: jobs and batches fetched when they are needed, damage kept apart, rebuilt the same."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from random import Random

import msgspec
import pytest

from dispatcher.config.file import Config, parse
from dispatcher.errors import ConfigError, LogDamaged, LogUnavailable, UserError
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log, StoredRecord
from dispatcher.service.freshness import bring_up_to_date
from dispatcher.service.session import open_session
from dispatcher.store.fold.log_feed import Joining
from dispatcher.store.fold.transactions import FoldingStore
from dispatcher.store.opening import open_reader, open_store, rebuild
from dispatcher.store.port import OtherLog
from dispatcher.store.sqlite.store import open_sqlite
from schemas.records import Dead
from schemas.topics import lane_partition
from tests.store.joined_history import FIRST_NUMBER, LAUNCHED_MS, History
from tests.store.joined_log import HistoryLog
from tests.store.joined_store import NO_REPORT_AFTER_S, Driver, all_rows
from tests.store.test_join_property import write
from tests.store.test_store_files import make_it_format_3

NOW_MS = LAUNCHED_MS + 60_000
SPRING = lane_partition("spring")


def joining(log: Log, store: FoldingStore) -> Joining:
    return Joining(log, store, no_report_after_s=NO_REPORT_AFTER_S, now_ms=lambda: NOW_MS)


def config(folder: Path) -> Config:
    return parse(
        {"store": {"url": f"sqlite:{folder / 'results.db'}"}, "log": {"url": f"sqlite:{folder / 'log.db'}"}}, "x.toml"
    )


def store_file(folder: Path) -> Path:
    return folder / "results.db"


@pytest.mark.parametrize("seed", range(8))
async def test_catching_up_gives_the_rows_that_reading_step_by_step_gives(tmp_path: Path, seed: int):
    history = write(Random(seed))
    driver = Driver(tmp_path / "driven.db", history)
    driver.all()
    store = open_sqlite(tmp_path / "caught.db", emits=False)
    told: list[tuple[int, int]] = []
    await joining(HistoryLog(history), store).catch_up(lambda done, total: told.append((done, total)))
    store.close()
    caught = Driver(tmp_path / "caught.db", history)
    assert caught.rows() == driver.rows()
    assert told[-1][0] == told[-1][1] == told[0][1]
    assert told == sorted(told)
    driver.close()
    caught.close()


async def test_a_journal_that_was_read_first_finds_its_jobs_and_batches_itself(tmp_path: Path):
    history = History()
    job = history.launch("c1", {"spring": [20]})["spring"][0]
    history.owned("spring", "o")
    intent = history.intent("spring", "o", job, 0, 20)
    history.outcome("spring", intent, "accepted", vendor_id="v1")
    history.reports("spring", [("v1", FIRST_NUMBER, 1, "DELIVRD", 0)])
    store = open_sqlite(tmp_path / "results.db", emits=False)
    lane, reports = ("lanes", SPRING), ("reports", SPRING)
    await joining(HistoryLog(history), store).fold({lane: history.records[lane], reports: history.records[reports]})
    assert store.offsets()["jobs", SPRING] == 1
    store.close()
    driver = Driver(tmp_path / "results.db", history)
    assert driver.rows()["tallies"][0][4:6] == (0, 19)
    driver.close()


async def test_records_that_were_folded_before_are_passed_over(tmp_path: Path):
    history = History()
    history.launch("c1", {"spring": [20]})
    history.owned("spring", "o")
    history.outcome("spring", history.intent("spring", "o", 0, 0, 20), "accepted", vendor_id="v1")
    history.reports("spring", [("v1", FIRST_NUMBER, 1, "DELIVRD", 0)])
    delivery = {place: records for place, records in history.records.items() if place[0] != "recipients"}
    store = open_sqlite(tmp_path / "results.db", emits=False)
    for _ in range(3):
        await joining(HistoryLog(history), store).fold(delivery)
    store.close()
    driver = Driver(tmp_path / "results.db", history)
    (reports,) = driver.reader().reports()
    assert (reports.rows, reports.applied, reports.repeats) == (1, 1, 0)
    driver.close()


class CutOff(HistoryLog):
    """A log whose retention has deleted the first records of a topic."""

    def __init__(self, history: History, topic: str, kept_from: int) -> None:
        super().__init__(history)
        self.topic, self.kept_from = topic, kept_from

    async def read(
        self, topic: str, partition: int, offset: int, *, records_max: int = 1000, bytes_max: int = 8_000_000
    ) -> list[StoredRecord]:
        if topic == self.topic and offset < self.kept_from and (topic, partition) in self.records:
            raise LogDamaged("gone")
        return await super().read(topic, partition, offset, records_max=records_max, bytes_max=bytes_max)


@pytest.mark.parametrize("kept_from", [1, 4, 6, 7])
async def test_dead_letters_that_retention_has_deleted_do_not_stop_a_new_store(tmp_path: Path, kept_from: int):
    history = History()
    history.launch("c1", {"spring": [20]})
    for index in range(7):
        history.append("dead", 3, Dead(account="spring", path="/", why=f"why {index}", at_ms=index, body=b""))
    log = CutOff(history, "dead", kept_from)
    store = open_sqlite(tmp_path / "results.db", emits=False)
    join = joining(log, store)
    await join.catch_up()
    assert join.offsets()["dead", 3] == 7
    store.close()
    driver = Driver(tmp_path / "results.db", history)
    assert [letters.count for letters in driver.reader().dead()] == [7 - kept_from][: 7 - kept_from]
    assert len(driver.reader().campaigns()) == 1
    driver.close()


async def test_a_journal_whose_beginning_is_gone_stops_the_fold_instead_of_giving_wrong_results(tmp_path: Path):
    history = History()
    history.launch("c1", {"spring": [20]})
    history.owned("spring", "o")
    history.owned("spring", "p")
    log = CutOff(history, "lanes", 1)
    store = open_sqlite(tmp_path / "results.db", emits=False)
    with pytest.raises(LogDamaged):
        await joining(log, store).catch_up()
    store.close()


DAMAGE = [
    ("the batch is not on the log", lambda records: records.clear()),
    ("its bytes are not those that were written", lambda records: records.__setitem__(0, changed(records[0], b"junk"))),
    ("its headers are gone", lambda records: records.__setitem__(0, msgspec.structs.replace(records[0], headers=()))),
]


def changed(stored, value: bytes):
    return msgspec.structs.replace(stored, value=value)


@pytest.mark.parametrize(("what", "damage"), DAMAGE, ids=[what for what, _ in DAMAGE])
async def test_a_damaged_batch_is_said_and_does_not_stop_the_join(tmp_path: Path, what, damage):
    history = History()
    history.launch("c1", {"spring": [20]})
    history.owned("spring", "o")
    history.outcome("spring", history.intent("spring", "o", 0, 0, 20), "accepted", vendor_id="v1")
    log = HistoryLog(history)
    damage(next(records for place, records in log.records.items() if place[0] == "recipients"))
    store = open_sqlite(tmp_path / "results.db", emits=False)
    await joining(log, store).catch_up()
    store.close()
    driver = Driver(tmp_path / "results.db", history)
    reader = driver.reader()
    view = reader.campaign("c1", NOW_MS)
    assert view is not None
    assert view.counts.check().accepted == 20
    assert list(reader.damaged("c1")) == [0]
    assert reader.unread("c1") == 0
    driver.close()


async def test_finished_chunks_are_told_at_least_once_and_forgotten_after(tmp_path: Path):
    history = History()
    history.launch("c1", {"spring": [4]})
    history.owned("spring", "o")
    for start in (0, 2):
        history.outcome("spring", history.intent("spring", "o", 0, start, 2), "failed", code="107")
    log = HistoryLog(history)
    store = open_sqlite(tmp_path / "results.db", emits=True)
    await joining(log, store).catch_up()
    log.failures.append((LogUnavailable("away"), True))  # it was written, but we do not know
    with pytest.raises(LogUnavailable):
        await joining(log, store).tell()
    assert not await joining(log, store).tell()  # both are told: there are no more
    told = [stored for place, records in log.records.items() if place[0] == "results" for stored in records]
    assert len(told) == 4
    assert not await joining(log, store).tell()
    assert sum(len(records) for place, records in log.records.items() if place[0] == "results") == 4
    store.close()


# --- for commands ----------------------------------------------------------------------------------------------------


async def real_log(folder: Path, history: History) -> Log:
    log = await open_log(f"sqlite:{folder / 'log.db'}")
    for (topic, partition), records in history.records.items():
        entries = [Entry(stored.key, stored.value, stored.headers) for stored in records]
        assert await log.append(topic, partition, entries) == [stored.offset for stored in records]
    return log


async def test_a_command_sees_what_is_on_the_log_although_no_dispatcher_runs(tmp_path: Path):
    history = History()
    history.launch("c1", {"spring": [7]})
    log = await real_log(tmp_path, history)
    async with open_session(config(tmp_path), log=log) as session, session.reader() as reader:
        assert [view.counts.queued for view in reader.campaigns()] == [7]
        assert reader.unread("c1") == 0
    await log.close()
    async with open_session(config(tmp_path)) as session, session.reader() as reader:
        assert [view.id for view in reader.campaigns()] == ["c1"]


async def test_a_command_leaves_the_store_to_the_joiner_that_runs(tmp_path: Path):
    log = await real_log(tmp_path, History())
    held = open_store(config(tmp_path).store)
    assert not await bring_up_to_date(config(tmp_path), log)
    async with open_session(config(tmp_path), log=log) as session, session.reader() as reader:
        assert reader.campaigns() == []
    held.close()
    await log.close()


async def test_without_a_log_a_command_says_so(tmp_path: Path):
    with pytest.raises(ConfigError, match="no log"):
        async with open_session(config(tmp_path)) as session, session.reader():
            pass
    assert not store_file(tmp_path).exists()


# --- rebuilding ------------------------------------------------------------------------------------------------------


def left_over(folder: Path) -> list[Path]:
    return list(folder.glob("*.rebuilding*"))


def rows_of(path: Path) -> dict:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return all_rows(connection)


@pytest.mark.parametrize("seed", [5, 6, 8, 9])
async def test_a_rebuilt_store_has_identical_rows(tmp_path: Path, seed: int):
    log = await real_log(tmp_path, write(Random(seed)))
    await bring_up_to_date(config(tmp_path), log)
    before = rows_of(store_file(tmp_path))
    assert before["chunks"]
    reader = open_reader(config(tmp_path).store)
    await rebuild(config(tmp_path).store, log, lambda done, total: None)
    assert rows_of(store_file(tmp_path)) == before
    assert reader.campaigns()  # whoever had it open reads on
    assert left_over(tmp_path) == []
    reader.close()
    await log.close()


BROKEN = [
    ("missing", lambda path: path.unlink()),
    ("a text file", lambda path: path.write_bytes(b"hello, " * 9000)),
    ("cut off", lambda path: path.write_bytes(path.read_bytes()[:6000])),
    ("of another format", lambda path: sqlite3.connect(path).execute("PRAGMA user_version = 99")),
]


@pytest.mark.parametrize(("what", "damage"), BROKEN, ids=[what for what, _ in BROKEN])
async def test_a_store_that_cannot_be_used_is_replaced_by_a_rebuilt_one(tmp_path: Path, what, damage):
    log = await real_log(tmp_path, write(Random(5)))
    await bring_up_to_date(config(tmp_path), log)
    path = store_file(tmp_path)
    before = rows_of(path)
    damage(path)
    await rebuild(config(tmp_path).store, log, lambda done, total: None)
    after = rows_of(path)
    outbox = after.pop("outbox"), before.pop("outbox")
    assert after == before
    assert outbox[0] in (outbox[1], [])
    open_store(config(tmp_path).store).close()
    await log.close()


async def test_a_rebuild_that_fails_leaves_the_old_store_as_it_was(tmp_path: Path):
    log = await real_log(tmp_path, write(Random(5)))
    await bring_up_to_date(config(tmp_path), log)
    path = store_file(tmp_path)
    before = rows_of(path)
    broken = HistoryLog()

    async def away(*arguments: object, **options: object) -> int:
        raise LogUnavailable("away")

    broken.end = away  # type: ignore[method-assign]
    with pytest.raises(LogUnavailable):
        await rebuild(config(tmp_path).store, broken, lambda done, total: None)
    assert rows_of(path) == before
    assert left_over(tmp_path) == []
    await log.close()


async def test_a_rebuild_beside_a_running_dispatcher_is_refused(tmp_path: Path):
    log = await real_log(tmp_path, History())
    held = open_store(config(tmp_path).store)
    with pytest.raises(UserError, match="Stop the dispatcher"):
        await rebuild(config(tmp_path).store, log, lambda done, total: None)
    held.close()
    await log.close()


@pytest.mark.parametrize("older", [False, True], ids=["", "of an earlier release"])
async def test_what_was_not_told_downstream_is_still_to_be_told_after_a_rebuild(tmp_path: Path, older: bool):
    history = History()
    history.launch("c1", {"spring": [4]})
    history.owned("spring", "o")
    history.outcome("spring", history.intent("spring", "o", 0, 0, 4), "failed", code="107")
    log = await real_log(tmp_path, history)
    await bring_up_to_date(config(tmp_path), log)
    if older:
        make_it_format_3(tmp_path / "results.db")
    await rebuild(config(tmp_path).store, log, lambda done, total: None)
    store = open_store(config(tmp_path).store)
    assert len(await asyncio.to_thread(store.outbox, 10)) == 1
    store.close()
    await log.close()


async def test_a_store_that_has_read_further_than_the_log_goes_is_refused_until_it_is_rebuilt(tmp_path: Path):
    long, short = History(), History()
    for history, size in ((long, 9), (short, 3)):
        history.launch("c1", {"spring": [size]})
    long.launch("c2", {"spring": [1]})
    store = open_sqlite(tmp_path / "results.db", emits=False)
    await joining(HistoryLog(long), store).catch_up()
    with pytest.raises(OtherLog, match="another log.*store rebuild"):
        await joining(HistoryLog(short), store).catch_up()
    store.close()
    await rebuild(config(tmp_path).store, HistoryLog(short), lambda done, total: None)
    reader = open_reader(config(tmp_path).store)
    assert [(view.id, view.counts.queued) for view in reader.campaigns()] == [("c1", 3)]
    reader.close()
