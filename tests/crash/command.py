"""`python -m tests.crash.command …`: the `dispatcher` command, nothing else; but on SIGUSR2 it says where its tasks and
threads stand, so that a story of a process that hangs can tell why.
"""

from __future__ import annotations

import asyncio
import faulthandler
import signal
import sys
from types import FrameType

from dispatcher.cli import main


def _say_where(_number: int, _frame: FrameType | None) -> None:
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:
        tasks = set()
    for task in tasks:
        print(f"--- task {task.get_name()}", file=sys.stderr)
        task.print_stack(limit=6, file=sys.stderr)
    faulthandler.dump_traceback(file=sys.stderr, all_threads=True)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR2, _say_where)
    main(prog_name="dispatcher")
