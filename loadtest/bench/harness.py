"""What the benchmarks share: a line of the table, rounds in turn, a way in a process of its own.

It imports nothing of ours, so that it does not count in the memory of what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, Final

MEGABYTE: Final = 1_000_000


def figure(
    name: str, value: float, unit: str, baseline: float | None = None, *, less_is_better: bool = False
) -> dict[str, Any]:
    """A line of the table; the ratio says how many times better than the baseline it is."""
    ratio = None if baseline is None else baseline / value if less_is_better else value / baseline
    return {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}


async def in_turn(
    rounds: int, ours: Callable[[], Awaitable[float]], naive: Callable[[], Awaitable[float]]
) -> tuple[float, float]:
    """The medians of both over these rounds, in turn in each."""
    found = [(await ours(), await naive()) for _ in range(rounds)]
    value, baseline = (statistics.median(column) for column in zip(*found, strict=True))
    return value, baseline


# --- a process of its own --------------------------------------------------------------------------------------------


def in_its_own_process(module: str, *arguments: object) -> dict[str, float]:
    """Run a module under loadtest.bench with these arguments, so that its memory is its own; what it `tells`."""
    command = [sys.executable, "-m", f"loadtest.bench.{module}", *map(str, arguments)]
    done = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    result: dict[str, float] = json.loads(done.stdout)
    return result


def tell(name: str, work: Coroutine[Any, Any, int]) -> None:
    """Do it; print its result under this name, its seconds by the clock and of CPU, and the most memory, as JSON."""
    start_s, cpu_s = time.perf_counter(), time.process_time()
    found = asyncio.run(work)
    seconds, cpu_s = time.perf_counter() - start_s, time.process_time() - cpu_s
    print(json.dumps({name: found, "seconds": seconds, "cpu": cpu_s, "memory": _peak_bytes()}))


def cpu_s(pid: int) -> float:
    """The CPU seconds that a process has used, those of its threads included."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:13])) / os.sysconf("SC_CLK_TCK")


def _peak_bytes() -> int:
    """The most memory this process has had. On Linux getrusage would count the parent's, from before the exec."""
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
