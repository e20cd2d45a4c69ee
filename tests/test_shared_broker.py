"""Several processes use one broker, and it ends when the last of them has left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.waiting import wait_until

ROOT = Path(__file__).parents[1]

# A process that says the address and waits for a line. Its stand-in for a broker writes down when it starts and ends.
USER = """
import sys
from pathlib import Path
from tests import shared_broker as module

folder, name = Path(sys.argv[1]), sys.argv[2]

def note(event):
    with (folder / "story").open("a") as story:
        story.write(f"{name} {event}\\n")

class Broker:
    bootstrap = f"broker of {name}"
    def __init__(self, heap_mb): pass
    def start(self): note("starts it"); return self
    def close(self): note("ends it")

module.Broker = Broker
with module.shared_broker(folder) as bootstrap:
    print(bootstrap, flush=True)
    sys.stdin.readline()
    note("leaves")
"""


def user(folder: Path, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", USER, str(folder), name]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def leave(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_who_started_the_broker_ends_it_when_the_others_have_left(tmp_path: Path) -> None:
    with user(tmp_path, "first") as first, user(tmp_path, "second") as second:
        told = {address(first), address(second)}
        assert len(told) == 1
        owner, guest = (first, second) if told == {"broker of first"} else (second, first)
        leave(owner)
        story = tmp_path / "story"
        wait_until(lambda: "leaves" in story.read_text(), "the owner wants to leave")
        leave(guest)
        assert (owner.wait(), guest.wait()) == (0, 0)
    names = ("first", "second") if owner is first else ("second", "first")
    lines = [f"{names[0]} starts it", f"{names[0]} leaves", f"{names[1]} leaves", f"{names[0]} ends it"]
    assert story.read_text().splitlines() == lines


def test_who_comes_after_the_last_has_left_starts_another(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with user(tmp_path, name) as process:
            assert address(process) == f"broker of {name}"
            leave(process)
    assert (tmp_path / "story").read_text().split("\n")[:-1] == [
        f"{name} {event}" for name in ("first", "second") for event in ("starts it", "leaves", "ends it")
    ]
