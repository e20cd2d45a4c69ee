"""One batch in columns: finding numbers, the first final word, codes that come and go."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.core.results.columns import SEGMENT, Columns, states_of
from schemas.states import State

DELIVERED, FAILED = (State.DELIVERED, "DELIVRD"), (State.FAILED, "UNDELIV")
PAIRS = [DELIVERED, FAILED, (State.FAILED, "MBBLACK")]


def settle(columns: Columns, rows: list[tuple[int, int, int]]):
    """Rows of (position, pair, place in the log); the time is the place."""
    positions, pair, places = (np.array([row[i] for row in rows]) for i in range(3))
    return columns.settle(
        positions.astype(np.int32), pair.astype(np.int32), PAIRS, places.astype(np.uint32), lambda: places
    )


def words(columns: Columns) -> list[tuple[int, str] | None]:
    return [columns.codes[value - 1] if value else None for value in columns.finals.tolist()]


@given(st.lists(st.integers(1, 2**62), unique=True, max_size=50), st.lists(st.integers(1, 2**62), max_size=50))
def test_a_number_is_found_where_it_stood_in_the_list_and_nothing_else_is_found(members, asked):
    columns = Columns(np.array(members, np.int64))
    asked = asked + members[::2]
    found = columns.find(np.array(asked, np.int64)).tolist()
    assert found == [members.index(number) if number in members else -1 for number in asked]


def test_fifteen_bytes_per_recipient():
    columns = Columns(np.arange(50_000, dtype=np.int64) + 13_800_000_000)
    assert columns.nbytes == 15 * 50_000


def test_the_first_final_word_stays_within_a_read_and_over_reads():
    columns = Columns(np.arange(5, dtype=np.int64))
    settled = settle(columns, [(3, 0, 1), (3, 1, 2), (1, 2, 3)])
    assert settled.fresh.tolist() == [0, 2]
    assert settle(columns, [(3, 1, 4), (0, 1, 5), (1, 0, 6)]).fresh.tolist() == [1]
    assert words(columns) == [FAILED, PAIRS[2], None, DELIVERED, None]
    assert columns.times.tolist() == [5, 3, 0, 1, 0]


@given(st.data())
def test_in_a_contested_slice_the_first_by_place_in_the_log_wins_in_any_order_of_matching(data):
    columns = Columns(np.arange(8, dtype=np.int64))
    columns.contest(0, 8)
    rows = [(data.draw(st.integers(0, 7)), data.draw(st.integers(0, 2)), place) for place in range(20)]
    fresh = replaced = 0
    shuffled = data.draw(st.permutations(rows))
    for start in range(0, 20, 4):
        settled = settle(columns, shuffled[start : start + 4])
        fresh, replaced = fresh + len(settled.fresh), replaced + len(settled.replaced)
        assert len(settled.replaced) == len(settled.replaced_was)
    first = {position: PAIRS[pair] for position, pair, _ in reversed(rows)}
    assert words(columns) == [first.get(position) for position in range(8)]
    assert fresh == len(first)
    assert columns.codes == sorted(set(first.values()))


def test_only_a_contested_slice_keeps_places_and_changes_its_mind():
    columns = Columns(np.arange(4, dtype=np.int64))
    settle(columns, [(0, 0, 9)])
    columns.contest(2, 2)
    settle(columns, [(2, 0, 9)])
    assert settle(columns, [(0, 1, 3), (2, 1, 3)]).replaced.tolist() == [1]
    assert words(columns) == [DELIVERED, None, FAILED, None]


def test_more_than_255_codes_make_the_column_wider_and_lose_nothing():
    columns = Columns(np.arange(600, dtype=np.int64))
    pairs = [(State.FAILED, f"{number:03}") for number in range(600)]
    numbers = np.arange(600, dtype=np.intp)
    for start in range(0, 600, 100):
        part = numbers[start : start + 100]
        columns.settle(part, part, pairs, np.ones(100, np.uint32), lambda: numbers.astype(np.int64))
    assert columns.finals.dtype == np.uint16
    assert words(columns) == pairs
    assert states_of(columns.codes)[columns.finals].tolist() == [State.FAILED] * 600


def test_a_late_report_dirties_its_segment_alone_and_a_new_code_those_it_renumbers():
    columns = Columns(np.arange(3 * SEGMENT, dtype=np.int64))
    settle(columns, [(0, 1, 1)])
    assert columns.dirty == {0}
    columns.dirty.clear()
    settle(columns, [(2 * SEGMENT, 1, 2)])
    assert columns.dirty == {2}
    columns.dirty.clear()
    settle(columns, [(SEGMENT, 0, 3)])  # sorts before the other: what was stored means another code now
    assert columns.dirty == {0, 1, 2}


def test_a_broken_batch_has_no_recipients():
    columns = Columns(np.empty(0, np.int64))
    assert columns.find(np.array([1, 2])).tolist() == [-1, -1]
    columns.contest(0, 10)
    assert columns.reported(0, 10) == 0
