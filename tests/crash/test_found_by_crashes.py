"""What the crashes found, each as small as it can be told."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from pathlib import Path

import pytest

from dispatcher.log.port import Entry
from dispatcher.log.sqlite import file as sqlite_file
from dispatcher.log.sqlite.writer import Append, CommittedGroup, Writer
from tests.crash.processes import DISPATCHER, ROOT
from tests.waiting import PATIENCE_S

HANGS_S = PATIENCE_S


async def test_a_log_closed_right_behind_an_append_closes(tmp_path: Path):
    """The word to stop lay behind an append and was passed over while a group was gathered: the close never ended."""
    path = tmp_path / "log.db"
    groups: list[CommittedGroup] = []
    writer = Writer(
        path,
        sqlite_file.open_file(path, create=True, busy_s=5.0),
        lock_wait_s=5.0,
        committed=groups.append,
        called=lambda call, result, error: None,
        reached=lambda place, end: None,
    )
    done: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()
    writer.put(Append(("lanes", 0), (Entry(b"", b"last"),), done))
    writer.stop()
    writer.start()
    await asyncio.to_thread(writer.join, HANGS_S)
    assert not writer.is_alive()
    assert [group.error for group in groups] == [None]


@pytest.mark.parametrize("command", [["list", "--json"], ["pause", "may-sale"]])
def test_a_command_without_its_broker_says_one_sentence_and_nothing_else(tmp_path: Path, command: list[str]):
    """What the Kafka client logs about itself stood before it."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        broker = f"127.0.0.1:{unused.getsockname()[1]}"
    config = tmp_path / "dispatcher.toml"
    config.write_text(f'[log]\nurl = "kafka://{broker}?timeout_s=2"\n', "utf-8")
    asked = [*DISPATCHER, "campaign", *command, "--config", str(config)]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: the Kafka broker at {broker} does not answer")
    assert done.stderr.count("\n") == 1
