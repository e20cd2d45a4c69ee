"""A file that a command writes: its options. It gets its name when it is complete; an incomplete file never appears."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click
import msgspec

from dispatcher.errors import DispatcherError, UserError
from dispatcher.i18n import _
from dispatcher.private_files import is_plain, written_whole
from dispatcher.terminal.options import F, print_json
from dispatcher.wording import counted

if TYPE_CHECKING:
    from dispatcher.store.export.table_files import TableKind


class WrittenFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a command wrote, as `--json` says it."""

    format: str
    rows: int
    path: str


_BY_NAME: Final = {
    ".csv": ("csv",),
    ".xlsx": ("xlsx",),
    ".xls": ("xlsx",),
    ".parquet": ("parquet",),
    ".pq": ("parquet",),
    ".ndjson": ("ndjson", "jsonl"),
    ".jsonl": ("ndjson", "jsonl"),
    ".json": ("ndjson", "jsonl"),
}
TABLE_KINDS: Final[dict[str, TableKind]] = {
    "csv": "csv",
    "xlsx": "xlsx",
    "parquet": "parquet",
    "jsonl": "ndjson",
    "ndjson": "ndjson",
}
"""What can be written of a table, by what `--format` calls it."""

_BINARY: Final = {"parquet": "Parquet", "xlsx": "XLSX"}


def output_options(kinds: Sequence[str]) -> Callable[[F], F]:
    """`--format` (as `kind`, see `output_kind`), `-o` (as `output`, None: standard output) and `--force`."""

    def options(function: F) -> F:
        for option in (
            click.option("--force", is_flag=True, help="Replace FILE if it is there."),
            click.option(
                "-o",
                "--output",
                type=click.Path(path_type=Path),
                callback=lambda _context, _parameter, path: None if path == Path("-") else path,
                metavar="FILE",
                help="Where to write it; default: standard output.",
            ),
            click.option(
                "--format",
                "kind",
                type=click.Choice(kinds),
                help="How to write it; default: as FILE is named, else csv.",
            ),
        ):
            function = option(function)
        return function

    return options


def output_kind(kind: str | None, output: Path | None, kinds: Collection[str]) -> str:
    """The format: the requested one, else that of FILE's name, else CSV. Raises UserError."""
    named = _BY_NAME.get(output.suffix.lower(), ()) if output is not None else ()
    found = kind or next((each for each in named if each in kinds), None)
    if found is None and named:
        raise UserError(
            "this cannot be written as {kind} ({output}).",
            kind=named[0],
            output=output,
            kinds=", ".join(kinds),
            about="--format",
            do="Name a .csv file, or say which with --format: {kinds}.",
        )
    return found or "csv"


def check_destination(output: Path | None, kind: str, *, force: bool, as_json: bool) -> None:
    """Raises UserError if this format cannot be written there (None: standard output), or beside `--json`."""
    if output is not None:
        check_output(output, force=force)
    elif as_json:
        raise UserError("--json prints what was written to a file. Name one: -o FILE.")
    elif kind in _BINARY:
        raise UserError("{kind} is no text for a terminal or a pipe. Name a file: -o FILE.", kind=_BINARY[kind])


def check_output(output: Path, *, force: bool) -> None:
    """Raises UserError if it cannot be written there, or exists and `force` was not given."""
    if output.is_dir():
        raise UserError(
            "{output} is a folder. Name a file in it, such as -o {example}.",
            output=output,
            example=output / "results.csv",
        )
    if not output.parent.is_dir():
        raise UserError("there is no folder {parent}. Make it, or name another file.", parent=output.parent)
    if not is_plain(output):
        raise UserError(
            "{output} is a device or a pipe. Name a file, or leave out -o and redirect the output.", output=output
        )
    if output.exists() and not force:
        raise UserError(
            "{output} is there already.", output=output, do="Name another file, or replace it with --force."
        )


@contextlib.contextmanager
def written(output: Path | None) -> Iterator[IO[bytes]]:
    """What to write to; None: standard output. Raises UserError if no file can be there, DispatcherError later on."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(written_whole(output))
        except OSError as error:
            folder, why = output.absolute().parent, error.strerror or error
            raise UserError(
                "cannot write in {folder} ({why}). Name a file in another folder.", folder=folder, why=why
            ) from error
        try:
            with stack:
                yield file
        except OSError as error:
            raise DispatcherError(
                "cannot write {output} ({reason}). Nothing was left there.",
                output=output,
                reason=error.strerror or error,
            ) from error


def say_written(done: WrittenFile, output: Path | None, *, as_json: bool) -> None:
    """Say what was written to a file; nothing is said of standard output."""
    if as_json:
        print_json(done)
    elif output is not None:
        click.echo(_("{count} written to {output}.", count=counted(done.rows, "row"), output=output), err=True)
