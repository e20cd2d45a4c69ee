"""The dispatcher in processes of its own, which this one starts, kills, freezes and stops; each by its pid.

What a process says on standard output and error goes to a file in the life's folder. No child outlives this process:
the kernel kills it (Linux), also when this one is killed with -9.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.crash.story import Story
from tests.waiting import PATIENCE_S

ROOT: Final = Path(__file__).parents[2]
DISPATCHER: Final = (sys.executable, "-m", "tests.crash.command")

_PR_SET_PDEATHSIG: Final = 1
_PRCTL: Final = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    if _PRCTL is not None:
        _PRCTL(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """One process of the dispatcher. `name` is what the story calls it."""

    def __init__(
        self,
        story: Story,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        before: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self._story = story
        self._frozen = False
        self.output = _free_name(story.folder / f"{name.replace(' ', '-').replace('/', '-')}.log")
        where = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | dict(env or {})

        def prepare() -> None:
            die_with_parent()
            assert before is not None
            before()

        with self.output.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                cwd=story.folder,
                env=where,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare if before is not None else die_with_parent,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        """It runs, or is frozen."""
        return self._child.poll() is None

    def said(self) -> str:
        """Everything it has written so far."""
        return self.output.read_text("utf-8", errors="replace")

    def kill9(self) -> bool:
        """End it as a power cut does; False if it had ended before."""
        was_alive = self.alive
        self._child.kill()
        self._child.wait()
        self._story.say(f"kill -9 {self.name}" if was_alive else f"{self.name} had ended already")
        return was_alive

    def freeze(self) -> None:
        """It stops in its tracks, wherever it is."""
        self._frozen = True
        self._child.send_signal(signal.SIGSTOP)
        os.waitid(
            os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT
        )  # the last of its threads stops a bit later
        self._story.say(f"SIGSTOP {self.name}")

    def thaw(self) -> None:
        """It goes on as if nothing had happened."""
        if self._frozen:
            self._frozen = False
            self._child.send_signal(signal.SIGCONT)
            self._story.say(f"SIGCONT {self.name}")

    def ask_to_stop(self) -> None:
        """SIGTERM, without waiting for what it does."""
        self.thaw()
        if self.alive:
            self._child.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """Ask it to stop in order, and wait; its exit code. A hang fails the story."""
        self.ask_to_stop()
        code = self.wait()
        self._story.say(f"{self.name} was asked to stop and ended with {code}")
        return code

    def wait(self, within_s: float = PATIENCE_S) -> int:
        """Its exit code, once it has ended. A hang fails the story."""
        try:
            return self._child.wait(within_s)
        except subprocess.TimeoutExpired:
            where = self.where()
            raise self._story.failure([f"{self.name} did not end within {within_s:g} s", where]) from None

    def where(self) -> str:
        """Where its tasks and threads stand (a process of command.py); "" if it does not say so soon."""
        before = len(self.said())
        self._child.send_signal(signal.SIGUSR2)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(1.0)
        return self.said()[before:]

    def ended_within(self, seconds: float) -> bool:
        """Whether it ends by itself in that time."""
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def _free_name(path: Path) -> Path:
    """Each process its own file."""
    for number in range(1, 1_000_000):
        numbered = path.with_name(f"{path.stem}.{number}{path.suffix}")
        if not numbered.exists():
            return numbered
    raise AssertionError("unreachable")
