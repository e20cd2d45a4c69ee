"""Launching a personalised campaign until it is durable, against `str.format` and a record a text; else as launch.py.

The naive way checks no text, which is kind to it.
"""

from __future__ import annotations

from typing import Any, Final

from loadtest.bench.launching.launch import measured

ROWS: Final = 1_000_000
ROWS_QUICK: Final = 100_000
TEXT: Final = "【店】{姓名}您好，您的会员编号是{编号}"


async def run(quick: bool) -> list[dict[str, Any]]:
    """Rows per second and peak memory of a launch in which every text is different."""
    rows = ROWS_QUICK if quick else ROWS
    return measured(rows, TEXT, lambda _size: f"launch, personalised, {rows / 1e6:g} M texts", quick=quick)
