"""The process that reads files: one list after another, in bounded memory and time.

Whatever a file does to the libraries that parse it, it does here: a panic or a failed allocation becomes one sentence,
or ends this process, never the one that launches. It has no terminal, and ends when the socket to that one is closed.
"""

from __future__ import annotations

import contextlib
import gc
import io
import os
import resource
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from dispatcher.errors import EmptyInput, InputError
from dispatcher.sentences import Sentence
from producers.lists.file_kinds import START_BYTES
from producers.lists.files import open_file
from producers.lists.reader.blocks import (
    Connection,
    Found,
    ListBlock,
    ListMistake,
    Read,
    Reading,
    Request,
    block_of,
    sent_part,
)
from producers.lists.reader.process import MEMORY_BYTES_MAX, SECONDS_MAX, out_of_memory
from producers.lists.xlsx.sheet_list import SheetList

ERROR_CHARS_MAX: Final = 200


def main(descriptor: int) -> None:
    """Answer requests on this socket until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the launching process hears of Ctrl-C and closes the socket
    end = socket.socket(fileno=descriptor)
    _end_with(end)
    bound_memory()
    gc.disable()  # millions of short strings, and no cycles among them
    connection = Connection(end)
    with contextlib.suppress(EOFError, OSError):
        while True:
            request, _, file = connection.receive()
            if not isinstance(request, Request) or file is None:
                return
            _bound_time(SECONDS_MAX)
            answer(connection, request, file)
            _bound_time(0)
            gc.collect()


def answer(connection: Connection, request: Request, descriptor: int) -> None:
    """Read one file to its end. Raises OSError if the parent has gone."""
    try:
        with io.BufferedReader(io.FileIO(descriptor), START_BYTES) as stream:
            _read(connection, stream, request)
    except (OSError, EOFError):
        raise
    except EmptyInput as error:
        connection.send(ListMistake(error.sentence.as_json(), empty=True))
    except InputError as error:
        connection.send(ListMistake(error.sentence.as_json(), sheets=error.sheets))
    except MemoryError:
        connection.send(ListMistake(out_of_memory(request.label).as_json()))
    except BaseException as error:  # a panic of a library is no Exception
        said = (str(error).strip().split("\n") or [""])[0][:ERROR_CHARS_MAX]
        mistake = Sentence(
            "{label} is damaged and cannot be read ({kind}: {reason}). Save it again.",
            label=request.label,
            kind=type(error).__name__,
            reason=said,
        )
        connection.send(ListMistake(mistake.as_json()))


def _read(connection: Connection, stream: io.BufferedReader[Any], request: Request) -> None:
    reading = request.reading
    found = open_file(stream, request.label, reading.choice)
    columns = reading.columns(found.headers, request.label)
    sheets = found.sheets if isinstance(found, SheetList) else ()
    connection.send(Found(found.column, tuple(found.headers), found.header_line, sheets))
    tables = ((table, found.bytes_read) for table in found.tables(columns))
    for part in _ahead(tables, reading):
        message, buffers = sent_part(part)
        connection.send(message, buffers)
    connection.send(Read(found.encoding, tuple(found.notes), found.hidden_rows, found.bytes_read))


def _ahead(tables: Iterator[Any], reading: Reading) -> Iterator[ListBlock]:
    """The parts of these tables; the next table is read while the numbers of one are judged."""
    with ThreadPoolExecutor(1) as beside:
        coming: Future[Any] = beside.submit(next, tables, None)
        while (read := coming.result()) is not None:
            coming = beside.submit(next, tables, None)
            table, bytes_read = read
            yield block_of(table, reading, bytes_read)


def bound_memory() -> None:
    """Let this process have MEMORY_BYTES_MAX more than it has now, and write no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    status = Path("/proc/self/statm")
    if status.exists():
        most = int(status.read_text().split()[0]) * resource.getpagesize() + MEMORY_BYTES_MAX
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _bound_time(seconds: int) -> None:
    """End this process when it has used this much CPU time more; 0: never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _end_with(end: socket.socket) -> None:
    """End this process, which may wait for a pipe, as soon as the other end of the socket is closed."""
    if not hasattr(select, "POLLRDHUP"):
        return

    def wait() -> None:
        watch = select.poll()
        watch.register(end, select.POLLRDHUP | select.POLLHUP)
        watch.poll()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]))
