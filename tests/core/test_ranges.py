"""Ranges of recipients agree with sets of positions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.ranges import Ranges, both, total, without


@st.composite
def ranges(draw: st.DrawFn) -> Ranges:
    """Ascending, disjoint ranges; neighbours may touch."""
    found, at = [], 0
    for gap, count in draw(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=6)):
        found.append((at + gap, count))
        at += gap + count
    return tuple(found)


def positions(of: Ranges) -> list[int]:
    return [at for start, count in of for at in range(start, start + count)]


@given(ranges(), ranges())
def test_ranges_agree_with_sets_of_positions(one, other):
    assert positions(both(one, other)) == sorted(set(positions(one)) & set(positions(other)))
    assert positions(without(one, other)) == sorted(set(positions(one)) - set(positions(other)))
    assert total(one) == len(positions(one))
