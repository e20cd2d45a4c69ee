"""A file that a command writes: it gets its name when it is complete, or is not there at all."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from dispatcher.errors import DispatcherError, UserError


def check_output(output: Path, *, force: bool) -> None:
    """Raises UserError if it cannot be written there, or is there already and `force` was not given."""
    if output.is_dir():
        raise UserError(f"{output} is a folder. Name a file in it, such as -o {output / 'results.csv'}.")
    if not output.parent.is_dir():
        raise UserError(f"there is no folder {output.parent}. Make it, or name another file.")
    if output.exists() and not force:
        raise UserError(f"{output} is there already. Name another file, or replace it with --force.")


@contextlib.contextmanager
def written(output: Path | None) -> Iterator[IO[bytes]]:
    """What to write to; None: standard output. Raises DispatcherError where the file cannot be written."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(output)
    except OSError as error:
        raise DispatcherError(f"cannot write {output} ({error.strerror or error}). Nothing was left there.") from error
    finally:
        part.unlink(missing_ok=True)
