"""The SQLite log: the contract, and what only a file can suffer."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path

import pytest

from dispatcher.errors import ConfigError, LogDamaged, LogError, LogFull, LogNewer, LogUnavailable
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry, Log
from dispatcher.log.sqlite import file as sqlite_file
from dispatcher.log.sqlite.log import SqliteLog
from schemas import batch
from schemas.topics import DAY_MS
from tests.log.contract import Freezable, Holding, LogContract, read_all, start_process
from tests.log.contract_lock import LockContract
from tests.waiting import until


class LockedFile:
    """A log whose write lock another process can hold."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.path, self.url = path, f"sqlite:{path}?timeout_s={timeout_s}"
        self._process: subprocess.Popen[str] | None = None

    def freeze(self) -> None:
        self._process = start_process("lock", self.path)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "locked\n"

    def thaw(self) -> None:
        if self._process is not None:
            self._process.communicate()
            self._process = None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "log.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:{path}"


class TestSqliteLog(LogContract, LockContract):
    @pytest.fixture
    def missing_url(self, url: str) -> str:
        return url

    @pytest.fixture
    def freezable(self, path: Path) -> Freezable:
        return LockedFile(path, timeout_s=30)

    def commits(self, log: Log) -> int:
        assert isinstance(log, SqliteLog)
        return log.commits


# --- offsets, sharing the file ---------------------------------------------------------------------------------------


async def test_offsets_begin_at_0_and_have_no_gaps(url: str):
    log = await open_log(url)
    offsets = [await log.append("lanes", 0, [Entry(b"", b"")] * count) for count in (1, 3, 600, 1, 1000)]
    assert [offset for each in offsets for offset in each] == list(range(1605))
    await log.close()


async def test_a_lock_held_too_long_means_that_nothing_was_written(path: Path):
    frozen = LockedFile(path, timeout_s=0.3)
    log = await open_log(frozen.url)
    frozen.freeze()
    with pytest.raises(LogUnavailable, match="locked too long"):
        await log.append("lanes", 0, [Entry(b"", b"never")])
    frozen.thaw()
    await log.append("lanes", 0, [Entry(b"", b"later")])
    assert [record.value for record in await log.read("lanes", 0, 0)] == [b"later"]
    await log.close()


async def test_a_follower_continues_while_another_process_holds_the_write_lock(path: Path):
    log, frozen = await open_log(f"sqlite:{path}"), LockedFile(path, timeout_s=30)
    await log.append("lanes", 0, [Entry(b"", b"there")])
    frozen.freeze()
    waiting = asyncio.ensure_future(log.append("lanes", 0, [Entry(b"", b"waits")]))
    async with aclosing(log.follow("lanes", 0, 0)) as follower:
        assert [record.value for record in await anext(follower)] == [b"there"]
        frozen.thaw()
        assert [record.value for record in await anext(follower)] == [b"waits"]
    await waiting
    await log.close()


async def test_without_followers_other_processes_are_not_watched(url: str):
    log = await open_log(url)
    assert isinstance(log, SqliteLog)
    before = log.looks
    await asyncio.sleep(0.3)
    assert log.looks == before
    follower = log.follow("lanes", 0, 0)
    waiting = asyncio.ensure_future(anext(follower))
    await until(lambda: log.looks > before)
    looks = log.looks
    await asyncio.sleep(1.0)
    assert 0 < log.looks - looks < 100
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await log.close()


async def test_the_holder_of_a_partition_is_visible_to_others(url: str):
    log, ours = await open_log(url), Holding()
    assert isinstance(log, SqliteLog)
    claim = await log.claim("lanes", "lanes", ours.assigned, ours.revoked)
    await until(lambda: len(ours.held) == 8)
    holders = log.holders("lanes", "lanes")
    assert {partition: holder.pid for partition, holder in holders.items()} == dict.fromkeys(range(8), os.getpid())
    await claim.release()
    assert log.holders("lanes", "lanes") == {}
    await log.close()


# --- upkeep ----------------------------------------------------------------------------------------------------------


async def test_compaction_deletes_what_a_newer_record_replaced(url: str):
    log = await open_log(url)
    for i in range(700):
        await log.append("campaigns", 0, [Entry(b"%d" % (i % 3), b"%d" % i)])
    assert await log.maintain(0) == 697
    records = await read_all(log, "campaigns", 0, 0)
    assert [(record.offset, record.value) for record in records] == [(i, b"%d" % i) for i in (697, 698, 699)]
    assert await log.append("campaigns", 0, [Entry(b"0", b"")]) == [700]
    await log.close()


async def test_a_time_is_found_in_a_log_with_holes(url: str, path: Path):
    log = await open_log(url)
    for value in range(30):
        await log.append("verifications", 0, [Entry(b"%d" % value, b"x")])
    with sqlite3.connect(path) as other:  # as retention and compaction leave it, a second apart
        other.execute('DELETE FROM "verifications/0" WHERE n < 8 OR n % 5 = 0')
        other.execute('UPDATE "verifications/0" SET at_ms = n * 1000')
        kept = [n for (n,) in other.execute('SELECT n FROM "verifications/0" ORDER BY n')]
    for at_ms in range(0, 32_000, 500):
        wanted = next((n - 1 for n in kept if n * 1000 >= at_ms), kept[-1])
        assert await log.offset_at("verifications", 0, at_ms) == wanted
    await log.close()


async def test_retention_deletes_only_what_is_too_old_and_never_the_newest(url: str):
    log = await open_log(url)
    for i in range(1200):
        await log.append("results", 0, [Entry(b"", b"%d" % i)])
    young = (await log.fetch("results", 0, 0)).at_ms
    assert await log.maintain(young + 89 * DAY_MS) == 0
    assert await log.maintain(young + 91 * DAY_MS) == 1199
    assert [record.offset for record in await log.read("results", 0, 1199)] == [1199]
    with pytest.raises(LogDamaged, match="is missing"):
        await log.read("results", 0, 0)
    assert await log.append("results", 0, [Entry(b"", b"")]) == [1200]
    await log.close()


# --- death and damage ------------------------------------------------------------------------------------------------


def write(path: Path, stored: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(stored)


def content(path: Path) -> bytes:
    return path.read_bytes()


def execute(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def flip_a_bit(path: Path, where: bytes) -> None:
    stored = content(path)
    at = stored.index(where)
    write(path, stored[:at] + bytes([stored[at] ^ 4]) + stored[at + 1 :])


def spoil_last_pages(path: Path, count: int) -> None:
    stored = bytearray(content(path))
    for at in range(len(stored) - count * sqlite_file.PAGE_BYTES, len(stored), sqlite_file.PAGE_BYTES):
        stored[at : at + 100] = b"\xff" * 100
    write(path, bytes(stored))


async def test_a_process_killed_inside_its_commits_loses_nothing_it_was_told_is_there(url: str):
    for attempt in range(5):
        process = start_process("append", url, "lanes", attempt, "killed", 100_000)
        assert process.stdout is not None
        last = -1
        for _ in range(50 + 37 * attempt):
            last = int(await asyncio.to_thread(process.stdout.readline))
        process.send_signal(signal.SIGKILL)
        told = [int(line) for line in process.stdout.read().splitlines() if line.isdigit()]
        process.wait()
        process.stdout.close()
        log = await open_log(url)
        records = await read_all(log, "lanes", attempt, 0)
        assert len(records) > max([last, *told[:-1]])
        assert [record.value for record in records] == [b"killed %d" % i for i in range(len(records))]
        await log.close()


async def test_every_commit_waits_for_the_disk(path: Path, url: str):
    log = await open_log(url)
    with closing(sqlite_file.connect(path, 1.0)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
    await log.close()


async def test_a_batch_whose_bytes_changed_on_disk_is_detected(path: Path, url: str):
    numbers = b",".join(b"138%08d" % (i * 7919 % 10**8) for i in range(50_000))
    value, headers, sha256 = batch.pack(numbers, 50_000)
    log = await open_log(url)
    await log.append("recipients", 0, [Entry(b"c", value, headers)])
    await log.close()
    flip_a_bit(path, value[10_000:10_020])
    log = await open_log(url)
    record = await log.fetch("recipients", 0, 0)
    with pytest.raises(batch.BrokenBatch):
        batch.unpack(record.value, record.headers, sha256)
    await log.close()


async def test_a_damaged_page_is_one_clear_error(path: Path, url: str):
    log = await open_log(url)
    await log.append("lanes", 0, [Entry(b"", b"x" * 500)] * 2000)
    await log.close()
    spoil_last_pages(path, 20)
    log = await open_log(url)
    with pytest.raises(LogDamaged, match=r"is damaged .* restore a copy"):
        await read_all(log, "lanes", 0, 0)
    with pytest.raises(LogDamaged):
        async with aclosing(log.follow("lanes", 0, 0)) as follower:
            while True:
                await anext(follower)
    await log.close()


async def test_a_file_that_is_no_database_is_one_clear_error(path: Path, url: str):
    write(path, b"138 0013 8000\n" * 1000)
    with pytest.raises(LogDamaged, match="is no log"):
        await open_log(url)
    assert content(path) == b"138 0013 8000\n" * 1000


async def test_another_program_s_database_is_left_alone(path: Path, url: str):
    write(path, b"")
    execute(path, "CREATE TABLE invoices (id INTEGER)")
    before = content(path)
    with pytest.raises(ConfigError, match="another program"):
        await open_log(url)
    assert content(path) == before


async def test_a_log_of_a_newer_release_is_not_touched(path: Path, url: str):
    await (await open_log(url)).close()
    execute(path, f"PRAGMA user_version = {sqlite_file.VERSION + 1}")
    with pytest.raises(LogNewer, match="newer release"):
        await open_log(url)


async def test_a_log_with_another_number_of_partitions_is_refused(path: Path, url: str):
    await (await open_log(url)).close()
    execute(path, "UPDATE topic SET partitions = 4 WHERE name = 'lanes'")
    with pytest.raises(LogError, match=r"'lanes' .* has 4 partitions, this release needs 8"):
        await open_log(url)


async def test_a_topic_that_a_later_release_added_is_made_in_an_older_log(path: Path, url: str):
    log = await open_log(url)
    await log.append("lanes", 0, [Entry(b"", b"old")])
    await log.close()
    execute(path, "DELETE FROM topic WHERE name = 'dead'")
    for partition in range(8):
        execute(path, f'DROP TABLE "dead/{partition}"')
    log = await open_log(url, create=False)
    assert await log.append("dead", 7, [Entry(b"", b"new")]) == [0]
    assert [record.value for record in await log.read("lanes", 0, 0)] == [b"old"]
    await log.close()


async def test_a_file_that_is_deleted_while_it_is_open_takes_no_more_records(path: Path, url: str):
    log = await open_log(url)
    os.unlink(path)
    with pytest.raises(LogUnavailable):
        await log.append("lanes", 0, [Entry(b"", b"into the void")])
    await log.close()


async def test_a_folder_instead_of_a_file_is_the_user_s_mistake(tmp_path: Path):
    with pytest.raises(ConfigError, match="is a folder; give a file name"):
        await open_log(f"sqlite:{tmp_path}")


# --- no rights, no space ---------------------------------------------------------------------------------------------


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder, and this process with the rights of a user who may only read it (root may everything)."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    was = os.geteuid()
    try:
        yield folder
    finally:
        if was == 0:
            os.seteuid(0)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def give_up_rights(folder: Path) -> None:
    if os.geteuid() == 0:
        os.seteuid(65534)
    else:
        for each in [*folder.iterdir(), folder]:
            each.chmod(0o555)


async def test_where_no_log_can_be_made_is_the_user_s_mistake(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"not a directory\); correct \[log\] url"):
        await open_log(f"sqlite:{tmp_path}/file/log.db")
    with nobody() as folder:
        give_up_rights(folder)
        with pytest.raises(ConfigError, match=r"permission denied\).* make the folder writable"):
            await open_log(f"sqlite:{folder}/log.db")


async def test_a_read_only_file_is_one_clear_error():
    with nobody() as folder:
        await (await open_log(f"sqlite:{folder}/log.db")).close()
        give_up_rights(folder)
        with pytest.raises(LogUnavailable, match=r"cannot be opened|read-only"):
            await open_log(f"sqlite:{folder}/log.db")


async def test_a_file_size_limit_means_full_and_what_was_confirmed_stays(url: str):
    process = start_process("small", url, 3_000_000)
    out, _ = await asyncio.to_thread(process.communicate)
    written, error = out.split()
    assert error == LogFull.__name__
    log = await open_log(url)
    assert len(await read_all(log, "recipients", 0, 0)) == int(written) > 5
    await log.append("recipients", 0, [Entry(b"", bytes(100_000))])
    await log.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk; the file size limit's test covers the same path")
    yield disk
    subprocess.run(["umount", disk], check=True)


async def test_a_full_disk_writes_nothing_and_writing_continues_when_there_is_room(small_disk: Path):
    log = await open_log(f"sqlite:{small_disk}/log.db")
    written = 0
    with pytest.raises(LogFull, match="nothing was written"):
        while True:
            await log.append("recipients", 0, [Entry(b"", os.urandom(100_000))])
            written += 1
    assert written > 5
    assert len(await read_all(log, "recipients", 0, 0)) == written
    await asyncio.to_thread(subprocess.check_call, ["mount", "-o", "remount,size=16m", small_disk])
    assert await log.append("recipients", 0, [Entry(b"", os.urandom(100_000))]) == [written]
    await log.close()
    reopened = await open_log(f"sqlite:{small_disk}/log.db")
    assert len(await read_all(reopened, "recipients", 0, 0)) == written + 1
    await reopened.close()
