"""A launch while millions of numbers are suppressed, against the same launch with an empty list.

Both in a process of their own, on the same list and log; imports of modules are not in the time. What is left out is
checked against a plain intersection.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import numpy as np

from dispatcher.config.file import parse
from dispatcher.log.opening import open_log
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from dispatcher.suppression.list import put
from loadtest.bench.harness import MEGABYTE, figure, in_its_own_process, tell
from loadtest.bench.launching.launch import CONFIG
from producers.launch.api import launch

ROWS: Final = 1_000_000
LISTED: Final = 10_000_000
LISTED_QUICK: Final = 1_000_000
ROUNDS: Final = 3
FIRST: Final = 13_000_000_000
SPACE: Final = 6_900_000_000


async def run(quick: bool) -> list[dict[str, Any]]:
    """Seconds of a launch of 1 M rows, and peak memory, with this many suppressed, and with an empty list."""
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
        found = {
            log: [in_its_own_process("launching.suppressed", folder, log, each) for each in range(rounds)]
            for log in ("with", "without")
        }
    hit = int(np.isin(numbers, on_list).sum())
    assert {each["suppressed"] for each in found["with"]} == {hit}, (found, hit)
    assert {each["suppressed"] for each in found["without"]} == {0}
    seconds = {log: statistics.median(each["seconds"] for each in each_round) for log, each_round in found.items()}
    memory = {log: max(each["memory"] for each in each_round) / MEGABYTE for log, each_round in found.items()}
    what = f"launch of {ROWS / 1e6:g} M rows, {listed / 1e6:g} M suppressed"
    return [
        figure(what, seconds["with"], "s", seconds["without"]),
        figure(f"{what}, peak memory", memory["with"], "MB", memory["without"]),
        figure(f"put {listed / 1e6:g} M numbers on the list", filled_s, "s"),
    ]


async def _fill(path: Path, numbers: Any) -> None:
    log = await open_log(f"sqlite:{path}")
    await put(log, numbers, adds=True, source="import", by="bench", why="", at_ms=1000)
    await log.close()


async def _launched(folder: Path, log: str, each: str) -> int:
    config = parse({**CONFIG, "log": {"url": f"sqlite:{folder / log}.db"}}, "bench")
    request = LaunchRequest(numbers=folder / "list.txt", text="hi", route=["bulk"], id=f"bench-{each}")
    async with open_session(config) as session:
        return (await launch(session, request)).suppressed


if __name__ == "__main__":
    tell("suppressed", _launched(Path(sys.argv[1]), *sys.argv[2:]))
