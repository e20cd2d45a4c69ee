"""A launch with a frequency cap beside millions of known numbers, against the same launch without a cap.

Both in a process of their own, on the same list and log. The campaigns that count are records on the log and files
beside the results, as their launches left them. What is set aside is checked against a plain count.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from dispatcher.caps.number_set import set_of
from dispatcher.caps.recently_texted import RecentlyTexted, folder_beside
from dispatcher.clock import now_ms
from dispatcher.config.file import parse
from dispatcher.core.suppression import contains
from dispatcher.log.opening import open_log
from dispatcher.log.port import Entry
from dispatcher.service.campaigns.launching import LaunchRequest
from dispatcher.service.session import open_session
from loadtest.bench.harness import MEGABYTE, figure, in_its_own_process, tell
from loadtest.bench.launching.launch import CONFIG
from producers.launch.api import launch
from schemas.codec import encode
from schemas.records import Launched, Leg
from schemas.topics import CAMPAIGNS

ROWS: Final = 10_000_000
ROWS_QUICK: Final = 1_000_000
KNOWN: Final = 100_000_000
KNOWN_QUICK: Final = 10_000_000
CAMPAIGNS_COUNTED: Final = 20
CAP: Final = 2
SHARE: Final = 0.008
"""Of the list in each campaign: about a hundredth is over the cap."""
ROUNDS: Final = 3
FIRST: Final = 13_000_000_000
SPACE: Final = 6_900_000_000


async def run(quick: bool) -> list[dict[str, Any]]:
    """Seconds (by the clock, of CPU) of a launch with a cap and so many texted numbers, and without; memory; files."""
    rows, known = (ROWS_QUICK, KNOWN_QUICK) if quick else (ROWS, KNOWN)
    with tempfile.TemporaryDirectory(prefix="dispatcher-bench-") as name:
        folder = Path(name)
        random = np.random.default_rng(1)
        numbers = np.unique(FIRST + random.integers(0, SPACE, rows))
        random.shuffle(numbers)
        pl.DataFrame({"mobile": numbers}).write_csv(folder / "list.csv")
        size, over = await _counted(folder, numbers, known // CAMPAIGNS_COUNTED, random)
        rounds = 1 if quick else ROUNDS
        found: dict[str, list[Any]] = {"with": [], "without": []}
        for each in range(rounds):  # in turns: the machine is not the same at all times
            for caps, figures in found.items():
                log = folder / f"log-{caps}-{each}.db"  # of its own: no launch counts for the next
                shutil.copy(folder / "log.db", log)
                figures.append(in_its_own_process("launching.capped", folder, caps, log))
                log.unlink()
    assert {each["capped"] for each in found["with"]} == {over}, (found, over)
    assert {each["capped"] for each in found["without"]} == {0}
    seconds, cpu = (
        {caps: statistics.median(each[what] for each in each_round) for caps, each_round in found.items()}
        for what in ("seconds", "cpu")
    )
    memory = {caps: max(each["memory"] for each in each_round) / MEGABYTE for caps, each_round in found.items()}
    what = f"launch of {rows / 1e6:g} M rows with a cap, {known / 1e6:g} M texted before"
    return [
        figure(what, seconds["with"], "s", seconds["without"]),
        figure(f"{what}, CPU", cpu["with"], "s", cpu["without"]),
        figure(f"{what}, peak memory", memory["with"], "MB", memory["without"]),
        figure(f"files for {known / 1e6:g} M texted numbers", size / MEGABYTE, "MB"),
    ]


async def _counted(folder: Path, numbers: Any, each: int, random: Any) -> tuple[int, int]:
    """Campaigns that count, with a few of the list's numbers; the files' size, and how many are over the cap."""
    log = await open_log(f"sqlite:{folder / 'log.db'}")
    texted, times = RecentlyTexted(folder_beside(str(folder / "results.db"))), np.zeros(len(numbers), np.int64)
    at_ms, ascending = now_ms(), np.sort(numbers)
    for number in range(CAMPAIGNS_COUNTED):
        attempt = f"{number:016x}"
        strangers = np.sort(FIRST + random.integers(0, SPACE, each))
        strangers = random.permutation(strangers[~contains(ascending, strangers)])
        among = random.random(len(numbers)) < SHARE
        times += among
        mine = numbers[among]
        texted.keep(attempt, set_of(np.concatenate([mine, strangers[: each - len(mine)]])))
        await log.append(CAMPAIGNS.name, 0, [Entry(f"{number}#{attempt}".encode(), encode(_launched(attempt, at_ms)))])
    await log.close()
    size = sum(path.stat().st_size for path in folder_beside(str(folder / "results.db")).iterdir())
    return size, int((times >= CAP).sum())


def _launched(attempt: str, at_ms: int) -> Launched:
    return Launched(
        campaign=f"before-{attempt}",
        attempt=attempt,
        fingerprint="",
        name="",
        text="hi",
        legs=(Leg(account="bulk", vendor="batch-a", jobs=0, recipients=0),),
        weight=1,
        urgent=False,
        unknown="hold",
        rows=0,
        recipients=0,
        invalid=0,
        duplicate=0,
        suppressed=0,
        batches=0,
        segments=1,
        at_ms=at_ms,
        by="bench",
    )


async def _launch(folder: Path, caps: str, log: str) -> int:
    table = {
        **CONFIG,
        "log": {"url": f"sqlite:{log}"},
        "store": {"url": f"sqlite:{folder / 'results.db'}"},
        "caps": {"marketing": f"{CAP} per 7 d"} if caps == "with" else {},
    }
    request = LaunchRequest(numbers=folder / "list.csv", text="hi", route=["bulk"], id="bench")
    async with open_session(parse(table, "bench")) as session:
        return (await launch(session, request)).suppressed


if __name__ == "__main__":
    tell("capped", _launch(Path(sys.argv[1]), *sys.argv[2:]))
