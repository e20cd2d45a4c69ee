"""What the crashes found, each as small as it can be told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dispatcher.log import sqlite_file
from dispatcher.log.port import Entry
from dispatcher.log.sqlite_writer import Append, Committed, Writer

HANGS_S = 20.0  # reached only by what would otherwise hang


async def test_a_log_closed_right_behind_an_append_closes(tmp_path: Path):
    """The word to stop lay behind an append and was passed over while a group was gathered: the close never ended."""
    path = tmp_path / "log.db"
    groups: list[Committed] = []
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
