"""Standard output and error that let nothing a vendor, a phone or a list wrote do something to the terminal.

Whatever is printed as text loses its control characters here, whoever prints it. Colours are rich's alone: its consoles
write to the stream below (`rich_proxied_file` is rich's own name for it) and clean each piece of text themselves.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from dispatcher.wording import without_controls


class CleanStream:
    """A text stream without control characters, but for line ends and tabs."""

    def __init__(self, stream: TextIO) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write the text without what would do something to a terminal."""
        if not isinstance(text, str):
            raise TypeError(f"a text is written here, not {type(text).__name__}")
        self.rich_proxied_file.write(without_controls(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write these, as `write` does."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def open_closed_streams() -> None:
    """Standard streams that whoever started the process has closed lead nowhere.

    Without this they are None, and the first file that is opened would get the descriptor of standard output.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))


@contextlib.contextmanager
def clean_streams() -> Iterator[None]:
    """Clean standard output and error. A terminal that is not UTF-8 shows `?` for what it has no character for."""
    before = sys.stdout, sys.stderr
    for out in before:
        if isinstance(out, io.TextIOWrapper):
            out.reconfigure(errors="replace")
    sys.stdout, sys.stderr = (
        out if isinstance(out, CleanStream) else cast("TextIO", CleanStream(out)) for out in before
    )
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
