"""What a disk does to a running dispatcher on SQLite: no rights, no room, a page of nonsense.

What the log itself makes of these is tested in tests/log; here it is the command that must say it in one sentence, with
exit code 1 or a warning that names it, and the vendor's ledger that must agree afterwards. Never silence.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dispatcher.log.opening import open_log
from dispatcher.log.sqlite.file import PAGE_BYTES
from schemas.topics import LANES, lane_partition
from tests.crash.life import Life, living
from tests.crash.processes import DISPATCHER, Process
from tests.crash.stage import UNPACED
from tests.crash.story import Story

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE = 1  # what lets root write where nobody may

CONFIG = """
[log]
url = "sqlite:{folder}/data/log.db"
[store]
url = "sqlite:{folder}/data/results.db"
[web]
listen = "127.0.0.1:0"
[hours]
marketing = "00:00-24:00"
[account.spring]
vendor = "batch-a"
url = "http://127.0.0.1:9"
account = "demo"
pswd = "secret"
"""

COMMANDS = {
    "run": ["run"],
    "run --role lanes": ["run", "--role", "lanes"],
    "run --role results": ["run", "--role", "results"],
    "run --role web": ["run", "--role", "web"],
    "campaign launch": [
        "campaign",
        "launch",
        "list.txt",
        "--text",
        "【Test】hi",
        "--route",
        "spring",
        "--yes",
        "--json",
    ],
    "campaign list": ["campaign", "list"],
    "store rebuild": ["store", "rebuild", "--yes"],
}


def as_root_without_its_rights() -> None:
    """Root obeys the rights of files in this process and those it becomes."""
    if os.geteuid() == 0 and ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) != 0:
        os._exit(77)


def no_room() -> None:
    """Files of this process grow to one page and no further."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE_BYTES, resource.RLIM_INFINITY))


def said_by(folder: Path, arguments: list[str], before: Callable[[], None]) -> str:
    """Run a command that must fail with exit code 1; what it said, which is one sentence."""
    story = Story(folder, "disk")
    try:
        process = Process(
            story, "command", [*DISPATCHER, *arguments, "--config", str(folder / "dispatcher.toml")], before=before
        )
        code = process.wait()
    finally:
        story.close()
    said = process.said().strip()
    assert code == 1, said
    assert said.startswith("error: "), said
    assert "\n" not in said, said
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dispatcher.toml").write_text(CONFIG.format(folder=tmp_path), "utf-8")
    (tmp_path / "list.txt").write_text("13800138000\n", "utf-8")
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="root's rights can be given up on Linux only")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_may_not_be_written_is_one_sentence(folder: Path, command: str):
    asyncio.run(_make_log(folder))
    for path in sorted((folder / "data").rglob("*"), reverse=True):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (folder / "data").chmod(0o555)
    try:
        assert str(folder / "data") in said_by(folder, COMMANDS[command], as_root_without_its_rights)
    finally:
        (folder / "data").chmod(0o755)


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in ("campaign list", "store rebuild")])
def test_no_room_for_a_new_log_is_one_sentence(folder: Path, command: str):
    assert "full" in said_by(folder, COMMANDS[command], no_room)


async def _make_log(folder: Path) -> None:
    await (await open_log(f"sqlite:{folder}/data/log.db")).close()


# --- while it runs ---------------------------------------------------------------------------------------------------


@pytest.fixture
def life(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Life]:
    with living("sqlite", tmp_path, None, seed=3, title=request.node.nodeid, trouble=False) as found:
        yield found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk; `run out of space` in rounds.py does it with a quota")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_disk_that_fills_up_stops_lanes_and_they_continue_afterwards(
    small_disk: Path, tmp_path: Path, request: pytest.FixtureRequest
):
    """Nothing is sent that was not written down first; with room again, everybody gets it, and once."""
    title = request.node.nodeid
    with living("sqlite", tmp_path, None, seed=3, title=title, trouble=False, data=small_disk) as life:
        life.launch()
        life.launches_done()
        life.busy()
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(PAGE_BYTES))
        life.story.say("the disk is full")
        lanes = life.roles["lanes"]
        life.until(lambda: "is full" in lanes.said(), "the lanes to say so", lanes)
        filler.unlink()
        life.story.say("there is room again")
        life.launch()
        life.check()
        assert all(process.alive for process in life.roles.values())


def test_a_damaged_page_of_the_journal_is_said_and_nothing_is_sent(life: Life):
    campaign = life.launch()
    life.check()
    for name in ("web", "lanes", "results"):
        life.stop(name)
    life.done("campaign", "pause", campaign.id)  # so that the log is closed once more, and its WAL is in the file
    value = asyncio.run(_newest(life.stage.loaded.log.url, lane_partition(UNPACED)))
    _spoil_page_of(life.stage.log_file, value)
    before = life.stage.vendor.totals(doubles=False)["requests"]
    lanes = life.up("lanes")
    life.until(lambda: "is damaged" in lanes.said(), "the lanes to say what is wrong", lanes)
    assert "restore a copy" in lanes.said()
    for command in (["campaign", "show", campaign.id], ["store", "rebuild", "--yes"], ["run", "--role", "results"]):
        process = life.command("victim", *command)
        code = process.wait()
        if command[0] != "campaign":
            assert code == 1, process.said()
            assert "is damaged" in process.said()
        assert "Traceback" not in process.said()
    lanes.kill9()
    assert life.stage.vendor.totals(doubles=False)["requests"] == before


async def _newest(url: str, partition: int) -> bytes:
    log = await open_log(url)
    try:
        end = await log.end(LANES.name, partition)
        return (await log.fetch(LANES.name, partition, end - 1)).value
    finally:
        await log.close()


def _spoil_page_of(path: Path, value: bytes) -> None:
    """Overwrite the beginning of the page that holds these bytes."""
    stored = bytearray(path.read_bytes())
    page = stored.index(value[:64]) // PAGE_BYTES * PAGE_BYTES
    stored[page : page + 100] = b"\xff" * 100
    path.write_bytes(bytes(stored))
