"""`python -m tests.fuzz`: damaged lists of every kind, as many as asked.

    python -m tests.fuzz --files 10000                 10,000 CSV files, workbooks and Parquet files
    python -m tests.fuzz --kind xlsx --files 500 --seed 7

Each must come out as rows or as one sentence. The first that does not ends it with exit code 1; its bytes are kept.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from producers.lists.reader.process import close_idle
from tests.fuzz.made import KINDS
from tests.fuzz.trying import FuzzFailure, Tally, fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Damaged lists of every kind.")
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    asked = parser.parse_args()
    print(f"seed {asked.seed}", flush=True)
    for kind in KINDS if asked.kind == "all" else (asked.kind,):
        tally, start_s = Tally(), time.monotonic()
        try:
            fuzz(kind, asked.files, asked.seed, tally)
        except FuzzFailure as failure:
            kept = Path(tempfile.gettempdir()) / f"fuzz-{kind}-{asked.seed}-{tally.outcomes.total()}"
            kept.write_bytes(failure.content)
            print(f"{kind}: file {tally.outcomes.total()} (kept as {kept}): {failure}")
            return 1
        finally:
            close_idle()
        outcomes = ", ".join(f"{count:,} {word}" for word, count in sorted(tally.outcomes.items()))
        peak = f"at most {tally.memory_bytes / 1e6:,.0f} MB"
        print(f"{kind}: {asked.files:,} files, {outcomes}; {peak}; {time.monotonic() - start_s:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
