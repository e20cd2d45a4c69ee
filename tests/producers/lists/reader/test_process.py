"""The process that reads files: bounded, kept for the next list, and never a reason for more than one sentence."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dispatcher.errors import EmptyInput, InputError
from producers.lists.columns import Choice
from producers.lists.opening import Opened
from producers.lists.reader import process
from producers.lists.reader.blocks import Reading
from producers.lists.reader.process import give_back, take

ROOT = Path(__file__).parents[4]
A = 13910000001
PROGRAM = "import sys, producers.lists.reader.main as reader; reader.{} = {}; reader.main(int(sys.argv[1]))"
WAITING = """
import os, sys
from producers.lists.reader.blocks import Reading
from producers.lists.reader.process import take
reader = take()
print(reader.pid, flush=True)
reader.open(0, "standard input", Reading())
"""


@pytest.fixture(autouse=True)
def _a_process_of_its_own():
    process.close_idle()
    yield
    process.close_idle()


def numbers_of(content: object, **said: object) -> list[int]:
    with Opened(content, Reading(choice=Choice(**said))) as opened:  # type: ignore[arg-type]  # tests say what they like
        return [number for part in opened.list.parts() for number in part.block.numbers.tolist()]  # type: ignore[union-attr]


def test_one_process_reads_one_list_after_the_other():
    pids = set()
    for at in range(3):
        assert numbers_of(f"{A + at}\n".encode()) == [A + at]
        reader = take()
        pids.add(reader.pid)
        give_back(reader)
    with pytest.raises(InputError):
        numbers_of(b"a,b\nx,y\n")
    reader = take()
    give_back(reader)
    assert pids == {reader.pid}


def test_two_lists_at_once_are_read_by_two_processes():
    with Opened(f"{A}\n".encode()) as first, Opened(f"{A + 1}\n".encode()) as second:
        found = [part.block.numbers.tolist() for opened in (first, second) for part in opened.list.parts()]  # type: ignore[union-attr]
    assert found == [[A], [A + 1]]


def test_what_the_list_is_refused_for_comes_across():
    with pytest.raises(EmptyInput, match="the list is empty"):
        numbers_of(b"")
    with pytest.raises(InputError, match='has no column "x"'):
        numbers_of(b"a,b\n1,2\n", column="x")


def test_a_list_that_is_not_read_to_its_end_ends_its_process(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(f"{A}\n" * 2_000_000)
    with Opened(path) as opened:
        next(iter(opened.list.parts()))  # type: ignore[arg-type]
        (pid,) = children()
    assert not Path(f"/proc/{pid}").exists()


def test_a_process_that_dies_is_one_sentence(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(f"{A}\n" * 2_000_000)
    with Opened(path) as opened, pytest.raises(InputError, match="is damaged, or takes more than 2 GiB") as caught:
        parts = opened.list.parts()
        next(parts)  # type: ignore[arg-type]
        os.kill(children()[0], signal.SIGKILL)
        for _ in parts:  # type: ignore[union-attr]
            pass
    assert "\n" not in str(caught.value)
    assert numbers_of(f"{A}\n".encode()) == [A], "the next list has another process"


def test_a_list_that_takes_too_much_memory_is_one_sentence(monkeypatch):
    monkeypatch.setattr(process, "_PROGRAM", ("-c", PROGRAM.format("MEMORY_BYTES_MAX", 64 << 20)))
    read, write = os.pipe()

    def feed() -> None:
        with os.fdopen(write, "wb") as pipe:
            try:
                pipe.write(b"PAR1" + bytes(256 << 20))
            except BrokenPipeError:
                return

    threading.Thread(target=feed, daemon=True).start()
    try:
        with pytest.raises(InputError, match="takes more than 2 GiB to read"):
            numbers_of(f"/dev/fd/{read}")
    finally:
        os.close(read)


def test_a_list_that_takes_too_long_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_PROGRAM", ("-c", PROGRAM.format("SECONDS_MAX", 0.05)))
    path = tmp_path / "list.csv"
    path.write_text("phone,x\n" + f'{A},"a\nb"\n' * 1_000_000)
    with pytest.raises(InputError, match="takes more than 30 minutes to read"):
        numbers_of(path)


def test_a_process_that_cannot_be_started_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(InputError, match="no process can be started to read the list in"):
        numbers_of(b"x")


def test_a_process_that_waits_for_a_pipe_ends_with_the_one_it_reads_for():
    with subprocess.Popen(
        [sys.executable, "-c", WAITING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    ) as launching:
        assert launching.stdout is not None
        status = Path(f"/proc/{int(launching.stdout.readline())}/status")
        launching.kill()
        launching.wait()
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            while "State:\tZ" not in status.read_text():
                time.sleep(0.02)
        assert launching.stdin is not None


def children() -> list[int]:
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    pids = [int(pid) for path in found for pid in path.read_text().split()]
    return [pid for pid in pids if b"lists.reader" in Path(f"/proc/{pid}/cmdline").read_bytes()]
