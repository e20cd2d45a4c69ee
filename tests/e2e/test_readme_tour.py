"""The tour of the README, typed into a terminal from its first line to its last."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.free_ports import free_port

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
LINE_S_MAX = 240.0
PROMPT = re.compile(r"\{\{(\d+)\}\} $")
WAITS = re.compile(r"(\{\{\d+\}\} |\{more\} |\[y/N\]: )$")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
NOT_TYPED = ("make setup", "export PATH=")
"""What made the environment that this test runs in."""


def tour() -> list[str]:
    """The lines of the tour's code blocks."""
    text = README.read_text("utf-8")
    part = text[text.index("## A tour") : text.index("\n## ", text.index("## A tour") + 1)]
    return [line for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL) for line in block.splitlines()]


class Terminal:
    """A bash in a terminal of its own; its prompt tells the last exit code."""

    def __init__(self, folder: Path) -> None:
        mine, theirs = pty.openpty()
        self._fd = mine
        self.screen = ""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DISPATCHER"))
        }
        environment |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PS1": "{{$?}} ", "PS2": "{more} ", "SPRING_PSWD": "secret", "LC_ALL": "C.UTF-8", "COLUMNS": "200",
            "HISTFILE": "/dev/null",
        }  # fmt: skip
        self._bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "--noediting", "-i"],
            cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
            preexec_fn=_controlling_terminal,
        )  # fmt: skip
        os.close(theirs)
        self.wait()

    def type(self, line: str) -> str:
        """Type a line; what came on the screen until the terminal waits for the next."""
        before = len(self.screen)
        os.write(self._fd, f"{line}\n".encode())
        self.wait(before + 1)
        return self.screen[before:]

    def wait(self, after: int = 0) -> None:
        """Read until a prompt or a question is the last thing on the screen."""
        until_s = time.monotonic() + LINE_S_MAX
        while len(self.screen) <= after or not WAITS.search(ESCAPES.sub("", self.screen[after:])):
            ready, _, _ = select.select([self._fd], [], [], max(0.0, until_s - time.monotonic()))
            assert ready, f"nothing more came:\n{self.screen[-3000:]}"
            self.screen += os.read(self._fd, 65536).decode("utf-8", "replace").replace("\r\n", "\n")

    def close(self) -> None:
        """End the shell and everything that was started in it."""
        for child in subprocess.run(
            ["ps", "-o", "pid=", "-s", str(self._bash.pid)], capture_output=True, text=True, check=False
        ).stdout.split():
            if int(child) != self._bash.pid:
                _end(int(child))
        self._bash.kill()
        self._bash.wait()
        os.close(self._fd)


def _controlling_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    shell = Terminal(tmp_path)
    yield shell
    shell.close()


def test_the_tour_works_as_it_is_typed(terminal: Terminal) -> None:
    ports = {port: str(free_port()) for port in ("9101", "8080", "7890")}
    typed = 0
    for line in tour():
        if line.startswith(NOT_TYPED):
            continue
        for written, free in ports.items():
            line = line.replace(f"127.0.0.1:{written}", f"127.0.0.1:{free}")
        if line == "[account.spring]":  # the web role listens where the vendor pushes to
            terminal.type("[web]")
            terminal.type(f'listen = "127.0.0.1:{ports["8080"]}"')
        said = ESCAPES.sub("", terminal.type(line))
        typed += 1
        assert "Traceback" not in said, said
        assert not re.search(r"^(error|internal error):", said, re.MULTILINE), f"{line}\n{said}"
        if (code := PROMPT.search(said)) is not None:
            assert code[1] == "0", f"{line}\n{said}"
    assert typed > 60
    everything = ESCAPES.sub("", terminal.screen)
    for words in (
        "launched may-sale: 2 recipients in 1 batch",
        "launched big: 20,000 recipients",
        "1 no value for {name}",
        "Do you have it in blue?",
        "5 recipients, already launched: False",
        "launched polar: 100 recipients in 1 batch",
    ):
        assert words in everything, words
