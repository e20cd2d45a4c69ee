"""Tables for people: whatever the width, nothing that is in one is hidden."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from dispatcher.terminal.options import columns

NAMES = ("campaign", "state", "vendor id", "what to do")
ROWS = [
    ("may-sale", "delivered", "1795277224854001", ""),
    ("june", "failed", "1795277224854002", "nothing to mend; perhaps another day"),
]


def drawn(width: int, names: tuple[str, ...] = NAMES, rows: Any = ROWS, **how: Any) -> str:
    table = columns(*names, **how)
    for row in rows:
        table.add_row(*map(Text, row))
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, markup=False, emoji=False).print(table)
    return out.getvalue()


def test_a_table_that_fits_is_a_table():
    head, first, second = drawn(100).splitlines()
    assert head.split() == ["campaign", "state", "vendor", "id", "what", "to", "do"]
    assert first.index("1795277224854001") == second.index("1795277224854002") == head.index("vendor id")


def test_prose_is_folded_before_a_column_of_ids_is():
    lines = drawn(60, prose={"what to do"}).splitlines()
    assert lines[0].startswith("campaign")
    assert "1795277224854002" in lines[2]
    assert len(lines) > 3


def test_where_the_terminal_is_too_narrow_each_row_is_a_paragraph_without_its_empty_cells():
    assert drawn(50).splitlines() == [
        "campaign: may-sale  state: delivered",
        "  vendor id: 1795277224854001",
        "campaign: june  state: failed",
        "  vendor id: 1795277224854002",
        "  what to do: nothing to mend; perhaps another day",
    ]


def test_a_column_without_a_name_has_none_in_a_paragraph_either():
    assert drawn(20, ("", "must be so"), [("x", "nobody was texted twice")]).split() == (
        ["x", "must", "be", "so:", "nobody", "was", "texted", "twice"]
    )


CELLS = st.text("abcdefghij0123456789数字", max_size=30)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5), st.integers(8, 120), st.booleans())
def test_nothing_is_hidden_at_any_width(rows, width, folds):
    shown = drawn(width, ("one", "two", "three"), rows, prose={"three"} if folds else ())
    assert "…" not in shown
    seen = re.sub(r"\s", "", shown)
    for row in rows:
        for cell in row[:2]:
            assert cell in seen
    if not folds:
        assert all(row[2] in seen for row in rows)


@pytest.mark.parametrize("width", [30, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    assert all(len(line) <= width for line in drawn(width).splitlines())
