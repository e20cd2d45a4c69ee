"""What the dispatcher writes is its owner's alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.config.file import load
from dispatcher.config.places import StoreConfig
from dispatcher.errors import ConfigError, LogDamaged, UserError
from dispatcher.log.opening import open_log
from dispatcher.private_files import make_file, make_folder, open_to_lock, written_whole
from dispatcher.store.opening import open_store
from dispatcher.terminal.output_file import check_output, written


@pytest.fixture(autouse=True, params=[0o000, 0o022, 0o177], ids="umask {:03o}".format)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat(follow_symlinks=False).st_mode)


def modes_under(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): mode(path) for path in sorted(folder.rglob("*"))}


async def test_a_log_and_its_folders_are_its_owners_alone(tmp_path: Path) -> None:
    log = await open_log(f"sqlite:{tmp_path}/deep/data/log.db")
    claim = await log.claim("lanes", "lanes", _nothing, _nothing)
    found = modes_under(tmp_path)
    await claim.release()
    await log.close()
    folders = {name for name in found if (tmp_path / name).is_dir()}
    assert {"deep", "deep/data", "deep/data/log.db.locks"} <= folders
    assert {found[name] for name in folders} == {0o700}
    files = found.keys() - folders
    assert {"deep/data/log.db", "deep/data/log.db-wal", "deep/data/log.db-shm"} <= files
    assert {found[name] for name in files} == {0o600}


async def _nothing(_partitions: frozenset[int]) -> None:
    pass


def test_a_store_is_its_owners_alone(tmp_path: Path) -> None:
    store = open_store(StoreConfig(url=f"sqlite:{tmp_path}/data/results.db"))
    found = modes_under(tmp_path)
    store.close()
    assert found.pop("data") == 0o700
    assert {"data/results.db", "data/results.db.lock"} <= found.keys()
    assert set(found.values()) == {0o600}


def test_a_written_file_is_its_owners_alone_from_its_first_byte(tmp_path: Path) -> None:
    with written(tmp_path / "out.csv") as file:
        file.write(b"number\n")
        assert set(modes_under(tmp_path).values()) == {0o600}
    assert modes_under(tmp_path) == {"out.csv": 0o600}
    assert (tmp_path / "out.csv").read_bytes() == b"number\n"


def test_a_file_that_is_replaced_does_not_write_through_a_link(tmp_path: Path) -> None:
    other, link = tmp_path / "other.txt", tmp_path / "out.csv"
    other.write_bytes(b"precious")
    link.symlink_to(other)
    with written_whole(link) as file:
        file.write(b"new")
    assert other.read_bytes() == b"precious"
    assert not link.is_symlink()


def test_a_block_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), written(tmp_path / "out.csv") as file:
        file.write(b"half")
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_two_parts_of_one_file_do_not_meet(tmp_path: Path) -> None:
    with written_whole(tmp_path / "out.csv") as first, written_whole(tmp_path / "out.csv") as second:
        first.write(b"1")
        second.write(b"2")
        assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / "out.csv").read_bytes() == b"1"


def test_a_link_is_no_lock_file(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        open_to_lock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o750)
    (tmp_path / "data" / "file").touch()
    (tmp_path / "data" / "file").chmod(0o640)
    make_folder(tmp_path / "data")
    make_file(tmp_path / "data" / "file")
    assert (mode(tmp_path / "data"), mode(tmp_path / "data" / "file")) == (0o750, 0o640)


def test_a_folder_cannot_be_made_where_a_file_is(tmp_path: Path) -> None:
    make_file(tmp_path / "data")
    with pytest.raises(FileExistsError):
        make_folder(tmp_path / "data")


def test_an_export_to_a_device_is_refused() -> None:
    with pytest.raises(UserError, match="is a device or a pipe"):
        check_output(Path("/dev/null"), force=True)


@pytest.mark.parametrize("version", [0, -1])
async def test_a_log_without_a_format_version_is_refused(tmp_path: Path, version: int) -> None:
    import sqlite3

    path = tmp_path / "log.db"
    await (await open_log(f"sqlite:{path}")).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {version}")
    connection.close()
    with pytest.raises(LogDamaged, match=f"says format {version}"):
        await open_log(f"sqlite:{path}")


async def test_an_empty_file_is_not_a_log_for_readers(tmp_path: Path) -> None:
    make_file(tmp_path / "log.db")
    with pytest.raises(ConfigError, match="the file is empty"):
        await open_log(f"sqlite:{tmp_path}/log.db", create=False)


def test_paths_in_a_configuration_are_relative_to_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "here").mkdir()
    (tmp_path / "conf" / "secret.txt").write_text("quiet\n")
    (tmp_path / "conf" / "dispatcher.toml").write_text(
        '[log]\nurl = "sqlite:data/log.db?timeout_s=3"\n[account.spring]\nvendor = "batch-a"\n'
        'url = "http://127.0.0.1:9"\naccount = "demo"\npswd = "${file:secret.txt}"\n'
    )
    monkeypatch.chdir(tmp_path / "here")
    config = load("../conf/dispatcher.toml")
    assert config.log.url == "sqlite:../conf/data/log.db?timeout_s=3"
    assert config.store.url == "sqlite:../conf/data/results.db"
    assert config.account("spring")
    monkeypatch.chdir(tmp_path / "conf")
    config = load("dispatcher.toml")
    assert (config.log.url, config.store.url) == ("sqlite:data/log.db?timeout_s=3", "sqlite:data/results.db")


def test_absolute_paths_and_other_logs_stay_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "dispatcher.toml"
    path.write_text('[log]\nurl = "kafka://127.0.0.1:9092"\n[store]\nurl = "sqlite:/var/lib/results.db"\n')
    config = load(path)
    assert (config.log.url, config.store.url) == ("kafka://127.0.0.1:9092", "sqlite:/var/lib/results.db")
