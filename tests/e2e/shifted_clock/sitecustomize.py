"""Every Python process that a test starts with this folder in PYTHONPATH has a wall clock that the test can move.

The file $SHIFTED_CLOCK holds the milliseconds to add: a test plays a week in minutes by moving the clock of all running
processes at once. Only `dispatcher.clock` is moved; pacing and time-outs count monotonic seconds, as always.
"""

from __future__ import annotations

import mmap
import os
import time

if path := os.environ.get("SHIFTED_CLOCK"):
    from dispatcher import clock

    with open(path, "rb") as file:
        shift = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    clock.now_ms = lambda: time.time_ns() // 1_000_000 + int.from_bytes(shift[:8], "little", signed=True)
