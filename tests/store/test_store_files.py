"""The store's file: who may open it, what is wrong with it, and that a crash never counts anything twice."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dispatcher.config.places import StoreConfig
from dispatcher.errors import ConfigError, DispatcherError, LogNewer, StoreBusy, StoreError
from dispatcher.log.port import StoredRecord
from dispatcher.store.fold import finished as fold_finished
from dispatcher.store.opening import open_reader, open_store
from dispatcher.store.port import LoadedBatch, Overtaken
from dispatcher.store.sqlite import file as sqlite_file
from dispatcher.store.sqlite.store import open_sqlite
from schemas import codec
from schemas.records import Cancelled, Closed, Flowed, Weighed
from schemas.states import State
from schemas.topics import lane_partition
from tests.store.joined_history import FIRST_NUMBER, LAUNCHED_MS, History
from tests.store.joined_store import Driver, states

NOW_MS = LAUNCHED_MS + 60_000


def sent(sizes: list[int], chunk: int = 500) -> History:
    """A campaign on `spring`, all accepted in chunks of so many; chunk k has the id `v<k>`."""
    history = History()
    jobs = history.launch("c1", {"spring": sizes})["spring"]
    history.owned("spring", "o")
    intents = [
        history.intent("spring", "o", job, start, min(chunk, size - start))
        for job, size in zip(jobs, sizes, strict=True)
        for start in range(0, size, chunk)
    ]
    for index, intent in enumerate(intents):
        history.outcome("spring", intent, "accepted", vendor_id=f"v{index}")
    return history


def report_all(history: History, count: int, chunk: int = 500, step: int = 97, per_record: int = 400) -> None:
    """A delivered report for everyone, far out of order."""
    order = [index * step % count for index in range(count)]
    for start in range(0, count, per_record):
        rows = [(f"v{at // chunk}", FIRST_NUMBER + at, 1, "DELIVRD", 0) for at in order[start : start + per_record]]
        history.reports("spring", rows)


# --- opening ---------------------------------------------------------------------------------------------------------


def test_without_a_file_the_results_are_empty_and_no_file_is_made(tmp_path: Path):
    reader = open_reader(StoreConfig(url=f"sqlite:{tmp_path / 'none.db'}"))
    assert (reader.campaigns(), reader.reports(), reader.offsets(), reader.lookup(1)) == ([], [], {}, [])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["postgres://x", "results.db", "sqlite:", "sqlite:a.db?x=1"])
def test_a_url_of_another_kind_is_refused_with_the_right_one(url: str):
    with pytest.raises(ConfigError, match='url = "sqlite:PATH"'):
        open_store(StoreConfig(url=url))


def test_one_process_writes_at_a_time_and_says_who(tmp_path: Path):
    config = StoreConfig(url=f"sqlite:{tmp_path / 'results.db'}")
    store = open_store(config)
    with pytest.raises(StoreBusy, match=f"pid {os.getpid()}"):
        open_store(config)
    store.close()
    open_store(config).close()


def broken_page(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096 * 20)


def foreign(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE x (y)")


CASES = [
    ("a folder", lambda path: path.mkdir(), ConfigError, "is a folder"),
    ("a text file", lambda path: path.write_text("hello, " * 900), StoreError, "is no store"),
    ("another program's database", foreign, ConfigError, "another program"),
]


@pytest.mark.parametrize(("what", "make", "error", "words"), CASES, ids=[case[0] for case in CASES])
def test_what_is_no_store_is_refused_in_one_sentence(tmp_path: Path, what, make, error, words):
    path = tmp_path / "results.db"
    make(path)
    for opened in (lambda: open_sqlite(path, emits=True), lambda: open_reader(StoreConfig(url=f"sqlite:{path}"))):
        with pytest.raises(error, match=words) as raised:
            opened()
        assert isinstance(raised.value, DispatcherError)


def test_a_store_of_another_format_asks_to_be_rebuilt(tmp_path: Path):
    path = tmp_path / "results.db"
    open_sqlite(path, emits=True).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="format 99.*store rebuild"):
        open_sqlite(path, emits=True)


def make_it_format_8(path: Path) -> None:
    """As the release before streams made it: sums without days."""
    with contextlib.closing(sqlite3.connect(path)) as old:
        for table, columns, key in (
            (
                "tallies",
                "campaign, attempt, account, in_flight, accepted, no_report, refused, unknown, delivered, undelivered, "
                "first_sent_ms, last_sent_ms, last_report_ms, suppressed",
                "campaign, attempt, account",
            ),
            (
                "failures",
                "campaign, attempt, account, source, code, recipients",
                "campaign, attempt, account, source, code",
            ),
        ):
            old.execute(f"CREATE TABLE before ({columns}, PRIMARY KEY ({key})) WITHOUT ROWID")
            old.execute(f"INSERT INTO before SELECT {columns} FROM {table}")
            old.execute(f"DROP TABLE {table}")
            old.execute(f"ALTER TABLE before RENAME TO {table}")
        old.execute("ALTER TABLE batches DROP COLUMN day")
        old.execute("DROP TABLE streams")
        old.execute("ALTER TABLE jobs DROP COLUMN moved")
        old.execute("DROP TABLE moves")
        old.execute("PRAGMA user_version = 8")
        old.commit()


def make_it_format_7(path: Path) -> None:
    """As the release before controls were kept as records made it: their values are columns."""
    make_it_format_8(path)
    with contextlib.closing(sqlite3.connect(path)) as old:
        for column in ("paused INTEGER NOT NULL DEFAULT 0", "weight INTEGER", "urgent INTEGER"):
            old.execute(f"ALTER TABLE campaigns ADD COLUMN {column}")
        for (encoded,) in old.execute("SELECT record FROM controls").fetchall():
            match codec.decode(encoded):
                case Flowed(campaign=campaign, paused=paused):
                    old.execute("UPDATE campaigns SET paused = ? WHERE id = ?", (paused, campaign))
                case Weighed(campaign=campaign, weight=weight, urgent=urgent):
                    old.execute("UPDATE campaigns SET weight = ?, urgent = ? WHERE id = ?", (weight, urgent, campaign))
        old.execute("DROP TABLE controls")
        old.execute("PRAGMA user_version = 7")
        old.commit()


def make_it_format_3(path: Path) -> None:
    """As the release before chunks had pieces made it: ids are places of intents, bounds are those of all keys."""
    make_it_format_7(path)
    with contextlib.closing(sqlite3.connect(path)) as old:
        for table, column in (("chunks", "id"), ("outbox", "chunk"), ("recipient_ids", "chunk")):
            old.execute(f"UPDATE {table} SET {column} = {column} / 65536 - 1000000")
            old.execute(f"UPDATE {table} SET {column} = {column} + 1000000")
        old.execute("ALTER TABLE chunks DROP COLUMN whole")
        old.execute("DROP TABLE later_reports")
        old.execute("ALTER TABLE campaigns DROP COLUMN revision")
        old.execute("ALTER TABLE tallies DROP COLUMN suppressed")
        for rowid, keys in old.execute("SELECT rowid, keys FROM recipient_ids").fetchall():
            high = int(np.frombuffer(keys, "<i8").max())
            old.execute("UPDATE recipient_ids SET high = ? WHERE rowid = ?", (high, rowid))
        old.execute("ALTER TABLE recipient_ids DROP COLUMN parts")
        old.execute("ALTER TABLE recipient_ids DROP COLUMN states")
        old.execute("CREATE TABLE named AS SELECT account, vendor_id, place, chunk / 65536 AS chunk FROM vendor_ids")
        old.execute("DROP TABLE vendor_ids")
        old.execute(
            "CREATE TABLE vendor_ids (account TEXT, vendor_id TEXT, place INTEGER, chunk INTEGER NOT NULL, "
            "PRIMARY KEY (account, vendor_id, place)) WITHOUT ROWID"
        )
        old.execute("INSERT INTO vendor_ids SELECT * FROM named")
        old.execute("DROP TABLE named")
        old.execute("PRAGMA user_version = 3")
        old.commit()


def make_it_format_2(path: Path) -> None:
    make_it_format_3(path)
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute("DROP TABLE closings")
        old.execute("ALTER TABLE chunks DROP COLUMN proven")
        old.execute("PRAGMA user_version = 2")
        old.commit()


def of_every_kind() -> History:
    """Chunks with one id, an id for each or for some; sent again; finished; with reports, early ones among them."""
    history = History()
    job = history.launch("c1", {"spring": [40]})["spring"][0]
    history.owned("spring", "o")
    intents = [history.intent("spring", "o", job, start, 5) for start in range(0, 40, 5)]
    history.outcome("spring", intents[0], "accepted", vendor_id="v1")
    history.outcome("spring", intents[1], "accepted", vendor_ids=("11", "12", "13", "14", "15"))
    history.outcome("spring", intents[2], "accepted", vendor_ids=("a", "b", "c", "d", "e"))
    history.outcome("spring", intents[3], "unknown", code="no answer", vendor_ids=("", "22", "", "24", ""))
    history.outcome("spring", intents[4], "unknown", code="no answer", vendor_ids=("",) * 5)
    history.outcome("spring", intents[5], "failed", code="107")
    history.resolved("spring", "o", intents[4], "resend")
    history.intent("spring", "o", job, 20, 5, attempt=1)
    rows = [("v1", FIRST_NUMBER + 1, 1, "0", 0), ("12", 0, 2, "MBBLACK", 0), ("b", 0, 1, "0", 0), ("22", 0, 1, "0", 0)]
    history.reports("spring", [*rows, ("early", FIRST_NUMBER, 1, "0", 0)])
    return history


def test_a_store_without_pieces_is_made_one_with_pieces_and_equals_one_made_anew(tmp_path: Path):
    history = of_every_kind()
    driver = Driver(tmp_path / "results.db", history, emits=True)
    driver.all()
    before, shown = driver.rows(), driver.shown(NOW_MS)
    driver.close()
    make_it_format_3(driver.path)
    again = Driver(driver.path, history, emits=True)
    assert again.rows() == before
    assert again.shown(NOW_MS) == shown
    history.outcomes("spring", 4, (0, 2, "accepted"), (2, 3, "unknown", "9"), ids=[31, 32, 0, 0, 0])
    history.reports("spring", [("32", 0, 1, "0", 0), ("v1", FIRST_NUMBER + 2, 1, "0", 0)])
    again.all()
    straight = Driver(tmp_path / "straight.db", history, emits=True)
    straight.all()
    assert again.rows() == straight.rows()
    again.close()
    straight.close()


def test_a_store_without_records_of_controls_shows_the_same_campaigns_when_it_is_opened(tmp_path: Path):
    history = History()
    history.launch("c1", {"spring": [2]})
    history.launch("c2", {"spring": [2]})
    history.launch("c3", {"spring": [2]})
    for record in (
        Flowed(campaign="c1", paused=True, at_ms=1, by="me"),
        Weighed(campaign="c1", weight=7, urgent=True, at_ms=1, by="me"),
        Cancelled(campaign="c2", at_ms=2, by="me"),
        Closed(campaign="c3", at_ms=3, by="me"),
    ):
        history.append("campaigns", 0, record)
    driver = Driver(tmp_path / "results.db", history)
    driver.all()
    before = driver.reader().campaigns(NOW_MS)
    assert {view.status for view in before} == {"paused", "cancelled", "running"}
    driver.close()
    make_it_format_7(driver.path)
    again = Driver(driver.path, history)
    assert again.reader().campaigns(NOW_MS) == before
    again.close()


def test_a_reader_leaves_a_store_alone_that_an_earlier_release_is_writing(tmp_path: Path):
    path = tmp_path / "results.db"
    driver = Driver(path, sent([3]))
    driver.all()
    make_it_format_2(path)
    with pytest.raises(StoreError, match="earlier release: restart"):
        open_reader(StoreConfig(url=f"sqlite:{path}"))
    driver.close()


def test_a_store_that_an_earlier_release_made_opens_for_readers_and_writers(tmp_path: Path):
    for name in ("reader", "writer"):
        path = tmp_path / f"{name}.db"
        history = sent([3])
        driver = Driver(path, history)
        driver.all()
        before = driver.rows()
        driver.close()
        make_it_format_2(path)
        config = StoreConfig(url=f"sqlite:{path}")
        if name == "writer":
            again = Driver(path, history)
            assert again.rows() == before
            again.close()
        with contextlib.closing(open_reader(config)) as reader:
            [view] = reader.campaigns(NOW_MS)
            assert (view.id, view.counts.accepted, view.closed_ms) == ("c1", 3, None)


def test_a_damaged_store_asks_to_be_rebuilt(tmp_path: Path):
    driver = Driver(tmp_path / "results.db", sent([3000]))
    driver.all()
    driver.close()
    broken_page(driver.path)
    with pytest.raises(StoreError, match="store rebuild"):
        open_sqlite(driver.path, emits=True).take_inputs({})
    reader = open_reader(StoreConfig(url=f"sqlite:{driver.path}"))
    with pytest.raises(StoreError, match="store rebuild"):
        reader.campaigns()


def test_a_record_of_a_newer_release_stops_the_fold_and_nothing_is_written(tmp_path: Path):
    history = sent([10])
    driver = Driver(tmp_path / "results.db", history)
    driver.inputs("campaigns", "jobs")
    before = driver.rows()
    newer = bytes([codec.VERSION + 1]) + b"?"
    place = ("lanes", lane_partition("spring"))
    delivery = {place: [*history.records[place], StoredRecord(3, b"", newer, (), 0)]}
    with pytest.raises(LogNewer, match="update this dispatcher"):
        driver.store.batches_needed(delivery)
    with pytest.raises(LogNewer, match="update this dispatcher"):
        driver.store.take(delivery)
    assert driver.rows() == before
    driver.close()


# --- crashes ---------------------------------------------------------------------------------------------------------


def test_a_full_disk_stops_the_fold_which_continues_when_there_is_room(tmp_path: Path):
    history = sent([20_000])
    report_all(history, 20_000)
    driver = Driver(tmp_path / "results.db", history)
    driver.inputs("campaigns", "jobs")
    driver.take([("lanes", lane_partition("spring"))])
    before = driver.rows()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StoreError, match="make room"):
            driver.take([("reports", lane_partition("spring"))])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert driver.rows() == before
    driver.all()
    view = driver.reader().campaign("c1", NOW_MS)
    assert view is not None
    assert view.counts.check().delivered == 20_000
    driver.close()


def test_records_folded_by_somebody_else_are_not_folded_again(tmp_path: Path):
    history = sent([1000])
    report_all(history, 1000)
    driver = Driver(tmp_path / "results.db", history)
    driver.inputs("campaigns", "jobs")
    driver.take([("lanes", lane_partition("spring"))])
    place = ("reports", lane_partition("spring"))
    delivery = driver.read([place])
    (tmp_path / "results.db.lock").unlink()  # a lock that does not lock
    other = open_sqlite(driver.path, emits=False)
    other.take(delivery)
    with pytest.raises(Overtaken, match="another process"):
        driver.store.take(delivery)
    other.close()
    assert driver.store.offsets()[place] == len(history.records[place])
    view = driver.reader().campaign("c1", NOW_MS)
    assert view is not None
    assert view.counts.check().delivered == 1000
    assert sum(reports.repeats for reports in driver.reader().reports()) == 0
    driver.close()


CHILD = """
import sys
from pathlib import Path
from tests.store.test_store_files import report_all, sent
from tests.store.joined_store import Driver
history = sent([9_000, 9_000])
report_all(history, 18_000)
driver = Driver(Path(sys.argv[1]), history, emits=True)
driver.inputs("campaigns", "jobs")
places = [("lanes", p) for p in range(8)] + [("reports", p) for p in range(8)]
print("begun", flush=True)
while driver.read(places):
    driver.take(places, 3)
driver.load(driver.store.batches_wanted(100))
print("done", flush=True)
sys.stdin.read()
"""


def test_killed_in_the_middle_of_applying_it_counts_nothing_twice_and_loses_nothing(tmp_path: Path):
    path = tmp_path / "results.db"
    random = np.random.default_rng(7)
    kills = 0
    while True:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True,
        )  # fmt: skip
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == "begun\n"
        if kills < 5:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=float(random.uniform(0.0, 0.06)))
        else:
            assert child.stdout.readline() == "done\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdin.close()
        child.stdout.close()
        kills += 1
        if kills > 5:
            break
    history = sent([9_000, 9_000])
    report_all(history, 18_000)
    straight = Driver(tmp_path / "straight.db", history, emits=True)
    straight.all()
    killed = Driver(path, history)
    assert killed.rows() == straight.rows()
    assert len(killed.rows()["outbox"]) == 36
    straight.close()
    killed.close()


# --- size and shape --------------------------------------------------------------------------------------------------


def test_a_recipient_takes_at_most_16_bytes_on_disk_and_in_memory(tmp_path: Path):
    history = sent([50_000, 50_000])
    report_all(history, 100_000, per_record=5000)
    driver = Driver(tmp_path / "results.db", history)
    driver.all()
    memory_bytes = driver.store.memory_bytes
    driver.close()
    assert driver.path.stat().st_size / 100_000 <= 16
    assert 0 < memory_bytes / 100_000 <= 16


@pytest.mark.parametrize("cells_max", [fold_finished.CELLS_MAX, 10], ids=["at once", "a chunk at a time"])
def test_finished_chunks_say_what_the_pages_say_wherever_they_lie_in_their_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cells_max: int
):
    monkeypatch.setattr(fold_finished, "CELLS_MAX", cells_max)
    history = sent([10_000, 300], chunk=3_000)
    rows = [
        (f"v{at // 3000 if at < 10_000 else 4}", FIRST_NUMBER + at, 1 + at % 7 // 6, f"E{at % 7}", 1 + at)
        for at in range(10_300)
    ]
    for start in range(0, 10_300, 5000):
        history.reports("spring", rows[start : start + 5000])
    driver = Driver(tmp_path / "results.db", history, emits=True)
    driver.all()
    told = [record for _, record in driver.store.outbox(100)]
    assert sorted((record.batch, record.start) for record in told) == [(0, 0), (0, 3000), (0, 6000), (0, 9000), (1, 0)]
    pages = {page.batch: page for page in driver.reader().pages("c1", now_ms=NOW_MS)}
    for record in told:
        page, at = pages[record.batch], slice(record.start, record.start + len(record.states))
        assert np.frombuffer(record.numbers, "<i8").tolist() == page.numbers[at].tolist()
        assert record.states == page.states[at].tobytes()
        codes = [record.codes[value] for value in np.frombuffer(record.code_index, "<u2").tolist()]
        assert codes == [page.codes[value] for value in page.code_index[at].tolist()]
        assert record.at_ms == int(page.reported_s[at].max()) * 1000
    driver.close()


def test_hundreds_of_codes_in_one_batch_come_back_after_a_restart(tmp_path: Path):
    history = sent([5000])
    codes = [f"E{index % 700:03}" for index in range(5000)]
    for start in range(0, 5000, 1000):
        rows = [(f"v{at // 500}", FIRST_NUMBER + at, 2, codes[at], 1 + at) for at in range(start, start + 1000)]
        history.reports("spring", rows)
    driver = Driver(tmp_path / "results.db", history)
    driver.inputs("campaigns", "jobs")
    driver.take([("lanes", lane_partition("spring"))])
    for _ in range(5):
        driver.take([("reports", lane_partition("spring"))], 1)
        driver.reopen()
    found = states(driver.reader(), "c1", NOW_MS)["c1", 0]
    assert found == {FIRST_NUMBER + at: ("failed", codes[at]) for at in range(5000)}
    (page,) = driver.reader().pages("c1", {State.FAILED}, NOW_MS)
    assert page.reported_s.tolist() == list(range(1, 5001))
    driver.close()


def test_the_working_set_stays_within_its_limits_and_the_results_stay_right(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("dispatcher.store.fold.working_set.COLUMNS_BYTES_MAX", 20_000)
    monkeypatch.setattr("dispatcher.store.fold.working_set.CHUNKS_MAX", 3)
    history = sent([700] * 8, chunk=100)
    report_all(history, 5600, chunk=100)
    driver = Driver(tmp_path / "results.db", history)
    driver.inputs("campaigns", "jobs")
    places = [("lanes", lane_partition("spring")), ("reports", lane_partition("spring"))]
    while driver.read(places):
        driver.take(places, 5)
        assert driver.store.memory_bytes <= 20_000 + 700 * 15
    view = driver.reader().campaign("c1", NOW_MS)
    assert view is not None
    assert view.counts.check().delivered == 5600
    driver.close()


def test_a_batch_that_the_log_has_lost_leaves_its_numbers_empty_and_the_equation_whole(tmp_path: Path):
    history = sent([20, 30], chunk=10)
    history.reports("spring", [("v0", FIRST_NUMBER, 1, "DELIVRD", 0), ("v2", FIRST_NUMBER + 20, 1, "DELIVRD", 0)])
    driver = Driver(tmp_path / "results.db", history)
    driver.inputs("campaigns", "jobs")
    wanted = driver.store.batches_wanted(10)
    lost = min(place.id for place in wanted)
    driver.store.add_batches([LoadedBatch(lost, None, "the SHA-256 differs")])
    driver.load(place for place in wanted if place.id != lost)
    driver.take([("lanes", lane_partition("spring")), ("reports", lane_partition("spring"))])
    reader = driver.reader()
    view = reader.campaign("c1", NOW_MS)
    assert view is not None
    assert (view.counts.check().delivered, view.counts.accepted) == (1, 49)
    assert list(reader.damaged("c1").values()) == ["the SHA-256 differs"]
    broken = [page for page in reader.pages("c1") if page.broken]
    assert [page.numbers.any() for page in broken] == [False]
    assert [r.strangers for r in reader.reports()] == [1]
    driver.close()


def test_errors_of_sqlite_never_leave_the_store(tmp_path: Path):
    driver = Driver(tmp_path / "results.db", sent([10]))
    driver.all()
    driver.close()
    for call in (
        lambda: driver.store.take_inputs({}),
        lambda: driver.store.outbox(1),
        lambda: driver.store.batches_wanted(1),
        lambda: driver.store.expire(0),
    ):
        with pytest.raises(StoreError):
            call()
    reader = driver.reader()
    reader.close()
    for read in (reader.campaigns, reader.reports, lambda: reader.lookup(1), lambda: list(reader.pages("c1"))):
        with pytest.raises(StoreError):
            read()
    assert sqlite_file.mapped(OSError(13, "Permission denied"), driver.path).exit_code == 1
