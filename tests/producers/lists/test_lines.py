"""The lines of rows: what an editor shows, whatever the rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producers.lists.lines import Lines


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=8), min_size=1, max_size=6), st.integers(1, 5))
def test_every_row_is_on_its_line(blocks, first):
    kept, expected, line = Lines(), [], first
    for steps in blocks:
        lines = [line + sum(steps[:at]) for at in range(len(steps))]
        regular = lines == list(range(line, line + len(steps)))
        kept.add(len(steps), line, None if regular else np.array(lines))
        expected += lines
        line = lines[-1] + steps[-1]
    assert kept.of(np.arange(len(expected))).tolist() == expected


def test_several_rows_may_be_on_one_line():
    kept = Lines()
    kept.add(3, 1, np.array([1, 1, 1]))
    kept.add(0, 9)
    kept.add(2, 2)
    assert kept.of(np.arange(5)).tolist() == [1, 1, 1, 2, 3]
