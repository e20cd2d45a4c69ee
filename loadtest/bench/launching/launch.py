"""Launching 10 M dirty CSV rows until they are durable, against csv.DictReader, a regex, a set and a record each.

Both ways run in a process of their own, on the same file, into a new SQLite log, and must agree on who is a recipient.
Time is from the call to durable (imports are not in it); memory is the peak of the whole process. The naive way appends
its records 1,000 at a time and keeps no rejected rows, which is kind to it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from dispatcher.config.file import parse
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from loadtest.bench.harness import MEGABYTE, figure, in_its_own_process, tell
from loadtest.bench.launching import naive
from producers.launch.api import launch

ROWS: Final = 10_000_000
ROWS_QUICK: Final = 1_000_000
ROUNDS: Final = 3
BLOCK_ROWS: Final = 500_000

_HEADER: Final = "编号,姓名,手机号,城市,会员等级\n"
_NAMES: Final = ("张伟", "王芳", "李娜", "刘洋", "陈静", "欧阳建国")
_CITIES: Final = ("北京", "上海", "广州", "深圳", "成都")
_LEVELS: Final = ("V1", "V2", "V3")
CONFIG: Final = {
    "hours": {"marketing": "00:00-24:00"},
    "account": {"bulk": {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}},
}


async def run(quick: bool) -> list[dict[str, Any]]:
    """Rows per second and peak memory; the naive way reads the whole file too."""
    rows = ROWS_QUICK if quick else ROWS
    return measured(rows, "hi", lambda size: f"launch, {rows / 1e6:g} M rows, {size / MEGABYTE:.0f} MB", quick=quick)


def measured(rows: int, text: str, named: Callable[[int], str], *, quick: bool) -> list[dict[str, Any]]:
    """Both ways on a list of this many rows; `named` is given its bytes."""
    with tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as name:
        folder = Path(name)
        write_list(folder / "list.csv", rows)
        what = named((folder / "list.csv").stat().st_size)
        base = _launched("naive", folder, text)
        ours = [_launched("ours", folder, text) for _ in range(1 if quick else ROUNDS)]
    assert all(each["recipients"] == base["recipients"] for each in ours), (ours, base)
    rate = rows / statistics.median(each["seconds"] for each in ours)
    memory = max(each["memory"] for each in ours) / MEGABYTE
    return [
        figure(what, rate, "rows/s", rows / base["seconds"]),
        figure(f"{what}, peak memory", memory, "MB", base["memory"] / MEGABYTE, less_is_better=True),
    ]


def _launched(way: str, folder: Path, text: str) -> dict[str, float]:
    for old in folder.glob("log.db*"):
        if old.is_file():
            old.unlink()
    return in_its_own_process("launching.launch", way, folder, text)


def write_list(path: Path, rows: int, seed: int = 1) -> None:
    """A customer list, 12 % of it dirty: 4 % repeated numbers, 5 % in other forms, 3 % no numbers."""
    random = np.random.default_rng(seed)
    first = 13_000_000_000
    numbers = first + random.permutation(rows).astype(np.int64) * 691
    with path.open("wb") as file:
        file.write(_HEADER.encode())
        for start in range(0, rows, BLOCK_ROWS):
            mine = numbers[start : start + BLOCK_ROWS]
            kind = random.random(len(mine))
            again = numbers[random.integers(0, start + 1, len(mine))]
            frame = pl.DataFrame(
                {
                    "id": 100_000_000 + start + np.arange(len(mine)),
                    "name": random.choice(_NAMES, len(mine)),
                    "number": np.where(kind < 0.04, again, mine),
                    "kind": kind,
                    "city": random.choice(_CITIES, len(mine)),
                    "level": random.choice(_LEVELS, len(mine)),
                }
            )
            frame.select("id", "name", _written().alias("phone"), "city", "level").write_csv(file, include_header=False)


def _written() -> pl.Expr:
    """The number as its row's `kind` has it."""
    plain, kind = pl.col("number").cast(pl.String), pl.col("kind")
    parts = [plain.str.slice(0, 3), plain.str.slice(3, 4), plain.str.slice(7, 4)]
    return (
        pl.when(kind < 0.04).then(plain)
        .when(kind < 0.055).then(pl.lit("+86") + plain)
        .when(kind < 0.07).then(pl.concat_str(parts, separator=" "))
        .when(kind < 0.08).then(pl.concat_str(parts, separator="-"))
        .when(kind < 0.09).then(pl.lit("86") + plain)
        .when(kind < 0.10).then(pl.lit("1.38E+10"))
        .when(kind < 0.11).then(plain.str.slice(0, 9))
        .when(kind < 0.12).then(pl.lit("n/a"))
        .otherwise(plain)
    )  # fmt: skip


async def ours(folder: Path, text: str) -> int:
    """Launch `list.csv` into `log.db`; how many recipients."""
    config = parse({**CONFIG, "log": {"url": f"sqlite:{folder / 'log.db'}"}}, "bench")
    request = LaunchRequest(numbers=folder / "list.csv", text=text, route=["bulk"], id="bench")
    async with open_session(config) as session:
        return (await launch(session, request)).recipients


if __name__ == "__main__":
    way, where, what = sys.argv[1:]
    tell("recipients", (ours if way == "ours" else naive.launch)(Path(where), what))
