"""The naive launch: csv.DictReader, a regex, a set, a record each. It keeps no rejected rows, which is kind to it."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any, Final

import orjson

from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from schemas.topics import RECIPIENTS, SPREAD_PARTITIONS

RECORDS_AT_ONCE: Final = 1_000


async def launch(folder: Path, text: str) -> int:
    """Launch `list.csv` into `log.db`, 1,000 records at a time, each with a text of its own if `text` has columns."""
    number = re.compile(r"(?:\+?86|0086)?(1[3-9]\d{9})")
    separators = re.compile(r"[\s-]")
    columns = re.findall(r"\{(\w+)\}", text)
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
            if match is None or match[1] in seen or not all(row[name] for name in columns):
                continue
            seen.add(match[1])
            record: dict[str, Any] = {"campaign": "bench", "number": match[1]}
            if columns:
                record["text"] = text.format(**row)
            entries.append(Entry(b"bench", orjson.dumps(record)))
            if len(entries) == RECORDS_AT_ONCE:
                await flush()
    if entries:
        await flush()
    await log.close()
    return len(seen)
