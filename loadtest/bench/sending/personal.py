"""Launching a personalised campaign until it is durable, against csv.DictReader, `str.format` and a record a text.

Both ways run in a process of their own, on the same dirty list, into a new SQLite log, and must agree on who is a
recipient. The naive way keeps no rejected rows and checks no text, which is kind to it.
"""

from __future__ import annotations

import asyncio
import csv
import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import orjson

from dispatcher.config.file import parse
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from dispatcher.service.launching import LaunchRequest
from dispatcher.service.session import open_session
from loadtest.bench.launching.launch import CONFIG, MEGABYTE, RECORDS_AT_ONCE, peak_bytes, write_list
from loadtest.bench.process import in_its_own_process
from producers.launch.api import launch
from schemas.topics import RECIPIENTS, SPREAD_PARTITIONS

ROWS: Final = 1_000_000
ROWS_QUICK: Final = 100_000
ROUNDS: Final = 3
TEXT: Final = "【店】{姓名}您好，您的会员编号是{编号}"


async def run(quick: bool) -> list[dict[str, Any]]:
    """Rows per second and peak memory of a launch in which every text is different."""
    rows = ROWS_QUICK if quick else ROWS
    with tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as name:
        folder = Path(name)
        write_list(folder / "list.csv", rows)
        naive = in_its_own_process("sending.personal", "naive", folder)
        ours = [in_its_own_process("sending.personal", "ours", folder) for _ in range(1 if quick else ROUNDS)]
    assert all(each["recipients"] == naive["recipients"] for each in ours), (ours, naive)
    rate = rows / statistics.median(each["seconds"] for each in ours)
    baseline = rows / naive["seconds"]
    memory = max(each["memory"] for each in ours)
    what = f"launch, personalised, {rows / 1e6:g} M texts"
    return [
        {"name": what, "value": rate, "unit": "rows/s", "baseline": baseline, "ratio": rate / baseline},
        {"name": f"{what}, peak memory", "value": memory / MEGABYTE, "unit": "MB",
         "baseline": naive["memory"] / MEGABYTE, "ratio": naive["memory"] / memory},
    ]  # fmt: skip


async def _ours(folder: Path) -> int:
    config = parse({**CONFIG, "log": {"url": f"sqlite:{folder / 'log.db'}"}}, "bench")
    request = LaunchRequest(numbers=folder / "list.csv", text=TEXT, route=["bulk"], id="bench")
    async with open_session(config) as session:
        return (await launch(session, request)).recipients


async def _naive(folder: Path) -> int:
    number = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
    separators = re.compile(r"[\s-]")
    seen: set[str] = set()
    entries: list[Entry] = []
    log = await open_log(f"sqlite:{folder / 'log.db'}")
    appends = 0
    with (folder / "list.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            match = number.fullmatch(separators.sub("", row["手机号"]))
            if match is None or match[1] in seen or not row["姓名"] or not row["编号"]:
                continue
            seen.add(match[1])
            record = {"campaign": "bench", "number": match[1], "text": TEXT.format(**row)}
            entries.append(Entry(b"bench", orjson.dumps(record)))
            if len(entries) == RECORDS_AT_ONCE:
                await log.append(RECIPIENTS.name, appends % SPREAD_PARTITIONS, entries)
                appends += 1
                entries.clear()
    if entries:
        await log.append(RECIPIENTS.name, appends % SPREAD_PARTITIONS, entries)
    await log.close()
    return len(seen)


def _child(way: str, folder: Path) -> None:
    start_s = time.perf_counter()
    recipients = asyncio.run(_ours(folder) if way == "ours" else _naive(folder))
    seconds = time.perf_counter() - start_s
    print(json.dumps({"seconds": seconds, "recipients": recipients, "memory": peak_bytes()}))


if __name__ == "__main__":
    _child(sys.argv[1], Path(sys.argv[2]))
