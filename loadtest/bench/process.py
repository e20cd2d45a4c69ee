"""Running one way of a benchmark in a process of its own, so that its memory is its own, too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def in_its_own_process(bench: str, way: str, folder: Path) -> dict[str, float]:
    """Run `python -m loadtest.bench.BENCH WAY FOLDER` on an empty log: the figures it prints as JSON."""
    for old in folder.glob("log.db*"):
        if old.is_file():
            old.unlink()
    command = [sys.executable, "-m", f"loadtest.bench.{bench}", way, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
    result: dict[str, float] = json.loads(done.stdout)
    return result
