"""The README is complete: its table has a row for every page, and the tour's steps are numbered one by one."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def test_every_page_has_a_row_in_the_table() -> None:
    rows = re.findall(r"^\[(docs/[\w.]+)\]\(\1\) \| ", README, re.MULTILINE)
    assert sorted(rows) == sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))


def test_the_steps_of_the_tour_are_numbered_one_by_one() -> None:
    steps = [int(number) for number in re.findall(r"^\*\*(\d+)\. ", README, re.MULTILINE)]
    assert steps == list(range(1, len(steps) + 1))
