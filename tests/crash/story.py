"""What happened, in the order it happened: the thing to read when a crash test fails.

Every event is a line with the seconds since the start, also written to `story.txt` in the life's folder at once.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

TOLD_LINES: Final = 80


class CrashFailure(AssertionError):
    """A guarantee did not hold; the message is the story: seed, round, complaints, events, where the files are."""


class Story:
    """The events of one life. `title` says how to play it again."""

    def __init__(self, folder: Path, title: str) -> None:
        self.folder = folder
        self.title = title
        self.round = 0
        self._lines: list[str] = []
        self._began_s = time.monotonic()
        self._file = (folder / "story.txt").open("w", encoding="utf-8", buffering=1)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self._began_s

    def say(self, event: str) -> None:
        """Something happened."""
        line = f"{self.seconds:9.3f} s  {event}"
        self._lines.append(line)
        self._file.write(line + "\n")

    def begin_round(self, number: int) -> None:
        """What follows belongs to this round."""
        self.round = number
        self.say(f"--- round {number}")

    def failure(self, complaints: list[str]) -> CrashFailure:
        """The error that tells all of it."""
        for complaint in complaints:
            self.say(f"FAILED: {complaint}")
        told = "\n".join(self._lines[-TOLD_LINES:])
        return CrashFailure(
            f"{self.title}: round {self.round} failed\n  "
            + "\n  ".join(complaints)
            + f"\n\nwhat happened (the last {TOLD_LINES} events; all of it, the log and the processes' own logs: "
            f"{self.folder}):\n{told}"
        )

    def close(self) -> None:
        """No more events."""
        self._file.close()
