"""Reading damaged lists through the process that reads files: each comes out as rows or as one sentence."""

from __future__ import annotations

import builtins
import os
import random
import re
from collections import Counter
from pathlib import Path

import msgspec

from dispatcher.errors import InputError
from producers.lists.opening import Opened
from producers.lists.reader.blocks import ListBlock, Reading
from producers.lists.reader.process import MEMORY_BYTES_MAX, out_of_memory, take
from producers.lists.reader.process import give_back as keep
from tests.fuzz.made import damaged, sound

LABEL = "the list"


class FuzzFailure(AssertionError):
    """A list that came out as neither; its bytes are in `content`."""

    def __init__(self, what: str, content: bytes) -> None:
        super().__init__(what)
        self.content = content


class Tally(msgspec.Struct):
    """What became of the lists tried, and the most memory that reading one took."""

    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    memory_bytes: int = 0


def fuzz(kind: str, files: int, seed: int, tally: Tally) -> None:
    """Try so many lists of a kind. Raises FuzzFailure."""
    for number in range(files):
        dice = random.Random(f"{kind} {seed} {number}")
        content = damaged(kind, sound(kind, dice), dice)
        outcome = tried(content, dice)
        tally.outcomes[outcome] += 1
        tally.memory_bytes = max(tally.memory_bytes, _peak_bytes())


def tried(content: bytes, dice: random.Random) -> str:
    """Read one: `read`, `refused` or `ended` (the process that read it). Raises FuzzFailure."""
    names = dice.choice(((), ("1",), ("姓名", "价格"), ("2", "3")))
    try:
        with Opened(content, Reading(names=names, international=dice.random() < 0.5)) as opened:
            for part in opened.list.parts():  # type: ignore[union-attr]  # a file is never read asynchronously
                _check(part, len(names), content)
    except InputError as error:
        said = str(error)
        if "\n" in said or len(said) > 3000 or "Traceback" in said:
            raise FuzzFailure(f"not one sentence: {said!r}", content) from error
        fault = re.search(r"cannot be read \((\w+): ", said)
        if fault is not None and isinstance(getattr(builtins, fault[1], None), type):
            raise FuzzFailure(f"an error of our own: {said}", content) from error
        return "ended" if said == str(out_of_memory(LABEL)) else "refused"
    except Exception as error:
        raise FuzzFailure(f"{type(error).__name__}: {error}", content) from error
    return "read"


def _check(part: ListBlock, names: int, content: bytes) -> None:
    rows = len(part.block.numbers)
    if part.values is not None and (part.values.height, part.values.width) != (rows, names + 1):
        raise FuzzFailure(f"{rows} rows with values of {part.values.shape}", content)
    if part.lines is not None and len(part.lines) != rows:
        raise FuzzFailure(f"{rows} rows with {len(part.lines)} lines", content)
    if part.first < 1 or (part.lines is not None and (part.lines < part.first).any()):
        raise FuzzFailure("a row before the first line", content)


def _peak_bytes() -> int:
    """The most memory that the process has had which read the last list."""
    reader = take()
    keep(reader)
    status = Path(f"/proc/{reader.pid}/status")
    if not status.exists():
        return 0
    found = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
    peak = int(found[0].split()[1]) * 1024 if found else 0
    assert peak < MEMORY_BYTES_MAX + (1 << 30), os.fspath(status)
    return peak
