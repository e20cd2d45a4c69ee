"""The demo's list: as dirty as the lists that marketing gets, but it is known exactly what is in it.

A CSV file with Chinese headers and a byte-order mark: plain numbers, prefixes, blanks, hyphens, quotes, full-width
digits, numbers twice (in another form), numbers a spreadsheet has damaged, and things that are no numbers at all.
Beside it a list of those who must not be texted. Written block-wise; the same for the same number of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

DUPLICATE: Final = 0.04
INVALID: Final = 0.02
SUPPRESSED: Final = 0.0025
PLAIN: Final = 0.85
BLOCK_ROWS: Final = 50_000
ROWS_MAX: Final = 50_000_000

_FIRST: Final = 13_800_000_000
_SPREAD: Final = 100_000_000
_STRIDE: Final = 7_654_321  # odd and no multiple of 5: a walk through all of _SPREAD, each number once
_FULL_WIDTH: Final = str.maketrans("0123456789", "０１２３４５６７８９")

FORMS: Final[tuple[Callable[[str], str], ...]] = (
    lambda n: f"+86{n}",
    lambda n: f"0086{n}",
    lambda n: f"86{n}",
    lambda n: f"+86 {n[:3]} {n[3:7]} {n[7:]}",
    lambda n: f"{n[:3]} {n[3:7]} {n[7:]}",
    lambda n: f"{n[:3]}-{n[3:7]}-{n[7:]}",
    lambda n: f'"{n}"',
    lambda n: n.translate(_FULL_WIDTH),
    lambda n: f"  {n} ",
    lambda n: f"{n}.0",
)
"""How people write a good number."""

JUNK: Final = (
    "",
    "n/a",
    "1.38E+10",
    "1380013800",
    "138001380001",
    "010-1234 5678",
    "see remarks",
    "+44 7700 900123",
    "'—",
)
"""What stands where a number should be."""

_CITIES: Final = ("北京", "上海", "广州", "成都", "西安")


class DemoList(msgspec.Struct, frozen=True, kw_only=True):
    """A list that was written, and what is in it: `rows = recipients + invalid + duplicate + suppressed`."""

    path: Path
    suppress: Path
    rows: int
    recipients: int
    invalid: int
    duplicate: int
    suppressed: int


def write_dirty(folder: Path, rows: int, seed: int = 1, first: int = 0) -> DemoList:
    """Write `list.csv` and `opted-out.txt` into the folder; with the numbers of `number_block` from `first` on."""
    random = np.random.default_rng(seed)
    invalid, duplicate = int(rows * INVALID), int(rows * DUPLICATE)
    unique = rows - invalid - duplicate
    suppressed = max(1, int(unique * SUPPRESSED))
    numbers = number_block(first, unique)
    # Which number each row holds (-1: none): every number once, then some again, shuffled.
    again = random.integers(0, unique, duplicate)
    of = np.concatenate([np.arange(unique), again, np.full(invalid, -1)])
    random.shuffle(of)
    form = np.where(random.random(rows) < PLAIN, 0, random.integers(1, len(FORMS) + 1, rows))
    path = folder / "list.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write("姓名,手机号,城市\r\n")
        for start in range(0, rows, BLOCK_ROWS):
            end = min(start + BLOCK_ROWS, rows)
            file.write(_block(start, of[start:end], form[start:end], numbers))
    stopped = numbers[random.permutation(unique)[:suppressed]]
    suppress = folder / "opted-out.txt"
    suppress.write_text("".join(f"{number}\n" for number in stopped.tolist()), "ascii")
    return DemoList(
        path=path,
        suppress=suppress,
        rows=rows,
        recipients=unique - suppressed,
        invalid=invalid,
        duplicate=duplicate,
        suppressed=suppressed,
    )


def write_clean(path: Path, rows: int) -> None:
    """Write a plain list, one number a line, none of which is in the dirty one."""
    path.write_text("".join(f"{number + 100_000_000}\n" for number in number_block(0, rows).tolist()), "ascii")


def number_block(first: int, count: int) -> NDArray[np.int64]:
    """The `first`-th to the last of `count` mobile numbers that differ; those of another block differ from them."""
    return _FIRST + np.arange(first, first + count, dtype=np.int64) * _STRIDE % _SPREAD


def _block(first: int, of: NDArray[np.int64], form: NDArray[np.int64], numbers: NDArray[np.int64]) -> str:
    lines = []
    for row, which, how in zip(range(first + 1, first + 1 + len(of)), of.tolist(), form.tolist(), strict=True):
        if which < 0:
            value = JUNK[row % len(JUNK)]
        else:
            value = str(numbers[which])
            if how:
                value = FORMS[how - 1](value)
        if '"' in value:
            value = '"' + value.replace('"', '""') + '"'
        lines.append(f"客户{row},{value},{_CITIES[row % len(_CITIES)]}\r\n")
    return "".join(lines)
