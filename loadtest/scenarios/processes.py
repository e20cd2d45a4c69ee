"""The dispatcher's roles, each `dispatcher run --role …` in its own process: to be killed, frozen, started again.

No process outlives this one: a guard holds a pipe from here and kills its role when the pipe closes. A role's standard
error goes to a file in the run's folder.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dispatcher.errors import DispatcherError

COMMAND: Final = (sys.executable, "-P", "-c", "from dispatcher.cli import main; main()")
STOP_S_MAX: Final = 60.0
TAIL_CHARS: Final = 600


class Process:
    """One running role."""

    def __init__(self, config: Path, role: str, said: Path) -> None:
        self.role = role
        self._said = said
        self.expected = True  # to be alive
        with said.open("ab") as errors:
            self._child = subprocess.Popen(
                [*COMMAND, "run", "--role", role, "--config", str(config), "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is for us, and we then end it
            )
        self._guard = subprocess.Popen(
            ["sh", "-c", 'read -r _; exec kill -9 "$0"', str(self._child.pid)],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def wait_until_ready(self) -> None:
        """Raises DispatcherError if it ends before it is."""
        assert self._child.stdout is not None
        if not self._child.stdout.readline():
            self.kill()
            raise DispatcherError(f"role {self.role} did not start: {self.tail()}")

    @property
    def lost(self) -> bool:
        """Whether it should run and does not."""
        return self.expected and self._child.poll() is not None

    def tail(self) -> str:
        """The end of its standard error."""
        return self._said.read_text("utf-8", errors="replace")[-TAIL_CHARS:].strip()

    def kill(self) -> None:
        """As kill -9 does."""
        self.expected = False
        self._child.kill()
        self._clear_up()

    def stop(self) -> int:
        """In order; its exit code. After STOP_S_MAX by force."""
        self.expected = False
        self._child.send_signal(signal.SIGCONT)
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._child.kill()
        return self._clear_up()

    def freeze(self, frozen: bool) -> None:
        """Freeze it, or let it continue."""
        self._child.send_signal(signal.SIGSTOP if frozen else signal.SIGCONT)

    def _clear_up(self) -> int:
        code = self._child.wait()
        self._guard.kill()
        self._guard.communicate()
        if self._child.stdout is not None:
            self._child.stdout.close()
        return code


class Processes:
    """All roles of one run. Each method may be called from any thread."""

    def __init__(self, config: Path, folder: Path, lanes: int) -> None:
        self._config = config
        self._folder = folder
        self._wanted: Final = {"web": 1, "results": 1, "lanes": lanes}
        self._processes: dict[str, list[Process]] = {role: [] for role in self._wanted}
        self._lock = threading.RLock()

    def start(self, role: str) -> None:
        """Start as many processes as the role should have. Raises DispatcherError."""
        with self._lock:
            missing = self._wanted[role] - len(self._processes[role])
            made = [Process(self._config, role, self._folder / f"{role}-{number}.log") for number in range(missing)]
            self._processes[role] += made
            for process in made:
                process.wait_until_ready()

    def kill(self, role: str) -> None:
        """kill -9."""
        with self._lock:
            for process in self._processes[role]:
                process.kill()
            self._processes[role].clear()

    def stop(self, roles: Sequence[str]) -> list[str]:
        """Stop these in order, one role after the other; returns failures in words."""
        wrong = []
        with self._lock:
            for role in roles:
                codes = [process.stop() for process in self._processes[role]]
                wrong += [f"role {role} ended with {code} when it was stopped" for code in codes if code]
                self._processes[role].clear()
        return wrong

    def freeze(self, role: str, frozen: bool) -> None:
        """SIGSTOP, or SIGCONT."""
        with self._lock:
            for process in self._processes[role]:
                process.freeze(frozen)

    def lost(self) -> list[str]:
        """Roles that ended unexpectedly, and the end of their output."""
        with self._lock:
            processes = [process for each in self._processes.values() for process in each]
            return [f"role {process.role} ended by itself: {process.tail()}" for process in processes if process.lost]

    def close(self) -> None:
        """End whatever still runs."""
        with self._lock:
            for role in self._processes:
                self.kill(role)
