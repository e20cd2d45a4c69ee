"""A whole list taken apart: the first of equal numbers stays, suppressed ones go, the order is kept."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.caps.number_set import SetOfMany, set_of
from dispatcher.errors import InputError
from producers.lists import dedupe
from producers.lists.dedupe import Growing, Listed, ascending_of, separate
from schemas.states import BY_FILE, ON_LIST

FIRST, LAST = 13_000_000_000, 19_999_999_999
ABROAD = 10**15 + 447_700_900_000
few = st.one_of(
    st.integers(FIRST, FIRST + 12),
    st.integers(LAST - 3, LAST),
    st.integers(FIRST, LAST),
    st.integers(ABROAD, ABROAD + 12),
    st.integers(10**15 + 10**6, 2 * 10**15 - 1),
)
rows = st.lists(st.one_of(st.just(0), few), max_size=60)


def listing(numbers, block=7):
    listed = Listed()
    for start in range(0, len(numbers), block):
        listed.add_block(np.array(numbers[start : start + block], np.int64), start)
    return listed


def taken_apart(numbers, suppressed=(), block=7):
    listed, barred = listing(numbers, block), Growing()
    barred.add(np.array(list(suppressed), np.int64).view(np.uint64))
    return separate(listed, {BY_FILE: ascending_of(barred)})


def pairs(rows):
    count = len(rows)
    return list(zip(rows.rows(0, count).tolist(), rows.numbers(0, count).tolist(), strict=True))


def repeated_pairs(separated):
    """(row, the row it repeats, its number) of each duplicate."""
    repeats = separated.duplicates
    count = len(repeats)
    earlier = repeats.first_rows(0, count)
    numbers = separated.numbers_at(earlier)
    return list(zip(repeats.rows(0, count).tolist(), earlier.tolist(), numbers.tolist(), strict=True))


def expected(numbers, suppressed):
    """The same, one number at a time."""
    seen: dict[int, int] = {}
    kept: list[tuple[int, int]] = []
    repeated: list[tuple[int, int, int]] = []
    barred: list[tuple[int, int]] = []
    for row, number in enumerate(numbers):
        if number in seen:
            repeated.append((row, seen[number], number))
        elif number:
            seen[number] = row
            (barred if number in suppressed else kept).append((row, number))
    return kept, repeated, barred


@settings(max_examples=300)
@given(rows, st.lists(few, max_size=20), st.integers(1, 9))
def test_a_list_comes_apart_as_one_by_one_would_have_it(numbers, suppressed, block):
    separated = taken_apart(numbers, suppressed, block)
    kept, repeated, barred = expected(numbers, set(suppressed))
    assert pairs(separated.recipients) == kept
    assert repeated_pairs(separated) == repeated
    assert pairs(separated.aside[BY_FILE]) == barred


@settings(max_examples=200)
@given(rows, st.lists(few, max_size=20), st.integers(1, 9))
def test_a_set_and_a_column_of_numbers_bar_the_same_at_once_or_later(numbers, suppressed, block):
    column, texted = np.array(sorted(set(suppressed)), np.int64), SetOfMany()
    at_once = separate(listing(numbers, block), {ON_LIST: set_of(column)}, texted)
    later = separate(listing(numbers, block), {})
    kept, _, barred = expected(numbers, set(suppressed))
    for each in (at_once, later.without(ON_LIST, column), later.without(ON_LIST, set_of(column))):
        assert pairs(each.recipients) == kept
        assert [pair for aside in each.aside.values() for pair in pairs(aside)] == barred
    mobiles = np.array(sorted(number for _, number in kept if number <= LAST), np.int64)
    assert len(texted.made(mobiles[:0])) == len(mobiles)
    assert texted.made(mobiles[:0]).has_ascending(mobiles - FIRST).all()


def test_blocks_of_the_sorted_list_make_no_difference(monkeypatch):
    random = np.random.default_rng(1)
    numbers = random.integers(FIRST, FIRST + 3000, 5000).tolist()
    suppressed = set(range(FIRST, FIRST + 200))
    for block in (1, 3, 1000, 1 << 18):
        monkeypatch.setattr(dedupe, "_BLOCK", block)
        separated = taken_apart(numbers, suppressed, 999)
        kept, repeated, barred = expected(numbers, suppressed)
        assert pairs(separated.recipients) == kept
        assert repeated_pairs(separated) == repeated
        assert pairs(separated.aside[BY_FILE]) == barred
        assert [number for part in separated.recipients.blocks() for number in part.tolist()] == [n for _, n in kept]


def test_rows_are_found_by_their_place_in_the_list():
    separated = taken_apart([FIRST, FIRST + 1, 0, FIRST, FIRST, FIRST + 2])
    assert [separated.duplicates.position(row) for row in range(7)] == [0, 0, 0, 0, 1, 2, 2]
    assert separated.recipients.position(dedupe.ROWS_MAX - 1) == 3


def test_the_last_row_there_can_be_is_kept_and_no_row_beyond():
    listed = Listed()
    listed.add_block(np.array([LAST, FIRST]), dedupe.ROWS_MAX - 2)
    assert pairs(separate(listed, {}).recipients) == [
        (dedupe.ROWS_MAX - 2, LAST),
        (dedupe.ROWS_MAX - 1, FIRST),
    ]
    with pytest.raises(InputError, match="more than 2,147,483,648 rows"):
        Listed().add_block(np.array([FIRST]), dedupe.ROWS_MAX)


@pytest.mark.parametrize("kind", ["all different", "all the same", "all suppressed", "mixed"])
def test_a_list_takes_at_most_16_bytes_a_row(kind):
    rows, floor = 2_000_000, 16 << 20
    numbers = np.full(rows, FIRST) if kind == "all the same" else FIRST + np.arange(rows) * 3
    if kind == "mixed":
        numbers = np.random.default_rng(1).permutation(np.concatenate([numbers[: rows // 2], numbers[: rows // 2]]))
    barred = numbers if kind == "all suppressed" else np.empty(0, np.int64)
    listed = Listed()
    tracemalloc.start()
    try:
        for start in range(0, rows, 100_000):
            listed.add_block(numbers[start : start + 100_000], start)
        before = tracemalloc.get_traced_memory()[0]
        separated = separate(listed, {BY_FILE: barred})
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(separated.recipients) + len(separated.duplicates) + len(separated.aside[BY_FILE]) == rows
    assert before <= 12 * rows + floor, "room not written to is counted here, though it takes no memory"
    assert peak - before + 8 * rows <= 16 * rows + floor + barred.nbytes
    assert held <= 16 * rows + floor + barred.nbytes


def test_an_array_grows_to_what_was_added():
    grown = Growing()
    parts = [np.arange(size, dtype=np.uint64) for size in (0, 1, 5000, 3, 100_000)]
    for part in parts:
        grown.add(part)
    assert len(grown) == 105_004
    assert np.array_equal(grown.taken(), np.concatenate(parts))
    assert len(grown) == 0
