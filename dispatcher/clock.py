"""The wall clock of the shells, for records and screens. The core has no clock: time is an argument there."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Unix time in milliseconds."""
    return time.time_ns() // 1_000_000
