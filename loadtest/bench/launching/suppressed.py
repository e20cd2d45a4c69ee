"""A launch while millions of numbers are suppressed, against the same launch while nobody is.

Both in a process of their own, on the same list and log; imports of modules are not in the time. What is left out is
checked against a plain intersection.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from dispatcher.config.file import Config, parse
from dispatcher.log.opening import open_log
from dispatcher.service.launching import LaunchRequest
from dispatcher.service.session import open_session
from dispatcher.suppression_list import put
from loadtest.bench.launching.launch import CONFIG, MEGABYTE, peak_bytes
from producers.launch.api import launch
from producers.launch.commit import LaunchResult

ROWS: Final = 1_000_000
LISTED: Final = 10_000_000
LISTED_QUICK: Final = 1_000_000
ROUNDS: Final = 3
FIRST: Final = 13_000_000_000
SPACE: Final = 6_900_000_000


async def run(quick: bool) -> list[dict[str, Any]]:
    """Seconds of a launch of 1 M rows, and peak memory, with so many suppressed and with none."""
    listed = LISTED_QUICK if quick else LISTED
    with tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as name:
        folder = Path(name)
        random = np.random.default_rng(1)
        numbers = FIRST + random.choice(SPACE, ROWS, replace=False)
        (folder / "list.txt").write_text("\n".join(map(str, numbers.tolist())), "ascii")
        on_list = np.concatenate([FIRST + random.integers(0, SPACE, listed), numbers[::100]])
        started_s = time.perf_counter()
        await _fill(folder / "with.db", on_list)
        filled_s = time.perf_counter() - started_s
        await _fill(folder / "without.db", np.empty(0, np.int64))
        rounds = 1 if quick else ROUNDS
        found = {log: [_measured(folder, log, each) for each in range(rounds)] for log in ("with", "without")}
    hit = int(np.isin(numbers, on_list).sum())
    assert {each["suppressed"] for each in found["with"]} == {hit}, (found, hit)
    assert {each["suppressed"] for each in found["without"]} == {0}
    seconds = {log: statistics.median(each["seconds"] for each in each_round) for log, each_round in found.items()}
    memory = {log: max(each["memory"] for each in each_round) / MEGABYTE for log, each_round in found.items()}
    what = f"launch of {ROWS / 1e6:g} M rows, {listed / 1e6:g} M suppressed"
    return [
        {"name": what, "value": seconds["with"], "unit": "s", "baseline": seconds["without"],
         "ratio": seconds["with"] / seconds["without"]},
        {"name": f"{what}, peak memory", "value": memory["with"], "unit": "MB", "baseline": memory["without"],
         "ratio": memory["with"] / memory["without"]},
        {"name": f"put {listed / 1e6:g} M numbers on the list", "value": filled_s, "unit": "s", "baseline": None,
         "ratio": None},
    ]  # fmt: skip


async def _fill(path: Path, numbers: Any) -> None:
    log = await open_log(f"sqlite:{path}")
    await put(log, numbers, adds=True, source="import", by="bench", why="", at_ms=1000)
    await log.close()


def _measured(folder: Path, log: str, each: int) -> dict[str, float]:
    command = [sys.executable, "-m", "loadtest.bench.launching.suppressed", str(folder), log, str(each)]
    done = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[3])
    result: dict[str, float] = json.loads(done.stdout)
    return result


async def _launched(config: Config, request: LaunchRequest) -> LaunchResult:
    async with open_session(config) as session:
        return await launch(session, request)


def _child(folder: Path, log: str, each: str) -> None:
    config = parse({**CONFIG, "log": {"url": f"sqlite:{folder / log}.db"}}, "bench")
    started_s = time.perf_counter()
    request = LaunchRequest(numbers=folder / "list.txt", text="hi", route=["bulk"], id=f"bench-{each}")
    done = asyncio.run(_launched(config, request))
    seconds = time.perf_counter() - started_s
    print(json.dumps({"seconds": seconds, "suppressed": done.suppressed, "memory": peak_bytes()}))


if __name__ == "__main__":
    _child(Path(sys.argv[1]), *sys.argv[2:])
