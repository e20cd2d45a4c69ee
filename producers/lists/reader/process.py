"""The process that reads files, seen from the one that launches: started when needed, kept for the next list.

Imports nothing heavy, so that it can be started before everything else. Whatever happens to it becomes one sentence.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from dispatcher.errors import EmptyInput, InputError
from dispatcher.sentences import Sentence

if TYPE_CHECKING:
    from producers.lists.reader.blocks import Found, ListBlock, ListMistake, Read, Reading

MEMORY_BYTES_MAX: Final = 2 << 30
"""What a list may take beyond what the process has before it reads."""

SECONDS_MAX: Final = 1800
"""How much CPU time a list may take."""

_PROGRAM: Final = ("-m", "producers.lists.reader.main")
_ENVIRONMENT: Final = {"POLARS_MAX_THREADS": "4", "OPENBLAS_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "4"}
"""Every thread takes memory from the limit, whether it is used or not."""

_idle: list[ReaderProcess] = []
_lock: Final = threading.Lock()


class ReaderProcess:
    """A process that reads one list at a time."""

    def __init__(self) -> None:
        """Raises InputError if it cannot be started."""
        ours, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_PROGRAM, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**_ENVIRONMENT, **os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
            )
        except OSError as error:
            ours.close()
            raise InputError(
                "no process can be started to read the list in ({reason}).", reason=error.strerror
            ) from error
        finally:
            theirs.close()
        self._socket = ours
        self._label = ""

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    def open(self, descriptor: int, label: str, reading: Reading) -> Found:
        """Let it open a list. Raises InputError."""
        from producers.lists.reader.blocks import Connection, Found, ListMistake, Request

        self._label = label
        self._connection = Connection(self._socket)
        try:
            self._connection.send_with_file(Request(label, reading), descriptor)
            found, _, _ = self._connection.receive()
        except (OSError, EOFError):
            raise self._ended() from None
        if isinstance(found, ListMistake):
            raise _refused(found)
        assert isinstance(found, Found)
        return found

    def parts(self) -> Iterator[ListBlock | Read]:
        """The parts of the list that is open, and last what is known of it then. Raises InputError."""
        from producers.lists.reader.blocks import BlockMessage, ListMistake, Read, received_part

        while True:
            try:
                message, buffers, _ = self._connection.receive()
            except (OSError, EOFError):
                raise self._ended() from None
            if isinstance(message, ListMistake):
                raise _refused(message)
            if isinstance(message, Read):
                yield message
                return
            assert isinstance(message, BlockMessage)
            yield received_part(message, buffers)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # also wakes a thread that waits for it
        self._socket.close()
        self._process.kill()
        self._process.wait()

    def _ended(self) -> InputError:
        """Why it has ended in the middle of a list."""
        self.close()
        if self._process.returncode == -signal.SIGPROF:
            minutes = SECONDS_MAX // 60
            return InputError(
                "{label} takes more than {minutes} minutes to read. Save it again as CSV, or divide it.",
                label=self._label,
                minutes=minutes,
            )
        return InputError(out_of_memory(self._label))


def take() -> ReaderProcess:
    """A process to read a list in: one that is idle, or a new one. Raises InputError."""
    with _lock:
        while _idle:
            reader = _idle.pop()
            if reader._process.poll() is None:
                return reader
            reader.close()
    return ReaderProcess()


def give_back(reader: ReaderProcess) -> None:
    """Keep a process whose list is read to its end for the next list."""
    with _lock:
        if not _idle:
            _idle.append(reader)
            return
    reader.close()


def start_early() -> None:
    """Start a process that will be needed, while this one has other things to do."""
    give_back(take())


def close_idle() -> None:
    """End the process that is kept, if there is one."""
    with _lock:
        while _idle:
            _idle.pop().close()


atexit.register(close_idle)


def spooled(content: bytes) -> int:
    """The descriptor of a file without a name that holds this."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("list")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    with open(descriptor, "wb", closefd=False) as file:
        file.write(content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def out_of_memory(label: str) -> Sentence:
    """What to say of a list that takes more memory than it may."""
    return Sentence(
        "{label} is damaged, or takes more than {limit} to read. Save it again as CSV, or divide it.",
        label=label,
        limit=f"{MEMORY_BYTES_MAX >> 30} GiB",
    )


def _refused(mistake: ListMistake) -> InputError:
    sentence = Sentence.of_json(mistake.sentence)
    error = EmptyInput(sentence) if mistake.empty else InputError(sentence)
    error.sheets = mistake.sheets
    return error
