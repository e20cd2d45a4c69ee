"""`python -m tests.crash`: real crashes on real logs, for as many rounds as asked.

    python -m tests.crash --rounds 200                 both logs, one after the other, 200 rounds each
    python -m tests.crash --log kafka --rounds 20 --seed 7 --keep /tmp/crash

Every CHAPTER rounds there is peace: all is compared with the vendor's ledger. The first failure ends it, with its story
and exit code 1; the folder with log, results and what the processes said is kept then.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

from loadtest.broker import Broker
from tests.crash.life import living
from tests.crash.rounds import play
from tests.crash.stage import LogKind
from tests.crash.story import CrashFailure

CHAPTER: Final = 20


def crash(kind: LogKind, rounds: int, seed: int, folder: Path, broker: Broker | None, *, show: bool) -> Counter[str]:
    """Play this many rounds in one life of log and vendor; what happened, counted. Raises CrashFailure."""
    title = f"python -m tests.crash --log {kind} --rounds {rounds} --seed {seed}"
    with living(kind, folder, broker, seed=seed, title=title) as life:
        for number in range(1, rounds + 1):
            play(life, number, seed=seed)
            last = number == rounds
            if show:
                print(f"\r{kind}: round {number} of {rounds}, {life.story.seconds:.0f} s ", end="", flush=True)
            if last or number % CHAPTER == 0:
                life.peace()
                if not last:
                    life.all_up()
        if show:
            print()
        life.figures["seconds"] = round(life.story.seconds)
        return life.figures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description="Real crashes on real logs.")
    parser.add_argument("--log", choices=["sqlite", "kafka", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--keep", type=Path, help="keep the folders of the lives here")
    asked = parser.parse_args()
    kinds: tuple[LogKind, ...] = ("sqlite", "kafka") if asked.log == "both" else (asked.log,)
    for kind in kinds:
        folder = asked.keep / f"{kind}-{asked.seed}" if asked.keep else Path(tempfile.mkdtemp(prefix=f"crash-{kind}-"))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            if kind == "kafka":
                with Broker() as broker:
                    figures = crash(kind, asked.rounds, asked.seed, folder, broker, show=True)
            else:
                figures = crash(kind, asked.rounds, asked.seed, folder, None, show=True)
        except CrashFailure as failure:
            print(f"\n{failure}", file=sys.stderr)
            return 1
        print(f"{kind}, seed {asked.seed}: everything agrees")
        for name, count in sorted(figures.items()):
            print(f"  {count:>9,}  {name}")
        if not asked.keep:
            shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
