"""A command on a terminal of its own: its questions are read as a person sees them and answered by keys."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

CTRL_C: Final = "\x03"
CTRL_D: Final = "\x04"
WAIT_S_MAX: Final = 60.0

_COMMAND: Final = str(Path(sys.executable).with_name("dispatcher"))
_CONTROLS: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def take_terminal() -> None:
    """Make standard input the terminal of this process, so that Ctrl-C reaches it and passwords are typed there."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Talk:
    """One command and its terminal."""

    def __init__(self, process: subprocess.Popen[bytes], terminal: int) -> None:
        self._process = process
        self._terminal = terminal
        self._read_to = 0
        self.seen = ""

    def until(self, words: str) -> None:
        """Read until these words stand on the screen, behind those that were waited for before."""
        until_s = time.monotonic() + WAIT_S_MAX
        while (at := self.seen.find(words, self._read_to)) < 0:
            assert self._more(until_s), f"{words!r} was never asked:\n{self.seen}"
        self._read_to = at + len(words)

    def type(self, keys: str) -> None:
        """Press these keys. A terminal that is gone takes none."""
        with contextlib.suppress(OSError):
            os.write(self._terminal, keys.encode())

    def end(self) -> int:
        """Read to the end; the command's exit code."""
        until_s = time.monotonic() + WAIT_S_MAX
        while self._more(until_s):
            pass
        return self._process.wait(WAIT_S_MAX)

    def _more(self, until_s: float) -> bool:
        """Read a piece; False at the end of the command."""
        ready, _, _ = select.select([self._terminal], [], [], max(0.0, until_s - time.monotonic()))
        assert ready, f"nothing happened on the terminal in {WAIT_S_MAX:g} s:\n{self.seen}"
        try:
            piece = os.read(self._terminal, 65_536)
        except OSError:  # what a terminal says once nobody holds its other side
            return False
        self.seen = _CONTROLS.sub("", self.seen + piece.decode("utf-8", "replace"))
        return bool(piece)


@contextlib.contextmanager
def talk(folder: Path, *arguments: str) -> Iterator[Talk]:
    """Start `dispatcher` with these arguments in this folder."""
    ours, theirs = os.openpty()
    try:
        process = subprocess.Popen(
            [_COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(theirs)
        with process:
            try:
                yield Talk(process, ours)
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        os.close(ours)
