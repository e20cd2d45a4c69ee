"""Launching 10 M dirty CSV rows until they are durable, against csv.DictReader, a regex, a set and a record each.

Both ways run in a process of their own, on the same file, into a new SQLite log, and must agree on who is a recipient.
Time is from the call to durable (imports are not in it); memory is the peak of the whole process. The naive way appends
its records 1,000 at a time and keeps no rejected rows, which is kind to it.
"""

from __future__ import annotations

import asyncio
import csv
import json
import re
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
import polars as pl

from dispatcher.config.file import parse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from dispatcher.service.launching import LaunchRequest
from dispatcher.service.session import open_session
from loadtest.bench.process import in_its_own_process
from producers.launch.api import launch
from schemas.topics import RECIPIENTS, SPREAD_PARTITIONS

ROWS: Final = 10_000_000
ROWS_QUICK: Final = 1_000_000
ROUNDS: Final = 3
BLOCK_ROWS: Final = 500_000
RECORDS_AT_ONCE: Final = 1_000
MEGABYTE: Final = 1_000_000

_HEADER: Final = "编号,姓名,手机号,城市,会员等级\n"
_NAMES: Final = ("张伟", "王芳", "李娜", "刘洋", "陈静", "欧阳建国")
_CITIES: Final = ("北京", "上海", "广州", "深圳", "成都")
_LEVELS: Final = ("V1", "V2", "V3")
CONFIG: Final = {
    "account": {"bulk": {"vendor": "batch-a", "url": "http://127.0.0.1:9101", "account": "demo", "pswd": "x"}}
}


async def run(quick: bool) -> list[dict[str, Any]]:
    """Rows per second and peak memory; the naive way reads the whole file too."""
    rows = ROWS_QUICK if quick else ROWS
    with tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as name:
        folder = Path(name)
        write_list(folder / "list.csv", rows)
        size = (folder / "list.csv").stat().st_size
        naive = in_its_own_process("launching.launch", "naive", folder)
        ours = [in_its_own_process("launching.launch", "ours", folder) for _ in range(1 if quick else ROUNDS)]
    assert all(each["recipients"] == naive["recipients"] for each in ours), (ours, naive)
    rate = rows / statistics.median(each["seconds"] for each in ours)
    baseline = rows / naive["seconds"]
    memory = max(each["memory"] for each in ours)
    what = f"launch, {rows / 1e6:g} M rows, {size / MEGABYTE:.0f} MB"
    return [
        {"name": what, "value": rate, "unit": "rows/s", "baseline": baseline, "ratio": rate / baseline},
        {
            "name": f"{what}, peak memory",
            "value": memory / MEGABYTE,
            "unit": "MB",
            "baseline": naive["memory"] / MEGABYTE,
            "ratio": naive["memory"] / memory,
        },
    ]


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


async def _ours(folder: Path) -> int:
    config = parse({**CONFIG, "log": {"url": f"sqlite:{folder / 'log.db'}"}}, "bench")
    request = LaunchRequest(numbers=folder / "list.csv", text="hi", route=["bulk"], id="bench")
    async with open_session(config) as session:
        return (await launch(session, request)).recipients


async def _naive(folder: Path) -> int:
    number = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
    separators = re.compile(r"[\s-]")
    seen: set[str] = set()
    entries: list[Entry] = []
    log = await open_log(f"sqlite:{folder / 'log.db'}")
    appends = 0

    async def flush() -> None:
        nonlocal appends
        await log.append(RECIPIENTS.name, appends % SPREAD_PARTITIONS, entries)
        appends += 1
        entries.clear()

    with (folder / "list.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            match = number.fullmatch(separators.sub("", row["手机号"]))
            if match is None or match[1] in seen:
                continue
            seen.add(match[1])
            entries.append(Entry(b"bench", orjson.dumps({"campaign": "bench", "number": match[1]})))
            if len(entries) == RECORDS_AT_ONCE:
                await flush()
    if entries:
        await flush()
    await log.close()
    return len(seen)


def _child(way: str, folder: Path) -> None:
    start_s = time.perf_counter()
    recipients = asyncio.run(_ours(folder) if way == "ours" else _naive(folder))
    seconds = time.perf_counter() - start_s
    print(json.dumps({"seconds": seconds, "recipients": recipients, "memory": peak_bytes()}))


def peak_bytes() -> int:
    """The most memory this process has had. On Linux getrusage would count the parent's, from before the exec."""
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
